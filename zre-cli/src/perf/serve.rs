//! The side that answers.

use std::{collections::BTreeMap, process::ExitCode, time::Instant};

use clap::Args;
use zre_tokio::{Content, Event, GroupName, Node, PeerId, ShortText};

use super::protocol::{self, Control};
use crate::{
    failure::Failure,
    log,
    options::Common,
    output::print,
    stderr,
    text::{self, one_line},
    unreached::Unreached,
    values,
};

/// Answer those who measure, until Ctrl-C.
///
/// Any number of them can measure at the same time, but then they measure each other, too.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// The group to which those who measure shout
    #[arg(
        long, short, value_name = "GROUP",
        default_value = protocol::GROUP, value_parser = values::group_name
    )]
    group: GroupName,

    #[command(flatten)]
    common: Common,
}

const HELP: &str = "\
Examples:
  zre perf serve
  zre perf serve --name cellar -i eth0

ZRE_GROUPS does not count here: members of other groups should not get what is measured with.

Exit codes: 0 done; 2 the command line is wrong, or the node cannot start.";

/// Serves until the user stops it.
pub(super) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let common = options.common;
    log::to_standard_error(common.verbose)?;
    let node = common
        .builder(Some("zre-perf"), &[options.group])?
        .header(protocol::HEADER, protocol::VERSION)
        .start()
        .await?;
    let shutdown = common.listen_for_shutdown()?;
    tokio::spawn(tell_unreached(Unreached::of(&node)));
    let served = tokio::select! {
        served = serve(&node) => served,
        () = shutdown.requested() => Ok(()),
    };
    node.stop().await;
    served?;
    Ok(ExitCode::SUCCESS)
}

async fn tell_unreached(mut unreached: Unreached) {
    loop {
        stderr::print(&one_line(&unreached.next().await));
    }
}

async fn serve(node: &Node) -> Result<(), Failure> {
    let (name, id, endpoint) = (node.name(), node.id(), node.endpoint());
    print(&one_line(&format!("serving as {name}  {id}  {endpoint}")))?;
    let mut server = Server {
        node,
        guests: BTreeMap::new(),
    };
    while let Some(event) = node.recv().await {
        match event {
            Event::Whisper {
                peer,
                name,
                content,
            }
            | Event::Shout {
                peer,
                name,
                content,
                ..
            } => server.handle(peer, &name, content)?,
            Event::Exit { peer, .. } => drop(server.guests.remove(&peer)),
            Event::Refused { peer, key, by } => stderr::print(&text::refused(peer, key, by)),
            _ => {}
        }
    }
    Ok(())
}

struct Server<'n> {
    node: &'n Node,
    /// Those who have asked for something.
    guests: BTreeMap<PeerId, Wish>,
}

/// What a peer has asked for.
enum Wish {
    Nothing,
    Echo,
    Count(Counter),
}

#[derive(Default)]
struct Counter {
    messages: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Server<'_> {
    fn handle(&mut self, peer: PeerId, name: &ShortText, content: Content) -> Result<(), Failure> {
        if protocol::is_payload(&content) {
            self.payload(peer, content);
            return Ok(());
        }
        let Some(control) = Control::read(&content) else {
            return Ok(());
        };
        let wish = match control {
            Control::Echo => Wish::Echo,
            Control::Count => Wish::Count(Counter::default()),
            Control::Report => {
                self.report(peer);
                Wish::Nothing
            }
            Control::Counted { .. } => return Ok(()),
        };
        if self.guests.insert(peer, wish).is_none() {
            print(&one_line(&format!("{name} measures")))?;
        }
        Ok(())
    }

    fn payload(&mut self, peer: PeerId, content: Content) {
        match self.guests.get_mut(&peer) {
            Some(Wish::Echo) => self.answer(peer, content),
            Some(Wish::Count(counter)) => counter.add(Instant::now()),
            Some(Wish::Nothing) | None => {}
        }
    }

    fn report(&self, peer: PeerId) {
        if let Some(Wish::Count(counter)) = self.guests.get(&peer) {
            self.answer(peer, counter.counted().content());
        }
    }

    /// Never waits: a peer that does not read its answers must not hold up the others.
    fn answer(&self, peer: PeerId, content: Content) {
        let _ = self.node.try_whisper(peer, content);
    }
}

impl Counter {
    fn add(&mut self, now: Instant) {
        self.messages += 1;
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    fn counted(&self) -> Control {
        let time = self.first.zip(self.last).map(|(first, last)| last - first);
        let nanoseconds = time.unwrap_or_default().as_nanos();
        Control::Counted {
            messages: self.messages,
            nanoseconds: u64::try_from(nanoseconds).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn time_counts_from_the_first_message_to_the_last() {
        let (mut counter, now) = (Counter::default(), Instant::now());
        let counted = |messages, nanoseconds| Control::Counted {
            messages,
            nanoseconds,
        };
        assert_eq!(counter.counted(), counted(0, 0));
        for milliseconds in [0, 1, 5] {
            counter.add(now + Duration::from_millis(milliseconds));
        }
        assert_eq!(counter.counted(), counted(3, 5_000_000));
    }
}
