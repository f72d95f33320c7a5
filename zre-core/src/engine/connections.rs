//! Which connection carries which peer, and how connections come and go.
//!
//! A peer has two paths: the connection that we opened to it, and the one that it opened to us.
//! An accepted connection belongs to nobody until a message over it has been accepted by the peer's
//! session; so nobody loses a connection to a stranger who only claims its identity.

use alloc::{boxed::Box, string::ToString as _, vec::Vec};
use core::{net::SocketAddr, time::Duration};

use rand_chacha::rand_core::RngCore as _;
use zre_proto::{Endpoint, PeerId, RoutingId};

use super::{Engine, LinkId, Output, Timer};
use crate::{
    error::{Fault, LinkError},
    event::ExitReason,
    link::{Link, Role},
    notice::Notice,
    time::Instant,
};

/// How long the connection from a peer may be quiet after the connection to it broke.
const LOST_GRACE: Duration = Duration::from_millis(500);
/// How often a handshake is looked at whose octets may lie unread, for the application has to catch up.
const UNREAD_GRACE: Duration = Duration::from_secs(1);
/// How long a goodbye beacon may come behind the end of the connections.
const BEACON_GRACE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) link: Link,
    pub(super) end: End,
    pub(super) read_at: Instant,
    /// How many congestions had ended when its handshake was given time: what would end it may lie unread meanwhile.
    reliefs: u64,
    /// Whether [`Output::Writable`] waits to be taken.
    pub(super) writable_told: bool,
    /// What it was found to hold when it was read last, while it belongs to nobody.
    pub(super) counted: usize,
}

impl Connection {
    /// Whether it came in and belongs to nobody yet.
    pub(super) fn is_unready(&self) -> bool {
        matches!(self.end, End::Accepted { bound: None, .. })
    }
}

#[derive(Debug)]
pub(super) enum End {
    /// We opened it to this peer.
    Outgoing(PeerId),
    Accepted {
        remote: SocketAddr,
        /// Who the other side says it is, once the handshake is over.
        claims: Option<RoutingId>,
        /// The peer whose session it carries.
        bound: Option<PeerId>,
    },
}

/// The connections to and from one peer.
#[derive(Debug)]
pub(super) struct Paths {
    pub(super) to: Outgoing,
    pub(super) from: Option<LinkId>,
    opened_at: Instant,
    /// What waits for the peer and has not moved since it was looked at.
    pub(super) stuck: Option<Stuck>,
    /// Where the last PING went that the peer has to answer, or it is gone.
    pub(super) asked: Option<Asked>,
}

impl Paths {
    fn unopened(now: Instant) -> Self {
        Self {
            to: Outgoing::Unopened,
            from: None,
            opened_at: now,
            stuck: None,
            asked: None,
        }
    }
}

/// How far an outbox was written, and since when that has not changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stuck {
    pub(super) written: u64,
    pub(super) since: Instant,
}

/// A PING in the outbox, and what has become of that which stood before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// The PING's number.
    pub(super) ping: u64,
    pub(super) at: Instant,
    /// How far the outbox must be written until the PING is next.
    pub(super) before: u64,
    /// How far it was, up to there, when it was looked at.
    pub(super) written: u64,
    /// When that was seen to have changed; from the beginning, if anything stood before the PING.
    pub(super) moved_at: Option<Instant>,
}

/// The connection that we opened to a peer.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// The node has not asked for it yet.
    Unopened,
    /// It is being made, or is there.
    Link {
        link: LinkId,
        endpoint: Endpoint,
        attempt: u32,
    },
    /// An attempt failed; its messages wait for the next.
    Waiting {
        failed: Option<Box<Link>>,
        attempt: u32,
    },
    /// It was there and broke.
    Lost {
        since: Instant,
        /// How many congestions had ended when it was last looked at.
        reliefs: u64,
    },
}

impl Engine {
    /// A connection came in. More than the limit allow close the oldest that has not said HELLO.
    pub fn handle_accepted(&mut self, remote: SocketAddr, now: Instant) -> LinkId {
        self.advance(now);
        let end = End::Accepted {
            remote,
            claims: None,
            bound: None,
        };
        let link = self.add_connection(Role::Accepting, end);
        self.count_unready();
        self.tell_writable(link);
        if self.is_stopped() {
            self.close(link);
        }
        link
    }

