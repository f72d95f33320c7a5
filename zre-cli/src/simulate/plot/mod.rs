//! The picture of a simulation.

mod panel;
mod scale;

use std::time::Duration;

use svg::{
    Document, Node as _,
    node::element::{Group, Rectangle, Title},
};

use self::{
    panel::{Frame, Panel, text},
    scale::{label, round_up},
};
use super::{
    options::Options,
    report::{brief, grouped, short},
    run::{Look, Run},
};

// Colours for colour-blind readers, too: Okabe's and Ito's, and steps of one blue.
const BLUE: &str = "#0072B2";
const ORANGE: &str = "#E69F00";
const GREEN: &str = "#009E73";
const VERMILION: &str = "#D55E00";
/// Orange that is dark enough for text.
const DARK_ORANGE: &str = "#a86f00";
const GREY: &str = "#9aa5b1";
/// For networks of growing size.
const SIZES: [&str; 4] = ["#b3cde3", "#6baed6", "#2878b5", "#08306b"];

const LEFT: f64 = 90.0;
const RIGHT: f64 = 1000.0;
const LEFT_WIDTH: f64 = 770.0;
const RIGHT_WIDTH: f64 = 530.0;
const UPPER: f64 = 200.0;
const LOWER: f64 = 590.0;
const HEIGHT: f64 = 230.0;

/// Draws the last run over time, and all runs by the size of the network.
pub(super) fn draw(options: &Options, runs: &[Run]) -> String {
    let mut document = Document::new()
        .set("viewBox", (0, 0, 1600, 900))
        .set("width", 1600)
        .set("height", 900)
        .set(
            "font-family",
            "Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif",
        );
    let paper = Rectangle::new()
        .set("width", 1600)
        .set("height", 900)
        .set("fill", "white");
    document.append(paper);
    if let Some(run) = runs.last() {
        document.append(Title::new(headline(run)));
        document.append(heading(options, run));
        document.append(convergence(options, runs));
        document.append(traffic(options, run));
        document.append(beacons(options, runs));
        document.append(streams(runs));
    }
    format!("{document}\n")
}

fn headline(run: &Run) -> String {
    let nodes = grouped(u64::from(run.nodes));
    match run.after_last_start() {
        Some(after) => format!(
            "{nodes} ZRE nodes know each other {} after the last one started",
            brief(after)
        ),
        None => format!("{nodes} ZRE nodes"),
    }
}

fn heading(options: &Options, run: &Run) -> Group {
    let conditions = [
        format!("latency {}", span(options.latency, options.jitter)),
        match options.loss {
            0.0 => "no loss".to_owned(),
            loss => format!("{} % of datagrams lost", label(loss * 100.0)),
        },
        format!("started within {:?}", options.spread),
        format!("beacons every {:?}", options.presence.interval),
        format!("seed {}", options.seed),
        format!("trace {:016x}", run.trace_hash),
    ];
    let title = text(&headline(run), LEFT, 66.0, 36.0, "#1f2933").set("font-weight", "700");
    let below = text(&conditions.join("  ·  "), LEFT, 104.0, 17.0, "#616e7c");
    Group::new().add(title).add(below)
}

fn span(latency: Duration, jitter: Duration) -> String {
    match jitter {
        Duration::ZERO => format!("{latency:?}"),
        jitter => format!("{latency:?} to {:?}", latency + jitter),
    }
}

