//! Connections that came in and carry no peer's session yet.
//!
//! Anybody can open them, so they are few, hold little and do not live long. A connection leaves
//! here when a message over it belongs to a peer's session. Until then its other side has only
//! *said* who it is, and no peer loses its own connection for that.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{
    cmp::Reverse,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use zre_proto::{PeerId, RoutingId, curve::PublicKey};

use super::{
    claims::{Claim, Rank, message_weight},
    context::{EngineContext, Owner},
    fixed::proof::Behind,
    link_state::LinkState,
    output::LinkId,
    places::Places,
};
use crate::{
    backlog::{Backlog, Patience},
    config::Config,
    error::LinkError,
    link::Connection,
    notice::Notice,
    time::Instant,
};

/// A connection over which nothing has come for so long is the first to make room.
const QUIET: Duration = Duration::from_secs(1);

/// All of them together.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct UnclaimedLinks<C> {
    /// In the order in which they came.
    links: BTreeMap<LinkId, UnclaimedLink<C>>,
    /// The memory of all of them, most of it for messages whose end has not come.
    unfinished: usize,
    /// How many are parked.
    parked: usize,
    /// Whether something has changed that parked ones may wait for.
    changed: bool,
    places: Places,
}

/// One of them.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct UnclaimedLink<C> {
    pub(super) state: LinkState<C>,
    remote: SocketAddr,
    /// Who the other side says it is, once the handshake is over. Nothing proves it.
    pub(super) said_identity: Option<RoutingId>,
    /// The key that the other side has proved to have, in a node that has one itself.
    pub(super) key: Option<PublicKey>,
    /// Whether that is not trusted, which is being told to the other side.
    pub(super) is_refused: bool,
    patience: Patience,
    /// Its first message, while it is parked.
    claim: Option<Claim>,
    /// What has come behind that and has been decoded, in the hope that it shows whose it is.
    pub(super) behind: Behind,
}

impl<C> UnclaimedLink<C> {
    /// The peer that the other side says it is.
    pub(super) fn said_peer(&self) -> Option<PeerId> {
        self.said_identity.map(|id| id.peer())
    }

    /// Whether nothing is to be read from it for now; see [`claims`](super::claims).
    pub(super) fn is_parked(&self) -> bool {
        self.claim.is_some()
    }

    /// Whether it is parked until something happens here, not until its peer has answered.
    pub(super) fn awaits_us(&self) -> bool {
        self.claim.as_ref().is_some_and(Claim::awaits_us)
    }

    /// Whether so much has been read behind its first message that it is read no further.
    pub(super) fn is_read_ahead(&self) -> bool
    where
        C: Connection,
    {
        const AHEAD: usize = 32 << 10;
        self.state.connection.unread() >= AHEAD
    }

    fn claims(&self, peer: PeerId) -> bool {
        self.is_parked() && self.said_peer() == Some(peer)
    }
}

impl<C: Connection> UnclaimedLinks<C> {
    pub(super) fn new() -> Self {
        Self {
            links: BTreeMap::new(),
            unfinished: 0,
            parked: 0,
            changed: false,
            places: Places::default(),
        }
    }

    /// A connection came in. If they are too many, one of those goes that come from the address
    /// with the most: one over which nothing has come for a second, or else the oldest. On loopback
    /// all come from one address.
    pub(super) fn accept(
        &mut self,
        connection: C,
        remote: SocketAddr,
        config: &Config,
        backlog: &Backlog,
        cx: &mut EngineContext,
    ) -> LinkId {
        let patience = Patience::until(cx.now + config.handshake_timeout, backlog);
        let link = cx.add_link(Owner::Unclaimed, patience.deadline());
        let unclaimed = UnclaimedLink {
            state: LinkState::new(link, connection, cx.now),
            remote,
            said_identity: None,
            key: None,
            is_refused: false,
            patience,
            claim: None,
            behind: Behind::default(),
        };
        self.links.insert(link, unclaimed);
        self.places.add(remote.ip());
        self.count_unfinished(link, cx.now);
        self.limit_places(config.limits.unclaimed_links, cx);
        link
    }