    /// A connection asked for by [`Output::Open`] is there.
    pub fn handle_connected(&mut self, link: LinkId, now: Instant) {
        self.advance(now);
        self.tell_writable(link);
    }

    /// A connection could not be had, or has ended, and everything read from it has been handled.
    ///
    /// `error` is what the system said, for the log.
    pub fn handle_closed(&mut self, link: LinkId, error: &str, now: Instant) {
        self.advance(now);
        if let Some(connection) = self.connections.get(&link) {
            match connection.end {
                End::Outgoing(peer) if connection.link.is_open() => self.path_lost(peer),
                End::Outgoing(peer) => self.attempt_failed(peer, error),
                End::Accepted {
                    bound: Some(peer), ..
                } => self.both_paths_lost(peer),
                End::Accepted { .. } => {}
            }
        }
        self.remove_connection(link);
        self.settle();
    }

    /// Opens a path to a peer, in place of an older one. One whose own connection has ended is about to exit.
    pub(super) fn open_path(&mut self, peer: PeerId, endpoint: Endpoint) {
        if self.is_over(peer) {
            return;
        }
        let old = self.paths.remove(&peer);
        let from = old.as_ref().and_then(|old| old.from);
        if let Some(Paths {
            to: Outgoing::Link { link, .. },
            ..
        }) = old
        {
            self.close(link);
        }
        self.clear_path_timers(peer);
        let link = self.open_link(peer, &endpoint);
        let paths = Paths {
            to: Outgoing::Link {
                link,
                endpoint,
                attempt: 1,
            },
            from,
            ..Paths::unopened(self.now)
        };
        self.paths.insert(peer, paths);
    }

    pub(super) fn close_paths(&mut self, peer: PeerId) {
        let Some(paths) = self.paths.remove(&peer) else {
            return;
        };
        self.clear_path_timers(peer);
        if let Outgoing::Link { link, .. } = paths.to {
            self.close(link);
        }
        if let Some(link) = paths.from {
            self.close(link);
        }
    }

    fn clear_path_timers(&mut self, peer: PeerId) {
        for timer in [
            Timer::Reconnect(peer),
            Timer::Progress(peer),
            Timer::Lost(peer),
        ] {
            self.deadlines.clear(timer);
        }
    }

    /// Closes a connection from our side.
    pub(super) fn close(&mut self, link: LinkId) {
        if self.remove_connection(link).is_some() {
            self.outputs.push_back(Output::Close(link));
        }
    }

    /// Closes a connection because of what came over it; a peer that it carries is gone with it.
    pub(super) fn close_faulty(&mut self, link: LinkId, error: LinkError) {
        let Some(connection) = self.connections.get(&link) else {
            return;
        };
        match connection.end {
            End::Outgoing(peer) if !connection.link.is_open() => {
                self.attempt_failed(peer, &error.to_string());
                self.outputs.push_back(Output::Close(link));
                return;
            }
            End::Outgoing(peer) if !self.node.is_ready(peer) => {
                self.exit(peer, ExitReason::ConnectionLost);
            }
            End::Outgoing(peer)
            | End::Accepted {
                bound: Some(peer), ..
            } => self.node.handle_fault(peer, error.into(), self.now),
            End::Accepted { remote, claims, .. } => {
                let peer = claims.map(|id| id.peer());
                self.notices.push(Notice::LinkClosed {
                    remote,
                    error: error.clone(),
                });
                let is_fault = error != LinkError::HandshakeTimeout;
                if let Some(peer) = peer.filter(|peer| is_fault && !self.node.is_ready(*peer)) {
                    self.node.handle_fault(peer, Fault::Link(error), self.now);
                }
            }
        }
        self.close(link);
    }

    /// An accepted connection turns out to carry a peer's session. An older one gives way (ROUTER_HANDOVER).
    pub(super) fn bind(&mut self, link: LinkId, peer: PeerId) {
        if !self.node.is_ready(peer) {
            return;
        }
        let now = self.now;
        let paths = self
            .paths
            .entry(peer)
            .or_insert_with(|| Paths::unopened(now));
        let old = paths.from.replace(link);
        if let Some(connection) = self.connections.get_mut(&link)
            && let End::Accepted { bound, .. } = &mut connection.end
        {
            *bound = Some(peer);
            self.unready.remove(connection);
            self.deadlines.clear(Timer::Handshake(link));
        }
        if let Some(old) = old {
            self.close(old);
        }
    }

