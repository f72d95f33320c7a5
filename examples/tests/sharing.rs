//! The shared map and the shared text in simulated networks and on real nodes.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking; clippy takes only `#[test]` functions for tests"
)]

mod support;

use std::{collections::BTreeMap, time::Duration};

use support::{Program, free_port};
use zre_core::{
    Event,
    proto::{Content, PeerId},
};
use zre_examples::{Shared, SharedDocument, SharedMap, Tell};
use zre_sim::{App, Conditions, Handle, Level, Sim};

/// State on a simulated node, and how many messages it has sent.
struct Member<S>(S, u64);

impl<S> Member<S> {
    /// Makes a message differ from all others: snapshots are often equal, and the simulator's
    /// checks tell messages apart by what they say.
    fn number(&mut self, content: &Content) -> Content {
        self.1 += 1;
        let number = self.1.to_string().into();
        content.frames().iter().cloned().chain([number]).collect()
    }
}

impl<S: Shared + 'static> App for Member<S> {
    fn handle_event(&mut self, event: Event, node: &mut Handle<'_>) {
        match self.0.handle_event(&event) {
            Some(Tell::One(peer, snapshot)) => _ = node.whisper(peer, self.number(&snapshot)),
            Some(Tell::All(snapshot)) => _ = node.shout(S::GROUP, self.number(&snapshot)),
            None => {}
        }
    }
}

/// State that a script can change and look at.
trait Scripted: Shared + Sized + 'static {
    fn start(name: &str) -> Self;

    /// Makes the change with this number. Returns what to shout.
    fn change(&mut self, own: PeerId, number: u64) -> Content;

    fn shown(&self) -> String;

    /// Whether a change that was made is to be seen if no later one has undone it.
    fn shows(&self, number: u64) -> bool;
}

/// Three keys, so that writers get into each other's way.
fn key(number: u64) -> String {
    format!("key {}", number % 3)
}

impl Scripted for SharedMap {
    fn start(_: &str) -> Self {
        Self::default()
    }

    fn change(&mut self, own: PeerId, number: u64) -> Content {
        let value = number.to_string();
        self.set(
            own,
            &key(number),
            Some(&value)
                .filter(|_| !number.is_multiple_of(5))
                .map(String::as_str),
        )
    }

    fn shown(&self) -> String {
        format!("{:?}", self.iter().collect::<BTreeMap<_, _>>())
    }

    /// Another writer may have won.
    fn shows(&self, _: u64) -> bool {
        true
    }
}

impl Scripted for SharedDocument {
    fn start(name: &str) -> Self {
        let mut id = [0; 16];
        id.iter_mut()
            .rev()
            .zip(name.bytes())
            .for_each(|(to, byte)| *to = byte);
        Self::new(id.into())
    }

    fn change(&mut self, _: PeerId, number: u64) -> Content {
        let text = self.text();
        let at = number as usize % (text.chars().count() + 1);
        // Whole words, so that each stays as it was written.
        let at = text
            .chars()
            .take(at)
            .collect::<String>()
            .rfind(' ')
            .map_or(0, |at| at + 1);
        self.insert(at, &format!("<{number}> "))
    }

    fn shown(&self) -> String {
        self.text()
    }

    fn shows(&self, number: u64) -> bool {
        self.text().matches(&format!("<{number}> ")).count() == 1
    }
}

/// Random numbers of a script: xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        for (left, shift) in [(true, 13), (false, 7), (true, 17)] {
            self.0 ^= if left {
                self.0 << shift
            } else {
                self.0 >> shift
            };
        }
        (self.0 % limit as u64) as usize
    }
}

/// A network whose members change their state while it splits and heals, and while members die and
/// others come.
struct Script<S> {
    sim: Sim,
    dice: Dice,
    /// Those that live, and the changes that each of them has made.
    members: BTreeMap<String, Vec<u64>>,
    started: usize,
    changes: u64,
    state: std::marker::PhantomData<S>,
}

