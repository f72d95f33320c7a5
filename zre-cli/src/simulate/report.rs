//! The result of a simulation, in figures that depend only on the options.

use std::{fmt::Write as _, time::Duration};

use serde::Serialize;

use super::{machine::pairs, options::Options, run::Run};
use crate::failure::Failure;

/// How many differences are listed one by one.
const SHOWN: usize = 10;

/// The result of a simulation.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    nodes: u32,
    groups: u32,
    seed: u64,
    level: &'static str,
    duration_seconds: f64,
    /// Whether every running node had the right view at the end.
    agrees: bool,
    /// Where views were wrong.
    differences: Vec<String>,
    /// Which rules were broken.
    broken: Vec<String>,
    known_pairs: u64,
    pairs: u64,
    fewest_peers: usize,
    most_peers: usize,
    converged_seconds: Option<f64>,
    /// From the last start to the moment when every node knew every other.
    converged_seconds_after_last_start: Option<f64>,
    settled_seconds: Option<f64>,
    restarts: usize,
    moves: usize,
    beacons_sent: u64,
    beacons_received: u64,
    beacons_lost: u64,
    beacon_bytes: u64,
    connections: u64,
    tcp_bytes: u64,
    messages_sent: u64,
    messages: u64,
    events: u64,
    notices: u64,
    most_unwritten_bytes: usize,
    /// Sixteen hexadecimal digits.
    trace: String,
    /// How costs grow, the smallest network first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    growth: Vec<Size>,
    /// The figures over time, without those that equal the ones before.
    course: Vec<Point>,
}

/// What a network of one size needs.
#[derive(Debug, Serialize)]
struct Size {
    nodes: u32,
    pairs: u64,
    converged_seconds: Option<f64>,
    converged_seconds_after_last_start: Option<f64>,
    beacons_sent_per_node_and_second: f64,
    beacons_received_per_node_and_second: f64,
    tcp_bytes_per_node: f64,
    messages: u64,
    events: u64,
    tcp_bytes_per_pair: f64,
    /// Received beacons, connections and events, messages included. Programs read the JSON name.
    #[serde(rename = "happenings_per_pair")]
    operations_per_pair: f64,
}

#[derive(Debug, Serialize)]
struct Point {
    seconds: f64,
    known_pairs: u64,
    beacons_received: u64,
    tcp_bytes: u64,
    messages: u64,
}

impl Report {
    /// Reports on the last run, and on how all grow.
    pub(super) fn new(options: &Options, runs: &[Run]) -> Result<Self, Failure> {
        let Some(run) = runs.last() else {
            return Err(Failure::Told("nothing was simulated".to_owned()));
        };
        let metrics = run.metrics;
        let growth = match options.has_growth() {
            true => runs.iter().map(|run| Size::new(options, run)).collect(),
            false => Vec::new(),
        };
        Ok(Self {
            nodes: run.nodes,
            groups: options.groups,
            seed: options.seed,
            level: options.level.name(),
            duration_seconds: options.duration.as_secs_f64(),
            agrees: run.differences.is_empty(),
            differences: run.differences.clone(),
            broken: run.broken.clone(),
            known_pairs: run.known(),
            pairs: pairs(run.nodes),
            fewest_peers: run.peers.0,
            most_peers: run.peers.1,
            converged_seconds: run.converged.map(seconds),
            converged_seconds_after_last_start: run.after_last_start().map(seconds),
            settled_seconds: run.settled().map(seconds),
            restarts: run.restarts.len(),
            moves: run.moves,
            beacons_sent: metrics.datagrams_sent,
            beacons_received: metrics.datagrams_received,
            beacons_lost: metrics.datagrams_lost,
            beacon_bytes: metrics.datagram_bytes,
            connections: metrics.connections,
            tcp_bytes: metrics.stream_bytes,
            messages_sent: run.sent,
            messages: metrics.messages,
            events: metrics.events,
            notices: metrics.notices,
            most_unwritten_bytes: metrics.most_unwritten,
            trace: format!("{:016x}", run.trace_hash),
            growth,
            course: course(run),
        })
    }

    /// Whether everything is as it should be.
    pub(super) fn is_well(&self) -> bool {
        self.agrees && self.broken.is_empty()
    }

