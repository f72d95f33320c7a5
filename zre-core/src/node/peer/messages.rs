//! The messages inside a session, and the groups that a peer is in.

use alloc::{collections::BTreeSet, vec::Vec};

use zre_proto::{Body, GroupName, PeerId, ShortText};

use super::{
    Peer, PeerEffect,
    channel::Channel,
    session::{HelloReply, Ready, Session},
};
use crate::{
    error::Fault,
    event::{Event, ExitReason},
    node::{context::NodeContext, election::Word, members::Members, told},
    notice::Notice,
};

impl Peer {
    /// A message other than HELLO came. It does nothing to a peer that has not entered.
    pub(crate) fn take_message(
        &mut self,
        received: u16,
        body: Body,
        members: &mut Members,
        context: &mut NodeContext,
    ) -> PeerEffect {
        let Session::Ready(ready) = &mut self.session else {
            return PeerEffect::Nothing;
        };
        // RFC 36, "Protocol Grammar": messages come in order and without gaps. A gap means that
        // some were lost, and a session with lost messages is over.
        let sequence = &mut self.channel.sequence;
        if !sequence.fits(received) {
            let expected = sequence.expected();
            let fault = Fault::Sequence { expected, received };
            return PeerEffect::Exit(ExitReason::ProtocolError(fault));
        }
        if sequence.shows_early_wrap(received) {
            let peer = self.channel.peer;
            context.notices.push(Notice::EarlyWrap { peer });
        }
        sequence.accept(received);
        self.heard_at = context.now;
        ready.take(body, &mut self.channel, members, context)
    }
}

impl Ready {
    fn take(
        &mut self,
        body: Body,
        channel: &mut Channel,
        members: &mut Members,
        context: &mut NodeContext,
    ) -> PeerEffect {
        let peer = channel.peer;
        match body {
            Body::Whisper { content } => {
                if context.requests.concern(&content) {
                    context.take_request(peer, &self.name, content);
                    return PeerEffect::Nothing;
                }
                let name = self.name.clone();
                context.events.push(Event::Whisper {
                    peer,
                    name,
                    content,
                });
            }
            Body::Shout { group, content } => {
                let (name, group) = (self.name.clone(), members.shared_name(group));
                context.events.push(Event::Shout {
                    peer,
                    name,
                    group,
                    content,
                });
            }
            Body::Join { group, status } => {
                if let Err(fault) = self.check_join(&group, context) {
                    return PeerEffect::Exit(ExitReason::ProtocolError(fault));
                }
                self.join(peer, group.clone(), members, context);
                self.check_status(peer, status, context);
                if context.own.groups.contains(&group) {
                    return PeerEffect::JoinedGroup(group);
                }
            }
            Body::Leave { group, status } => {
                self.leave(peer, &group, members, context);
                self.check_status(peer, status, context);
                if context.own.groups.contains(&group) {
                    return PeerEffect::LeftGroup(group);
                }
            }
            // Answered here and not by the application, which may be behind.
            Body::Ping => {
                let is_early = channel.asks_early(context);
                channel.send(Body::PingOk, context);
                if is_early {
                    return PeerEffect::AsksEarly;
                }
            }
            Body::PingOk => return self.take_answer(channel, context),
            // In no RFC: how zyre elects the leader of a group.
            Body::Elect { group, challenger } => {
                return take_word(peer, "ELECT", group, &challenger, Word::Elect, context);
            }
            Body::Leader { group, leader } => {
                return take_word(peer, "LEADER", group, &leader, Word::Leader, context);
            }
            // In no RFC: zyre sends it in gossip mode.
            Body::Goodbye => return PeerEffect::Exit(ExitReason::Goodbye),
            // It counted in the sequence, or the next message would seem out of order.
            other => {
                let kind = other.kind();
                context.notices.push(Notice::UnknownMessage { peer, kind });
            }
        }
        PeerEffect::Nothing
    }

