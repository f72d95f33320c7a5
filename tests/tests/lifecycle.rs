//! What nodes take from the system. They give all of it back, however they end.
//!
//! Each test runs in a process of its own that does nothing else at the time.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy takes only `#[test]` functions for tests"
)]

use std::{
    collections::BTreeMap,
    env, fs,
    net::{TcpStream, UdpSocket},
    panic::{AssertUnwindSafe, catch_unwind},
    process,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use zre_core::Event;
use zre_tests::any_node::{AnyNode, Flavour, Host, Next, NodeOptions, PATIENCE};

const MIB: usize = 1 << 20;
/// Starts and stops before memory is looked at, so that caches are full.
const WARM_UP: usize = 100;
const GROWTH: usize = 4 * MIB;

/// How a node comes to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Dropped,
    Stopped,
    StoppedTwice,
    PanicInATask,
    PanicWhileReceiving,
    RuntimeEnded,
}

use Way::{Dropped, PanicInATask, PanicWhileReceiving, RuntimeEnded, Stopped, StoppedTwice};

macro_rules! on_each_flavour {
    ($($module:ident: $flavour:ident),+ $(,)?) => {
        $(mod $module {
            use super::{Flavour, by_itself};

            #[test]
            fn nothing_is_left_behind_however_it_ends() {
                by_itself(|| super::nothing_is_left_behind(Flavour::$flavour));
            }

            #[test]
            fn starting_and_stopping_a_thousand_times_takes_nothing() {
                by_itself(|| super::a_thousand_cycles(Flavour::$flavour));
            }

            #[test]
            fn waiting_in_vain_takes_nothing() {
                by_itself(|| super::waiting_in_vain(Flavour::$flavour));
            }

            #[test]
            fn an_idle_node_sleeps() {
                by_itself(|| super::an_idle_node_sleeps(Flavour::$flavour));
            }
        })+
    };
}

on_each_flavour! {
    tokio_multi: TokioMulti,
    tokio_current: TokioCurrent,
    smol: Smol,
    async_std: AsyncStd,
    blocking: Blocking,
}

#[test]
fn a_blocking_node_with_fifty_peers_has_at_most_two_threads() {
    by_itself(|| {
        let port = port();
        let before = threads().len();
        let host = Host::new(Flavour::Blocking);
        let node = start(&host, "hub", port);
        let mut peers = Peers::start(50, port);
        let mut entered = 0;
        while entered < 50 {
            if let Event::Enter { .. } = event(&node) {
                entered += 1;
            }
        }
        assert_eq!(node.peers().len(), 50);
        let own = threads().len() - before;
        println!(
            "threads of a blocking node with 50 peers: {own} ({:?})",
            threads()
        );
        assert!(own <= 2, "{:?}", threads());
        node.stop();
        peers.end();
    });
}

/// Nodes in another process.
struct Peers(process::Child);

