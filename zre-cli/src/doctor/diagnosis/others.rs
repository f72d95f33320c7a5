//! What is wrong with others, or between them and this machine.

use zre_tokio::PeerId;

use super::{Finding, finding};
use crate::doctor::{
    facts::Facts,
    look::Trouble,
    probe::{self, Outcome},
};

/// What is wrong with nodes that were heard, with places that were given, and with what else came.
pub(super) fn faults(facts: &Facts) -> Vec<Finding> {
    let faults = [nodes(facts), given(facts), malformed(facts)].concat();
    faults.into_iter().chain(other_subnet(facts)).collect()
}

/// What is wrong between this node and others.
fn nodes(facts: &Facts) -> Vec<Finding> {
    let twins = facts.seen.twins.iter().map(|(peer, [one, other])| {
        finding(
            "same_uuid",
            format!("two nodes have the same UUID, {peer}: one at {one}, one at {other}"),
            "give one of them another UUID; it may have been copied with its settings",
        )
    });
    let troubles = facts.seen.troubles.iter();
    // In a network with keys, others in the open may well be meant to be apart.
    let is_fault = |trouble: &Trouble| *trouble != Trouble::InTheOpen || facts.seen.met.is_empty();
    let troubles = troubles.filter(|(_, trouble)| is_fault(trouble));
    let troubles = troubles.map(|(peer, trouble)| trouble_with(*peer, trouble, facts));
    twins.chain(troubles).chain(undecided(facts)).collect()
}

fn trouble_with(peer: PeerId, trouble: &Trouble, facts: &Facts) -> Finding {
    match trouble {
        Trouble::NotConnected { endpoint, error } => finding(
            "not_connected",
            format!("node {peer} is heard, but no connection to {endpoint} can be made: {error}"),
            remedy_for(error),
        ),
        Trouble::CannotConnectBack { endpoint } => finding(
            "cannot_connect_back",
            format!("node {peer} at {endpoint} takes our connection, but makes none to us"),
            connect_back(facts),
        ),
        Trouble::Refuses { endpoint } => finding(
            "refused_by_peer",
            format!(
                "node {peer} at {endpoint} closes our connections: it cannot connect to us, or \
                 does not take what we say of ourselves"
            ),
            format!("{}; its log may say more", connect_back(facts)),
        ),
        Trouble::CurveOnly => finding(
            "curve_only",
            format!("node {peer} has a key (CURVE) and this node has none, so they do not talk"),
            "give this node a key, too, with --key and --trust, or the passphrase of the network \
             with --secret-file",
        ),
        Trouble::InTheOpen => in_the_open(peer),
        Trouble::NotTrusted { key } => finding(
            "not_trusted",
            format!("node {peer} has a key that is not trusted here: {key}"),
            "if it should be, add its certificate with `zre keys trust`",
        ),
        Trouble::DoesNotTrust => finding(
            "does_not_trust_us",
            format!(
                "node {peer} does not trust the key of this node{}",
                own_key(facts)
            ),
            "give it this node's certificate, and add that there with `zre keys trust`",
        ),
        Trouble::Refused { why } => finding(
            "refused",
            why.clone(),
            "does that node run a program that is up to date?",
        ),
    }
}

/// A node without a key, which this node with its key does not talk with.
pub(super) fn in_the_open(peer: PeerId) -> Finding {
    finding(
        "in_the_open",
        format!("node {peer} has no key and this node has one, so they do not talk"),
        "give that node a key, too, if it belongs here, or the passphrase of the network",
    )
}

fn own_key(facts: &Facts) -> String {
    let key = facts.own_key.map(|key| format!(", {key}"));
    key.unwrap_or_default()
}

fn remedy_for(error: &str) -> &'static str {
    let error = error.to_lowercase();
    if error.contains("refused") {
        "is that node still running? If it is, does a firewall there refuse TCP?"
    } else if error.contains("unreachable") || error.contains("no route") {
        "this machine has no way to that address: compare addresses and subnet masks, or let that \
         node say where it is with --advertise"
    } else {
        "is a firewall in the way? Let TCP in on that machine, to ports from 49152 on or to one \
         that is set with --tcp-port"
    }
}

