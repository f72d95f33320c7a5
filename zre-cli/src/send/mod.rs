//! Commands that are on the network for one message: `zre whisper`, `zre shout` and `zre request`.

mod content;
pub(crate) mod request;
pub(crate) mod shout;
mod visit;
pub(crate) mod whisper;

use std::{process::ExitCode, time::Duration};

use clap::Args;

use crate::{failure::Failure, json::OnRequest, options::Common, values};
use visit::Visit;

pub(crate) use visit::tell_refused;

/// What all of them take.
#[derive(Debug, Args)]
pub(crate) struct Sending {
    /// How long to look for whom the message is for
    #[arg(
        long, short, value_name = "TIME", default_value = "5s",
        allow_negative_numbers = true, value_parser = values::time
    )]
    wait: Duration,

    #[command(flatten)]
    json: OnRequest,

    #[command(flatten)]
    common: Common,
}

/// The exit code of a message that was delivered, or was not; why not is told.
fn exit_code(delivered: Result<(), String>) -> ExitCode {
    match delivered {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            Failure::Told(why).report();
            ExitCode::FAILURE
        }
    }
}
