//! What is wrong with this machine, or with what the user has asked for.

use zre_tokio::Beacons;

use super::{Finding, finding};
use crate::doctor::{
    facts::{Facts, Held, OwnNode},
    holders::Kind,
};

/// The cause of others first.
pub(super) fn faults(facts: &Facts) -> Vec<Finding> {
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
                match on.address.is_loopback() && on.address.is_ipv6() {
                    true => "take --interface 127.0.0.1: loopback has no multicast here".to_owned(),
                    false => {
                        format!("is a firewall on this machine in the way? Let UDP port {port} out")
                    }
                },
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
