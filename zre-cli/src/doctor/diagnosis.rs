//! What follows from the facts: faults, with their remedies, and a verdict.

use serde::Serialize;
use zre_tokio::{Beacons, PeerId};

use super::{
    facts::{Facts, Held, OwnNode},
    holders::Kind,
    look::Trouble,
    probe::{self, Outcome},
};

/// What is wrong, and what is to be done about it.
#[derive(Debug)]
pub(super) struct Diagnosis {
    /// What keeps nodes from seeing each other, the most likely cause first.
    pub(super) faults: Vec<Finding>,
    /// What is good to know.
    pub(super) notes: Vec<Finding>,
    /// All of it in a sentence or two.
    pub(super) verdict: String,
}

/// Something that was found out.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// A word that no version changes.
    pub(super) kind: &'static str,
    pub(super) text: String,
    pub(super) remedy: String,
}

impl Diagnosis {
    pub(super) fn of(facts: &Facts) -> Self {
        let faults: Vec<_> = here(facts)
            .into_iter()
            .chain(nodes(facts))
            .chain(given(facts))
            .chain(malformed(facts))
            .chain(other_subnet(facts))
            .collect();
        let notes = notes(facts);
        let verdict = match faults.as_slice() {
            [] => in_order(facts, &notes),
            [first, others @ ..] => verdict(first, others.len()),
        };
        Self {
            faults,
            notes,
            verdict,
        }
    }
}

fn finding(kind: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding {
        kind,
        text: text.into(),
        remedy: remedy.into(),
    }
}

fn verdict(first: &Finding, others: usize) -> String {
    let more = match others {
        0 => String::new(),
        1 => " There is another fault.".to_owned(),
        others => format!(" There are {others} other faults."),
    };
    let end = match first.remedy.ends_with('?') {
        true => "",
        false => ".",
    };
    let (text, remedy) = (capital(&first.text), capital(&first.remedy));
    format!("{text}. {remedy}{end}{more}")
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

fn in_order(facts: &Facts, notes: &[Finding]) -> String {
    let names: Vec<_> = facts
        .seen
        .met
        .iter()
        .map(|(peer, _)| peer.name.to_string_lossy())
        .collect();
    match names.as_slice() {
        [] => {
            let hint = notes
                .first()
                .map(|note| format!(" {}.", capital(&note.text)));
            format!(
                "Nothing is wrong here, but nobody else was heard on {} in {:?}. If a node is \
                 running elsewhere, is it on this network and on UDP port {}? Run `zre doctor` \
                 beside it, too.{}",
                places(facts),
                facts.waited,
                facts.port,
                hint.unwrap_or_default()
            )
        }
        [name] => format!("Everything is in order: met {name}."),
        names => format!(
            "Everything is in order: met {} nodes, {}.",
            names.len(),
            names.join(", ")
        ),
    }
}

fn places(facts: &Facts) -> String {
    let networks = facts.node.iter().flat_map(|node| &node.networks);
    let shown = networks.map(|it| it.state.to_string());
    match shown.collect::<Vec<_>>().as_slice() {
        [] => "any network".to_owned(),
        shown => shown.join(" and "),
    }
}

/// What is wrong with this machine, or with what the user has asked for.
fn here(facts: &Facts) -> Vec<Finding> {
    let mut faults: Vec<_> = facts.held.iter().map(held).collect();
    faults.extend(interfaces(facts));
    if let Some(error) = facts.not_started.as_ref().filter(|_| faults.is_empty()) {
        let remedy = "change what it names";
        faults.push(finding(
            "not_started",
            format!("no node can start: {error}"),
            remedy,
        ));
    }
    for refusal in &facts.seen.refusals {
        faults.push(finding(
            "system",
            refusal.clone(),
            "see what the system's log says",
        ));
    }
    if let Some(node) = &facts.node {
        faults.extend(own_beacons(facts, node));
        faults.extend(own_identity(facts, node));
    }
    faults
}

fn held(held: &Held) -> Finding {
    let Held { port, error, .. } = held;
    let by = match held.by.as_slice() {
        [] => "another program".to_owned(),
        by => by.join(" and "),
    };
    let in_use = error.kind() == std::io::ErrorKind::AddrInUse;
    match held.kind {
        Kind::Udp if in_use => finding(
            "udp_port_held",
            format!("UDP port {port}, on which beacons come, is held by {by} and not shared"),
            "end that program, or give all nodes another port with --port",
        ),
        Kind::Tcp if in_use => finding(
            "tcp_port_held",
            format!("TCP port {port} is held by {by}"),
            "end that program, or take another port with --tcp-port",
        ),
        Kind::Udp => finding(
            "udp_port_refused",
            format!("the system does not give UDP port {port}: {error}"),
            "take another port with --port",
        ),
        Kind::Tcp => finding(
            "tcp_port_refused",
            format!("the system does not give TCP port {port}: {error}"),
            "take another port with --tcp-port",
        ),
    }
}

fn interfaces(facts: &Facts) -> Option<Finding> {
    let listing = &facts.listing;
    if let [_, ..] = listing.missing() {
        let (missing, there) = (listing.missing().join(", "), listing.names());
        return Some(finding(
            "no_such_interface",
            format!("there is no interface {missing}"),
            format!(
                "name one of these: {}",
                there.collect::<Vec<_>>().join(", ")
            ),
        ));
    }
    let reasons = match listing.reasons() {
        reasons if reasons.is_empty() => "there is none besides loopback".to_owned(),
        reasons => reasons.join("; "),
    };
    let remedy = "connect this machine to a network, or see why the interface has no address; a \
                  node that runs finds it by itself then";
    if listing.addresses().is_empty() {
        let text = format!("no interface can be used: {reasons}");
        return Some(finding("no_network", text, remedy));
    }
    let is_loopback = listing.addresses().iter().all(|it| it.is_loopback);
    let text =
        format!("the node is on loopback, where only nodes on this machine can find it: {reasons}");
    (is_loopback && facts.is_default).then(|| finding("loopback_only", text, remedy))
}

fn own_beacons(facts: &Facts, node: &OwnNode) -> Vec<Finding> {
    let is_sent_to_all = matches!(facts.beacons, Beacons::Broadcast | Beacons::Multicast(_));
    let heard_from_others = facts.seen.heard.nodes().next().is_some();
    let networks = node.networks.iter();
    let faults = networks.filter_map(|network| {
        let (on, port) = (&network.state, facts.port);
        if let Some(error) = &on.beacon_error {
            return Some(finding(
                "beacons_not_sent",
                format!("beacons cannot be sent on {on}: {error}"),
                format!("is a firewall on this machine in the way? Let UDP port {port} out"),
            ));
        }
        let is_deaf = network.came_back == 0 && !heard_from_others;
        (is_deaf && is_sent_to_all && on.beacons_sent >= 2).then(|| {
            finding(
                "beacons_not_heard",
                format!("beacons go out on {on}, but not even this machine hears them"),
                format!("is a firewall on this machine in the way? Let UDP port {port} in"),
            )
        })
    });
    faults.collect()
}

fn own_identity(facts: &Facts, node: &OwnNode) -> Option<Finding> {
    let others = &facts.seen.own_identity;
    let others: Vec<_> = others.iter().map(ToString::to_string).collect();
    (!others.is_empty()).then(|| {
        finding(
            "own_uuid",
            format!(
                "another node, at {}, has the UUID of this one, {}",
                others.join(" and "),
                node.id
            ),
            "give one of them another with --uuid, or none",
        )
    })
}

/// What is wrong between this node and others.
fn nodes(facts: &Facts) -> Vec<Finding> {
    let twins = facts.seen.twins.values().map(|text| {
        finding(
            "same_uuid",
            format!("two nodes have the same UUID: {text}"),
            "give one of them another UUID; it may have been copied with its settings",
        )
    });
    let troubles = facts.seen.troubles.iter();
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
            format!("node {peer} takes encrypted connections alone (CURVE), and zre makes none"),
            "run it without a certificate",
        ),
        Trouble::Refused { why } => finding(
            "refused",
            why.clone(),
            "does that node run a program that is up to date?",
        ),
    }
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
        !(is_met || heard.has_left || heard.is_secured || seen.troubles.contains_key(peer))
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
            Outcome::Answers => None,
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

