//! Requests and answers whose methods wait on the calling thread.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use zre_driver::{Answering, Ask, AskAll, Hub, Incoming, Recipient, RequestReceiver, api::*};

use crate::{
    leader::Leadership,
    node::{RecvTimeoutError, after, or_timeout},
    tcp::Tcp,
};

/// What a request needs of its node.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    pub(crate) hub: Arc<Hub<Tcp>>,
    pub(crate) leadership: Arc<Leadership>,
}

zre_driver::request_builders!();

impl RequestBuilder {
    /// Sends the request, and waits for the answer.
    ///
    /// # Errors
    ///
    /// Those of [`RequestBuilder`].
    pub fn wait(self) -> Result<Content, Error> {
        self.start().wait()
    }

    /// Sends the request if there is room, and leaves waiting for later: so several requests can be
    /// under way.
    pub fn start(self) -> PendingRequest {
        let (hub, to) = (&self.asker.hub, Recipient::Peer(self.peer));
        let ask = hub.request(to, self.content, self.timeout);
        PendingRequest(Pending::start(ask, self.asker.leadership))
    }
}

impl RequestAnyBuilder {
    /// Sends the request, and waits for the answer.
    ///
    /// # Errors
    ///
    /// Those of [`RequestAnyBuilder`].
    pub fn wait(self) -> Result<Answer, Error> {
        self.start()?.wait()
    }

    /// Sends the request if there is room, and leaves waiting for later: so several requests can be
    /// under way.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a group of more than 255 bytes.
    pub fn start(self) -> Result<PendingAnyRequest, Error> {
        let to = Recipient::Any(self.group?, self.choice);
        let ask = self.asker.hub.request(to, self.content, self.timeout);
        let pending = Pending::start(ask, self.asker.leadership);
        Ok(PendingAnyRequest(pending))
    }
}

impl RequestAllBuilder {
    /// Sends the request to all members, and gives their outcomes as they come.
    ///
    /// # Errors
    ///
    /// [`Error::NoMembers`] if no peer is in the group, [`Error::TooLong`] for a group of more than
    /// 255 bytes, [`Error::MessageTooLarge`], [`Error::Stopped`].
    pub fn start(self) -> Result<Answers, Error> {
        let Asker { hub, leadership } = self.asker;
        Ok(Answers {
            all: hub.request_all(self.group?, self.content, self.timeout)?,
            leadership,
        })
    }
}

/// A request that has been started.
#[derive(Debug)]
struct Pending {
    ask: Ask<Tcp>,
    /// The outcome, if it was known at once.
    known: Option<Result<Answer, Error>>,
    leadership: Arc<Leadership>,
}

impl Pending {
    fn start(mut ask: Ask<Tcp>, leadership: Arc<Leadership>) -> Self {
        // Whoever waits later is woken in place of this.
        let nobody = Context::from_waker(Waker::noop());
        let known = match ask.poll(&nobody) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        };
        Self {
            ask,
            known,
            leadership,
        }
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<Answer, Error>> {
        let known = self.known.take();
        known.or_else(|| self.leadership.wait(deadline, |cx| self.ask.poll(cx)))
    }
}

/// A request to one peer under way; see [`RequestBuilder::start`].
///
/// Dropped, nobody waits for the answer, which is dropped when it comes. It does not keep the node
/// running.
#[derive(Debug)]
#[must_use = "nobody waits for the answer of a request that is dropped"]
pub struct PendingRequest(Pending);

impl PendingRequest {
    /// Waits for the answer.
    ///
    /// # Errors
    ///
    /// Those of [`RequestBuilder`].
    pub fn wait(mut self) -> Result<Content, Error> {
        let waited = self.0.wait(None).unwrap_or(Err(Error::Stopped));
        waited.map(|answer| answer.content)
    }

    /// Waits for the answer no longer than this; `None` if the request is still under way then. A
    /// time of 0 only looks whether it is there. Once it has given the outcome there is no other.
    pub fn wait_timeout(&mut self, time: Duration) -> Option<Result<Content, Error>> {
        let waited = self.0.wait(after(time))?;
        Some(waited.map(|answer| answer.content))
    }
}

/// A request to one member of a group under way; see [`RequestAnyBuilder::start`].
///
/// Dropped, nobody waits for the answer, which is dropped when it comes. It does not keep the node
/// running.
#[derive(Debug)]
#[must_use = "nobody waits for the answer of a request that is dropped"]
pub struct PendingAnyRequest(Pending);

