//! Shows what was found out, to people or as JSON.

use std::net::SocketAddr;

use serde_json::{Value, json};
use zre_tokio::{Beacons, PeerInfo, PeerKey, PublicKey};

use super::{
    diagnosis::{Diagnosis, Finding},
    facts::{Facts, OwnNode},
    heard::HeardNode,
    look::Trouble,
    probe::{Kind, Outcome, Probe},
};
use crate::{failure::Failure, interfaces::Listing, output::print, text::one_line};

/// Lines of running text are no longer than this.
const COLUMNS: usize = 80;

/// Where what was found out goes.
#[derive(Debug)]
pub(super) struct Report {
    is_json: bool,
}

impl Report {
    pub(super) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    /// Shows what is known at once.
    pub(super) fn begin(&mut self, listing: &Listing) -> Result<(), Failure> {
        if self.is_json {
            return Ok(());
        }
        line("Interfaces")?;
        listing.lines().try_for_each(|it| line(&format!("  {it}")))
    }

    /// Shows the rest.
    pub(super) fn end(&mut self, facts: &Facts, diagnosis: &Diagnosis) -> Result<(), Failure> {
        if self.is_json {
            return line(&as_json(facts, diagnosis).to_string());
        }
        if let Some(node) = &facts.node {
            line("This node")?;
            let mut lines = own_lines(node, &facts.beacons);
            let key = facts.own_key.map(|key| format!("  key {key}"));
            // Behind the name.
            lines.splice(1..1, key);
            lines.iter().try_for_each(|it| line(it))?;
        }
        line(&format!("Nodes heard or met in {:?}", facts.waited))?;
        let nodes = nodes(facts);
        if nodes.is_empty() {
            line("  none")?;
        }
        for node in &nodes {
            node.show()?;
        }
        if !facts.probes.is_empty() {
            line("Peers and hubs that were given")?;
        }
        for probe in &facts.probes {
            let text = format!("{}: {}", probe.endpoint, state_of(probe).1);
            paragraph("  ", "      ", &text)?;
        }
        findings("Faults", &diagnosis.faults)?;
        findings("Good to know", &diagnosis.notes)?;
        line("Verdict")?;
        paragraph("  ", "  ", &diagnosis.verdict)
    }
}

fn own_lines(node: &OwnNode, beacons: &Beacons) -> Vec<String> {
    let mut lines = vec![format!("  {}  {}", node.name, node.id)];
    for network in &node.networks {
        let on = &network.state;
        lines.push(format!("  {} on {}", on.endpoint, on.interface));
        let to: Vec<_> = on.beacons_to.iter().map(ToString::to_string).collect();
        let sent = format!("      {} beacons to {}", on.beacons_sent, to.join(" and "));
        lines.push(match (&on.beacon_error, beacons) {
            _ if to.is_empty() => "      no beacons".to_owned(),
            (Some(error), _) => format!("{sent}, then: {error}"),
            // Those to one host do not come back.
            (None, Beacons::To(_)) => sent,
            (None, _) => format!("{sent}, {} came back", network.came_back),
        });
    }
    lines
}

fn findings(title: &str, findings: &[Finding]) -> Result<(), Failure> {
    if findings.is_empty() {
        return Ok(());
    }
    line(title)?;
    for Finding { text, remedy, .. } in findings {
        paragraph("  - ", "    ", text)?;
        paragraph("    ", "    ", &format!("=> {remedy}"))?;
    }
    Ok(())
}

/// Prints a text over several lines.
fn paragraph(first: &str, others: &str, text: &str) -> Result<(), Failure> {
    wrapped(first, others, &one_line(text))
        .iter()
        .try_for_each(|it| line(it))
}

fn wrapped(first: &str, others: &str, text: &str) -> Vec<String> {
    let mut lines = vec![first.to_owned()];
    let mut is_empty = true;
    for word in text.split(' ') {
        let length = |text: &str| text.chars().count();
        match lines.last_mut() {
            Some(last) if is_empty || length(last) + 1 + length(word) <= COLUMNS => {
                if !is_empty {
                    last.push(' ');
                }
                last.push_str(word);
            }
            _ => lines.push(format!("{others}{word}")),
        }
        is_empty = false;
    }
    lines
}

fn line(text: &str) -> Result<(), Failure> {
    Ok(print(&one_line(text))?)
}

/// A node that was heard or met.
struct Node<'a> {
    id: String,
    info: Option<&'a PeerInfo>,
    ping: Option<std::time::Duration>,
    heard: Option<&'a HeardNode>,
    state: &'static str,
    error: Option<String>,
}

