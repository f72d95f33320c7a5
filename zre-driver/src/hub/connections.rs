//! All connections of a node, and what moves over them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
    thread,
};

use bytes::Buf as _;
use zre_core::{Engine, Instant, LinkId, WriteBuffer, interfaces::LocalAddress};

use super::{
    aftermath::Aftermath,
    clock::Clock,
    coalesce::{Decision, Deferred},
    connection::{Connection, Stream, is_transient},
    driving::Ends,
    networks::ListenerId,
    waiters::Changes,
};

/// All connections.
#[derive(Debug)]
pub(super) struct Connections<S> {
    by_link: BTreeMap<LinkId, Connection<S>>,
    /// Those whose tasks have found that they may not read.
    unread: BTreeSet<LinkId>,
    deferred: Deferred,
    /// Whether what is sent now is one of many.
    is_burst: bool,
}

/// What moving bytes needs besides the connections.
pub(super) struct Io<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) clock: &'a mut Clock,
    pub(super) changes: &'a mut Changes,
    pub(super) aftermath: &'a mut Aftermath,
    pub(super) now: Instant,
}

impl<S> Default for Connections<S> {
    fn default() -> Self {
        Self {
            by_link: BTreeMap::new(),
            unread: BTreeSet::new(),
            deferred: Deferred::default(),
            is_burst: false,
        }
    }
}

/// Coming and going.
impl<S> Connections<S> {
    pub(super) fn len(&self) -> usize {
        self.by_link.len()
    }

    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut Connection<S>> {
        self.by_link.get_mut(&link)
    }

    /// A connection came in.
    pub(super) fn accept(
        &mut self,
        listener: ListenerId,
        stream: Arc<S>,
        ends: Ends,
        io: &mut Io<'_>,
    ) -> LinkId {
        let link = match listener {
            ListenerId::Network(_) => io.engine.handle_accepted(ends.remote, io.now),
            ListenerId::Gossip => io.engine.handle_gossip_accepted(ends.remote, io.now),
        };
        let connection = Connection::new(Some(stream), ends.local);
        self.by_link.insert(link, connection);
        link
    }

    /// The engine wants a connection, which is being made from now on.
    pub(super) fn add(&mut self, link: LinkId) {
        self.by_link.insert(link, Connection::new(None, None));
    }

    /// A connection has been made, and is used if it is still wanted.
    pub(super) fn connected(
        &mut self,
        link: LinkId,
        stream: Arc<S>,
        local: Option<SocketAddr>,
        io: &mut Io<'_>,
    ) {
        // If the engine has closed it meanwhile, the task ends and drops the stream.
        if let Some(connection) = self.by_link.get_mut(&link) {
            connection.set_stream(stream, local);
            io.engine.handle_connected(link, io.now);
        }
    }

    /// A connection is gone, or could not be had.
    pub(super) fn ended(&mut self, link: LinkId, error: &str, io: &mut Io<'_>) {
        self.remove(link, io.aftermath);
        // Its peer may be gone with it, and the engine no longer knows whose it was.
        io.changes.note_connections();
        io.engine.handle_closed(link, error, io.now);
    }

    /// The node has left one of its addresses: ends all connections that begin or end there.
    pub(super) fn leave(&mut self, address: &LocalAddress, io: &mut Io<'_>) {
        let connections = self.by_link.iter();
        let there = connections.filter(|(_, connection)| connection.is_at(address));
        let links: Vec<_> = there.map(|(link, _)| *link).collect();
        for link in links {
            self.ended(link, "this node has left its network", io);
        }
    }

    /// Forgets a connection; its task ends when it looks for it.
    pub(super) fn remove(&mut self, link: LinkId, aftermath: &mut Aftermath) {
        if let Some(mut connection) = self.by_link.remove(&link) {
            connection.wake_task(aftermath);
            self.unread.remove(&link);
            self.deferred.remove(link);
        }
    }

    /// The connection's task is to be woken when it may read.
    pub(super) fn wait_to_read(&mut self, link: LinkId) {
        self.unread.insert(link);
    }

    /// Wakes the tasks that may read again.
    pub(super) fn wake_readers(&mut self, engine: &Engine, aftermath: &mut Aftermath) {
        let by_link = &mut self.by_link;
        self.unread.retain(|link| {
            let may_read = engine.may_read(*link);
            if may_read && let Some(connection) = by_link.get_mut(link) {
                connection.wake_task(aftermath);
            }
            !may_read
        });
    }

    fn wake_all(&mut self, aftermath: &mut Aftermath) {
        let connections = self.by_link.values_mut();
        connections.for_each(|connection| connection.wake_task(aftermath));
    }

    /// Drops the sockets and does nothing else.
    pub(super) fn close_sockets(&mut self) {
        let connections = self.by_link.values_mut();
        connections.for_each(Connection::close_socket);
    }

    pub(super) fn clear(&mut self, aftermath: &mut Aftermath) {
        self.wake_all(aftermath);
        *self = Self::default();
    }

    /// When the driver is to look for overdue writes.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.deferred.look_at()
    }

    /// Bytes that wait to be written.
    pub(super) fn bytes_waiting(&self, engine: &mut Engine) -> usize {
        let links = self.by_link.keys();
        links.map(|link| queued(engine, *link)).sum()
    }
}