    pub(super) fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.unwrap_or_default() + "\n"
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = self.head();
        text += &self.figures();
        if !self.growth.is_empty() {
            text += &self.growth_table();
        }
        text += &self.verdict();
        text
    }

    fn head(&self) -> String {
        let Self {
            nodes,
            groups,
            seed,
            duration_seconds,
            level,
            trace,
            ..
        } = self;
        let (nodes, groups) = (plural(*nodes, "node"), plural(*groups, "group"));
        let mut text = format!(
            "{nodes}, {groups}, {duration_seconds} s, seed {seed}, at the level of {level}; \
             trace {trace}\n"
        );
        text += &self.convergence();
        text.push('\n');
        text
    }

    fn convergence(&self) -> String {
        let Some(converged) = self.converged_seconds else {
            return "At no time did everybody know everybody.\n".to_owned();
        };
        let after = self.converged_seconds_after_last_start.unwrap_or_default();
        let after = brief(Duration::try_from_secs_f64(after).unwrap_or_default());
        let mut text = format!(
            "Everybody knew everybody after {converged:.3} s, \
             {after} after the last node had started"
        );
        text += &match self.settled_seconds {
            Some(settled) if settled > converged => {
                format!(", and for good since {settled:.2} s.\n")
            }
            Some(_) => ".\n".to_owned(),
            None => ", but not at the end.\n".to_owned(),
        };
        text
    }

    fn figures(&self) -> String {
        let row = |what: &str, count: u64| {
            let per_node = count as f64 / f64::from(self.nodes);
            let per_second = per_node / self.duration_seconds;
            vec![
                what.to_owned(),
                grouped(count),
                short(per_node),
                short(per_second),
            ]
        };
        let mut rows = vec![
            row("beacons sent", self.beacons_sent),
            row("beacons received", self.beacons_received),
            row("beacons lost", self.beacons_lost),
            row("TCP connections", self.connections),
            row("TCP bytes", self.tcp_bytes),
            row("messages sent", self.messages_sent),
            row("messages delivered", self.messages),
            row("events", self.events),
        ];
        if self.restarts > 0 {
            rows.push(row("restarts", self.restarts as u64));
        }
        if self.moves > 0 {
            rows.push(row("moves", self.moves as u64));
        }
        let heads = ["", "in all", "per node", "per node and second"];
        table(&heads, &rows) + "\n"
    }

    fn growth_table(&self) -> String {
        let heads = [
            "nodes",
            "pairs",
            "converged",
            "beacons sent",
            "received",
            "TCP KiB",
            "messages",
            "events",
            "TCP bytes",
            "operations",
        ];
        let units = [
            "", "", "", "/node/s", "/node/s", "/node", "", "", "/pair", "/pair",
        ];
        let mut rows = vec![units.map(str::to_owned).to_vec()];
        rows.extend(self.growth.iter().map(Size::row));
        table(&heads, &rows) + "\n"
    }

    fn verdict(&self) -> String {
        let mut text = match (self.agrees, self.fewest_peers, self.most_peers) {
            (true, fewest, most) if fewest == most => format!(
                "At the end every node knows {} and all their groups, as is true.\n",
                plural(most, "peer")
            ),
            (true, fewest, most) => format!(
                "At the end every node knows the nodes that it can reach, {fewest} to {most}, \
                 and all their groups.\n"
            ),
            (false, ..) => format!(
                "At the end the nodes' views are wrong; {} of {} pairs know each other:\n",
                grouped(self.known_pairs),
                grouped(self.pairs)
            ),
        };
        for (found, what) in [
            (&self.differences, "differences"),
            (&self.broken, "broken rules"),
        ] {
            for line in found.iter().take(SHOWN) {
                let _ = writeln!(text, "  {line}");
            }
            if found.len() > SHOWN {
                let _ = writeln!(text, "  and more {what}");
            }
        }
        if self.broken.is_empty() {
            text += "No rule was broken.\n";
        }
        text
    }
}

