//! What can be simulated.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use zre_sim::{Conditions, Level};

use super::values::{self, Partition};
use crate::{failure::Failure, options::Presence};

/// Simulate a network of nodes in virtual time.
///
/// All nodes run in this process, with the same protocol code as real ones, over a network with the
/// given faults. The same options and seed give the same output, byte for byte. Wall time and
/// memory go to standard error. A simulation that needs more memory than is free is refused.
#[derive(Debug, Args)]
#[command(after_help = HELP, allow_negative_numbers = true)]
pub(crate) struct Options {
    /// How many nodes there are
    #[arg(long, short, value_name = "NUMBER", default_value_t = 100, value_parser = values::nodes)]
    pub(super) nodes: u32,

    /// How many groups there are; each node is in one of them
    #[arg(long, short, value_name = "NUMBER", default_value_t = 1, value_parser = values::groups)]
    pub(super) groups: u32,

    /// Decides all that is left to chance
    #[arg(long, short, value_name = "NUMBER", default_value_t = 1, value_parser = values::seed)]
    pub(super) seed: u64,

    /// How long the simulation runs, in virtual time
    #[arg(
        long, short, value_name = "TIME", default_value = "30s", value_parser = values::some_time
    )]
    pub(super) duration: Duration,

    /// Within which time the nodes start, each at a random moment
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = values::time)]
    pub(super) spread: Duration,

    /// How long everything takes one way, at least
    #[arg(
        long, value_name = "TIME", default_value = "200us", value_parser = values::time,
        help_heading = "Network"
    )]
    pub(super) latency: Duration,

    /// How much longer it may take
    #[arg(
        long, value_name = "TIME", default_value = "100us", value_parser = values::time,
        help_heading = "Network"
    )]
    pub(super) jitter: Duration,

    /// The share of datagrams that is lost; of what TCP carries, this share comes 0.2 s later
    #[arg(
        long, value_name = "SHARE", default_value = "0%", value_parser = values::share,
        help_heading = "Network"
    )]
    pub(super) loss: f64,

    /// How many datagrams in a row are lost on average when one is
    #[arg(
        long, value_name = "NUMBER", default_value = "1", value_parser = values::run_length,
        help_heading = "Network"
    )]
    pub(super) burst: f64,

    /// Bytes per second of TCP from each node to each other, such as 128K [default: without bound]
    #[arg(long, value_name = "SIZE", value_parser = values::bandwidth, help_heading = "Network")]
    pub(super) bandwidth: Option<u64>,

    /// Restarts per minute, of all nodes together: a node is killed and comes back a second later.
    /// The last fifth of the time is without, so that the network can settle
    #[arg(
        long, value_name = "RATE", default_value = "0", value_parser = values::rate,
        help_heading = "Faults"
    )]
    pub(super) churn: f64,

    /// Changes of addresses per minute, of all nodes together: a node gets another address and goes
    /// on. The last fifth of the time is without
    #[arg(
        long, value_name = "RATE", default_value = "0", value_parser = values::rate,
        help_heading = "Faults"
    )]
    pub(super) moves: f64,

    /// The network falls into two halves at a time and for a time, such as 5s+10s
    #[arg(long, value_name = "AT+FOR", help_heading = "Faults")]
    pub(super) partition: Option<Partition>,

    /// Messages per second that each node whispers, each to a peer at random
    #[arg(
        long, value_name = "RATE", default_value = "0", value_parser = values::rate,
        help_heading = "Nodes"
    )]
    pub(super) whispers: f64,

    /// Messages per second that each node shouts to its group
    #[arg(
        long, value_name = "RATE", default_value = "0", value_parser = values::rate,
        help_heading = "Nodes"
    )]
    pub(super) shouts: f64,

    /// Bytes in a message, from 8 to 1M
    #[arg(
        long, value_name = "SIZE", default_value = "64", value_parser = values::size,
        help_heading = "Nodes"
    )]
    pub(super) size: u32,

    #[command(flatten, next_help_heading = "Nodes")]
    pub(super) presence: Presence,

    /// Each node has a key and trusts those of the others; with --level bytes, all is encrypted
    #[arg(long, help_heading = "Nodes")]
    pub(super) keys: bool,

    /// What goes between nodes
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "messages",
        help_heading = "Nodes"
    )]
    pub(super) level: Fidelity,

    /// Print the result as JSON, with the course of the whole run
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,

    /// Simulate smaller networks too, and print how the costs grow
    #[arg(long, help_heading = "Output")]
    pub(super) growth: bool,

    /// Draw a picture as SVG; simulates smaller networks too
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) plot: Option<PathBuf>,

    /// Write down everything that happens, a line each
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) trace: Option<PathBuf>,
}

const HELP: &str = "\
Examples:
  zre simulate --nodes 1000 --plot network.svg
  zre simulate --loss 20% --burst 3 --latency 2ms --jitter 10ms     a bad wireless network
  zre simulate --duration 60s --partition 5s+20s --expired 10s      two halves, and together again
  zre simulate --churn 60 --shouts 1 --groups 10 --json | jq .messages

Memory: about 1 KiB for each pair of a node and a peer, so 1000 nodes need 1 GiB; twice as much
with --level bytes.

Exit codes: 0 in the end every node knew all the others and their groups, and no rule was broken
on the way; 1 not so; 2 the command line is wrong.";

/// What goes between nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Fidelity {
    /// Whole messages, without ZMTP: half the memory
    Messages,
    /// Bytes, with the handshakes and frames of ZMTP, as on a real wire
    #[value(alias = "octets")] // as it was called before
    Bytes,
}

impl Fidelity {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Bytes => "bytes",
        }
    }
}

impl From<Fidelity> for Level {
    fn from(fidelity: Fidelity) -> Self {
        match fidelity {
            Fidelity::Messages => Self::Messages,
            Fidelity::Bytes => Self::Bytes,
        }
    }
}

impl Options {
    /// Checks what one value alone does not show.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let told = |text: String| Err(Failure::Told(text));
        let duration = self.duration;
        if self.spread >= duration {
            let spread = self.spread;
            return told(format!(
                "--spread {spread:?} must be shorter than --duration {duration:?}"
            ));
        }
        if let Some(Partition { at, .. }) = self.partition
            && at >= duration
        {
            return told(format!(
                "--partition begins after {at:?}, but --duration is {duration:?}"
            ));
        }
        self.presence.check()?;
        if self.shouts > 0.0 && self.groups == 0 {
            return told("--shouts needs at least one group".to_owned());
        }
        Ok(())
    }

    /// The conditions of the network.
    pub(super) fn conditions(&self) -> Conditions {
        Conditions {
            latency: self.latency,
            jitter: self.jitter,
            bandwidth: self.bandwidth,
            loss: self.loss,
            burst: self.burst,
            ..Conditions::perfect()
        }
    }

    /// Whether nodes restart or move, or the network falls apart.
    pub(super) fn has_faults(&self) -> bool {
        self.churn > 0.0 || self.moves > 0.0 || self.partition.is_some()
    }

    /// Whether nodes send messages.
    pub(super) fn has_messages(&self) -> bool {
        self.whispers > 0.0 || self.shouts > 0.0
    }

    /// Whether smaller networks are simulated, too.
    pub(super) fn has_growth(&self) -> bool {
        self.growth || self.plot.is_some()
    }
}
