//! The core without its own ZMTP: `Node` over the sockets of libzmq, for a program that has libzmq already.
//!
//! A [`Node`] takes and gives whole messages. It knows no connections, so libzmq makes them: one ROUTER socket
//! receives from everybody, and one DEALER socket for each peer sends to it. The beacons need two UDP sockets.
//!
//! The program starts an ordinary node of `zre-tokio` on a thread of its own and talks to it:
//! `cargo run --example libzmq_node`.

#![forbid(unsafe_code)]

use std::{
    collections::BTreeMap,
    error::Error,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use socket2::{Domain, Socket, Type};
use zre_core::{
    Config, Event, Fault, Node, NodeOutput,
    proto::{Content, Endpoint, GroupName, Message, MessageLimits, PeerId, RoutingId},
};
use zre_examples::Arguments;

/// This example stays on the machine. On a network these are the interface's address and its broadcast address.
const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;
const BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);

/// As many messages may wait for one peer. libzmq counts messages, not octets.
const MOST_WAITING: i32 = 10_000;

/// libzmq gives frames of any length unless told otherwise.
const LARGEST_FRAME: i64 = 256 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(&[])?;
    let port = arguments.port()?;
    let end = Instant::now() + arguments.time()?;
    let other = thread::spawn(move || ordinary_node(port, end).map_err(|error| error.to_string()));
    let mut node = OverLibzmq::new(port)?;
    node.run(end)?;
    other.join().map_err(|_| "the other node panicked")??;
    println!("both have stopped");
    Ok(())
}

struct OverLibzmq {
    node: Node,
    started: Instant,
    context: zmq::Context,
    router: zmq::Socket,
    dealers: BTreeMap<PeerId, zmq::Socket>,
    receiver: UdpSocket,
    sender: UdpSocket,
    port: u16,
    group: GroupName,
    /// Asked of a peer behind the last message to it.
    last_ping: Option<(PeerId, u64)>,
}

