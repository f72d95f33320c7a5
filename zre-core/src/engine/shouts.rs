//! Messages to groups, and members that do not keep up.

use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;

use zre_proto::{Content, GroupName, PeerId};

use super::{
    Engine, Shouted,
    backpressure::SendCapacity,
    context::{EngineContext, EngineTimer},
};
use crate::{error::Error, event::Event, link::Connection, node::Node, time::Instant};

/// How often the application hears at most that shouts to a group pass over a member.
const INTERVAL: Duration = Duration::from_secs(1);

impl<C: Connection> Engine<C> {
    /// Sends a message to the members of a group that have room for it.
    ///
    /// The others are [`full`](Shouted#structfield.full). What to do about them is the caller's
    /// choice, for which there is [`slow_members`](crate::Config#structfield.slow_members): send to
    /// them when they have room, with [`shout_to`](Engine::shout_to), or [`skip`](Engine::skip)
    /// them.
    ///
    /// # Errors
    ///
    /// [`Error::MessageTooLarge`] or [`Error::Stopped`].
    pub fn shout(
        &mut self,
        group: &GroupName,
        content: Content,
        now: Instant,
    ) -> Result<Shouted, Error> {
        let members: Vec<_> = self.node.peers_by_group(group).collect();
        self.shout_to(&members, group, content, now)
    }

    /// Sends a message for a group to some of its members: to those that [`shout`](Engine::shout)
    /// found full.
    ///
    /// # Errors
    ///
    /// As [`shout`](Engine::shout).
    pub fn shout_to(
        &mut self,
        peers: &[PeerId],
        group: &GroupName,
        content: Content,
        now: Instant,
    ) -> Result<Shouted, Error> {
        self.command(now)?;
        let (mut full, mut ready, mut missed) = (Vec::new(), Vec::new(), Vec::new());
        // A slow member holds up nobody else: the caller may send to it again later.
        for peer in peers {
            match self.capacity(*peer) {
                SendCapacity::Available => ready.push(*peer),
                SendCapacity::Full if self.laggards.is_behind(*peer) => missed.push(*peer),
                SendCapacity::Full => full.push(*peer),
                // It is about to be removed, and no longer a member then.
                SendCapacity::Lost => {}
            }
        }
        // Before this message waits for them, too.
        self.see_caught_up(&ready);
        let reached = self.node.shout_to(&ready, group, content, self.cx.now)?;
        self.settle();
        self.pass_over(&missed, group);
        if reached < ready.len() {
            // Somebody has left the group since it was asked for its members.
            ready.retain(|peer| {
                self.node
                    .peers_by_group(group)
                    .any(|member| member == *peer)
            });
        }
        Ok(Shouted {
            reached,
            sent_to: ready,
            passed_over: missed,
            full,
        })
    }

    /// A shout to a group is not sent to these members any more, which were full for too long: the
    /// application is told ([`Event::Skipped`]).
    ///
    /// From now on further shouts pass them over at once while they are full, and do not name them
    /// as full, until less than half of the outbound limit waits for them.
    pub fn skip(&mut self, peers: &[PeerId], group: &GroupName, now: Instant) {
        self.cx.advance(now);
        for peer in peers {
            // One that is gone meanwhile has missed nothing.
            if self.node.is_ready(*peer) {
                self.laggards.fall_behind(*peer);
            }
        }
        self.pass_over(peers, group);
    }

    /// The first member of a group that has no room for another message.
    pub fn full_member(&self, group: &GroupName) -> Option<PeerId> {
        let mut members = self.node.peers_by_group(group);
        members.find(|peer| self.is_full(*peer))
    }

    /// Members are waited for again when they have caught up.
    fn see_caught_up(&mut self, peers: &[PeerId]) {
        if self.laggards.0.is_empty() {
            return;
        }
        let half = self.node.config().limits.outbound / 2;
        for peer in peers {
            let links = self.links.of_peer(*peer);
            if links.is_none_or(|links| links.queued() <= half) {
                self.laggards.catch_up(*peer);
            }
        }
    }

