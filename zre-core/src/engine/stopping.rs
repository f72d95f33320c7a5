//! How an engine stops.

use super::{Engine, EnginePhase, context::EngineTimer};
use crate::{link::Connection, time::Instant};

impl<C: Connection> Engine<C> {
    /// Begins to stop: commands are refused, and when peers have confirmed what was sent to them,
    /// or the linger time is over, the node says goodbye and closes everything. The last event is
    /// [`Event::Stop`](crate::Event::Stop), which says what was not confirmed.
    pub fn stop(&mut self, now: Instant) {
        self.cx.advance(now);
        if self.phase != EnginePhase::Running {
            return;
        }
        self.phase = EnginePhase::Draining;
        let at = self.cx.now + self.node.config().linger;
        self.cx.deadlines.set(EngineTimer::Linger, at);
        // The goodbye would overtake what is on its way.
        self.node.ask_unconfirmed(self.cx.now);
        self.settle();
    }

    /// Stops without waiting for anything but that the outputs are carried out.
    pub fn stop_now(&mut self, now: Instant) {
        self.cx.advance(now);
        self.finish_stop();
    }

    /// Goes on with stopping, if nothing keeps the node any more.
    pub(super) fn continue_stop(&mut self) {
        if self.phase == EnginePhase::Draining
            && self.links.are_drained(&self.node)
            && !self.node.has_unconfirmed()
        {
            self.node.say_goodbye(self.cx.now);
            self.carry_out();
            // What is closed now would not be sent.
            if self.links.are_drained(&self.node) {
                self.finish_stop();
            }
        }
    }

    /// Says goodbye, and closes everything.
    pub(super) fn finish_stop(&mut self) {
        if self.phase == EnginePhase::Stopped {
            return;
        }
        self.phase = EnginePhase::Stopped;
        self.node.stop(self.cx.now);
        // Carries out the node's goodbye and closes the connections of all peers.
        self.settle();
        self.links.unclaimed.close_all(&mut self.cx);
        self.close_all_fixed();
        self.end_gossip();
        self.cx.deadlines.clear_all();
    }
}
