//! What happens to a node: its events, and requests of peers.

use std::{collections::BTreeSet, future::pending, io::Write, mem, sync::Arc};

use zre_tokio::{Event, Node, PeerId, Requests};

use super::{
    counters::Counters,
    events,
    output::Lines,
    serving::{Open, Serving},
};
use crate::failure::Failure;

/// After so many events in a row, a request has its turn. So a peer that sends without a pause
/// holds up no request of another one.
const TURN: u32 = 32;

/// What happens to a node.
#[derive(Debug)]
pub(super) struct Happenings {
    node: Node,
    counters: Arc<Counters>,
    /// Requests of peers, if they are taken, and where they are until they are replied to.
    requests: Option<(Requests, Arc<Serving>)>,
    /// How many events have come since requests last had their turn.
    in_a_row: u32,
    /// The peers whose ENTER has been told.
    entered: BTreeSet<PeerId>,
    /// Requests of others, which are told behind the ENTER.
    early: Vec<Open>,
}

/// Something that has happened.
#[derive(Debug)]
pub(super) enum Happening {
    Event(Event),
    Request(Open),
}

impl Happenings {
    pub(super) fn new(
        node: Node,
        counters: Arc<Counters>,
        requests: Option<(Requests, Arc<Serving>)>,
    ) -> Self {
        Self {
            node,
            counters,
            requests,
            in_a_row: 0,
            entered: BTreeSet::new(),
            early: Vec::new(),
        }
    }

    /// Waits for the next; `None` when the node has stopped.
    pub(super) async fn next(&mut self) -> Option<Happening> {
        if let Some(happening) = self.try_next() {
            return Some(happening);
        }
        tokio::select! {
            biased;
            event = self.node.recv() => event.map(Happening::Event),
            open = next_request(&mut self.requests) => Some(Happening::Request(open)),
        }
    }

    /// The next, if there is one.
    pub(super) fn try_next(&mut self) -> Option<Happening> {
        if self.in_a_row < TURN
            && let Some(event) = self.node.try_recv()
        {
            self.in_a_row += 1;
            return Some(Happening::Event(event));
        }
        self.in_a_row = 0;
        let request = self.requests.as_mut();
        let request = request.and_then(|(requests, serving)| serving.try_next(requests));
        match request {
            Some(open) => Some(Happening::Request(open)),
            None => self.node.try_recv().map(Happening::Event),
        }
    }

    /// Appends the line about it, if it has one.
    pub(super) fn append<W: Write, F: Fn() -> W>(
        &mut self,
        lines: &mut Lines<'_, W, F>,
        happening: Happening,
    ) -> Result<(), Failure> {
        match happening {
            Happening::Event(event) => self.append_event(lines, &event),
            Happening::Request(open) if self.entered.contains(&open.request.peer()) => {
                self.append_request(lines, open)
            }
            Happening::Request(open) => {
                self.early.push(open);
                Ok(())
            }
        }
    }

    fn append_event<W: Write, F: Fn() -> W>(
        &mut self,
        lines: &mut Lines<'_, W, F>,
        event: &Event,
    ) -> Result<(), Failure> {
        match event {
            Event::Whisper { peer, content, .. } if self.counters.take(*peer, content) => {
                return Ok(());
            }
            Event::Exit { peer, .. } => self.forget(*peer),
            _ => {}
        }
        if let Some(line) = events::line(event) {
            lines.append(&line)?;
        }
        match event {
            Event::Enter { peer, .. } => self.append_early(lines, *peer),
            _ => Ok(()),
        }
    }

    fn append_early<W: Write, F: Fn() -> W>(
        &mut self,
        lines: &mut Lines<'_, W, F>,
        peer: PeerId,
    ) -> Result<(), Failure> {
        self.entered.insert(peer);
        for open in mem::take(&mut self.early) {
            self.append(lines, Happening::Request(open))?;
        }
        Ok(())
    }

    fn append_request<W: Write, F: Fn() -> W>(
        &self,
        lines: &mut Lines<'_, W, F>,
        mut open: Open,
    ) -> Result<(), Failure> {
        let Some((_, serving)) = &self.requests else {
            return Ok(());
        };
        let (peer, name) = (open.request.peer(), open.request.name().clone());
        let content = open.request.take_content();
        // Whoever reads the line may reply at once.
        let number = serving.keep(open);
        lines.append(&events::request(peer, &name, number, &content))
    }

    /// The session of a peer is over.
    fn forget(&mut self, peer: PeerId) {
        self.entered.remove(&peer);
        if let Some((_, serving)) = &self.requests {
            serving.forget(peer, self.node.peer(peer).is_some());
        }
    }
}

