//! One trait over the nodes of zre-tokio and zre-smol, for programs that run on either.
//!
//! Both nodes have the same methods. A program for one runtime uses that crate's `Node` directly.

use zre_core::{
    Error, Event,
    proto::{Content, PeerId},
};

/// The methods of a node that the example programs use.
pub(crate) trait AsyncNode {
    #[allow(dead_code, reason = "not every program uses it")]
    fn name_text(&self) -> String;

    async fn whisper(&self, peer: PeerId, content: Content) -> Result<(), Error>;

    async fn recv(&self) -> Option<Event>;

    async fn stop(&self);
}

macro_rules! async_nodes {
    ($($node:ty),+) => {$(
        impl AsyncNode for $node {
            fn name_text(&self) -> String {
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