/// Which share of all pairs know each other, for each size.
fn convergence(options: &Options, runs: &[Run]) -> Group {
    let frame = Frame {
        left: LEFT,
        top: UPPER,
        width: LEFT_WIDTH,
        height: HEIGHT,
        title: "Finding each other",
        x_title: "time (s)",
        y_title: "pairs of nodes that know each other (%)",
    };
    let end = interesting(options, runs);
    // Up to 118 %, so that there is room for words above the lines.
    let mut panel = Panel::new(frame, end, 118.0);
    mark_partition(&mut panel, options, end);
    panel.y_grid(5);
    panel.x_ticks(8);
    for (run, colour) in coloured(runs) {
        let point = |look: &Look| (look.at.as_secs_f64(), 100.0 * run.share(look));
        let course: Vec<_> = std::iter::once((0.0, 0.0))
            .chain(run.course.iter().map(point))
            .take_while(|(at, _)| *at <= end)
            .collect();
        panel.line(&corners(&course), colour, 3.0);
    }
    if let Some(run) = runs.last() {
        mark_restarts(&mut panel, run);
    }
    for (run, colour) in coloured(runs).rev() {
        let unit = if run.nodes == runs.last().map_or(0, |run| run.nodes) {
            " nodes"
        } else {
            ""
        };
        panel.legend(&format!("{}{unit}", grouped(u64::from(run.nodes))), colour);
    }
    panel.finish()
}

/// The end of the time axis, in seconds: after it the lines are flat.
fn interesting(options: &Options, runs: &[Run]) -> f64 {
    let duration = options.duration.as_secs_f64();
    let converged: Option<Vec<_>> = runs.iter().map(|run| run.converged).collect();
    let slowest = converged.and_then(|all| all.into_iter().max());
    match slowest {
        Some(slowest) if !options.has_faults() => {
            round_up(slowest.as_secs_f64() * 1.25, 8).min(duration)
        }
        _ => duration,
    }
}

/// What the network carries, over time.
fn traffic(options: &Options, run: &Run) -> Group {
    let messages = options.has_messages();
    let figure = |look: &Look| match messages {
        true => look.metrics.messages as f64,
        false => look.metrics.stream_bytes as f64 / 1024.0 / f64::from(run.nodes),
    };
    let rates = rates(run, options.duration, figure);
    let most = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let frame = Frame {
        left: LEFT,
        top: LOWER,
        width: LEFT_WIDTH,
        height: HEIGHT,
        title: match messages {
            true => "Messages delivered",
            false => "TCP traffic over the whole time",
        },
        x_title: "time (s)",
        y_title: match messages {
            true => "messages per second, all nodes together",
            false => "KiB per node and second",
        },
    };
    let duration = options.duration.as_secs_f64();
    let mut panel = Panel::new(frame, duration, round_up(most * 1.05, 4));
    mark_partition(&mut panel, options, duration);
    panel.y_grid(4);
    panel.x_ticks(8);
    panel.area(&rates, GREEN);
    mark_restarts(&mut panel, run);
    panel.finish()
}

/// Beacons, by the size of the network.
fn beacons(options: &Options, runs: &[Run]) -> Group {
    let frame = Frame {
        left: RIGHT,
        top: UPPER,
        width: RIGHT_WIDTH,
        height: HEIGHT,
        title: "Beacons against network size",
        x_title: "nodes",
        y_title: "per node and second",
    };
    let per_second = |run: &Run, count: u64| {
        count as f64 / f64::from(run.nodes) / options.duration.as_secs_f64()
    };
    let received = |run: &Run| per_second(run, run.metrics.datagrams_received);
    let sent = |run: &Run| per_second(run, run.metrics.datagrams_sent);
    let mut panel = growth_panel(frame, runs, received);
    panel.dotted_line(&by_size(runs, sent), ORANGE);
    panel.dotted_line(&by_size(runs, received), BLUE);
    if let Some(run) = runs.last() {
        let nodes = f64::from(run.nodes);
        panel.note(nodes, received(run), &short(received(run)), BLUE);
        panel.note(nodes, sent(run), &short(sent(run)), DARK_ORANGE);
    }
    panel.legend("received", BLUE);
    panel.legend("sent", ORANGE);
    panel.finish()
}