impl<S: Scripted> Script<S> {
    fn new(seed: u64) -> Self {
        let mut script = Self {
            sim: Sim::with_level(Level::Messages, seed),
            dice: Dice(
                seed.wrapping_mul(2)
                    .wrapping_add(1)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15),
            ),
            members: BTreeMap::new(),
            started: 0,
            changes: 0,
            state: std::marker::PhantomData,
        };
        script.sim.lan("lan").set(Conditions::wifi());
        (0..4).for_each(|_| script.start());
        script.sim.run_for(Duration::from_secs(5));
        script
    }

    fn start(&mut self) {
        self.started += 1;
        let name = format!("n{}", self.started);
        let group = S::GROUP.try_into().unwrap();
        let app = Member(S::start(&name), 0);
        self.sim.host(&name).start_app(&name, app, |config| {
            config.groups.insert(group);
        });
        self.members.insert(name, Vec::new());
    }

    fn any_member(&mut self) -> String {
        let place = self.dice.below(self.members.len());
        self.members.keys().nth(place).unwrap().clone()
    }

    fn act(&mut self) {
        match self.dice.below(10) {
            0 => self.split(),
            1 => self.sim.heal(),
            2 if self.members.len() > 2 => self.end(),
            3 if self.members.len() < 6 => self.start(),
            _ => self.change(),
        }
        // Sometimes too short to notice anything, sometimes long enough to give up peers.
        let pause = [10, 300, 3_000, 40_000][self.dice.below(4)];
        self.sim.run_for(Duration::from_millis(pause));
    }

    fn split(&mut self) {
        let names: Vec<_> = self.members.keys().cloned().collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let (one, other) = names.split_at(1 + self.dice.below(names.len() - 1));
        self.sim.heal();
        self.sim.partition(one, other);
    }

    fn end(&mut self) {
        let name = self.any_member();
        self.members.remove(&name);
        match self.dice.below(2) {
            0 => self.sim.host(&name).crash(),
            _ => self.sim.host(&name).power_off(),
        }
    }

    fn change(&mut self) {
        let (name, number) = (self.any_member(), self.changes);
        self.changes += 1;
        self.sim.node(&name).with_app(|app: &mut Member<S>, node| {
            let change = app.0.change(node.id(), number);
            node.shout(S::GROUP, app.number(&change)).unwrap();
        });
        self.members.get_mut(&name).unwrap().push(number);
    }

    /// What each member shows that lives.
    fn shown(&mut self) -> Vec<String> {
        let names: Vec<_> = self.members.keys().cloned().collect();
        let show = |name: &String| self.sim.node(name).app::<Member<S>>().0.shown();
        names.iter().map(show).collect()
    }

    fn run(mut self, seed: u64) {
        (0..20).for_each(|_| self.act());
        self.sim.heal();
        // Those that died without a word are given up, and all others meet.
        self.sim.run_for(Duration::from_secs(90));
        let shown = self.shown();
        assert!(
            shown.windows(2).all(|pair| pair[0] == pair[1]),
            "seed {seed}: {shown:#?}"
        );
        let (name, _) = self.members.first_key_value().unwrap();
        let first = self.sim.node(name);
        let mut made = self.members.values().flatten();
        let missing = made.find(|number| !first.app::<Member<S>>().0.shows(**number));
        assert_eq!(missing, None, "seed {seed}: {shown:#?}");
        self.sim.check().unwrap();
    }
}

fn survives<S: Scripted>(seeds: std::ops::Range<u64>) {
    seeds.for_each(|seed| Script::<S>::new(seed).run(seed));
}

#[test]
fn the_map_is_the_same_everywhere_after_partitions_deaths_and_late_joins() {
    survives::<SharedMap>(0..20);
}

#[test]
fn the_document_is_the_same_everywhere_after_partitions_deaths_and_late_joins() {
    survives::<SharedDocument>(0..20);
}

#[test]
#[ignore = "takes minutes"]
fn the_map_survives_a_thousand_seeds() {
    survives::<SharedMap>(0..1000);
}

#[test]
#[ignore = "takes minutes"]
fn the_document_survives_a_thousand_seeds() {
    survives::<SharedDocument>(0..1000);
}

#[test]
fn the_last_writer_wins_whoever_hears_of_it_first() {
    let [alice, bob] = [1, 2].map(|number| PeerId::from([number; 16]));
    let (mut one, mut other) = (SharedMap::default(), SharedMap::default());
    let first = one.set(alice, "colour", Some("red"));
    other.merge(&first);
    let second = other.set(bob, "colour", Some("blue"));
    let third = other.set(bob, "shape", Some("round"));
    one.merge(&third);
    one.merge(&second);
    one.merge(&first);
    assert_eq!(
        (one.get("colour"), one.get("shape")),
        (Some("blue"), Some("round"))
    );
    // What was removed does not come back.
    let removed = one.set(alice, "colour", None);
    one.merge(&second);
    assert_eq!(one.get("colour"), None);
    other.merge(&removed);
    assert_eq!(one, other);
}

#[test]
fn what_is_no_change_is_ignored() {
    let mut map = SharedMap::default();
    let mut document = SharedDocument::new([7; 16].into());
    document.insert(0, "grün");
    for content in [
        "",
        "x",
        "{}",
        r#"{"a":1}"#,
        "\u{0}\u{1}",
        "\u{7f}\u{7f}\u{7f}",
    ] {
        map.merge(&content.into());
        document.merge(&content.into());
    }
    assert_eq!(map, SharedMap::default());
    assert_eq!(document.text(), "grün");
    document.remove(2, 1);
    document.insert(99, "!");
    assert_eq!(document.text(), "grn!");
}

#[test]
fn real_nodes_share_a_map() {
    let port = free_port();
    let mut alice = Program::start("shared_map", port, &["--name", "alice"]);
    alice.send("colour=red");
    alice.wait_for("the map is colour=red");
    // Late, so it gets a snapshot.
    let mut bob = Program::start("shared_map", port, &["--name", "bob"]);
    bob.wait_for("the map is colour=red");
    bob.send("shape=round");
    alice.wait_for("the map is colour=red shape=round");
    alice.send("colour=");
    bob.wait_for("the map is shape=round");
    for mut program in [alice, bob] {
        program.close_input();
        program.succeed();
    }
}

#[test]
fn real_nodes_edit_a_document() {
    let port = free_port();
    let mut alice = Program::start("shared_document", port, &["--name", "alice"]);
    alice.send("world");
    alice.wait_for("the text is world");
    let mut bob = Program::start("shared_document", port, &["--name", "bob"]);
    bob.wait_for("the text is world");
    bob.send("hello");
    alice.wait_for("the text is hello world");
    for mut program in [alice, bob] {
        program.close_input();
        program.succeed();
    }
}

#[test]
fn the_page_shows_the_code() {
    let page = include_str!("../../docs/SHARED-STATE.md");
    for file in [
        include_str!("../src/shared.rs"),
        include_str!("../src/shared_map.rs"),
    ] {
        let (_, code) = file.split_once("\n\n").expect("a heading");
        let code = code.replace("use crate::Shared;", "use zre_examples::Shared;");
        assert!(
            page.contains(code.trim()),
            "copy examples/src/shared.rs and shared_map.rs"
        );
    }
}
