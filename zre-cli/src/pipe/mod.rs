//! `zre pipe`: a node as JSON lines on standard input and output.

mod answers;
mod asking;
mod command;
mod counters;
mod events;
mod happenings;
mod input;
mod messages;
mod output;
mod room;
mod sends;
mod serving;

use std::{process::ExitCode, sync::Arc, thread, time::Duration};

use clap::Args;
use tokio::{runtime::Handle, sync::oneshot, time::Instant};
use zre_tokio::{Node, Requests, SlowMembers};

use crate::{
    failure::Failure,
    json::Format,
    log,
    options::{Common, Contest, Groups},
    shutdown::Shutdown,
    stderr,
    unreached::Unreached,
};
pub(crate) use answers::Confirmed;
use asking::Asking;
use counters::Counters;
pub(crate) use events::{answer, line};
use happenings::Happenings;
use input::Commands;
use output::Output;
use sends::Sends;
use serving::Serving;

/// Run a node as JSON lines on standard input and output, for scripts and other languages.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, after_help = SHORT_HELP)]
pub(crate) struct Options {
    /// Take requests of peers: each is shown as REQUEST, and is to be answered by `reply` or
    /// `refuse`
    #[arg(long)]
    serve: bool,

    #[command(flatten)]
    format: Format,

    #[command(flatten)]
    groups: Groups,

    #[command(flatten)]
    contest: Contest,

    #[command(flatten)]
    common: Common,
}

const SHORT_HELP: &str = "`zre pipe --help` shows the commands and events, with examples.";

const HELP: &str = r#"Commands, one JSON object on each line of standard input:
  {"do":"join","group":"CHAT"}
  {"do":"leave","group":"CHAT"}
  {"do":"whisper","peer":"bob","text":"hi"}               to one peer, a frame of text
  {"do":"shout","group":"CHAT","frames":["68690a"]}       to a group, frames in hex
  {"do":"flush","peer":"bob"}               waits until bob has all that was sent to him, see below
  {"do":"request","peer":"bob","text":"2+2"}              asks bob, see below
  {"do":"contest","group":"CHAT"}           wants to lead the group whenever it is in it
  {"do":"withdraw","group":"CHAT"}          does not want to any more
  {"do":"leader","group":"CHAT"}            answers {"group":"CHAT","peer":"<UUID>","name":"bob"}
  {"do":"peers"}                            answers {"peers":["<UUID>"]}
  {"do":"peer","peer":"bob"}                answers {"peer":"<UUID>","name":"bob",..}, see below
  {"do":"groups"}                           answers {"own":["CHAT"],"peer":["CHAT"]}
  {"do":"network"}                          answers {"networks":[..],..}, see below
  {"do":"stop"}                             so does the end of the input
A "peer" is a UUID, or a name where only one peer has it. Whisper and shout both take "text",
which is a string or a list of strings, a frame each, or "frames".

When a peer reads slowly, messages to it wait, and the lines behind them are carried out meanwhile.
Messages to one peer keep their order, and so do messages to one group. Between a whisper to a
member of a group and a shout to it the order is kept, too, unless the first waits for longer than
--slow-members. At most 1024 messages wait to be sent or confirmed, or 64 MiB of them; then no
further line is read until there is room. "stop" waits for them, but no longer than --linger without
any of them getting through; the rest are answered by an error. The end of the input waits for all.

With "confirmed":true, a whisper or a shout is answered when it has arrived, or when it is known
that it has not:
  {"event":"CONFIRMED","peer":"<UUID>","id":7}
  {"event":"CONFIRMED","group":"CHAT","delivered":["<UUID>"],"gone":[],"skipped":[],"id":7}
The peer's node has the message then; nodes of every ZRE implementation confirm. "gone" are members
that went before they confirmed it, "skipped" those that read too slowly. A whisper to a peer that
goes is answered by an error. "flush" is answered as a whisper is, when the peer has confirmed all
that was sent to it before. Messages behind one do not wait until it is confirmed.