impl OverLibzmq {
    fn new(port: u16) -> Result<Self, Box<dyn Error>> {
        let context = zmq::Context::new();
        let router = context.socket(zmq::ROUTER)?;
        // A peer that connects anew takes over its identity at once, even while the old connection seems to be there.
        router.set_router_handover(true)?;
        router.set_maxmsgsize(LARGEST_FRAME)?;
        router.set_linger(0)?;
        router.bind(&format!("tcp://{ADDRESS}:*"))?;
        let endpoint = router.get_last_endpoint()?.map_err(|_| "not text")?;
        let endpoint: Endpoint = endpoint.parse()?;

        let group = GroupName::try_from("CHAT")?;
        let mut config = Config::new(endpoint);
        config.name = Some("over-libzmq".try_into()?);
        config.groups.insert(group.clone());
        config.validate()?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self {
            node: Node::new(config, seed, zre_core::Instant::default()),
            started: Instant::now(),
            context,
            router,
            dealers: BTreeMap::new(),
            receiver: beacon_receiver(port)?,
            sender: beacon_sender()?,
            port,
            group,
            last_ping: None,
        })
    }

    fn now(&self) -> zre_core::Instant {
        zre_core::Instant::default() + self.started.elapsed()
    }

    fn run(&mut self, end: Instant) -> Result<(), Box<dyn Error>> {
        loop {
            self.settle()?;
            if self.is_done() || end <= Instant::now() {
                return self.stop();
            }
            self.wait(end)?;
            self.receive_beacons();
            self.receive_messages()?;
            self.node.handle_timeout(self.now());
        }
    }

    /// Waits for a message, a beacon or the node's next deadline.
    fn wait(&self, end: Instant) -> Result<(), zmq::Error> {
        let own = end.saturating_duration_since(Instant::now());
        let deadline = self.node.poll_timeout().map(|at| at.since(self.now()));
        let left = deadline.map_or(own, |left| left.min(own));
        // zmq_poll counts whole milliseconds; rounded up, or it would come back too early again and again.
        let millis = i64::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i64::MAX);
        let mut items = [
            zmq::PollItem::from_fd(descriptor(&self.receiver), zmq::POLLIN),
            self.router.as_poll_item(zmq::POLLIN),
        ];
        match zmq::poll(&mut items, millis) {
            Err(error) if error != zmq::Error::EINTR => Err(error),
            _ => Ok(()),
        }
    }

    fn receive_beacons(&mut self) {
        // Longer than any beacon, so that a longer datagram shows as one.
        let mut datagram = [0; 64];
        while let Ok((length, from)) = self.receiver.recv_from(&mut datagram) {
            // Beacons give a port, and their source gives the address. Other interfaces are none of our business.
            if let (true, Some(datagram)) = (from.ip().is_loopback(), datagram.get(..length)) {
                self.node.handle_beacon(from, datagram, self.now());
            }
        }
    }

    /// The ROUTER puts the sender's identity in front of each message. After a good number of them it is the timers' turn.
    fn receive_messages(&mut self) -> Result<(), Box<dyn Error>> {
        for _ in 0..1000 {
            let frames = match self.router.recv_multipart(zmq::DONTWAIT) {
                Err(zmq::Error::EAGAIN) => return Ok(()),
                frames => frames?,
            };
            let mut frames = frames.into_iter().map(Bytes::from);
            let (Some(identity), Some(first)) = (frames.next(), frames.next()) else {
                continue;
            };
            // Anything can connect to a ROUTER. A ZRE node calls itself 01 and its UUID.
            let Some(from) = RoutingId::from_bytes(&identity) else {
                continue;
            };
            let content: Content = frames.collect();
            match Message::decode(&first, content, &MessageLimits::default()) {
                // The verdict is for those who can close the connection. libzmq cannot close a single one.
                Ok(message) => {
                    let _verdict = self.node.handle_message(&from, message, self.now());
                }
                Err(error) => {
                    let fault = Fault::Message(error);
                    self.node.handle_fault(from.peer(), fault, self.now());
                }
            }
            // Takes events after each message, so that they cannot become many. A program that hands them to
            // another thread stops reading while `is_congested`: then the ROUTER's queue fills, and TCP pushes back.
            self.settle()?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Box<dyn Error>> {
        loop {
            while let Some(output) = self.node.poll_output() {
                self.carry_out(output)?;
            }
            let Some(event) = self.node.poll_event() else {
                return Ok(());
            };
            self.handle(event);
        }
    }

    fn carry_out(&mut self, output: NodeOutput) -> Result<(), Box<dyn Error>> {
        match output {
            NodeOutput::Beacon(beacon) => {
                // One that is lost is no harm, the next goes in a second.
                let _ = self
                    .sender
                    .send_to(&beacon.encode(), (BROADCAST, self.port));
            }
            NodeOutput::Connect { peer, endpoint } => {
                // The older one goes with what it has not sent: that was for an older session.
                self.dealers.remove(&peer);
                match self.dealer(&endpoint) {
                    Ok(dealer) => drop(self.dealers.insert(peer, dealer)),
                    // A peer can give any endpoint as its own, such as one of IPv6, which is off here.
                    Err(error) => {
                        println!("libzmq: cannot connect to {endpoint}: {error}");
                        self.node.handle_disconnect(peer, self.now());
                    }
                }
            }
            NodeOutput::Send { peer, message } => self.send(peer, &message)?,
            NodeOutput::Disconnect { peer } => {
                self.dealers.remove(&peer);
            }
        }
        Ok(())
    }

    /// A DEALER for one peer. libzmq connects in the background and tries again by itself.
    fn dealer(&self, endpoint: &Endpoint) -> Result<zmq::Socket, zmq::Error> {
        let dealer = self.context.socket(zmq::DEALER)?;
        // By this the peer knows whose messages come.
        dealer.set_identity(RoutingId::from(self.node.id()).as_bytes())?;
        // Closing must not wait for a peer that is gone.
        dealer.set_linger(0)?;
        dealer.set_sndhwm(MOST_WAITING)?;
        dealer.connect(&endpoint.to_string())?;
        Ok(dealer)
    }

    fn send(&mut self, peer: PeerId, message: &Message) -> Result<(), Box<dyn Error>> {
        let Some(dealer) = self.dealers.get(&peer) else {
            return Ok(());
        };
        let header = message.header();
        let content = message.body.content().map_or(&[][..], Content::frames);
        let frames = std::iter::once(&header)
            .chain(content)
            .map(|frame| &frame[..]);
        match dealer.send_multipart(frames, zmq::DONTWAIT) {
            // As many messages wait as may, so the peer does not read. A session with a gap is worth nothing: it ends.
            Err(zmq::Error::EAGAIN) => self.node.handle_disconnect(peer, self.now()),
            sent => sent?,
        }
        // libzmq does not tell that a connection has ended, short of a monitor socket for each DEALER. Without that,
        // a peer that died is found out by its silence: after `evasive_after` it is asked, after `expired_after` it is gone.
        Ok(())
    }

    /// What this program is for: greets who joins, and goes when the greeting has been answered.
    fn handle(&mut self, event: Event) {
        let now = self.now();
        let sent = match event {
            Event::Enter { name, .. } => {
                println!("libzmq: {name} is here");
                Ok(())
            }
            Event::Join { group, .. } if group == self.group => self
                .node
                .shout(&group, ["hello", "over libzmq"].into(), now)
                .map(|_| ()),
            Event::Whisper {
                peer,
                name,
                content,
            } => {
                println!("libzmq: {name} whispers: {}", content.to_string_lossy());
                self.thank(peer)
            }
            _ => Ok(()),
        };
        if let Err(error) = sent {
            println!("libzmq: could not answer: {error}");
        }
    }

    fn thank(&mut self, peer: PeerId) -> Result<(), zre_core::Error> {
        let now = self.now();
        self.node.whisper(peer, "thanks".into(), now)?;
        self.last_ping = Some((peer, self.node.ping(peer, now)?));
        Ok(())
    }

    /// A `Node` cannot see when libzmq has written a message. An answer to a PING tells more: the peer has handled all
    /// that was sent to it before.
    fn is_done(&self) -> bool {
        // `None` would say that the answer will not come: the peer is gone.
        self.last_ping
            .is_some_and(|(peer, ping)| self.node.is_answered(peer, ping) != Some(false))
    }

    /// The node says goodbye by a beacon and asks to disconnect everybody.
    fn stop(&mut self) -> Result<(), Box<dyn Error>> {
        self.node.stop(self.now());
        self.settle()
    }
}

/// Any number of programs share the port, and each gets every beacon.
fn beacon_receiver(port: u16) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    Ok(socket.into())
}

