//! `zre interfaces`: the network interfaces of this machine, and which of them a node uses.

mod listing;

use std::process::ExitCode;

use clap::Args;

use crate::{failure::Failure, options::Places, output::print, text::one_line};

pub(crate) use listing::Listing;

/// Show the network interfaces of this machine, and which of them a node uses.
///
/// Each address is shown with what it is used for, or with the reason why it is not. The flags are
/// those of the commands that run a node.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    places: Places,
}

const HELP: &str = "\
Examples:
  zre interfaces                     what a node uses unless told otherwise
  zre interfaces --interface all
  zre interfaces --json | jq -r '.used[].address'

Exit codes: 0 a node with these flags has a network; 1 it has none, or what was asked for is not
there; 2 the command line is wrong.";

/// Shows all interfaces.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let placement = options.places.read()?;
    let listing = Listing::of(&placement)?;
    if options.json {
        let json = serde_json::to_string(&listing).map_err(std::io::Error::from)?;
        print(&json)?;
    } else {
        for line in listing.lines().chain([listing.conclusion()]) {
            print(&one_line(&line))?;
        }
    }
    Ok(match listing.is_complete() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
