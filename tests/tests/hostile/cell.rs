//! One attack on one adapter, in a process of its own.

use std::{
    env,
    net::TcpListener,
    process::{self, Command},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use zre_tests::any_node::Flavour;

use crate::{Attack, measure, scene::Stage};

/// The name of the test that is both the whole suite and, in its own processes, one cell of it.
const TEST: &str = "every_attack_on_every_adapter";
const MARK: &str = "ZRE_HOSTILE_CELL";
/// Before the line on standard output that holds a [`Report`].
const REPORT: &str = "hostile report ";
/// The descriptors that an attack may use, if the system grants them.
const DESCRIPTORS: u32 = 20_000;
/// The address space that the process of an attack has, in KiB: room for the victim, the honest
/// nodes and the attackers.
const ADDRESS_SPACE: u32 = 400_000;
/// After this the process of an attack ends itself.
const TOO_LONG: Duration = Duration::from_secs(120);

pub(crate) struct Cell {
    pub(crate) attack: String,
    pub(crate) flavour: Flavour,
    pub(crate) port: u16,
}

/// What came of it.
pub(crate) struct Outcome {
    cell: Cell,
    pub(crate) report: Option<Report>,
    /// What the process said, if it failed.
    said: Option<String>,
}

/// What a process has measured.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// What the attacker did, with its numbers.
    pub(crate) did: String,
    /// By how many bytes the process grew at most, and how many were allowed.
    pub(crate) memory: u64,
    pub(crate) memory_allowed: u64,
    /// The slowest whisper between honest nodes, in milliseconds.
    pub(crate) worst_delay: u64,
    /// What the honest nodes saw beside their talk.
    pub(crate) strays: u64,
    /// How many of these were exits of honest nodes.
    pub(crate) exits: u64,
    /// How many descriptors the process had open at most.
    pub(crate) descriptors: u64,
    /// How long the process has computed, in milliseconds.
    pub(crate) computed: u64,
}

impl Cell {
    /// The cell that this process was started for.
    pub(crate) fn of_this_process() -> Option<Self> {
        let mark = env::var(MARK).ok()?;
        let mut words = mark.split(' ');
        Some(Self {
            attack: words.next()?.to_owned(),
            flavour: Flavour::parse(words.next()?)?,
            port: words.next()?.parse().ok()?,
        })
    }

    /// Runs it in a process of its own.
    pub(crate) fn run(self) -> Outcome {
        let output = this_program()
            .args(["--exact", TEST, "--nocapture"])
            .env(
                MARK,
                format!("{} {} {}", self.attack, self.flavour, self.port),
            )
            .output()
            .expect("this program runs once more");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let failed = !output.status.success();
        Outcome {
            report: stdout.lines().find_map(Report::parse),
            said: failed.then(|| String::from_utf8_lossy(&output.stderr).into_owned()),
            cell: self,
        }
    }
}

/// This program with as many descriptors as the largest attack needs, or as many as there are, and
/// with little address space.
fn this_program() -> Command {
    let program = env::current_exe().expect("this program");
    if !cfg!(unix) {
        return Command::new(program);
    }
    let limited = format!(
        r#"ulimit -n {DESCRIPTORS} 2>/dev/null || ulimit -n "$(ulimit -H -n)"
        ulimit -v {ADDRESS_SPACE}; exec "$0" "$@""#
    );
    let mut command = Command::new("sh");
    command.args(["-c", &limited]).arg(program);
    // glibc reserves 64 MiB of address space for each arena, and has eight for each processor.
    command.env("MALLOC_ARENA_MAX", "2");
    // To show where it failed, the program would map all of itself once more.
    command.env("RUST_BACKTRACE", "0");
    command
}

/// Acts out the attack that this process was started for.
pub(crate) fn act(attack: &Attack, cell: &Cell) {
    thread::spawn(|| {
        // Nobody sends anything.
        let (_sender, receiver) = mpsc::channel::<()>();
        let _ = receiver.recv_timeout(TOO_LONG);
        eprintln!("the attack takes longer than {TOO_LONG:?}");
        process::abort();
    });
    measure::capture_warnings();
    (attack.act)(Stage {
        flavour: cell.flavour,
        port: cell.port,
    });
}

impl Outcome {
    pub(crate) fn failed(&self) -> bool {
        self.said.is_some() || self.report.is_none()
    }

    /// What went wrong, if something did.
    pub(crate) fn complaint(&self) -> Option<String> {
        let Cell {
            attack, flavour, ..
        } = &self.cell;
        let said = self.said.as_deref().unwrap_or("it has reported nothing");
        self.failed()
            .then(|| format!("\n{attack} ({flavour}):\n{said}"))
    }
}

impl Report {
    /// Hands it to the process that makes the table.
    pub(crate) fn send(&self) {
        let report = json!({
            "did": self.did, "memory": self.memory, "memory_allowed": self.memory_allowed,
            "worst_delay": self.worst_delay, "strays": self.strays,
            "exits": self.exits, "descriptors": self.descriptors, "computed": self.computed,
        });
        println!("\n{REPORT}{report}");
    }

    fn parse(line: &str) -> Option<Self> {
        let report: Value = serde_json::from_str(line.strip_prefix(REPORT)?).ok()?;
        let number = |key| report.get(key).and_then(Value::as_u64);
        Some(Self {
            did: report.get("did")?.as_str()?.to_owned(),
            memory: number("memory")?,
            memory_allowed: number("memory_allowed")?,
            worst_delay: number("worst_delay")?,
            strays: number("strays")?,
            exits: number("exits")?,
            descriptors: number("descriptors")?,
            computed: number("computed")?,
        })
    }
}

/// Discovery ports that no other run of this program uses meanwhile.
pub(crate) struct Ports {
    first: u16,
    _claim: TcpListener,
}

impl Ports {
    const BLOCK: u16 = 400;

    pub(crate) fn claim() -> Self {
        let claim = |block: u16| {
            let port = 28_000 + block * Self::BLOCK;
            Some(Self {
                first: port + 1,
                _claim: TcpListener::bind(("127.0.0.1", port)).ok()?,
            })
        };
        (0..7).find_map(claim).expect("a free block of ports")
    }

    pub(crate) fn of(&self, index: usize) -> u16 {
        let index = u16::try_from(index).expect("few attacks");
        assert!(index < Self::BLOCK - 1, "more attacks than ports");
        self.first + index
    }
}