impl Peers {
    fn start(count: usize, port: u16) -> Self {
        let child = process::Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "peers_for_another_process",
                "--ignored",
                "--nocapture",
            ])
            .env(PEERS, format!("{count} {port}"))
            .stdin(process::Stdio::piped())
            .stdout(process::Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn end(&mut self) {
        self.0.stdin = None;
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // Fails only if it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const PEERS: &str = "ZRE_LIFECYCLE_PEERS";

/// No test: what [`Peers`] runs.
#[test]
#[ignore = "run by another test"]
fn peers_for_another_process() {
    let Ok(wanted) = env::var(PEERS) else {
        return;
    };
    let (count, port) = wanted.split_once(' ').unwrap();
    let port = port.parse().unwrap();
    let host = Host::new(Flavour::TokioMulti);
    let start = |number| start(&host, &format!("peer{number}"), port);
    let nodes: Vec<AnyNode> = (0..count.parse().unwrap()).map(start).collect();
    // Until the other process closes it.
    let _ = std::io::stdin().read_line(&mut String::new());
    drop(nodes);
}

fn nothing_is_left_behind(flavour: Flavour) {
    let ways = [
        Dropped,
        Stopped,
        StoppedTwice,
        PanicInATask,
        PanicWhileReceiving,
        RuntimeEnded,
    ];
    for way in ways {
        if flavour == Flavour::Blocking && way == RuntimeEnded {
            continue;
        }
        let port = port();
        // What a runtime starts once for all stays: a first life is not counted.
        let witness_host = Host::new(flavour);
        let witness = start(&witness_host, "witness", port);
        for round in 0..2 {
            let before = (round > 0).then(Held::now);
            live(flavour, way, port, &witness);
            let Some(before) = before else { continue };
            settled(&format!("{flavour} {way:?}"), &before);
        }
        witness.stop();
        let free = UdpSocket::bind(("127.255.255.255", port));
        assert!(free.is_ok(), "{flavour} {way:?}: {free:?}");
    }
    println!("{flavour}: nothing left behind by {ways:?}");
}

/// A node meets the witness, talks with it and ends.
fn live(flavour: Flavour, way: Way, port: u16, witness: &AnyNode) {
    let host = Host::new(flavour);
    let node = start(&host, "mayfly", port);
    let (id, endpoint) = (node.id(), node.endpoint());
    wait(&node, |event| matches!(event, Event::Enter { .. }));
    wait(witness, |event| matches!(event, Event::Enter { .. }));
    node.whisper(witness.id(), "hi").unwrap();
    wait(witness, |event| matches!(event, Event::Whisper { .. }));
    witness.whisper(id, "hi").unwrap();
    match way {
        Dropped => drop(node),
        Stopped => node.stop(),
        StoppedTwice => {
            let stops = [node.begin_stop(), node.clone().begin_stop()];
            for stop in stops {
                stop.wait();
            }
            node.stop();
        }
        PanicInATask | PanicWhileReceiving => {
            let receives = way == PanicWhileReceiving;
            let work = node.clone();
            drop(node);
            panic_with(flavour, &host, work, receives);
        }
        RuntimeEnded => {
            let bare = node.into_bare();
            assert!(host.end_abruptly());
            assert!(bare.after_the_end().is_some(), "it hangs");
            return gone(witness, &endpoint);
        }
    }
    gone(witness, &endpoint);
    drop(host);
}

/// The witness sees it go, and nobody listens on its port.
fn gone(witness: &AnyNode, endpoint: &zre_core::proto::Endpoint) {
    wait(witness, |event| matches!(event, Event::Exit { .. }));
    let address = endpoint.to_socket_addr().unwrap();
    until(&format!("{address} refuses"), || {
        TcpStream::connect(address).is_err()
    });
}

/// Whoever holds the node panics: on a thread that has just received, or in a task on the runtime.
fn panic_with(flavour: Flavour, host: &Arc<Host>, node: AnyNode, receives: bool) {
    // Not through the hook, which would write a backtrace.
    let panics = || std::panic::resume_unwind(Box::new("on purpose"));
    if receives || flavour == Flavour::Blocking {
        let work = move || {
            let received = node.recv(PATIENCE);
            assert!(matches!(received, Next::Event(_)), "{received:?}");
            panics();
        };
        assert!(thread::spawn(work).join().is_err());
        return;
    }
    // A panic in a task would end the thread that runs it under smol; programs catch it.
    let work = move || {
        let _held = node;
        panics();
    };
    let pending = host.run(async move { catch_unwind(AssertUnwindSafe(work)).is_err() });
    assert!(pending.wait());
}

fn a_thousand_cycles(flavour: Flavour) {
    let cycles = env::var("ZRE_CYCLES")
        .ok()
        .and_then(|count| count.parse().ok());
    let cycles: usize = cycles.unwrap_or(1000);
    let (host, port) = (Host::new(flavour), port());
    let witness = start(&host, "witness", port);
    let cycle = |number: usize| {
        let node = start(&host, "mayfly", port);
        // Some meet the witness, some are gone before.
        if number.is_multiple_of(4) {
            wait(
                &node,
                |event| matches!(event, Event::Enter { peer, .. } if *peer == witness.id()),
            );
            node.whisper(witness.id(), vec![0; 10_000]).unwrap();
        }
        match number % 3 {
            0 => drop(node),
            _ => node.stop(),
        }
        while witness.try_recv().is_some() {}
    };
    (0..WARM_UP).for_each(cycle);
    until("the witness is alone", || {
        while witness.try_recv().is_some() {}
        witness.peers().is_empty()
    });
    let (before, resident_before) = (Held::now(), resident());
    let begun = Instant::now();
    (0..cycles).for_each(cycle);
    let took = begun.elapsed();
    until("the witness is alone", || {
        while witness.try_recv().is_some() {}
        witness.peers().is_empty()
    });
    settled(&format!("{flavour} after {cycles} cycles"), &before);
    let growth = resident().saturating_sub(resident_before);
    println!(
        "{flavour}: {cycles} cycles in {took:?}, {} KiB more memory of {} KiB",
        growth >> 10,
        resident_before >> 10
    );
    assert!(growth < GROWTH, "{growth} bytes in {cycles} cycles");
}

/// Tasks that wait for an event for a moment and give up are forgotten.
fn waiting_in_vain(flavour: Flavour) {
    const TIMES: usize = 3000;
    let (host, port) = (Host::new(flavour), port());
    let node = start(&host, "idle", port);
    let wait_a_moment = |_| assert_eq!(node.recv(Duration::from_micros(1)), Next::Late);
    (0..WARM_UP).for_each(wait_a_moment);
    let (before, begun) = (resident(), Instant::now());
    (0..TIMES).for_each(wait_a_moment);
    let (growth, took) = (resident().saturating_sub(before), begun.elapsed());
    println!(
        "{flavour}: {TIMES} vain waits in {took:?}, {} KiB more memory",
        growth >> 10
    );
    assert!(growth < MIB, "{growth} bytes in {TIMES} vain waits");
}

fn an_idle_node_sleeps(flavour: Flavour) {
    const WATCHED: Duration = Duration::from_secs(10);
    let (host, port) = (Host::new(flavour), port());
    let node = start(&host, "idle", port);
    let mut peers = Peers::start(1, port);
    let alone = switches_over(WATCHED / 2);
    wait(&node, |event| matches!(event, Event::Enter { .. }));
    let with_peer = switches_over(WATCHED);
    println!(
        "{flavour}: {:.1} wake-ups a second at first, {:.1} with a peer",
        alone / (WATCHED / 2).as_secs_f64(),
        with_peer / WATCHED.as_secs_f64()
    );
    // A beacon of its own and its echo, and a beacon of the peer, each second. tokio hands them
    // from thread to thread; async-io's thread looks several times whether a thread in `block_on`
    // watches in its place.
    let most = match flavour {
        Flavour::Blocking => 10.0,
        Flavour::TokioCurrent | Flavour::TokioMulti => 20.0,
        Flavour::Smol | Flavour::AsyncStd => 60.0,
    };
    assert!(with_peer / WATCHED.as_secs_f64() < most, "{:?}", threads());
    peers.end();
    node.stop();
}

/// How often threads of this process went to sleep meanwhile, without this one.
fn switches_over(time: Duration) -> f64 {
    let before = switches();
    // Nothing is waited for but the time itself.
    thread::sleep(time);
    let after = switches();
    let own = fs::read_link("/proc/thread-self").unwrap();
    let own = own.file_name().unwrap().to_string_lossy().into_owned();
    after
        .iter()
        .filter(|(thread, _)| **thread != own)
        .map(|(thread, count)| count - before.get(thread).copied().unwrap_or(0))
        .map(|count| f64::from(u32::try_from(count).unwrap()))
        .sum()
}

fn switches() -> BTreeMap<String, u64> {
    let mut switches = BTreeMap::new();
    for thread in fs::read_dir("/proc/self/task").unwrap() {
        let thread = thread.unwrap();
        let Ok(status) = fs::read_to_string(thread.path().join("status")) else {
            continue;
        };
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        let count = line.unwrap().trim().parse().unwrap();
        switches.insert(thread.file_name().to_string_lossy().into_owned(), count);
    }
    switches
}

/// What a process holds of the system.
#[derive(Clone, Debug, PartialEq)]
struct Held {
    threads: Vec<String>,
    descriptors: Vec<String>,
}

impl Held {
    fn now() -> Self {
        Self {
            threads: threads(),
            descriptors: descriptors(),
        }
    }
}

/// Waits until no more is held than before.
fn settled(what: &str, before: &Held) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = Held::now();
        let fits = |now: &[String], before: &[String]| now.len() <= before.len();
        if fits(&now.threads, &before.threads) && fits(&now.descriptors, &before.descriptors) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{what}: {now:?}, before: {before:?}"
        );
        thread::yield_now();
    }
}