    fn limit_places(&mut self, limit: usize, cx: &mut EngineContext) {
        if self.links.len() <= limit {
            return;
        }
        let most = self.places.most();
        let crowding = self.links.iter();
        let crowding = crowding.filter(|(_, it)| self.places.of(it.remote.ip()) == most);
        // Those that have just said something come last, in the order in which they came.
        let order = |it: &UnclaimedLink<C>| match cx.now.since(it.state.read_at) >= QUIET {
            true => (0, it.state.read_at),
            false => (1, Instant::default()),
        };
        let first = crowding.min_by_key(|(link, it)| (order(it), **link));
        if let Some((link, first)) = first {
            let (link, remote) = (*link, first.remote);
            cx.notices.push(Notice::LinkLimit { remote, limit });
            self.close(link, cx);
        }
    }

    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut UnclaimedLink<C>> {
        self.links.get_mut(&link)
    }

    /// What a connection holds also while nothing has come over it: its state and its greeting.
    const FIXED: usize = size_of::<UnclaimedLink<C>>() + 128;

    fn count_unfinished(&mut self, link: LinkId, now: Instant) {
        if let Some(unclaimed) = self.links.get_mut(&link) {
            let claim = unclaimed.claim.as_ref().map_or(0, Claim::weight);
            let behind = unclaimed.behind.messages.iter().map(message_weight);
            let claim = claim + behind.sum::<usize>();
            let (state, total) = (&mut unclaimed.state, &mut self.unfinished);
            state.count_unfinished(Self::FIXED + claim, total, now);
        }
    }

    /// Counts what a connection holds that has been read. If all together hold too much, those are
    /// closed whose begun message has stood still longest, then the youngest. These are hardly
    /// honest peers, whose HELLO mostly comes in one piece. Then the parked ones go that hold most.
    pub(super) fn limit_unfinished(&mut self, link: LinkId, limit: usize, cx: &mut EngineContext) {
        self.count_unfinished(link, cx.now);
        while self.unfinished > limit {
            // At most `unclaimed_links` of them, and only when the limit is passed.
            let links = self.links.iter();
            let begun = links.filter_map(|(link, it)| Some((it.state.moved_at()?, link, it)));
            let stillest = begun.min_by_key(|(moved_at, link, _)| (*moved_at, Reverse(**link)));
            let parked = self.links.iter().filter(|(_, it)| it.is_parked());
            let largest = || parked.max_by_key(|(link, it)| (it.state.counted(), **link));
            let stillest = stillest.map(|(_, link, it)| (link, it));
            let Some((link, loser)) = stillest.or_else(largest) else {
                return;
            };
            let (link, remote) = (*link, loser.remote);
            cx.notices.push(Notice::UnclaimedBytes { remote, limit });
            self.close(link, cx);
        }
    }

    /// Closes a connection that has had its time; one whose bytes may lie unread is given more.
    pub(super) fn check_handshake(
        &mut self,
        link: LinkId,
        backlog: &Backlog,
        cx: &mut EngineContext,
    ) {
        let Some(unclaimed) = self.links.get_mut(&link) else {
            return;
        };
        if unclaimed.is_refused {
            return self.close(link, cx);
        }
        // What a parked one waits for comes, or does not come, in its own time.
        if !unclaimed.is_parked() && cx.is_handshake_over(link, &mut unclaimed.patience, backlog) {
            self.refuse(link, LinkError::HandshakeTimeout, cx);
        }
    }

    /// Closes a connection for what came over it, or did not.
    pub(super) fn refuse(&mut self, link: LinkId, error: LinkError, cx: &mut EngineContext) {
        if let Some(unclaimed) = self.remove(link) {
            let remote = unclaimed.remote;
            cx.notices.push(Notice::LinkClosed { remote, error });
            cx.close_link(link);
        }
    }

    /// Takes a connection out that a peer owns now, or that has ended.
    pub(super) fn remove(&mut self, link: LinkId) -> Option<UnclaimedLink<C>> {
        let mut unclaimed = self.links.remove(&link)?;
        self.parked -= usize::from(unclaimed.is_parked());
        unclaimed.state.uncount(&mut self.unfinished);
        self.places.remove(unclaimed.remote.ip());
        Some(unclaimed)
    }

    /// Closes one from our side.
    pub(super) fn close(&mut self, link: LinkId, cx: &mut EngineContext) {
        if self.remove(link).is_some() {
            cx.close_link(link);
        }
    }

    /// Closes those that have proved to have a key which is meant.
    pub(super) fn close_where(
        &mut self,
        is_meant: impl Fn(&PublicKey) -> bool,
        cx: &mut EngineContext,
    ) {
        let links = self.links.iter();
        let meant = links.filter(|(_, it)| it.key.as_ref().is_some_and(&is_meant));
        let meant: Vec<_> = meant.map(|(link, _)| *link).collect();
        for link in meant {
            self.close(link, cx);
        }
    }

