//! The connections between hosts.

use alloc::collections::VecDeque;
use core::net::IpAddr;

use crate::{engine::LinkId, time::Instant};

/// A connection; its first end is the one that connected.
pub(crate) struct Wire<P> {
    pub(crate) ends: [WireEnd<P>; 2],
    /// The addresses of both ends.
    pub(super) addresses: [IpAddr; 2],
    /// Nothing crosses any more, and nobody is told.
    pub(crate) is_cut: bool,
    /// Whoever writes is told that the other end knows nothing of the connection.
    pub(super) resets: bool,
}

pub(crate) struct WireEnd<P> {
    pub(crate) host: usize,
    pub(crate) link: LinkId,
    /// Whether the host leaves alone what has come here.
    pub(crate) stalled: bool,
    /// What is on its way to here, and when it comes.
    pub(super) arriving: VecDeque<(Instant, P)>,
    /// When the host is told that the other end is closed, if everything before has been read.
    pub(super) ends_at: Option<Instant>,
    pub(super) writable: bool,
    pub(super) closed: bool,
}

impl<P> Wire<P> {
    pub(super) fn new(
        client: (usize, LinkId),
        server: (usize, LinkId),
        addresses: [IpAddr; 2],
    ) -> Self {
        Self {
            addresses,
            ends: [WireEnd::new(client), WireEnd::new(server)],
            is_cut: false,
            resets: false,
        }
    }

    pub(super) fn joins(&self, client: usize, server: usize) -> bool {
        (self.ends[0].host, self.ends[1].host) == (client, server)
    }

    /// When there is something to read at an end.
    pub(super) fn next_at(&self, end: usize) -> Option<Instant> {
        let end = &self.ends[end];
        if self.is_cut || end.closed || end.stalled {
            return None;
        }
        let next = end.arriving.front().map(|(at, _)| *at);
        next.or(end.ends_at)
    }

    pub(super) fn is_open(&self) -> bool {
        self.ends.iter().any(|end| !end.closed)
    }
}

impl<P> WireEnd<P> {
    fn new((host, link): (usize, LinkId)) -> Self {
        Self {
            host,
            link,
            stalled: false,
            arriving: VecDeque::new(),
            ends_at: None,
            writable: false,
            closed: false,
        }
    }
}
