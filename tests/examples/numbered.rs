//! A node of any adapter that whispers numbered messages and says which of them were accepted, or
//! that receives them at a pace of its own. Usage: `numbered FLAVOUR --name=NAME ..`
//!
//! Each line of input is a JSON object: `{"do":"send","peer":UUID}` begins to whisper, at most
//! `count` messages, each `every_ms`, for `for_ms`, of `bytes` bytes and `first_bytes` for the
//! first; all but the peer may be left out. `then_stop` stops the node right behind the last one.
//! With `"confirmed":"WHISPER"` or `"SHOUT"` each message is to be confirmed, and some hundreds of
//! them are under way at a time. Then a message counts as accepted when it may have been sent.
//! `{"do":"hush"}` ends it, `{"do":"stop"}` the node, `{"do":"time"}` asks what time it is.
//!
//! It tells events, once in 100 ms its time with the count of what was accepted, and after sending
//! which messages were accepted when, and which of them were confirmed. All times are milliseconds
//! since its start.

#![allow(
    clippy::indexing_slicing,
    reason = "a JSON object takes any key, and gives null for one that it lacks"
)]

use std::{
    collections::VecDeque,
    env,
    error::Error,
    io::{self, BufRead as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use zre_core::interfaces::IpVersion;
use zre_core::{
    Event, Limits, Unconfirmed,
    proto::{Content, PeerId},
};
use zre_tests::any_node::{AnyNode, Delivery, Flavour, Host, Next, NodeOptions, Pending};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How often a whisper that has to wait is looked after.
const LOOK: Duration = Duration::from_millis(2);
const TICK: Duration = Duration::from_millis(100);
/// So many confirmed messages are under way at a time: with zre-blocking, each takes a thread.
const UNDER_WAY: usize = 300;
/// All are in this group.
const GROUP: &str = "LEDGER";

fn main() -> Outcome {
    let mut arguments = env::args().skip(1);
    let flavour = arguments.next().unwrap_or_default();
    let flavour = Flavour::parse(&flavour).ok_or("the first argument is no flavour")?;
    let (options, pace) = options(arguments)?;
    let node = Host::new(flavour).start(options)?;
    let program = Program {
        node: node.clone(),
        began: Instant::now(),
        accepted: Arc::default(),
        is_over: Arc::default(),
    };
    let (uuid, endpoint) = (node.id().to_string(), node.endpoint().to_string());
    say(&json!({"event": "START", "uuid": uuid, "name": node.name(), "endpoint": endpoint}));
    let (listening, ticking) = (program.clone(), program.clone());
    let events = thread::spawn(move || listening.tell_events(pace));
    thread::spawn(move || ticking.tell_time());
    program.serve()?;
    node.stop();
    events
        .join()
        .map_err(|_| "the events' thread panicked".into())
}

fn options(arguments: impl Iterator<Item = String>) -> Outcome<(NodeOptions, Duration)> {
    // The faults are made for IPv4: over IPv6 the nodes would meet around them.
    let mut options = NodeOptions {
        ip: IpVersion::V4,
        groups: vec![GROUP.to_owned()],
        ..NodeOptions::default()
    };
    let mut pace = Duration::ZERO;
    for argument in arguments {
        let (flag, value) = argument.split_once('=').unwrap_or((&argument, ""));
        let milliseconds = || {
            let number = value.strip_suffix("ms").unwrap_or(value);
            number.parse().map(Duration::from_millis)
        };
        match flag {
            "--name" => options.name = Some(value.to_owned()),
            "--evasive" => options.evasive = Some(milliseconds()?),
            "--expired" => options.expired = Some(milliseconds()?),
            "--linger" => options.linger = Some(milliseconds()?),
            // How many events may wait.
            "--events" => options.limits = Some(Limits::default().events(value.parse()?)),
            "--pace" => pace = milliseconds()?,
            _ => return Err(format!("what is {argument}?").into()),
        }
    }
    Ok((options, pace))
}

#[derive(Clone)]
struct Program {
    node: AnyNode,
    began: Instant,
    /// How many messages were accepted.
    accepted: Arc<AtomicU64>,
    /// Whether the last event has been told.
    is_over: Arc<AtomicBool>,
}

impl Program {
    /// Carries out commands until it is told to stop.
    fn serve(&self) -> Outcome {
        let mut sending: Option<(Sender<()>, JoinHandle<()>)> = None;
        for line in io::stdin().lock().lines() {
            let command: Value = serde_json::from_str(&line?)?;
            match command["do"].as_str().unwrap_or_default() {
                "send" => {
                    let peer = command["peer"].as_str().unwrap_or_default().parse()?;
                    let (hush, hushed) = mpsc::channel();
                    let program = self.clone();
                    let act = move || program.send(peer, &Plan::of(&command), &hushed);
                    sending = Some((hush, thread::spawn(act)));
                }
                "hush" => {
                    if let Some((hush, thread)) = sending.take() {
                        drop(hush);
                        thread.join().map_err(|_| "the sending thread panicked")?;
                    }
                }
                "time" => say(&json!({"now": self.milliseconds()})),
                "stop" => break,
                other => return Err(format!("what is {other}?").into()),
            }
        }
        Ok(())
    }

    /// Whispers as planned, and then says what was accepted.
    fn send(&self, peer: PeerId, plan: &Plan, hushed: &Receiver<()>) {
        if plan.confirmed.is_some() {
            return self.send_confirmed(peer, plan, hushed);
        }
        let mut accepted = Vec::new();
        let mut refused = 0_u64;
        let end = plan.for_time.map(|time| Instant::now() + time);
        let mut number = 0;
        while number < plan.count && end.is_none_or(|end| Instant::now() < end) {
            let before = self.milliseconds();
            let wait = match self.whisper(peer, plan.message(number)) {
                Ok(()) => {
                    accepted.push([number, before]);
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                    number += 1;
                    plan.every
                }
                // It has not entered yet, or it is gone.
                Err(_) => {
                    refused += 1;
                    TICK
                }
            };
            if hushed.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        if plan.then_stop {
            self.node.stop();
        }
        say(&json!({"sent": accepted, "refused": refused}));
    }

    /// Sends confirmed messages as planned, and then says what was accepted, and what confirmed.
    fn send_confirmed(&self, peer: PeerId, plan: &Plan, hushed: &Receiver<()>) {
        let mut tally = Tally::default();
        let mut under_way = VecDeque::new();
        let end = plan.for_time.map(|time| Instant::now() + time);
        for number in 0..plan.count {
            if end.is_some_and(|end| Instant::now() >= end) {
                break;
            }
            while under_way.len() >= UNDER_WAY {
                tally.reap(&mut under_way, &self.accepted, self.milliseconds());
                thread::park_timeout(LOOK);
            }
            let at = self.milliseconds();
            let outcome = self.begin(peer, plan, number);
            under_way.push_back(Sent {
                number,
                at,
                outcome,
            });
            if hushed.recv_timeout(plan.every) != Err(RecvTimeoutError::Timeout) {
                break;
            }
            tally.reap(&mut under_way, &self.accepted, self.milliseconds());
        }
        if plan.then_stop {
            self.node.stop();
        }
        while !under_way.is_empty() {
            tally.reap(&mut under_way, &self.accepted, self.milliseconds());
            thread::park_timeout(LOOK);
        }
        tally.accepted.sort_unstable();
        say(&json!({
            "sent": tally.accepted,
            "refused": tally.refused,
            "confirmed": tally.confirmed,
            "longest": tally.longest,
        }));
    }

    fn begin(&self, peer: PeerId, plan: &Plan, number: u64) -> Outcomes {
        let content = plan.message(number);
        match plan.confirmed.as_deref() {
            Some("SHOUT") => Outcomes::Shout(self.node.begin_shout_confirmed(GROUP, content), peer),
            _ => Outcomes::Whisper(self.node.begin_whisper_confirmed(peer, content)),
        }
    }

    /// Whispers at once if there is room, else as soon as there is.
    fn whisper(&self, peer: PeerId, content: Content) -> Result<(), zre_core::Error> {
        match self.node.try_whisper(peer, content.clone()) {
            Err(zre_core::Error::Full(_)) => {}
            result => return result,
        }
        let whispering = self.node.begin_whisper(peer, content);
        loop {
            if let Some(result) = whispering.done() {
                return result;
            }
            thread::park_timeout(LOOK);
        }
    }

    /// Tells events, one in each `pace` at most.
    fn tell_events(&self, pace: Duration) {
        loop {
            match self.node.recv(Duration::from_secs(5)) {
                Next::Event(event) => {
                    let is_message = matches!(event, Event::Whisper { .. } | Event::Shout { .. });
                    let wait = is_message && !pace.is_zero();
                    say(&self.line(&event));
                    if wait {
                        thread::park_timeout(pace);
                    }
                }
                Next::Late => {}
                Next::Ended => break,
            }
        }
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn tell_time(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let accepted = self.accepted.load(Ordering::Relaxed);
            say(&json!({"at": self.milliseconds(), "accepted": accepted}));
            thread::park_timeout(TICK);
        }
    }

    fn line(&self, event: &Event) -> Value {
        let about = |kind: &str, peer: &PeerId| json!({"event": kind, "peer": peer.to_string()});
        let mut line = match event {
            Event::Enter { peer, .. } => about("ENTER", peer),
            Event::Exit {
                peer,
                reason,
                unconfirmed,
                ..
            } => {
                let mut line = about("EXIT", peer);
                line["unconfirmed"] = (*unconfirmed).into();
                line["reason"] = reason.to_string().into();
                line
            }
            Event::Whisper { peer, content, .. } | Event::Shout { peer, content, .. } => {
                let mut line = about("WHISPER", peer);
                line["frames"] = content.frames().iter().take(1).map(hex::encode).collect();
                line
            }
            Event::Stop { unconfirmed } => {
                let of_peer = |it: &Unconfirmed| {
                    let peer = it.peer.to_string();
                    json!({"peer": peer, "messages": it.messages})
                };
                let unconfirmed: Value = unconfirmed.iter().map(of_peer).collect();
                json!({"event": "STOP", "unconfirmed": unconfirmed})
            }
            other => json!({"other": format!("{other:?}")}),
        };
        line["time"] = self.milliseconds().into();
        line
    }

    fn milliseconds(&self) -> u64 {
        let since = self.began.elapsed().as_millis();
        since.try_into().unwrap_or(u64::MAX)
    }
}

/// A confirmed message that is under way.
struct Sent {
    number: u64,
    /// When it was begun.
    at: u64,
    outcome: Outcomes,
}

enum Outcomes {
    Whisper(Pending<Result<(), zre_core::Error>>),
    /// To the group of this peer.
    Shout(
        Pending<Result<Vec<(PeerId, Delivery)>, zre_core::Error>>,
        PeerId,
    ),
}

/// What has become of a confirmed message.
enum Fate {
    Confirmed,
    /// It may have been sent.
    Unconfirmed,
    /// It has not been sent.
    Refused,
}

impl Outcomes {
    fn done(&self) -> Option<Fate> {
        match self {
            Self::Whisper(pending) => pending.done().map(|outcome| match outcome {
                Ok(()) => Fate::Confirmed,
                Err(zre_core::Error::Unconfirmed(_)) => Fate::Unconfirmed,
                Err(_) => Fate::Refused,
            }),
            Self::Shout(pending, peer) => pending.done().map(|outcomes| {
                let of_peer = |(member, delivery)| (member == *peer).then_some(delivery);
                match outcomes.unwrap_or_default().into_iter().find_map(of_peer) {
                    Some(Delivery::Delivered) => Fate::Confirmed,
                    Some(Delivery::Gone) => Fate::Unconfirmed,
                    _ => Fate::Refused,
                }
            }),
        }
    }
}

/// What has become of confirmed messages.
#[derive(Default)]
struct Tally {
    accepted: Vec<[u64; 2]>,
    confirmed: Vec<u64>,
    refused: u64,
    /// The longest time that it took until it was told of a message that it is not confirmed.
    longest: u64,
}

impl Tally {
    /// Notes those whose fate is known.
    fn reap(&mut self, under_way: &mut VecDeque<Sent>, accepted: &AtomicU64, now: u64) {
        under_way.retain(|sent| {
            let Some(fate) = sent.outcome.done() else {
                return true;
            };
            // A confirmation may be as late as TCP makes it while the session lasts.
            if !matches!(fate, Fate::Confirmed) {
                self.longest = self.longest.max(now - sent.at);
            }
            if matches!(fate, Fate::Refused) {
                self.refused += 1;
                return false;
            }
            self.accepted.push([sent.number, sent.at]);
            accepted.fetch_add(1, Ordering::Relaxed);
            if matches!(fate, Fate::Confirmed) {
                self.confirmed.push(sent.number);
            }
            false
        });
    }
}

/// What is to be sent.
struct Plan {
    count: u64,
    every: Duration,
    for_time: Option<Duration>,
    bytes: usize,
    first_bytes: usize,
    then_stop: bool,
    /// How messages are sent that are to be confirmed.
    confirmed: Option<String>,
}

impl Plan {
    fn of(command: &Value) -> Self {
        let number = |key: &str| command[key].as_u64();
        let size = |key| number(key).and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = size("bytes").unwrap_or_default();
        Self {
            count: number("count").unwrap_or(u64::MAX),
            every: Duration::from_millis(number("every_ms").unwrap_or_default()),
            for_time: number("for_ms").map(Duration::from_millis),
            bytes,
            first_bytes: size("first_bytes").unwrap_or(bytes),
            then_stop: command["then_stop"] == true,
            confirmed: command["confirmed"].as_str().map(str::to_owned),
        }
    }

    /// The number in decimal, and a frame that makes it as long as it is to be.
    fn message(&self, number: u64) -> Content {
        let bytes = if number == 0 {
            self.first_bytes
        } else {
            self.bytes
        };
        [number.to_string().into_bytes(), vec![b'.'; bytes]]
            .into_iter()
            .collect()
    }
}

fn say(line: &Value) {
    // The test that reads this may be gone.
    let _ = writeln!(io::stdout().lock(), "{line}");
}
