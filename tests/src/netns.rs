//! Network namespaces for tests, so that no packet reaches the machine's network.
//!
//! A namespace lives as long as the process that holds it, and that process ends when its standard
//! input is closed. So nothing is left behind, even if a test is killed.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// What holds a namespace. Its arguments, if it has any, are files that programs in it find in
/// place of these two.
const HOLD: &str = r#"
    if [ $# -gt 0 ]; then
        mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/nsswitch.conf || exit
    fi
    echo held
    exec cat"#;

/// A host with a network of its own.
///
/// Its interface `eth0` has the address 10.90.0.1/24. Broadcasts loop back to all sockets
/// of the host, so several peers can share one. The namespace goes when this is dropped.
#[derive(Debug)]
pub struct Namespace {
    holder: Child,
    in_user_namespace: bool,
    has_own_files: bool,
}

impl Namespace {
    /// Makes a host that is alone on its network.
    ///
    /// # Errors
    ///
    /// Fails where the system forbids namespaces or lacks `unshare`, `nsenter` or `ip`.
    pub fn new() -> io::Result<Self> {
        let namespace = Self::bare()?;
        namespace.configure("link add eth0 type veth peer name wire0\nlink set wire0 up")?;
        namespace.address_eth0(1)?;
        Ok(namespace)
    }

    /// A command that will run inside, with the started process's own id. Programs and files are
    /// best given by absolute paths: it may run in another directory.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.file("net")));
        if self.in_user_namespace {
            command.arg(format!("--user={}", self.file("user")));
            command.arg("--preserve-credentials");
        }
        if self.has_own_files {
            command.arg(format!("--mount={}", self.file("mnt")));
        }
        command.arg("--").arg(program);
        command
    }

    /// A namespace with nothing but loopback, made from the one this process runs in.
    pub(crate) fn bare() -> io::Result<Self> {
        let in_user_namespace = !runs_as_root()?;
        let mut unshare = Command::new("unshare");
        if in_user_namespace {
            unshare.args(["--user", "--map-root-user"]);
        }
        Self::held_by(unshare.arg("--net"), in_user_namespace, &[])
    }

    /// A second namespace that this one may hand interfaces to.
    pub(crate) fn sibling(&self) -> io::Result<Self> {
        let mut unshare = self.command("unshare");
        Self::held_by(unshare.arg("--net"), self.in_user_namespace, &[])
    }

    /// The same, and its programs find these files in place of `/etc/hosts` and
    /// `/etc/nsswitch.conf`.
    pub(crate) fn sibling_with_names(&self, files: &[&Path; 2]) -> io::Result<Self> {
        let mut unshare = self.command("unshare");
        unshare.args(["--net", "--mount"]);
        Self::held_by(&mut unshare, self.in_user_namespace, files)
    }

    fn held_by(
        unshare: &mut Command,
        in_user_namespace: bool,
        files: &[&Path],
    ) -> io::Result<Self> {
        let holder = unshare
            .args(["sh", "-c", HOLD, "sh"])
            .args(files)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("unshare: {error}")))?;
        let mut namespace = Self {
            holder,
            in_user_namespace,
            has_own_files: !files.is_empty(),
        };
        namespace.wait_until_held()?;
        namespace.configure("link set lo up")?;
        Ok(namespace)
    }

    fn wait_until_held(&mut self) -> io::Result<()> {
        let mut line = String::new();
        if let Some(output) = self.holder.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        if line == "held\n" {
            return Ok(());
        }
        let complaint = match self.holder.stderr.take() {
            Some(errors) => io::read_to_string(errors)?,
            None => String::new(),
        };
        Err(io::Error::other(complaint.trim().to_owned()))
    }

    pub(crate) fn address_eth0(&self, host: usize) -> io::Result<()> {
        self.configure(&format!(
            "addr add 10.90.0.{host}/24 brd 10.90.0.255 dev eth0\nlink set eth0 up"
        ))
    }

    /// Runs lines of `ip` commands inside.
    pub(crate) fn configure(&self, lines: &str) -> io::Result<()> {
        let mut ip = self
            .command("ip")
            .args(["-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("nsenter: {error}")))?;
        if let Some(mut input) = ip.stdin.take() {
            writeln!(input, "{lines}")?;
        }
        success_of(&ip.wait_with_output()?)
    }

    /// The process that holds it.
    pub(crate) fn holder(&self) -> u32 {
        self.holder.id()
    }

    /// The file that stands for a namespace of this kind, such as `net`.
    pub(crate) fn file(&self, kind: &str) -> String {
        format!("/proc/{}/ns/{kind}", self.holder.id())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Fails only if the holder has ended already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Hosts joined by a switch, each with a cable that can be cut.
///
/// Host `i` has the address 10.90.0.(i+1)/24 on its `eth0`.
#[derive(Debug)]
pub struct Lan {
    // Before the switch, so that the hosts' ends of the cables go first.
    hosts: Vec<Namespace>,
    switch: Namespace,
}

impl Lan {
    /// Makes a switch with this many hosts, up to 254.
    ///
    /// # Errors
    ///
    /// Fails where [`Namespace::new`] fails.
    pub fn new(hosts: usize) -> io::Result<Self> {
        let switch = Namespace::bare()?;
        switch.configure("link add switch type bridge\nlink set switch up")?;
        let mut lan = Self {
            hosts: Vec::new(),
            switch,
        };
        for _ in 0..hosts {
            lan.add_host()?;
        }
        Ok(lan)
    }

    /// The host with this index, counted from 0.
    ///
    /// # Panics
    ///
    /// Panics when there is no such host.
    pub fn host(&self, index: usize) -> &Namespace {
        self.hosts.get(index).unwrap_or_else(|| {
            panic!(
                "a network of {} hosts has no host {index}",
                self.hosts.len()
            )
        })
    }

    /// Loses, from now on, all that the host sends and all that is sent to it.
    ///
    /// Neither side is told: the host keeps its carrier, as behind a switch whose uplink is gone.
    ///
    /// # Panics
    ///
    /// Panics when there is no such host.
    pub fn cut(&self, index: usize) {
        self.set_port(index, "nomaster");
    }

    /// Undoes [`cut`](Self::cut).
    ///
    /// # Panics
    ///
    /// Panics when there is no such host.
    pub fn mend(&self, index: usize) {
        self.set_port(index, "master switch");
    }

    fn add_host(&mut self) -> io::Result<()> {
        let index = self.hosts.len();
        let host = self.switch.sibling()?;
        self.switch.configure(&format!(
            "link add port{index} type veth peer name eth0 netns {}\n\
             link set port{index} master switch up",
            host.holder.id()
        ))?;
        host.address_eth0(index + 1)?;
        self.hosts.push(host);
        Ok(())
    }

    fn set_port(&self, index: usize, setting: &str) {
        assert!(index < self.hosts.len(), "no host {index} in this network");
        self.switch
            .configure(&format!("link set port{index} {setting}"))
            .expect("the switch and its ports exist as long as the network");
    }
}

fn runs_as_root() -> io::Result<bool> {
    if !Path::new("/proc/self/ns/net").exists() {
        return Err(io::Error::other("this system has no network namespaces"));
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let effective_user = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1));
    Ok(effective_user == Some("0"))
}

fn success_of(output: &Output) -> io::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(complaint.trim().replace('\n', "; ")))
}
