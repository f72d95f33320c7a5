//! A victim, two honest nodes that talk, and the attackers.

use std::{
    fmt::Display,
    sync::{Arc, MutexGuard},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use zre_core::{
    Event, ExitReason, Limits,
    proto::{Body, Endpoint, PeerId},
};
use zre_tests::{
    any_node::{AnyNode, Flavour, Host, Next, NodeOptions, PATIENCE, Pending},
    raw_peer::{Manner, RawListener, RawPeer, hello, random_id},
};

use crate::{
    cell::Report,
    log::{Facts, Log, Seen, Talk, peer_of},
    measure::{Cost, WARNINGS, Watch},
};

/// How long a node may take for what takes no time of its own.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
pub(crate) const MIB: usize = 1 << 20;

/// How long a whisper between honest nodes may take unless an attack says otherwise, in a debug
/// build; on a busy machine some more.
const WORST_DELAY: Duration = Duration::from_millis(1500);
const CHAT_PACE: Duration = Duration::from_millis(10);
const BEACON_INTERVAL: Duration = Duration::from_millis(100);

/// Where an attack takes place.
pub(crate) struct Stage {
    pub(crate) flavour: Flavour,
    pub(crate) port: u16,
}

/// What an attack changes in the victim; the honest nodes take its pace of beacons.
pub(crate) struct Setup {
    pub(crate) beacon_interval: Option<Duration>,
    pub(crate) handshake_timeout: Option<Duration>,
    pub(crate) expired_timeout: Option<Duration>,
    pub(crate) limits: Limits,
}

impl Stage {
    pub(crate) fn begin(self) -> Scene {
        self.begin_with(|_| {})
    }

    pub(crate) fn begin_with(self, change: impl FnOnce(&mut Setup)) -> Scene {
        let mut setup = Setup {
            beacon_interval: Some(BEACON_INTERVAL),
            handshake_timeout: None,
            expired_timeout: None,
            limits: Limits::default(),
        };
        change(&mut setup);
        Scene::start(&self, setup)
    }
}

/// A victim and two honest nodes that talk, and everything that was seen of them.
pub(crate) struct Scene {
    pub(crate) port: u16,
    pub(crate) victim: AnyNode,
    pub(crate) alice: AnyNode,
    pub(crate) bob: AnyNode,
    endpoint: Endpoint,
    log: Arc<Log>,
    held: watch::Sender<bool>,
    chats: Vec<Pending<()>>,
    watch: Watch,
}

impl Scene {
    fn start(stage: &Stage, setup: Setup) -> Self {
        // Whatever the victim's runtime has to bear, it is not that of the others.
        let [victims_host, host] = [(); 2].map(|()| Host::new(stage.flavour));
        let honest = |name| NodeOptions {
            beacon_interval: setup.beacon_interval,
            ..NodeOptions::local(name, stage.port)
        };
        let victim = NodeOptions {
            handshake: setup.handshake_timeout,
            expired: setup.expired_timeout,
            limits: Some(setup.limits),
            ..honest("victim")
        };
        let victim = victims_host.start(victim).expect("a node on loopback");
        let [alice, bob] =
            ["alice", "bob"].map(|name| host.start(honest(name)).expect("a node on loopback"));
        let mut scene = Self {
            port: stage.port,
            log: Arc::new(Log::new([&victim, &alice, &bob].map(AnyNode::id))),
            endpoint: victim.endpoint(),
            victim,
            alice,
            bob,
            held: watch::channel(false).0,
            chats: Vec::new(),
            watch: Watch::default(),
        };
        scene.begin_to_talk();
        scene.watch = Watch::start();
        scene
    }

    fn begin_to_talk(&mut self) {
        let nodes = [&self.victim, &self.alice, &self.bob].map(AnyNode::clone);
        for node in nodes.clone() {
            let held = (node.id() == self.victim.id()).then(|| self.held.subscribe());
            let host = Arc::clone(node.host());
            host.run(collect(node, held, Arc::clone(&self.log)));
        }
        self.wait("the three to meet", Facts::all_have_met);
        for from in &nodes {
            for to in nodes.iter().filter(|to| to.id() != from.id()) {
                let chat = chat(from.clone(), to.id(), Arc::clone(&self.log));
                self.chats.push(from.host().run(chat));
            }
        }
        self.chat_for(3);
    }

    /// Where the victim listens.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A connection whose handshake is over, under an identity of its own; it has not said HELLO.
    pub(crate) fn stranger(&self) -> RawPeer {
        RawPeer::open(self.endpoint(), random_id())
    }

    /// A raw peer that has entered at the victim.
    pub(crate) fn intruder(&self, manner: Manner) -> Intruder {
        let listener = RawListener::start(manner);
        let mut peer = self.stranger();
        peer.send(hello(listener.endpoint(), "mallory"))
            .expect("the node reads");
        let id = peer.id();
        self.wait("the intruder to enter", |facts| facts.saw(&Seen::Enter(id)));
        if manner != Manner::NeverAnswers {
            let answer = listener.receive().expect("the victim's HELLO");
            assert!(matches!(answer.body, Body::Hello(_)));
            assert_eq!(answer.sequence, 1);
        }
        Intruder { peer, listener }
    }

    /// The victim's application takes no more events.
    pub(crate) fn hold_events(&self) {
        self.held.send_replace(true);
        self.facts().victim_is_held = true;
    }

    pub(crate) fn release_events(&self) {
        let mut facts = self.facts();
        facts.victim_is_held = false;
        facts.forgiven_until = self.log.now();
        drop(facts);
        self.held.send_replace(false);
    }

    /// Waits until each honest node has got so many more whispers from each other.
    pub(crate) fn chat_for(&self, whispers: u64) {
        let victim = self.victim.id();
        let before = self.facts().talk.clone();
        self.wait("the chat to go on", |facts| {
            let goes_on = |(pair, talk): (&(PeerId, PeerId), &Talk)| {
                let held = facts.victim_is_held && pair.1 == victim;
                let got = before.get(pair).map_or(0, |talk| talk.received);
                held || talk.received >= got + whispers
            };
            let all = facts.talk.len() == 6 && facts.talk.iter().all(goes_on);
            all || !facts.complaints.is_empty()
        });
    }

    pub(crate) fn wait(&self, what: &str, condition: impl Fn(&Facts) -> bool) {
        if self.log.wait(2 * DEADLINE, condition) {
            return;
        }
        let facts = self.facts();
        let seen = facts.seen.len();
        let last: Vec<_> = facts.seen.iter().rev().take(10).collect();
        panic!(
            "waited in vain for {what}; of {seen} events the last are, backwards, {last:?}; complaints: {:?}",
            facts.complaints
        );
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        WARNINGS.wait_for(text, DEADLINE);
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.log.facts()
    }

    pub(crate) fn exits(&self, peer: PeerId) -> Vec<ExitReason> {
        self.facts().exits(peer)
    }

    /// Lets a newcomer in, ends the chat, and judges. `did` is what the attacker has done; `memory`
    /// is by how many bytes the process may have grown.
    pub(crate) fn finish(mut self, did: impl Display, memory: usize) {
        let newcomer = self.newcomer();
        self.log.end();
        for chat in self.chats.drain(..) {
            chat.wait();
        }
        let all_came = self.log.wait(2 * DEADLINE, |facts| {
            facts.talk.values().all(|talk| talk.received == talk.sent)
        });
        let Cost {
            memory: grown,
            lateness,
        } = self.watch.stop();
        let allowed = WORST_DELAY + 10 * lateness;
        let (worst, whose) = self.log.worst_delay();
        let facts = self.facts();
        let report = Report {
            did: did.to_string(),
            memory: grown as u64,
            memory_allowed: memory as u64,
            worst_delay: u64::try_from(worst.as_millis()).unwrap_or(u64::MAX),
            strays: facts.strays,
        };
        report.send();
        let mut complaints = facts.complaints.clone();
        complaints.extend(newcomer.err());
        if !all_came {
            complaints.push(format!("whispers are missing: {:?}", facts.talk));
        }
        if worst > allowed {
            complaints.push(format!(
                "a whisper {whose} took {worst:?}, allowed are {allowed:?}"
            ));
        }
        if grown > memory {
            complaints.push(format!(
                "memory grew by {grown} bytes, allowed are {memory}"
            ));
        }
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    /// Another honest node comes, and talks with the victim both ways.
    pub(crate) fn newcomer(&self) -> Result<(), String> {
        let id = random_id();
        self.facts().newcomers.insert(id);
        let options = NodeOptions {
            uuid: Some(id.uuid()),
            beacon_interval: Some(BEACON_INTERVAL),
            ..NodeOptions::local("carol", self.port)
        };
        let begun = Instant::now();
        let carol = self.alice.host().start(options);
        let carol = carol.map_err(|error| error.to_string())?;
        let victim = self.victim.id();
        next_of(&carol, victim, |event| matches!(event, Event::Enter { .. }))?;
        let hello = carol.whisper(victim, "hello from carol");
        hello.map_err(|error| error.to_string())?;
        let whisper = Seen::Whisper(id, 1, 16);
        if !self.log.wait(PATIENCE, |facts| facts.saw(&whisper)) {
            return Err("the newcomer was not heard".to_owned());
        }
        let answer = self.victim.whisper(id, "welcome");
        answer.map_err(|error| error.to_string())?;
        next_of(&carol, victim, |event| {
            matches!(event, Event::Whisper { .. })
        })?;
        match begun.elapsed() {
            took if took > DEADLINE => Err(format!("the newcomer was served after {took:?}")),
            _ => Ok(()),
        }
    }
}

/// Waits for an event of a peer.
fn next_of(node: &AnyNode, peer: PeerId, wanted: fn(&Event) -> bool) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match node.recv(deadline.saturating_duration_since(Instant::now())) {
            Next::Event(event) if peer_of(&event) == Some(peer) && wanted(&event) => return Ok(()),
            Next::Event(_) => {}
            Next::Ended => return Err("the newcomer has stopped".to_owned()),
            Next::Late => return Err("the newcomer was not served".to_owned()),
        }
    }
}

