//! What other systems tell of their interfaces.

use std::{
    io, mem,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::{Duration, Instant},
};

use super::Comparison;

/// How often to look for what the system does not tell: of carriers, and of routes.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often to look where it tells nothing.
const LOOK_OFTEN: Duration = Duration::from_secs(1);

/// Waits for changes.
pub(super) struct Changes {
    told: Receiver<Told>,
    look_every: Duration,
    comparison: Comparison,
    /// Told while nobody waited.
    was_told: bool,
    /// What tells; only kept.
    _system: Option<system::Handle>,
}

enum Told {
    Changed,
    Stop,
}

/// Ends the waiting.
pub(super) struct Stop(Sender<Told>);

impl Stop {
    pub(super) fn stop(&self) {
        let _gone_already = self.0.send(Told::Stop);
    }
}

impl Changes {
    #[expect(clippy::unnecessary_wraps, reason = "on Linux it can fail")]
    pub(super) fn open() -> io::Result<(Self, Stop)> {
        let (tell, told) = channel();
        let system = system::watch(tell.clone());
        let changes = Self {
            told,
            look_every: match system {
                Some(_) => LOOK_EVERY,
                None => LOOK_OFTEN,
            },
            comparison: Comparison::new(),
            was_told: false,
            _system: system,
        };
        Ok((changes, Stop(tell)))
    }

    /// Returns `true` when something may have changed, `false` when this is stopped.
    pub(super) fn wait(&mut self) -> bool {
        if mem::take(&mut self.was_told) {
            return true;
        }
        loop {
            match self.told.recv_timeout(self.look_every) {
                Ok(Told::Changed) => return true,
                Ok(Told::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) if self.comparison.has_changed() => return true,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// What is told meanwhile is not lost: the next `wait` returns at once.
    pub(super) fn is_stopped_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.told.recv_timeout(left) {
                Ok(Told::Changed) => self.was_told = true,
                Err(RecvTimeoutError::Timeout) => return false,
                Ok(Told::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }
}

#[cfg(any(
    windows,
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
))]
mod system {
    use super::{Sender, Told};

    pub(super) type Handle = netwatcher::WatchHandle;

    pub(super) fn watch(tell: Sender<Told>) -> Option<Handle> {
        let changed = move |_| {
            let _gone_already = tell.send(Told::Changed);
        };
        netwatcher::watch_interfaces_with_callback(changed).ok()
    }
}

#[cfg(not(any(
    windows,
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
)))]
mod system {
    use super::{Sender, Told};

    pub(super) type Handle = std::convert::Infallible;

    pub(super) fn watch(_: Sender<Told>) -> Option<Handle> {
        None
    }
}
