//! Random scripts of commands and faults: what applications are told is what a simple reference
//! allows and demands.

#![allow(clippy::indexing_slicing)]

mod reference;
mod script;

use std::{collections::BTreeMap, time::Duration};

use proptest::{
    prelude::TestCaseError,
    test_runner::{Config, RngSeed, TestError, TestRunner},
};
use reference::{Identity, Reference, Told, Verdict, Word};
use script::{Deed, GROUPS, Node, Script, Step};
use zre_sim::{
    App, Conditions, Handle, Level, Sim,
    core::{
        Event, Instant,
        proto::{Content, GroupName, PeerId},
    },
    in_short,
};

#[test]
fn applications_see_what_the_reference_allows_at_the_level_of_bytes() {
    explore(Level::Bytes);
}

#[test]
fn applications_see_what_the_reference_allows_at_the_level_of_messages() {
    explore(Level::Messages);
}

#[test]
fn the_end_of_a_former_life_is_not_taken_for_that_of_the_next() {
    let mut sim = steady();
    sim.host("a").start();
    let id = PeerId::from([1; 16]);
    sim.host("b").start_with(|config| config.id = Some(id));
    // Half a second after the end of the connection to the former life, that to the next is being
    // made.
    sim.run_for(Duration::from_millis(3520));
    sim.host("b").restart();
    sim.run_for(Duration::from_secs(3));
    let events = ["enter b", "exit b: connection lost", "enter b"];
    assert_eq!(sim.events_in_short("a"), events);
}

#[test]
fn a_node_that_starts_again_at_once_under_its_identity_is_reached_at_its_new_endpoint() {
    let mut sim = steady();
    sim.host("a").start();
    let id = PeerId::from([1; 16]);
    sim.host("b").start_with(|config| config.id = Some(id));
    sim.host("b").restart();
    sim.run_for(Duration::from_secs(3));
    assert!(sim.agrees(), "{:?}", sim.differences());
}

/// A network where everything takes 5 ms.
fn steady() -> Sim {
    let mut sim = Sim::with_level(Level::Messages, 1);
    sim.lan("lan").set(Conditions {
        latency: Duration::from_millis(5),
        ..Conditions::perfect()
    });
    sim
}

#[test]
fn a_connection_is_of_the_life_that_opened_it() {
    let script = Script {
        seed: 0,
        nodes: 3,
        keep_identity: 0b100,
        rough: false,
        steps: vec![
            Step(Deed::Freeze(2), 1000),
            Step(Deed::Partition(0b10), 0),
            Step(Deed::Start(1), 1401),
        ],
    };
    play(Level::Messages, &script).unwrap();
}

