//! The signals that ask a command to end.
//!
//! They are taken on a thread of its own: a command that waits until its output is read must end
//! all the same.

use std::{io, process, thread, time::Duration};

use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
    time::timeout,
};

use crate::stderr;

/// Listens for Ctrl-C and for the system that asks the process to end.
///
/// The first signal is a request. A second one ends the process at once, and so does `patience`
/// after the first, for a command that cannot end by itself. The exit code is 128 and the signal.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Begins to listen.
    pub(crate) fn listen(patience: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _entered = runtime.enter();
            Signals::listen()?
        };
        let (requested, shutdown) = watch::channel(false);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || obey(&runtime, signals, &requested, patience))?;
        Ok(Self(shutdown))
    }

    /// Waits until the process is asked to end; at once if it has been.
    pub(crate) async fn requested(&self) {
        // The sender lives on its thread as long as the process.
        let _ = self.0.clone().wait_for(|requested| *requested).await;
    }
}

fn obey(
    runtime: &Runtime,
    mut signals: Signals,
    requested: &watch::Sender<bool>,
    patience: Duration,
) {
    let first = runtime.block_on(signals.next());
    requested.send_replace(true);
    let second = runtime.block_on(async { timeout(patience, signals.next()).await });
    let code = second.unwrap_or_else(|_| {
        stderr::print("error: ended by force: the command did not end by itself");
        stderr::finish();
        first
    });
    process::exit(128 + code);
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The number of the next signal.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> i32 {
        match tokio::signal::ctrl_c().await {
            Ok(()) => 2,
            // Without signals, nobody asks.
            Err(_) => std::future::pending().await,
        }
    }
}
