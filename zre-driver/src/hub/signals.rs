//! Whether events wait, for those who cannot be woken.

use std::{
    fmt::Debug,
    sync::{Arc, Weak},
};

/// Shows whether events wait, to those who cannot be woken by a [`Waker`](std::task::Waker).
///
/// It is told while the hub is locked, and may be dropped then, so neither may call the hub.
pub trait Signal: Debug + Send + Sync {
    /// Events wait, or the node has stopped.
    fn raise(&self);

    /// No event waits.
    fn lower(&self);
}

/// All signals that somebody still holds.
#[derive(Debug, Default)]
pub(super) struct Signals(Vec<Weak<dyn Signal>>);

impl Signals {
    /// Adds a signal, for as long as somebody holds it.
    pub(super) fn add(&mut self, signal: &Arc<dyn Signal>) {
        self.0.retain(|signal| signal.strong_count() > 0);
        self.0.push(Arc::downgrade(signal));
    }

    /// Events wait, or the node has stopped.
    pub(super) fn raise(&self) {
        self.each(|signal| signal.raise());
    }

    /// No event waits.
    pub(super) fn lower(&self) {
        self.each(|signal| signal.lower());
    }

    fn each(&self, tell: impl Fn(&dyn Signal)) {
        let signals = self.0.iter().filter_map(Weak::upgrade);
        signals.for_each(|signal| tell(&*signal));
    }
}
