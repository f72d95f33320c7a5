//! `zre listen`: what is said to this node and in its groups.

use std::{future::pending, process::ExitCode, time::Duration};

use clap::Args;
use tokio::time::{sleep, timeout};
use zre_tokio::{Event, GroupName, Node, PeerId};

use crate::{
    failure::Failure,
    json::OnRequest,
    log,
    options::{Common, Groups, user_name},
    pipe,
    shutdown::Shutdown,
    stderr,
    text::{self, one_line},
    unreached::Unreached,
    values,
};

/// Show what is said in groups, and what is whispered to this node.
///
/// Each message is a line: `bob: hello`, or with the group when there are several.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// End after so many messages
    #[arg(long, short, value_name = "COUNT", value_parser = count)]
    count: Option<u64>,

    /// End after this time
    #[arg(
        long = "for", value_name = "TIME",
        allow_negative_numbers = true, value_parser = values::some_time
    )]
    time: Option<Duration>,

    #[command(flatten)]
    json: OnRequest,

    #[command(flatten)]
    groups: Groups,

    #[command(flatten)]
    common: Common,
}

const HELP: &str = "\
Without --group, only whispers are heard. It goes on until Ctrl-C, unless told otherwise.

Examples:
  zre listen --group builds
  zre listen --name printer --count 1 --for 1m
  zre listen --group builds --json | jq -r .text

Exit codes: 0 ended; 1 --for is over, and fewer messages than --count have come, or none; 2 the
command line is wrong, or the node cannot start.";

/// How long the sender of the last message has time to get it confirmed.
const CONFIRMING: Duration = Duration::from_secs(1);

/// Shows messages until there are enough of them.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    log::to_standard_error(options.common.verbose)?;
    let groups = options.groups.names()?;
    let builder = options.common.builder(user_name().as_deref(), &groups)?;
    let node = builder.start().await?;
    let shutdown = options.common.listen_for_shutdown()?;
    if options.json.is_for_people() {
        stderr::print(&one_line(&welcome(&node, &groups)));
    }
    let mut listener = Listener {
        is_in_several: groups.len() > 1,
        options: &options,
        heard: 0,
        last: None,
    };
    let ended = listener.listen(&node, &shutdown).await;
    if let Some(peer) = listener.last {
        // It asks right behind the message whether that has arrived, and is answered before this.
        let _ = timeout(CONFIRMING, node.ping(peer)).await;
    }
    node.stop().await;
    Ok(match ended? {
        Ended::Enough => ExitCode::SUCCESS,
        Ended::Late if listener.heard >= options.count.unwrap_or(1) => ExitCode::SUCCESS,
        Ended::Late => ExitCode::FAILURE,
    })
}

fn welcome(node: &Node, groups: &[GroupName]) -> String {
    let (name, network) = (node.name(), node.network());
    let groups: Vec<_> = groups.iter().map(ToString::to_string).collect();
    match groups[..] {
        [] => format!("listening as {name}, on {network}, to whispers: --group names a group"),
        _ => format!("listening as {name} in {}, on {network}", groups.join(", ")),
    }
}

/// Why no further message is shown.
enum Ended {
    /// As many as are wanted have come, or the user has enough.
    Enough,
    /// The time is over.
    Late,
}

struct Listener<'a> {
    options: &'a Options,
    is_in_several: bool,
    heard: u64,
    /// Who has sent the last message of those that are wanted.
    last: Option<PeerId>,
}

impl Listener<'_> {
    async fn listen(&mut self, node: &Node, shutdown: &Shutdown) -> Result<Ended, Failure> {
        let mut unreached = Unreached::of(node);
        let (enough, over) = (shutdown.requested(), over(self.options.time));
        tokio::pin!(enough, over);
        loop {
            tokio::select! {
                () = &mut enough => return Ok(Ended::Enough),
                () = &mut over => return Ok(Ended::Late),
                failure = unreached.next() => stderr::print(&one_line(&failure)),
                event = node.recv() => match event {
                    Some(event) => self.show(&event)?,
                    None => return Ok(Ended::Enough),
                },
            }
            if self.last.is_some() {
                return Ok(Ended::Enough);
            }
        }
    }

    fn show(&mut self, event: &Event) -> Result<(), Failure> {
        let peer = match event {
            Event::Whisper { peer, .. } | Event::Shout { peer, .. } => *peer,
            &Event::Refused { peer, key, by } => {
                stderr::print(&text::refused(peer, key, by));
                return Ok(());
            }
            _ => return Ok(()),
        };
        let said = || text::said(event, |_| self.is_in_several);
        self.options.json.print(said, &pipe::line(event))?;
        self.heard += 1;
        if self.options.count == Some(self.heard) {
            self.last = Some(peer);
        }
        Ok(())
    }
}

async fn over(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => pending().await,
    }
}

fn count(text: &str) -> Result<u64, String> {
    values::whole(text, 1..=1_000_000_000)
}
