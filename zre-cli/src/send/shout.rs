//! `zre shout`: one message to all members of a group.

use std::{collections::BTreeMap, process::ExitCode};

use clap::Args;
use zre_tokio::{ConfirmedShout, Content, Delivery, GroupName, PeerId};

use super::{Sending, Visit, content, exit_code, visit::Told};
use crate::{failure::Failure, pipe::Confirmed, text::names, values};

/// Send one message to all members of a group, and say who has got it.
///
/// Members are looked for, are sent the message, and confirm that they have it. This node does not
/// join the group.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// The group
    #[arg(value_name = "GROUP", value_parser = values::group_name)]
    group: GroupName,

    /// The message; several words have spaces between them. Without it, or for `-`, it is all of
    /// standard input, byte for byte
    #[arg(value_name = "TEXT", allow_negative_numbers = true)]
    text: Vec<String>,

    /// How many members must be there; nothing is sent before, nor if they do not come [default:
    /// one, and those that come right behind it]
    #[arg(long, value_name = "COUNT", value_parser = members)]
    members: Option<usize>,

    #[command(flatten)]
    sending: Sending,
}

const HELP: &str = "\
Examples:
  zre shout builds 42 has failed
  make 2>&1 | tail -1 | zre shout builds
  zre shout --members 3 --wait 1m workers start
  zre shout builds done --json       prints {\"event\":\"CONFIRMED\",\"group\":\"builds\",..}

Exit codes: 0 delivered to each member; 1 not delivered, or not to each: nobody is there, or a
member has gone before it confirmed the message, or reads too slowly; 2 the command line is wrong,
or the node cannot start.";

/// Shouts, and says what has become of it.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let content = content::read(&options.text)?;
    let mut visit = Visit::begin(&options.sending).await?;
    let outcomes = deliver(&mut visit, &options, content).await;
    visit.end().await;
    Ok(exit_code(match outcomes {
        Ok(outcomes) => {
            let delivered = outcomes.names(Delivery::Delivered);
            let sentence =
                || (!delivered.is_empty()).then(|| format!("delivered to {}", names(delivered)));
            let line = Confirmed::shout(&options.group, &outcomes.all);
            options.sending.json.print(sentence, &line)?;
            outcomes.failures()
        }
        Err(why) => Err(why),
    }))
}

/// What has become of a shout.
struct Outcomes {
    all: Vec<(PeerId, Delivery)>,
    names: BTreeMap<PeerId, String>,
}

async fn deliver(visit: &mut Visit, options: &Options, content: Content) -> Told<Outcomes> {
    let members = visit.members(&options.group, options.members).await?;
    // Who goes has no name any more.
    let names = members.iter().map(|id| (*id, visit.name(*id))).collect();
    let shout = visit.node.shout_confirmed(&options.group, content);
    let all = visit.confirmed(shout, ConfirmedShout::is_sent).await?;
    match all.len() {
        0 => Err(format!(
            "all members of the group {} have left",
            options.group
        )),
        _ => Ok(Outcomes { all, names }),
    }
}

impl Outcomes {
    fn names(&self, outcome: Delivery) -> Vec<String> {
        let those = self.all.iter().filter(|(_, other)| *other == outcome);
        let name = |(peer, _): &(PeerId, Delivery)| match self.names.get(peer) {
            Some(name) => name.clone(),
            None => peer.to_string(),
        };
        those.map(name).collect()
    }

    /// Who has not got it, and why.
    fn failures(&self) -> Result<(), String> {
        let whys = [
            (Delivery::Gone, "gone before it was confirmed"),
            (Delivery::Skipped, "reads too slowly: see --slow-members"),
        ];
        let all: Vec<String> = whys
            .into_iter()
            .map(|(outcome, why)| (self.names(outcome), why))
            .filter(|(those, _)| !those.is_empty())
            .map(|(those, why)| format!("{} ({why})", names(those)))
            .collect();
        match all.is_empty() {
            true => Ok(()),
            false => Err(format!("not delivered to {}", all.join(", "))),
        }
    }
}

fn members(text: &str) -> Result<usize, String> {
    values::whole(text, 1..=1_000_000)
}
