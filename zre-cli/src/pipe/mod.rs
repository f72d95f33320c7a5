//! `zre pipe`: a node as JSON lines on standard input and output.

mod command;
mod counters;
mod events;
mod input;
mod output;

use std::{process::ExitCode, sync::Arc, thread};

use clap::Args;
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    failure::Failure,
    log,
    options::{Common, Groups},
    shutdown,
};
use counters::Counters;
use input::Commands;

/// Run a node as JSON lines on standard input and output, for scripts and other languages.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, after_help = SHORT_HELP)]
pub(crate) struct Options {
    #[command(flatten)]
    groups: Groups,

    #[command(flatten)]
    common: Common,
}

const SHORT_HELP: &str = "`zre pipe --help` shows the commands and events, with examples.";

const HELP: &str = r#"Commands, one JSON object on each line of standard input:
  {"do":"join","group":"CHAT"}
  {"do":"leave","group":"CHAT"}
  {"do":"whisper","peer":"bob","text":"hi"}               to one peer, a frame of text
  {"do":"shout","group":"CHAT","frames":["68690a"]}       to a group, frames in hex
  {"do":"peers"}                            answers {"peers":["<UUID>"]}
  {"do":"groups"}                           answers {"own":["CHAT"],"peer":["CHAT"]}
  {"do":"stop"}                             so does the end of the input
A "peer" is a UUID, or a name where only one peer has it. Whisper and shout both take "text",
which is a string or a list of strings, a frame each, or "frames". When peers read slowly, the
next line is not read before the message has found room: nothing is dropped.

A command may have an "id", a value of any kind. It comes back in the answer, as in
{"peers":[],"id":7}, and in an error. A command that has no other answer is then answered by
{"ok":true,"id":7} once it is carried out, a shout with the number of "members" that it is for.

Events, one JSON object on each line of standard output:
  {"event":"START","uuid":"<UUID>","name":"alice","endpoint":"tcp://10.0.0.2:49152"}
  {"event":"ENTER","peer":"<UUID>","name":"bob","addr":"tcp://10.0.0.3:49152",
   "endpoint":"tcp://10.0.0.3:49152","headers":{"X-ROLE":"chat"}}
  {"event":"JOIN","peer":"<UUID>","name":"bob","group":"CHAT"}, and LEAVE
  {"event":"WHISPER","peer":"<UUID>","name":"bob","frames":["6869"],"text":"hi"}
  {"event":"SHOUT","peer":"<UUID>","name":"bob","group":"CHAT","frames":["6869"],"text":"hi"}
  {"event":"EVASIVE","peer":"<UUID>","name":"bob"}, and SILENT
  {"event":"EXIT","peer":"<UUID>","name":"bob","reason":"GOODBYE"}
  {"event":"STOP"}
ENTER is on one line, too. "addr" and "endpoint" are the same. "text" is there when all frames are
UTF-8: a string for one frame, a list for several.
Reasons: GOODBYE EXPIRED CONNECTION_LOST PROTOCOL_ERROR RESTARTED REPLACED STALLED OVERFLOW;
PROTOCOL_ERROR comes with a "detail".
A line that is wrong is answered by {"error":"line 3: ..","line":3}, and the node goes on.
Names, groups and headers of peers that are not UTF-8 have U+FFFD in their place.

For load tests:
  {"do":"flood","peer":"<UUID>","count":1000}   whispers the numbers 0 to 999 as text
  {"do":"quiet","on":true}                      counts whispers that are numbers, does not show them
  {"do":"count"}                                answers {"count":1000,"in_order":true}

Examples:
  zre pipe --name sensor --header X-ROLE=thermometer --group TEMPERATURE
  (sleep 1; echo '{"do":"shout","group":"CHAT","text":"hi"}') | zre pipe --interface lo
  tail -f /dev/null | zre pipe --group CHAT | jq -r 'select(.event == "SHOUT") | .text'

Exit codes: 0 stopped; 2 the command line is wrong, or the node cannot start."#;

/// Runs the node until it is told to stop.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    log::to_standard_error(options.common.verbose)?;
    let groups = options.groups.names()?;
    let node = options.common.builder(None, &groups)?.start().await?;
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
