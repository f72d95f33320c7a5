//! What an engine keeps beside each connection.

use super::{
    context::EngineContext,
    output::{LinkId, Output, OutputNumber, Outputs},
};
use crate::{link::Connection, time::Instant};

/// A connection and what has been told and counted of it.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct LinkState<C> {
    pub(super) id: LinkId,
    pub(super) connection: C,
    /// When something was last read from it; at first, when it was made.
    pub(super) read_at: Instant,
    /// The [`Output::Writable`] that was asked for last.
    writable: OutputNumber,
    /// What it was found to hold of a message whose end has not come, as its owner counts it.
    unfinished: usize,
}

impl<C: Connection> LinkState<C> {
    pub(super) fn new(id: LinkId, connection: C, now: Instant) -> Self {
        Self {
            id,
            connection,
            read_at: now,
            writable: 0,
            unfinished: 0,
        }
    }

    /// Asks to be written if there is something to write, unless such an output waits already.
    pub(super) fn tell_writable(&mut self, outputs: &mut Outputs) {
        if self.connection.has_output() && !outputs.waits(self.writable) {
            self.writable = outputs.push(Output::Writable(self.id));
        }
    }

    /// What it was found to hold of a message whose end has not come.
    pub(super) fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Counts anew in its owner's total what it holds of a message whose end has not come.
    pub(super) fn count_unfinished(&mut self, total: &mut usize) {
        self.uncount(total);
        self.unfinished = self.connection.unfinished();
        *total += self.unfinished;
    }

    /// Takes it out of its owner's total.
    pub(super) fn uncount(&mut self, total: &mut usize) {
        *total -= core::mem::take(&mut self.unfinished);
    }

    /// Closes a peer's connection from our side.
    pub(super) fn close(mut self, cx: &mut EngineContext) {
        self.uncount(&mut cx.unfinished);
        cx.close_link(self.id);
    }
}