A "request" asks a "peer", or one member of a "group", the one with the fewest open requests of this
node, or each with "all":true. It has one outcome for each that is asked: an answer, or an error if
that one goes, refuses, or does not answer within a "timeout", such as "1s".
  {"event":"ANSWER","peer":"<UUID>","name":"bob","frames":["34"],"text":"4","id":7}
With "group", ANSWER has that, too. With "all", an error has the "peer", and {"ok":true,"members":3,
"id":7} comes last. At most 1024 requests wait for their answers; then no further line is read, but
with --serve a further request is answered by an error.

With --serve, the requests of peers are shown, with a number. Reply to each or refuse it: 1024 may
be open, and no further one is taken before. A reply that has to wait for a peer takes part in the
64 MiB, but those of one peer no more than is free beside them. When there is no room for a second,
a reply is answered by an error, and its request is refused.
  {"event":"REQUEST","peer":"<UUID>","name":"bob","request":1,"frames":["322b32"],"text":"2+2"}
  {"do":"reply","request":1,"text":"4"}
  {"do":"refuse","request":1}

A command may have an "id", a value of any kind. It comes back in the answer, as in
{"peers":[],"id":7}, and in an error. A command that has no other answer is then answered by
{"ok":true,"id":7} once it is carried out, a shout with the number of "members" that it is for.
Only "stop" has no answer but the event STOP.
The answer to a message that has to wait may come behind those to later lines.

Events, one JSON object on each line of standard output:
  {"event":"START","uuid":"<UUID>","name":"alice","endpoint":"tcp://10.0.0.2:49152",
   "networks":[{"interface":"eth0","address":"10.0.0.2","endpoint":"tcp://10.0.0.2:49152",
   "announces":true}]}
  {"event":"ENTER","peer":"<UUID>","name":"bob","addr":"tcp://10.0.0.3:49152",
   "endpoint":"tcp://10.0.0.3:49152","headers":{"X-ROLE":"chat"}}
  {"event":"JOIN","peer":"<UUID>","name":"bob","group":"CHAT"}, and LEAVE
  {"event":"WHISPER","peer":"<UUID>","name":"bob","frames":["6869"],"text":"hi"}
  {"event":"SHOUT","peer":"<UUID>","name":"bob","group":"CHAT","frames":["6869"],"text":"hi"}
  {"event":"LEADER","group":"CHAT","peer":"<UUID>","name":"bob"}
  {"event":"EVASIVE","peer":"<UUID>","name":"bob"}, and SILENT
  {"event":"SKIPPED","peer":"<UUID>","name":"bob","group":"CHAT","messages":12}
  {"event":"REFUSED","peer":"<UUID>","key":"<KEY>","by":"us"}, or "them"
  {"event":"EXIT","peer":"<UUID>","name":"bob","reason":"GOODBYE","unconfirmed":0}
  {"event":"NETWORK","networks":[..],"joined":[..],"left":[..]}
  {"event":"STOP","unconfirmed":[{"peer":"<UUID>","name":"bob","messages":3}]}
START and ENTER are on one line, too. "addr" and "endpoint" are the same. "text" is there when all
frames are UTF-8: a string for one frame, a list for several.
LEADER: the members of the group have elected bob, who contests it, or this node itself. While
nobody leads, the answer to "leader" has null for "peer" and "name".
SKIPPED: bob is a member of the group and reads too slowly; so many shouts have passed him over
since the last such event. See --slow-members.
NETWORK: the networks that the node is on have changed, or beacons cannot be sent any more
("announces") or again. "networks" are those that it is on now, the best first. "endpoint" in START
is that of the first, or what --advertise says. The answer to "network" has "passed_over", too, with
the reason "why" each other address is not used, and "connect" and "gossip_connect", with the
"state" of each fixed peer and gossip hub and the last "error".
With --key or --secret-file, START has the node's own public "key", and ENTER the "key" that the
peer has proved to have, with the "certificate" that this node has of it, such as {"name":"Bob"}.
The answer to "peer" has the same, beside "endpoint", "headers" and "groups", and that to "peers"
has "keys", from UUIDs to keys. REFUSED: a node was found, and no session begins with it: "us", this
node does not trust its key; "them", it does not trust the key of this node.
"unconfirmed" counts the messages that were accepted for a peer and that it has not confirmed. They
may have arrived, or not.
Reasons: GOODBYE EXPIRED CONNECTION_LOST PROTOCOL_ERROR RESTARTED REPLACED STALLED OVERFLOW
UNREACHABLE (no connection to it can be made) REFUSED (it closes what is opened to it, or its key is
not trusted any more); PROTOCOL_ERROR comes with a "detail".
A line that is wrong is answered by {"error":"line 3: ..","line":3}, and the node goes on.
With --times, each line begins with the time at which it was made, in UTC as in RFC 3339:
{"time":"2026-01-02T03:04:05.678901Z","event":"STOP",..}. That of an event is when the pipe took it.
Names, groups and headers of peers that are not UTF-8 have U+FFFD in their place. ENTER has a peer's
name as it is; in the other events each stretch of control characters in it is one U+FFFD.

