//! A few nodes on a discovery port of their own, and what they see, as text.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write as _},
    net::TcpListener,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use zre_core::{
    Event,
    proto::{Content, PeerId},
};
use zre_tests::any_node::{AnyNode, Flavour, Host, Next, NodeOptions, PATIENCE};

/// The longest frame that a trace shows in full, in bytes.
const SHOWN: usize = 60;

/// Where one behaviour is shown by one pair of flavours.
pub(crate) struct Scene {
    flavours: [Flavour; 2],
    hosts: [Arc<Host>; 2],
    port: u16,
    script: Arc<Script>,
}

/// What all nodes have seen and said.
#[derive(Default)]
pub(crate) struct Script {
    names: Mutex<BTreeMap<PeerId, String>>,
    lines: Mutex<BTreeMap<String, Vec<String>>>,
}

/// On which of the two runtimes a node is.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Left,
    Right,
}

use Side::{Left, Right};

impl Scene {
    pub(crate) fn new(flavours: [Flavour; 2], script: Arc<Script>) -> Self {
        static CELLS: AtomicU16 = AtomicU16::new(0);
        Self {
            flavours,
            hosts: flavours.map(Host::new),
            port: first_port() + CELLS.fetch_add(1, Ordering::Relaxed),
            script,
        }
    }

    /// The discovery port; as a TCP port it is nobody else's either.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn host(&self, side: Side) -> &Arc<Host> {
        match (side, &self.hosts) {
            (Left, [host, _]) | (Right, [_, host]) => host,
        }
    }

    pub(crate) fn flavour(&self, side: Side) -> Flavour {
        match (side, self.flavours) {
            (Left, [flavour, _]) | (Right, [_, flavour]) => flavour,
        }
    }

    pub(crate) fn options(&self, name: &str) -> NodeOptions {
        NodeOptions::local(name, self.port)
    }

    pub(crate) fn start(&self, side: Side, options: NodeOptions) -> Player {
        self.start_on(self.host(side), options)
    }

    /// On a runtime of its own.
    pub(crate) fn start_on(&self, host: &Arc<Host>, options: NodeOptions) -> Player {
        let node = host.start(options);
        self.player(node.unwrap_or_else(|error| panic!("cannot start: {error}")))
    }

    pub(crate) fn player(&self, node: AnyNode) -> Player {
        let name = node.name();
        self.name(node.id(), &name);
        Player {
            node,
            name,
            script: Arc::clone(&self.script),
        }
    }

    /// What a peer is called in traces.
    pub(crate) fn name(&self, peer: PeerId, name: &str) {
        lock(&self.script.names).insert(peer, name.to_owned());
    }

    /// Alice on the left and bob on the right, each as changed.
    pub(crate) fn pair_with(
        &self,
        change_alice: impl FnOnce(&mut NodeOptions),
        change_bob: impl FnOnce(&mut NodeOptions),
    ) -> (Player, Player) {
        let (mut alice, mut bob) = (self.options("alice"), self.options("bob"));
        change_alice(&mut alice);
        change_bob(&mut bob);
        (self.start(Left, alice), self.start(Right, bob))
    }

    /// Alice on the left and bob on the right, who have met.
    pub(crate) fn pair(&self) -> (Player, Player) {
        let (alice, bob) = self.pair_with(|_| {}, |_| {});
        alice.sees(&["ENTER bob"]);
        bob.sees(&["ENTER alice"]);
        (alice, bob)
    }
}

/// A node whose events become lines.
pub(crate) struct Player {
    node: AnyNode,
    name: String,
    script: Arc<Script>,
}

impl Deref for Player {
    type Target = AnyNode;

    fn deref(&self) -> &AnyNode {
        &self.node
    }
}

impl Player {
    /// The next events are these.
    #[track_caller]
    pub(crate) fn sees(&self, lines: &[&str]) {
        for wanted in lines {
            assert_eq!(&self.next(), wanted, "at {}", self.name);
        }
    }

    /// The next events are these, in whatever order; the trace has them in the order given.
    #[track_caller]
    pub(crate) fn sees_in_any_order(&self, lines: &[&str]) {
        let mut seen: Vec<String> = lines.iter().map(|_| self.next_unwritten()).collect();
        seen.sort();
        let mut wanted = lines.to_vec();
        wanted.sort_unstable();
        assert_eq!(seen, wanted, "at {}", self.name);
        lines
            .iter()
            .for_each(|line| self.script.write(&self.name, line));
    }

    /// No event comes for a while.
    #[track_caller]
    pub(crate) fn sees_nothing_for(&self, time: Duration) {
        match self.recv(time) {
            Next::Late => {}
            other => panic!("{} saw {other:?}", self.name),
        }
    }