/// What TCP carries, by the size of the network.
fn streams(runs: &[Run]) -> Group {
    let frame = Frame {
        left: RIGHT,
        top: LOWER,
        width: RIGHT_WIDTH,
        height: HEIGHT,
        title: "TCP against network size",
        x_title: "nodes",
        y_title: "KiB sent per node, whole run",
    };
    let sent = |run: &Run| run.metrics.stream_bytes as f64 / 1024.0 / f64::from(run.nodes);
    let mut panel = growth_panel(frame, runs, sent);
    if let Some(run) = runs.last() {
        let peers = |run: &Run| f64::from(run.nodes.saturating_sub(1));
        let per_peer = sent(run) / peers(run).max(1.0);
        let proportional = by_size(runs, |run| per_peer * peers(run));
        panel.dashed_line(&proportional, GREY);
    }
    panel.dotted_line(&by_size(runs, sent), GREEN);
    if let Some(run) = runs.last() {
        let words = short(sent(run));
        panel.note(f64::from(run.nodes), sent(run), &words, GREEN);
    }
    panel.legend("sent", GREEN);
    panel.legend("the same per peer", GREY);
    panel.finish()
}

/// A diagram with room for the largest figure, and the sizes of the networks below.
fn growth_panel<'a>(frame: Frame<'a>, runs: &[Run], figure: impl Fn(&Run) -> f64) -> Panel<'a> {
    let most = runs.iter().map(figure).fold(0.0, f64::max);
    let largest = runs.last().map_or(1.0, |run| f64::from(run.nodes));
    let mut panel = Panel::new(frame, largest * 1.04, round_up(most * 1.15, 4));
    panel.y_grid(4);
    let sizes: Vec<_> = runs.iter().map(|run| f64::from(run.nodes)).collect();
    panel.x_ticks_at(&sizes);
    panel
}

fn by_size(runs: &[Run], figure: impl Fn(&Run) -> f64) -> Vec<(f64, f64)> {
    let points = runs.iter().map(|run| (f64::from(run.nodes), figure(run)));
    points.collect()
}

fn mark_partition(panel: &mut Panel<'_>, options: &Options, end: f64) {
    if let Some(partition) = options.partition {
        let (from, lasts) = (partition.at.as_secs_f64(), partition.lasts.as_secs_f64());
        panel.band(from, (from + lasts).min(end), "two halves");
    }
}

fn mark_restarts(panel: &mut Panel<'_>, run: &Run) {
    if !run.restarts.is_empty() {
        let at: Vec<_> = run.restarts.iter().map(Duration::as_secs_f64).collect();
        panel.marks(&at, VERMILION);
        panel.legend("restart", VERMILION);
    }
}

/// The runs with their colours; the largest network has the darkest.
fn coloured(runs: &[Run]) -> impl DoubleEndedIterator<Item = (&Run, &'static str)> {
    let unused = SIZES.len().saturating_sub(runs.len());
    runs.iter()
        .zip(SIZES.into_iter().skip(unused).collect::<Vec<_>>())
}

/// How much a figure grows per second, at a hundred moments.
fn rates(run: &Run, duration: Duration, figure: impl Fn(&Look) -> f64) -> Vec<(f64, f64)> {
    const STEPS: u32 = 100;
    let mut rates = Vec::new();
    let (mut at, mut before) = (0.0, 0.0);
    for step in 1..=STEPS {
        let end = duration * step / STEPS;
        let last = run.course.iter().rev().find(|look| look.at <= end);
        let Some(look) = last.filter(|look| look.at.as_secs_f64() > at) else {
            continue;
        };
        let (now, grown) = (look.at.as_secs_f64(), figure(look));
        let rate = (grown - before) / (now - at);
        rates.extend([(at, rate), (now, rate)]);
        (at, before) = (now, grown);
    }
    rates
}

/// Leaves out points on a horizontal line between others.
fn corners(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut corners = Vec::new();
    for (place, point) in points.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| points.get(before));
        let is_level = |other: Option<&(f64, f64)>| other.is_some_and(|other| other.1 == point.1);
        if !is_level(before) || !is_level(points.get(place + 1)) {
            corners.push(*point);
        }
    }
    corners
}