    /// Whether both connections of a peer have ended.
    fn is_over(&self, peer: PeerId) -> bool {
        let from = self.paths.get(&peer).and_then(|paths| paths.from);
        self.is_lost(peer) && from.is_none()
    }

    /// Whether the connection to a peer broke: it cannot be sent to any more.
    pub(super) fn is_lost(&self, peer: PeerId) -> bool {
        self.paths
            .get(&peer)
            .is_some_and(|paths| matches!(paths.to, Outgoing::Lost { .. }))
    }

    /// Whether a peer's session is carried by a connection that came in later than this one.
    pub(super) fn is_overtaken(&self, link: LinkId, peer: PeerId) -> bool {
        let from = self.paths.get(&peer).and_then(|paths| paths.from);
        from.is_some_and(|from| from > link)
    }

    pub(super) fn handshake_timed_out(&mut self, link: LinkId) {
        let (reliefs, is_congested) = (self.node.reliefs(), self.node.is_congested());
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        if is_congested || connection.reliefs != reliefs {
            connection.reliefs = reliefs;
            let again = self.now + UNREAD_GRACE;
            return self.deadlines.set(Timer::Handshake(link), again);
        }
        match connection.end {
            End::Outgoing(_) if connection.link.is_open() => {}
            End::Outgoing(peer) => {
                self.attempt_failed(peer, "it took too long");
                self.outputs.push_back(Output::Close(link));
            }
            End::Accepted { bound: Some(_), .. } => {}
            End::Accepted { .. } => self.close_faulty(link, LinkError::HandshakeTimeout),
        }
    }

    pub(super) fn reconnect(&mut self, peer: PeerId) {
        let Some(paths) = self.paths.get_mut(&peer) else {
            return;
        };
        let Outgoing::Waiting {
            failed, attempt, ..
        } = &mut paths.to
        else {
            return;
        };
        let (mut failed, attempt) = (core::mem::take(failed), *attempt);
        let Some(endpoint) = self.endpoint_for(peer, attempt) else {
            self.exit(peer, ExitReason::ConnectionLost);
            return;
        };
        let link = self.open_link(peer, &endpoint);
        if let (Some(connection), Some(failed)) = (self.connections.get_mut(&link), &mut failed) {
            connection.link.take_backlog(failed);
        }
        if let Some(paths) = self.paths.get_mut(&peer) {
            paths.to = Outgoing::Link {
                link,
                endpoint,
                attempt: attempt + 1,
            };
        }
    }

    /// A peer may have moved, or be reached otherwise than it says, so attempts take turns.
    fn endpoint_for(&self, peer: PeerId, attempts_before: u32) -> Option<Endpoint> {
        let endpoints: Vec<_> = self.node.endpoints(peer).collect();
        let turn = usize::try_from(attempts_before).unwrap_or_default();
        let turn = turn.checked_rem(endpoints.len())?;
        endpoints.get(turn).copied().cloned()
    }

    /// The connection to a peer broke some time ago. The process may be gone, or only our way to it:
    /// what it sent before still comes over its own connection, so the end of that decides, or
    /// that nothing more comes from there.
    pub(super) fn give_up_lost(&mut self, peer: PeerId) {
        let Some(&Paths {
            to: Outgoing::Lost { since, reliefs },
            from,
            ..
        }) = self.paths.get(&peer)
        else {
            return;
        };
        let from = from.and_then(|link| self.connections.get(&link));
        let still_comes = from.is_some_and(|from| {
            let patience = self.node.config().evasive_after;
            let quiet = self.now.since(from.read_at) >= LOST_GRACE;
            let unread = self.node.is_congested() || self.node.reliefs() != reliefs;
            unread || !quiet && self.now.since(since) < patience
        });
        if still_comes {
            let reliefs = self.node.reliefs();
            if let Some(paths) = self.paths.get_mut(&peer) {
                paths.to = Outgoing::Lost { since, reliefs };
            }
            self.deadlines.set(Timer::Lost(peer), self.now + LOST_GRACE);
        } else {
            self.node.handle_disconnect(peer, self.now);
        }
    }

