//! The side that measures.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Args;
use serde_json::json;
use tokio::time::timeout;
use zre_tokio::{Content, Event, GroupName, Node, PeerId, PeerInfo, SlowMembers};

use super::{
    figures::{Figures, Flow, RoundTrips},
    progress::Progress,
    protocol::{self, Control},
};
use crate::{
    failure::Failure,
    log,
    options::Common,
    output::print,
    stderr,
    text::{self, one_line, quoted},
    unreached::{self, Unreached},
    values::{self, show_size},
};

/// Measure with a node that serves.
///
/// For each size: the times of messages there and back, the rate of messages to that node, and the
/// rate of messages to the group of all that serve. Rates are what the receivers saw.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// The node to measure with, by its name or the beginning of its UUID [default: the first that
    /// serves]
    #[arg(long, value_name = "PEER")]
    peer: Option<String>,

    /// Bytes of the messages, with K or M for KiB or MiB, up to 64M
    #[arg(
        long, value_name = "SIZES", value_delimiter = ',',
        default_value = "16,1K,64K,1M", value_parser = size
    )]
    sizes: Vec<usize>,

    /// Send at most so many messages for each figure
    #[arg(long, value_name = "COUNT", default_value = "10000", value_parser = count)]
    count: u64,

    /// Send no longer than this for each figure, up to an hour
    #[arg(
        long, alias = "seconds", value_name = "TIME", default_value = "2s",
        allow_negative_numbers = true, value_parser = values::up_to_an_hour
    )]
    duration: Duration,

    /// How long to look for a node that serves, up to an hour
    #[arg(
        long, short, value_name = "TIME", default_value = "5s",
        allow_negative_numbers = true, value_parser = values::up_to_an_hour
    )]
    wait: Duration,

    /// The group that those who serve are in
    #[arg(
        long, short, value_name = "GROUP",
        default_value = protocol::GROUP, value_parser = values::group_name
    )]
    group: GroupName,

    /// Print one JSON object, with times in microseconds
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    common: Common,
}

const HELP: &str = "\
Examples:
  zre perf run                       with the first node that serves
  zre perf run --peer cellar --sizes 100,8K --duration 10s
  zre perf run --json > today.json

ZRE_GROUPS does not count here: members of other groups should not get what is measured with.

Exit codes: 0 done; 1 found no node that serves, or lost it; 2 the command line is wrong, or the
node cannot start.";

