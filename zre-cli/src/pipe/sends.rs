//! Whispers and shouts that wait for a peer which reads slowly, while other commands are carried
//! out.
//!
//! What is sent to one peer keeps its order, and so does what is sent to one group: a send begins
//! only when those before it that have the same goal are done. A whisper and a shout meet where
//! the peer is a member of the group; there the later one waits for the earlier, too, but no longer
//! than a shout waits for a slow member. So one peer that does not read holds up no group for long.
//!
//! A message that is to be confirmed is waited for by those behind it only until it is on its way.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use serde_json::value::RawValue;
use tokio::{runtime::Handle, sync::watch, time::timeout};
use zre_tokio::{GroupName, Node, PeerId};

use super::{
    answers::{Answer, Reply},
    output::Output,
    room::{Place, Room},
};
use crate::json::Format;

/// What a send does, and its answer or an error for the user.
pub(super) type Work = Pin<Box<dyn Future<Output = Result<Answer, String>> + Send>>;

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Goal {
    Peer(PeerId),
    Group(GroupName),
}

/// A message to be sent.
pub(super) struct Message {
    pub(super) goal: Goal,
    /// The bytes of its content.
    pub(super) size: usize,
    pub(super) work: Work,
    /// Who has asked for it: then only so much may wait for that peer.
    pub(super) asker: Option<PeerId>,
    /// Closed when those behind it may begin, if that is before it is done.
    pub(super) sent: Option<Done>,
}

/// Held by a message until those behind it may begin.
pub(super) type Turn = watch::Sender<()>;

/// What has become of a send.
pub(super) enum Attempt {
    Done(Result<Answer, String>),
    MustWait(Message),
}

/// The line that asked for something, for the answer to it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) line: u64,
    pub(super) id: Option<Box<RawValue>>,
}

/// Carries out sends, in the background where they have to wait. Only one thread begins them.
#[derive(Debug)]
pub(super) struct Sends {
    node: Node,
    runtime: Handle,
    format: Format,
    /// How long sends with different goals wait for each other; `None`: until they are done.
    patience: Option<Duration>,
    shared: Arc<Shared>,
    room: Room,
    answers: mpsc::Sender<Answered>,
}

/// What the sends that wait share.
#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    finished: AtomicU64,
    /// Whether none is to wait any longer.
    over: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    sends: BTreeMap<u64, Entry>,
}

/// A send that waits.
#[derive(Debug)]
struct Entry {
    goal: Goal,
    /// The peers that it is for, in order.
    peers: Vec<PeerId>,
    /// Closed when it is done, or at least on its way.
    done: Done,
}

/// Closed when something is done.
pub(super) type Done = watch::Receiver<()>;

/// An answer to be written. Its send takes room until then, so that answers are bounded, too.
type Answered = (Vec<u8>, Place);

/// What a send has to wait for.
#[derive(Debug, Default)]
struct Predecessors {
    /// With the same goal.
    same: Vec<Done>,
    /// With another goal, but for some of the same peers.
    other: Vec<Done>,
}

impl Sends {
    /// Sends for a node. The answers of those that had to wait come from the receiver, for
    /// [`write_answers`].
    pub(super) fn new(
        node: Node,
        runtime: Handle,
        format: Format,
        patience: Option<Duration>,
    ) -> (Self, mpsc::Receiver<Answered>) {
        let (answers, answered) = mpsc::channel();
        let shared = Shared {
            waiting: Mutex::default(),
            finished: AtomicU64::new(0),
            over: watch::Sender::new(false),
        };
        let sends = Self {
            node,
            runtime,
            format,
            patience,
            shared: Arc::new(shared),
            room: Room::new(),
            answers,
        };
        (sends, answered)
    }

