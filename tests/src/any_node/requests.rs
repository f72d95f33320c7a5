//! Requests and answers of any adapter.

use std::{sync::Arc, time::Duration};

use zre_core::{
    Error,
    proto::{Content, PeerId},
};
use zre_tokio::Answer;

use super::{AnyNode, Host, Pending, node::Inner};

/// The outcomes of a request to all members of a group.
pub type Outcomes = Vec<(PeerId, Result<Content, Error>)>;

/// Receives the requests of peers.
#[derive(Debug)]
pub struct AnyRequests {
    of: Requests,
    host: Arc<Host>,
}

#[derive(Debug)]
enum Requests {
    Tokio(zre_tokio::Requests),
    Smol(zre_smol::Requests),
    Blocking(zre_blocking::Requests),
}

/// A request of a peer.
#[derive(Debug)]
pub struct AnyRequest {
    of: Request,
    host: Arc<Host>,
}

#[derive(Debug)]
enum Request {
    Tokio(zre_tokio::Request),
    Smol(zre_smol::Request),
    Blocking(zre_blocking::Request),
}

/// With a time if there is one.
macro_rules! timed {
    ($builder:expr, $time:ident) => {{
        let builder = $builder;
        match $time {
            Some(time) => builder.timeout(time),
            None => builder,
        }
    }};
}

#[allow(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "as the adapters' methods; and a panic when something hangs"
)]
impl AnyNode {
    /// Asks a peer.
    pub fn request(
        &self,
        peer: PeerId,
        content: impl Into<Content>,
        time: Option<Duration>,
    ) -> Result<Content, Error> {
        self.begin_request(peer, content, time).wait()
    }

    /// Begins to ask a peer.
    pub fn begin_request(
        &self,
        peer: PeerId,
        content: impl Into<Content>,
        time: Option<Duration>,
    ) -> Pending<Result<Content, Error>> {
        let content = content.into();
        match &self.node {
            Inner::Tokio(node) => {
                let request = timed!(node.request(peer, content), time);
                self.host.run(request.into_future())
            }
            Inner::Smol(node) => {
                let request = timed!(node.request(peer, content), time);
                self.host.run(request.into_future())
            }
            Inner::Blocking(node) => {
                let request = timed!(node.request(peer, content), time);
                Pending::on_thread(move || request.wait())
            }
        }
    }

    /// Asks the next member of a group in turn, or the least busy one.
    pub fn request_any(
        &self,
        group: &str,
        content: impl Into<Content>,
        in_turn: bool,
    ) -> Result<Answer, Error> {
        macro_rules! builder {
            ($node:ident) => {{
                let builder = $node.request_any(group, content);
                match in_turn {
                    true => builder.round_robin(),
                    false => builder.least_busy(),
                }
            }};
        }
        match &self.node {
            Inner::Tokio(node) => self.host.run(builder!(node).into_future()).wait(),
            Inner::Smol(node) => self.host.run(builder!(node).into_future()).wait(),
            Inner::Blocking(node) => {
                let request = builder!(node);
                Pending::on_thread(move || request.wait()).wait()
            }
        }
    }

    /// Asks all members of a group.
    pub fn request_all(
        &self,
        group: &str,
        content: impl Into<Content>,
        time: Option<Duration>,
    ) -> Result<Outcomes, Error> {
        macro_rules! collect {
            ($answers:expr) => {{
                let mut answers = $answers;
                self.host.run(async move {
                    let mut outcomes = Vec::new();
                    while let Some(outcome) = answers.next().await {
                        outcomes.push(outcome);
                    }
                    outcomes
                })
            }};
        }
        let outcomes = match &self.node {
            Inner::Tokio(node) => {
                collect!(timed!(node.request_all(group, content), time).start()?)
            }
            Inner::Smol(node) => {
                collect!(timed!(node.request_all(group, content), time).start()?)
            }
            Inner::Blocking(node) => {
                let answers = timed!(node.request_all(group, content), time).start()?;
                Pending::on_thread(move || answers.collect())
            }
        };
        Ok(outcomes.wait())
    }

    /// Takes requests of peers from now on.
    pub fn requests(&self) -> AnyRequests {
        let of = match &self.node {
            Inner::Tokio(node) => Requests::Tokio(node.requests()),
            Inner::Smol(node) => Requests::Smol(node.requests()),
            Inner::Blocking(node) => Requests::Blocking(node.requests()),
        };
        let host = Arc::clone(&self.host);
        AnyRequests { of, host }
    }
}

