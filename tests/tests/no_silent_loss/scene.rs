//! Two hosts, a sender on one and a receiver on the other.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use zre_tests::{Namespace, Peer, PeerOptions, Switch, any_node::Flavour, programs, switch::Rule};

use crate::{
    cell::{Cell, Manner, Receiver},
    fault::Fault,
    ledger::{Confirmed, Exit, Ledger},
};

/// The hosts' places.
pub(crate) const SENDER: usize = 0;
pub(crate) const RECEIVER: usize = 1;

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(90);
/// How much later than `expired_after` nothing is waited for any more.
const OVERDUE: Duration = Duration::from_millis(3_000);

pub(crate) struct Scene {
    fault: &'static Fault,
    manner: Manner,
    pub(crate) sender: Peer,
    pub(crate) receiver: Peer,
    switch: Switch,
    /// Read once, as it can be long.
    sent: OnceLock<Sent>,
}

/// What the sender says of its messages.
struct Sent {
    accepted: Vec<(u64, u64)>,
    confirmed: Option<Confirmed>,
}

impl Scene {
    /// Starts both. They have not met yet.
    pub(crate) fn new(cell: &Cell) -> Self {
        let switch =
            Switch::new(2).unwrap_or_else(|error| panic!("cannot make a network: {error}"));
        if let Some(rule) = cell.fault.from_the_start {
            switch.lose(&[rule]);
        }
        let expired = cell.fault.expired;
        let options = |name| PeerOptions::new(name).evasive(expired / 3).expired(expired);
        let receiver = options("receiver");
        let host = switch.host(RECEIVER);
        let receiver = match cell.receiver {
            Receiver::Zre => ours(host, cell.flavour, cell.fault.receiver_arguments, &receiver),
            Receiver::Zyre => Peer::zyre(host, &receiver),
            Receiver::Pyre => Peer::pyre(host, &receiver),
        };
        let (host, sender) = (switch.host(SENDER), options("sender"));
        let sender = ours(host, cell.flavour, cell.fault.sender_arguments, &sender);
        Self {
            fault: cell.fault,
            manner: cell.manner,
            sender,
            receiver,
            switch,
            sent: OnceLock::new(),
        }
    }

    /// Waits until each has entered at the other.
    pub(crate) fn meet(&self) {
        self.sender.wait_event("ENTER", self.receiver.uuid());
        self.receiver.wait_event("ENTER", self.sender.uuid());
    }

    /// Loses the frames that these rules fit.
    pub(crate) fn lose(&self, rules: &[Rule]) {
        self.switch.lose(rules);
    }

    /// Loses nothing any more.
    ///
    /// # Panics
    ///
    /// Panics when nothing has been lost, for then nothing has been tried.
    pub(crate) fn mend(&self) {
        assert!(self.switch.mend() > 0, "the switch has lost no frame");
    }

    /// Begins to send, with these settings besides the receiver.
    pub(crate) fn begin(&self, mut plan: Value) {
        plan["do"] = "send".into();
        match self.manner {
            Manner::Plain => {}
            Manner::Whispers => plan["confirmed"] = "WHISPER".into(),
            Manner::Shouts => plan["confirmed"] = "SHOUT".into(),
        }
        plan["peer"] = self.receiver.uuid().into();
        self.sender.send(&plan);
    }

    /// Begins to send fifty small messages a second, and waits until some have been accepted.
    pub(crate) fn begin_talk(&self) {
        self.begin(json!({"every_ms": 20, "bytes": 16}));
        let some = |line: &Value| line["accepted"].as_u64() >= Some(25);
        self.sender.wait_for(PATIENCE, some);
    }

    /// Lets the sender go on for so long by its own clock.
    pub(crate) fn go_on_for(&self, time: Duration) {
        let end = self.now() + milliseconds(time);
        self.sender
            .wait_for(PATIENCE, |line| line["at"].as_u64() >= Some(end));
    }

    /// Lets the sender go on until it has told an `Exit` and a little longer, at most until one is
    /// overdue.
    pub(crate) fn go_on_until_exit(&self) {
        let end = self.now() + self.fault.expired_ms() + milliseconds(OVERDUE);
        let is_over = |line: &Value| line["event"] == "EXIT" || line["at"].as_u64() >= Some(end);
        self.sender.wait_for(PATIENCE, is_over);
        self.go_on_for(Duration::from_secs(2));
    }

