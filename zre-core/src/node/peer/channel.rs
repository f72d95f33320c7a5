//! What it takes to send to one peer.

use zre_proto::{Body, Message, PeerId};

use super::{pings::Pings, sequence::Sequence};
use crate::node::{context::NodeContext, output::NodeOutput};

/// Numbers what is sent to a peer, and says whether it can be sent at all.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) peer: PeerId,
    /// Whether the peer is not connected yet, because the endpoint that it claims belongs to
    /// another peer, which is being asked whether it is still there.
    pub(crate) awaits_endpoint: bool,
    pub(crate) sequence: Sequence,
    pub(crate) pings: Pings,
}

impl Channel {
    /// Sends the next message of the session, or drops it if the peer is not connected: the HELLO
    /// that is sent when it is connected says everything anew.
    pub(crate) fn send(&mut self, body: Body, context: &mut NodeContext) {
        if self.awaits_endpoint {
            return;
        }
        let peer = self.peer;
        let sequence = self.sequence.number_next();
        let message = Message { sequence, body };
        context
            .outputs
            .push_back(NodeOutput::Send { peer, message });
    }

    /// Asks the peer for an answer (PING), and gives the number of the question.
    ///
    /// A question to a peer that is not connected is numbered but not sent: it stays unanswered.
    pub(crate) fn ping(&mut self, context: &mut NodeContext) -> u64 {
        let number = self.pings.number_next();
        context.last_ping = context.last_ping.max(number);
        self.send(Body::Ping, context);
        number
    }
}
