//! The `zre` command: chat, ping and script on a ZRE network.

mod chat;
mod failure;
mod log;
mod options;
mod output;
mod ping;
mod pipe;
mod shutdown;
mod text;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// Find and talk to the nodes of a ZRE network.
///
/// Nodes on a local network find each other without a server, form groups and exchange messages.
/// zre speaks the protocol of zyre, pyre and zyre.js (RFC 36/ZRE).
#[derive(Debug, Parser)]
#[command(name = "zre", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Chat(chat::Options),
    Ping(ping::Options),
    Pipe(pipe::Options),
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 `zre ping` found nobody; 2 the command line is wrong, or the node cannot start.";

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let code = match command {
        Command::Chat(options) => runtime.block_on(chat::run(options)),
        Command::Ping(options) => runtime.block_on(ping::run(options)),
        Command::Pipe(options) => runtime.block_on(pipe::run(options)),
    };
    runtime.shutdown_background();
    code
}