    /// These members have missed a shout.
    fn pass_over(&mut self, peers: &[PeerId], group: &GroupName) {
        for peer in peers {
            if let Some(laggard) = self.laggards.0.get_mut(peer) {
                laggard.miss(*peer, group, &mut self.node, &mut self.cx);
            }
        }
    }

    /// Tells what members have missed since it was last told.
    pub(super) fn tell_skipped(&mut self) {
        let (node, cx) = (&mut self.node, &mut self.cx);
        self.laggards.0.retain(|peer, laggard| {
            laggard.tell_all(*peer, node, cx);
            laggard.is_behind || !laggard.missed.is_empty()
        });
    }
}

/// The members of groups that have been passed over.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Laggards(BTreeMap<PeerId, Laggard>);

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Laggard {
    /// Whether it has not caught up since.
    is_behind: bool,
    missed: BTreeMap<GroupName, Missed>,
}

/// The shouts to one group that a member has missed.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Missed {
    /// How many the application has not been told of.
    untold: u64,
    told_at: Option<Instant>,
}

impl Laggards {
    fn is_behind(&self, peer: PeerId) -> bool {
        !self.0.is_empty() && self.0.get(&peer).is_some_and(|laggard| laggard.is_behind)
    }

    fn fall_behind(&mut self, peer: PeerId) {
        self.0.entry(peer).or_default().is_behind = true;
    }

    fn catch_up(&mut self, peer: PeerId) {
        if let Some(laggard) = self.0.get_mut(&peer) {
            laggard.is_behind = false;
            if laggard.missed.is_empty() {
                self.0.remove(&peer);
            }
        }
    }

    /// The peer is gone, or in a new session. What it has missed is not told any more.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.0.remove(&peer);
    }
}

impl Laggard {
    fn miss(&mut self, peer: PeerId, group: &GroupName, node: &mut Node, cx: &mut EngineContext) {
        // Looked for first, as the group's name is not cloned for each shout.
        if !self.missed.contains_key(group) {
            self.missed.insert(group.clone(), Missed::default());
        }
        if let Some(missed) = self.missed.get_mut(group) {
            missed.untold += 1;
            missed.tell_if_due(peer, group, node, cx);
        }
    }

    /// Tells what is due, and forgets the groups to which no shout has been missed since.
    fn tell_all(&mut self, peer: PeerId, node: &mut Node, cx: &mut EngineContext) {
        self.missed.retain(|group, missed| {
            let has_news = missed.untold > 0;
            missed.tell_if_due(peer, group, node, cx);
            has_news || !missed.may_tell(cx.now)
        });
    }
}

impl Missed {
    fn tell_if_due(
        &mut self,
        peer: PeerId,
        group: &GroupName,
        node: &mut Node,
        cx: &mut EngineContext,
    ) {
        // An application that is behind with what the peer has sent is told the sum later.
        if self.untold > 0 && self.may_tell(cx.now) && node.may_take(peer) {
            self.told_at = Some(cx.now);
            let messages = core::mem::take(&mut self.untold);
            if let Some(info) = node.peer(peer) {
                let (name, group) = (info.name, group.clone());
                node.tell(Event::Skipped {
                    peer,
                    name,
                    group,
                    messages,
                });
            }
        }
        // Also if there is nothing to tell: then it is forgotten.
        let told_at = self.told_at.filter(|_| !self.may_tell(cx.now));
        let at = told_at.unwrap_or(cx.now) + INTERVAL;
        cx.deadlines.set_earlier(EngineTimer::Skipped, at);
    }

    /// Whether the application has not heard of it for long enough.
    fn may_tell(&self, now: Instant) -> bool {
        self.told_at.is_none_or(|at| now.since(at) >= INTERVAL)
    }
}