For load tests:
  {"do":"flood","peer":"<UUID>","count":1000}   whispers the numbers 0 to 999 as text
  {"do":"quiet","on":true}                      counts whispers that are numbers, does not show them
  {"do":"count"}                                answers {"count":1000,"in_order":true}

Examples:
  zre pipe --name sensor --header X-ROLE=thermometer --group TEMPERATURE
  (sleep 1; echo '{"do":"shout","group":"CHAT","text":"hi"}') | zre pipe --interface lo
  tail -f /dev/null | zre pipe --group CHAT | jq -r 'select(.event == "SHOUT") | .text'

The log goes to standard error. When that is not read, lines are dropped, and their number is told
when it is read again. When standard output is not read, no further events are taken. Then "stop"
and a signal wait for it no longer than --linger and a second, and say how many lines may be lost. A
second signal ends the process at once.

Exit codes: 0 stopped; 1 stopped, but standard output was not read to the end; 2 the command line is
wrong, or the node cannot start; 130 or 143 ended at once by a second signal."#;

/// How long the end waits for standard output beside the time that the node lingers.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(1);

/// Runs the node until it is told to stop.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    log::to_standard_error(options.common.verbose)?;
    let groups = options.groups.names()?;
    let builder = options.common.builder(None, &groups)?;
    let node = options.contest.apply_to(builder, &groups).start().await?;
    let requests = options.serve.then(|| node.requests());
    let shutdown = options.common.listen_for_shutdown()?;
    tokio::spawn(warn_of_unreached(Unreached::of(&node)));
    let pipe = Pipe::new(node, &options.common, options.format, options.serve)?;
    pipe.run(requests, &shutdown).await
}

async fn warn_of_unreached(mut unreached: Unreached) {
    loop {
        tracing::warn!(target: "zre", "{}", unreached.next().await);
    }
}

/// A node between standard input and standard output.
struct Pipe {
    node: Node,
    linger: Duration,
    output: Arc<Output>,
    sends: Arc<Sends>,
    asking: Arc<Asking>,
    serving: Option<Arc<Serving>>,
}

impl Pipe {
    fn new(node: Node, common: &Common, format: Format, is_serving: bool) -> Result<Self, Failure> {
        let output = Arc::new(Output::new(format));
        output.print(&events::start(&node))?;
        let patience = match common.slow_members {
            SlowMembers::Skip { after } => Some(after),
            _ => None,
        };
        let (sends, answered) = Sends::new(node.clone(), Handle::current(), format, patience);
        let answers = Arc::clone(&output);
        in_background("answers", move || {
            sends::write_answers(&answered, &answers);
            Ok(())
        })?;
        Ok(Self {
            asking: wait_for_answers(&node, &output)?,
            node,
            linger: common.linger,
            output,
            sends: Arc::new(sends),
            serving: is_serving.then(|| Arc::new(Serving::new())),
        })
    }

    /// Runs until the input, the output or a signal ends it.
    async fn run(
        &self,
        requests: Option<Requests>,
        shutdown: &Shutdown,
    ) -> Result<ExitCode, Failure> {
        let counters = Arc::new(Counters::default());
        let mut input = self.read_commands(&counters)?;
        let mut events = self.write_events(counters, requests)?;
        let (ended, is_asked) = tokio::select! {
            ended = &mut input => (outcome(ended), false),
            ended = &mut events => {
                self.node.stop().await;
                return outcome(ended).map(|()| ExitCode::SUCCESS);
            }
            () = shutdown.requested() => (Ok(()), true),
        };
        let is_written = self.end(events, is_asked).await?;
        ended.map(|()| is_written)
    }

