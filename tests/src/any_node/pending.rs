//! Operations that are under way on a runtime or on a thread.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError},
    thread,
    time::Duration,
};

use super::PATIENCE;

/// Something that is under way elsewhere.
#[derive(Debug)]
pub struct Pending<T>(pub(super) Receiver<T>);

impl<T: Send + 'static> Pending<T> {
    pub(super) fn on_thread(act: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            // Nobody waits any more if this fails.
            let _ = sender.send(act());
        });
        Self(receiver)
    }

    /// Waits for the result.
    ///
    /// # Panics
    ///
    /// When it takes too long, or has panicked.
    #[track_caller]
    pub fn wait(self) -> T {
        self.wait_for(PATIENCE)
    }

    #[track_caller]
    pub(super) fn wait_for(self, time: Duration) -> T {
        match self.0.recv_timeout(time) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => panic!("hangs"),
            Err(RecvTimeoutError::Disconnected) => panic!("its task has panicked or is gone"),
        }
    }

    /// The result, if it is there.
    ///
    /// # Panics
    ///
    /// When it has panicked.
    pub fn done(&self) -> Option<T> {
        match self.0.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("its task has panicked or is gone"),
        }
    }
}