    /// The connection to a peer broke.
    fn path_lost(&mut self, peer: PeerId) {
        let (since, reliefs) = (self.now, self.node.reliefs());
        let Some(paths) = self.paths.get_mut(&peer) else {
            return;
        };
        paths.to = Outgoing::Lost { since, reliefs };
        let grace = match paths.from {
            Some(_) => LOST_GRACE,
            None => BEACON_GRACE,
        };
        self.deadlines.set(Timer::Lost(peer), since + grace);
    }

    /// The connection from a peer ended: no more messages come, so none need to go either.
    fn both_paths_lost(&mut self, peer: PeerId) {
        let (since, reliefs) = (self.now, self.node.reliefs());
        let Some(paths) = self.paths.get_mut(&peer) else {
            return;
        };
        paths.from = None;
        let to = core::mem::replace(&mut paths.to, Outgoing::Lost { since, reliefs });
        self.deadlines.clear(Timer::Reconnect(peer));
        self.deadlines.set(Timer::Lost(peer), since + BEACON_GRACE);
        if let Outgoing::Link { link, .. } = to {
            self.close(link);
        }
        if self.node.is_leaving(peer) {
            self.node.handle_disconnect(peer, self.now);
        }
    }

    /// Tries again after a while, for as long as a handshake may take; a peer that has entered
    /// but cannot be reached for that long is gone.
    fn attempt_failed(&mut self, peer: PeerId, error: &str) {
        let Some(paths) = self.paths.get_mut(&peer) else {
            return;
        };
        let Outgoing::Link {
            link,
            endpoint,
            attempt,
        } = &paths.to
        else {
            return;
        };
        let (link, attempt, opened_at) = (*link, *attempt, paths.opened_at);
        self.notices.push(Notice::ConnectFailed {
            peer,
            endpoint: endpoint.clone(),
            attempt,
            error: error.into(),
        });
        let failed = self.remove_connection(link);
        if self.now.since(opened_at) >= self.node.config().handshake_timeout {
            self.exit(peer, ExitReason::ConnectionLost);
            return;
        }
        let at = self.now + self.reconnect_delay(attempt);
        self.deadlines.set(Timer::Reconnect(peer), at);
        if let Some(paths) = self.paths.get_mut(&peer) {
            let failed = failed.map(|failed| Box::new(failed.link));
            paths.to = Outgoing::Waiting { failed, attempt };
        }
    }

    /// Doubles with each attempt, less up to a quarter, so that peers do not all come at once.
    fn reconnect_delay(&mut self, attempt: u32) -> Duration {
        let config = self.node.config();
        let doubled = config
            .reconnect_min
            .saturating_mul(2_u32.saturating_pow(attempt - 1));
        let percent = 75 + self.generator.next_u32() % 26;
        doubled.min(config.reconnect_max).saturating_mul(percent) / 100
    }

    fn open_link(&mut self, peer: PeerId, endpoint: &Endpoint) -> LinkId {
        let role = Role::Connecting(self.node.id().into());
        let link = self.add_connection(role, End::Outgoing(peer));
        let endpoint = endpoint.clone();
        self.outputs.push_back(Output::Open { link, endpoint });
        link
    }

    fn add_connection(&mut self, role: Role, end: End) -> LinkId {
        let id = LinkId(self.next_link);
        self.next_link += 1;
        let config = self.node.config();
        let link = Link::new(role, &config.limits);
        let at = self.now + config.handshake_timeout;
        self.deadlines.set(Timer::Handshake(id), at);
        self.connections.insert(
            id,
            Connection {
                link,
                end,
                read_at: self.now,
                reliefs: self.node.reliefs(),
                writable_told: false,
                counted: 0,
            },
        );
        id
    }

    fn remove_connection(&mut self, link: LinkId) -> Option<Connection> {
        self.deadlines.clear(Timer::Handshake(link));
        let mut connection = self.connections.remove(&link)?;
        if connection.is_unready() {
            self.unready.remove(&mut connection);
        } else {
            self.unfinished -= connection.counted;
        }
        Some(connection)
    }
}