impl PendingAnyRequest {
    /// Waits for the answer.
    ///
    /// # Errors
    ///
    /// Those of [`RequestAnyBuilder`].
    pub fn wait(mut self) -> Result<Answer, Error> {
        self.0.wait(None).unwrap_or(Err(Error::Stopped))
    }

    /// Waits for the answer no longer than this; `None` if the request is still under way then. A
    /// time of 0 only looks whether it is there. Once it has given the outcome there is no other.
    pub fn wait_timeout(&mut self, time: Duration) -> Option<Result<Answer, Error>> {
        self.0.wait(after(time))
    }
}

/// The outcomes of a request to all members of a group, in the order in which they are known; see
/// [`Node::request_all`](crate::Node::request_all).
///
/// It is an iterator, which ends when each member that was there at the start has its outcome. The
/// errors are those of a [`RequestBuilder`]. Dropped, nobody waits for the others. It does not keep
/// the node running.
#[derive(Debug)]
pub struct Answers {
    all: AskAll<Tcp>,
    leadership: Arc<Leadership>,
}

impl Iterator for Answers {
    type Item = (PeerId, Result<Content, Error>);

    fn next(&mut self) -> Option<Self::Item> {
        let waited = self.leadership.wait(None, |cx| self.all.poll_next(cx));
        waited.flatten()
    }
}

/// The requests of peers to this node; see [`Node::requests`](crate::Node::requests).
///
/// It is an iterator, which ends when the node has stopped. It does not keep the node running.
#[derive(Debug)]
pub struct Requests {
    receiver: RequestReceiver<Tcp>,
    leadership: Arc<Leadership>,
}

impl Requests {
    pub(crate) fn new(asker: Asker) -> Self {
        Self {
            receiver: asker.hub.requests(),
            leadership: asker.leadership,
        }
    }

    /// Waits for the next request, no longer than this.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`] says whether the time is over or the node has stopped.
    pub fn next_timeout(&mut self, time: Duration) -> Result<Request, RecvTimeoutError> {
        or_timeout(self.wait(after(time)))
    }

    /// Takes the next request if there is one.
    pub fn try_next(&mut self) -> Option<Request> {
        let incoming = self.receiver.try_next()?;
        Some(self.request(incoming))
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Option<Request>> {
        let receiver = &mut self.receiver;
        let waited = self
            .leadership
            .wait(deadline, |cx| receiver.poll_next(cx))?;
        Some(waited.map(|incoming| self.request(incoming)))
    }

    fn request(&self, incoming: Incoming<Tcp>) -> Request {
        let leadership = Arc::clone(&self.leadership);
        Request {
            incoming,
            leadership,
        }
    }
}

impl Iterator for Requests {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        self.wait(None).flatten()
    }
}

/// A request of a peer, to be answered or refused once; see
/// [`Node::requests`](crate::Node::requests).
///
/// Dropped without an answer, it is refused, so that who asks need not wait.
#[derive(Debug)]
pub struct Request {
    incoming: Incoming<Tcp>,
    leadership: Arc<Leadership>,
}

impl Request {
    zre_driver::incoming_methods!();

    /// Answers. When too much waits for the peer already, this waits, until it reads on or is given
    /// up.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`] if the peer has gone, or has begun a new session, since it asked;
    /// [`Error::MessageTooLarge`], and the request is refused; [`Error::Stopped`].
    pub fn answer(self, content: impl Into<Content>) -> Result<(), Error> {
        self.answer_until(None, content.into())
    }

    /// Answers, and waits no longer than this.
    ///
    /// # Errors
    ///
    /// As [`answer`](Request::answer), and [`Error::Full`] if the time is over. Then the peer hears
    /// nothing.
    pub fn answer_timeout(self, content: impl Into<Content>, time: Duration) -> Result<(), Error> {
        self.answer_until(after(time), content.into())
    }

    fn answer_until(self, deadline: Option<Instant>, content: Content) -> Result<(), Error> {
        let mut answer: Answering<Tcp> = self.incoming.answer(content);
        let answered = self.leadership.wait(deadline, |cx| answer.poll(cx));
        answered.unwrap_or_else(|| Err(answer.full()))
    }
}
