//! Gossip over the connections of an engine: opening them, and what comes and goes over them.

use alloc::{boxed::Box, format, vec::Vec};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use zre_proto::curve::PublicKey;

use super::{
    Engine, GossipHubInfo,
    context::{EngineTimer, Owner},
    gossip_links::Hub,
    output::{LinkId, Output},
    trust::{NOT_TRUSTED, REFUSED_FOR},
};
use crate::{
    error::{Fault, LinkError},
    gossip::{Gossip, GossipOutput, Side},
    link::{Connection, LinkEvent},
    node::Sought,
    notice::Notice,
    seed::Seed,
    time::Instant,
};

/// So many bytes may wait for one connection. The rest of what is to be told follows when they have
/// been written.
const WAITING: usize = 16 << 10;
/// How long after that it is looked at whether there is room.
const ROOM_PAUSE: Duration = Duration::from_millis(5);

impl<C: Connection> Engine<C> {
    /// A connection came in on the port of this node's gossip hub; see
    /// [`Config::is_gossip_hub`](crate::Config#structfield.is_gossip_hub). If there are more than
    /// [`gossip_clients`](crate::Limits#structfield.gossip_clients), one is closed.
    pub fn handle_gossip_accepted(&mut self, remote: SocketAddr, now: Instant) -> LinkId {
        self.cx.advance(now);
        let config = self.node.config();
        let Some(links) = &mut self.links.gossip else {
            // Nobody asked for them.
            let link = self.cx.add_link(Owner::GossipClient, self.cx.now);
            self.cx.close_link(link);
            return link;
        };
        let (link, loser) = links.accept(remote, config, &mut self.cx);
        if let (Some(loser), Some(gossip)) = (loser, &mut self.gossip) {
            gossip.handle_ended(loser, self.cx.now);
        }
        self.tell_writable(link);
        // A listener may still accept while it is being closed.
        if self.is_stopped() {
            self.end_gossip();
        }
        // A connection of whole messages is open from the start.
        while self.receive_gossip(link, Owner::GossipClient) {}
        self.settle();
        link
    }

    /// The gossip hubs that this node connects to, in the order of its settings.
    pub fn gossip_hubs(&self) -> impl Iterator<Item = GossipHubInfo> {
        let links = self.links.gossip.iter();
        links.flat_map(|links| links.hubs().iter().map(Hub::info))
    }

    /// How many clients are connected to the gossip hub of this node.
    pub fn gossip_clients(&self) -> usize {
        self.links
            .gossip
            .as_ref()
            .map_or(0, |links| links.clients())
    }

    /// Whether a connection is one for gossip.
    pub fn is_gossip(&self, link: LinkId) -> bool {
        let owner = self.cx.owner(link);
        matches!(owner, Some(Owner::GossipClient | Owner::GossipHub(_)))
    }
}

/// Connections.
impl<C: Connection> Engine<C> {
    pub(super) fn start_gossip(&mut self, seed: &Seed) {
        let config = self.node.config();
        if !config.gossips() {
            return;
        }
        let gossip = Gossip::new(self.node.id(), config, seed, self.cx.now);
        self.gossip = Some(Box::new(gossip));
        self.node.watch_changes();
        if let Some(links) = &mut self.links.gossip {
            links.hurry(self.node.config(), &mut self.cx);
        }
    }

    pub(super) fn open_gossip_hub(&mut self, hub: u32) {
        if let Some(links) = &mut self.links.gossip {
            links.open(hub, self.node.config(), &mut self.cx);
        }
    }

    /// The node may be on other networks than before, so it is told to be elsewhere. Where it has
    /// joined one, hubs may be reached that could not be.
    pub(super) fn gossip_networks_changed(&mut self, has_joined: bool) {
        let Some(links) = &mut self.links.gossip else {
            return;
        };
        if has_joined {
            links.hurry(self.node.config(), &mut self.cx);
        }
        let all = links.all();
        for (link, owner) in all {
            self.set_own_place(link, owner);
            self.send_gossip_to(link, owner);
        }
        if let Some(gossip) = &mut self.gossip {
            gossip.forget_former_places();
        }
    }

    /// Where the name of a hub has led.
    pub(super) fn gossip_resolved(&mut self, hub: u32, remote: SocketAddr) {
        if let Some(links) = &mut self.links.gossip {
            links.resolved(hub, remote);
        }
    }

    fn set_own_place(&mut self, link: LinkId, owner: Owner) {
        let place = self.node.place_for(self.gossip_remote(link, owner));
        if let Some(gossip) = &mut self.gossip {
            gossip.set_own(link, place);
        }
    }

    fn gossip_remote(&self, link: LinkId, owner: Owner) -> Option<IpAddr> {
        self.links.gossip.as_ref()?.remote(owner, link)
    }