fn nodes(facts: &Facts) -> Vec<Node<'_>> {
    let seen = &facts.seen;
    let heard = |id| seen.heard.nodes().find(|(peer, _)| *peer == id);
    let met = seen.met.iter().map(|(info, ping)| Node {
        id: info.id.to_string(),
        heard: heard(info.id).map(|(_, heard)| heard),
        info: Some(info),
        ping: *ping,
        state: "entered",
        error: None,
    });
    let is_met = |id| seen.met.iter().any(|(info, _)| info.id == id);
    let troubled = seen.troubles.iter().map(|(id, trouble)| {
        let (state, error) = word(trouble);
        (*id, heard(*id).map(|(_, heard)| heard), state, error)
    });
    let others = seen
        .heard
        .nodes()
        .filter(|(id, _)| !seen.troubles.contains_key(id));
    let others = others.map(|(id, heard)| {
        let state = match heard {
            HeardNode { has_left: true, .. } => "left",
            _ => "undecided",
        };
        (id, Some(heard), state, None)
    });
    let others = troubled.chain(others).filter(|(id, ..)| !is_met(*id));
    let others = others.map(|(id, heard, state, error)| Node {
        id: id.to_string(),
        info: None,
        ping: None,
        heard,
        state,
        error,
    });
    met.chain(others).collect()
}

/// A word that no version changes, and what is known beside it.
fn word(trouble: &Trouble) -> (&'static str, Option<String>) {
    match trouble {
        Trouble::NotConnected { endpoint, error } => {
            ("not_connected", Some(format!("{endpoint}: {error}")))
        }
        Trouble::CannotConnectBack { endpoint } => {
            ("cannot_connect_back", Some(endpoint.to_string()))
        }
        Trouble::Refuses { endpoint } => ("refused_by_peer", Some(endpoint.to_string())),
        Trouble::CurveOnly => ("curve_only", None),
        Trouble::InTheOpen => ("in_the_open", None),
        Trouble::NotTrusted { key } => ("not_trusted", Some(key.to_string())),
        Trouble::DoesNotTrust => ("does_not_trust_us", None),
        Trouble::Refused { why } => ("refused", Some(why.clone())),
    }
}

impl Node<'_> {
    fn show(&self) -> Result<(), Failure> {
        let name = self.info.map(|info| info.name.to_string_lossy());
        let name = name.map(|name| format!("{name}  ")).unwrap_or_default();
        line(&format!("  {name}{}", self.id))?;
        let rest = format!("{}; {}", self.by(), self.state_in_words());
        paragraph("      ", "      ", &rest)?;
        match self.key() {
            Some(key) => line(&format!("      {key}")),
            None => Ok(()),
        }
    }

    fn key(&self) -> Option<&PeerKey> {
        self.info.and_then(|info| info.key.as_ref())
    }

    fn by(&self) -> String {
        let Some(heard) = self.heard else {
            return "met without a broadcast".to_owned();
        };
        let from: Vec<_> = heard.places().map(|at| at.ip().to_string()).collect();
        let interval = heard.interval();
        let interval = interval.map(|it| format!(" every {:.1} s", it.as_secs_f64()));
        format!(
            "from {}{}",
            from.join(" and "),
            interval.unwrap_or_default()
        )
    }

    fn state_in_words(&self) -> String {
        let error = self.error.as_deref().unwrap_or_default();
        match (self.state, self.info, self.ping) {
            ("entered", Some(info), Some(ping)) => format!(
                "entered at {}, answers in {:.1} ms",
                info.endpoint,
                ping.as_secs_f64() * 1000.0
            ),
            ("entered", Some(info), None) => {
                format!("entered at {}, does not answer", info.endpoint)
            }
            ("not_connected", ..) => format!("no connection to {error}"),
            ("cannot_connect_back", ..) => format!("makes no connection to us, we do to {error}"),
            ("refused_by_peer", ..) => format!("closes our connections to {error}"),
            ("curve_only", ..) => "has a key, and this node has none".to_owned(),
            ("in_the_open", ..) => "has no key, and this node has one".to_owned(),
            ("not_trusted", ..) => format!("its key is not trusted here: {error}"),
            ("does_not_trust_us", ..) => "does not trust the key of this node".to_owned(),
            ("left", ..) => "has left".to_owned(),
            ("undecided", ..) => "has not entered yet".to_owned(),
            _ => error.to_owned(),
        }
    }

    fn json(&self) -> Value {
        let places = self.heard.into_iter().flat_map(HeardNode::places);
        let headers = self.info.map(|info| {
            let pairs = info.headers.iter();
            let pairs = pairs.map(|(name, value)| {
                let value = Value::from(value.to_string_lossy());
                (name.to_string_lossy().into_owned(), value)
            });
            pairs.collect::<serde_json::Map<_, _>>()
        });
        json!({
            "peer": self.id,
            "name": self.info.map(|info| info.name.to_string_lossy()),
            "endpoint": self.info.map(|info| info.endpoint.to_string()),
            "headers": headers,
            "key": self.key().map(|key| key.public.to_string()),
            "state": self.state,
            "error": self.error,
            "heard_from": places.map(|at: SocketAddr| at.to_string()).collect::<Vec<_>>(),
            "beacons": self.heard.map_or(0, |heard| heard.beacons_from(|_| true)),
            "interval_ms": self.heard.and_then(HeardNode::interval).map(millis),
            "ping_ms": self.ping.map(millis),
        })
    }
}