    /// Carries it out if that is possible at once.
    pub(super) fn attempt(&self, mut send: Message) -> Attempt {
        if self.predecessors(&send.goal).is_some() {
            return Attempt::MustWait(send);
        }
        match send
            .work
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(done) => Attempt::Done(done),
            // It is polled again when it has been given a task.
            Poll::Pending => Attempt::MustWait(send),
        }
    }

    /// Carries it out in the background. Waits if there is no room for another that waits; the
    /// reply to a peer that does not read is dropped instead, which refuses the request.
    pub(super) fn put(&self, send: Message, asked: &Asked) -> Result<Answer, String> {
        let place = match send.asker {
            None => self.wait_for_room(send.size),
            Some(peer) => self.room.wait_for_share(peer, send.size),
        };
        let place = place.ok_or_else(|| NO_ROOM.to_owned())?;
        let before = self.predecessors(&send.goal).unwrap_or_default();
        let (running, done) = watch::channel(());
        let sent = send.sent.clone();
        let number = self.register(send.goal, send.sent.unwrap_or(done));
        let (shared, answers) = (Arc::clone(&self.shared), self.answers.clone());
        let (format, patience, asked) = (self.format, self.patience, asked.clone());
        self.runtime.spawn(async move {
            let work = async {
                before.wait(patience).await;
                send.work.await
            };
            let outcome = shared.unless_over(work, sent.as_ref()).await;
            shared.waiting().sends.remove(&number);
            drop(running);
            shared.finished.fetch_add(1, Ordering::Relaxed);
            // Nobody receives when the output is closed; then the pipe is about to end.
            let _ = answers.send((asked.answer(outcome, format), place));
        });
        Ok(Answer::Later)
    }

    /// Waits until there is room for this many bytes.
    pub(super) fn wait_for_room(&self, size: usize) -> Option<Place> {
        self.runtime.block_on(self.room.wait(size))
    }

    fn register(&self, goal: Goal, done: Done) -> u64 {
        let peers = self.peers(&goal);
        let mut waiting = self.shared.waiting();
        waiting.last += 1;
        let number = waiting.last;
        waiting.sends.insert(number, Entry { goal, peers, done });
        number
    }

    /// What is to be done before; `None` if there is nothing.
    fn predecessors(&self, goal: &Goal) -> Option<Predecessors> {
        if self.shared.waiting().sends.values().all(Entry::is_done) {
            return None;
        }
        let peers = self.peers(goal);
        let mut before = Predecessors::default();
        let waiting = self.shared.waiting();
        for entry in waiting.sends.values().filter(|entry| !entry.is_done()) {
            if entry.goal == *goal {
                before.same.push(entry.done.clone());
            } else if meet(&entry.peers, &peers) {
                before.other.push(entry.done.clone());
            }
        }
        (!before.same.is_empty() || !before.other.is_empty()).then_some(before)
    }

    /// The peers that a message is for, in order.
    fn peers(&self, goal: &Goal) -> Vec<PeerId> {
        match goal {
            Goal::Peer(peer) => vec![*peer],
            Goal::Group(group) => self.node.peers_by_group(group).unwrap_or_default(),
        }
    }

    /// How many that had to wait have been done.
    pub(super) fn finished(&self) -> u64 {
        self.shared.finished.load(Ordering::Relaxed)
    }

    /// Waits until none waits and all answers are written.
    pub(super) async fn idle(&self) {
        self.room.idle().await;
    }

    /// Lets none wait any longer; those that do are answered that they are not sent.
    pub(super) fn give_up(&self) {
        self.shared.over.send_replace(true);
    }

    /// Whether some wait, or their answers.
    pub(super) fn are_waiting(&self) -> bool {
        !self.room.is_empty()
    }
}

