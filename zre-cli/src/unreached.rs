//! Nodes whose beacons are heard, but to which no connection can be made.

use std::{collections::BTreeMap, future::pending, time::Duration};

use tokio::time::{Instant, timeout};
use zre_tokio::{Node, Notice, Notices, PeerId};

use crate::shutdown::Shutdown;

/// So many are told; who invents identities shall not fill the log.
const TOLD: usize = 50;

/// What is in the error of a connection that ends because of this node's key. That is no failure of
/// the network, and [`Event::Refused`](zre_tokio::Event::Refused) tells it.
const NOT_TRUSTED: &str = "does not trust the key of this node";

/// How often it is looked whether there is something to wait for.
const LOOK: Duration = Duration::from_millis(50);

/// How long a connection may take for a command that looks for nodes for so long.
pub(crate) fn patience(wait: Duration) -> Duration {
    wait.clamp(Duration::from_secs(1), Duration::from_secs(10))
}

/// The failures of one node's connections, the first of each peer.
#[derive(Debug)]
pub(crate) struct Unreached {
    notices: Notices,
    failures: BTreeMap<PeerId, String>,
}

impl Unreached {
    /// Begins to listen.
    pub(crate) fn of(node: &Node) -> Self {
        Self {
            notices: node.notices(),
            failures: BTreeMap::new(),
        }
    }

    /// Waits until a connection to a further peer fails, and says so in a sentence. When the node
    /// has stopped, it waits for ever. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            let Some(notice) = self.notices.recv().await else {
                return pending().await;
            };
            if let Some(failure) = self.note(&notice) {
                return told(1, failure);
            }
        }
    }

    /// Listens for ever.
    pub(crate) async fn collect(&mut self) {
        loop {
            self.next().await;
        }
    }

    /// Waits for what is still under way: while nobody has entered, no failure is known and a
    /// connection is being made, but no longer than `patience` and a little.
    pub(crate) async fn settle(&mut self, node: &Node, patience: Duration, shutdown: &Shutdown) {
        let end = Instant::now() + patience + LOOK;
        while self.failures.is_empty()
            && node.peers().is_empty()
            && node.stats().connections > 0
            && Instant::now() < end
        {
            tokio::select! {
                // What has failed is noted.
                _ = timeout(LOOK, self.next()) => {}
                () = shutdown.requested() => return,
            }
        }
    }

    /// All failures in a sentence, if there are any; but for peers that have entered meanwhile.
    pub(crate) fn summary(&mut self, node: &Node) -> Option<String> {
        while let Some(notice) = self.notices.try_recv() {
            self.note(&notice);
        }
        let entered = node.peers();
        self.failures.retain(|peer, _| !entered.contains(peer));
        let failures: Vec<&str> = self.failures.values().map(String::as_str).collect();
        (!failures.is_empty()).then(|| told(failures.len(), &shown(&failures)))
    }

    fn note(&mut self, notice: &Notice) -> Option<&str> {
        let Notice::ConnectFailed {
            peer,
            endpoint,
            error,
            ..
        } = notice
        else {
            return None;
        };
        let is_told = self.failures.len() >= TOLD || self.failures.contains_key(peer);
        if is_told || error.contains(NOT_TRUSTED) {
            return None;
        }
        let failure = format!("{endpoint}: {error}");
        Some(self.failures.entry(*peer).or_insert(failure))
    }
}

fn told(count: usize, failures: &str) -> String {
    let nodes = if count == 1 { "node" } else { "nodes" };
    format!("heard {count} {nodes} but could not connect to {failures}; is a firewall in the way?")
}

/// The first few.
fn shown(failures: &[&str]) -> String {
    const SHOWN: usize = 3;
    let first = failures.get(..SHOWN).unwrap_or(failures).join(", ");
    match failures.len() {
        count if count > SHOWN => format!("{first}, and {} more", count - SHOWN),
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use zre_tokio::LinkError;

    use super::*;

    #[test]
    fn a_refused_key_is_told_from_other_failures() {
        let refused = LinkError::RefusedKey("400".to_owned()).to_string();
        assert!(refused.contains(NOT_TRUSTED), "{refused}");
    }

    #[test]
    fn failures_are_told_in_one_sentence() {
        assert_eq!(
            told(1, &shown(&["tcp://10.0.0.2:49152: timed out"])),
            "heard 1 node but could not connect to tcp://10.0.0.2:49152: timed out; \
             is a firewall in the way?"
        );
        assert_eq!(shown(&["a", "b", "c"]), "a, b, c");
        assert_eq!(shown(&["a", "b", "c", "d"]), "a, b, c, and 1 more");
    }
}
