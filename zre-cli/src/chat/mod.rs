//! `zre chat`: talk to everyone in a group.

mod input;
mod screen;

use std::{collections::HashSet, future::pending, process::ExitCode, time::Duration};

use clap::Args;
use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};
use zre_tokio::{Event, ExitReason, GroupName, Node, PeerId};

use crate::{
    failure::Failure,
    log,
    options::{Common, Contest, Groups, user_name},
    shutdown::Shutdown,
    stderr, text,
    unreached::Unreached,
};
use input::Input;
use screen::Screen;

/// Talk to everyone in a group.
///
/// Type a line and press Enter: everyone in the group sees it. Who comes and goes is shown. When
/// standard input is not a terminal, its lines are sent once somebody is there, or after two
/// seconds.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    #[command(flatten)]
    groups: Groups,

    #[command(flatten)]
    contest: Contest,

    #[command(flatten)]
    common: Common,
}

const HELP: &str = "\
Without --group, the group is CHAT. In several groups, your lines go to the first, and what is said
in the others is shown with their name.

Lines that begin with a slash are commands: /who shows who is there, /quit leaves, /help tells more.
Ctrl-D and Ctrl-C leave, too.

Examples:
  zre chat                           in the group CHAT, under your user name
  zre chat --name alice --group ops
  make 2>&1 | tail -1 | zre chat --group builds

Exit codes: 0 left; 1 left, but standard output was not read to the end; 2 the command line is
wrong, or the node cannot start.";

const COMMANDS: &str = "\
/who   shows who is in the group
/quit  leaves, as Ctrl-D and Ctrl-C do
/help  shows this
Everything else is sent to the group; //text sends /text.";

/// How long lines from a file or a pipe wait for a first member.
const COMPANY_WITHIN: Duration = Duration::from_secs(2);

/// How long the end waits until the last lines are written.
const CLOSING: Duration = Duration::from_secs(1);

/// Talks until the user leaves.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let (screen, keyboard) = screen::open()?;
    let logged = screen.clone();
    log::start(options.common.verbose, move |line| {
        logged.print_if_room(line)
    })?;
    let talked = talk(&options, &screen, keyboard).await;
    let closed = timeout(CLOSING, screen.close()).await;
    talked?;
    if closed.is_err() {
        stderr::print("error: the last lines were not written: standard output is not read");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn talk(
    options: &Options,
    screen: &Screen,
    keyboard: input::Keyboard,
) -> Result<(), Failure> {
    let (group, groups) = options.groups.first_and_all("CHAT")?;
    let builder = options.common.builder(user_name().as_deref(), &groups)?;
    let node = options.contest.apply_to(builder, &groups).start().await?;
    let room = Room {
        node: &node,
        group: &group,
        screen,
        company: Notify::new(),
    };
    room.welcome().await?;
    let is_terminal = keyboard.is_terminal();
    // On a terminal Ctrl-C is a key.
    let shutdown = match is_terminal {
        true => None,
        false => Some(options.common.listen_for_shutdown()?),
    };
    let input = keyboard.listen(&format!("{}> ", node.name()))?;
    let talked = tokio::select! {
        shown = room.show_events() => shown,
        obeyed = room.obey(input, is_terminal) => obeyed,
        closed = screen.closed() => Err(closed),
        shown = room.show_unreached() => shown,
        () = requested(shutdown.as_ref()) => Ok(()),
    };
    node.stop().await;
    talked
}

async fn requested(shutdown: Option<&Shutdown>) {
    match shutdown {
        Some(shutdown) => shutdown.requested().await,
        None => pending().await,
    }
}

/// A group, and the user in it.
struct Room<'a> {
    node: &'a Node,
    group: &'a GroupName,
    screen: &'a Screen,
    /// Notified when a member joins.
    company: Notify,
}

