//! Whether the places that the user has given can be reached: fixed peers and gossip hubs.

use std::{io, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};
use zre_tokio::{Endpoint, Host, KeyedEndpoint, PeerId};

/// A place that the user has given.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    pub(super) endpoint: Endpoint,
    pub(super) kind: Kind,
    pub(super) outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Peer,
    Hub,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A connection can be made.
    Answers,
    /// There is no address for the name, or nobody tells it; and why.
    NotResolved(String),
    /// No connection can be made; and why.
    NoConnection(String),
    /// A connection can be made, and whoever is there is not what it should be; and why.
    Silent(String),
    /// It is a gossip hub, and serves this node.
    Connected,
    /// The peer has entered.
    Entered(PeerId),
    /// This node itself is there.
    Own,
}

impl Probe {
    /// Whether what the node found out says more.
    pub(super) fn is_surpassed_by(&self, outcome: &Outcome) -> bool {
        let is_failure = matches!(outcome, Outcome::Silent(_));
        !is_failure || self.outcome == Outcome::Answers
    }
}

/// Begins to probe all of them.
pub(super) fn begin(
    peers: &[KeyedEndpoint],
    hubs: &[KeyedEndpoint],
    patience: Duration,
) -> JoinSet<Probe> {
    let peers = peers.iter().map(|it| (Kind::Peer, &it.endpoint));
    let hubs = hubs.iter().map(|it| (Kind::Hub, &it.endpoint));
    let mut probes = JoinSet::new();
    for (kind, endpoint) in peers.chain(hubs) {
        let endpoint = endpoint.clone();
        probes.spawn(async move {
            let outcome = probe(&endpoint, patience).await;
            Probe {
                endpoint,
                kind,
                outcome,
            }
        });
    }
    probes
}

async fn probe(endpoint: &Endpoint, patience: Duration) -> Outcome {
    let host = match endpoint.host() {
        // Brackets are the notation of endpoints alone.
        Host::V6 { .. } => endpoint.host().to_string().replace(['[', ']'], ""),
        host => host.to_string(),
    };
    let addresses = match timeout(patience, lookup_host((host, endpoint.port().get()))).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return Outcome::NotResolved(error.to_string()),
        Err(_) => return Outcome::NotResolved("no name server answers".to_owned()),
    };
    let mut outcome = Outcome::NotResolved("the name has no address".to_owned());
    for address in addresses {
        outcome = match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Outcome::Answers,
            Ok(Err(error)) => Outcome::NoConnection(in_words(&error)),
            Err(_) => Outcome::NoConnection("timed out".to_owned()),
        };
    }
    outcome
}

/// Without the system's number.
fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}