fn is_other_program(error: &str) -> bool {
    error.contains("does not begin with")
}

/// A host with another subnet mask broadcasts to an address that means nothing here.
fn other_subnet(facts: &Facts) -> Option<Finding> {
    let count = facts.misaddressed;
    let is_alone = facts.seen.met.is_empty() && facts.seen.heard.nodes().next().is_none();
    let own = facts.listing.addresses().iter();
    let own: Vec<_> = own
        .map(|it| format!("{}/{}", it.address, it.prefix_len))
        .collect();
    (is_alone && count >= 2).then(|| {
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

fn notes(facts: &Facts) -> Vec<Finding> {
    let mut notes = Vec::new();
    if let Some(other) = facts.listing.unused_default() {
        notes.push(finding(
            "default_route_elsewhere",
            format!("the default route is by {other}, which is not used"),
            format!("take it with --interface {other}, if that network is meant"),
        ));
    }
    for (from, error, count) in facts.seen.heard.strange() {
        if is_other_program(error) {
            notes.push(finding(
                "other_program",
                format!(
                    "{from} sends what is no beacon to UDP port {} ({count} times)",
                    facts.port
                ),
                "another program uses that port; it does no harm",
            ));
        }
    }
    notes.extend(slow_beacons(facts));
    notes
}

/// Nodes that are found late.
fn slow_beacons(facts: &Facts) -> Vec<Finding> {
    const SLOW: std::time::Duration = std::time::Duration::from_secs(3);
    let slow = facts.seen.heard.nodes().filter_map(|(peer, heard)| {
        let interval = heard.interval().filter(|interval| *interval > SLOW)?;
        Some(finding(
            "slow_beacons",
            format!("node {peer} announces itself only every {interval:.1?}"),
            "nodes that start later find it that late",
        ))
    });
    slow.collect()
}
