//! A node of any adapter that whispers numbered messages and says which of them were accepted, or
//! that receives them at a pace of its own. Usage: `numbered FLAVOUR --name=NAME ..`
//!
//! Each line of input is a JSON object: `{"do":"send","peer":UUID}` begins to whisper, at most
//! `count` messages, each `every_ms`, for `for_ms`, of `bytes` bytes and `first_bytes` for the
//! first; all but the peer may be left out. `then_stop` stops the node right behind the last one.
//! `{"do":"hush"}` ends it, `{"do":"stop"}` the node, `{"do":"time"}` asks what time it is.
//!
//! It tells events, once in 100 ms its time with the count of what was accepted, and after sending
//! which messages were accepted when. All times are milliseconds since its start.

#![allow(
    clippy::indexing_slicing,
    reason = "a JSON object takes any key, and gives null for one that it lacks"
)]

use std::{
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
use zre_tests::any_node::{AnyNode, Flavour, Host, Next, NodeOptions};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How often a whisper that has to wait is looked after.
const LOOK: Duration = Duration::from_millis(2);
const TICK: Duration = Duration::from_millis(100);

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
                    let wait = matches!(event, Event::Whisper { .. }) && !pace.is_zero();
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
            Event::Whisper { peer, content, .. } => {
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

/// What is to be sent.
struct Plan {
    count: u64,
    every: Duration,
    for_time: Option<Duration>,
    bytes: usize,
    first_bytes: usize,
    then_stop: bool,
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
