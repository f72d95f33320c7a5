//! A victim, two honest nodes that talk, and the attackers.

use std::{
    fmt::Display,
    sync::{Arc, MutexGuard},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use zre_core::{
    Beacons, ExitReason, Limits,
    interfaces::IpVersion,
    proto::{
        Body, Endpoint, PeerId,
        curve::{Keypair, SecretKey},
    },
};
use zre_tests::{
    any_node::{AnyNode, Flavour, Host, NodeOptions, Pending},
    raw_peer::{Manner, RawListener, RawPeer, hello, random_id},
};

use crate::{
    cell::Report,
    log::{FEED, Facts, Log, Seen, Talk},
    measure::{Cost, WARNINGS, Watch},
};

/// How long a node may take for what takes no time of its own.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
pub(crate) const MIB: usize = 1 << 20;

/// How long a whisper between honest nodes may take unless an attack says otherwise, in a debug
/// build; on a busy machine some more.
const WORST_DELAY: Duration = Duration::from_millis(1500);
/// How many events the victim's application takes at a time when it is slow, and how often.
const SLOW_PORTION: usize = 20;
const SLOW_PACE: Duration = Duration::from_millis(10);
/// How long a member of a group may wait for the next of the shouts that come many times a second.
const WORST_GAP: Duration = Duration::from_millis(100);
const CHAT_PACE: Duration = Duration::from_millis(10);
pub(crate) const BEACON_INTERVAL: Duration = Duration::from_millis(100);

/// Where an attack takes place.
pub(crate) struct Stage {
    pub(crate) flavour: Flavour,
    pub(crate) port: u16,
}

/// What an attack changes in the victim; the honest nodes take its pace of beacons.
pub(crate) struct Setup {
    pub(crate) beacon_interval: Option<Duration>,
    pub(crate) handshake_timeout: Option<Duration>,
    pub(crate) evasive_timeout: Option<Duration>,
    pub(crate) expired_timeout: Option<Duration>,
    pub(crate) limits: Limits,
    /// It is a gossip hub: the honest nodes are its clients, and a newcomer is nothing else.
    pub(crate) is_hub: bool,
    /// The gossip hubs that it connects to.
    pub(crate) hubs: Vec<String>,
    /// Its fixed peers.
    pub(crate) fixed: Vec<String>,
    pub(crate) tcp_port: Option<u16>,
    /// All honest nodes have keys, and trust each other's and [`INSIDER`]'s.
    pub(crate) is_secured: bool,
    /// All are on the loopback address of IPv6, which has no groups for beacons: the victim is a
    /// gossip hub.
    pub(crate) is_ipv6: bool,
}

/// Whom the honest nodes trust where they have keys.
const TRUSTED: [&str; 5] = ["victim", "alice", "bob", "carol", INSIDER];
/// An attacker whose key is trusted.
pub(crate) const INSIDER: &str = "mallory";

/// The key of one who is trusted.
pub(crate) fn key_of(name: &str) -> Keypair {
    let mut secret = [b'k'; 32];
    secret[..name.len()].copy_from_slice(name.as_bytes());
    SecretKey::from(secret).into()
}

impl Setup {
    /// Where the victim is a gossip hub. The port for beacons is free for connections.
    fn hub(&self, port: u16) -> Option<String> {
        match (self.is_ipv6, self.is_hub) {
            (true, _) => Some(format!("tcp://[::1]:{port}")),
            (false, true) => Some(format!("tcp://127.0.0.1:{port}")),
            (false, false) => None,
        }
    }

    fn honest(&self, name: &str, port: u16) -> NodeOptions {
        let mut options = NodeOptions {
            beacon_interval: self.beacon_interval,
            ..NodeOptions::local(name, port)
        };
        let key = self.is_secured.then(|| key_of("victim").public());
        options
            .gossip_connect
            .extend(self.hub(port).map(|hub| match key {
                Some(key) => format!("{hub}|{key}"),
                None => hub,
            }));
        if self.is_secured {
            options.key = Some(key_of(name).into());
            options.trust = Some(
                TRUSTED
                    .map(|name| key_of(name).public())
                    .into_iter()
                    .collect(),
            );
        }
        if self.is_ipv6 {
            options.interfaces = vec!["::1".to_owned()];
            options.ip = IpVersion::V6;
        }
        options
    }
}

impl Stage {
    pub(crate) fn begin(self) -> Scene {
        self.begin_with(|_| {})
    }

    /// All honest nodes have keys.
    pub(crate) fn begin_secured(self) -> Scene {
        self.begin_with(|setup| setup.is_secured = true)
    }

    pub(crate) fn begin_with(self, change: impl FnOnce(&mut Setup)) -> Scene {
        let mut setup = Setup {
            beacon_interval: Some(BEACON_INTERVAL),
            handshake_timeout: None,
            evasive_timeout: None,
            expired_timeout: None,
            limits: Limits::default(),
            is_hub: false,
            hubs: Vec::new(),
            fixed: Vec::new(),
            tcp_port: None,
            is_secured: false,
            is_ipv6: false,
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
    pub(crate) log: Arc<Log>,
    endpoint: Endpoint,
    /// How a newcomer is started.
    honest: NodeOptions,
    pace: watch::Sender<Pace>,
    worst_delay: Duration,
    chats: Vec<Pending<()>>,
    watch: Watch,
}

impl Scene {
    fn start(stage: &Stage, setup: Setup) -> Self {
        // Whatever the victim's runtime has to bear, it is not that of the others.
        let [victims_host, host] = [(); 2].map(|()| Host::new(stage.flavour));
        let honest = |name| setup.honest(name, stage.port);
        let newcomer = NodeOptions {
            beacon_interval: Some(BEACON_INTERVAL),
            beacons: match setup.hub(stage.port) {
                Some(_) => Beacons::Off,
                None => Beacons::Broadcast,
            },
            ..honest("carol")
        };
        let victim = NodeOptions {
            handshake: setup.handshake_timeout,
            evasive: setup.evasive_timeout,
            expired: setup.expired_timeout,
            limits: Some(setup.limits),
            gossip_bind: setup.hub(stage.port),
            gossip_connect: setup.hubs.clone(),
            connect: setup.fixed.clone(),
            tcp_port: setup.tcp_port,
            ..honest("victim")
        };
        let victim = victims_host.start(victim).expect("a node on loopback");
        let [alice, bob] =
            ["alice", "bob"].map(|name| host.start(honest(name)).expect("a node on loopback"));
        let mut scene = Self {
            port: stage.port,
            log: Arc::new(Log::new([&victim, &alice, &bob].map(AnyNode::id))),
            endpoint: victim.endpoint(),
            honest: newcomer,
            victim,
            alice,
            bob,
            pace: watch::channel(Pace::Usual).0,
            worst_delay: WORST_DELAY,
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
            let pace = (node.id() == self.victim.id()).then(|| self.pace.subscribe());
            let host = Arc::clone(node.host());
            host.run(collect(node, pace, Arc::clone(&self.log)));
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

    /// How an honest node is started that comes later.
    pub(crate) fn honest(&self) -> NodeOptions {
        self.honest.clone()
    }

    /// Where the victim listens as a gossip hub.
    pub(crate) fn gossip_endpoint(&self) -> Endpoint {
        let text = format!("tcp://127.0.0.1:{}", self.port);
        text.parse().expect("an endpoint")
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
        let listener = match self.endpoint().to_socket_addr() {
            Some(address) => RawListener::start_at(address.ip(), manner),
            None => RawListener::start(manner),
        };
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
        self.pace.send_replace(Pace::None);
        self.facts().victim_is_held = true;
    }

    pub(crate) fn release_events(&self) {
        let mut facts = self.facts();
        facts.victim_is_held = false;
        facts.forgiven_until = self.log.now();
        drop(facts);
        self.pace.send_replace(Pace::Usual);
    }

    /// The victim's application takes events as fast as they come again.
    pub(crate) fn speed_events_up(&self) {
        self.pace.send_replace(Pace::Usual);
    }

    /// The victim's application takes no more than 2,000 events a second, until it is released.
    pub(crate) fn slow_events_down(&self) {
        self.pace.send_replace(Pace::Slow);
    }

    /// No whisper between honest nodes may take longer than this from now on.
    pub(crate) fn demand_delay(&mut self, worst: Duration) {
        self.worst_delay = worst;
    }

    /// The victim begins to shout to bob and other members of [`FEED`], as much and as often as it
    /// is told, until the scene is over.
    pub(crate) fn begin_feed(&self, size: usize, pace: Duration) {
        self.bob.join(FEED).expect("it runs");
        let deadline = Instant::now() + DEADLINE;
        while self
            .victim
            .peers_by_group(FEED)
            .unwrap_or_default()
            .is_empty()
        {
            assert!(Instant::now() < deadline, "bob does not get into the group");
            self.chat_for(1);
        }
        let host = Arc::clone(self.victim.host());
        host.run(feed(self.victim.clone(), size, pace, Arc::clone(&self.log)));
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
            "waited in vain for {what}; of {seen} events the last are, backwards, {last:?}; \
             complaints: {:?}",
            facts.complaints
        );
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        WARNINGS.wait_for(text, DEADLINE);
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.log.facts()
    }

    /// What must be so; if it is not, the verdict says this, and the attack goes on.
    pub(crate) fn demand(&self, holds: bool, complaint: impl Display) {
        if !holds {
            self.facts().complain(complaint.to_string());
        }
    }

    /// As [`demand`](Scene::demand), within a time.
    pub(crate) fn demand_in_time(&self, what: &str, condition: impl Fn(&Facts) -> bool) {
        let in_time = self.log.wait(DEADLINE, condition);
        self.demand(in_time, format_args!("waited in vain for {what}"));
    }

    pub(crate) fn exits(&self, peer: PeerId) -> Vec<ExitReason> {
        self.facts().exits(peer)
    }

    /// Lets a newcomer in, ends the chat, and judges. `did` is what the attacker has done; `memory`
    /// is by how many bytes the process may have grown.
    pub(crate) fn finish(mut self, did: impl Display, memory: usize) {
        let newcomer = self.newcomer();
        let gap_until = self.log.now();
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
            descriptors,
            computed,
        } = self.watch.stop();
        let allowed = self.worst_delay + 10 * lateness;
        let (worst, whose) = self.log.worst_delay();
        let facts = self.facts();
        let gap = facts.feed.worst_gap(gap_until);
        let report = Report {
            did: did.to_string(),
            memory: grown as u64,
            memory_allowed: memory as u64,
            worst_delay: u64::try_from(worst.max(gap).as_millis()).unwrap_or(u64::MAX),
            strays: facts.strays,
            exits: facts.honest_exits,
            descriptors,
            computed: u64::try_from(computed.as_millis()).unwrap_or(u64::MAX),
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
        let gap_allowed = WORST_GAP + 10 * lateness;
        if gap > gap_allowed {
            complaints.push(format!(
                "bob got no shout for {gap:?}, allowed are {gap_allowed:?}"
            ));
        }
        if grown > memory {
            complaints.push(format!(
                "memory grew by {grown} bytes, allowed are {memory}"
            ));
        }
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}

/// How the victim's application takes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Usual,
    Slow,
    None,
}

async fn collect(node: AnyNode, mut pace: Option<watch::Receiver<Pace>>, log: Arc<Log>) {
    for turn in 1.. {
        if let Some(pace) = &mut pace {
            let Ok(pace) = pace
                .wait_for(|pace| *pace != Pace::None)
                .await
                .map(|pace| *pace)
            else {
                return;
            };
            if pace == Pace::Slow && turn % SLOW_PORTION == 0 {
                smol::Timer::after(SLOW_PACE).await;
            }
        }
        let Some(event) = node.recv_in_task().await else {
            return;
        };
        log.take(node.id(), &event);
    }
}

async fn feed(node: AnyNode, size: usize, pace: Duration, log: Arc<Log>) {
    let mut next = Instant::now();
    while !log.is_over() {
        smol::Timer::at(next).await;
        next += pace;
        // It has stopped if this fails.
        if node.shout_in_task(FEED, vec![7; size]).await.is_err() {
            return;
        }
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

    /// Answers all PINGs that have come; says how many whispers and shouts have.
    pub(crate) fn answer(&mut self) -> usize {
        let mut messages = 0;
        while let Some(message) = self.listener.try_receive() {
            match message.body {
                // If it fails, it is because the node has closed the connection, which tells.
                Body::Ping => _ = self.peer.send(Body::PingOk),
                Body::Whisper { .. } | Body::Shout { .. } => messages += 1,
                _ => {}
            }
        }
        messages
    }
}
