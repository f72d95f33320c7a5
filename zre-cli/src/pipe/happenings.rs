//! What happens to a node: its events, and requests of peers.

use std::{future::pending, io::Write, sync::Arc};

use zre_tokio::{Event, Node, Requests};

use super::{
    counters::Counters,
    events,
    output::Lines,
    serving::{Open, Serving},
};
use crate::failure::Failure;

/// What happens to a node.
#[derive(Debug)]
pub(super) struct Happenings {
    pub(super) node: Node,
    pub(super) counters: Arc<Counters>,
    /// Requests of peers, if they are taken, and where they are until they are replied to.
    pub(super) requests: Option<(Requests, Arc<Serving>)>,
}

/// Something that has happened.
pub(super) enum Happening {
    Event(Event),
    Request(Open),
}

impl Happenings {
    /// Waits for the next; `None` when the node has stopped. An event goes first: the first of a
    /// peer tells who it is.
    pub(super) async fn next(&mut self) -> Option<Happening> {
        tokio::select! {
            biased;
            event = self.node.recv() => event.map(Happening::Event),
            open = next_request(&mut self.requests) => Some(Happening::Request(open)),
        }
    }

    /// The next, if there is one.
    pub(super) fn try_next(&mut self) -> Option<Happening> {
        if let Some(event) = self.node.try_recv() {
            return Some(Happening::Event(event));
        }
        let (requests, serving) = self.requests.as_mut()?;
        serving.try_next(requests).map(Happening::Request)
    }

    /// Appends the line about it, if it has one.
    pub(super) fn append<W: Write, F: Fn() -> W>(
        &self,
        lines: &mut Lines<'_, W, F>,
        happening: Happening,
    ) -> Result<(), Failure> {
        match happening {
            Happening::Event(event) => self.append_event(lines, &event),
            Happening::Request(open) => self.append_request(lines, open),
        }
    }

    fn append_event<W: Write, F: Fn() -> W>(
        &self,
        lines: &mut Lines<'_, W, F>,
        event: &Event,
    ) -> Result<(), Failure> {
        match (event, &self.requests) {
            (Event::Whisper { peer, content, .. }, _) if self.counters.take(*peer, content) => {
                return Ok(());
            }
            (Event::Exit { peer, .. }, Some((_, serving))) => serving.forget(*peer),
            _ => {}
        }
        match events::line(event) {
            Some(line) => lines.append(&line),
            None => Ok(()),
        }
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
