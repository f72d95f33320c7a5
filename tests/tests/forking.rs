//! A process that forks while it has a running node. The child has the node's memory and sockets,
//! but none of its threads; whatever it does with the node, the parent's node goes on.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy takes only `#[test]` functions for tests"
)]

use std::{
    fs, io,
    io::Read as _,
    panic::{AssertUnwindSafe, catch_unwind},
    process, thread,
    time::{Duration, Instant},
};

use fork::Fork;
use futures_lite::future;
use zre_core::{Error, Event, proto::PeerId};
use zre_tests::any_node::{AnyNode, Flavour, Host, Next, NodeOptions, PATIENCE};

macro_rules! on_each_flavour {
    ($($name:ident: $flavour:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            a_child_cannot_disturb(Flavour::$flavour);
        })+
    };
}

on_each_flavour! {
    a_child_cannot_disturb_its_parents_node_on_tokio: TokioMulti,
    a_child_cannot_disturb_its_parents_node_on_one_thread_of_tokio: TokioCurrent,
    a_child_cannot_disturb_its_parents_node_on_smol: Smol,
    a_child_cannot_disturb_its_parents_node_on_async_std: AsyncStd,
    a_child_cannot_disturb_its_parents_node_without_async: Blocking,
}

fn a_child_cannot_disturb(flavour: Flavour) {
    let (host, bobs_host) = (Host::new(flavour), Host::new(Flavour::Blocking));
    let (alice, bob) = meet(&host, &bobs_host);
    let (bobs_id, rest) = (bob.id(), alice.clone());
    let child = Child::run(move || {
        let begun = Instant::now();
        for _ in 0..20 {
            misuse(&rest, bobs_id);
        }
        rest.stop_in_child();
        misuse(&rest, bobs_id);
        drop(rest);
        // That none of it waits.
        assert!(begun.elapsed() < Duration::from_secs(1));
    });
    exchange(&bob, &alice);
    child.ends_well();
    exchange(&bob, &alice);
    exchange(&alice, &bob);
}

/// The child asks for everything, in the middle of what the parent does.
fn misuse(alice: &AnyNode, bob: PeerId) {
    for (what, answer) in alice.ask_in_child(bob) {
        assert_eq!(answer, Err(Error::Forked), "{what}");
    }
    assert_eq!(alice.try_recv(), None);
    assert_eq!(alice.recv_in_child(), None);
    assert!(alice.is_stopped() && alice.peers().is_empty());
    assert_eq!(alice.stats().connections, 0);
}

#[test]
fn a_tokio_runtime_that_ends_in_a_child_leaves_the_parents_sockets_alone() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let port = port();
    let bobs_host = Host::new(Flavour::Blocking);
    let bob = start(&bobs_host, "bob", port);
    let builder = zre_tokio::Node::builder("alice").interface("127.0.0.1");
    let (alice, child) = runtime.block_on(async {
        let alice = builder.port(port).start().await.unwrap();
        alice.wait_for_peer(bob.id()).await.unwrap();
        // The child goes back, and drops the runtime as any program does.
        (alice, Child::fork())
    });
    let Some(child) = child else {
        drop(alice);
        drop(runtime);
        process::exit(0);
    };
    child.ends_well();
    let bob = whisper_to_all(bob);
    runtime.block_on(async {
        let mut received = 0;
        while received < COUNT {
            let event = tokio::time::timeout(PATIENCE, alice.recv()).await;
            received += usize::from(is_whisper(&event.unwrap().unwrap()));
        }
        alice.stop().await;
    });
    bob.join().unwrap();
}

#[test]
fn an_executor_that_ends_in_a_child_leaves_the_parents_sockets_alone() {
    let executor = smol::LocalExecutor::new();
    let port = port();
    let bobs_host = Host::new(Flavour::Blocking);
    let bob = start(&bobs_host, "bob", port);
    let builder = zre_smol::Node::builder("alice").interface("127.0.0.1");
    let (alice, driver) = builder.port(port).start().unwrap();
    let driver = executor.spawn(driver);
    let met = executor.run(alice.wait_for_peer(bob.id()));
    smol::block_on(met).unwrap();
    let Some(child) = Child::fork() else {
        drop((alice, driver, executor));
        process::exit(0);
    };
    child.ends_well();
    let bob = whisper_to_all(bob);
    smol::block_on(executor.run(async {
        let mut received = 0;
        while received < COUNT {
            let late = async {
                smol::Timer::after(PATIENCE).await;
                None
            };
            let event = future::or(alice.recv(), late).await;
            received += usize::from(is_whisper(&event.unwrap()));
        }
        alice.stop().await;
    }));
    bob.join().unwrap();
}

