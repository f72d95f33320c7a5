//! `zre request`: one question, and its answer.

use std::{
    collections::BTreeMap,
    future::IntoFuture as _,
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use zre_tokio::{Content, Error, GroupName, PeerId, Text};

use super::{Sending, Visit, content, exit_code, visit::Told};
use crate::{
    failure::Failure,
    output, pipe,
    recipient::Recipient,
    text::{one_line, shown},
    values,
};

/// Ask a peer, or a member of a group, and print the answer.
///
/// The program of the peer is to answer, as one does that uses `requests` of the library, `zre pipe
/// --serve`, or whatever answers whispers in the same form.
#[derive(Debug, Args)]
#[command(after_help = HELP, override_usage = USAGE)]
pub(crate) struct Options {
    /// Who is asked, a name that only one peer has or a UUID, unless --group is given; then what is
    /// asked. Several words have spaces between them. Without any, or for `-`, it is all of
    /// standard input, byte for byte
    #[arg(value_name = "PEER TEXT", allow_negative_numbers = true)]
    words: Vec<String>,

    /// Ask one member of this group
    #[arg(long, short, value_name = "GROUP", value_parser = values::group_name)]
    group: Option<GroupName>,

    /// Ask all members of the group, and print who answers what
    #[arg(long, requires = "group")]
    all: bool,

    /// How long to wait for the answer
    #[arg(
        long, value_name = "TIME", default_value = "30s",
        allow_negative_numbers = true, value_parser = values::some_time
    )]
    timeout: Duration,

    #[command(flatten)]
    sending: Sending,
}

const USAGE: &str = "zre request [OPTIONS] <PEER> [TEXT]...
       zre request [OPTIONS] --group <GROUP> [TEXT]...";