fn connect_back(facts: &Facts) -> String {
    let own = facts.node.as_ref().map(|node| node.endpoint.to_string());
    let own = own.unwrap_or_default();
    match &facts.advertise {
        Some(advertised) => {
            format!("is --advertise {advertised} where that node can reach this machine?")
        }
        None => format!(
            "is a firewall on this machine in the way of {own}? Let TCP in, to ports from 49152 \
             on or to one that is set with --tcp-port"
        ),
    }
}

/// Those of which not even a failure is known.
fn undecided(facts: &Facts) -> Vec<Finding> {
    let seen = &facts.seen;
    let others = seen.heard.nodes().filter(|(peer, heard)| {
        let is_met = seen.met.iter().any(|(met, _)| met.id == *peer);
        !(is_met || heard.has_left || seen.troubles.contains_key(peer))
    });
    let others = others.map(|(peer, heard)| {
        let at: Vec<_> = heard.places().map(|at| at.to_string()).collect();
        finding(
            "undecided",
            format!(
                "node {peer} at {} is heard, and has not entered yet",
                at.join(", ")
            ),
            format!(
                "look longer, with --wait 10s; if it stays so: {}",
                connect_back(facts)
            ),
        )
    });
    others.collect()
}

/// What is wrong with the places that the user has given.
fn given(facts: &Facts) -> Vec<Finding> {
    let findings = facts.probes.iter().filter_map(|probe| {
        let (endpoint, what) = (
            &probe.endpoint,
            match probe.kind {
                probe::Kind::Peer => "the peer",
                probe::Kind::Hub => "the gossip hub",
            },
        );
        match &probe.outcome {
            Outcome::Answers | Outcome::Connected | Outcome::Entered(_) => None,
            Outcome::Own => Some(finding(
                "own_endpoint",
                format!("{what} {endpoint} is this node itself"),
                "name another, or leave it out",
            )),
            Outcome::Silent(error) => Some(finding(
                "no_hello",
                format!("{what} {endpoint} takes connections, and does not answer: {error}"),
                match probe.kind {
                    probe::Kind::Peer => connect_back(facts),
                    probe::Kind::Hub => "is it a gossip hub, and not a peer?".to_owned(),
                },
            )),
            Outcome::NotResolved(error) => Some(finding(
                "not_resolved",
                format!("there is no address for {what} {endpoint}: {error}"),
                "is the name spelled as it should be, and does this machine know a name server?",
            )),
            Outcome::NoConnection(error) => Some(finding(
                "no_answer",
                format!("no connection to {what} {endpoint} can be made: {error}"),
                "does it run, is that its port, and is no firewall in the way?",
            )),
        }
    });
    findings.collect()
}

/// Beacons that begin as beacons do and are none.
fn malformed(facts: &Facts) -> Vec<Finding> {
    let strange = facts.seen.heard.strange();
    let strange = strange.filter(|(_, error, _)| !is_other_program(error));
    let findings = strange.map(|(from, error, count)| {
        finding(
            "malformed_beacon",
            format!("{from} sends beacons that cannot be read: {error} ({count} of them)"),
            "which program runs there, and in which version?",
        )
    });
    findings.collect()
}

/// Whether a datagram is not even the attempt at a beacon.
pub(super) fn is_other_program(error: &str) -> bool {
    error.contains("does not begin with")
}

/// A host with another subnet mask broadcasts to an address that means nothing here.
fn other_subnet(facts: &Facts) -> Option<Finding> {
    let count = facts.misaddressed;
    let is_alone = facts.seen.met.is_empty() && facts.seen.heard.nodes().next().is_none();
    // Where broadcasts are not taken at all, the masks are not to blame.
    let mut networks = facts.node.iter().flat_map(|node| &node.networks);
    let is_deaf = networks.any(|it| it.came_back == 0 && !it.state.beacons_to.is_empty());
    let own = facts.listing.addresses().iter();
    let own: Vec<_> = own
        .map(|it| format!("{}/{}", it.address, it.prefix_len))
        .collect();
    (is_alone && !is_deaf && count >= 2).then(|| {
        finding(
            "other_subnet",
            format!(
                "nobody is heard, but {count} packets came for addresses that this machine does \
                 not have, as when another host has another subnet mask"
            ),
            format!("compare the masks: this machine has {}", own.join(", ")),
        )
    })
}