    pub(super) fn gossip_connected(&mut self, link: LinkId, owner: Owner) {
        let state = self.links.get_mut(owner, link);
        let is_open = state.is_some_and(|state| state.connection.handle_connected());
        self.tell_writable(link);
        if is_open {
            self.receive(link, owner);
        }
    }

    /// The system says that a connection has ended.
    pub(super) fn gossip_ended(&mut self, link: LinkId, owner: Owner, error: &str) {
        let (Some(links), Some(gossip)) = (&mut self.links.gossip, &mut self.gossip) else {
            return;
        };
        gossip.handle_ended(link, self.cx.now);
        match owner {
            Owner::GossipHub(hub) => links.lost(hub, error, self.node.config(), &mut self.cx),
            _ => {
                links.remove_client(link, &mut self.cx);
            }
        }
    }

    /// Closes a connection from our side.
    fn close_gossip(&mut self, link: LinkId, owner: Owner, error: &str) {
        self.gossip_ended(link, owner, error);
        self.cx.outputs.push(Output::Close(link));
    }

    /// What came over a connection breaks the protocol, or nothing came in time.
    fn break_gossip(&mut self, link: LinkId, owner: Owner, fault: Fault) {
        let error = format!("{fault}");
        if owner == Owner::GossipClient
            && let Some(remote) = self.links.gossip.as_ref().and_then(|it| it.client(link))
        {
            let notice = Notice::GossipClientClosed { remote, fault };
            self.cx.notices.push(notice);
        }
        self.close_gossip(link, owner, &error);
    }

    /// A client has a key that is not trusted, which it is being told.
    fn refuse_gossip(&mut self, link: LinkId) {
        let Some(links) = &mut self.links.gossip else {
            return;
        };
        if let Some(remote) = links.refuse(link) {
            let fault = Fault::NotTrusted;
            self.cx
                .notices
                .push(Notice::GossipClientClosed { remote, fault });
            let timer = EngineTimer::Handshake(link);
            self.cx.deadlines.set(timer, self.cx.now + REFUSED_FOR);
        }
    }

    /// Other keys are trusted from now on.
    pub(super) fn renew_gossip_trust(&mut self) {
        let (Some(links), Some(gossip)) = (&self.links.gossip, &mut self.gossip) else {
            return;
        };
        // They connect again, and tell their tuples.
        let again = gossip.handle_trust(self.cx.now).into_iter();
        let again = again.map(|link| (link, Owner::GossipClient, "other keys are trusted"));
        let distrusted = links.with_key(|key| !self.node.trusts(key)).into_iter();
        let distrusted = distrusted.map(|(link, owner)| (link, owner, NOT_TRUSTED));
        for (link, owner, error) in distrusted.chain(again).collect::<Vec<_>>() {
            if self.cx.owner(link) == Some(owner) {
                self.close_gossip(link, owner, error);
            }
        }
        if let Some(links) = &mut self.links.gossip {
            links.hurry(self.node.config(), &mut self.cx);
        }
    }

    pub(super) fn gossip_handshake_timed_out(&mut self, link: LinkId, owner: Owner) {
        let links = self.links.gossip.as_ref();
        if links.is_some_and(|links| links.is_refused(link)) {
            return self.close_gossip(link, owner, NOT_TRUSTED);
        }
        self.break_gossip(link, owner, LinkError::HandshakeTimeout.into());
    }

    /// Closes all connections, as the node stops. No hub is lost with that.
    pub(super) fn end_gossip(&mut self) {
        if let Some(links) = &mut self.links.gossip {
            links.close_all(&mut self.cx);
        }
        self.gossip = None;
    }
}

/// Messages.
impl<C: Connection> Engine<C> {
    /// Takes one event of a connection for gossip; `false` if there is none.
    pub(super) fn receive_gossip(&mut self, link: LinkId, owner: Owner) -> bool {
        let Some(state) = self.links.get_mut(owner, link) else {
            return false;
        };
        match state.connection.receive_gossip() {
            Ok(None) => return false,
            Ok(Some(LinkEvent::Open { key, .. })) => {
                self.gossip_opened(link, owner, key.map(|key| *key));
            }
            Ok(Some(LinkEvent::Refused { .. })) => self.refuse_gossip(link),
            Ok(Some(LinkEvent::Message(message))) => {
                let (Some(links), Some(gossip)) = (&mut self.links.gossip, &mut self.gossip) else {
                    return false;
                };
                let trust = self.node.security().map(|security| &security.trust);
                gossip.handle_message(link, message, trust, self.cx.now);
                match owner {
                    Owner::GossipHub(hub) => links.note_message(hub, &mut self.cx),
                    _ if gossip.has_said_hello(link) => links.note_hello(link, &mut self.cx),
                    _ => {}
                }
                // Before the next message, so that each has its answer.
                self.send_gossip_to(link, owner);
            }
            Err(fault) => self.break_gossip(link, owner, fault),
        }
        true
    }

