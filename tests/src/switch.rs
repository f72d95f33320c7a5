//! Hosts joined by a switch in user space that loses frames on purpose.
//!
//! The kernel's own switch, [`Lan`](crate::Lan), can only be cut. This one also loses by size,
//! direction, protocol and chance, on kernels that have no `netem` too.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use serde_json::{Value, json};

use crate::{netns::Namespace, programs, require};

/// Frames that the switch loses.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The host that sent them; none for any.
    pub from: Option<usize>,
    /// The host that they are for; none for any.
    pub to: Option<usize>,
    /// What they carry; none for anything.
    pub protocol: Option<Protocol>,
    /// Only those of more bytes than this, with the Ethernet header.
    pub larger_than: Option<usize>,
    /// How likely a frame that fits is lost, from 0 to 1.
    pub chance: f64,
}

/// What frames carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Segments of TCP.
    Tcp,
    /// Datagrams of UDP.
    Udp,
    /// The first segment of each TCP connection, from the side that opens it.
    Connect,
}

impl Rule {
    /// Fits all frames.
    pub const ANY: Self = Self {
        from: None,
        to: None,
        protocol: None,
        larger_than: None,
        chance: 1.0,
    };

    fn as_json(&self) -> Value {
        let mut rule = json!({"from": self.from, "to": self.to, "chance": self.chance});
        let protocol = self.protocol.map(|protocol| match protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Connect => "connect",
        });
        if let Some(rule) = rule.as_object_mut() {
            rule.insert("protocol".to_owned(), protocol.into());
            if let Some(bytes) = self.larger_than {
                rule.insert("larger_than".to_owned(), bytes.into());
            }
        }
        rule
    }
}

/// The switch and its hosts.
///
/// Host `i` has the address 10.90.0.(i+1)/24 on its `eth0`.
#[derive(Debug)]
pub struct Switch {
    process: Child,
    lines: Mutex<Lines>,
    hosts: Vec<Namespace>,
    // The first in which the others were made. Nothing runs in it.
    _root: Namespace,
}

#[derive(Debug)]
struct Lines {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Switch {
    /// Whether this machine can have one. If not, one line on standard error names the skipped
    /// test.
    ///
    /// # Panics
    ///
    /// Panics in place of skipping when `ZRE_REQUIRE_PEERS` is `1` in the environment.
    pub fn is_available() -> bool {
        static CHECKED: OnceLock<Result<(), String>> = OnceLock::new();
        let check = || match Self::new(1) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("no switch in user space: {error}")),
        };
        let checked = CHECKED.get_or_init(check);
        if let Err(reason) = checked {
            require::skip(reason);
        }
        checked.is_ok()
    }

    /// Joins this many hosts, up to 254. It loses nothing yet.
    ///
    /// # Errors
    ///
    /// Fails where [`Namespace::new`] fails, and where the system has no `/dev/net/tun` or no
    /// Python.
    pub fn new(hosts: usize) -> io::Result<Self> {
        let root = Namespace::bare()?;
        let hosts: Vec<_> = (0..hosts)
            .map(|_| root.sibling())
            .collect::<io::Result<_>>()?;
        let mut process = start_in(&root, &hosts)?;
        let missing = || io::Error::other("the switch has no standard input or output");
        let lines = Lines {
            input: process.stdin.take().ok_or_else(missing)?,
            output: BufReader::new(process.stdout.take().ok_or_else(missing)?),
        };
        let switch = Self {
            process,
            lines: Mutex::new(lines),
            hosts,
            _root: root,
        };
        let answer = switch.lines().next()?;
        if let Some(error) = answer.get("error") {
            return Err(io::Error::other(error.to_string()));
        }
        for (index, host) in switch.hosts.iter().enumerate() {
            host.address_eth0(index + 1)?;
        }
        Ok(switch)
    }

    /// The host with this index, counted from 0.
    ///
    /// # Panics
    ///
    /// Panics when there is no such host.
    pub fn host(&self, index: usize) -> &Namespace {
        let count = self.hosts.len();
        self.hosts
            .get(index)
            .unwrap_or_else(|| panic!("a switch with {count} hosts has no host {index}"))
    }

    /// Loses, from now on, the frames that one of these rules fits, and no others. Returns how many
    /// frames have been lost so far.
    ///
    /// # Panics
    ///
    /// Panics when the switch has ended.
    pub fn lose(&self, rules: &[Rule]) -> u64 {
        let rules: Value = rules.iter().map(Rule::as_json).collect();
        let mut lines = self.lines();
        let answer = writeln!(lines.input, "{rules}").and_then(|()| lines.next());
        let answer = answer.unwrap_or_else(|error| panic!("the switch has ended: {error}"));
        let lost = answer.get("lost").and_then(Value::as_u64);
        lost.unwrap_or_else(|| panic!("the switch says {answer}"))
    }

    /// Loses nothing from now on. Returns how many frames have been lost so far.
    ///
    /// # Panics
    ///
    /// Panics when the switch has ended.
    pub fn mend(&self) -> u64 {
        self.lose(&[])
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Lines {
    fn next(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(io::Error::other("the switch says no more"));
        }
        Ok(serde_json::from_str(&line)?)
    }
}

/// Starts the program that forwards the frames. It enters the hosts from a namespace beside them,
/// where it has the right to do so.
fn start_in(root: &Namespace, hosts: &[Namespace]) -> io::Result<Child> {
    let python = programs::python().map_err(io::Error::other)?;
    root.command(python)
        .arg("-B")
        .arg(format!("{}/switch.py", programs::PEERS))
        .args(hosts.iter().map(|host| host.file("net")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
}