    fn read_commands(&self, counters: &Arc<Counters>) -> Result<Background, Failure> {
        let commands = Commands {
            node: self.node.clone(),
            runtime: Handle::current(),
            counters: Arc::clone(counters),
            output: Arc::clone(&self.output),
            sends: Arc::clone(&self.sends),
            asking: Arc::clone(&self.asking),
            serving: self.serving.clone(),
            linger: self.linger,
        };
        in_background("input", move || commands.serve_standard_input())
    }

    fn write_events(
        &self,
        counters: Arc<Counters>,
        requests: Option<Requests>,
    ) -> Result<Background, Failure> {
        let requests = requests.zip(self.serving.clone());
        let happenings = Happenings::new(self.node.clone(), counters, requests);
        let (output, runtime) = (Arc::clone(&self.output), Handle::current());
        in_background("output", move || {
            output.forward_events(happenings, &runtime)
        })
    }

    /// Stops the node, and waits until all is written: for as long as somebody reads it, but after
    /// a signal no longer than the node may linger and a second.
    async fn end(&self, mut events: Background, is_asked: bool) -> Result<ExitCode, Failure> {
        let begun = Instant::now();
        self.sends.give_up();
        self.asking.give_up();
        let are_waiting = || self.sends.are_waiting() || self.asking.are_waiting();
        // The answers of what is given up come before the last event.
        let end = begun + OUTPUT_PATIENCE;
        self.output
            .drain(are_waiting, OUTPUT_PATIENCE, Some(end))
            .await;
        if let Some(serving) = &self.serving {
            serving.refuse_all();
        }
        self.node.stop().await;
        let left = (self.linger + OUTPUT_PATIENCE).saturating_sub(begun.elapsed());
        let left = left.max(OUTPUT_PATIENCE);
        let end = is_asked.then(|| Instant::now() + left);
        tokio::select! {
            biased;
            ended = &mut events => outcome(ended).map(|()| ExitCode::SUCCESS),
            () = self.output.drain(|| true, left, end) => Ok(self.tell_unwritten()),
        }
    }

    fn tell_unwritten(&self) -> ExitCode {
        let lines = self.output.unwritten(&self.node);
        stderr::print(&format!(
            "error: up to {lines} lines of events and answers were not written: standard output \
             is not read"
        ));
        ExitCode::FAILURE
    }
}

/// Begins to wait for the answers to requests of this node.
fn wait_for_answers(node: &Node, output: &Arc<Output>) -> Result<Arc<Asking>, Failure> {
    let (asking, opened) = Asking::new();
    let asking = Arc::new(asking);
    let (node, output, runtime) = (node.clone(), Arc::clone(output), Handle::current());
    let waiting = Arc::clone(&asking);
    in_background("requests", move || {
        let answers = asking::write_answers(&waiting, opened, &node, &output);
        runtime.block_on(answers)
    })?;
    Ok(asking)
}

type Outcome = Result<(), Failure>;

/// What a thread in the background has to say at its end.
type Background = oneshot::Receiver<Outcome>;

/// Runs on a thread of its own: standard input and output can only be waited for by blocking.
fn in_background(
    name: &str,
    work: impl FnOnce() -> Outcome + Send + 'static,
) -> Result<Background, Failure> {
    let (done, outcome) = oneshot::channel();
    let run = move || {
        // Nobody waits any more when the process is about to end.
        let _ = done.send(work());
    };
    let thread = thread::Builder::new().name(name.to_owned());
    thread
        .spawn(run)
        .map_err(|error| Failure::to_start(&error))?;
    Ok(outcome)
}

fn outcome(ended: Result<Outcome, oneshot::error::RecvError>) -> Outcome {
    ended.unwrap_or_else(|_| Err(Failure::Told("a thread of the pipe died".to_owned())))
}
