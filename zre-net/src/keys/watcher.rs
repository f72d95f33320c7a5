//! Tells when a directory of certificates changes.

use std::{
    collections::BTreeMap,
    fmt, io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use zre_core::TrustedKeys;

use super::{directory::TrustDir, error::KeyFileError};
use crate::process::{Process, lock_soon};

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What has become of a directory of certificates.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TrustChange {
    /// All keys that are in it now.
    pub keys: TrustedKeys,
    /// What has come to be wrong with files.
    pub warnings: Vec<KeyFileError>,
}

/// Calls a function when the certificates of a [`TrustDir`] change.
///
/// It looks once a second at the names, sizes and times of the files, and reads those that have
/// changed. The function is called from a thread that all watchers of a process share, and which
/// ends with the last of them. It must not wait.
///
/// A file that has become unreadable counts with what it was for one look more, as somebody may
/// just write it. So does a directory that is gone, as another may take its place; then no key is
/// left. If it cannot be read for another reason, the keys stay and a warning is told.
///
/// A forked child of the process hears nothing, and may drop the watcher.
pub struct TrustWatcher {
    id: u64,
    thread: Arc<WatcherThread>,
}

impl TrustDir {
    /// Calls `changed` from now on, until the watcher is dropped. What has changed since the
    /// directory was opened is told, too. A call that is under way when the watcher is dropped is
    /// not waited for.
    ///
    /// # Errors
    ///
    /// When the system has no thread or memory left.
    pub fn watch(
        self,
        changed: impl Fn(TrustChange) + Send + Sync + 'static,
    ) -> io::Result<TrustWatcher> {
        let thread = WatcherThread::shared()?;
        let id = thread.watched.add(Watched {
            dir: Mutex::new(self),
            changed: Box::new(changed),
        });
        Ok(TrustWatcher { id, thread })
    }
}

#[cfg(test)]
impl TrustWatcher {
    pub(super) fn shares_thread_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.thread, &other.thread)
    }
}

impl Drop for TrustWatcher {
    fn drop(&mut self) {
        // In a child, the thread that held the lock may be gone.
        if self.thread.process.is_current() {
            self.thread.watched.remove(self.id);
        }
    }
}

impl fmt::Debug for TrustWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustWatcher").finish_non_exhaustive()
    }
}

/// The thread that looks. It has no handle to this, and ends when this is dropped.
pub(super) struct WatcherThread {
    pub(super) watched: Arc<AllWatched>,
    /// Dropping it ends the thread.
    stop: Option<Sender<()>>,
    process: Process,
}

impl WatcherThread {
    /// The one of this process.
    fn shared() -> io::Result<Arc<Self>> {
        static RUNNING: Mutex<Weak<WatcherThread>> = Mutex::new(Weak::new());
        let Some(mut running) = lock_soon(&RUNNING) else {
            return Self::start(LOOK_EVERY);
        };
        // A forked child has a copy of this, but not the thread.
        match running.upgrade().filter(|it| it.process.is_current()) {
            Some(thread) => Ok(thread),
            None => {
                let thread = Self::start(LOOK_EVERY)?;
                *running = Arc::downgrade(&thread);
                Ok(thread)
            }
        }
    }

    pub(super) fn start(look_every: Duration) -> io::Result<Arc<Self>> {
        let process = Process::current()?;
        let watched = Arc::new(AllWatched::default());
        let (stop, stopped) = channel();
        let all = Arc::clone(&watched);
        let thread = thread::Builder::new().name("zre-certificates".to_owned());
        let _detached = thread.spawn(move || watch(&stopped, look_every, &all))?;
        Ok(Arc::new(Self {
            watched,
            stop: Some(stop),
            process,
        }))
    }
}

impl Drop for WatcherThread {
    fn drop(&mut self) {
        if !self.process.is_current() {
            // The channel may have been locked when the child was made.
            mem::forget(self.stop.take());
        }
    }
}

fn watch(stopped: &Receiver<()>, look_every: Duration, all: &AllWatched) {
    while stopped.recv_timeout(look_every) == Err(RecvTimeoutError::Timeout) {
        all.look();
    }
}

struct Watched {
    /// Only the thread locks it.
    dir: Mutex<TrustDir>,
    changed: Box<dyn Fn(TrustChange) + Send + Sync>,
}

/// Who watches what.
#[derive(Default)]
pub(super) struct AllWatched(Mutex<BTreeMap<u64, Arc<Watched>>>);

impl AllWatched {
    fn add(&self, watched: Watched) -> u64 {
        let mut all = self.lock();
        let id = all.last_key_value().map_or(0, |(last, _)| last + 1);
        all.insert(id, Arc::new(watched));
        id
    }

    fn remove(&self, id: u64) {
        let removed = self.lock().remove(&id);
        // What it drops may be a watcher.
        drop(removed);
    }

    fn look(&self) {
        let all: Vec<_> = self.lock().values().cloned().collect();
        for watched in all {
            // One that panics does not make the others deaf.
            let _panicked = catch_unwind(AssertUnwindSafe(|| watched.look()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Watched>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn look(&self) {
        let change = {
            let mut dir = self.dir.lock().unwrap_or_else(PoisonError::into_inner);
            dir.look()
        };
        if let Some(change) = change {
            (self.changed)(change);
        }
    }
}
