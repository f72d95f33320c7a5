//! One trait over the nodes of zre-tokio and zre-smol, for programs that run on either.
//!
//! Both nodes have the same methods. A program for one runtime uses that crate's `Node` directly.

#![allow(dead_code, reason = "not every program uses all of it")]

use std::time::Duration;

use zre_core::{Error, Event, proto::Content};

/// The methods of a node that the example programs use.
pub(crate) trait AsyncNode {
    fn name_text(&self) -> String;

    async fn recv(&self) -> Option<Event>;

    async fn wait_for_group(&self, group: &str, count: usize) -> Result<(), Error>;

    /// Asks the next member of a group in turn.
    async fn ask(&self, group: &str, content: Content, time: Duration) -> Result<Content, Error>;

    /// Answers each request; refuses those for which there is no answer.
    async fn serve(&self, answer: impl FnMut(&Content) -> Option<Content>);

    async fn stop(&self);
}

macro_rules! async_nodes {
    ($($node:ty),+) => {$(
        impl AsyncNode for $node {
            fn name_text(&self) -> String {
                self.name().to_string()
            }

            async fn recv(&self) -> Option<Event> {
                self.recv().await
            }

            async fn wait_for_group(&self, group: &str, count: usize) -> Result<(), Error> {
                self.wait_for_group(group, count).await.map(drop)
            }

            async fn ask(
                &self,
                group: &str,
                content: Content,
                time: Duration,
            ) -> Result<Content, Error> {
                let request = self.request_any(group, content).round_robin();
                Ok(request.timeout(time).await?.content)
            }

            async fn serve(&self, mut answer: impl FnMut(&Content) -> Option<Content>) {
                let mut requests = self.requests();
                while let Some(request) = requests.next().await {
                    // Dropped, it is refused.
                    if let Some(answer) = answer(request.content()) {
                        // It fails if who asks is gone.
                        let _gone = request.answer(answer).await;
                    }
                }
            }

            async fn stop(&self) {
                self.stop().await;
            }
        }
    )+};
}

async_nodes!(zre_tokio::Node, zre_smol::Node);