impl Room<'_> {
    async fn welcome(&self) -> Result<(), Failure> {
        let (name, group, network) = (self.node.name(), self.group, self.node.network());
        let text = format!("* you are {name} in {group}, on {network}; /help shows the commands");
        self.screen.print(&text).await
    }

    /// Shows what the others do.
    async fn show_events(&self) -> Result<(), Failure> {
        let mut members = HashSet::new();
        while let Some(event) = self.node.recv().await {
            if let Some(line) = self.line(&event, &mut members) {
                self.screen.print(&line).await?;
            }
        }
        Ok(())
    }

    /// Shows who is heard and cannot be connected to.
    async fn show_unreached(&self) -> Result<(), Failure> {
        let mut unreached = Unreached::of(self.node);
        loop {
            let failure = unreached.next().await;
            self.screen.print(&format!("* {failure}")).await?;
        }
    }

    fn line(&self, event: &Event, members: &mut HashSet<PeerId>) -> Option<String> {
        match event {
            Event::Join { peer, name, group } if group == self.group => {
                members.insert(*peer);
                self.company.notify_one();
                Some(format!("* {name} is here{}", self.whose_key(*peer)))
            }
            Event::Leave { peer, name, group } if group == self.group => {
                members.remove(peer);
                Some(format!("* {name} has left"))
            }
            #[rustfmt::skip]
            Event::Exit { peer, name, reason, unconfirmed } if members.remove(peer) => {
                let lost = text::unconfirmed(*unconfirmed);
                Some(match reason {
                    // It took what it had been sent before it left.
                    ExitReason::Goodbye => format!("* {name} has left"),
                    reason => format!("* {name} is gone: {reason}{lost}"),
                })
            }
            #[rustfmt::skip]
            Event::Skipped { name, group, messages, .. } => {
                Some(format!("* {name} {}", text::skipped(group, *messages)))
            },
            #[rustfmt::skip]
            Event::Network { networks, joined, left } => {
                Some(format!("* network: {}", text::networks(networks, joined, left)))
            },
            #[rustfmt::skip]
            Event::Leader { group, name, is_self, .. } => {
                Some(format!("* {}", text::leader(group, name, *is_self)))
            },
            &Event::Refused { peer, key, by } => {
                Some(format!("* {}", text::refused(peer, key, by)))
            }
            event => text::said(event, |group| group != self.group),
        }
    }

    /// Whose key a peer has proved to have. In a network with one key for all, that says nothing.
    fn whose_key(&self, peer: PeerId) -> String {
        let key = self.node.peer(peer).and_then(|info| info.key);
        match key.filter(|key| Some(key.public) != self.node.key()) {
            Some(key) => format!(", with {}", text::key_of(&key)),
            None => String::new(),
        }
    }

    /// Carries out what the user types, until the user leaves.
    async fn obey(
        &self,
        mut input: mpsc::Receiver<Input>,
        is_terminal: bool,
    ) -> Result<(), Failure> {
        if !is_terminal {
            // If nobody comes in time, the lines are sent to nobody.
            let _ = timeout(COMPANY_WITHIN, self.company.notified()).await;
        }
        while let Some(input) = input.recv().await {
            match input {
                Input::Say(text) => self.say(text).await?,
                Input::Who => self.show_members().await?,
                Input::Help => self.show_commands().await?,
                Input::Unknown(command) => {
                    let text = format!("* there is no command {command}; /help shows them");
                    self.screen.print(&text).await?;
                }
                Input::Quit => break,
                Input::Failed(error) => return Err(Failure::Told(error)),
            }
        }
        Ok(())
    }

    async fn say(&self, text: String) -> Result<(), Failure> {
        match self.node.shout(self.group, text).await {
            Ok(0) => self.screen.print("* nobody else is here").await,
            Ok(_) => Ok(()),
            Err(error) => self.screen.print(&format!("* not sent: {error}")).await,
        }
    }

    async fn show_members(&self) -> Result<(), Failure> {
        let myself = format!("* {}, that is you", self.node.name());
        self.screen.print(&myself).await?;
        let members = self.node.peers_by_group(self.group)?;
        for peer in members.into_iter().filter_map(|id| self.node.peer(id)) {
            let key = self.whose_key(peer.id);
            let text = format!("* {}, {} at {}{key}", peer.name, peer.id, peer.endpoint);
            self.screen.print(&text).await?;
        }
        Ok(())
    }

    async fn show_commands(&self) -> Result<(), Failure> {
        for line in COMMANDS.lines() {
            self.screen.print(line).await?;
        }
        Ok(())
    }
}
