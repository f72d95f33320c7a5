//! Requests of peers.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use zre_core::{
    Error, IncomingRequest,
    proto::{Content, PeerId, ShortText},
};

use super::{Hub, Stream, operations::Place, state::State, waiters::Awaited};

impl<S: Stream> Hub<S> {
    /// Takes requests of peers from now on, which are whispers otherwise. While nobody takes them
    /// any more, they are refused.
    pub fn requests(self: &Arc<Self>) -> RequestReceiver<S> {
        self.with(|state, _| {
            state.engine.serve_requests();
            state.servers += 1;
        });
        RequestReceiver(Place::new(Arc::clone(self)))
    }
}

/// Receives the requests of peers; see [`Hub::requests`]. It does not hold the node.
#[derive(Debug)]
pub struct RequestReceiver<S: Stream>(Place<Arc<Hub<S>>, S>);

impl<S: Stream> RequestReceiver<S> {
    /// Waits for the next request; `None` when the node is over.
    pub fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Incoming<S>>> {
        let Place { hub, ticket } = &mut self.0;
        let taken = hub.with(|state, now| match state.engine.poll_request() {
            Some(request) => Poll::Ready(Some(request)),
            None if state.is_finished() => Poll::Ready(None),
            None => {
                // This thread may be the one that has written messages, and sends no more now.
                state.write_own(now);
                let State {
                    waiters, aftermath, ..
                } = state;
                waiters.wait_for_request(ticket, cx, aftermath);
                Poll::Pending
            }
        });
        taken.map(|request| Some(Incoming::new(hub, request?)))
    }

    /// Takes the next request if there is one.
    pub fn try_next(&mut self) -> Option<Incoming<S>> {
        let hub = &self.0.hub;
        let request = hub.with(|state, _| state.engine.poll_request())?;
        Some(Incoming::new(hub, request))
    }
}

impl<S: Stream> Drop for RequestReceiver<S> {
    fn drop(&mut self) {
        // In a forked child nobody has been counted.
        let leave = |state: &mut State<S>| state.servers = state.servers.saturating_sub(1);
        self.0.hub.with(|state, _| leave(state));
    }
}

/// A request of a peer. Dropped without an answer, it is refused, so that who asks need not wait.
pub struct Incoming<S: Stream> {
    hub: Arc<Hub<S>>,
    request: IncomingRequest,
    is_open: bool,
}

impl<S: Stream> Incoming<S> {
    fn new(hub: &Arc<Hub<S>>, request: IncomingRequest) -> Self {
        Self {
            hub: Arc::clone(hub),
            request,
            is_open: true,
        }
    }

    /// Who asks.
    pub fn peer(&self) -> PeerId {
        self.request.peer
    }

    /// The name of who asks.
    pub fn name(&self) -> &ShortText {
        &self.request.name
    }

    /// What is asked.
    pub fn content(&self) -> &Content {
        &self.request.content
    }

    /// What is asked, by value; it is empty afterwards.
    pub fn take_content(&mut self) -> Content {
        std::mem::take(&mut self.request.content)
    }

    /// Answers when there is room.
    pub fn answer(self, content: Content) -> Answering<S> {
        Answering {
            place: Place::new(Arc::clone(&self.hub)),
            incoming: self,
            content,
        }
    }
}

impl<S: Stream> Drop for Incoming<S> {
    fn drop(&mut self) {
        if self.is_open {
            let request = &self.request;
            self.hub.with_message(|state, now| {
                // Who has gone, or reads too slowly, hears nothing.
                if state.engine.refuse(request, now).is_ok() {
                    state.watch.note_sent(1);
                }
            });
        }
    }
}

impl<S: Stream> fmt::Debug for Incoming<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.fmt(f)
    }
}

/// An answer under way; see [`Incoming::answer`].
#[derive(Debug)]
pub struct Answering<S: Stream> {
    place: Place<Arc<Hub<S>>, S>,
    incoming: Incoming<S>,
    content: Content,
}

impl<S: Stream> Answering<S> {
    /// The error for who gives up waiting.
    pub fn full(&self) -> Error {
        Error::Full(self.incoming.peer())
    }

    /// Answers if there is room now.
    ///
    /// # Errors
    ///
    /// As [`Engine::answer`](zre_core::Engine::answer), but for [`Error::Full`].
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let Self {
            place: Place { hub, ticket },
            incoming: Incoming {
                request, is_open, ..
            },
            content,
        } = self;
        hub.check_process()?;
        hub.with_message(
            |state, now| match state.engine.answer(request, content, now) {
                Err(Error::Full(peer)) => {
                    state.wait_for_any(ticket, [Awaited::Capacity(peer)], cx, now);
                    Poll::Pending
                }
                Ok(()) => {
                    *is_open = false;
                    state.watch.note_sent(1);
                    Poll::Ready(Ok(()))
                }
                Err(error) => Poll::Ready(Err(error)),
            },
        )
    }
}
