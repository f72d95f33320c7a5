//! How a node leaves the network.

use zre_proto::Body;

use super::{Node, context::NodeTimer, output::NodeOutput};
use crate::{event::Event, time::Instant};

impl Node {
    /// Asks each peer that has been sent something since it was last asked. Before
    /// [`stop`](Node::stop), call this and wait for a while until
    /// [`unconfirmed`](Node::unconfirmed) is empty: the goodbye overtakes messages that are still
    /// on their way.
    pub fn ask_unconfirmed(&mut self, now: Instant) {
        self.context.advance(now);
        self.peers.ask_for_confirmation(&mut self.context);
    }

    /// Tells each peer that this node leaves (zyre's GOODBYE), if beacons alone may not say so, and
    /// takes in no more peers. [`stop`](Node::stop) does it, too; a caller who calls this before
    /// can wait until it has been sent.
    pub fn say_goodbye(&mut self, now: Instant) {
        self.context.advance(now);
        if !self.context.config.says_goodbye()
            || core::mem::replace(&mut self.has_said_goodbye, true)
        {
            return;
        }
        self.hears_open = false;
        // Whoever hears one more would come again.
        self.context.deadlines.clear(NodeTimer::Beacon);
        for peer in self.peers.iter_mut().filter(|peer| peer.is_ready()) {
            peer.channel.send(Body::Goodbye, &mut self.context);
        }
    }

    /// Says goodbye to the network and forgets every peer. The last event is [`Event::Stop`].
    pub fn stop(&mut self, now: Instant) {
        self.context.advance(now);
        if !self.running {
            return;
        }
        self.say_goodbye(now);
        (self.running, self.hears_open) = (false, false);
        self.context.deadlines.clear_all();
        // The goodbye goes out before connections are closed, so that peers take their end for it.
        self.context.say_goodbye();
        let unconfirmed = self.unconfirmed();
        for peer in self.peers.ready() {
            let answered = peer.channel.pings.answered();
            self.context.answered.note(peer.id(), answered);
        }
        // The application gets no `Exit` for its peers: `Stop` ends everything.
        for peer in core::mem::take(&mut self.peers).ids().iter().copied() {
            let output = NodeOutput::Disconnect { peer };
            self.context.outputs.push_back(output);
        }
        let context = &mut self.context;
        context.requests.end(&mut context.events);
        context.events.push(Event::Stop { unconfirmed });
    }
}