    /// Ends the sending, and waits until all is delivered or told, or cannot be in time any more.
    pub(crate) fn settle(&self) {
        self.sender.send(&json!({"do": "hush"}));
        self.sent();
        let begun = Instant::now();
        let mut delivered = 0;
        let mut moved = begun;
        loop {
            let ledger = self.ledger();
            if ledger.delivered.len() > delivered {
                (delivered, moved) = (ledger.delivered.len(), Instant::now());
            }
            let is_hopeless = begun.elapsed() > self.fault.expired + OVERDUE;
            let still_moves = moved.elapsed() < OVERDUE && begun.elapsed() < PATIENCE;
            if ledger.is_settled() || (is_hopeless && !still_moves) {
                return;
            }
            self.go_on_for(Duration::from_millis(100));
        }
    }

    /// Waits until the sender has stopped, and the receiver has seen it and all before.
    pub(crate) fn wait_stopped(&self) {
        self.sender
            .wait_for(PATIENCE, |line| line["event"] == "STOP");
        let sender = self.sender.uuid();
        let is_exit = |line: &Value| line["event"] == "EXIT" && line["peer"] == sender;
        self.receiver.wait_for(PATIENCE, is_exit);
    }

    /// What was accepted, and what came of it so far. Waits for the end of the sending.
    pub(crate) fn ledger(&self) -> Ledger {
        let unconfirmed = self.sender.pick(|line| self.unconfirmed_at_stop(line));
        Ledger {
            accepted: self.sent().accepted.clone(),
            confirmed: self.sent().confirmed.clone(),
            delivered: self.receiver.pick(|line| self.number_in(line)),
            exits: self.sender.pick(|line| self.exit_in(line)),
            unconfirmed_at_stop: unconfirmed.first().copied(),
        }
    }

    /// What the two have complained of.
    pub(crate) fn errors(&self) -> Vec<Value> {
        [self.sender.errors(), self.receiver.errors()].concat()
    }

    /// The time of the sender's clock.
    fn now(&self) -> u64 {
        self.sender.send(&json!({"do": "time"}));
        let answer = self.sender.wait_for(PATIENCE, |line| line["now"].is_u64());
        answer["now"].as_u64().unwrap_or_default()
    }

    fn sent(&self) -> &Sent {
        self.sent.get_or_init(|| {
            let sent = self
                .sender
                .wait_for(PATIENCE, |line| line["sent"].is_array());
            let pairs = sent["sent"].as_array().into_iter().flatten();
            let pair = |pair: &Value| Some((pair[0].as_u64()?, pair[1].as_u64()?));
            let confirmed = sent["confirmed"].as_array().map(|numbers| Confirmed {
                numbers: numbers.iter().filter_map(Value::as_u64).collect(),
                longest: sent["longest"].as_u64().unwrap_or_default(),
            });
            Sent {
                accepted: pairs.filter_map(pair).collect(),
                confirmed,
            }
        })
    }

    /// The number in the first frame, if the line tells a whisper of the sender.
    fn number_in(&self, line: &Value) -> Option<u64> {
        if line["event"] != "WHISPER" || line["peer"] != self.sender.uuid() {
            return None;
        }
        let frame = hex::decode(line["frames"][0].as_str()?).ok()?;
        String::from_utf8(frame).ok()?.parse().ok()
    }

    fn exit_in(&self, line: &Value) -> Option<Exit> {
        let is_exit = line["event"] == "EXIT" && line["peer"] == self.receiver.uuid();
        is_exit.then(|| Exit {
            at: line["time"].as_u64().unwrap_or_default(),
            reason: line["reason"].as_str().unwrap_or_default().to_owned(),
            unconfirmed: line["unconfirmed"].as_u64().unwrap_or_default(),
        })
    }

    fn unconfirmed_at_stop(&self, line: &Value) -> Option<u64> {
        if line["event"] != "STOP" {
            return None;
        }
        let mut of_peers = line["unconfirmed"].as_array().into_iter().flatten();
        let of_receiver = of_peers.find(|it| it["peer"] == self.receiver.uuid());
        Some(of_receiver.map_or(0, |it| it["messages"].as_u64().unwrap_or_default()))
    }
}

/// The example that sends and receives numbered messages.
fn ours(host: &Namespace, flavour: Flavour, arguments: &[&str], options: &PeerOptions) -> Peer {
    let flavour = flavour.to_string();
    let arguments = [&[flavour.as_str()], arguments].concat();
    Peer::command(host, numbered(), &arguments, options)
}

fn numbered() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        programs::example("zre-tests", "numbered").unwrap_or_else(|error| panic!("{error}"))
    })
}

fn milliseconds(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}