impl Size {
    fn new(options: &Options, run: &Run) -> Self {
        let metrics = run.metrics;
        let nodes = f64::from(run.nodes);
        let all_pairs = pairs(run.nodes).max(1) as f64;
        let operations = metrics.datagrams_received + metrics.connections + metrics.events;
        let per_node_and_second =
            |count: u64| count as f64 / nodes / options.duration.as_secs_f64();
        Self {
            nodes: run.nodes,
            pairs: pairs(run.nodes),
            converged_seconds: run.converged.map(seconds),
            converged_seconds_after_last_start: run.after_last_start().map(seconds),
            beacons_sent_per_node_and_second: per_node_and_second(metrics.datagrams_sent),
            beacons_received_per_node_and_second: per_node_and_second(metrics.datagrams_received),
            tcp_bytes_per_node: metrics.stream_bytes as f64 / nodes,
            messages: metrics.messages,
            events: metrics.events,
            tcp_bytes_per_pair: metrics.stream_bytes as f64 / all_pairs,
            operations_per_pair: operations as f64 / all_pairs,
        }
    }

    fn row(&self) -> Vec<String> {
        vec![
            grouped(u64::from(self.nodes)),
            grouped(self.pairs),
            self.converged_seconds
                .map_or("never".to_owned(), |at| format!("{at:.3} s")),
            short(self.beacons_sent_per_node_and_second),
            short(self.beacons_received_per_node_and_second),
            short(self.tcp_bytes_per_node / 1024.0),
            grouped(self.messages),
            grouped(self.events),
            short(self.tcp_bytes_per_pair),
            short(self.operations_per_pair),
        ]
    }
}

fn course(run: &Run) -> Vec<Point> {
    let mut course: Vec<Point> = Vec::new();
    for look in &run.course {
        let point = Point {
            seconds: seconds(look.at),
            known_pairs: look.known,
            beacons_received: look.metrics.datagrams_received,
            tcp_bytes: look.metrics.stream_bytes,
            messages: look.metrics.messages,
        };
        if course.last().is_none_or(|last| last.differs(&point)) {
            course.push(point);
        }
    }
    course
}

impl Point {
    fn differs(&self, other: &Self) -> bool {
        let figures = |point: &Self| (point.known_pairs, point.tcp_bytes, point.messages);
        figures(self) != figures(other)
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

/// Columns of text; the first to the left, figures to the right.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let heads: Vec<_> = heads.iter().map(|head| (*head).to_owned()).collect();
    let lines = || std::iter::once(&heads).chain(rows);
    let width = |column: usize| {
        let cells = lines().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..heads.len()).map(width).collect();
    // Words stand to the left, figures to the right.
    let has_words = heads.first().is_some_and(String::is_empty);
    let mut text = String::new();
    for line in lines() {
        let cells = line.iter().zip(&widths).enumerate();
        let cells: Vec<_> = cells
            .map(|(column, (cell, width))| match column == 0 && has_words {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            })
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

/// A number with commas between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with a sensible number of places.
pub(super) fn short(number: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a number that is large, positive and rounded"
    )]
    match number {
        large if large >= 100.0 => grouped(large.round() as u64),
        middle if middle >= 10.0 => format!("{middle:.1}"),
        small if small > 0.0 => format!("{small:.2}"),
        _ => "0".to_owned(),
    }
}

/// A time in a sensible unit.
pub(super) fn brief(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        long if long >= 1.0 => format!("{long:.2} s"),
        short if short >= 0.001 => format!("{:.1} ms", short * 1e3),
        tiny => format!("{:.0} us", tiny * 1e6),
    }
}

fn plural<N: TryInto<u64>>(number: N, what: &str) -> String {
    match number.try_into() {
        Ok(1) => format!("1 {what}"),
        Ok(number) => format!("{} {what}s", grouped(number)),
        Err(_) => format!("many {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn numbers_are_as_long_as_they_deserve() {
        for (number, text) in [
            (0.0, "0"),
            (0.033, "0.03"),
            (12.34, "12.3"),
            (1234.5, "1,235"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn figures_stand_under_each_other() {
        let rows = [
            vec!["a".to_owned(), "1".to_owned()],
            vec!["bcd".to_owned(), "1,000".to_owned()],
        ];
        assert_eq!(
            table(&["", "x"], &rows),
            "         x\na        1\nbcd  1,000\n"
        );
    }
}