/// Bound to the node's address: peers take the beacon's source for the address to connect to.
fn beacon_sender() -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind((ADDRESS, 0))?;
    socket.set_broadcast(true)?;
    Ok(socket)
}

#[cfg(unix)]
fn descriptor(socket: &UdpSocket) -> std::os::fd::RawFd {
    std::os::fd::AsRawFd::as_raw_fd(socket)
}

#[cfg(windows)]
fn descriptor(socket: &UdpSocket) -> std::os::windows::io::RawSocket {
    std::os::windows::io::AsRawSocket::as_raw_socket(socket)
}

/// The other side: a node as most programs have it. It answers the first shout, and goes when that is acknowledged.
fn ordinary_node(port: u16, end: Instant) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let time = end.saturating_duration_since(Instant::now()) + Duration::from_secs(1);
    runtime.block_on(async move {
        let node = zre_tokio::Node::builder("ordinary")
            .interface(ADDRESS)
            .port(port)
            .join("CHAT")
            .start()
            .await?;
        tokio::time::timeout(time, converse(&node)).await??;
        node.stop().await;
        Ok(())
    })
}

async fn converse(node: &zre_tokio::Node) -> Result<(), zre_tokio::Error> {
    while let Some(event) = node.recv().await {
        match event {
            Event::Enter { name, .. } => println!("tokio: {name} is here"),
            Event::Shout {
                peer,
                name,
                content,
                ..
            } => {
                let frames: Vec<_> = content
                    .frames()
                    .iter()
                    .map(|frame| String::from_utf8_lossy(frame))
                    .collect();
                println!("tokio: {name} shouts {frames:?}");
                node.whisper(peer, "welcome").await?;
            }
            Event::Whisper { name, content, .. } => {
                println!("tokio: {name} whispers: {}", content.to_string_lossy());
            }
            Event::Exit { name, reason, .. } => {
                println!("tokio: {name} is gone: {reason}");
                return Ok(());
            }
            _ => {}
        }
    }
    Ok(())
}