/// How long an answer may take beyond the time that is measured, before the node counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures, and shows the figures.
pub(super) async fn run(options: Options) -> Result<ExitCode, Failure> {
    log::to_standard_error(options.common.verbose)?;
    let port = options.common.port()?;
    let patience = unreached::patience(options.wait);
    let builder = options.common.builder(Some("zre-perf-run"), &[])?;
    // Every member has to get every shout, or there is nothing to measure.
    let builder = builder.slow_members(SlowMembers::Wait);
    let node = builder.handshake_timeout(patience).start().await?;
    let shutdown = options.common.listen_for_shutdown()?;
    let mut unreached = Unreached::of(&node);
    let mut results = Results::default();
    let measured = tokio::select! {
        measured = find_and_measure(&node, &options, &mut results) => measured,
        () = shutdown.requested() => Ok(()),
    };
    if results.server.is_none() {
        unreached.settle(&node, patience, &shutdown).await;
    }
    let unreached = unreached.summary(&node);
    node.stop().await;
    let lost = match (measured, &results.server) {
        (Err(Lost(why)), _) => why,
        (Ok(()), None) => unreached.unwrap_or_else(|| nobody(&node, &options, port)),
        // After an interruption, this shows what was measured so far.
        (Ok(()), Some(server)) => {
            show(server, &results.figures, options.json)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    Failure::Told(lost).report();
    Ok(ExitCode::FAILURE)
}

/// What there is to show so far.
#[derive(Default)]
struct Results {
    /// The node that serves, once it is found.
    server: Option<PeerInfo>,
    figures: Figures,
}

/// The node to measure with is gone, or does not do its part; and why.
struct Lost(String);

impl From<zre_tokio::Error> for Lost {
    fn from(error: zre_tokio::Error) -> Self {
        Self(error.to_string())
    }
}

/// Leaves `results` without a server if none is found in time.
async fn find_and_measure(
    node: &Node,
    options: &Options,
    results: &mut Results,
) -> Result<(), Lost> {
    let Ok(found) = timeout(options.wait, find(node, options)).await else {
        return Ok(());
    };
    let server = results.server.insert(found?);
    let figures = &mut results.figures;
    let mut run = Run {
        node,
        server: server.id,
        options,
        progress: Progress::new(3 * options.sizes.len()),
    };
    for size in &options.sizes {
        figures.round_trips.extend(run.round_trips(*size).await?);
    }
    for size in &options.sizes {
        figures.one_way.extend(run.one_way(*size).await?);
    }
    for size in &options.sizes {
        figures.shouts.extend(run.shouts(*size).await?);
    }
    Ok(())
}

/// Waits for a node that serves, that is wanted, and that has joined the group.
async fn find(node: &Node, options: &Options) -> Result<PeerInfo, Lost> {
    loop {
        let (peer, group) = match node.recv().await.ok_or_else(stopped)? {
            Event::Join { peer, group, .. } => (peer, group),
            Event::Refused { peer, key, by } => {
                stderr::print(&text::refused(peer, key, by));
                continue;
            }
            _ => continue,
        };
        let info = node.peer(peer).filter(|info| {
            group == options.group && protocol::serves(&info.headers) && is_wanted(info, options)
        });
        if let Some(info) = info {
            return Ok(info);
        }
    }
}

fn is_wanted(info: &PeerInfo, options: &Options) -> bool {
    options.peer.as_ref().is_none_or(|wanted| {
        let id = info.id.to_string();
        let begins = |id: &str| {
            id.get(..wanted.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(wanted))
        };
        info.name == *wanted.as_str() || (!wanted.is_empty() && begins(&id))
    })
}

fn nobody(node: &Node, options: &Options, port: u16) -> String {
    let (network, group) = (node.network(), &options.group);
    let wanted = match &options.peer {
        Some(wanted) => format!("no node {} that serves", quoted(wanted)),
        None => "no node that serves".to_owned(),
    };
    format!(
        "found {wanted} in group {group} on {network}, port {port}; start `zre perf serve` there"
    )
}

fn stopped() -> Lost {
    Lost("the node has stopped".to_owned())
}

struct Run<'r> {
    node: &'r Node,
    server: PeerId,
    options: &'r Options,
    progress: Progress,
}

impl Run<'_> {
    async fn round_trips(&mut self, size: usize) -> Result<Option<RoundTrips>, Lost> {
        let (node, server) = (self.node, self.server);
        let payload = payload(size);
        node.whisper(server, Control::Echo.content()).await?;
        let (count, time) = (self.options.count, self.options.duration);
        let what = format!("round trip {}", show_size(size as u64));
        let measurement = self.progress.begin(what, count, time);
        let times = timeout(time + PATIENCE, async {
            // Warm up: caches are cold and the connection may be new.
            for _ in 0..(count / 10).min(20) {
                round_trip(node, server, &payload).await?;
            }
            let mut times = Vec::new();
            while measurement.goes_on(times.len() as u64) {
                times.push(round_trip(node, server, &payload).await?);
            }
            Ok::<_, Lost>(times)
        });
        let times = times.await.map_err(|_| silent())??;
        Ok(RoundTrips::new(size, times))
    }

    async fn one_way(&mut self, size: usize) -> Result<Option<Flow>, Lost> {
        let (node, server) = (self.node, self.server);
        let payload = payload(size);
        node.whisper(server, Control::Count.content()).await?;
        let what = format!("one way {}", show_size(size as u64));
        let measurement = self
            .progress
            .begin(what, self.options.count, self.options.duration);
        let mut sent = 0;
        while measurement.goes_on(sent) {
            node.whisper(server, payload.clone()).await?;
            sent += 1;
        }
        self.report(server, size, 1, sent).await
    }

    /// All members of the group that serve count, and the slowest of them is shown.
    async fn shouts(&mut self, size: usize) -> Result<Option<Flow>, Lost> {
        let (node, group) = (self.node, &self.options.group);
        let payload = payload(size);
        let members: Vec<PeerId> = node
            .peers_by_group(group.clone())?
            .into_iter()
            .filter(|peer| {
                let info = node.peer(*peer);
                info.is_some_and(|info| protocol::serves(&info.headers))
            })
            .collect();
        for member in &members {
            node.whisper(*member, Control::Count.content()).await?;
        }
        let what = format!("shout {}", show_size(size as u64));
        let measurement = self
            .progress
            .begin(what, self.options.count, self.options.duration);
        let mut sent = 0;
        while measurement.goes_on(sent) {
            node.shout(group.clone(), payload.clone()).await?;
            sent += 1;
        }
        let mut slowest: Option<Flow> = None;
        for member in &members {
            let flow = self.report(*member, size, members.len(), sent).await?;
            let is_slower =
                |flow: &Flow| slowest.as_ref().is_none_or(|other| flow.is_slower(other));
            if flow.as_ref().is_some_and(is_slower) {
                slowest = flow;
            }
        }
        Ok(slowest)
    }

    /// Asks a node what it has counted. The question arrives after all messages, so the count is
    /// final.
    async fn report(
        &self,
        peer: PeerId,
        size: usize,
        receivers: usize,
        sent: u64,
    ) -> Result<Option<Flow>, Lost> {
        self.node.whisper(peer, Control::Report.content()).await?;
        let counted = answer(self.node, peer, |content| match Control::read(content) {
            Some(Control::Counted {
                messages,
                nanoseconds,
            }) => Some((messages, nanoseconds)),
            _ => None,
        });
        let (messages, nanoseconds) = timeout(PATIENCE, counted).await.map_err(|_| silent())??;
        if messages != sent {
            return Err(Lost(format!("sent {sent} messages, {messages} arrived")));
        }
        let time = Duration::from_nanos(nanoseconds);
        Ok(Flow::new(size, receivers, messages, time))
    }
}