/// A word that no version changes, and the same for people.
fn state_of(probe: &Probe) -> (&'static str, String) {
    let what = match probe.kind {
        Kind::Peer => "peer",
        Kind::Hub => "gossip hub",
    };
    match &probe.outcome {
        Outcome::Answers => ("answers", format!("the {what} takes connections")),
        Outcome::Connected => ("connected", format!("the {what} serves this node")),
        Outcome::Entered(peer) => ("entered", format!("{what} {peer}")),
        Outcome::Own => ("own", "this node itself".to_owned()),
        Outcome::Silent(error) => ("no_hello", format!("{what}: {error}")),
        Outcome::NotResolved(error) => ("not_resolved", format!("{what}: {error}")),
        Outcome::NoConnection(error) => ("no_connection", format!("{what}: {error}")),
    }
}

fn millis(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn as_json(facts: &Facts, diagnosis: &Diagnosis) -> Value {
    let given = facts.probes.iter().map(|probe| {
        let error = match &probe.outcome {
            Outcome::Answers | Outcome::Connected | Outcome::Entered(_) | Outcome::Own => None,
            Outcome::NotResolved(error) | Outcome::NoConnection(error) | Outcome::Silent(error) => {
                Some(error)
            }
        };
        json!({
            "endpoint": probe.endpoint.to_string(),
            "kind": match probe.kind { Kind::Peer => "peer", Kind::Hub => "hub" },
            "state": state_of(probe).0,
            "error": error,
        })
    });
    let strange = facts.seen.heard.strange();
    let strange = strange.map(|(from, error, count)| {
        json!({"from": from.to_string(), "error": error, "datagrams": count})
    });
    json!({
        "ok": diagnosis.faults.is_empty(),
        "verdict": diagnosis.verdict,
        "faults": diagnosis.faults,
        "notes": diagnosis.notes,
        "waited_ms": millis(facts.waited),
        "port": facts.port,
        "interfaces": facts.listing,
        "node": facts.node.as_ref().map(|node| own_json(node, facts.own_key)),
        "nodes": nodes(facts).iter().map(Node::json).collect::<Vec<_>>(),
        "given": given.collect::<Vec<_>>(),
        "strange": strange.collect::<Vec<_>>(),
        "misaddressed_packets": facts.misaddressed,
    })
}

fn own_json(node: &OwnNode, key: Option<PublicKey>) -> Value {
    let networks = node.networks.iter().map(|network| {
        let on = &network.state;
        let to = on.beacons_to.iter().map(ToString::to_string);
        json!({
            "interface": on.interface,
            "address": on.address.to_string(),
            "endpoint": on.endpoint.to_string(),
            "beacons_to": to.collect::<Vec<_>>(),
            "beacons_sent": on.beacons_sent,
            "beacon_error": on.beacon_error,
            "own_beacons_heard": network.came_back,
        })
    });
    json!({
        "uuid": node.id.to_string(),
        "name": node.name,
        "endpoint": node.endpoint.to_string(),
        "key": key.map(|key| key.to_string()),
        "networks": networks.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_has_80_columns() {
        let text = "word ".repeat(40);
        let lines = wrapped("  - ", "    ", text.trim_end());
        assert!(lines.len() > 2 && lines.iter().all(|line| line.len() <= COLUMNS));
        assert!(lines[0].starts_with("  - word word"));
        assert!(lines[1].starts_with("    word word"));
        assert_eq!(wrapped("> ", "  ", "short"), ["> short"]);
    }
}
