//! `zre perf`: how fast messages go between two nodes.

mod figures;
mod progress;
mod protocol;
mod run;
mod serve;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::failure::Failure;

/// Measure how fast messages go between two nodes.
///
/// One side serves, the other runs: it measures round trips, messages one way and messages to a
/// group, each by size. If these figures are good and a program is slow, it is not
/// the network.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = HELP)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Options),
    Run(run::Options),
}

const HELP: &str = "\
Examples:
  zre perf serve                     on one machine
  zre perf run                       on another, or in another terminal

Exit codes: 0 done; 1 found no node that serves, or lost it; 2 the command line is wrong, or the
node cannot start.";

/// Serves or measures.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    // On a worker of the runtime, messages do not have to wake another thread.
    let task = match options.command {
        Command::Serve(options) => tokio::spawn(serve::run(options)),
        Command::Run(options) => tokio::spawn(run::run(options)),
    };
    task.await
        .unwrap_or_else(|error| Err(Failure::Told(error.to_string())))
}