    /// The key that the other side of a connection has proved to have.
    pub(super) fn key(&self, link: LinkId) -> Option<PublicKey> {
        self.links.get(&link)?.key
    }

    pub(super) fn close_all(&mut self, cx: &mut EngineContext) {
        while let Some(link) = self.links.keys().next().copied() {
            self.close(link, cx);
        }
    }
}

/// Parked ones; see [`claims`](super::claims).
impl<C: Connection> UnclaimedLinks<C> {
    /// Keeps a connection's first message, and reads no more from it. If many are parked under one
    /// identity, the oldest goes, but first those that are least likely the peer's.
    pub(super) fn park(
        &mut self,
        link: LinkId,
        claim: Claim,
        rank: impl Fn(PeerId, IpAddr) -> Rank,
        cx: &mut EngineContext,
    ) {
        /// So many of one identity.
        const PLACES: usize = 4;
        let Some(unclaimed) = self.links.get_mut(&link) else {
            return;
        };
        let (said_peer, remote) = (unclaimed.said_peer(), unclaimed.remote.ip());
        self.parked += usize::from(unclaimed.claim.replace(claim).is_none());
        self.changed = true;
        let Some(peer) = said_peer else {
            return;
        };
        let rivals = self.links.iter().filter(|(_, it)| it.claims(peer));
        let rivals: Vec<_> = rivals.map(|(link, it)| (*link, it.remote.ip())).collect();
        if rivals.len() > PLACES {
            // One address must not take the places of all others.
            let of_address = rivals.iter().filter(|(_, ip)| *ip == remote).count();
            let is_greedy = of_address > PLACES / 2;
            let may_go = rivals.iter().filter(|(_, ip)| !is_greedy || *ip == remote);
            let first = may_go.min_by_key(|(link, ip)| (rank(peer, *ip), *link));
            if let Some((oldest, _)) = first {
                self.close(*oldest, cx);
            }
        }
    }

    /// Something has changed that parked ones may wait for.
    pub(super) fn note_change(&mut self) {
        self.changed = self.parked > 0;
    }

    /// Whether something has changed that parked ones may wait for.
    pub(super) fn has_changed(&self) -> bool {
        self.changed
    }

    /// Whether something has changed since this was asked last.
    pub(super) fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed) && self.parked > 0
    }

    /// Those that are parked: who they say they are, and where they come from.
    pub(super) fn claims(&self) -> impl Iterator<Item = (LinkId, PeerId, IpAddr)> {
        let parked = self.links.iter().filter(|(_, it)| it.is_parked());
        parked.filter_map(|(link, it)| Some((*link, it.said_peer()?, it.remote.ip())))
    }

    /// Whether one is parked under this identity.
    pub(super) fn is_claimed(&self, peer: PeerId) -> bool {
        self.parked > 0 && self.links.values().any(|it| it.claims(peer))
    }

    /// Whether one is parked under this identity that came from this address.
    pub(super) fn is_claimed_from(&self, peer: PeerId, address: IpAddr) -> bool {
        let mut claims = self.links.values();
        self.parked > 0
            && claims.any(|it| it.claims(peer) && it.remote.ip().to_canonical() == address)
    }

    pub(super) fn behind(&self, link: LinkId) -> Option<&Behind> {
        self.links.get(&link).map(|it| &it.behind)
    }

    pub(super) fn claim(&self, link: LinkId) -> Option<&Claim> {
        self.links.get(&link)?.claim.as_ref()
    }

    /// Takes the first message of a parked connection, which is parked no more.
    pub(super) fn take_claim(&mut self, link: LinkId) -> Option<(Claim, SocketAddr)> {
        let unclaimed = self.links.get_mut(&link)?;
        let claim = unclaimed.claim.take()?;
        self.parked -= 1;
        Some((claim, unclaimed.remote))
    }

    pub(super) fn remote(&self, link: LinkId) -> Option<SocketAddr> {
        self.links.get(&link).map(|it| it.remote)
    }

    /// Whether a connection may be read. A parked one is read a little further, though nothing of
    /// that is handled: else its end would not be noticed.
    pub(super) fn may_read(&self, link: LinkId) -> bool {
        if self.parked == 0 {
            return true;
        }
        let parked = self.links.get(&link).filter(|it| it.is_parked());
        parked.is_none_or(|it| !it.is_read_ahead())
    }

    /// The memory that counts for the budget.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.unfinished
    }

    /// Releases the memory of bursts.
    pub(super) fn release_memory(&mut self) {
        for unclaimed in self.links.values_mut() {
            unclaimed.state.connection.release_memory();
        }
    }
}