impl Shared {
    async fn unless_over(
        &self,
        work: impl Future<Output = Result<Answer, String>>,
        sent: Option<&Done>,
    ) -> Result<Answer, String> {
        let mut over = self.over.subscribe();
        // It is dropped at the end: that closes `sent`, too.
        tokio::pin!(work);
        tokio::select! {
            biased;
            outcome = &mut work => outcome,
            _ = over.wait_for(|over| *over) => Err(given_up(sent.is_some_and(is_closed))),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a reply is not sent.
const NO_ROOM: &str = "not sent, as the peer does not read and there is no room for more replies \
     to it: the request is refused";

fn given_up(is_sent: bool) -> String {
    match is_sent {
        true => "not confirmed, as the node stops: it may have arrived or not".to_owned(),
        false => "not sent, as the node stops".to_owned(),
    }
}

impl Entry {
    fn is_done(&self) -> bool {
        is_closed(&self.done)
    }
}

fn is_closed(done: &Done) -> bool {
    // Nothing is ever sent: this fails when the sender is dropped.
    done.has_changed().is_err()
}

impl Predecessors {
    async fn wait(self, patience: Option<Duration>) {
        for done in self.same {
            ended(done).await;
        }
        let others = async {
            for done in self.other {
                ended(done).await;
            }
        };
        match patience {
            // What is not done by then is overtaken.
            Some(patience) => _ = timeout(patience, others).await,
            None => others.await,
        }
    }
}

async fn ended(mut done: Done) {
    // Nothing is ever sent: this fails when the sender is dropped.
    while done.changed().await.is_ok() {}
}

/// Whether two lists, each in order, have a peer in common.
fn meet(one: &[PeerId], other: &[PeerId]) -> bool {
    let (short, long) = if one.len() < other.len() {
        (one, other)
    } else {
        (other, one)
    };
    short.iter().any(|peer| long.binary_search(peer).is_ok())
}

impl Asked {
    /// The line to be written; none for a success that nobody could tell from another.
    fn answer(&self, outcome: Result<Answer, String>, format: Format) -> Vec<u8> {
        let mut line = Vec::new();
        if let Some(reply) = Reply::to(outcome, self.line, self.id.as_deref()) {
            // A reply has nothing in it that JSON cannot tell.
            let _ = format.append(&mut line, &reply);
        }
        line
    }
}

/// Writes the answers of sends that had to wait.
pub(super) fn write_answers(answered: &mpsc::Receiver<Answered>, output: &Output) {
    for (line, _room) in answered {
        if !line.is_empty() && output.write(&line).is_err() {
            // The thread that writes events finds out, too, and ends the pipe.
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, thread};

    use super::{
        super::room::{LEAST, ROOM},
        *,
    };

    fn never(peer: u8) -> Message {
        Message {
            goal: Goal::Peer([peer; 16].into()),
            size: 0,
            work: Box::pin(pending()),
            asker: None,
            sent: None,
        }
    }

    fn at_once(peer: u8) -> Message {
        Message {
            work: Box::pin(async {
                Ok(Answer::Groups {
                    own: Vec::new(),
                    peer: Vec::new(),
                })
            }),
            ..never(peer)
        }
    }

    fn asked(line: u64) -> Asked {
        Asked { line, id: None }
    }

    fn put(sends: &Sends, message: Message, line: u64) {
        match sends.attempt(message) {
            Attempt::Done(_) => panic!("it is done at once"),
            Attempt::MustWait(message) => drop(sends.put(message, &asked(line))),
        }
    }

    /// Sends of a node on a port of its own.
    fn with_sends(port: u16, test: impl FnOnce(&Sends, &mpsc::Receiver<Answered>)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let builder = Node::builder("test").interface("127.0.0.1").port(port);
        let node = runtime.block_on(builder.start()).unwrap();
        let (sends, answered) = Sends::new(node, runtime.handle().clone(), Format::default(), None);
        test(&sends, &answered);
    }

    #[test]
    fn only_so_many_wait_then_reading_stops() {
        with_sends(25760, |sends, answered| {
            let most = u64::from(ROOM / LEAST);
            for line in 1..=most {
                put(sends, never(1), line);
            }
            assert_eq!(sends.room.free(), 0);
            thread::scope(|scope| {
                let further = scope.spawn(|| put(sends, never(2), most + 1));
                sends.give_up();
                let (line, room) = answered.recv().unwrap();
                let said = String::from_utf8(line).unwrap();
                assert!(said.contains("not sent, as the node stops"), "{said}");
                assert!(
                    !further.is_finished(),
                    "there is room when the answer is written"
                );
                drop(room);
                further.join().unwrap();
            });
        });
    }

    #[test]
    fn what_is_on_its_way_is_not_waited_for_and_has_its_place_until_it_is_confirmed() {
        with_sends(25762, |sends, answered| {
            let (turn, sent) = watch::channel(());
            let confirmed = Message {
                sent: Some(sent),
                ..never(1)
            };
            put(sends, confirmed, 1);
            assert!(matches!(sends.attempt(at_once(1)), Attempt::MustWait(_)));
            drop(turn);
            assert!(matches!(sends.attempt(at_once(1)), Attempt::Done(Ok(_))));
            assert!(sends.are_waiting());
            sends.give_up();
            let (line, _room) = answered.recv().unwrap();
            let said = String::from_utf8(line).unwrap();
            assert!(said.contains("not confirmed, as the node stops"), "{said}");
        });
    }

    #[tokio::test]
    async fn only_those_with_another_goal_are_overtaken() {
        let (_running, done) = watch::channel(());
        let waits = |same: &[&Done], other: &[&Done], patience| {
            let owned = |all: &[&Done]| all.iter().map(|done| (*done).clone()).collect();
            let before = Predecessors {
                same: owned(same),
                other: owned(other),
            };
            before.wait(patience)
        };
        let soon = Some(Duration::from_millis(1));
        waits(&[], &[&done], soon).await;
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(
            Box::pin(waits(&[&done], &[], soon))
                .as_mut()
                .poll(cx)
                .is_pending()
        );
        assert!(
            Box::pin(waits(&[], &[&done], None))
                .as_mut()
                .poll(cx)
                .is_pending()
        );
        let (running, done) = watch::channel(());
        drop(running);
        waits(&[&done], &[&done], None).await;
    }

    #[test]
    fn peers_in_common_are_found() {
        let peers = |ids: &[u8]| ids.iter().map(|id| [*id; 16].into()).collect::<Vec<_>>();
        assert!(meet(&peers(&[2]), &peers(&[1, 2, 3])));
        assert!(meet(&peers(&[1, 2, 3]), &peers(&[3, 4])));
        assert!(!meet(&peers(&[1, 3]), &peers(&[2, 4, 5])));
        assert!(!meet(&[], &peers(&[1])));
    }

    #[test]
    fn who_has_nothing_to_wait_for_does_not_wait() {
        with_sends(25761, |sends, answered| {
            put(sends, never(1), 1);
            assert!(matches!(sends.attempt(at_once(2)), Attempt::Done(Ok(_))));
            put(sends, at_once(1), 2);
            assert!(
                answered.try_recv().is_err(),
                "it waits for the one before it"
            );
            sends.give_up();
            let lines: Vec<_> = answered.iter().take(2).map(|(line, _)| line).collect();
            assert_eq!(
                lines.concat().iter().filter(|byte| **byte == b'\n').count(),
                2
            );
        });
    }
}
