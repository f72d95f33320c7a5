//! Requests that have been sent and wait for their answers.
//!
//! One thread waits for all of them, and takes an answer only when the one before it is written. So
//! while standard output is not read, answers stay with the node, whose limits bound them.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use zre_tokio::{
    Answers, Content, Error, GroupName, Node, PeerId, PendingAnyRequest, PendingRequest, Text,
};

use super::{
    answers::{Answer, Reply},
    events::answer,
    messages::told,
    output::Output,
    room,
    sends::Asked,
};
use crate::failure::Failure;

/// How many requests may wait for their answers.
pub(super) const MOST: u32 = 1024;

/// Requests that have been sent.
#[derive(Debug)]
pub(super) struct Asking {
    requests: mpsc::UnboundedSender<Open>,
    places: Arc<Semaphore>,
    finished: AtomicU64,
    /// Whether none is to wait any longer.
    over: watch::Sender<bool>,
}

/// A request that has been sent.
pub(super) struct Open {
    pub(super) pending: Pending,
    /// Who is asked: a member of this group.
    pub(super) group: Option<GroupName>,
    pub(super) asked: Asked,
    pub(super) place: Place,
}

/// A place among the requests that wait.
pub(super) type Place = OwnedSemaphorePermit;

/// What there is to wait for.
pub(super) enum Pending {
    /// Nothing any more.
    Known(Outcome),
    One(PeerId, PendingRequest),
    Any(PendingAnyRequest),
    All {
        answers: Answers,
        outcomes: usize,
        /// The room that the content takes until all members have been sent it.
        room: Option<room::Place>,
    },
}

/// An answer and whose it is, or why there is none.
pub(super) type Outcome = Result<(PeerId, Content), Error>;

/// What has come of a request.
enum Step {
    Last(Outcome),
    /// Of one of several members.
    One(PeerId, Result<Content, Error>),
    /// So many members have had their outcome.
    End(usize),
    GivenUp,
}

impl Asking {
    /// Requests, and where they come out for [`write_answers`].
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Open>) {
        let (requests, opened) = mpsc::unbounded_channel();
        let asking = Self {
            requests,
            places: Arc::new(Semaphore::new(MOST as usize)),
            finished: AtomicU64::new(0),
            over: watch::Sender::new(false),
        };
        (asking, opened)
    }

    /// A place for a request, if there is one.
    pub(super) fn try_place(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// A place for a request, when there is one.
    pub(super) async fn place(&self) -> Option<Place> {
        // The semaphore is never closed.
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// Waits for its answer.
    pub(super) fn put(&self, open: Open) {
        // The other side ends when the output is closed; then the pipe is about to end.
        let _ = self.requests.send(open);
    }

    /// How many outcomes there have been.
    pub(super) fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Waits until none waits.
    pub(super) async fn idle(&self) {
        // The semaphore is never closed.
        let _ = self.places.acquire_many(MOST).await;
    }

    /// Lets none wait any longer; those that do are answered that they have no answer.
    pub(super) fn give_up(&self) {
        self.over.send_replace(true);
    }

    /// Whether some wait.
    pub(super) fn are_waiting(&self) -> bool {
        self.places.available_permits() < MOST as usize
    }
}

/// Writes the answers as they come.
pub(super) async fn write_answers(
    asking: &Asking,
    mut opened: mpsc::UnboundedReceiver<Open>,
    node: &Node,
    output: &Output,
) -> Result<(), Failure> {
    let mut waiting = FuturesUnordered::new();
    loop {
        tokio::select! {
            request = opened.recv() => match request {
                Some(open) => waiting.push(open.step(asking.over.subscribe())),
                None => return Ok(()),
            },
            Some((open, step)) = waiting.next() => {
                let is_last = !matches!(step, Step::One(..));
                open.write(step, node, output)?;
                asking.finished.fetch_add(1, Ordering::Relaxed);
                if is_last {
                    drop(open.place);
                } else {
                    waiting.push(open.step(asking.over.subscribe()));
                }
            }
        }
    }
}

impl Open {
    /// Waits for what comes next.
    async fn step(mut self, mut over: watch::Receiver<bool>) -> (Self, Step) {
        let step = tokio::select! {
            biased;
            step = self.pending.next() => step,
            _ = over.wait_for(|over| *over) => Step::GivenUp,
        };
        (self, step)
    }

    fn write(&self, step: Step, node: &Node, output: &Output) -> Result<(), Failure> {
        let outcome = match step {
            Step::Last(outcome) => outcome.map_err(told),
            Step::One(peer, Ok(content)) => Ok((peer, content)),
            Step::One(peer, Err(error)) => return self.write_failure(peer, error, output),
            Step::End(members) => return self.write_end(members, output),
            Step::GivenUp => Err("not answered, as the node stops".to_owned()),
        };
        let id = self.asked.id.as_deref();
        match outcome {
            Ok((peer, content)) => {
                let name = node.peer(peer).map(|info| info.name);
                let group = self.group.as_ref().map(|group| -> &Text { group });
                let answer = answer(peer, name.as_deref(), group, &content);
                output.print(&Reply { answer, id })
            }
            Err(error) => output.print(&Reply::to(Err(error), self.asked.line, id)),
        }
    }

    /// That one of several members has not answered.
    fn write_failure(&self, peer: PeerId, error: Error, output: &Output) -> Result<(), Failure> {
        let answer = Answer::error(&told(error), self.asked.line, Some(peer));
        let id = self.asked.id.as_deref();
        output.print(&Reply { answer, id })
    }

    fn write_end(&self, members: usize, output: &Output) -> Result<(), Failure> {
        let (ok, members) = (true, Some(members));
        let answer = Answer::Done { ok, members };
        match Reply::to(Ok(answer), self.asked.line, self.asked.id.as_deref()) {
            Some(reply) => output.print(&reply),
            None => Ok(()),
        }
    }
}

impl Pending {
    /// Waits for what comes next. Dropping the future loses nothing.
    async fn next(&mut self) -> Step {
        match self {
            Self::Known(outcome) => Step::Last(outcome.clone()),
            Self::One(peer, request) => {
                let answered = Pin::new(request).await;
                Step::Last(answered.map(|content| (*peer, content)))
            }
            Self::Any(request) => {
                let answered = Pin::new(request).await;
                Step::Last(answered.map(|answer| (answer.peer, answer.content)))
            }
            Self::All {
                answers,
                outcomes,
                room,
            } => {
                let next = answers.next().await;
                if answers.is_sent() {
                    *room = None;
                }
                match next {
                    Some((peer, outcome)) => {
                        *outcomes += 1;
                        Step::One(peer, outcome)
                    }
                    None => Step::End(*outcomes),
                }
            }
        }
    }
}
