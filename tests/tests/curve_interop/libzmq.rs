//! Our links and sockets of libzmq, over loopback.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use zre_core::{Link, LinkError, LinkEvent, Trust};
use zre_tests::{RealPeers, programs};

use super::{
    Frames, NOBODYS, OURS, THEIRS, assert_same, dealer, gossip_client, gossip_hub, id, key,
    keypair, messages, messages_of, opened, read, router, send, small_messages, trusting, written,
};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A socket of libzmq in a process of its own.
struct Socket {
    process: Child,
    input: ChildStdin,
    lines: Receiver<Value>,
}

impl Socket {
    /// A DEALER that connects, and expects a server with this key.
    fn dealer(endpoint: &str, server: u8) -> Self {
        Self::dealer_with(endpoint, server, &[])
    }

    fn dealer_with(endpoint: &str, server: u8, more: &[&str]) -> Self {
        let server = key(server).to_string();
        let identity = hex::encode(id().to_bytes());
        let options = ["dealer", "--connect", endpoint, "--identity", &identity];
        // As one word: a key may begin with a dash.
        let server = format!("--server={server}");
        let options = [&options[..], &[&server], more].concat();
        Self::start(&options)
    }

    /// A ROUTER that listens and admits only the key with this number, and where it is.
    fn router(admitted: u8) -> (Self, String) {
        let admitted = key(admitted).to_string();
        let socket = Self::start(&["router", &format!("--admit={admitted}")]);
        let said = socket.line();
        let endpoint = said["endpoint"].as_str().unwrap().to_owned();
        (socket, endpoint)
    }

