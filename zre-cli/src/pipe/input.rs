//! Reads commands from standard input and carries them out, one after the other.

use std::{
    io::{self, BufRead, BufReader},
    sync::Arc,
};

use tokio::runtime::Handle;
use zre_tokio::{Error, Node, PeerId};

use super::{
    command::{Command, Recipient, Request},
    counters::Counters,
    events::{Answer, Reply},
    output,
};
use crate::{failure::Failure, text::quoted};

/// How much is read at once, in bytes.
const BUFFER: usize = 256 * 1024;

/// Carries out commands on a node.
///
/// It works on the thread that reads: a message goes from the line to the socket without another
/// task.
#[derive(Debug)]
pub(super) struct Commands {
    node: Node,
    runtime: Handle,
    counters: Arc<Counters>,
}

/// Whether another command is to be read.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Read,
    Stop,
}

impl Commands {
    pub(super) fn new(node: Node, runtime: Handle, counters: Arc<Counters>) -> Self {
        Self {
            node,
            runtime,
            counters,
        }
    }

    /// Serves until told to stop, or until the input ends.
    pub(super) fn serve_standard_input(&self) -> Result<(), Failure> {
        let mut input = BufReader::with_capacity(BUFFER, io::stdin().lock());
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = input.read_until(b'\n', &mut line);
            let read = read.map_err(|error| Failure::Told(format!("cannot read: {error}")))?;
            if read == 0 || self.serve(&line, number)? == Next::Stop {
                break;
            }
        }
        Ok(())
    }

    fn serve(&self, line: &[u8], number: u64) -> Result<Next, Failure> {
        let Request { command, id } = Request::parse(line);
        let done = match command {
            Ok(Command::Stop) => return Ok(Next::Stop),
            Ok(command) => self.carry_out(command),
            Err(error) => Err(error),
        };
        let answer = match done {
            // Without an id nobody could tell what this answers, so success is silent.
            Ok(Answer::Done { .. }) if id.is_none() => return Ok(Next::Read),
            Ok(answer) => answer,
            Err(error) => Answer::Error {
                error: format!("line {number}: {error}"),
                line: number,
            },
        };
        output::print(&Reply { answer, id })?;
        Ok(Next::Read)
    }

    /// Does what a command says; the error is a text for the user.
    fn carry_out(&self, command: Command) -> Result<Answer, String> {
        let node = &self.node;
        match command {
            Command::Join(group) => node.join(&group).map_err(told)?,
            Command::Leave(group) => node.leave(&group).map_err(told)?,
            Command::Whisper(peer, content) => {
                let peer = self.find(peer)?;
                let sent = self.runtime.block_on(node.whisper(peer, content));
                sent.map_err(told)?;
            }
            Command::Shout(group, content) => {
                let sent = self.runtime.block_on(node.shout(&group, content));
                let members = Some(sent.map_err(told)?);
                return Ok(Answer::Done { ok: true, members });
            }
            Command::Peers => return Ok(Answer::peers(node)),
            Command::Groups => return Ok(Answer::groups(node)),
            Command::Flood { peer, count } => {
                let peer = self.find(peer)?;
                self.runtime
                    .block_on(flood(node, peer, count))
                    .map_err(told)?;
            }
            Command::Quiet { on } => self.counters.start(on),
            Command::Count => {
                let (count, in_order) = self.counters.summary();
                return Ok(Answer::Count { count, in_order });
            }
            Command::Stop => {}
        }
        Ok(Answer::Done {
            ok: true,
            members: None,
        })
    }

    /// The peer that a command names.
    fn find(&self, peer: Recipient) -> Result<PeerId, String> {
        let name = match peer {
            Recipient::Id(id) => return Ok(id),
            Recipient::Named(name) => name,
        };
        let infos = self
            .node
            .peers()
            .into_iter()
            .filter_map(|id| self.node.peer(id));
        let named = infos.filter(|info| info.name == *name.as_str());
        let ids: Vec<PeerId> = named.map(|info| info.id).collect();
        match ids[..] {
            [] => Err(format!("there is no peer with the name {}", quoted(&name))),
            [id] => Ok(id),
            [one, other, ..] => Err(format!(
                "{} peers have the name {}, such as {one} and {other}: give a UUID",
                ids.len(),
                quoted(&name)
            )),
        }
    }
}

fn told(error: Error) -> String {
    error.to_string()
}

async fn flood(node: &Node, peer: PeerId, count: u64) -> Result<(), Error> {
    for number in 0..count {
        node.whisper(peer, number.to_string()).await?;
    }
    Ok(())
}
