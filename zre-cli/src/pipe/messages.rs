//! The messages that commands send.

use std::{
    future::{Future, IntoFuture as _, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::watch;
use zre_tokio::{
    ConfirmedShout, ConfirmedWhisper, Content, Error, GroupName, Node, PeerId, PendingAnyRequest,
    PendingRequest, Request,
};

use super::{
    answers::{Answer, Confirmed},
    asking::{Asking, Open, Pending, Place},
    command::Outgoing,
    room,
    sends::{Asked, Goal, Message, Turn},
};
use crate::text::quoted;

/// A whisper, which is done when it is on its way, or confirmed.
pub(super) fn whisper(node: &Node, peer: PeerId, outgoing: Outgoing) -> Message {
    let Outgoing { content, confirmed } = outgoing;
    let (node, goal, size) = (node.clone(), Goal::Peer(peer), size(&content));
    if !confirmed {
        return message(goal, size, async move {
            node.whisper(peer, content).await?;
            Ok(done())
        });
    }
    message_with_turn(goal, size, |turn| async move {
        let whisper = node.whisper_confirmed(peer, content);
        holding(turn, whisper, ConfirmedWhisper::is_sent).await?;
        Ok(Answer::Confirmed(Confirmed::whisper(peer)))
    })
}

/// A shout, which is done when it is on its way, or all that is to be known has become of it.
pub(super) fn shout(node: &Node, group: GroupName, outgoing: Outgoing) -> Message {
    let Outgoing { content, confirmed } = outgoing;
    let (node, goal, size) = (node.clone(), Goal::Group(group.clone()), size(&content));
    if !confirmed {
        return message(goal, size, async move {
            let members = Some(node.shout(group, content).await?);
            Ok(Answer::Done { ok: true, members })
        });
    }
    message_with_turn(goal, size, |turn| async move {
        let shout = node.shout_confirmed(&group, content);
        let outcomes = holding(turn, shout, ConfirmedShout::is_sent).await?;
        Ok(Answer::Confirmed(Confirmed::shout(&group, &outcomes)))
    })
}

/// Waits until a peer has confirmed all that was sent to it before.
pub(super) fn flush(node: &Node, peer: PeerId) -> Message {
    let node = node.clone();
    message_with_turn(Goal::Peer(peer), 0, |turn| async move {
        // It asks the peer as soon as it is polled.
        holding(turn, Box::pin(node.flush(peer)), |_| true).await?;
        Ok(Answer::Confirmed(Confirmed::whisper(peer)))
    })
}

/// A request of which nothing is known yet but its line.
pub(super) struct Waiting {
    pub(super) asking: Arc<Asking>,
    pub(super) asked: Asked,
    pub(super) place: Place,
}

/// A request to a peer, which is done when it is on its way; then it waits for its answer.
pub(super) fn request(
    node: &Node,
    peer: PeerId,
    content: Content,
    timeout: Option<Duration>,
    waiting: Waiting,
) -> Message {
    let size = size(&content);
    let mut request = node.request(peer, content);
    if let Some(time) = timeout {
        request = request.timeout(time);
    }
    let mut request = request.into_future();
    message(Goal::Peer(peer), size, async move {
        let known = until_sent(&mut request, PendingRequest::is_sent).await;
        let pending = match known {
            Some(outcome) => Pending::Known(outcome.map(|content| (peer, content))),
            None => Pending::One(peer, request),
        };
        Ok(waiting.answered_later(pending, None))
    })
}

/// A request to one member of a group, done as [`request`].
pub(super) fn request_any(
    node: &Node,
    group: GroupName,
    content: Content,
    timeout: Option<Duration>,
    waiting: Waiting,
) -> Message {
    let size = size(&content);
    let mut request = node.request_any(&group, content);
    if let Some(time) = timeout {
        request = request.timeout(time);
    }
    let mut request = request.into_future();
    message(Goal::Group(group.clone()), size, async move {
        let known = until_sent(&mut request, PendingAnyRequest::is_sent).await;
        let pending = match known {
            Some(outcome) => Pending::Known(outcome.map(|answer| (answer.peer, answer.content))),
            None => Pending::Any(request),
        };
        Ok(waiting.answered_later(pending, Some(group)))
    })
}

/// A request to all members of a group, which is done when it is on its way to all that have room.
/// It keeps the room that its content takes until it is on its way to the others.
pub(super) fn request_all(
    node: &Node,
    group: GroupName,
    content: Content,
    timeout: Option<Duration>,
    waiting: Waiting,
    room: Option<room::Place>,
) -> Message {
    let mut request = node.request_all(&group, content);
    if let Some(time) = timeout {
        request = request.timeout(time);
    }
    message(Goal::Group(group.clone()), 0, async move {
        let outcomes = 0;
        let pending = match request.start() {
            Ok(answers) => Pending::All {
                answers,
                outcomes,
                room,
            },
            Err(error) => Pending::Known(Err(error)),
        };
        Ok(waiting.answered_later(pending, Some(group)))
    })
}

/// The reply to a request of a peer. Not sent, it refuses the request.
pub(super) fn reply(request: Request, content: Content) -> Message {
    let (peer, size) = (request.peer(), size(&content));
    let reply = message(Goal::Peer(peer), size, async move {
        request.answer(content).await?;
        Ok(done())
    });
    Message {
        asker: Some(peer),
        ..reply
    }
}

/// So many whispers with the numbers from 0 on.
pub(super) fn flood(node: &Node, peer: PeerId, count: u64) -> Message {
    let node = node.clone();
    message(Goal::Peer(peer), 0, async move {
        for number in 0..count {
            node.whisper(peer, number.to_string()).await?;
        }
        Ok(done())
    })
}

/// The answer to a command that has no other.
pub(super) fn done() -> Answer {
    Answer::Done {
        ok: true,
        members: None,
    }
}

pub(super) fn told(error: Error) -> String {
    match error {
        Error::NoMembers(group) => format!("nobody is in the group {}", quoted(&group.to_string())),
        error => error.to_string(),
    }
}

impl Waiting {
    fn answered_later(self, pending: Pending, group: Option<GroupName>) -> Answer {
        self.asking.put(Open {
            pending,
            group,
            asked: self.asked,
            place: self.place,
        });
        Answer::Later
    }
}

fn message(
    goal: Goal,
    size: usize,
    work: impl Future<Output = Result<Answer, Error>> + Send + 'static,
) -> Message {
    Message {
        goal,
        size,
        work: Box::pin(async { work.await.map_err(told) }),
        asker: None,
        sent: None,
    }
}

/// A message whose work gives up its turn before it is done.
fn message_with_turn<W>(goal: Goal, size: usize, work: impl FnOnce(Turn) -> W) -> Message
where
    W: Future<Output = Result<Answer, Error>> + Send + 'static,
{
    let (turn, sent) = watch::channel(());
    Message {
        sent: Some(sent),
        ..message(goal, size, work(turn))
    }
}

/// Waits for a confirmation, and holds the turn until the message is on its way.
async fn holding<F: Future + Unpin>(
    turn: Turn,
    mut confirmed: F,
    is_sent: impl Fn(&F) -> bool,
) -> F::Output {
    let mut turn = Some(turn);
    poll_fn(|cx| {
        let polled = Pin::new(&mut confirmed).poll(cx);
        if is_sent(&confirmed) {
            turn = None;
        }
        polled
    })
    .await
}

/// Waits until a request is on its way, or its outcome is known.
async fn until_sent<F: Future + Unpin>(
    request: &mut F,
    is_sent: impl Fn(&F) -> bool,
) -> Option<F::Output> {
    poll_fn(|cx| match Pin::new(&mut *request).poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending if is_sent(request) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// The bytes of all frames.
pub(super) fn size(content: &Content) -> usize {
    content.frames().iter().map(Bytes::len).sum()
}
