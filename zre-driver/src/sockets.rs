//! The receivers and listeners of a node, which come and go while it runs.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use crate::{
    driver::Runtime,
    hub::{ListenerId, ReceiverId},
};

/// How long to leave a receiver alone that has failed.
const PAUSE: Duration = Duration::from_millis(200);

/// What a receiver has received: how much, and from where.
type Received = io::Result<(usize, SocketAddr)>;

/// A connection that was accepted, and from where.
type Accepted<S> = io::Result<(S, SocketAddr)>;

/// The sockets that receive datagrams and accept connections.
pub(crate) struct Sockets<R: Runtime> {
    receivers: Turns<Receiver<R>>,
    listeners: Turns<(ListenerId, R::Listener)>,
    /// Whether datagrams have their turn before connections.
    datagrams_first: bool,
    /// No connection is accepted before, for want of descriptors.
    accept_again_at: Option<Instant>,
}

struct Receiver<R: Runtime> {
    id: ReceiverId,
    socket: R::Receiver,
    /// It has failed, and is not tried before.
    again_at: Option<Instant>,
}

/// What has come in.
pub(crate) enum Incoming<S> {
    Datagram(Received),
    Accepted(ListenerId, Accepted<S>),
}

impl<R: Runtime> Sockets<R> {
    pub(crate) fn new() -> Self {
        Self {
            receivers: Turns::default(),
            listeners: Turns::default(),
            datagrams_first: true,
            accept_again_at: None,
        }
    }

    pub(crate) fn add_receiver(&mut self, id: ReceiverId, socket: R::Receiver) {
        self.receivers.items.push(Receiver {
            id,
            socket,
            again_at: None,
        });
    }

    pub(crate) fn add_listener(&mut self, id: ListenerId, socket: R::Listener) {
        self.listeners.items.push((id, socket));
    }

    pub(crate) fn close_receiver(&mut self, id: ReceiverId) {
        self.receivers.items.retain(|receiver| receiver.id != id);
    }

    pub(crate) fn close_listener(&mut self, id: ListenerId) {
        self.listeners.items.retain(|(it, _)| *it != id);
    }

    /// Accepts nothing for a while.
    pub(crate) fn pause_accepting(&mut self, pause: Duration) {
        self.accept_again_at = Some(Instant::now() + pause);
    }

    /// When something is to be tried again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let receivers = self.receivers.items.iter().filter_map(|it| it.again_at);
        receivers.chain(self.accept_again_at).min()
    }

    /// Tries again what was left alone until now.
    pub(crate) fn handle_deadline(&mut self) {
        let now = Instant::now();
        self.accept_again_at.take_if(|at| *at <= now);
        for receiver in &mut self.receivers.items {
            receiver.again_at.take_if(|at| *at <= now);
        }
    }

    /// Takes what has come in. Neither datagrams nor connections hold up the other, and no socket
    /// holds up another of its kind.
    pub(crate) fn poll(
        &mut self,
        runtime: &mut R,
        cx: &mut Context<'_>,
        datagram: &mut [u8],
    ) -> Poll<Incoming<R::Stream>> {
        self.datagrams_first = !self.datagrams_first;
        for datagrams in [self.datagrams_first, !self.datagrams_first] {
            let incoming = match datagrams {
                true => self
                    .poll_receivers(runtime, cx, datagram)
                    .map(Incoming::Datagram),
                false => self
                    .poll_listeners(runtime, cx)
                    .map(|(id, accepted)| Incoming::Accepted(id, accepted)),
            };
            if incoming.is_ready() {
                return incoming;
            }
        }
        Poll::Pending
    }

    fn poll_receivers(
        &mut self,
        runtime: &mut R,
        cx: &mut Context<'_>,
        datagram: &mut [u8],
    ) -> Poll<Received> {
        self.receivers.poll(|receiver| {
            if receiver.again_at.is_some() {
                return Poll::Pending;
            }
            let received = runtime.poll_recv(&mut receiver.socket, cx, datagram);
            if let Poll::Ready(Err(_)) = received {
                // At once it might fail again, and keep the driver busy.
                receiver.again_at = Some(Instant::now() + PAUSE);
            }
            received
        })
    }

    fn poll_listeners(
        &mut self,
        runtime: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<(ListenerId, Accepted<R::Stream>)> {
        if self.accept_again_at.is_some() {
            return Poll::Pending;
        }
        self.listeners.poll(|(id, listener)| {
            let accepted = runtime.poll_accept(listener, cx);
            accepted.map(|accepted| (*id, accepted))
        })
    }
}

/// Things of one kind that have their turns one after the other.
struct Turns<T> {
    items: Vec<T>,
    /// Whose turn it is.
    next: usize,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            next: 0,
        }
    }
}

impl<T> Turns<T> {
    /// Asks each once, beginning behind the one that was ready last.
    fn poll<U>(&mut self, mut poll: impl FnMut(&mut T) -> Poll<U>) -> Poll<U> {
        let count = self.items.len();
        for step in 0..count {
            let turn = (self.next + step) % count;
            let Some(item) = self.items.get_mut(turn) else {
                continue;
            };
            let answer = poll(item);
            if answer.is_ready() {
                self.next = turn + 1;
                return answer;
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn_however_busy_the_others_are() {
        let mut turns = Turns::default();
        turns.items.extend([1, 2, 3]);
        let mut next = |is_busy: fn(i32) -> bool| {
            turns.poll(|item| match is_busy(*item) {
                true => Poll::Ready(*item),
                false => Poll::Pending,
            })
        };
        let order: Vec<_> = (0..6).map(|_| next(|_| true)).collect();
        assert_eq!(order, [1, 2, 3, 1, 2, 3].map(Poll::Ready));
        let order: Vec<_> = (0..3).map(|_| next(|item| item != 2)).collect();
        assert_eq!(order, [1, 3, 1].map(Poll::Ready));
        assert_eq!(next(|_| false), Poll::Pending);
        turns.items.retain(|item| *item == 3);
        assert_eq!(turns.poll(|item| Poll::Ready(*item)), Poll::Ready(3));
        turns.items.clear();
        assert_eq!(turns.poll(|item| Poll::Ready(*item)), Poll::Pending);
    }
}
