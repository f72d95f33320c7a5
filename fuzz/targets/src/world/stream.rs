use std::collections::VecDeque;

use zre_core::{LinkId, interfaces::NetworkId};

use super::World;

/// The most bytes that are on their way in one direction of a connection.
const ON_THE_WAY: usize = 64 << 10;

/// A connection between two engines; its first end opened it.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) ends: [End; 2],
    pub(crate) is_gossip: bool,
    /// The network of one end is gone, so nothing is carried any more.
    pub(crate) is_dead: bool,
}

/// Where bytes arrive.
#[derive(Debug)]
pub(crate) struct End {
    pub(super) engine: usize,
    /// The engine's name for the connection.
    pub(super) link: LinkId,
    network: Option<NetworkId>,
    arrived: VecDeque<u8>,
    /// The adversary holds back what has arrived.
    pub(crate) is_held: bool,
    /// Nothing comes behind what has arrived.
    has_ended: bool,
    is_closed: bool,
}

impl Stream {
    pub(super) fn new(ends: [End; 2], is_gossip: bool) -> Self {
        Self {
            ends,
            is_gossip,
            is_dead: false,
        }
    }

    /// An engine leaves a network: gives the connection if it has an open end there.
    pub(super) fn leave(&mut self, engine: usize, network: NetworkId) -> Option<LinkId> {
        let is_there = |end: &&mut End| (end.engine, end.network) == (engine, Some(network));
        let end = self.ends.iter_mut().find(is_there)?;
        self.is_dead = true;
        (!core::mem::replace(&mut end.is_closed, true)).then_some(end.link)
    }

    /// Ends it: at one end at once, at the other when what is on its way there has come.
    pub(crate) fn cut(&mut self, end: usize, loses: bool) {
        self.ends[end].arrived.clear();
        self.ends[end].is_held = false;
        self.ends[end].has_ended = true;
        self.ends[1 - end].has_ended = true;
        if loses {
            self.ends[1 - end].arrived.clear();
        }
    }

    /// The engine at one end has closed it.
    pub(super) fn close(&mut self, end: usize) {
        self.ends[end].is_closed = true;
        self.ends[1 - end].has_ended = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.ends.iter().all(|end| end.is_closed)
    }
}

impl End {
    pub(super) fn new(engine: usize, link: LinkId, network: Option<NetworkId>) -> Self {
        Self {
            engine,
            link,
            network,
            arrived: VecDeque::new(),
            is_held: false,
            has_ended: false,
            is_closed: false,
        }
    }
}

impl World {
    /// The connection between engines that a script's number means.
    pub(crate) fn stream(&self, number: u8) -> Option<usize> {
        usize::from(number).checked_rem(self.streams.len())
    }

    /// Lets everything through that may go; says whether there was anything.
    pub(super) fn carry(&mut self) -> bool {
        let mut any = false;
        for stream in 0..self.streams.len() {
            for end in 0..2 {
                any |= self.write(stream, end);
                if !self.streams[stream].ends[end].is_held {
                    any |= self.read(stream, end, self.adversary.piece);
                }
            }
        }
        any
    }

    /// What an end writes arrives at the other, as far as there is room.
    fn write(&mut self, stream: usize, end: usize) -> bool {
        let is_dead = self.streams[stream].is_dead;
        let ends = &mut self.streams[stream].ends;
        let here = &ends[end];
        if here.is_closed || here.has_ended || is_dead {
            return false;
        }
        let room = ON_THE_WAY - ends[1 - end].arrived.len();
        let tested = &mut self.engines[here.engine];
        let bytes = tested.take_unsent(here.link, room).unwrap_or_default();
        if bytes.is_empty() {
            return false;
        }
        tested.engine.handle_written(self.now);
        let there = &mut ends[1 - end];
        if !there.is_closed {
            there.arrived.extend(bytes);
        }
        true
    }

    /// An engine reads what has arrived at its end, and behind it that the connection has ended.
    pub(crate) fn read(&mut self, stream: usize, end: usize, most: usize) -> bool {
        if self.streams[stream].is_dead {
            return false;
        }
        let end = &mut self.streams[stream].ends[end];
        let tested = &mut self.engines[end.engine];
        if end.is_closed || !tested.engine.may_read(end.link) {
            return false;
        }
        if !end.arrived.is_empty() {
            return tested.read(end.link, &mut end.arrived, most, self.now) > 0;
        }
        if end.has_ended {
            end.is_closed = true;
            let engine = &mut tested.engine;
            engine.handle_closed(end.link, "connection reset", self.now);
        }
        end.has_ended
    }
}
