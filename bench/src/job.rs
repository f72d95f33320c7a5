//! What one process of a measurement is told to do.

use std::{collections::BTreeMap, fmt, time::Duration};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What carries the messages.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// A TCP connection without delay, and blocking calls.
    Tcp,
    /// libzmq: a DEALER to a ROUTER in each direction, as ZRE has them.
    Libzmq,
    /// zre-tokio on a runtime of one thread.
    Tokio,
    /// zre-tokio on a runtime of as many threads as there are cores, as `#[tokio::main]` makes it.
    TokioThreads,
    /// zre-smol with its driver and the program as tasks of one thread.
    Smol,
    /// zre-smol with its driver on smol's global executor, as `zre_smol::spawn` puts it.
    SmolThreads,
    /// zre-blocking.
    Blocking,
    /// libzmq with CURVE.
    LibzmqCurve,
    /// zre-tokio on a runtime of one thread, with keys.
    TokioCurve,
}

impl System {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 9] = [
        Self::Tcp,
        Self::Libzmq,
        Self::Tokio,
        Self::TokioThreads,
        Self::Smol,
        Self::SmolThreads,
        Self::Blocking,
        Self::LibzmqCurve,
        Self::TokioCurve,
    ];

    /// Whether it is one of ours.
    pub fn is_node(self) -> bool {
        !matches!(self, Self::Tcp | Self::Libzmq | Self::LibzmqCurve)
    }

    /// Whether its messages are encrypted.
    pub fn is_secured(self) -> bool {
        matches!(self, Self::LibzmqCurve | Self::TokioCurve)
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Libzmq => "libzmq",
            Self::Tokio => "tokio",
            Self::TokioThreads => "tokio-threads",
            Self::Smol => "smol",
            Self::SmolThreads => "smol-threads",
            Self::Blocking => "blocking",
            Self::LibzmqCurve => "libzmq-curve",
            Self::TokioCurve => "tokio-curve",
        })
    }
}

/// One of the two processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// Starts first, and answers.
    Server,
    /// Starts second, and begins the conversation.
    Client,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// The client sends a message and waits for it to come back, again and again.
    RoundTrip,
    /// The client sends as fast as it can, the server counts.
    OneWay,
    /// The client sends plain whispers and confirmed ones in turn, the server counts.
    Confirmed,
    /// The client sends to all of the server's nodes, by whispers and by shouts in turn.
    Shout {
        /// How many nodes the server has.
        members: usize,
    },
    /// The client sends a message and waits for it to come back, by whispers and by requests in
    /// turn.
    Requests,
    /// The client's nodes all know the server's one node, and nothing happens.
    IdlePeers {
        /// How many nodes the client has.
        peers: usize,
    },
    /// One process whose nodes all know each other, and nothing happens.
    Crowd {
        /// How many nodes.
        nodes: usize,
    },
    /// Keeps its core awake, at the lowest priority.
    Spin,
}

/// Everything that a process needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// What carries the messages.
    pub system: System,
    /// Which of the two it is.
    pub side: Side,
    /// What is measured.
    pub task: Task,
    /// Bytes of a message.
    pub size: usize,
    /// How many messages to measure at most.
    pub count: usize,
    /// How long to measure at most.
    pub time: Duration,
    /// How long to send before anything is measured.
    pub warm_up: Duration,
    /// The only core that it may use; any core if `None`.
    pub core: Option<usize>,
    /// The discovery port, for nodes.
    pub port: u16,
    /// The server's address, for systems that are not nodes.
    pub address: String,
}

/// What was measured, by name.
pub type Figures = BTreeMap<String, f64>;

/// A line that a process prints.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The client can begin. The server is at this address.
    Ready(String),
    /// The job is done.
    Figures(Figures),
}

impl Line {
    /// Prints the line at once, for the process that started this one.
    pub fn print(&self) -> Result<(), crate::Failure> {
        use std::io::Write as _;
        let mut output = std::io::stdout().lock();
        writeln!(output, "{}", serde_json::to_string(self)?)?;
        Ok(output.flush()?)
    }
}