async fn next_request(requests: &mut Option<(Requests, Arc<Serving>)>) -> Open {
    if let Some((requests, serving)) = requests
        && let Some(open) = serving.next(requests).await
    {
        return open;
    }
    // The events tell the end.
    pending().await
}

#[cfg(test)]
mod tests {
    use std::{
        future::{IntoFuture, poll_fn},
        pin::Pin,
        task::Poll,
    };

    use zre_tokio::PendingRequest;

    use super::{super::Output, *};

    const BOB: [u8; 16] = [2; 16];

    async fn node(port: u16, name: &str) -> Node {
        let builder = Node::builder(name).interface("127.0.0.1").port(port);
        let id = if name == "bob" { BOB } else { [1; 16] };
        builder.id(id).start().await.unwrap()
    }

    /// Bob, who has met alice.
    async fn bob(port: u16, alice: PeerId) -> Node {
        let bob = node(port, "bob").await;
        while bob.peer(alice).is_none() {
            bob.recv().await.unwrap();
        }
        bob
    }

    /// What happens to alice, who serves, and bob.
    async fn served(port: u16) -> (Happenings, Node) {
        let alice = node(port, "alice").await;
        let requests = (alice.requests(), Arc::new(Serving::new()));
        let bob = bob(port, alice.id()).await;
        (Happenings::new(alice, Arc::default(), Some(requests)), bob)
    }

    /// Asks alice, and waits until her node has the request.
    async fn ask(bob: &Node, alice: PeerId) -> PendingRequest {
        let mut request = bob.request(alice, "2+2").into_future();
        poll_fn(|cx| match Pin::new(&mut request).poll(cx) {
            Poll::Ready(outcome) => panic!("{outcome:?}"),
            Poll::Pending if request.is_sent() => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        })
        .await;
        bob.flush(alice).await.unwrap();
        request
    }

    /// Takes a request before all events.
    fn overtaking(happenings: &mut Happenings) -> Happening {
        let (requests, serving) = happenings.requests.as_mut().unwrap();
        Happening::Request(serving.try_next(requests).unwrap())
    }

    /// Tells these, and then all events, and gives the kinds of lines.
    fn told(happenings: &mut Happenings, first: Happening) -> Vec<String> {
        let output = Output::default();
        let mut lines = Lines::to(&output, Vec::new);
        let mut next = Some(first);
        while let Some(happening) = next {
            happenings.append(&mut lines, happening).unwrap();
            next = happenings.try_next();
        }
        let kind = |line: &str| line.split('"').nth(3).unwrap().to_owned();
        lines.batch().lines().map(kind).collect()
    }

    #[tokio::test]
    async fn events_without_a_pause_hold_up_no_request() {
        let (mut happenings, bob) = served(25770).await;
        let alice = happenings.node.id();
        for _ in 0..10 * TURN {
            bob.whisper(alice, "hi").await.unwrap();
        }
        let _request = ask(&bob, alice).await;
        for _ in 0..TURN {
            let happening = happenings.try_next();
            assert!(matches!(happening, Some(Happening::Event(_))));
        }
        let happening = happenings.try_next();
        assert!(matches!(happening, Some(Happening::Request(_))));
    }

    #[tokio::test]
    async fn a_request_is_told_behind_who_asks() {
        let (mut happenings, bob) = served(25771).await;
        let _request = ask(&bob, happenings.node.id()).await;
        let early = overtaking(&mut happenings);
        assert_eq!(told(&mut happenings, early), ["ENTER", "REQUEST"]);
    }

    #[tokio::test]
    async fn the_end_of_a_session_leaves_the_requests_of_the_next() {
        let (mut happenings, old) = served(25772).await;
        let alice = happenings.node.id();
        let _request = ask(&old, alice).await;
        let enter = happenings.try_next().unwrap();
        assert_eq!(told(&mut happenings, enter), ["ENTER", "REQUEST"]);
        old.stop().await;
        let new = bob(25772, alice).await;
        let request = ask(&new, alice).await;
        let early = overtaking(&mut happenings);
        assert_eq!(told(&mut happenings, early), ["REQUEST", "EXIT", "ENTER"]);
        let (_, serving) = happenings.requests.as_ref().unwrap();
        serving.take(2).unwrap().answer("4").await.unwrap();
        assert_eq!(request.await.unwrap(), "4");
        new.stop().await;
        while happenings.node.peer(new.id()).is_some() {
            happenings.node.recv().await;
        }
        happenings.forget(new.id());
        let (_, serving) = happenings.requests.as_ref().unwrap();
        assert!(serving.take(1).is_err());
    }
}
