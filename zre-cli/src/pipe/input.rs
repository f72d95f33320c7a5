//! Reads commands from standard input and carries them out, one after the other.

use std::{
    io::{self, BufRead, BufReader},
    sync::Arc,
};

use tokio::runtime::Handle;
use zre_tokio::{Error, Node, PeerId};

use super::{command::Command, counters::Counters, events::Answer, output};
use crate::failure::Failure;

/// How much is read at once, in octets.
const BUFFER: usize = 256 * 1024;

/// Carries out commands on a node.
///
/// It works on the thread that reads: a message goes from the line to the socket without another task.
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
        let done = match Command::parse(line) {
            Ok(Command::Stop) => return Ok(Next::Stop),
            Ok(command) => self.carry_out(command).map_err(|error| error.to_string()),
            Err(error) => Err(error),
        };
        match done {
            Ok(None) => {}
            Ok(Some(answer)) => output::print(&answer)?,
            Err(error) => output::print(&Answer::Error {
                error: format!("line {number}: {error}"),
                line: number,
            })?,
        }
        Ok(Next::Read)
    }

    fn carry_out(&self, command: Command) -> Result<Option<Answer>, Error> {
        let node = &self.node;
        match command {
            Command::Join(group) => node.join(&group)?,
            Command::Leave(group) => node.leave(&group)?,
            Command::Whisper(peer, content) => {
                self.runtime.block_on(node.whisper(peer, content))?;
            }
            Command::Shout(group, content) => {
                self.runtime.block_on(node.shout(&group, content))?;
            }
            Command::Peers => return Ok(Some(Answer::peers(node))),
            Command::Groups => return Ok(Some(Answer::groups(node))),
            Command::Flood { peer, count } => self.runtime.block_on(flood(node, peer, count))?,
            Command::Quiet { on } => self.counters.start(on),
            Command::Count => {
                let (count, in_order) = self.counters.summary();
                return Ok(Some(Answer::Count { count, in_order }));
            }
            Command::Stop => {}
        }
        Ok(None)
    }
}

async fn flood(node: &Node, peer: PeerId, count: u64) -> Result<(), Error> {
    for number in 0..count {
        node.whisper(peer, number.to_string()).await?;
    }
    Ok(())
}