    fn gossip_opened(&mut self, link: LinkId, owner: Owner, key: Option<PublicKey>) {
        if owner == Owner::GossipClient
            && let Some(links) = &mut self.links.gossip
        {
            // What is trusted may have changed since the handshake began.
            if key.is_some_and(|key| !self.node.trusts(&key)) {
                return self.break_gossip(link, owner, Fault::NotTrusted);
            }
            links.note_key(link, key);
        }
        let remote = self.gossip_remote(link, owner);
        let (Some(links), Some(gossip)) = (&mut self.links.gossip, &mut self.gossip) else {
            return;
        };
        let side = match owner {
            Owner::GossipHub(hub) => {
                links.opened(hub, &mut self.cx);
                Side::Hub(hub)
            }
            _ => Side::Client,
        };
        gossip.handle_open(link, side, remote, self.cx.now);
        self.set_own_place(link, owner);
        self.send_gossip_to(link, owner);
    }

    /// Something has been written, so there may be room for more. Not looked at each time: a client
    /// that reads nothing would delay all that is written to peers.
    pub(super) fn gossip_written(&mut self) {
        if self.links.gossip.as_ref().is_some_and(|it| it.is_full) {
            let at = self.cx.now + ROOM_PAUSE;
            self.cx.deadlines.set_earlier(EngineTimer::Gossip, at);
        }
    }

    pub(super) fn gossip_timed_out(&mut self) {
        if let Some(gossip) = &mut self.gossip {
            gossip.handle_timeout(self.cx.now);
        }
    }

    /// Tells gossip what has become of peers, carries out what it wants, and sends what it says.
    pub(super) fn settle_gossip(&mut self) {
        loop {
            let changes = self.node.take_changes();
            let Some(gossip) = self.gossip.as_mut().filter(|_| !self.node.is_stopped()) else {
                return;
            };
            for (peer, is_final) in changes {
                let standing = self.node.standing(peer);
                gossip.handle_standing(peer, standing, is_final, self.cx.now);
            }
            let Some(output) = gossip.poll_output() else {
                break;
            };
            self.carry_out_gossip(output);
        }
        self.watch_gossip();
    }

    fn carry_out_gossip(&mut self, output: GossipOutput) {
        match output {
            GossipOutput::Untrusted { peer, key } => {
                self.node.hear_untrusted(peer, key, self.cx.now);
            }
            GossipOutput::Seek {
                peer,
                place,
                is_again,
            } => {
                let now = self.cx.now;
                let attempts = &mut self.cx.attempts;
                let sought = match attempts.may_begin_gossiped(&place.endpoint, now) {
                    true => self.node.handle_tuple(peer, place, is_again, now),
                    false => Sought::Later,
                };
                if let Some(gossip) = &mut self.gossip {
                    gossip.handle_sought(peer, sought, self.cx.now);
                }
                self.carry_out();
            }
            GossipOutput::Close { link, reason } => {
                if let Some(owner) = self.cx.owner(link) {
                    self.close_gossip(link, owner, reason);
                }
            }
        }
    }

    /// Sends what is new, and sets the timer.
    fn watch_gossip(&mut self) {
        let Some(gossip) = &mut self.gossip else {
            return;
        };
        for notice in gossip.take_notices() {
            self.cx.notices.push(notice);
        }
        if !gossip.take_news() {
            return;
        }
        self.send_gossip();
        let due_at = self
            .gossip
            .as_ref()
            .and_then(|gossip| gossip.poll_timeout());
        match due_at {
            Some(at) => self.cx.deadlines.set(EngineTimer::Gossip, at),
            None => self.cx.deadlines.clear(EngineTimer::Gossip),
        }
    }

    fn send_gossip(&mut self) {
        let Some(links) = &mut self.links.gossip else {
            return;
        };
        links.is_full = false;
        for (link, owner) in links.all() {
            self.send_gossip_to(link, owner);
        }
    }

    /// Sends as much over a connection as there is room for.
    fn send_gossip_to(&mut self, link: LinkId, owner: Owner) {
        let (Some(links), Some(gossip)) = (&mut self.links.gossip, &mut self.gossip) else {
            return;
        };
        loop {
            let Some(state) = links.get_mut(owner, link) else {
                return;
            };
            if state.connection.queued() >= WAITING {
                links.is_full = true;
                break;
            }
            let Some(message) = gossip.next_message(link, self.cx.now) else {
                break;
            };
            state.connection.send_gossip(&message);
        }
        self.tell_writable(link);
    }
}