impl AnyRequests {
    /// Waits for the next request in a task or on a thread of its own.
    pub fn begin_next(self) -> Pending<(Option<AnyRequest>, Self)> {
        let host = Arc::clone(&self.host);
        macro_rules! next {
            ($adapter:ident, $requests:ident) => {
                self.host.run(async move {
                    let request = $requests.next().await;
                    let of = Requests::$adapter($requests);
                    let request = request.map(Request::$adapter);
                    give(request, of, host)
                })
            };
        }
        match self.of {
            Requests::Tokio(mut requests) => next!(Tokio, requests),
            Requests::Smol(mut requests) => next!(Smol, requests),
            Requests::Blocking(mut requests) => Pending::on_thread(move || {
                let request = requests.next().map(Request::Blocking);
                give(request, Requests::Blocking(requests), host)
            }),
        }
    }

    /// Waits for the next request; `None` when the node has stopped.
    ///
    /// # Panics
    ///
    /// When none comes.
    #[track_caller]
    pub fn next(self) -> (Option<AnyRequest>, Self) {
        self.begin_next().wait()
    }

    /// Takes the next request, if it is there.
    pub fn try_next(&mut self) -> Option<AnyRequest> {
        let of = match &mut self.of {
            Requests::Tokio(requests) => Request::Tokio(requests.try_next()?),
            Requests::Smol(requests) => Request::Smol(requests.try_next()?),
            Requests::Blocking(requests) => Request::Blocking(requests.try_next()?),
        };
        let host = Arc::clone(&self.host);
        Some(AnyRequest { of, host })
    }

    /// Answers each request with what `answer` makes of it, until the node has stopped, in a task
    /// or on a thread of its own; says how many there were.
    pub fn serve(self, answer: impl Fn(&Content) -> Content + Send + 'static) -> Pending<usize> {
        macro_rules! serve {
            ($requests:ident) => {
                self.host.run(async move {
                    let mut count = 0;
                    while let Some(request) = $requests.next().await {
                        let content = answer(request.content());
                        // It may have gone meanwhile.
                        count += usize::from(request.answer(content).await.is_ok());
                    }
                    count
                })
            };
        }
        match self.of {
            Requests::Tokio(mut requests) => serve!(requests),
            Requests::Smol(mut requests) => serve!(requests),
            Requests::Blocking(requests) => Pending::on_thread(move || {
                let answered = requests.map(|request| {
                    let content = answer(request.content());
                    request.answer(content).is_ok()
                });
                answered.map(usize::from).sum()
            }),
        }
    }
}

fn give(
    request: Option<Request>,
    of: Requests,
    host: Arc<Host>,
) -> (Option<AnyRequest>, AnyRequests) {
    let request = request.map(|of| AnyRequest {
        of,
        host: Arc::clone(&host),
    });
    (request, AnyRequests { of, host })
}

#[allow(clippy::missing_errors_doc, reason = "as the adapters' methods")]
impl AnyRequest {
    /// Who asks.
    pub fn peer(&self) -> PeerId {
        match &self.of {
            Request::Tokio(request) => request.peer(),
            Request::Smol(request) => request.peer(),
            Request::Blocking(request) => request.peer(),
        }
    }

    /// What is asked.
    pub fn content(&self) -> &Content {
        match &self.of {
            Request::Tokio(request) => request.content(),
            Request::Smol(request) => request.content(),
            Request::Blocking(request) => request.content(),
        }
    }

    /// Answers.
    pub fn answer(self, content: impl Into<Content>) -> Result<(), Error> {
        self.begin_answer(content).wait()
    }

    /// Begins to answer.
    pub fn begin_answer(self, content: impl Into<Content>) -> Pending<Result<(), Error>> {
        let content = content.into();
        match self.of {
            Request::Tokio(request) => self.host.run(request.answer(content)),
            Request::Smol(request) => self.host.run(request.answer(content)),
            Request::Blocking(request) => Pending::on_thread(move || request.answer(content)),
        }
    }

    /// Refuses.
    pub fn refuse(self) {
        match self.of {
            Request::Tokio(request) => request.refuse(),
            Request::Smol(request) => request.refuse(),
            Request::Blocking(request) => request.refuse(),
        }
    }
}
