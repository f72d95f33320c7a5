//! The node whose methods wait on the calling thread.

use std::{
    error, fmt, io,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use zre_net::{
    Handle, Hub, Runtime, Settings, StartError,
    core::{
        Error, Event,
        proto::{Content, GroupName, PeerId, Text},
    },
};

use crate::{Builder, helm::Helm, io_thread, readiness::Readiness, tcp::Tcp};

/// A running ZRE node.
///
/// It is a handle: clones are cheap, can be used from any thread, and are the same node.
/// Dropping the last one stops the node in the background; [`stop`](Node::stop) does so and waits.
/// What needs no waiting is in [`Handle`].
#[derive(Debug, Clone)]
pub struct Node(Arc<Running>);

#[derive(Debug)]
struct Running {
    handle: Handle<Tcp>,
    helm: Arc<Helm>,
    io_thread: Mutex<Option<JoinHandle<()>>>,
}

/// Why no event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// None came in time.
    Timeout,
    /// None will come: the node has stopped.
    Stopped,
}

impl Node {
    /// Begins a node with a name of at most 255 octets; see [`zre_net::Builder`] for what else can be set.
    pub fn builder(name: impl Into<Text>) -> Builder {
        Builder::new(name)
    }

    /// Sends a message to one peer. When too much waits for it already, this waits, until the
    /// peer reads on or is given up.
    ///
    /// A message is one frame (text or octets) or several; see [`Content`]. No frame at all is sent
    /// as one empty frame.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`] if there is no such peer, also when it goes while this waits;
    /// [`Error::MessageTooLarge`], [`Error::Stopped`].
    pub fn whisper(&self, peer: PeerId, content: impl Into<Content>) -> Result<(), Error> {
        self.whisper_until(None, peer, content.into())
    }

    /// Sends a message to one peer, and waits no longer than this.
    ///
    /// # Errors
    ///
    /// As [`whisper`](Node::whisper), and [`Error::Full`] if the time is over.
    pub fn whisper_timeout(
        &self,
        peer: PeerId,
        content: impl Into<Content>,
        time: Duration,
    ) -> Result<(), Error> {
        self.whisper_until(after(time), peer, content.into())
    }

    /// Sends a message to all members of a group, and says how many they are. When too much waits
    /// for some of them already, the others get it at once, and this waits for those.
    ///
    /// The node need not be in the group.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a group of more than 255 octets, [`Error::MessageTooLarge`],
    /// [`Error::Stopped`].
    pub fn shout<G>(&self, group: G, content: impl Into<Content>) -> Result<usize, Error>
    where
        G: TryInto<GroupName>,
        Error: From<G::Error>,
    {
        self.shout_until(None, group.try_into()?, content.into())
    }

    /// Sends a message to all members of a group, and waits no longer than this for those that have no room.
    ///
    /// # Errors
    ///
    /// As [`shout`](Node::shout), and [`Error::Full`] with one of the members that have not got it when the time is over.
    pub fn shout_timeout<G>(
        &self,
        group: G,
        content: impl Into<Content>,
        time: Duration,
    ) -> Result<usize, Error>
    where
        G: TryInto<GroupName>,
        Error: From<G::Error>,
    {
        self.shout_until(after(time), group.try_into()?, content.into())
    }

    /// Waits for the next event; `None` when the node has stopped. Each event goes to one caller.
    ///
    /// An application that does not take its events makes its peers wait with theirs: nothing is dropped.
    pub fn recv(&self) -> Option<Event> {
        self.wait(None, |cx| self.hub().poll_recv(cx)).flatten()
    }

    /// Waits for the next event, no longer than this.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`] says whether the time is over or the node has stopped.
    pub fn recv_timeout(&self, time: Duration) -> Result<Event, RecvTimeoutError> {
        match self.wait(after(time), |cx| self.hub().poll_recv(cx)) {
            Some(Some(event)) => Ok(event),
            Some(None) => Err(RecvTimeoutError::Stopped),
            None => Err(RecvTimeoutError::Timeout),
        }
    }

    /// The events, one after the other, until the node has stopped. It holds the node like a clone.
    pub fn events(&self) -> Events {
        Events { node: self.clone() }
    }

    /// A descriptor that is readable while events wait, for an event loop.
    ///
    /// # Errors
    ///
    /// When the system has no descriptors left.
    pub fn readiness(&self) -> io::Result<Readiness> {
        Readiness::new(self.hub())
    }

    /// Asks a peer for an answer and says how long it took. When the answer is there, the peer has
    /// handled all that was sent to it before.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`] if there is no such peer, also when it goes before it answers;
    /// [`Error::Stopped`].
    pub fn ping(&self, peer: PeerId) -> Result<Duration, Error> {
        let asked_at = Instant::now();
        let number = self.hub().ping(peer)?;
        let mut answer = self.hub().answer(peer, number);
        let answered = self.wait(None, |cx| answer.poll(cx));
        answered.unwrap_or(Err(Error::Stopped))?;
        Ok(asked_at.elapsed())
    }

    /// Says goodbye, waits until what was sent is written, all sockets are closed and the node's thread has ended.
    ///
    /// Peers that do not read are waited for no longer than the builder's `linger`. Events that
    /// have not been taken can still be; the last is [`Event::Stop`].
    pub fn stop(&self) {
        self.hub().stop();
        self.wait(None, |cx| self.hub().poll_finished(cx));
        let io_thread = &self.0.io_thread;
        // Whoever else stops the node waits here for the same.
        let mut io_thread = io_thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(io_thread) = io_thread.take() {
            // A panic there has been reported, and the node is over.
            let _ = io_thread.join();
        }
    }

    #[cfg(test)]
    pub(crate) fn helm(&self) -> &Helm {
        &self.0.helm
    }

    fn wait<T>(
        &self,
        deadline: Option<Instant>,
        poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        self.0.helm.wait(deadline, poll)
    }

    fn whisper_until(
        &self,
        deadline: Option<Instant>,
        peer: PeerId,
        mut content: Content,
    ) -> Result<(), Error> {
        let sent = self.wait(deadline, |cx| {
            self.hub().poll_whisper(cx, peer, &mut content)
        });
        sent.unwrap_or(Err(Error::Full(peer)))
    }

    fn shout_until(
        &self,
        deadline: Option<Instant>,
        group: GroupName,
        content: Content,
    ) -> Result<usize, Error> {
        let mut shout = self.hub().shout(group, content);
        match self.wait(deadline, |cx| shout.poll(cx)) {
            Some(reached) => reached,
            None => Err(shout.full()),
        }
    }
}

impl Deref for Node {
    type Target = Handle<Tcp>;

    fn deref(&self) -> &Handle<Tcp> {
        &self.0.handle
    }
}

impl Runtime for Tcp {
    type Starting = Result<Node, StartError>;

    fn start(settings: Settings) -> Self::Starting {
        let bound = settings.bind()?;
        let hub = Arc::new(Hub::new(&bound)?);
        let helm = Arc::new(Helm::new(Arc::clone(&hub), bound)?);
        let io_thread = io_thread::spawn(&helm)?;
        Ok(Node(Arc::new(Running {
            handle: Handle::new(hub),
            helm,
            io_thread: Mutex::new(Some(io_thread)),
        })))
    }
}

/// A time so long that no clock counts so far is no deadline.
fn after(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}

/// The events of a node; see [`Node::events`].
#[derive(Debug, Clone)]
pub struct Events {
    node: Node,
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.node.recv()
    }
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "no event in time",
            Self::Stopped => "the node has stopped",
        })
    }
}

impl error::Error for RecvTimeoutError {}
