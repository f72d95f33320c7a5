//! What can happen next in a world.

use std::{rc::Rc, vec::Vec};

use core::{fmt, net::IpAddr, time::Duration};

use zre_proto::Body;

use super::{
    lies::Lie,
    wire::{Cut, Item, Wire},
    world::{ALICE, BOB, EVE, Host, World, id_of},
};
use crate::time::Instant;

/// For so long after a failure, nothing is promised of the session that it touched.
const AFTERMATH: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A connection is made, or refused.
    Connect(u32),
    /// The next that is under way over a connection arrives.
    Deliver(u32),
    /// The opener of a connection hears that it has ended.
    End(u32),
    /// The system gives up a connection at an end that it is cut off from.
    GiveUp {
        wire: u32,
        opener: bool,
    },
    /// The datagram in this place arrives.
    Datagram(usize),
    /// A deadline of a host is over.
    TimeOut(usize),
    /// Nothing happens until the next deadline.
    Wait,
    /// An application sends to the other.
    Whisper(usize),
    Lie(Lie),
    Fail(Failure),
}

/// What goes wrong by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The connection that the first opened to the second ends for one side, and the other is not
    /// told.
    HalfOpen {
        from: usize,
        to: usize,
        for_opener: bool,
    },
    /// Nothing crosses that connection any more, and nobody is told.
    Standstill { from: usize, to: usize },
    /// A host does nothing for some time.
    Freeze { host: usize, seconds: u64 },
    /// Bob has these addresses from now on, the last parts of which are given.
    Move { to: &'static [[u8; 2]] },
    /// Nothing crosses the network of this address any more, and nobody is told.
    DeadNetwork { of: [u8; 2] },
    /// A process ends and is started again under its identity. If it ends with its machine, nobody
    /// is told.
    Restart {
        host: usize,
        told: bool,
        same_port: bool,
    },
    /// A ZeroMQ library makes the connection to the other anew, and goes on with the next message.
    /// What was under way is sent again or lost, and the end of the old connection is told or not.
    Rebind {
        host: usize,
        told: bool,
        resent: bool,
    },
}

impl World {
    /// What can happen now.
    pub(super) fn actions(&self, lies: &[Lie], failures: &[Failure]) -> Vec<Action> {
        let mut actions = self.due();
        if actions.is_empty()
            && !self.budget.begins_at_once
            && self.next_time().is_some_and(|at| at <= self.budget.until)
        {
            actions.push(Action::Wait);
        }
        if self.now > self.budget.free_until {
            return actions;
        }
        for host in [ALICE, BOB] {
            let is_ready = self.hosts[host].engine.node().is_ready(id_of(1 - host));
            if self.budget.whispers[host] > 0 && is_ready {
                actions.push(Action::Whisper(host));
            }
        }
        if self.budget.lies > 0 {
            actions.extend(lies.iter().map(|lie| Action::Lie(*lie)));
        }
        if self.budget.faults > 0 {
            let possible = failures.iter().filter(|failure| self.can_fail(failure));
            actions.extend(possible.map(|failure| Action::Fail(*failure)));
        }
        actions
    }

    /// What happens of itself before time passes.
    pub(super) fn due(&self) -> Vec<Action> {
        let mut due = Vec::new();
        for wire in &self.wires {
            let number = wire.number;
            if !wire.is_connected {
                if self.runs(wire.opener.host) && self.is_answered(wire) {
                    due.push(Action::Connect(number));
                }
                continue;
            }
            if wire.ends_for_opener && wire.opener.is_open && self.runs(wire.opener.host) {
                due.push(Action::End(number));
            }
            let ends = [&wire.opener, &wire.acceptor].into_iter();
            for (place, (end, at)) in ends.zip(wire.given_up_at).enumerate() {
                let is_over = at.is_some_and(|at| at <= self.now);
                if is_over && end.is_open && self.runs(end.host) {
                    due.push(Action::GiveUp {
                        wire: number,
                        opener: place == 0,
                    });
                }
            }
            if self.can_deliver(wire) {
                due.push(Action::Deliver(number));
            }
        }
        let awake = |place: &usize| self.runs(self.datagrams[*place].to);
        due.extend(
            (0..self.datagrams.len())
                .filter(awake)
                .map(Action::Datagram),
        );
        for host in [ALICE, BOB] {
            let deadline = self.hosts[host].engine.poll_timeout();
            if self.runs(host) && deadline.is_some_and(|at| at <= self.now) {
                due.push(Action::TimeOut(host));
            }
        }
        due
    }

    fn can_deliver(&self, wire: &Wire) -> bool {
        let host = wire.acceptor.host;
        if host == EVE || wire.cut != Cut::Whole || !self.runs(host) {
            return false;
        }
        match (wire.queue.front(), wire.acceptor.link) {
            (None, _) => false,
            (Some(Item::Accept), _) => true,
            (Some(_), Some(link)) => {
                wire.acceptor.is_open && self.hosts[host].engine.may_read(link)
            }
            (Some(_), None) => false,
        }
    }