fn threads() -> Vec<String> {
    let name = |thread: std::io::Result<fs::DirEntry>| {
        fs::read_to_string(thread.ok()?.path().join("comm")).ok()
    };
    let threads = fs::read_dir("/proc/self/task").unwrap().filter_map(name);
    let mut threads: Vec<_> = threads.map(|name| name.trim().to_owned()).collect();
    threads.sort();
    threads
}

fn descriptors() -> Vec<String> {
    let target = |file: std::io::Result<fs::DirEntry>| fs::read_link(file.ok()?.path()).ok();
    let targets = fs::read_dir("/proc/self/fd").unwrap().filter_map(target);
    let kind = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let mut descriptors: Vec<_> = targets.map(kind).collect();
    descriptors.sort();
    descriptors
}

fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: usize = line
        .unwrap()
        .trim()
        .strip_suffix(" kB")
        .unwrap()
        .parse()
        .unwrap();
    kibibytes << 10
}

fn start(host: &Arc<Host>, name: &str, port: u16) -> AnyNode {
    host.start(NodeOptions::local(name, port)).unwrap()
}

fn event(node: &AnyNode) -> Event {
    match node.recv(PATIENCE) {
        Next::Event(event) => event,
        other => panic!("{other:?} at {}", node.name()),
    }
}

fn wait(node: &AnyNode, wanted: impl Fn(&Event) -> bool) {
    while !wanted(&event(node)) {}
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::yield_now();
    }
}

/// One for each process, and for each time that it asks.
fn port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(process::id() % 500).unwrap();
    26_800 + process * 10 + NEXT.fetch_add(1, Ordering::Relaxed) % 10
}

/// Runs a test in a process of its own, one after the other.
fn by_itself(test: fn()) {
    const MARK: &str = "ZRE_LIFECYCLE_TEST";
    if env::var_os(MARK).is_some() {
        return test();
    }
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let thread = thread::current();
    // With one thread for all tests, libtest does not tell the name of a test.
    let Some(name) = thread.name().filter(|name| *name != "main") else {
        return test();
    };
    let output = process::Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    drop(turn);
    let told = String::from_utf8_lossy(&output.stdout);
    let told = told.lines().filter(|line| line.contains(": "));
    told.for_each(|line| println!("{line}"));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} failed as shown above");
}
