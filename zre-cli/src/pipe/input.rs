//! Reads commands from standard input and carries them out, one after the other. Only messages that
//! have to wait for a peer are left to themselves.

use std::{
    io::{self, BufRead, BufReader},
    sync::Arc,
    time::Duration,
};

use tokio::{runtime::Handle, time::timeout};
use zre_tokio::{Error, Node, PeerId};

use super::{
    answers::{Answer, Reply},
    asking::{Asking, MOST, Place},
    command::{Command, Question, Request, To},
    counters::Counters,
    messages::{self, Waiting, done, told},
    output::Output,
    sends::{Asked, Attempt, Message, Sends},
    serving::Serving,
};
use crate::{failure::Failure, recipient::Recipient};

/// So much a request to all members takes of the room for messages at most, so that something is
/// left for the message itself.
const HALF_OF_ROOM: usize = 32 * 1024 * 1024;

/// How much is read at once, in bytes.
const BUFFER: usize = 256 * 1024;

/// Carries out commands on a node.
///
/// It works on the thread that reads: a message goes from the line to the socket without another
/// task, unless it has to wait.
#[derive(Debug)]
pub(super) struct Commands {
    pub(super) node: Node,
    pub(super) runtime: Handle,
    pub(super) counters: Arc<Counters>,
    pub(super) output: Arc<Output>,
    pub(super) sends: Arc<Sends>,
    pub(super) asking: Arc<Asking>,
    /// Where requests of peers are, if they are taken.
    pub(super) serving: Option<Arc<Serving>>,
    /// How long a stop waits for messages of which none gets through.
    pub(super) linger: Duration,
}

/// Whether another command is to be read.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Read,
    Stop,
}

/// What a command leads to.
enum Done {
    AtOnce(Answer),
    Send(Message),
}

impl Commands {
    /// Serves until told to stop, or until the input ends, and until all messages are sent.
    pub(super) fn serve_standard_input(&self) -> Result<(), Failure> {
        let _entered = self.runtime.enter();
        let mut input = BufReader::with_capacity(BUFFER, io::stdin().lock());
        let mut line = Vec::new();
        for number in 1.. {
            let read = input.read_until(b'\n', &mut line);
            let read = read.map_err(|error| Failure::Told(format!("cannot read: {error}")))?;
            if read == 0 {
                break;
            }
            if self.serve(&mut line, number)? == Next::Stop {
                self.wait_until_done(Some(self.linger));
                return Ok(());
            }
        }
        self.wait_until_done(None);
        Ok(())
    }

    /// Carries out a line, and empties it.
    fn serve(&self, line: &mut Vec<u8>, number: u64) -> Result<Next, Failure> {
        let Request { command, id } = Request::parse(line);
        let asked = Asked {
            line: number,
            id: id.map(ToOwned::to_owned),
        };
        // A long line is not needed any more while its message is sent.
        line.clear();
        line.shrink_to(BUFFER);
        let done = match command {
            Ok(Command::Stop) => return Ok(Next::Stop),
            Ok(command) => self.carry_out(command, &asked),
            Err(error) => Err(error),
        };
        let outcome = match done {
            Ok(Done::AtOnce(answer)) => Ok(answer),
            Ok(Done::Send(send)) => match self.sends.attempt(send) {
                Attempt::Done(outcome) => outcome,
                Attempt::MustWait(send) => self.sends.put(send, &asked),
            },
            Err(error) => Err(error),
        };
        if let Some(reply) = Reply::to(outcome, number, asked.id.as_deref()) {
            self.output.print(&reply)?;
        }
        Ok(Next::Read)
    }