    /// Whether no host pauses.
    pub(super) fn is_awake(&self) -> bool {
        [ALICE, BOB].into_iter().all(|host| self.runs(host))
    }

    fn runs(&self, host: usize) -> bool {
        host == EVE || self.hosts[host].frozen_until <= self.now
    }

    /// When there is something to do again.
    fn next_time(&self) -> Option<Instant> {
        let at = |host: &Rc<Host>| Some(host.engine.poll_timeout()?.max(host.frozen_until));
        let deadlines = self.hosts.iter().filter_map(at);
        let ends = self.wires.iter().filter_map(Wire::next_end);
        let next = deadlines.chain(ends).min()?;
        Some(next.max(self.now + Duration::from_micros(1)))
    }

    pub(super) fn act(&mut self, action: Action) {
        self.ledger.is_calm = self.is_calm();
        self.ledger.has_closed_honest = false;
        match action {
            Action::Connect(number) => self.connect(self.place(number)),
            Action::Deliver(number) => self.deliver(self.place(number)),
            Action::End(number) => self.end(self.place(number)),
            Action::GiveUp { wire, opener } => self.end_one(self.place(wire), opener),
            Action::Datagram(place) => {
                let datagram = self.datagrams.swap_remove(place);
                self.deliver_datagram(&datagram);
            }
            Action::TimeOut(host) => self.time_out(host),
            Action::Wait => self.now = self.next_time().unwrap(),
            Action::Whisper(host) => {
                self.budget.whispers[host] -= 1;
                self.whisper(host);
            }
            Action::Lie(lie) => {
                self.budget.lies -= 1;
                self.budget.begins_at_once = false;
                self.lie(lie);
            }
            Action::Fail(failure) => {
                self.budget.faults -= 1;
                self.budget.begins_at_once = false;
                self.fail(failure);
            }
        }
    }

    /// Whether everything works, and has for some time.
    fn is_calm(&self) -> bool {
        let is_over = |at: Instant| self.now.since(at) >= AFTERMATH;
        self.failed_at.is_none_or(is_over) && self.is_healthy()
    }

    fn place(&self, number: u32) -> usize {
        let mut wires = self.wires.iter();
        wires.position(|wire| wire.number == number).unwrap()
    }

    fn connect(&mut self, place: usize) {
        let wire = &self.wires[place];
        let (host, link, at) = (wire.opener.host, wire.opener.link, self.host_at(wire.to));
        let link = link.unwrap();
        let Some(acceptor) = at else {
            self.wires.remove(place);
            return self.call(host, |engine, now| {
                engine.handle_closed(link, "refused", now);
            });
        };
        let wire = &mut self.wires[place];
        wire.is_connected = true;
        wire.acceptor.host = acceptor;
        if acceptor == EVE {
            wire.queue.clear();
            wire.acceptor.is_open = true;
        }
        let to_elector = self.elects && acceptor != EVE;
        self.call(host, |engine, now| {
            engine.handle_connected(link, now);
            if to_elector {
                engine.handle_elector(link, now);
            }
        });
    }

    fn deliver(&mut self, place: usize) {
        let wire = &mut self.wires[place];
        let (host, link) = (wire.acceptor.host, wire.acceptor.link);
        match wire.queue.pop_front().unwrap() {
            Item::Accept => {
                let (from, identity, now) = (wire.from, wire.identity, self.now);
                let engine = &mut self.host(host).engine;
                let link = engine.handle_accepted(from, identity.into(), now);
                let end = &mut self.wires[place].acceptor;
                (end.link, end.is_open) = (Some(link), true);
                self.drain(host);
            }
            Item::Message(message) => {
                if wire.misfits && message.sequence == wire.sent {
                    let told = "a connection whose first message did not fit is read on";
                    self.ledger.fail(told.into());
                }
                let is_answer = matches!(message.body, Body::PingOk);
                if wire.opener.host == EVE && is_answer {
                    let node = self.hosts[host].engine.node();
                    let is_asked = node.suspicion_ping(wire.identity).is_some();
                    self.ledger.eve_may_answer |= is_asked;
                }
                if wire.opener.host != EVE {
                    self.ledger.read[host] = message.sequence;
                }
                self.call(host, |engine, now| {
                    engine.handle_message(link.unwrap(), message, now);
                });
            }
            Item::End => {
                wire.acceptor.is_open = false;
                self.call(host, |engine, now| {
                    engine.handle_closed(link.unwrap(), "closed", now);
                });
            }
        }
    }

    fn end(&mut self, place: usize) {
        let wire = &mut self.wires[place];
        wire.ends_for_opener = false;
        wire.opener.is_open = false;
        if let (host, Some(link)) = (wire.opener.host, wire.opener.link) {
            return self.call(host, |engine, now| {
                engine.handle_closed(link, "closed", now);
            });
        }
        // The adversary does not mind.
        self.wires.retain(|wire| !wire.is_gone());
    }

    fn time_out(&mut self, host: usize) {
        self.call(host, crate::engine::Engine::handle_timeout);
        let next = self.hosts[host].engine.poll_timeout();
        if next.is_some_and(|at| at <= self.now) {
            self.ledger.fail("a timer spins".into());
        }
    }

