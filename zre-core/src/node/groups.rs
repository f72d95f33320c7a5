//! Groups, and the messages inside a session.

use zre_proto::{Body, GroupName, PeerId};

use super::{Node, Verdict, peer::Peer};
use crate::{
    error::Fault,
    event::{Event, ExitReason},
    notice::Notice,
};

impl Node {
    pub(super) fn join_own(&mut self, group: &GroupName) {
        if !self.own_groups.insert(group.clone()) {
            return;
        }
        self.status = self.status.wrapping_add(1);
        let (group, status) = (group.clone(), self.status);
        self.send_to_all(&Body::Join { group, status });
    }

    pub(super) fn leave_own(&mut self, group: &GroupName) {
        if !self.own_groups.remove(group) {
            return;
        }
        self.status = self.status.wrapping_add(1);
        let (group, status) = (group.clone(), self.status);
        self.send_to_all(&Body::Leave { group, status });
    }

    /// Everybody who has our HELLO counts our status, also before its own HELLO has come.
    fn send_to_all(&mut self, body: &Body) {
        let peers = self.peers.ids().to_vec();
        for peer in peers {
            self.send(peer, body.clone());
        }
    }

    pub(super) fn message_in_session(
        &mut self,
        peer: PeerId,
        sequence: u16,
        body: Body,
    ) -> Verdict {
        let kind = body.kind();
        let now = self.now;
        let Some(known) = self.peers.get_mut(&peer).filter(|peer| peer.is_ready()) else {
            self.notices.push(Notice::Stray { peer, kind });
            return Verdict::Ignored;
        };
        if !known.sequence.fits(sequence) {
            let expected = known.sequence.expected();
            let received = sequence;
            return self.refuse(peer, Fault::Sequence { expected, received });
        }
        if known.sequence.shows_early_wrap(sequence) {
            self.notices.push(Notice::EarlyWrap { peer });
        }
        known.sequence.accept(sequence);
        known.heard_at = now;
        match (body, known.ready()) {
            (Body::Whisper { content }, Some(ready)) => {
                let name = ready.name.clone();
                self.events.push(Event::Whisper {
                    peer,
                    name,
                    content,
                });
            }
            (body, _) => self.take_other(peer, body),
        }
        Verdict::Accepted
    }

    fn take_other(&mut self, peer: PeerId, body: Body) {
        match body {
            Body::Shout { group, content } => {
                let group = self.shared_name(group);
                if let Some(name) = self.name_of(peer) {
                    self.events.push(Event::Shout {
                        peer,
                        name,
                        group,
                        content,
                    });
                }
            }
            Body::Join { group, status } => {
                self.peer_joined_group(peer, &group);
                self.check_status(peer, status);
            }
            Body::Leave { group, status } => {
                self.peer_left_group(peer, &group);
                self.check_status(peer, status);
            }
            Body::Ping => self.send(peer, Body::PingOk),
            Body::PingOk => self.count_answer(peer),
            Body::Goodbye => self.exit(peer, ExitReason::Goodbye),
            other => {
                let kind = other.kind();
                self.notices.push(Notice::UnknownMessage { peer, kind });
            }
        }
    }

    fn name_of(&mut self, peer: PeerId) -> Option<zre_proto::ShortText> {
        let ready = self.peers.get_mut(&peer)?.ready_mut()?;
        Some(ready.name.clone())
    }

    /// Adopts the peer's own count: zyre, pyre and gyre die of a wrong one, we note it.
    fn check_status(&mut self, peer: PeerId, received: u8) {
        let Some(ready) = self.peers.get_mut(&peer).and_then(Peer::ready_mut) else {
            return;
        };
        let expected = ready.status.wrapping_add(1);
        ready.status = received;
        if received != expected {
            self.notices.push(Notice::Status {
                peer,
                expected,
                received,
            });
        }
    }

    /// The name as it is held already: all who are in a group share the memory of its name.
    fn shared_name(&self, group: GroupName) -> GroupName {
        match self.members.get_key_value(&group) {
            Some((known, _)) => known.clone(),
            None => group,
        }
    }

    /// Enters a peer into a group, if it is not in it and there is room.
    pub(super) fn peer_joined_group(&mut self, peer: PeerId, group: &GroupName) {
        let limit = self.config.limits.groups_per_peer;
        let group = self.shared_name(group.clone());
        let Some(ready) = self.peers.get_mut(&peer).and_then(Peer::ready_mut) else {
            return;
        };
        let Err(place) = ready.groups.binary_search(&group) else {
            return;
        };
        if ready.groups.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            self.notices.push(Notice::GroupLimit { peer, group, limit });
            return;
        }
        ready.groups.insert(place, group.clone());
        let name = ready.name.clone();
        self.members.entry(group.clone()).or_default().insert(peer);
        self.events.push(Event::Join { peer, name, group });
    }

    /// Takes a peer out of a group, if it is in it.
    pub(super) fn peer_left_group(&mut self, peer: PeerId, group: &GroupName) {
        let Some(ready) = self.peers.get_mut(&peer).and_then(Peer::ready_mut) else {
            return;
        };
        let Ok(place) = ready.groups.binary_search(group) else {
            return;
        };
        let group = ready.groups.remove(place);
        let name = ready.name.clone();
        self.remove_member(&group, peer);
        self.events.push(Event::Leave { peer, name, group });
    }

    pub(super) fn remove_member(&mut self, group: &GroupName, peer: PeerId) {
        if let Some(members) = self.members.get_mut(group) {
            members.remove(&peer);
            if members.is_empty() {
                self.members.remove(group);
            }
        }
    }
}