    fn start(options: &[&str]) -> Self {
        let pair = keypair(THEIRS);
        let mut process = Command::new(programs::python().unwrap())
            .arg(Path::new(programs::PEERS).join("curve_socket.py"))
            .args(options)
            .arg(format!("--public={}", pair.public()))
            .arg(format!("--secret={}", *pair.secret().to_z85()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self {
            input: process.stdin.take().unwrap(),
            process,
            lines,
        }
    }

    /// The next that it says.
    fn line(&self) -> Value {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    fn send(&mut self, to: Option<&str>, message: &Frames) {
        let frames: Vec<_> = message.iter().map(hex::encode).collect();
        let line = match to {
            Some(to) => json!({"to": to, "frames": frames}),
            None => json!({"frames": frames}),
        };
        writeln!(self.input, "{line}").unwrap();
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A link of ours at its end of a TCP connection.
struct Wire {
    link: Link,
    stream: TcpStream,
    events: Vec<LinkEvent>,
    /// How often it had something to write.
    answers: usize,
}

impl Wire {
    fn connect(link: Link, endpoint: &str) -> Self {
        Self::new(link, TcpStream::connect(endpoint).unwrap())
    }

    /// Accepts the next connection.
    fn accept(link: Link, listener: &TcpListener) -> Self {
        Self::new(link, listener.accept().unwrap().0)
    }

    fn new(link: Link, stream: TcpStream) -> Self {
        // So that a wait can look at its deadline.
        let moment = Some(Duration::from_millis(20));
        stream.set_read_timeout(moment).unwrap();
        Self {
            link,
            stream,
            events: Vec::new(),
            answers: 0,
        }
    }

    /// Carries bytes until there is enough, or the link or the other side gives up.
    fn run(&mut self, is_enough: impl Fn(&Self) -> bool) -> Result<(), LinkError> {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let output = written(&mut self.link);
            self.answers += usize::from(!output.is_empty());
            self.stream.write_all(&output).unwrap();
            if is_enough(self) {
                return Ok(());
            }
            assert!(Instant::now() < deadline, "{:?}", self.events);
            match self.stream.read(&mut buffer) {
                Ok(0) => panic!("the connection has ended"),
                Ok(count) => self.events.extend(read(&mut self.link, &buffer[..count])?),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Shakes hands. Returns what the link says of the other side.
    fn open(&mut self) -> LinkEvent {
        self.run(|wire| wire.link.is_open()).unwrap();
        self.events.remove(0)
    }

    /// Sends messages, and compares what the socket says that it got.
    fn carry_to(&mut self, socket: &Socket, messages: &[Frames]) {
        for message in messages {
            send(&mut self.link, message);
        }
        self.run(|_| true).unwrap();
        let came: Vec<_> = messages.iter().map(|_| frames(&socket.line())).collect();
        assert_same(&came, messages);
    }

    /// Waits for messages that were sent, and compares them.
    fn await_messages(&mut self, messages: &[Frames]) {
        self.run(|wire| wire.events.len() >= messages.len())
            .unwrap();
        let came = messages_of(std::mem::take(&mut self.events));
        assert_same(&came, messages);
    }
}

/// The frames of a message that the socket tells of.
fn frames(line: &Value) -> Frames {
    let frames = line["frames"].as_array();
    let frames = frames.unwrap_or_else(|| panic!("{line}"));
    frames
        .iter()
        .map(|frame| hex::decode(frame.as_str().unwrap()).unwrap().into())
        .collect()
}

/// Where a DEALER of libzmq can connect to.
fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

#[test]
fn our_dealer_sends_to_a_router_of_libzmq() {
    let Some(_) = RealPeers::available() else {
        return;
    };
    let (socket, endpoint) = Socket::router(OURS);
    let mut wire = Wire::connect(dealer(THEIRS), &endpoint);
    assert_eq!(wire.open(), opened(None));
    send(&mut wire.link, &vec!["hello".into()]);
    wire.run(|_| true).unwrap();
    assert_eq!(socket.line()["from"], hex::encode(id().to_bytes()));
    wire.carry_to(&socket, &messages());
}

#[test]
fn a_dealer_of_libzmq_sends_to_our_router() {
    let Some(_) = RealPeers::available() else {
        return;
    };
    let (listener, endpoint) = listener();
    let mut socket = Socket::dealer(&endpoint, OURS);
    let mut wire = Wire::accept(router(trusting(THEIRS)), &listener);
    assert_eq!(wire.open(), opened(Some(id())));
    for message in messages() {
        socket.send(None, &message);
    }
    wire.await_messages(&messages());
}

#[test]
fn a_dealer_of_libzmq_gets_what_our_router_sends() {
    let Some(_) = RealPeers::available() else {
        return;
    };
    let (listener, endpoint) = listener();
    let socket = Socket::dealer(&endpoint, OURS);
    let mut wire = Wire::accept(router(trusting(THEIRS)), &listener);
    wire.open();
    wire.carry_to(&socket, &messages());
}

#[test]
fn gossip_goes_both_ways_with_a_dealer_of_libzmq() {
    let Some(_) = RealPeers::available() else {
        return;
    };
    let (listener, endpoint) = listener();
    let mut socket = Socket::dealer(&endpoint, OURS);
    let mut wire = Wire::accept(gossip_hub(), &listener);
    wire.open();
    for _ in 0..3 {
        for message in small_messages() {
            socket.send(None, &message);
        }
        wire.await_messages(&small_messages());
        wire.carry_to(&socket, &small_messages());
    }
}

#[test]
fn gossip_goes_both_ways_with_a_router_of_libzmq() {
    let Some(_) = RealPeers::available() else {
        return;
    };
    let (mut socket, endpoint) = Socket::router(OURS);
    let mut wire = Wire::connect(gossip_client(), &endpoint);
    wire.open();
    send(&mut wire.link, &vec!["hello".into()]);
    wire.run(|_| true).unwrap();
    let client = socket.line()["from"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        for message in small_messages() {
            socket.send(Some(&client), &message);
        }
        wire.await_messages(&small_messages());
        wire.carry_to(&socket, &small_messages());
    }
}

/// libzmq closes a connection on which its PINGs are not answered.
#[test]
fn pings_of_libzmq_are_answered() {
    let Some(_) = RealPeers::available() else {
        return;
    };
    let (listener, endpoint) = listener();
    let mut socket = Socket::dealer_with(&endpoint, OURS, &["--heartbeat", "200"]);
    let mut wire = Wire::accept(router(trusting(THEIRS)), &listener);
    wire.open();
    let before = wire.answers;
    wire.run(|wire| wire.answers >= before + 5).unwrap();
    socket.send(None, &vec!["still there".into()]);
    wire.await_messages(&[vec!["still there".into()]]);
}

#[test]
fn a_dealer_of_libzmq_whose_key_we_do_not_trust_is_told_400() {
    let Some(_) = RealPeers::available() else {
        return;
    };
    let (listener, endpoint) = listener();
    let socket = Socket::dealer(&endpoint, OURS);
    let mut wire = Wire::accept(router(trusting(NOBODYS)), &listener);
    wire.run(|wire| !wire.events.is_empty()).unwrap();
    let refused = LinkEvent::Refused {
        peer: Some(id()),
        key: key(THEIRS).into(),
    };
    assert_eq!(wire.events, [refused]);
    assert_eq!(socket.line(), json!({"failed": "auth", "value": 400}));
}

#[test]
fn a_router_of_libzmq_that_does_not_trust_our_key_refuses_us() {
    let Some(_) = RealPeers::available() else {
        return;
    };
    let (_socket, endpoint) = Socket::router(NOBODYS);
    let mut wire = Wire::connect(dealer(THEIRS), &endpoint);
    let refused = wire.run(|wire| wire.link.is_open());
    assert_eq!(refused, Err(LinkError::RefusedKey("400".into())));
}

#[test]
fn a_dealer_of_libzmq_with_the_key_of_another_server_does_not_come_in() {
    let Some(_) = RealPeers::available() else {
        return;
    };
    let (listener, endpoint) = listener();
    let _socket = Socket::dealer(&endpoint, NOBODYS);
    let mut wire = Wire::accept(router(Trust::Any), &listener);
    let refused = wire.run(|wire| wire.link.is_open());
    assert!(matches!(refused, Err(LinkError::Curve(_))), "{refused:?}");
}
