//! The messages that commands send.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
};

use bytes::Bytes;
use tokio::sync::watch;
use zre_tokio::{ConfirmedShout, ConfirmedWhisper, Content, Error, GroupName, Node, PeerId};

use super::{
    answers::{Answer, Confirmed},
    command::Outgoing,
    sends::{Goal, Message, Turn},
};

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
    error.to_string()
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

fn size(content: &Content) -> usize {
    content.frames().iter().map(Bytes::len).sum()
}