async fn collect(node: AnyNode, mut held: Option<watch::Receiver<bool>>, log: Arc<Log>) {
    loop {
        if let Some(held) = &mut held
            && held.wait_for(|held| !held).await.is_err()
        {
            return;
        }
        let Some(event) = node.recv_in_task().await else {
            return;
        };
        log.take(node.id(), &event);
    }
}

async fn chat(node: AnyNode, to: PeerId, log: Arc<Log>) {
    let pair = (node.id(), to);
    let mut number = 0;
    while !log.is_over() {
        smol::Timer::after(CHAT_PACE).await;
        number += 1;
        let text = log.next_whisper(number);
        if let Err(error) = node.whisper_in_task(to, text).await {
            let names = (log.name(pair.0), log.name(pair.1));
            return log.complain(format!("{names:?}: {error}"));
        }
        log.whispered(pair, number);
    }
}

/// A raw peer that has entered, with the endpoint that its HELLO named.
pub(crate) struct Intruder {
    pub(crate) peer: RawPeer,
    pub(crate) listener: RawListener,
}

impl Intruder {
    pub(crate) fn id(&self) -> PeerId {
        self.peer.id()
    }

    pub(crate) fn say(&mut self, body: Body) {
        self.peer.send(body).expect("the node reads");
    }
}
