//! Subscriptions, notices and senders of any adapter.

use std::{sync::Arc, time::Duration};

use zre_core::{
    Error, Event, Notice,
    proto::{Content, PeerId},
};
use zre_tokio::Lagged;

use super::{AnyNode, Host, Pending, node::Inner};

/// One of the three adapters' types.
#[derive(Debug)]
enum Of<T, S, B> {
    Tokio(T),
    Smol(S),
    Blocking(B),
}

/// A further receiver of events.
#[derive(Debug)]
pub struct AnySubscription {
    of: Of<zre_tokio::Subscription, zre_smol::Subscription, zre_blocking::Subscription>,
    host: Arc<Host>,
}

/// A receiver of notices.
#[derive(Debug)]
pub struct AnyNotices {
    of: Of<zre_tokio::Notices, zre_smol::Notices, zre_blocking::Notices>,
    host: Arc<Host>,
}

/// A sender half.
#[derive(Debug)]
pub struct AnySender {
    of: Of<zre_tokio::Sender, zre_smol::Sender, zre_blocking::Sender>,
    host: Arc<Host>,
}

/// What the node gives, with its runtime.
macro_rules! of_node {
    ($self:ident, $type:ident, $node:ident => $call:expr) => {{
        let of = match &$self.node {
            Inner::Tokio($node) => Of::Tokio($call),
            Inner::Smol($node) => Of::Smol($call),
            Inner::Blocking($node) => Of::Blocking($call),
        };
        let host = Arc::clone(&$self.host);
        $type { of, host }
    }};
}

impl AnyNode {
    /// A further receiver of events.
    pub fn subscribe(&self) -> AnySubscription {
        of_node!(self, AnySubscription, node => node.subscribe())
    }

    /// A receiver of notices.
    pub fn notices(&self) -> AnyNotices {
        of_node!(self, AnyNotices, node => node.notices())
    }

    /// A sender half.
    pub fn sender(&self) -> AnySender {
        of_node!(self, AnySender, node => node.sender())
    }
}

/// Receives on the runtime, and gives the receiver back.
macro_rules! receiving {
    ($type:ident, $item:ty) => {
        impl $type {
            /// Waits for the next item in a task or on a thread of its own.
            pub fn begin_recv(self) -> Pending<(Option<$item>, Self)> {
                let host = Arc::clone(&self.host);
                match self.of {
                    Of::Tokio(mut receiver) => self.host.run(async move {
                        let item = receiver.recv().await;
                        let of = Of::Tokio(receiver);
                        (item, Self { of, host })
                    }),
                    Of::Smol(mut receiver) => self.host.run(async move {
                        let item = receiver.recv().await;
                        let of = Of::Smol(receiver);
                        (item, Self { of, host })
                    }),
                    Of::Blocking(mut receiver) => Pending::on_thread(move || {
                        let item = receiver.recv();
                        let of = Of::Blocking(receiver);
                        (item, Self { of, host })
                    }),
                }
            }

            /// Takes the next item, if it is there.
            pub fn try_recv(&mut self) -> Option<$item> {
                match &mut self.of {
                    Of::Tokio(receiver) => receiver.try_recv(),
                    Of::Smol(receiver) => receiver.try_recv(),
                    Of::Blocking(receiver) => receiver.try_recv(),
                }
            }
        }
    };
}

receiving!(AnySubscription, Result<Event, Lagged>);
receiving!(AnyNotices, Notice);

#[allow(clippy::missing_errors_doc, reason = "as the adapters' methods")]
impl AnySender {
    /// Whispers if there is room.
    pub fn try_whisper(&self, peer: PeerId, content: impl Into<Content>) -> Result<(), Error> {
        match &self.of {
            Of::Tokio(sender) => sender.try_whisper(peer, content),
            Of::Smol(sender) => sender.try_whisper(peer, content),
            Of::Blocking(sender) => sender.try_whisper(peer, content),
        }
    }

    /// Shouts if all members have room.
    pub fn try_shout(&self, group: &str, content: impl Into<Content>) -> Result<usize, Error> {
        match &self.of {
            Of::Tokio(sender) => sender.try_shout(group, content),
            Of::Smol(sender) => sender.try_shout(group, content),
            Of::Blocking(sender) => sender.try_shout(group, content),
        }
    }

    /// Whispers, however long it takes.
    pub fn whisper(&self, peer: PeerId, content: impl Into<Content>) -> Result<(), Error> {
        let content = content.into();
        match &self.of {
            Of::Tokio(sender) => {
                let sender = sender.clone();
                let task = async move { sender.whisper(peer, content).await };
                self.host.run(task).wait()
            }
            Of::Smol(sender) => {
                let sender = sender.clone();
                let task = async move { sender.whisper(peer, content).await };
                self.host.run(task).wait()
            }
            Of::Blocking(sender) => sender.whisper_timeout(peer, content, Duration::from_secs(20)),
        }
    }

    /// Shouts, however long it takes.
    pub fn shout(&self, group: &str, content: impl Into<Content>) -> Result<usize, Error> {
        let (group, content) = (group.to_owned(), content.into());
        match &self.of {
            Of::Tokio(sender) => {
                let sender = sender.clone();
                let task = async move { sender.shout(group.as_str(), content).await };
                self.host.run(task).wait()
            }
            Of::Smol(sender) => {
                let sender = sender.clone();
                let task = async move { sender.shout(group.as_str(), content).await };
                self.host.run(task).wait()
            }
            Of::Blocking(sender) => sender.shout(group.as_str(), content),
        }
    }
}
