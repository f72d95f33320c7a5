//! The `zre` command: chat, ping, script and measure on a ZRE network, find out what is wrong with
//! it, and simulate one.

mod address_space;
mod chat;
mod descriptors;
mod doctor;
mod failure;
mod interfaces;
mod json;
mod keys;
mod listen;
mod log;
mod networks;
mod options;
mod output;
mod perf;
mod ping;
mod pipe;
mod recipient;
mod send;
mod shutdown;
mod simulate;
mod stderr;
mod text;
mod unreached;
mod values;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// A simulation of a thousand nodes allocates small pieces for a million peers; this allocator
/// makes it a quarter faster.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    Listen(listen::Options),
    Shout(send::shout::Options),
    Whisper(send::whisper::Options),
    Request(send::request::Options),
    Pipe(pipe::Options),
    Doctor(doctor::Options),
    Interfaces(interfaces::Options),
    Keys(keys::Options),
    Perf(perf::Options),
    Simulate(simulate::Options),
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 `zre ping` or `zre perf run` found nobody, `zre perf run` lost its node, `zre
whisper` or `zre shout` could not deliver a message, `zre request` was not answered, `zre listen`
heard too few messages in its time, `zre doctor` found a fault, `zre interfaces` no network, the
output of `zre pipe` or `zre chat` was not read to its end, or `zre simulate` ended with wrong
views; 2 the command line is wrong, or the node cannot start; 130 or 143 ended at once by a second
signal.";

fn main() -> ExitCode {
    address_space::share_among_threads();
    let cli = Cli::parse();
    descriptors::raise_limit();
    let code = match run(cli.command) {
        Ok(code) => code,
        Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(2)
        }
    };
    stderr::finish();
    code
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::to_start(&error))?;
    let code = match command {
        Command::Chat(options) => runtime.block_on(chat::run(options)),
        Command::Ping(options) => runtime.block_on(ping::run(options)),
        Command::Listen(options) => runtime.block_on(listen::run(options)),
        Command::Shout(options) => runtime.block_on(send::shout::run(options)),
        Command::Whisper(options) => runtime.block_on(send::whisper::run(options)),
        Command::Request(options) => runtime.block_on(send::request::run(options)),
        Command::Pipe(options) => runtime.block_on(pipe::run(options)),
        Command::Perf(options) => runtime.block_on(perf::run(options)),
        Command::Doctor(options) => runtime.block_on(doctor::run(options)),
        Command::Interfaces(options) => interfaces::run(&options),
        Command::Keys(options) => keys::run(&options),
        Command::Simulate(options) => simulate::run(&options),
    };
    runtime.shutdown_background();
    code
}
