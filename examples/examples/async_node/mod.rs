//! The nodes of zre-tokio and zre-smol as one type, for programs that run on either.
//!
//! Both have the same methods. A program for one runtime names that crate's `Node` and needs none of
//! this.

use zre_core::{
    Error, Event,
    proto::{Content, PeerId},
};

/// What the programs here do with a node.
pub(crate) trait AsyncNode {
    #[allow(dead_code, reason = "not every program asks for it")]
    fn shown_name(&self) -> String;

    async fn whisper(&self, peer: PeerId, content: Content) -> Result<(), Error>;

    async fn recv(&self) -> Option<Event>;

    async fn stop(&self);
}

macro_rules! async_nodes {
    ($($node:ty),+) => {$(
        impl AsyncNode for $node {
            fn shown_name(&self) -> String {
                self.name().to_string()
            }

            async fn whisper(&self, peer: PeerId, content: Content) -> Result<(), Error> {
                self.whisper(peer, content).await
            }

            async fn recv(&self) -> Option<Event> {
                self.recv().await
            }

            async fn stop(&self) {
                self.stop().await;
            }
        }
    )+};
}

async_nodes!(zre_tokio::Node, zre_smol::Node);
