//! Honest nodes that come when an attack is on.

use std::time::{Duration, Instant};

use zre_core::{Event, proto::PeerId};
use zre_tests::{
    any_node::{AnyNode, Next, NodeOptions},
    raw_peer::random_id,
};

use crate::{
    log::{Seen, peer_of},
    scene::{DEADLINE, Scene},
};

impl Scene {
    /// Another honest node comes, and talks with the victim both ways.
    pub(crate) fn newcomer(&self) -> Result<(), String> {
        self.newcomer_with(random_id(), |_| {}, || {})
    }

    /// As [`newcomer`](Scene::newcomer), under this identity; `change` changes its settings, and
    /// `meanwhile` is done again and again while it is waited for.
    pub(crate) fn newcomer_with(
        &self,
        id: PeerId,
        change: impl FnOnce(&mut NodeOptions),
        mut meanwhile: impl FnMut(),
    ) -> Result<(), String> {
        self.facts().newcomers.insert(id);
        let mut options = NodeOptions {
            uuid: Some(id.uuid()),
            ..self.honest()
        };
        change(&mut options);
        let begun = Instant::now();
        let carol = self.alice.host().start(options);
        let carol = carol.map_err(|error| error.to_string())?;
        let victim = self.victim.id();
        let mut next_of =
            |wanted: fn(&Event) -> bool| next_of(&carol, victim, wanted, &mut meanwhile);
        next_of(|event| matches!(event, Event::Enter { .. }))?;
        let hello = carol.whisper(victim, "hello from carol");
        hello.map_err(|error| format!("whispering to the victim: {error}"))?;
        let whisper = Seen::Whisper(id, 1, 16);
        if !self.log.wait(DEADLINE, |facts| facts.saw(&whisper)) {
            return Err("the newcomer was not heard".to_owned());
        }
        let answer = self.victim.whisper(id, "welcome");
        answer.map_err(|error| {
            let seen = &self.facts().seen;
            let last: Vec<_> = seen.iter().rev().take(10).collect();
            format!("the victim whispering to {id}: {error}; it has seen, backwards, {last:?}")
        })?;
        next_of(|event| matches!(event, Event::Whisper { .. }))?;
        match begun.elapsed() {
            took if took > DEADLINE => Err(format!("the newcomer was served after {took:?}")),
            _ => Ok(()),
        }
    }
}

/// Waits for an event of a peer.
fn next_of(
    node: &AnyNode,
    peer: PeerId,
    wanted: fn(&Event) -> bool,
    meanwhile: &mut impl FnMut(),
) -> Result<(), String> {
    const TURN: Duration = Duration::from_millis(20);
    let deadline = Instant::now() + DEADLINE;
    while Instant::now() < deadline {
        match node.recv(TURN) {
            Next::Event(event) if peer_of(&event) == Some(peer) && wanted(&event) => return Ok(()),
            Next::Event(_) => {}
            Next::Ended => return Err("the newcomer has stopped".to_owned()),
            Next::Late => meanwhile(),
        }
    }
    Err("the newcomer was not served".to_owned())
}
