//! An engine whose connections carry bytes.

use core::net::SocketAddr;

use super::{Engine, context::Owner, output::LinkId};
use crate::{
    config::Config,
    link::{Connection as _, Link, Role, WriteBuffer},
    seed::Seed,
    time::Instant,
};

impl Engine<Link> {
    /// A running engine, whose first output is a beacon. What users have set should have passed
    /// [`Config::validate`].
    ///
    /// The seed decides everything that is random.
    pub fn new(config: Config, seed: Seed, now: Instant) -> Self {
        Self::start(config, seed, now)
    }

    /// A connection came in. If more are unclaimed than the limit allows, the oldest of these is
    /// closed.
    pub fn handle_accepted(&mut self, remote: SocketAddr, now: Instant) -> LinkId {
        let role = Role::AcceptingAs(self.node().id().into());
        let security = self.cx.server_security();
        let connection = Link::secured(role, &self.node().config().limits, security);
        self.accept(connection, remote, now)
    }

    /// Where to read what comes over a connection; `None` for one that the engine does not know.
    pub fn reader(&mut self, link: LinkId) -> Option<Reader<'_>> {
        let owner = self.cx.owner(link)?;
        let state = self.links.get_mut(owner, link)?;
        // Given back by `commit`, or when the reader is dropped.
        state.connection.borrow_memory(&mut self.memory);
        Some(Reader {
            engine: self,
            link,
            owner,
            has_memory: true,
        })
    }

    /// What is to be written to a connection; `None` for one that the engine does not know. When
    /// some of it has been written, call [`handle_written`](Engine::handle_written).
    pub fn write_buffer(&mut self, link: LinkId) -> Option<&mut WriteBuffer> {
        let owner = self.cx.owner(link)?;
        let state = self.links.get_mut(owner, link)?;
        Some(state.connection.write_buffer())
    }
}

/// Reads once from a connection.
///
/// Read into the [`buffer`](Reader::buffer), then [`commit`](Reader::commit). If nothing was read,
/// drop it.
///
/// ```
/// # use std::io::{self, Read};
/// # use zre_core::{Engine, Instant, LinkId};
/// fn read(
///     engine: &mut Engine,
///     link: LinkId,
///     mut stream: impl Read,
///     now: Instant,
/// ) -> io::Result<()> {
///     let Some(mut reader) = engine.reader(link) else {
///         return Ok(());
///     };
///     match stream.read(reader.buffer())? {
///         0 => {
///             drop(reader);
///             engine.handle_closed(link, "the other side closed it", now);
///         }
///         count => reader.commit(count, now),
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "nothing is read unless it is committed"]
pub struct Reader<'a> {
    engine: &'a mut Engine<Link>,
    link: LinkId,
    owner: Owner,
    /// Whether the connection still holds the memory that it borrowed.
    has_memory: bool,
}

impl Reader<'_> {
    /// Room to read into: at least one byte.
    pub fn buffer(&mut self) -> &mut [u8] {
        let state = self.engine.links.get_mut(self.owner, self.link);
        let state = state.expect("nobody else can close the connection meanwhile");
        state.connection.read_buffer()
    }

    /// So many bytes have been read into the buffer: handles what came.
    ///
    /// # Panics
    ///
    /// Panics if there was not so much room.
    pub fn commit(mut self, count: usize, now: Instant) {
        let (link, engine) = (self.link, &mut *self.engine);
        engine.cx.advance(now);
        let now = engine.cx.now;
        if let Some(state) = engine.links.get_mut(self.owner, link) {
            state.connection.handle_read(count);
            state.read_at = now;
        }
        // That takes back the memory, too.
        self.has_memory = false;
        engine.receive(link, self.owner);
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let engine = &mut *self.engine;
        if self.has_memory
            && let Some(state) = engine.links.get_mut(self.owner, self.link)
        {
            state.connection.return_memory(&mut engine.memory);
        }
    }
}
