//! What an engine keeps beside each connection.

use alloc::boxed::Box;

use zre_proto::PeerId;

use super::{
    backpressure::Standing,
    begun::Begun,
    context::EngineContext,
    output::{LinkId, Output, OutputNumber, Outputs},
};
use crate::{backlog::Backlog, config::Config, link::Connection, time::Instant};

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
    /// The message that has begun to come. Boxed, for most connections wait between two.
    begun: Option<Box<Begun>>,
}

impl<C: Connection> LinkState<C> {
    pub(super) fn new(id: LinkId, connection: C, now: Instant) -> Self {
        Self {
            id,
            connection,
            read_at: now,
            writable: 0,
            unfinished: 0,
            begun: None,
        }
    }

    /// Asks to be written if there is something to write, unless such an output waits already.
    pub(super) fn tell_writable(&mut self, outputs: &mut Outputs) {
        if self.connection.has_output() && !outputs.waits(self.writable) {
            self.writable = outputs.push(Output::Writable(self.id));
        }
    }

    /// When the message that has begun to come last moved on; `None` between two messages.
    pub(super) fn moved_at(&self) -> Option<Instant> {
        self.begun.as_deref().map(Begun::moved_at)
    }

    /// Counts anew in its owner's total what it holds of a message whose end has not come, and
    /// `fixed` bytes besides. Notes how far the message has come.
    pub(super) fn count_unfinished(&mut self, fixed: usize, total: &mut usize, now: Instant) {
        self.uncount(total);
        self.unfinished = fixed + self.connection.unfinished();
        *total += self.unfinished;
        match (self.connection.begun(), &mut self.begun) {
            (None, begun) => *begun = None,
            (Some(come), Some(begun)) => begun.note(come, now),
            (Some(come), begun) => *begun = Some(Box::new(Begun::new(come, now))),
        }
    }

    /// What it was found to hold.
    pub(super) fn counted(&self) -> usize {
        self.unfinished
    }

    /// Whether a message has begun to come over it.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Checks that the message which has begun to come does not stand still.
    pub(super) fn check_begun(
        &mut self,
        peer: PeerId,
        config: &Config,
        backlog: &Backlog,
        now: Instant,
    ) -> Standing {
        match &mut self.begun {
            Some(begun) => begun.check(peer, config, backlog, now),
            None => Standing::Idle,
        }
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
