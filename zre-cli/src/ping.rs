//! `zre ping`: who is on the network, and how fast they answer.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use zre_tokio::{Event, Node, PeerId, PeerInfo};

use crate::{
    failure::Failure,
    log,
    options::{Common, Groups},
    output::print,
    send::tell_refused,
    shutdown::Shutdown,
    stderr,
    text::{self, one_line},
    unreached::{self, Unreached},
    values,
};

/// Show the nodes on the network and how fast they answer.
///
/// Each is shown with its name, UUID, endpoint and the time from a PING to its PING-OK, then the
/// key that it has proved to have, its headers and groups. The time is the shortest of five.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// How long to look for nodes
    #[arg(
        long, short, value_name = "TIME", default_value = "2s",
        allow_negative_numbers = true, value_parser = values::time
    )]
    wait: Duration,

    /// Go on until Ctrl-C: show who comes and goes, and ping everyone each second
    #[arg(long, conflicts_with = "wait")]
    watch: bool,

    #[command(flatten)]
    groups: Groups,

    #[command(flatten)]
    common: Common,
}

const HELP: &str = "\
Examples:
  zre ping                           look for two seconds
  zre ping --wait 500ms -i lo        the nodes on this machine alone
  zre ping --watch | grep printer

A node whose beacons are heard but to which no connection can be made, as behind a firewall, is
named on standard error, and is not found. So is one whose key is not trusted, or that does not
trust the key of this node.

Exit codes: 0 found at least one node; 1 found none; 2 the command line is wrong, or the node
cannot start.";

/// The header with the key, which is shown as such.
const KEY_HEADER: &str = "X-PUBLICKEY";

/// How many PINGs are sent; the shortest time is shown.
const PINGS: u32 = 5;
/// How long to wait for the answers of one peer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows who is there.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    log::to_standard_error(options.common.verbose)?;
    let port = options.common.port()?;
    let groups = options.groups.names()?;
    let mut builder = options.common.builder(Some("zre-ping"), &groups)?;
    if !options.watch {
        // What fails is to be told soon behind the list.
        builder = builder.handshake_timeout(unreached::patience(options.wait));
    }
    let node = builder.start().await?;
    let shutdown = options.common.listen_for_shutdown()?;
    let mut unreached = Unreached::of(&node);
    let found = if options.watch {
        watch(&node, &mut unreached, &shutdown).await
    } else {
        look(&node, options.wait, &mut unreached, &shutdown).await
    };
    let unreached = unreached.summary(&node);
    node.stop().await;
    Ok(match (found?, unreached) {
        (0, unreached) => {
            let none = || format!("found no node on {}, port {port}", node.network());
            Failure::Told(unreached.unwrap_or_else(none)).report();
            ExitCode::FAILURE
        }
        (_, Some(unreached)) if !options.watch => {
            stderr::print(&one_line(&unreached));
            ExitCode::SUCCESS
        }
        _ => ExitCode::SUCCESS,
    })
}

/// Waits for nodes, then shows all, and says how many there are.
async fn look(
    node: &Node,
    wait: Duration,
    unreached: &mut Unreached,
    shutdown: &Shutdown,
) -> Result<usize, Failure> {
    tokio::spawn(tell_refused(node.clone()));
    tokio::select! {
        () = sleep(wait) => {}
        () = shutdown.requested() => {}
        () = unreached.collect() => {}
    }
    unreached
        .settle(node, unreached::patience(wait), shutdown)
        .await;
    let mut answers = ping_all(node, PINGS).join_all().await;
    answers.sort_by(|a, b| (&a.info.name, a.info.id).cmp(&(&b.info.name, b.info.id)));
    for answer in &answers {
        show(answer)?;
    }
    Ok(answers.len())
}

