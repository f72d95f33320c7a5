//! `zre pipe`: a node as JSON lines on standard input and output.

mod command;
mod counters;
mod events;
mod input;
mod output;

use std::{process::ExitCode, sync::Arc, thread, time::Duration};

use clap::Args;
use tokio::{runtime::Handle, sync::oneshot};
use zre_tokio::{Builder, GroupName, PeerId};

use crate::{
    failure::Failure,
    log,
    options::{self, Common},
    shutdown,
};
use counters::Counters;
use input::Commands;

/// Run a node as JSON lines on standard input and output, for scripts and other languages.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, after_help = "`zre pipe --help` shows the commands and events, with examples.")]
pub(crate) struct Options {
    /// The node's name [default: the first six digits of its UUID]
    #[arg(long, short, value_name = "NAME", value_parser = options::node_name)]
    name: Option<String>,

    /// The node's identity, 32 hex digits; no two nodes may have the same [default: random]
    #[arg(long, value_name = "UUID")]
    uuid: Option<PeerId>,

    /// A header that peers see when they meet the node; can be given several times
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE", value_parser = options::header)]
    headers: Vec<(String, String)>,

    /// A group to be in from the start; can be given several times
    #[arg(long = "group", short, value_name = "GROUP", value_parser = options::group_name)]
    groups: Vec<GroupName>,

    /// Milliseconds between two beacons
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    interval: u64,

    /// Milliseconds of silence after which a peer is asked whether it is there
    #[arg(long, value_name = "MS", default_value_t = 5000)]
    evasive: u64,

    /// Milliseconds of silence after which a peer is given up
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    expired: u64,

    #[command(flatten)]
    common: Common,
}

const HELP: &str = r#"Commands, one JSON object on each line of standard input:
  {"do":"join","group":"CHAT"}
  {"do":"leave","group":"CHAT"}
  {"do":"whisper","peer":"<UUID>","frames":["68690a"]}    to one peer, frames in hex
  {"do":"shout","group":"CHAT","text":"hi"}               to a group, one frame of text
  {"do":"peers"}                            answers {"peers":["<UUID>"]}
  {"do":"groups"}                           answers {"own":["CHAT"],"peer":["CHAT"]}
  {"do":"stop"}                             so does the end of the input
Whisper and shout both take "frames" or "text". When peers read slowly, the next line is
not read before the message has found room: nothing is dropped.

Events, one JSON object on each line of standard output:
  {"event":"START","uuid":"<UUID>","name":"alice","endpoint":"tcp://10.0.0.2:49152"}
  {"event":"ENTER","peer":"<UUID>","name":"bob","addr":"tcp://10.0.0.3:49152","headers":{"X-ROLE":"chat"}}
  {"event":"JOIN","peer":"<UUID>","name":"bob","group":"CHAT"}, and LEAVE
  {"event":"WHISPER","peer":"<UUID>","name":"bob","frames":["68690a"]}
  {"event":"SHOUT","peer":"<UUID>","name":"bob","group":"CHAT","frames":["6869"]}
  {"event":"EVASIVE","peer":"<UUID>","name":"bob"}, and SILENT
  {"event":"EXIT","peer":"<UUID>","name":"bob","reason":"GOODBYE"}
  {"event":"STOP"}
Reasons: GOODBYE EXPIRED CONNECTION_LOST PROTOCOL_ERROR RESTARTED REPLACED STALLED OVERFLOW;
PROTOCOL_ERROR comes with a "detail".
A line that is wrong is answered by {"error":"line 3: ..","line":3}, and the node goes on.
Text from peers that is not UTF-8 has U+FFFD in its place.

For load tests:
  {"do":"flood","peer":"<UUID>","count":1000}   whispers the numbers 0 to 999 as text
  {"do":"quiet","on":true}                      counts whispers that are numbers, does not show them
  {"do":"count"}                                answers {"count":1000,"in_order":true}

Examples:
  zre pipe --name sensor --header X-ROLE=thermometer --group TEMPERATURE
  (sleep 1; echo '{"do":"shout","group":"CHAT","text":"hi"}') | zre pipe --interface lo
  tail -f /dev/null | zre pipe --group CHAT | jq -r 'select(.event == "SHOUT") | .name'

Exit codes: 0 stopped; 2 the command line is wrong, or the node cannot start."#;

/// Runs the node until it is told to stop.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    log::to_standard_error(options.common.verbose)?;
    let node = options.builder().start().await?;
    output::print(&events::start(&node))?;

    let counters = Arc::new(Counters::default());
    let commands = Commands::new(node.clone(), Handle::current(), Arc::clone(&counters));
    let events = (node.clone(), Handle::current());
    let mut input = in_background("input", move || commands.serve_standard_input())?;
    let mut output = in_background("output", move || {
        output::forward_events(&events.0, &events.1, &counters)
    })?;

    let (ended, output_ended) = tokio::select! {
        ended = &mut input => (outcome(ended), false),
        ended = &mut output => (outcome(ended), true),
        asked = shutdown::requested() => (asked.map_err(Failure::from), false),
    };
    node.stop().await;
    if !output_ended {
        outcome(output.await)?;
    }
    ended.map(|()| ExitCode::SUCCESS)
}

impl Options {
    fn builder(&self) -> Builder {
        let mut builder = self
            .common
            .builder(self.name.as_deref())
            .beacon_interval(Duration::from_millis(self.interval))
            .evasive_timeout(Duration::from_millis(self.evasive))
            .expired_timeout(Duration::from_millis(self.expired));
        if let Some(uuid) = self.uuid {
            builder = builder.uuid(uuid.uuid());
        }
        for (name, value) in &self.headers {
            builder = builder.header(name.as_str(), value.as_str());
        }
        for group in &self.groups {
            builder = builder.join((***group).clone());
        }
        builder
    }
}

type Outcome = Result<(), Failure>;

/// Runs on a thread of its own: standard input and output can only be waited for by blocking.
fn in_background(
    name: &str,
    work: impl FnOnce() -> Outcome + Send + 'static,
) -> Result<oneshot::Receiver<Outcome>, Failure> {
    let (done, outcome) = oneshot::channel();
    let run = move || {
        // Nobody waits any more when the process is about to end.
        let _ = done.send(work());
    };
    thread::Builder::new().name(name.to_owned()).spawn(run)?;
    Ok(outcome)
}

fn outcome(ended: Result<Outcome, oneshot::error::RecvError>) -> Outcome {
    ended.unwrap_or_else(|_| Err(Failure::Told("a thread of the pipe died".to_owned())))
}