/// Reading.
impl<S: Stream> Connections<S> {
    /// Reads a connection once.
    pub(super) fn read(&mut self, link: LinkId, stream: &S, io: &mut Io<'_>) {
        if !self.by_link.contains_key(&link) {
            return;
        }
        match read(io.engine, link, stream, io.now) {
            Ok(0) => self.ended(link, "the other side closed it", io),
            // An answer may be among what was read.
            Ok(_) => io.changes.note_moved(link),
            Err(error) if is_transient(&error) => {}
            Err(error) => self.ended(link, &error.to_string(), io),
        }
    }
}

/// Reads a connection once into the engine, and says how much was read: 0 at the end of the stream.
/// The one place that reads.
fn read<S: Stream>(
    engine: &mut Engine,
    link: LinkId,
    stream: &S,
    now: Instant,
) -> io::Result<usize> {
    // The engine has closed it, and the hub is about to: there is nobody to read for.
    let Some(mut reader) = engine.reader(link) else {
        return Err(ErrorKind::WouldBlock.into());
    };
    let count = stream.try_read(reader.buffer())?;
    if count > 0 {
        reader.commit(count, now);
    }
    Ok(count)
}

/// Writing.
impl<S: Stream> Connections<S> {
    /// There is something to write to a connection: writes it, or defers it in a burst.
    pub(super) fn write(&mut self, link: LinkId, io: &mut Io<'_>) {
        let known = self.by_link.get_mut(&link);
        let Some(connection) = known.filter(|connection| connection.is_writable()) else {
            return;
        };
        if self.is_burst {
            connection.go_on_in_burst(io.now);
        }
        match connection.decide(queued(io.engine, link), io.now) {
            Decision::Write => self.write_now(link, io),
            Decision::Defer => {
                // The task looks whether the burst is over, unless the driver looks anyway.
                if self.deferred.look_at().is_none() {
                    connection.wake_task(io.aftermath);
                }
                self.deferred.add(link);
            }
            Decision::StillDefer => {}
        }
    }

    /// Writes what there is to write to a connection, if it can be written.
    pub(super) fn write_now(&mut self, link: LinkId, io: &mut Io<'_>) {
        let known = self.by_link.get_mut(&link);
        let Some(connection) = known.filter(|connection| connection.is_writable()) else {
            return;
        };
        let flushed = match write_buffer(io.engine, link) {
            Some(buffer) => connection.flush(buffer, io.aftermath),
            None => Ok(()),
        };
        // The time after the write, so that what follows it at once is seen to.
        if connection.note_written(io.clock.now()) {
            self.deferred.remove(link);
        }
        io.clock.note_written();
        // Its peer may have room again.
        io.changes.note_moved(link);
        if let Err(error) = flushed {
            self.ended(link, &error.to_string(), io);
        }
        io.engine.handle_written(io.now);
    }

    /// The socket takes more again.
    pub(super) fn unblock(&mut self, link: LinkId, io: &mut Io<'_>) {
        if let Some(connection) = self.by_link.get_mut(&link) {
            connection.unblock();
            self.write_now(link, io);
        }
    }

    /// Says whether what is sent from now on is one of many messages, so that even the first are
    /// not written one by one.
    pub(super) fn set_burst(&mut self, is_burst: bool) {
        self.is_burst = is_burst;
    }

    /// Whether an operation is to be asked to write what is deferred.
    pub(super) fn is_to_ask(&mut self) -> bool {
        self.deferred.is_to_ask()
    }

    /// Writes what was deferred on this thread, as it sends no more now. If an operation has been
    /// asked to write, it may be this one, on whichever thread.
    pub(super) fn write_own(&mut self, io: &mut Io<'_>) {
        if self.deferred.is_asked() {
            self.write_all(io);
        } else if !self.deferred.is_empty() {
            let thread = thread::current().id();
            self.write_deferred(|connection| connection.is_deferred_by(thread), io);
        }
    }

    /// Writes all that was deferred.
    pub(super) fn write_all(&mut self, io: &mut Io<'_>) {
        self.write_deferred(|_| true, io);
    }

    /// Writes what has been deferred for long enough, if it is time to look.
    pub(super) fn write_overdue(&mut self, io: &mut Io<'_>) {
        let now = io.now;
        if self.deferred.take_due(now) {
            self.write_deferred(|connection| connection.is_overdue(now), io);
            self.deferred.looked(now);
        }
    }

    /// Writes what was deferred on a connection, or leaves it to the driver if the burst may still
    /// go on.
    pub(super) fn look_at_deferred(&mut self, link: LinkId, io: &mut Io<'_>) {
        let Some(connection) = self.by_link.get(&link) else {
            return;
        };
        let thread = thread::current().id();
        if connection.is_deferred_by(thread) || connection.is_overdue(io.now) {
            self.write_now(link, io);
        } else {
            self.deferred.leave_to_driver(io.now);
        }
    }

    fn write_deferred(&mut self, is_meant: impl Fn(&Connection<S>) -> bool, io: &mut Io<'_>) {
        let is_meant = |link: &LinkId| self.by_link.get(link).is_some_and(&is_meant);
        // First all of them, as writing changes the list. An empty vector takes no memory.
        let links: Vec<_> = self.deferred.links().filter(is_meant).collect();
        for link in links {
            self.write_now(link, io);
        }
    }
}

/// How many bytes wait to be written to a connection.
fn queued(engine: &mut Engine, link: LinkId) -> usize {
    write_buffer(engine, link).map_or(0, |buffer| buffer.remaining())
}

/// What is to be written to a connection; the one place that asks the engine for it.
fn write_buffer(engine: &mut Engine, link: LinkId) -> Option<&mut WriteBuffer> {
    engine.write_buffer(link)
}
