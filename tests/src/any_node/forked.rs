//! A node in a forked child of its process, where none of its threads are.

use futures_lite::future;
use zre_core::{Error, Event, proto::PeerId};

use super::{AnyNode, node::Inner};

/// The same on the calling thread, whatever the node.
macro_rules! here {
    ($self:ident, $node:ident => $call:expr) => {
        match &$self.node {
            Inner::Tokio($node) => future::block_on($call),
            Inner::Smol($node) => future::block_on($call),
            Inner::Blocking($node) => $call,
        }
    };
}

impl AnyNode {
    /// Asks the node for everything that can fail, and says what it answers.
    pub fn ask_in_child(&self, peer: PeerId) -> Vec<(&'static str, Result<(), Error>)> {
        vec![
            ("whisper", here!(self, node => node.whisper(peer, "stray"))),
            ("try_whisper", self.try_whisper(peer, "stray")),
            (
                "shout",
                here!(self, node => node.shout("CHAT", "stray")).map(drop),
            ),
            ("try_shout", self.try_shout("CHAT", "stray").map(drop)),
            ("ping", here!(self, node => node.ping(peer)).map(drop)),
            ("request", self.here_request(peer)),
            ("join", self.join("STRAY")),
            ("leave", self.leave("CHAT")),
            ("set_header", self.set_header("stray", "yes")),
            ("remove_header", self.remove_header("stray").map(drop)),
            (
                "wait_for_peer",
                here!(self, node => node.wait_for_peer(peer)).map(drop),
            ),
            (
                "wait_for_group",
                here!(self, node => node.wait_for_group("CHAT", 9)).map(drop),
            ),
        ]
    }

    fn here_request(&self, peer: PeerId) -> Result<(), Error> {
        let answer = match &self.node {
            Inner::Tokio(node) => future::block_on(node.request(peer, "stray").into_future()),
            Inner::Smol(node) => future::block_on(node.request(peer, "stray").into_future()),
            Inner::Blocking(node) => node.request(peer, "stray").wait(),
        };
        answer.map(drop)
    }

    /// Waits for the next event.
    pub fn recv_in_child(&self) -> Option<Event> {
        here!(self, node => node.recv())
    }

    /// Stops the node.
    pub fn stop_in_child(&self) {
        here!(self, node => node.stop());
    }
}
