//! The node whose methods wait on the calling thread.

use std::{
    error, fmt, io, mem,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use zre_driver::{EventReceiver, Handle, Hub, NoticeReceiver, api::*};

use crate::{
    leader::{Leadership, spawn_io_thread},
    readiness::Readiness,
    requests::{Asker, RequestAllBuilder, RequestAnyBuilder, RequestBuilder, Requests},
    tcp::Tcp,
};

zre_driver::builder!();

impl Builder {
    /// Starts the node, and its thread.
    ///
    /// # Errors
    ///
    /// [`StartError`] names what is wrong with the settings, or what the system refuses.
    pub fn start(self) -> Result<Node, StartError> {
        let hub = Hub::start(&self.settings)?;
        let leadership = Arc::new(Leadership::new(Arc::clone(&hub))?);
        let io_thread = spawn_io_thread(&leadership)?;
        Ok(Node(Arc::new(Running {
            handle: Handle::new(hub),
            leadership,
            io_thread: Mutex::new(Some(io_thread)),
        })))
    }
}

/// A running ZRE node.
///
/// It is a handle: clones are cheap, can be used from any thread, and are the same node. Dropping
/// the last one stops the node in the background; [`stop`](Node::stop) does so and waits.
///
/// # Forking
///
/// A node belongs to the process that started it. In a forked child each call fails with
/// [`Error::Forked`], or says that there is nothing, such as an event or a peer. There,
/// [`stop`](Node::stop) and dropping the node close what can be closed of the child's copies of
/// the sockets, and do nothing else: the node goes on in the parent.
#[derive(Debug, Clone)]
pub struct Node(Arc<Running>);

#[derive(Debug)]
struct Running {
    handle: Handle<Tcp>,
    leadership: Arc<Leadership>,
    io_thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Running {
    /// In a forked child there is no such thread, and what is known of it may mean another by now.
    fn drop(&mut self) {
        if self.handle.hub().is_forked() {
            let io_thread = self.io_thread.get_mut();
            mem::forget(io_thread.unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

/// Sending that waits, for a [`Node`] and for its [`Sender`].
macro_rules! send_methods {
    () => {
        /// Sends a message to one peer. When too much waits for it already, this waits, until the
        /// peer reads on or is given up.
        ///
        /// A message is one frame (text or bytes) or several; see [`Content`]. No frame at all is
        /// sent as one empty frame.
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

        /// Sends a message to all members of a group, and says how many they are. When too much
        /// waits for some of them already, the others get it at once, and this waits for those: as
        /// long as [`slow_members`](Builder::slow_members) says, 50 ms unless set. Then it passes
        /// over them, and they do not count; [`Event::Skipped`] tells.
        ///
        /// The node need not be in the group.
        ///
        /// # Errors
        ///
        /// [`Error::TooLong`] for a group of more than 255 bytes, [`Error::MessageTooLarge`],
        /// [`Error::Stopped`].
        pub fn shout<G>(&self, group: G, content: impl Into<Content>) -> Result<usize, Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            self.shout_until(None, group.try_into()?, content.into())
        }

        /// Sends a message to all members of a group, and waits no longer than this for those that
        /// have no room.
        ///
        /// # Errors
        ///
        /// As [`shout`](Node::shout), and [`Error::Full`] with one of the members that have not got
        /// it when the time is over.
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

        /// Sends a message to one peer, as [`whisper`](Self::whisper), and waits until the peer
        /// confirms that it has it. Every ZRE implementation does: the node asks it (PING) behind
        /// the message. Messages that are under way together share questions.
        ///
        /// It says that the peer's node has the message, not that its program has taken it.
        ///
        /// Called again and again by one thread, each message takes a round trip. To confirm many,
        /// send a number of them with [`whisper`](Self::whisper) and call [`flush`](Self::flush)
        /// once behind them, which confirms all of them.
        ///
        /// # Errors
        ///
        /// [`Error::Unconfirmed`] if the peer goes or begins a new session, or this node stops,
        /// before it confirms;
        /// as [`whisper`](Self::whisper).
        pub fn whisper_confirmed(
            &self,
            peer: PeerId,
            content: impl Into<Content>,
        ) -> Result<(), Error> {
            self.whisper_confirmed_until(None, peer, content.into())
        }

        /// As [`whisper_confirmed`](Self::whisper_confirmed), but waits no longer than this.
        ///
        /// # Errors
        ///
        /// If the time is over, [`Error::Full`] if the message has not been sent, and
        /// [`Error::Unconfirmed`] if it has. As [`whisper_confirmed`](Self::whisper_confirmed).
        pub fn whisper_confirmed_timeout(
            &self,
            peer: PeerId,
            content: impl Into<Content>,
            time: Duration,
        ) -> Result<(), Error> {
            self.whisper_confirmed_until(after(time), peer, content.into())
        }

        /// Sends a message to all members of a group, as [`shout`](Self::shout), and waits until
        /// each has confirmed that it has it, or is gone. Gives what has become of it for each
        /// member, in the order in which that was known.
        ///
        /// # Errors
        ///
        /// As [`shout`](Self::shout).
        pub fn shout_confirmed<G>(
            &self,
            group: G,
            content: impl Into<Content>,
        ) -> Result<Vec<(PeerId, Delivery)>, Error>
        where
            G: TryInto<GroupName>,
            Error: From<G::Error>,
        {
            let mut shout = self
                .hub()
                .shout_confirmed(group.try_into()?, content.into());
            let delivered = self.wait(None, |cx| shout.poll(cx));
            delivered.unwrap_or(Err(Error::Stopped))
        }

        /// Waits until a peer has confirmed all that has been sent to it so far, whispers and
        /// shouts.
        ///
        /// # Errors
        ///
        /// [`Error::UnknownPeer`] if there is no such peer; [`Error::Unconfirmed`] if it goes, or
        /// begins a new session, or this node stops, before it confirms; [`Error::Stopped`].
        pub fn flush(&self, peer: PeerId) -> Result<(), Error> {
            let mut flush = self.hub().flush(peer)?;
            let flushed = self.wait(None, |cx| flush.poll(cx));
            flushed.unwrap_or(Err(Error::Stopped))
        }

        fn whisper_confirmed_until(
            &self,
            deadline: Option<Instant>,
            peer: PeerId,
            content: Content,
        ) -> Result<(), Error> {
            let mut whisper = self.hub().whisper_confirmed(peer, content);
            let confirmed = self.wait(deadline, |cx| whisper.poll(cx));
            confirmed.unwrap_or_else(|| Err(whisper.given_up()))
        }

        fn whisper_until(
            &self,
            deadline: Option<Instant>,
            peer: PeerId,
            content: Content,
        ) -> Result<(), Error> {
            let mut whisper = self.hub().whisper(peer, content);
            let whispered = self.wait(deadline, |cx| whisper.poll(cx));
            whispered.unwrap_or_else(|| Err(whisper.full()))
        }

        fn shout_until(
            &self,
            deadline: Option<Instant>,
            group: GroupName,
            content: Content,
        ) -> Result<usize, Error> {
            let mut shout = self.hub().shout(group, content);
            let reached = self.wait(deadline, |cx| shout.poll(cx));
            reached.unwrap_or_else(|| Err(shout.full()))
        }
    };
}

impl Node {
    /// Begins a node with a name of 1 to 255 bytes; see [`Builder`] for what else can be set.
    pub fn builder(name: impl Into<Text>) -> Builder {
        Builder::new(name)
    }

    zre_driver::at_once_methods!();

    send_methods!();

    zre_driver::request_methods!();

    fn asker(&self) -> Asker {
        Asker {
            hub: Arc::clone(self.hub()),
            leadership: Arc::clone(&self.0.leadership),
        }
    }

    /// The requests of peers from now on, which are [`Event::Whisper`] before. Each goes to one
    /// caller. They are no events: neither [`recv`](Node::recv) nor [`subscribe`](Node::subscribe)
    /// shows them any more, nor the answers to requests of this node, and a
    /// [`Readiness`](crate::Readiness) does not tell of them.
    ///
    /// The peers that have sent some take turns. If a program does not take its requests, its peers
    /// have to wait, as with events: both count in [`Limits::events`] and [`Limits::event_bytes`].
    /// When all [`Requests`] have been dropped, those that come are refused.
    ///
    /// ```no_run
    /// # fn example(node: zre_blocking::Node) -> Result<(), zre_blocking::Error> {
    /// for request in node.requests() {
    ///     let answer = format!("{} bytes", request.content().byte_len());
    ///     request.answer(answer)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn requests(&self) -> Requests {
        Requests::new(self.asker())
    }

    /// Waits for the next event; `None` when the node has stopped. Each event goes to one caller;
    /// who wants all of them as well can [`subscribe`](Node::subscribe).
    ///
    /// If an application does not take its events, its peers have to wait: no message is dropped.
    /// Only `Evasive` and `Silent` are left out then.
    pub fn recv(&self) -> Option<Event> {
        let mut recv = self.hub().recv();
        self.wait(None, |cx| recv.poll(cx)).flatten()
    }

    /// Waits for the next event, no longer than this.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`] says whether the time is over or the node has stopped.
    pub fn recv_timeout(&self, time: Duration) -> Result<Event, RecvTimeoutError> {
        let mut recv = self.hub().recv();
        or_timeout(self.wait(after(time), |cx| recv.poll(cx)))
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

    /// A further receiver of all events from now on, independent of [`recv`](Node::recv) and of
    /// other subscriptions.
    ///
    /// It does not hold up anybody: if it is slower than the events come, the oldest go past it,
    /// and it is told how many; see [`Subscription`].
    pub fn subscribe(&self) -> Subscription {
        Subscription {
            receiver: self.hub().subscribe(),
            leadership: Arc::clone(&self.0.leadership),
        }
    }

    /// What the node writes to its log, as values, from now on.
    pub fn notices(&self) -> Notices {
        Notices {
            receiver: self.hub().notices(),
            leadership: Arc::clone(&self.0.leadership),
        }
    }

    /// A handle that can only send, for another thread. It does not keep the node running.
    pub fn sender(&self) -> Sender {
        Sender {
            hub: Arc::clone(self.hub()),
            leadership: Arc::clone(&self.0.leadership),
        }
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
        let mut ping = self.hub().ping(peer)?;
        let answered = self.wait(None, |cx| ping.poll(cx));
        answered.unwrap_or(Err(Error::Stopped))?;
        Ok(asked_at.elapsed())
    }

    /// Waits until a peer has entered, by its identity or by its name, and gives its identity; at
    /// once if it is there. It takes no event.
    ///
    /// By name it waits until exactly one peer has that name, as
    /// [`peer_by_name`](Node::peer_by_name) does.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a name of more than 255 bytes; [`Error::Stopped`], also when the node
    /// stops meanwhile.
    pub fn wait_for_peer(&self, peer: impl Into<PeerRef>) -> Result<PeerId, Error> {
        let found = self.wait_for_peer_until(None, peer.into())?;
        found.ok_or(Error::Stopped)
    }

    /// As [`wait_for_peer`](Node::wait_for_peer), but waits no longer than this: then `None`.
    ///
    /// # Errors
    ///
    /// As [`wait_for_peer`](Node::wait_for_peer).
    pub fn wait_for_peer_timeout(
        &self,
        peer: impl Into<PeerRef>,
        time: Duration,
    ) -> Result<Option<PeerId>, Error> {
        self.wait_for_peer_until(after(time), peer.into())
    }

    /// Waits until at least so many peers are in a group, and gives those that are; at once if they
    /// are there. It takes no event. This node itself does not count.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a group of more than 255 bytes; [`Error::Stopped`], also when the
    /// node stops meanwhile.
    pub fn wait_for_group<G>(&self, group: G, count: usize) -> Result<Vec<PeerId>, Error>
    where
        G: TryInto<GroupName>,
        Error: From<G::Error>,
    {
        let found = self.wait_for_group_until(None, group.try_into()?, count)?;
        found.ok_or(Error::Stopped)
    }

    /// As [`wait_for_group`](Node::wait_for_group), but waits no longer than this: then `None`.
    ///
    /// # Errors
    ///
    /// As [`wait_for_group`](Node::wait_for_group).
    pub fn wait_for_group_timeout<G>(
        &self,
        group: G,
        count: usize,
        time: Duration,
    ) -> Result<Option<Vec<PeerId>>, Error>
    where
        G: TryInto<GroupName>,
        Error: From<G::Error>,
    {
        self.wait_for_group_until(after(time), group.try_into()?, count)
    }

    /// Says goodbye, waits until what was sent is written, all sockets are closed and the node's
    /// thread has ended.
    ///
    /// Peers that do not read are waited for no longer than the builder's `linger`. Events that
    /// have not been taken can still be; the last is [`Event::Stop`].
    pub fn stop(&self) {
        self.hub().stop();
        if self.hub().is_forked() {
            // The thread is not here.
            return;
        }
        let mut stopped = self.hub().stopped();
        self.wait(None, |cx| stopped.poll(cx));
        let io_thread = &self.0.io_thread;
        // Whoever else stops the node waits here for the same.
        let mut io_thread = io_thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(io_thread) = io_thread.take() {
            // A panic there has been reported, and the node is over.
            let _ = io_thread.join();
        }
    }

    /// What operations are begun with that this type has no method for; for bindings of other
    /// languages, as it changes when the adapters do.
    #[doc(hidden)]
    pub fn hub(&self) -> &Arc<Hub<Tcp>> {
        self.0.handle.hub()
    }

    /// Waits for an operation on this thread, which carries the node meanwhile; `None` if the time
    /// is over. For bindings of other languages.
    #[doc(hidden)]
    pub fn wait_until<T>(
        &self,
        deadline: Option<Instant>,
        poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        self.wait(deadline, poll)
    }

    #[cfg(test)]
    pub(crate) fn leadership(&self) -> &Leadership {
        &self.0.leadership
    }

    fn wait_for_peer_until(
        &self,
        deadline: Option<Instant>,
        peer: PeerRef,
    ) -> Result<Option<PeerId>, Error> {
        let mut wait = self.hub().wait_for_peer(peer)?;
        self.wait(deadline, |cx| wait.poll(cx)).transpose()
    }

    fn wait_for_group_until(
        &self,
        deadline: Option<Instant>,
        group: GroupName,
        count: usize,
    ) -> Result<Option<Vec<PeerId>>, Error> {
        let mut wait = self.hub().wait_for_group(group, count);
        self.wait(deadline, |cx| wait.poll(cx)).transpose()
    }

    fn wait<T>(
        &self,
        deadline: Option<Instant>,
        poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        self.0.leadership.wait(deadline, poll)
    }
}

/// A handle of a node that can only send; see [`Node::sender`].
///
/// Clones are cheap. It does not keep the node running: when the node has stopped, sending fails
/// with [`Error::Stopped`].
#[derive(Debug, Clone)]
pub struct Sender {
    hub: Arc<Hub<Tcp>>,
    leadership: Arc<Leadership>,
}

impl Sender {
    zre_driver::try_send_methods!();

    send_methods!();

    zre_driver::request_methods!();

    fn asker(&self) -> Asker {
        Asker {
            hub: Arc::clone(&self.hub),
            leadership: Arc::clone(&self.leadership),
        }
    }

    fn hub(&self) -> &Arc<Hub<Tcp>> {
        &self.hub
    }

    fn wait<T>(
        &self,
        deadline: Option<Instant>,
        poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        self.leadership.wait(deadline, poll)
    }
}

/// A time so long that no clock counts so far is no deadline.
pub(crate) fn after(time: Duration) -> Option<Instant> {
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

/// Receives copies of all events from when it was made; see [`Node::subscribe`].
///
/// At most as many events wait for it, and as many bytes, as [`Limits::events`] and
/// [`Limits::event_bytes`] allow. Beyond that the oldest go past it. Then the next thing that it
/// gives is [`Lagged`] with how many it missed; [`peer_infos`](Node::peer_infos) tells what is the
/// case now. It does not keep the node running. It is also an iterator.
#[derive(Debug)]
pub struct Subscription {
    receiver: EventReceiver<Tcp>,
    leadership: Arc<Leadership>,
}

impl Subscription {
    /// Waits for the next event; `None` when the node has stopped.
    pub fn recv(&mut self) -> Option<Result<Event, Lagged>> {
        let received = self.wait(None);
        received.flatten()
    }

    /// Waits for the next event, no longer than this.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`] says whether the time is over or the node has stopped.
    pub fn recv_timeout(
        &mut self,
        time: Duration,
    ) -> Result<Result<Event, Lagged>, RecvTimeoutError> {
        or_timeout(self.wait(after(time)))
    }

    /// Takes the next event if there is one.
    pub fn try_recv(&mut self) -> Option<Result<Event, Lagged>> {
        self.receiver.try_recv()
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Option<Result<Event, Lagged>>> {
        self.leadership
            .wait(deadline, |cx| self.receiver.poll_recv(cx))
    }
}

impl Iterator for Subscription {
    type Item = Result<Event, Lagged>;

    fn next(&mut self) -> Option<Self::Item> {
        self.recv()
    }
}

/// What a node writes to its log, as values, from when this was made; see [`Node::notices`].
///
/// At most 256 wait. If it is slower, it is told by [`Notice::Dropped`] how many it missed. It does
/// not keep the node running. It is also an iterator.
#[derive(Debug)]
pub struct Notices {
    receiver: NoticeReceiver<Tcp>,
    leadership: Arc<Leadership>,
}

impl Notices {
    /// Waits for the next notice; `None` when the node has stopped.
    pub fn recv(&mut self) -> Option<Notice> {
        self.wait(None).flatten()
    }

    /// Waits for the next notice, no longer than this.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`] says whether the time is over or the node has stopped.
    pub fn recv_timeout(&mut self, time: Duration) -> Result<Notice, RecvTimeoutError> {
        or_timeout(self.wait(after(time)))
    }

    /// Takes the next notice if there is one.
    pub fn try_recv(&mut self) -> Option<Notice> {
        self.receiver.try_recv()
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Option<Notice>> {
        self.leadership
            .wait(deadline, |cx| self.receiver.poll_recv(cx))
    }
}

impl Iterator for Notices {
    type Item = Notice;

    fn next(&mut self) -> Option<Notice> {
        self.recv()
    }
}

/// Why nothing was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvTimeoutError {
    /// Nothing came in time.
    Timeout,
    /// Nothing will come: the node has stopped.
    Stopped,
}

/// What waiting came to.
pub(crate) fn or_timeout<T>(received: Option<Option<T>>) -> Result<T, RecvTimeoutError> {
    match received {
        Some(Some(item)) => Ok(item),
        Some(None) => Err(RecvTimeoutError::Stopped),
        None => Err(RecvTimeoutError::Timeout),
    }
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "nothing came in time",
            Self::Stopped => "the node has stopped",
        })
    }
}

impl error::Error for RecvTimeoutError {}