const HELP: &str = "\
Examples:
  zre request printer status
  zre request --group workers 2+2
  zre request --group workers --all status
  zre request camera picture > picture.jpg
  zre request printer status --json   prints {\"event\":\"ANSWER\",\"peer\":\"<UUID>\",..}

Exit codes: 0 answered, by all members with --all; 1 not answered: nobody is there, or it has gone,
refuses, or does not answer in time; 2 the command line is wrong, or the node cannot start.";

/// Who is asked.
enum Asked {
    Peer(Recipient),
    Any(GroupName),
    All(GroupName),
}

/// Asks, and prints what is answered.
pub(crate) async fn run(mut options: Options) -> Result<ExitCode, Failure> {
    let asked = options.take_asked()?;
    let content = content::read(&options.words)?;
    let mut visit = Visit::begin(&options.sending).await?;
    let answered = options.ask(&mut visit, asked, content).await;
    visit.end().await;
    Ok(exit_code(answered?))
}

impl Options {
    fn take_asked(&mut self) -> Result<Asked, Failure> {
        if let Some(group) = self.group.clone() {
            return Ok(match self.all {
                true => Asked::All(group),
                false => Asked::Any(group),
            });
        }
        if self.words.is_empty() {
            return Err(Failure::told(
                "nobody is named to be asked: write a PEER, or --group GROUP",
            ));
        }
        let read = Recipient::read(&self.words.remove(0));
        let named = |error| Failure::Told(format!("invalid value for '<PEER>': {error}"));
        read.map(Asked::Peer).map_err(named)
    }

    async fn ask(
        &self,
        visit: &mut Visit,
        asked: Asked,
        content: Content,
    ) -> Result<Told<()>, Failure> {
        let answered = match asked {
            Asked::All(group) => return self.ask_all(visit, &group, content).await,
            Asked::Peer(peer) => self.ask_peer(visit, &peer, content).await,
            Asked::Any(group) => self.ask_any(visit, &group, content).await,
        };
        Ok(match answered {
            Ok(answered) => Ok(self.print(&answered)?),
            Err(why) => Err(why),
        })
    }

    async fn ask_peer(
        &self,
        visit: &mut Visit,
        peer: &Recipient,
        content: Content,
    ) -> Told<Answered> {
        let peer = visit.peer(peer).await?;
        let name = visit.name(peer);
        let request = visit.node.request(peer, content).timeout(self.timeout);
        let answered = visit.unless_interrupted(request.into_future()).await?;
        let content = answered.map_err(|error| self.why_not(&name, &error))?;
        Ok(Answered {
            peer,
            name,
            group: None,
            content,
        })
    }

    async fn ask_any(
        &self,
        visit: &mut Visit,
        group: &GroupName,
        content: Content,
    ) -> Told<Answered> {
        visit.members(group, Some(1)).await?;
        let request = visit.node.request_any(group, content).timeout(self.timeout);
        let answered = visit.unless_interrupted(request.into_future()).await?;
        let answer = answered.map_err(|error| match peer_of(&error) {
            Some(peer) => self.why_not(&visit.name(peer), &error),
            None => error.to_string(),
        })?;
        Ok(Answered {
            peer: answer.peer,
            name: visit.name(answer.peer),
            group: Some(group.clone()),
            content: answer.content,
        })
    }

    /// Prints what each member answers, when it does.
    async fn ask_all(
        &self,
        visit: &mut Visit,
        group: &GroupName,
        content: Content,
    ) -> Result<Told<()>, Failure> {
        let members = match visit.members(group, None).await {
            Ok(members) => members,
            Err(why) => return Ok(Err(why)),
        };
        // Who goes has no name any more.
        let names: BTreeMap<_, _> = members.iter().map(|id| (*id, visit.name(*id))).collect();
        let request = visit.node.request_all(group, content).timeout(self.timeout);
        let mut answers = match request.start() {
            Ok(answers) => answers,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut failures = Vec::new();
        loop {
            let (peer, outcome) = match visit.unless_interrupted(answers.next()).await {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(why) => return Ok(Err(why)),
            };
            let name = names.get(&peer).cloned();
            let name = name.unwrap_or_else(|| visit.name(peer));
            match outcome {
                Ok(content) => self.print(&Answered {
                    peer,
                    name,
                    group: Some(group.clone()),
                    content,
                })?,
                Err(error) => {
                    let why = self.why_not(&name, &error);
                    // As the pipe says it. For people it comes at the end.
                    let line = serde_json::json!({"error": why, "peer": peer.to_string()});
                    self.sending.json.print(|| None, &line)?;
                    failures.push(why);
                }
            }
        }
        Ok(match failures.is_empty() {
            true => Ok(()),
            false => Err(failures.join("; ")),
        })
    }

    fn print(&self, answered: &Answered) -> Result<(), Failure> {
        let json = &self.sending.json;
        if json.is_for_people() && !self.all {
            return Ok(output::write(&for_reader(&answered.content))?);
        }
        let people = || Some(format!("{}: {}", answered.name, shown(&answered.content)));
        let name = Text::from(answered.name.as_str());
        let group = answered.group.as_ref().map(|group| -> &Text { group });
        let line = pipe::answer(answered.peer, Some(&name), group, &answered.content);
        Ok(json.print(people, &line)?)
    }

    /// Why somebody has not answered.
    fn why_not(&self, name: &str, error: &Error) -> String {
        let timeout = self.timeout;
        match error {
            Error::TimedOut(_) => {
                format!("{name} has not answered within {timeout:?}: --timeout waits longer")
            }
            Error::Refused(_) => format!("{name} refuses the request"),
            Error::Gone(_) => {
                format!("{name} has gone before it answered, and may have done what was asked")
            }
            error => error.to_string(),
        }
    }
}

/// An answer, and whose it is.
struct Answered {
    peer: PeerId,
    name: String,
    group: Option<GroupName>,
    content: Content,
}

/// Whom an outcome is about.
fn peer_of(error: &Error) -> Option<PeerId> {
    match error {
        Error::TimedOut(peer) | Error::Refused(peer) | Error::Gone(peer) => Some(*peer),
        _ => None,
    }
}

/// An answer as it is; on a terminal, lines without what a terminal would obey.
fn for_reader(content: &Content) -> Vec<u8> {
    if !io::stdout().is_terminal() {
        return content.frames().concat();
    }
    let text = content.to_string_lossy();
    let lines = text.lines().map(|line| one_line(line) + "\n");
    lines.collect::<String>().into_bytes()
}