/// Sends a message, and measures until it is back.
async fn round_trip(node: &Node, server: PeerId, payload: &Content) -> Result<Duration, Lost> {
    let begun = Instant::now();
    node.whisper(server, payload.clone()).await?;
    let read = |content: &Content| protocol::is_payload(content).then_some(());
    answer(node, server, read).await?;
    Ok(begun.elapsed())
}

fn payload(size: usize) -> Content {
    Bytes::from(vec![0; size]).into()
}

fn silent() -> Lost {
    Lost("the node that serves does not answer".to_owned())
}

/// Waits for a whisper of a peer that `read` understands.
async fn answer<T>(
    node: &Node,
    from: PeerId,
    read: impl Fn(&Content) -> Option<T>,
) -> Result<T, Lost> {
    loop {
        match node.recv().await.ok_or_else(stopped)? {
            Event::Whisper { peer, content, .. } if peer == from => {
                if let Some(answer) = read(&content) {
                    return Ok(answer);
                }
            }
            Event::Exit {
                peer, name, reason, ..
            } if peer == from => {
                return Err(Lost(format!("{name} is gone: {reason}")));
            }
            _ => {}
        }
    }
}

fn show(server: &PeerInfo, figures: &Figures, as_json: bool) -> Result<(), Failure> {
    if as_json {
        let peer = json!({
            "name": server.name.to_string(),
            "uuid": server.id.to_string(),
            "endpoint": server.endpoint.to_string(),
        });
        return Ok(print(
            &json!({"peer": peer, "figures": figures}).to_string(),
        )?);
    }
    let (name, id, endpoint) = (&server.name, server.id, &server.endpoint);
    print(&one_line(&format!("with {name}  {id}  {endpoint}")))?;
    for line in figures.lines() {
        print(&line)?;
    }
    Ok(())
}

fn size(text: &str) -> Result<usize, String> {
    let size = values::size_within(text, 1..=64 << 20)?;
    usize::try_from(size).map_err(|error| error.to_string())
}

fn count(text: &str) -> Result<u64, String> {
    values::whole(text, 2..=10_000_000)
}
