//! What follows from the facts: faults, with their remedies, and a verdict.

mod here;
mod others;

use std::time::Duration;

use serde::Serialize;

use super::{facts::Facts, look::Trouble};

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
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    /// A word that no version changes.
    pub(super) kind: &'static str,
    pub(super) text: String,
    pub(super) remedy: String,
}

impl Diagnosis {
    pub(super) fn of(facts: &Facts) -> Self {
        let faults = [here::faults(facts), others::faults(facts)].concat();
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
        if others::is_other_program(error) {
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
    let remarks = facts.seen.remarks.iter();
    notes.extend(remarks.map(|(kind, text)| finding(kind, text.clone(), "look at that node")));
    notes.extend(slow_beacons(facts));
    let warnings = facts.key_warnings.iter();
    notes.extend(warnings.map(|text| finding("key_file", text.clone(), "see `zre keys show`")));
    if !facts.seen.met.is_empty() {
        let troubles = facts.seen.troubles.iter();
        let in_the_open = troubles.filter(|(_, trouble)| **trouble == Trouble::InTheOpen);
        notes.extend(in_the_open.map(|(peer, _)| others::in_the_open(*peer)));
    }
    notes
}

/// Nodes that are found late.
fn slow_beacons(facts: &Facts) -> Vec<Finding> {
    const SLOW: Duration = Duration::from_secs(3);
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
