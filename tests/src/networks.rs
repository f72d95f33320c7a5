//! Several LANs, hosts with interfaces on any of them, and routers between them.
//!
//! All is made with `ip` and can be changed while programs run on the hosts: addresses, interfaces,
//! cables and routes come and go. Nothing has IPv6 addresses but those that are given.

use std::{
    fmt::Write as _,
    fs,
    io::{self, BufRead as _, BufReader},
    net::IpAddr,
    ops::Deref,
    process::{Child, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tempfile::NamedTempFile;

use crate::{netns::Namespace, programs};

/// The LANs. They go when this and all hosts are dropped.
#[derive(Debug)]
pub struct Networks {
    switches: Arc<Switches>,
}

/// A namespace with the switch of each LAN, and the other ends of all cables.
#[derive(Debug)]
struct Switches {
    namespace: Namespace,
    lans: Mutex<Vec<String>>,
    cables: AtomicUsize,
}

impl Networks {
    /// Makes no LAN yet: each is made when the first interface is added to it.
    ///
    /// # Errors
    ///
    /// Fails where [`Namespace::new`] fails.
    pub fn new() -> io::Result<Self> {
        let switches = Switches {
            namespace: Namespace::bare()?,
            lans: Mutex::default(),
            cables: AtomicUsize::new(0),
        };
        Ok(Self {
            switches: Arc::new(switches),
        })
    }

    /// Makes a host with nothing but loopback.
    ///
    /// # Panics
    ///
    /// Panics when the system has run out of what a namespace takes.
    pub fn host(&self) -> Host {
        self.try_host()
            .unwrap_or_else(|error| panic!("cannot make a host: {error}"))
    }

    pub(crate) fn try_host(&self) -> io::Result<Host> {
        Host::new(Arc::clone(&self.switches))
    }

    /// Makes a host whose interface `eth0` is on this LAN, with this address and, if the address
    /// is of IPv4, the default route.
    ///
    /// # Panics
    ///
    /// As [`host`](Self::host), and when the address is none.
    pub fn host_on(&self, lan: &str, address: &str) -> Host {
        let host = self.host();
        host.add_interface("eth0", lan);
        host.add_address("eth0", address);
        if !address.contains(':') {
            host.ip("route add default dev eth0");
        }
        host
    }

    /// Joins LANs by a host that forwards what is for one host, and no broadcasts. Its places are a
    /// LAN and the host's address there, such as `("office", "10.1.0.254/24")`.
    ///
    /// # Panics
    ///
    /// As [`host_on`](Self::host_on).
    pub fn router(&self, places: &[(&str, &str)]) -> Host {
        let router = self.host();
        router.set("net.ipv4.ip_forward", 1);
        router.set("net.ipv6.conf.all.forwarding", 1);
        for (index, (lan, address)) in places.iter().enumerate() {
            let interface = format!("eth{index}");
            router.add_interface(&interface, lan);
            router.add_address(&interface, address);
        }
        router
    }
}

impl Switches {
    fn make_lan(&self, name: &str) {
        let mut lans = self.lans.lock().unwrap_or_else(PoisonError::into_inner);
        if lans.iter().any(|lan| lan == name) {
            return;
        }
        let lines = format!(
            "link add {name} type bridge mcast_snooping 0\n\
             link set {name} addrgenmode none\n\
             link set {name} up"
        );
        self.ip(&lines);
        lans.push(name.to_owned());
    }

    fn ip(&self, lines: &str) {
        run(&self.namespace, lines);
    }
}

/// A host. It goes, with all that runs on it, when this is dropped.
///
/// Each method returns when the change has been made.
///
/// # Panics
///
/// The methods panic when the system refuses, as when there is no such interface.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
    names: NamedTempFile,
    _look_up: NamedTempFile,
    switches: Arc<Switches>,
    cables: Mutex<Vec<Cable>>,
}

/// The cable of an interface.
#[derive(Debug)]
struct Cable {
    interface: String,
    lan: String,
    /// Its other end, in the namespace of the switches.
    port: String,
}

impl Host {
    fn new(switches: Arc<Switches>) -> io::Result<Self> {
        let names = NamedTempFile::new()?;
        fs::write(names.path(), "127.0.0.1 localhost\n")?;
        let look_up = NamedTempFile::new()?;
        // No names but these: a server that is not there would be waited for.
        fs::write(look_up.path(), "hosts: files\n")?;
        let files = [names.path(), look_up.path()];
        let host = Self {
            namespace: switches.namespace.sibling_with_names(&files)?,
            names,
            _look_up: look_up,
            switches,
            cables: Mutex::default(),
        };
        // An address is to be usable at once.
        host.try_set("net.ipv6.conf.default.accept_dad", 0)?;
        Ok(host)
    }

    /// Adds an interface that is switched on and has no address. Interfaces are listed in the order
    /// in which they were added.
    pub fn add_interface(&self, interface: &str, lan: &str) {
        self.switches.make_lan(lan);
        let number = self.switches.cables.fetch_add(1, Ordering::Relaxed);
        let port = format!("port{number}");
        self.switches.ip(&format!(
            "link add {port} type veth peer name {interface} netns {}\n\
             link set {port} addrgenmode none\n\
             link set {port} master {lan} up",
            self.namespace.holder()
        ));
        self.ip(&format!(
            "link set {interface} addrgenmode none\n\
             link set {interface} up"
        ));
        let cable = Cable {
            interface: interface.to_owned(),
            lan: lan.to_owned(),
            port,
        };
        self.cables().push(cable);
    }

    /// Removes an interface and its addresses, as when an adapter is pulled out.
    pub fn remove_interface(&self, interface: &str) {
        self.ip(&format!("link del {interface}"));
        self.cables().retain(|cable| cable.interface != interface);
    }

    /// Switches an interface off. It loses its routes and its IPv6 addresses.
    pub fn switch_off(&self, interface: &str) {
        self.ip(&format!("link set {interface} down"));
    }

    /// Switches an interface on.
    pub fn switch_on(&self, interface: &str) {
        self.ip(&format!("link set {interface} up"));
    }

    /// Pulls the cable: the interface keeps its addresses and loses its carrier.
    pub fn unplug(&self, interface: &str) {
        let port = self.port(interface);
        self.switches.ip(&format!("link set {port} down"));
    }

    /// Undoes [`unplug`](Self::unplug).
    pub fn plug(&self, interface: &str) {
        let port = self.port(interface);
        self.switches.ip(&format!("link set {port} up"));
    }

    /// Loses all frames of an interface, which keeps its carrier and is told nothing.
    pub fn cut(&self, interface: &str) {
        let port = self.port(interface);
        self.switches.ip(&format!("link set {port} nomaster"));
    }

    /// Undoes [`cut`](Self::cut).
    pub fn mend(&self, interface: &str) {
        let port = self.port(interface);
        let lan = self.cable(interface, |cable| cable.lan.clone());
        self.switches.ip(&format!("link set {port} master {lan}"));
    }

    /// Adds an address with the length of its prefix, such as `10.90.0.1/24` or `fe80::1/64`.
    pub fn add_address(&self, interface: &str, address: &str) {
        let kind = match address.contains(':') {
            true => "nodad",
            false => "brd +",
        };
        self.ip(&format!("addr add {address} {kind} dev {interface}"));
    }

    /// Removes an address.
    pub fn remove_address(&self, interface: &str, address: &str) {
        self.ip(&format!("addr del {address} dev {interface}"));
    }

    /// Gives an interface another address in place of one, as DHCP does.
    pub fn change_address(&self, interface: &str, from: &str, to: &str) {
        self.remove_address(interface, from);
        self.add_address(interface, to);
    }

    /// Sends, from now on, what is for other LANs through this router.
    pub fn route_by(&self, router: IpAddr) {
        self.ip(&format!("route replace default via {router}"));
    }

    /// Has the programs on this host find these addresses for the names, and no others for any name
    /// that was given before.
    pub fn set_names(&self, names: &[(&str, IpAddr)]) {
        let mut lines = String::from("127.0.0.1 localhost\n");
        for (name, address) in names {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{address} {name}");
        }
        // The same file, for a mount is of a file and not of its name.
        fs::write(self.names.path(), lines).expect("a file of ours can be written");
    }

    /// Forwards what connects to a TCP port of this host to a place such as `10.2.0.1:5555`, until
    /// the result is dropped.
    pub fn forward_port(&self, port: u16, to: &str) -> Forwarder {
        Forwarder::start(self, port, to)
            .unwrap_or_else(|error| panic!("cannot forward port {port}: {error}"))
    }

    /// Runs lines of `ip` commands on the host.
    pub fn ip(&self, lines: &str) {
        run(&self.namespace, lines);
    }

    /// Sets a variable of the kernel, such as `net.ipv4.ip_forward`, for this host alone.
    pub fn set(&self, variable: &str, value: u32) {
        let done = self.try_set(variable, value);
        done.unwrap_or_else(|error| panic!("cannot set {variable}: {error}"));
    }

    fn try_set(&self, variable: &str, value: u32) -> io::Result<()> {
        let file = format!("/proc/sys/{}", variable.replace('.', "/"));
        let mut shell = self.namespace.command("sh");
        shell.args(["-c", r#"echo "$1" > "$2""#, "sh", &value.to_string(), &file]);
        match shell.status()? {
            status if status.success() => Ok(()),
            status => Err(io::Error::other(format!("{file}: {status}"))),
        }
    }

    fn port(&self, interface: &str) -> String {
        self.cable(interface, |cable| cable.port.clone())
    }

    fn cable<T>(&self, interface: &str, pick: impl Fn(&Cable) -> T) -> T {
        let cables = self.cables();
        let cable = cables.iter().find(|cable| cable.interface == interface);
        pick(cable.unwrap_or_else(|| panic!("no interface {interface} here")))
    }

    fn cables(&self) -> MutexGuard<'_, Vec<Cable>> {
        self.cables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Host {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

/// A program that forwards a TCP port.
#[derive(Debug)]
pub struct Forwarder(Child);

impl Forwarder {
    fn start(host: &Host, port: u16, to: &str) -> io::Result<Self> {
        let python = programs::python().map_err(io::Error::other)?;
        let mut child = host
            .command(python)
            .arg("-B")
            .arg(format!("{}/forward.py", programs::PEERS))
            .args([&port.to_string(), to])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take();
        let forwarder = Self(child);
        let mut line = String::new();
        if let Some(output) = output {
            BufReader::new(output).read_line(&mut line)?;
        }
        match line.as_str() {
            "ready\n" => Ok(forwarder),
            _ => Err(io::Error::other("it does not start")),
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(namespace: &Namespace, lines: &str) {
    let done = namespace.configure(lines);
    done.unwrap_or_else(|error| panic!("{lines}: {error}"));
}