    /// A PING has been answered, which may be what a rule waits for.
    fn take_answer(&mut self, channel: &mut Channel, context: &mut NodeContext) -> PeerEffect {
        // PING-OK carries no number (RFC 36). Answers come in order, so they are counted.
        let Some(answered) = channel.pings.count_answer() else {
            // Whoever sends answers on stock would answer each question that is put later.
            return PeerEffect::Exit(ExitReason::ProtocolError(Fault::UnaskedAnswer));
        };
        if matches!(self.reply, HelloReply::Verifying { ping, .. } if ping <= answered) {
            self.reply = HelloReply::Settled;
        }
        if self.doubt.take_if(|doubt| doubt.ping <= answered).is_some() {
            channel.is_in_doubt = false;
        }
        channel.ask_if_due(context);
        match self.liveness.take_answer(answered) {
            Some(claimant) => PeerEffect::RejectClaimant(claimant),
            None => PeerEffect::Nothing,
        }
    }

    /// Compares the peer's count of its joins and leaves with ours, and adopts it if it differs:
    /// the next one is then right again. zyre, pyre and gyre die of a wrong count.
    fn check_status(&mut self, peer: PeerId, received: u8, context: &mut NodeContext) {
        let expected = self.status.wrapping_add(1);
        // Before the check, so that one wrong count is noted once.
        self.status = received;
        if received != expected {
            context.notices.push(Notice::Status {
                peer,
                expected,
                received,
            });
        }
    }

    /// Makes the peer's groups those of its HELLO.
    pub(super) fn set_groups(
        &mut self,
        peer: PeerId,
        groups: BTreeSet<GroupName>,
        members: &mut Members,
        context: &mut NodeContext,
    ) {
        let is_left = |group: &&GroupName| !groups.contains(*group);
        // Collected first, as leaving changes the list.
        let left: Vec<_> = self.groups.iter().filter(is_left).cloned().collect();
        for group in &left {
            self.leave(peer, group, members, context);
        }
        for group in groups {
            self.join(peer, group, members, context);
        }
    }

    /// Whether the peer may join a group. If its JOIN were ignored, shouts to the group would miss
    /// it, and nobody would know.
    fn check_join(&self, group: &GroupName, context: &NodeContext) -> Result<(), Fault> {
        if self.groups.binary_search(group).is_ok() {
            return Ok(());
        }
        let limits = &context.config.limits;
        let limit = limits.groups_per_peer;
        if self.groups.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(Fault::TooManyGroups { limit });
        }
        let after = self.told + told::group_weight(group);
        context.told.check(self.told, after, limits)
    }

    /// Enters the peer into a group, if it is not in it.
    pub(super) fn join(
        &mut self,
        peer: PeerId,
        group: GroupName,
        members: &mut Members,
        context: &mut NodeContext,
    ) {
        // Joining again is no event, but it counts in the status, as with zyre.
        let Err(place) = self.groups.binary_search(&group) else {
            return;
        };
        let group = members.shared_name(group);
        let after = self.told + told::group_weight(&group);
        context.told.change(&mut self.told, after);
        if self.groups.is_empty() {
            // Mostly it stays at one, and a list that grows by itself begins with four.
            self.groups.reserve_exact(1);
        }
        self.groups.insert(place, group.clone());
        members.add(group.clone(), peer);
        let name = self.name.clone();
        context.events.push(Event::Join { peer, name, group });
    }

    /// Takes the peer out of a group, if it is in it.
    fn leave(
        &mut self,
        peer: PeerId,
        group: &GroupName,
        members: &mut Members,
        context: &mut NodeContext,
    ) {
        let Ok(place) = self.groups.binary_search(group) else {
            return;
        };
        let group = self.groups.remove(place);
        let after = self.told - told::group_weight(&group);
        context.told.change(&mut self.told, after);
        members.remove(&group, peer);
        let name = self.name.clone();
        context.events.push(Event::Leave { peer, name, group });
    }
}

/// A peer takes part in the election of a group's leader. What does not concern this node counts in
/// the sequence and does nothing.
fn take_word(
    peer: PeerId,
    kind: &'static str,
    group: GroupName,
    named: &ShortText,
    word: fn(PeerId) -> Word,
    context: &mut NodeContext,
) -> PeerEffect {
    let named = named.to_str().ok().and_then(|text| text.parse().ok());
    let reason = match named {
        Some(id) => {
            let word = word(id);
            return PeerEffect::Election { group, word };
        }
        None => "it names no UUID",
    };
    let notice = Notice::IgnoredElection { peer, kind, reason };
    context.notices.push(notice);
    PeerEffect::Nothing
}