    /// Does what a command says; the error is a text for the user.
    fn carry_out(&self, command: Command, asked: &Asked) -> Result<Done, String> {
        let node = &self.node;
        let send = |message| Ok(Done::Send(message));
        let answer = match command {
            Command::Join(group) => node.join(&group).map(|()| done()).map_err(told)?,
            Command::Leave(group) => node.leave(&group).map(|()| done()).map_err(told)?,
            Command::Contest(group) => node.contest(&group).map(|()| done()).map_err(told)?,
            Command::Withdraw(group) => node.withdraw(&group).map(|()| done()).map_err(told)?,
            Command::Leader(group) => Answer::leader(node, &group).map_err(told)?,
            Command::Whisper(peer, outgoing) => {
                return send(messages::whisper(node, self.find(&peer)?, outgoing));
            }
            Command::Shout(group, outgoing) => return send(messages::shout(node, group, outgoing)),
            Command::Flush(peer) => return send(messages::flush(node, self.find(&peer)?)),
            Command::Request(question) => return send(self.request(question, asked.clone())?),
            Command::Reply { request, content } => {
                return send(messages::reply(self.serving()?.take(request)?, content));
            }
            Command::Refuse { request } => {
                self.serving()?.take(request)?.refuse();
                done()
            }
            Command::Flood { peer, count } => {
                return send(messages::flood(node, self.find(&peer)?, count));
            }
            Command::Peers => Answer::peers(node),
            Command::Peer(peer) => self.peer(peer)?,
            Command::Groups => Answer::groups(node),
            Command::Network => Answer::network(node),
            Command::Quiet { on } => {
                self.counters.start(on);
                done()
            }
            Command::Count => {
                let (count, in_order) = self.counters.summary();
                Answer::Count { count, in_order }
            }
            Command::Stop => done(),
        };
        Ok(Done::AtOnce(answer))
    }

    fn request(&self, question: Question, asked: Asked) -> Result<Message, String> {
        let Question {
            to,
            content,
            timeout,
        } = question;
        let node = &self.node;
        let waiting = |place| Waiting {
            asking: Arc::clone(&self.asking),
            asked,
            place,
        };
        Ok(match to {
            To::Peer(peer) => {
                let (peer, waiting) = (self.find(&peer)?, waiting(self.place()?));
                messages::request(node, peer, content, timeout, waiting)
            }
            To::Any(group) => {
                messages::request_any(node, group, content, timeout, waiting(self.place()?))
            }
            To::All(group) => {
                let room = self
                    .sends
                    .wait_for_room(messages::size(&content).min(HALF_OF_ROOM));
                let waiting = waiting(self.place()?);
                messages::request_all(node, group, content, timeout, waiting, room)
            }
        })
    }

    /// A place for a request. Where requests of peers are taken, the line that replies to one must
    /// not wait behind this one.
    fn place(&self) -> Result<Place, String> {
        let place = match self.serving {
            Some(_) => self.asking.try_place(),
            None => self.runtime.block_on(self.asking.place()),
        };
        place.ok_or_else(|| format!("{MOST} requests wait for their answers: send this one later"))
    }

    fn serving(&self) -> Result<&Serving, String> {
        let none = || "this pipe takes no requests: start it with --serve".to_owned();
        self.serving.as_deref().ok_or_else(none)
    }

    /// Waits until nothing waits; no longer than `patience` without any being done.
    fn wait_until_done(&self, patience: Option<Duration>) {
        let finished = || self.sends.finished() + self.asking.finished();
        let all = async {
            // What is sent may wait for its answer then.
            self.sends.idle().await;
            self.asking.idle().await;
        };
        tokio::pin!(all);
        let Some(patience) = patience else {
            return self.runtime.block_on(all);
        };
        loop {
            let before = finished();
            let waited = async { timeout(patience, &mut all).await };
            if self.runtime.block_on(waited).is_ok() || finished() == before {
                return;
            }
        }
    }

    /// The peer that a command names. Whether one with a UUID is there, the node finds out.
    fn find(&self, peer: &Recipient) -> Result<PeerId, String> {
        if let Recipient::Id(id) = peer {
            return Ok(*id);
        }
        peer.find(&self.node)?.ok_or_else(|| peer.missing())
    }

    fn peer(&self, peer: Recipient) -> Result<Answer, String> {
        let id = self.find(&peer)?;
        let info = self.node.peer(id);
        let info = info.ok_or_else(|| told(Error::UnknownPeer(id)))?;
        Ok(Answer::Peer(info.into()))
    }
}