/// Shows who comes and goes until the user has enough, and says how many came.
async fn watch(
    node: &Node,
    unreached: &mut Unreached,
    shutdown: &Shutdown,
) -> Result<usize, Failure> {
    let mut found = 0;
    let mut pings = JoinSet::new();
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let enough = shutdown.requested();
    tokio::pin!(enough);
    loop {
        tokio::select! {
            () = &mut enough => break,
            failure = unreached.next() => line(&format!("! {failure}"))?,
            Some(event) = node.recv() => {
                found += usize::from(matches!(event, Event::Enter { .. }));
                show_change(&event)?;
            }
            Some(Ok(answer)) = pings.join_next() => show_time(&answer)?,
            _ = seconds.tick(), if pings.is_empty() => pings = ping_all(node, 1),
        }
    }
    Ok(found)
}

/// What is known of a peer, and the shortest time in which it answered.
struct Answer {
    info: PeerInfo,
    after: Option<Duration>,
}

fn ping_all(node: &Node, pings: u32) -> JoinSet<Answer> {
    let mut answers = JoinSet::new();
    for info in node.peers().into_iter().filter_map(|id| node.peer(id)) {
        let node = node.clone();
        answers.spawn(async move {
            let after = shortest(&node, info.id, pings).await;
            Answer { info, after }
        });
    }
    answers
}

async fn shortest(node: &Node, peer: PeerId, pings: u32) -> Option<Duration> {
    let mut shortest = None;
    let all = async {
        for _ in 0..pings {
            let Ok(after) = node.ping(peer).await else {
                break;
            };
            shortest = Some(shortest.map_or(after, |before: Duration| before.min(after)));
        }
    };
    // A timeout keeps what was measured so far.
    let _ = timeout(PATIENCE, all).await;
    shortest
}

fn show(answer: &Answer) -> Result<(), Failure> {
    let info = &answer.info;
    let time = time(answer.after);
    line(&format!(
        "{}  {}  {}  {time}",
        info.name, info.id, info.endpoint
    ))?;
    if let Some(key) = &info.key {
        line(&format!("    {key}"))?;
    }
    let headers = info.headers.iter();
    for (name, value) in headers.filter(|(name, _)| info.key.is_none() || *name != KEY_HEADER) {
        line(&format!("    header {name}={value}"))?;
    }
    for group in &info.groups {
        line(&format!("    group {group}"))?;
    }
    Ok(())
}

fn show_time(answer: &Answer) -> Result<(), Failure> {
    line(&format!("  {}  {}", answer.info.name, time(answer.after)))
}

fn show_change(event: &Event) -> Result<(), Failure> {
    let text = match event {
        Event::Enter {
            peer,
            name,
            endpoint,
            headers,
            key,
        } => {
            let headers: String = headers
                .iter()
                .filter(|(name, _)| key.is_none() || *name != KEY_HEADER)
                .map(|(name, value)| format!("  {name}={value}"))
                .collect();
            let key = key
                .as_ref()
                .map(|key| format!("  {key}"))
                .unwrap_or_default();
            format!("+ {name}  {peer}  {endpoint}{key}{headers}")
        }
        &Event::Refused { peer, key, by } => format!("! {}", text::refused(peer, key, by)),
        Event::Exit {
            peer,
            name,
            reason,
            unconfirmed,
        } => format!(
            "- {name}  {peer}  {reason}{}",
            text::unconfirmed(*unconfirmed)
        ),
        Event::Skipped {
            name,
            group,
            messages,
            ..
        } => format!("  {name}  {}", text::skipped(group, *messages)),
        Event::Join { name, group, .. } => format!("  {name}  joined {group}"),
        Event::Leave { name, group, .. } => format!("  {name}  left {group}"),
        Event::Network {
            networks,
            joined,
            left,
        } => format!("  network: {}", text::networks(networks, joined, left)),
        Event::Leader {
            group,
            name,
            is_self,
            ..
        } => format!("  {}", text::leader(group, name, *is_self)),
        Event::Evasive { name, .. } => format!("  {name}  is evasive"),
        Event::Silent { name, .. } => format!("  {name}  is silent"),
        _ => return Ok(()),
    };
    line(&text)
}

fn line(text: &str) -> Result<(), Failure> {
    Ok(print(&one_line(text))?)
}

fn time(after: Option<Duration>) -> String {
    match after {
        Some(after) => format!("{:.3} ms", after.as_secs_f64() * 1000.0),
        None => "no answer".to_owned(),
    }
}