    pub(super) fn whisper(&mut self, host: usize) {
        let (peer, content) = (id_of(1 - host), self.ledger.next_content(host));
        let now = self.now;
        let sent = self.host(host).engine.whisper(peer, content, now);
        if sent.is_ok() {
            self.ledger.accept(host);
        }
        self.drain(host);
    }
}

/// Failures.
impl World {
    fn honest_wire(&self, from: usize, to: usize) -> Option<usize> {
        let is_it = |wire: &Wire| wire.joins(from, to) && wire.is_connected && wire.opener.is_open;
        self.wires.iter().rposition(is_it)
    }

    fn can_fail(&self, failure: &Failure) -> bool {
        match *failure {
            Failure::HalfOpen { from, to, .. } | Failure::Standstill { from, to } => {
                self.honest_wire(from, to).is_some()
            }
            Failure::Rebind { host, .. } => self.honest_wire(host, 1 - host).is_some(),
            Failure::Freeze { .. }
            | Failure::Restart { .. }
            | Failure::Move { .. }
            | Failure::DeadNetwork { .. } => true,
        }
    }

    fn fail(&mut self, failure: Failure) {
        // A host that pauses for a short time still answers.
        let is_short = matches!(failure, Failure::Freeze { seconds: ..=3, .. });
        if !is_short {
            self.failed_at = Some(self.now);
            self.ledger.is_calm = false;
        }
        match failure {
            Failure::HalfOpen {
                from,
                to,
                for_opener,
            } => self.half_open(from, to, for_opener),
            Failure::Standstill { from, to } => {
                let place = self.honest_wire(from, to).unwrap();
                self.wires[place].cut(Cut::Silent, self.now);
            }
            Failure::Freeze { host, seconds } => {
                self.host(host).frozen_until = self.now + Duration::from_secs(seconds);
                self.drain(host);
            }
            Failure::Restart {
                host,
                told,
                same_port,
            } => self.restart(host, told, same_port),
            Failure::Rebind { host, told, resent } => self.rebind(host, told, resent),
            Failure::Move { to } => {
                let addresses: Vec<_> = to.iter().map(|parts| address(*parts)).collect();
                self.move_bob(&addresses);
            }
            Failure::DeadNetwork { of } => self.deaden(address(of)),
        }
    }

    fn half_open(&mut self, from: usize, to: usize, for_opener: bool) {
        let place = self.honest_wire(from, to).unwrap();
        let wire = &mut self.wires[place];
        wire.cut(Cut::Silent, self.now);
        wire.queue.retain(|item| matches!(item, Item::Accept));
        self.end_one(place, for_opener);
    }

    /// A connection ends at one end only.
    fn end_one(&mut self, place: usize, opener: bool) {
        let wire = &mut self.wires[place];
        let end = match opener {
            true => &mut wire.opener,
            false => &mut wire.acceptor,
        };
        end.is_open = false;
        if let (host, Some(link)) = (end.host, end.link) {
            self.call(host, |engine, now| {
                engine.handle_closed(link, "reset", now);
            });
        }
        self.wires.retain(|wire| !wire.is_gone());
    }

    fn restart(&mut self, host: usize, told: bool, same_port: bool) {
        let now = self.now;
        for wire in &mut self.wires {
            if wire.opener.host == host {
                if !told {
                    wire.cut(Cut::Silent, now);
                }
                wire.close_opener();
            } else if wire.acceptor.host == host {
                if !told {
                    wire.cut(Cut::Resets, now);
                }
                wire.close_acceptor();
            }
        }
        self.wires
            .retain(|wire| !wire.is_gone() && wire.is_connected);
        self.datagrams.retain(|datagram| datagram.to != host);
        let port = 49152 + u16::from(!same_port);
        self.ledger.restart(host);
        self.hosts[host] = Rc::new(Host::start(host, port, 1, self.elects, self.now));
        self.drain(host);
    }

    fn rebind(&mut self, host: usize, told: bool, resent: bool) {
        let place = self.honest_wire(host, 1 - host).unwrap();
        let old = &mut self.wires[place];
        let mut new = old.clone();
        (old.opener.is_open, old.opener.link) = (false, None);
        let messages = core::mem::take(&mut old.queue);
        let was_accepted = old.acceptor.is_open;
        if told {
            old.queue.push_back(Item::End);
        } else {
            old.cut(Cut::Silent, self.now);
        }
        new.number += 1000;
        (new.acceptor.link, new.acceptor.is_open) = (None, false);
        new.cut = Cut::Whole;
        new.queue = [Item::Accept].into();
        if resent {
            let messages = messages.into_iter();
            new.queue
                .extend(messages.filter(|item| !matches!(item, Item::Accept)));
        }
        if !was_accepted {
            self.wires.remove(place);
        }
        self.wires.push(new);
        self.drain(host);
    }
}

/// The address of a host that has several.
pub(super) fn address([network, host]: [u8; 2]) -> IpAddr {
    IpAddr::from([10, 0, network, host])
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