/// Always the same scripts, unless `PROPTEST_CASES` says how many others.
fn explore(level: Level) {
    let mut config = Config {
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 250;
        config.rng_seed = RngSeed::Fixed(36);
    }
    let found = TestRunner::new(config).run(&Script::any(), |script| {
        play(level, &script).map_err(TestCaseError::fail)
    });
    match found {
        Ok(()) => {}
        Err(TestError::Fail(why, script)) => panic!("{why}\n{level:?} {script:#?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// Plays a script, then ends all faults, lets everybody say something to everybody, and stop.
fn play(level: Level, script: &Script) -> Verdict {
    let mut play = Play::new(level, script);
    for Step(deed, pause) in &script.steps {
        play.step(deed, Duration::from_millis(*pause))?;
    }
    let nodes = play.reference.len();
    for node in 0..nodes {
        play.step(&Deed::Plug(node), Duration::ZERO)?;
        play.step(&Deed::Thaw(node), Duration::ZERO)?;
        play.step(&Deed::Take(node), Duration::ZERO)?;
        for other in 0..nodes {
            play.step(&Deed::Unstall(node, other), Duration::ZERO)?;
        }
    }
    play.step(&Deed::Heal, Duration::from_secs(170))?;
    play.agree()?;
    for node in 0..nodes {
        for other in 0..nodes {
            play.step(&Deed::Whisper(node, other), Duration::ZERO)?;
        }
        play.step(&Deed::Shout(node, 0), Duration::ZERO)?;
    }
    play.step(&Deed::Wait, Duration::from_secs(2))?;
    play.agree()?;
    for node in 0..nodes {
        play.step(&Deed::Stop(node), Duration::from_secs(2))?;
    }
    match play.sim.nodes()[..] {
        [] => play.agree(),
        ref running => Err(format!("{running:?} have not stopped")),
    }
}

/// A simulation and the reference, side by side.
struct Play {
    sim: Sim,
    reference: Reference,
    epoch: Instant,
    identities: BTreeMap<PeerId, Identity>,
    messages: u64,
    /// Whether an application has sent something while events waited for it, among them perhaps the
    /// end of the session.
    sent_untold: bool,
}

/// Keeps what it is told, and when.
#[derive(Default)]
struct Tape {
    events: Vec<(Instant, Event)>,
}

impl App for Tape {
    fn handle_event(&mut self, event: Event, node: &mut Handle<'_>) {
        self.events.push((node.now(), event));
    }
}

impl Play {
    fn new(level: Level, script: &Script) -> Self {
        let mut sim = Sim::with_level(level, script.seed);
        sim.lan("lan").set(script.conditions());
        for node in 0..script.nodes {
            let keeps_identity = script.keep_identity >> node & 1 == 1;
            let byte = u8::try_from(node).unwrap_or_default();
            sim.host(&name(node))
                .start_app(&name(node), Tape::default(), |config| {
                    config.id = keeps_identity.then(|| [byte; 16].into());
                    config.limits.events = 12;
                });
        }
        let epoch = sim.node(&name(0)).with_app(|_: &mut Tape, node| node.now());
        let mut play = Self {
            sim,
            reference: Reference::new(script.nodes, script.keep_identity),
            epoch,
            identities: BTreeMap::new(),
            messages: 0,
            sent_untold: false,
        };
        (0..script.nodes).for_each(|node| play.note_identity(node));
        play
    }

    fn step(&mut self, deed: &Deed, pause: Duration) -> Verdict {
        self.act(deed)
            .map_err(|error| self.complain(deed, &error))?;
        self.sim.run_for(pause);
        self.listen()?;
        self.reference.now = self.sim.now();
        self.reference
            .check()
            .map_err(|error| self.complain(deed, &error))
    }

    /// Does something to both, unless it cannot be done.
    fn act(&mut self, deed: &Deed) -> Verdict {
        let Self { sim, reference, .. } = self;
        let nodes = reference.len();
        match *deed {
            Deed::Start(node) if node < nodes => {
                sim.host(&name(node)).restart();
                reference.start(node);
                self.note_identity(node);
            }
            Deed::Stop(node) if node < nodes && reference.can_act(node) => {
                sim.node(&name(node)).stop();
                reference.stop(node);
            }
            Deed::Kill(node) if node < nodes => {
                sim.host(&name(node)).crash();
                reference.kill(node);
            }
            Deed::PowerOff(node) if node < nodes => {
                sim.host(&name(node)).power_off();
                reference.power_off(node);
            }
            Deed::Join(node, group) if node < nodes && reference.can_act(node) => {
                sim.node(&name(node))
                    .join(GROUPS[group])
                    .expect("the node runs");
                reference.join(node, group);
            }
            Deed::Leave(node, group) if node < nodes && reference.can_act(node) => {
                sim.node(&name(node))
                    .leave(GROUPS[group])
                    .expect("the node runs");
                reference.leave(node, group);
            }
            Deed::Whisper(from, to)
                if from < nodes && to < nodes && from != to && reference.can_act(from) =>
            {
                self.messages += 1;
                self.sent_untold |= reference.is_holding(from);
                let content = self.messages.to_string();
                let peer = sim.node(&name(to)).id();
                let sent = sim.node(&name(from)).whisper(peer, content);
                reference.whisper(from, to, self.messages, sent.is_ok())?;
            }
            Deed::Shout(from, group)
                if from < nodes && reference.can_act(from) && !reference.is_holding(from) =>
            {
                self.messages += 1;
                let content = self.messages.to_string();
                let sent = sim.node(&name(from)).shout(GROUPS[group], content);
                let count = sent.map_err(|error| error.to_string())?;
                reference.shout(from, group, self.messages, count)?;
            }
            Deed::Partition(side) => {
                let names: Vec<_> = (0..nodes).map(name).collect();
                let (one, other): (Vec<_>, Vec<_>) =
                    (0..nodes).partition(|node| side >> node & 1 == 1);
                let named = |nodes: Vec<Node>| -> Vec<&str> {
                    nodes.into_iter().map(|node| names[node].as_str()).collect()
                };
                sim.partition(&named(one), &named(other));
                reference.partition(side);
            }
            Deed::Cut(from, to) if from < nodes && to < nodes && from != to => {
                sim.link(&name(from), &name(to)).cut();
                reference.cut(from, to);
            }
            Deed::Heal => {
                sim.heal();
                reference.heal();
            }
            Deed::Unplug(node) if node < nodes => {
                sim.host(&name(node)).unplug();
                reference.plug(node, false);
            }
            Deed::Plug(node) if node < nodes => {
                sim.host(&name(node)).plug();
                reference.plug(node, true);
            }
            Deed::Freeze(node) if node < nodes => {
                sim.host(&name(node)).freeze();
                reference.freeze(node, true);
            }
            Deed::Thaw(node) if node < nodes && reference.is_frozen(node) => {
                reference.freeze(node, false);
                sim.host(&name(node)).thaw();
            }
            // The end would be read when all is over.
            Deed::Reset(from, to) | Deed::HalfClose(from, to)
                if from < nodes && to < nodes && reference.is_stalled(from, to) => {}
            Deed::Reset(from, to) if from < nodes && to < nodes && from != to => {
                sim.link(&name(from), &name(to)).reset();
                reference.reset(from, to);
            }
            Deed::HalfClose(from, to) if from < nodes && to < nodes && from != to => {
                sim.link(&name(from), &name(to)).half_close();
                reference.reset(from, to);
            }
            Deed::Stall(from, to) if from < nodes && to < nodes && from != to => {
                sim.link(&name(from), &name(to)).stall();
                reference.stall(from, to);
            }
            Deed::Unstall(from, to) if from < nodes && to < nodes && from != to => {
                sim.link(&name(from), &name(to)).unstall();
                reference.unstall(from, to);
            }
            Deed::Hold(node) if node < nodes && reference.can_act(node) => {
                sim.node(&name(node)).hold_events();
                reference.hold(node);
            }
            Deed::Take(node) if node < nodes => {
                reference.take(node);
                sim.node(&name(node)).take_events();
            }
            _ => {}
        }
        Ok(())
    }

    /// Tells the reference what applications have been told.
    fn listen(&mut self) -> Verdict {
        let mut all = Vec::new();
        for node in 0..self.reference.len() {
            let mut tape = self.sim.node(&name(node));
            let events = tape.with_app(|tape: &mut Tape, _| std::mem::take(&mut tape.events));
            let events = events.into_iter();
            all.extend(events.map(|(at, event)| (at.since(self.epoch), node, event)));
        }
        all.sort_by_key(|(at, node, _)| (*at, *node));
        for (at, node, event) in all {
            self.hear(at, node, &event).map_err(|error| {
                format!(
                    "{at:?}: node {node} was told {:?}: {error}",
                    in_short(&event)
                )
            })?;
        }
        Ok(())
    }

    fn hear(&mut self, at: Duration, node: Node, event: &Event) -> Verdict {
        let Some(peer) = event.peer() else {
            return self.reference.stopped(node);
        };
        let Some(peer) = self.identities.get(&peer).copied() else {
            return Err("there is no such peer".into());
        };
        let told = match event {
            Event::Enter { .. } => Told::Enter,
            Event::Exit { reason, .. } => Told::Exit(reason.clone()),
            Event::Evasive { .. } => Told::Evasive,
            Event::Silent { .. } => Told::Silent,
            Event::Join { group, .. } => Told::Said(Word::Join(number_of(group)?)),
            Event::Leave { group, .. } => Told::Said(Word::Leave(number_of(group)?)),
            Event::Whisper { content, .. } => Told::Said(Word::Message {
                group: None,
                number: number_in(content)?,
            }),
            Event::Shout { group, content, .. } => Told::Said(Word::Message {
                group: Some(number_of(group)?),
                number: number_in(content)?,
            }),
            other => return Err(format!("{other:?} is unheard of")),
        };
        self.reference.told(at, node, peer, &told)
    }

    /// Nothing is left of any fault.
    fn agree(&mut self) -> Verdict {
        // The simulator counts sessions as applications are told of them.
        if !self.sent_untold {
            self.sim.check_quiet().map_err(|error| error.to_string())?;
        }
        match self.sim.agrees() {
            true => Ok(()),
            false => Err(format!("{:?}", self.sim.differences())),
        }
    }

    fn note_identity(&mut self, node: Node) {
        let id = self.sim.node(&name(node)).id();
        self.identities.insert(id, self.reference.identity(node));
    }

    fn complain(&self, deed: &Deed, error: &str) -> String {
        format!("{:?}, after {deed:?}: {error}", self.sim.now())
    }
}

fn name(node: Node) -> String {
    format!("n{node}")
}

fn number_of(group: &GroupName) -> Result<usize, String> {
    let found = GROUPS.iter().position(|known| group == *known);
    found.ok_or_else(|| format!("nobody joined {group}"))
}

fn number_in(content: &Content) -> Result<u64, String> {
    let frame = content.frames().first().ok_or("it is empty")?;
    let text = std::str::from_utf8(frame).map_err(|error| error.to_string())?;
    text.parse().map_err(|_| format!("{text:?} was not sent"))
}