/// Bob whispers to whom he meets, on a thread of his own.
fn whisper_to_all(bob: AnyNode) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        wait_for(&bob, |event| matches!(event, Event::Enter { .. }));
        for peer in bob.peers() {
            (0..COUNT).for_each(|number| bob.whisper(peer, number.to_string()).unwrap());
        }
        // Until the other has had them all.
        wait_for(&bob, |event| matches!(event, Event::Exit { .. }));
    })
}

fn is_whisper(event: &Event) -> bool {
    assert!(!matches!(event, Event::Exit { .. }), "{event:?}");
    matches!(event, Event::Whisper { .. })
}

const COUNT: usize = 100;

/// All messages arrive, in order, and nothing else happens.
fn exchange(from: &AnyNode, to: &AnyNode) {
    for number in 0..COUNT {
        from.whisper(to.id(), number.to_string()).unwrap();
    }
    for number in 0..COUNT {
        let Event::Whisper { content, .. } = event(to) else {
            panic!("something else than message {number}");
        };
        assert_eq!(content.to_string(), number.to_string());
    }
}

fn meet(alices: &std::sync::Arc<Host>, bobs: &std::sync::Arc<Host>) -> (AnyNode, AnyNode) {
    let port = port();
    let mut options = NodeOptions::local("alice", port);
    options.groups = vec!["CHAT".to_owned()];
    let (alice, bob) = (alices.start(options).unwrap(), start(bobs, "bob", port));
    wait_for(&alice, |event| matches!(event, Event::Enter { .. }));
    wait_for(&bob, |event| matches!(event, Event::Join { .. }));
    (alice, bob)
}

fn start(host: &std::sync::Arc<Host>, name: &str, port: u16) -> AnyNode {
    host.start(NodeOptions::local(name, port)).unwrap()
}

fn event(node: &AnyNode) -> Event {
    match node.recv(PATIENCE) {
        Next::Event(event) => event,
        other => panic!("{other:?} at {}", node.name()),
    }
}

fn wait_for(node: &AnyNode, wanted: impl Fn(&Event) -> bool) {
    while !wanted(&event(node)) {}
}

/// A forked child of this process, as its parent sees it.
struct Child {
    process: i32,
    /// Ends when the child does.
    told: io::PipeReader,
}

impl Child {
    /// Lets a child do something, which then ends: well unless that panics.
    fn run(work: impl FnOnce()) -> Self {
        let Some(child) = Self::fork() else {
            let done = catch_unwind(AssertUnwindSafe(work));
            process::exit(i32::from(done.is_err()));
        };
        child
    }

    /// `None` in the child.
    fn fork() -> Option<Self> {
        let (told, telling) = io::pipe().unwrap();
        if let Fork::Parent(process) = fork::fork().unwrap() {
            return Some(Self { process, told });
        }
        // Open until the child ends.
        std::mem::forget(telling);
        None
    }

    fn ends_well(self) {
        let (process, mut told) = (self.process, self.told.try_clone().unwrap());
        let (done, ended) = std::sync::mpsc::channel();
        thread::spawn(move || {
            told.read_to_end(&mut Vec::new()).unwrap();
            done.send(fork::waitpid(process).unwrap()).unwrap();
        });
        let status = ended.recv_timeout(PATIENCE).expect("the child hangs");
        assert_eq!(status, 0, "the child's panic is shown above");
    }
}

impl Drop for Child {
    /// What hangs is ended.
    fn drop(&mut self) {
        let state = fs::read_to_string(format!("/proc/{}/stat", self.process));
        if state.is_ok() {
            let _ = process::Command::new("kill")
                .args(["-9", &self.process.to_string()])
                .status();
        }
    }
}

/// One for each process, and for each time that it asks.
fn port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(process::id() % 500).unwrap();
    31_900 + process % 80 * 10 + NEXT.fetch_add(1, Ordering::Relaxed) % 10
}
