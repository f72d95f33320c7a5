//! Connections that came in and carry no peer's session yet.
//!
//! Anybody can open them, so they are few, hold little and do not live long. A connection leaves
//! here when a message over it belongs to a peer's session. Until then its other side has only
//! *said* who it is, and no peer loses its own connection for that.

use alloc::collections::BTreeMap;
use core::{cmp::Reverse, net::SocketAddr, time::Duration};

use zre_proto::{PeerId, RoutingId};

use super::{
    context::{EngineContext, Owner},
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
pub(super) struct UnclaimedLinks<C> {
    /// In the order in which they came.
    links: BTreeMap<LinkId, UnclaimedLink<C>>,
    /// The memory of all of them, most of it for messages whose end has not come.
    unfinished: usize,
    places: Places,
}

/// One of them.
#[derive(Debug)]
pub(super) struct UnclaimedLink<C> {
    pub(super) state: LinkState<C>,
    remote: SocketAddr,
    /// Who the other side says it is, once the handshake is over. Nothing proves it.
    pub(super) said_identity: Option<RoutingId>,
    patience: Patience,
}

impl<C> UnclaimedLink<C> {
    /// The peer that the other side says it is.
    pub(super) fn said_peer(&self) -> Option<PeerId> {
        self.said_identity.map(|id| id.peer())
    }
}

impl<C: Connection> UnclaimedLinks<C> {
    pub(super) fn new() -> Self {
        Self {
            links: BTreeMap::new(),
            unfinished: 0,
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
            patience,
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
            let (state, total) = (&mut unclaimed.state, &mut self.unfinished);
            state.count_unfinished(Self::FIXED, total, now);
        }
    }

    /// Counts what a connection holds that has been read. If all together hold too much, those are
    /// closed whose begun message has stood still longest, then the youngest. These are hardly
    /// honest peers, whose HELLO mostly comes in one piece.
    pub(super) fn limit_unfinished(&mut self, link: LinkId, limit: usize, cx: &mut EngineContext) {
        self.count_unfinished(link, cx.now);
        while self.unfinished > limit {
            // At most `unclaimed_links` of them, and only when the limit is passed.
            let links = self.links.iter();
            let begun = links.filter_map(|(link, it)| Some((it.state.moved_at()?, link, it)));
            let stillest = begun.min_by_key(|(moved_at, link, _)| (*moved_at, Reverse(**link)));
            let Some((_, link, stillest)) = stillest else {
                return;
            };
            let (link, remote) = (*link, stillest.remote);
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
        if let Some(unclaimed) = self.links.get_mut(&link)
            && cx.is_handshake_over(link, &mut unclaimed.patience, backlog)
        {
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

    pub(super) fn close_all(&mut self, cx: &mut EngineContext) {
        while let Some(link) = self.links.keys().next().copied() {
            self.close(link, cx);
        }
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