    /// Takes the next event, as a line, and writes it down.
    #[track_caller]
    pub(crate) fn next(&self) -> String {
        let line = self.next_unwritten();
        self.script.write(&self.name, &line);
        line
    }

    /// Takes the next event, as a line.
    #[track_caller]
    pub(crate) fn next_unwritten(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.recv(deadline.saturating_duration_since(Instant::now())) {
                Next::Late => panic!("{} sees nothing more", self.name),
                Next::Ended => return "END".to_owned(),
                Next::Event(event) => {
                    if let Some(line) = self.script.line(&event) {
                        return line;
                    }
                }
            }
        }
    }

    /// Writes down what a call has come to.
    pub(crate) fn notes(&self, what: &str, result: impl Display) {
        let line = format!("{what}: {result}");
        self.script.write(&self.name, &self.script.with_names(line));
    }

    /// Writes down why a call did not succeed.
    #[track_caller]
    pub(crate) fn fails<T: std::fmt::Debug, E: Display>(
        &self,
        what: &str,
        result: Result<T, E>,
        why: &str,
    ) {
        match result {
            Ok(value) => panic!("{what} gave {value:?}"),
            Err(error) => {
                let error = self.script.with_names(error.to_string());
                assert_eq!(error, why, "{what} of {}", self.name);
                self.notes(what, error);
            }
        }
    }

    /// The events as lines.
    pub(crate) fn lines(&self, events: &[Event]) -> Vec<String> {
        events
            .iter()
            .filter_map(|event| self.script.line(event))
            .collect()
    }

    /// Ends the runtime under the node while the node is held, and says what the node then gives.
    pub(crate) fn outlives(self, host: Arc<Host>) -> Vec<String> {
        let bare = self.node.into_bare();
        host.end_abruptly();
        let Some((events, whispered)) = bare.after_the_end() else {
            return vec!["hangs".to_owned()];
        };
        let events = events.iter().filter_map(|event| self.script.line(event));
        events.chain([self.script.with_names(whispered)]).collect()
    }
}

impl Script {
    /// All lines, node by node.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, lines) in &*lock(&self.lines) {
            for line in lines {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{name} | {line}");
            }
        }
        text
    }

    fn write(&self, name: &str, line: &str) {
        let mut lines = lock(&self.lines);
        lines
            .entry(name.to_owned())
            .or_default()
            .push(line.to_owned());
    }

    /// `None` for what depends on how fast the machine is: a node of ours that is evasive.
    fn line(&self, event: &Event) -> Option<String> {
        let line = match event {
            Event::Enter { name, headers, .. } if headers.is_empty() => format!("ENTER {name}"),
            Event::Enter { name, headers, .. } => {
                let headers: Vec<_> = headers.iter().map(|(k, v)| format!("{k}={v}")).collect();
                format!("ENTER {name} {}", headers.join(" "))
            }
            Event::Exit { name, reason, .. } => format!("EXIT {name}: {reason}"),
            Event::Join { name, group, .. } => format!("JOIN {name} {group}"),
            Event::Leave { name, group, .. } => format!("LEAVE {name} {group}"),
            Event::Whisper { name, content, .. } => format!("WHISPER {name} {}", shown(content)),
            Event::Shout {
                name,
                group,
                content,
                ..
            } => format!("SHOUT {name} {group} {}", shown(content)),
            Event::Evasive { name, .. } if *name == "mallory" => "EVASIVE mallory".into(),
            Event::Silent { name, .. } if *name == "mallory" => "SILENT mallory".into(),
            Event::Evasive { .. } | Event::Silent { .. } => return None,
            Event::Stop { .. } => "STOP".to_owned(),
            other => format!("{other:?}"),
        };
        Some(self.with_names(line))
    }

    fn with_names(&self, mut text: String) -> String {
        for (id, name) in &*lock(&self.names) {
            text = text.replace(&id.to_string(), name);
        }
        text
    }
}

/// The first of 900 ports that no other run of this program uses meanwhile.
fn first_port() -> u16 {
    static CLAIM: OnceLock<(TcpListener, u16)> = OnceLock::new();
    let claim = |block: u16| {
        let port = 20_000 + block * 900;
        Some((TcpListener::bind(("127.0.0.1", port)).ok()?, port + 1))
    };
    let claimed = || (0..6).find_map(claim).expect("a free block of ports");
    CLAIM.get_or_init(claimed).1
}

/// Frames as text where they are text, with bars between them.
pub(crate) fn shown(content: &Content) -> String {
    let frames = content.frames().iter().map(|frame| {
        if frame.len() > SHOWN {
            let sum = frame.iter().fold(0_u32, |sum, byte| {
                sum.wrapping_mul(31).wrapping_add((*byte).into())
            });
            format!("<{} bytes, {sum:08x}>", frame.len())
        } else {
            frame.escape_ascii().to_string()
        }
    });
    frames.collect::<Vec<_>>().join("|")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
