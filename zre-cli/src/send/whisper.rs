//! `zre whisper`: one message to one peer.

use std::process::ExitCode;

use clap::Args;
use zre_tokio::{ConfirmedWhisper, Content, PeerId};

use super::{Sending, Visit, content, exit_code, visit::Told};
use crate::{failure::Failure, pipe::Confirmed, recipient::Recipient};

/// Send one message to one peer, and say whether it has arrived.
///
/// The peer is looked for, is sent the message, and confirms that it has it.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// Who is to get it: a name that only one peer has, or a UUID
    #[arg(value_name = "PEER", value_parser = Recipient::read)]
    peer: Recipient,

    /// The message; several words have spaces between them. Without it, or for `-`, it is all of
    /// standard input, byte for byte
    #[arg(value_name = "TEXT", allow_negative_numbers = true)]
    text: Vec<String>,

    #[command(flatten)]
    sending: Sending,
}

const HELP: &str = "\
Examples:
  zre whisper bob 'lunch?'
  zre whisper --wait 1m printer - < letter.txt
  zre whisper bob done --json        prints {\"event\":\"CONFIRMED\",\"peer\":\"<UUID>\"}

The peer's node has the message then; whether its program does anything with it, `zre request`
tells. A peer that is silent is waited for as long as --expired says.

Exit codes: 0 delivered; 1 not delivered: the peer is not there, or has gone before it confirmed
the message; 2 the command line is wrong, or the node cannot start.";

/// Whispers, and says what has become of it.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let content = content::read(&options.text)?;
    let mut visit = Visit::begin(&options.sending).await?;
    let delivered = deliver(&mut visit, &options.peer, content).await;
    visit.end().await;
    Ok(exit_code(match delivered {
        Ok((peer, name)) => {
            let sentence = || Some(format!("delivered to {name}"));
            let line = Confirmed::whisper(peer);
            options.sending.json.print(sentence, &line)?;
            Ok(())
        }
        Err(why) => Err(why),
    }))
}

/// Gives the peer that has the message, and its name.
async fn deliver(
    visit: &mut Visit,
    recipient: &Recipient,
    content: Content,
) -> Told<(PeerId, String)> {
    let peer = visit.peer(recipient).await?;
    let name = visit.name(peer);
    let whisper = visit.node.whisper_confirmed(peer, content);
    visit.confirmed(whisper, ConfirmedWhisper::is_sent).await?;
    Ok((peer, name))
}
