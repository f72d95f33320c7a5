//! The core over the sockets of libzmq, for a program that uses libzmq already.
//!
//! A [`Node`] takes and gives whole messages and knows no connections. libzmq makes these: one
//! ROUTER socket receives from all peers, and one DEALER socket for each peer sends to it. The
//! beacons need two UDP sockets.
//!
//! The program also starts an ordinary node of `zre-tokio` on another thread and talks to it. Run
//! it with `cargo run -p zre-examples --example libzmq_node`.

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
    Config, Event, Fault, Node, NodeOutput, Seed,
    proto::{Content, Endpoint, GroupName, Message, MessageLimits, PeerId, RoutingId},
    rand_core::OsRng,
};
use zre_examples::Arguments;

/// The addresses of the loopback interface. On a network, use the address of the interface and its
/// broadcast address.
const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;
const BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);

/// How many messages may wait for one peer. libzmq counts messages, not bytes.
const MAX_WAITING: i32 = 10_000;

/// libzmq accepts frames of any length unless told otherwise.
const MAX_FRAME: i64 = 256 << 20;

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
    /// The PING that follows the last message to a peer.
    last_ping: Option<(PeerId, u64)>,
}

impl OverLibzmq {
    fn new(port: u16) -> Result<Self, Box<dyn Error>> {
        let context = zmq::Context::new();
        let router = context.socket(zmq::ROUTER)?;
        // A peer that connects again takes over its identity at once, even if the old connection
        // still seems to be open.
        router.set_router_handover(true)?;
        router.set_maxmsgsize(MAX_FRAME)?;
        router.set_linger(0)?;
        router.bind(&format!("tcp://{ADDRESS}:*"))?;
        let endpoint = router.get_last_endpoint()?.map_err(|_| "not text")?;
        let endpoint: Endpoint = endpoint.parse()?;

        let group = GroupName::try_from("CHAT")?;
        let mut config = Config::new(endpoint);
        config.name = Some("over-libzmq".try_into()?);
        config.groups.insert(group.clone());
        config.validate()?;
        let seed = Seed::random(&mut OsRng)?;
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
        // zmq_poll counts whole milliseconds. Rounded down, it would return too early again and
        // again.
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
            // A beacon holds the port of its node; the datagram's source is the address. Datagrams
            // from other interfaces are dropped.
            if let (true, Some(datagram)) = (from.ip().is_loopback(), datagram.get(..length)) {
                self.node.handle_beacon(from, datagram, self.now());
            }
        }
    }

    /// The ROUTER puts the sender's identity in front of each message. The number of messages is
    /// limited, so that timers get their turn.
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
            // Any program can connect to a ROUTER. The identity of a ZRE node is 01 and its UUID.
            let Some(from) = RoutingId::from_bytes(&identity) else {
                continue;
            };
            let content: Content = frames.collect();
            match Message::decode(&first, content, &MessageLimits::default()) {
                // The verdict helps callers that can close a connection. libzmq cannot close one of
                // many.
                Ok(message) => {
                    let _verdict = self.node.handle_message(&from, message, self.now());
                }
                Err(error) => {
                    let fault = Fault::Message(error);
                    self.node.handle_fault(from.peer(), fault, self.now());
                }
            }
            // Takes events after each message, so that only a few can wait. A program that hands
            // them to another thread stops reading while `is_congested` is true. Then the ROUTER's
            // queue fills, and TCP slows the senders down.
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
            NodeOutput::Beacon { beacon, .. } => {
                // A lost beacon does no harm: the next one goes out in a second.
                let _ = self
                    .sender
                    .send_to(&beacon.encode(), (BROADCAST, self.port));
            }
            NodeOutput::Connect { peer, endpoint, .. } => {
                // Drops an older DEALER with its unsent messages: they belong to an older session.
                self.dealers.remove(&peer);
                match self.dealer(&endpoint) {
                    Ok(dealer) => drop(self.dealers.insert(peer, dealer)),
                    // A peer can name any endpoint as its own, such as one with an IPv6 address,
                    // which this socket does not support.
                    Err(error) => {
                        println!("libzmq: cannot connect to {endpoint}: {error}");
                        self.node.handle_disconnect(peer, self.now());
                    }
                }
            }
            NodeOutput::Send { peer, message } => self.send(peer, &message)?,
            NodeOutput::Disconnect { peer } | NodeOutput::GiveWay { peer, .. } => {
                self.dealers.remove(&peer);
            }
        }
        Ok(())
    }

    /// Makes a DEALER for one peer. libzmq connects in the background and retries by itself.
    fn dealer(&self, endpoint: &Endpoint) -> Result<zmq::Socket, zmq::Error> {
        let dealer = self.context.socket(zmq::DEALER)?;
        // The peer learns from this whose messages these are.
        dealer.set_identity(&RoutingId::from(self.node.id()).to_bytes())?;
        // Closing must not wait for a peer that is gone.
        dealer.set_linger(0)?;
        dealer.set_sndhwm(MAX_WAITING)?;
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
            // The queue is full because the peer does not read. The message is lost, and a session
            // cannot go on with a gap.
            Err(zmq::Error::EAGAIN) => self.node.handle_disconnect(peer, self.now()),
            sent => sent?,
        }
        // libzmq reports the end of a connection only through a monitor socket for each DEALER.
        // Without that, the node notices a dead peer by its silence: after `evasive_after` it sends
        // a PING, after `expired_after` it removes the peer.
        Ok(())
    }

    /// The application: greets peers that join, and stops when the greeting has been answered.
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
                println!("libzmq: {name} whispers: {content}");
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

    /// A `Node` cannot see when libzmq has written a message. The answer to a PING says more: the
    /// peer has handled everything that was sent to it before.
    fn is_done(&self) -> bool {
        // `None` means that no answer will come, because the peer is gone.
        self.last_ping
            .is_some_and(|(peer, ping)| self.node.is_answered(peer, ping) != Some(false))
    }

    /// The node sends a goodbye beacon and asks to close the connections to all peers.
    fn stop(&mut self) -> Result<(), Box<dyn Error>> {
        self.node.stop(self.now());
        self.settle()
    }
}

/// Any number of programs can share the port. Each of them gets every beacon.
fn beacon_receiver(port: u16) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    Ok(socket.into())
}

/// It is bound to the node's address, because peers connect to the address that a beacon comes
/// from.
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

/// The other side: an ordinary node. It answers the first shout, and stops when its peer leaves.
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
        tokio::time::timeout(time, converse(&node)).await?;
        node.stop().await;
        Ok(())
    })
}

async fn converse(node: &zre_tokio::Node) {
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
                if let Err(error) = node.whisper(peer, "welcome").await {
                    println!("tokio: {name} got no answer: {error}");
                }
            }
            Event::Whisper { name, content, .. } => {
                println!("tokio: {name} whispers: {content}");
            }
            Event::Exit { name, reason, .. } => {
                println!("tokio: {name} is gone: {reason}");
                return;
            }
            _ => {}
        }
    }
}
