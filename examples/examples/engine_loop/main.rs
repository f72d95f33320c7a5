//! The core in a loop of your own: an [`Engine`] and non-blocking sockets, with mio to wait for
//! them.
//!
//! Run it in two terminals, with `cargo run -p zre-examples --example engine_loop -- --name alice`
//! and `--name bob`. Each node says hello to the other, waits for the answer and says goodbye.
//!
//! An engine does nothing by itself: it has no sockets, no clock and no thread. The loop has them.
//! It
//!
//! 1. carries out what the engine wants (`poll_output`) and takes its events (`poll_event`), until
//!    there is nothing left of either;
//! 2. sleeps until a socket is ready, or until the engine's next deadline (`poll_timeout`);
//! 3. tells the engine what happened (`handle_*`).
//!
//! All of that is in this file. `sockets.rs` opens the sockets and reads and writes them.

#![forbid(unsafe_code)]

mod sockets;

use std::{
    collections::BTreeMap,
    error::Error,
    io::{self, ErrorKind},
    time::{Duration, Instant},
};

use bytes::Buf;
use zre_core::{Config, Engine, Event, LinkId, Output, Seed, proto::Endpoint, rand_core::OsRng};
use zre_examples::Arguments;

use sockets::{Connection, Sockets};

/// How many times one connection is read before the others have their turn.
const READS: u32 = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(&["connect"])?;
    let mut node = Embedded::new(&arguments)?;
    println!(
        "{} listens at {}",
        node.engine.node().name(),
        node.engine.node().endpoint()
    );
    node.run(Instant::now() + arguments.time()?)?;
    println!("stopped");
    Ok(())
}

struct Embedded {
    engine: Engine,
    started: Instant,
    sockets: Sockets,
    connections: BTreeMap<LinkId, Connection>,
    /// Whether a connection may have more to read. mio does not report it again.
    has_unread: bool,
    /// Whether a peer's hello has come. The program ends when this and `was_answered` are true.
    has_heard: bool,
    /// Whether a peer has answered our hello.
    was_answered: bool,
}

impl Embedded {
    fn new(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let sockets = Sockets::bind(arguments.interface(), arguments.port()?)?;
        let mut config = Config::new(sockets.endpoint()?);
        config.name = Some(arguments.name("engine").try_into()?);
        config.groups.insert("CHAT".try_into()?);
        // A peer from which no beacon comes, such as `--connect tcp://10.0.0.7:49152`.
        config.connect = arguments.list("connect")?;
        // Everything random in the engine comes from the seed, also the node's identity.
        let seed = Seed::random(&mut OsRng)?;
        Ok(Self {
            engine: Engine::new(config, seed, zre_core::Instant::default()),
            started: Instant::now(),
            sockets,
            connections: BTreeMap::new(),
            has_unread: false,
            has_heard: false,
            was_answered: false,
        })
    }

    /// The engine's time counts from a moment that the caller chooses: here, the program's start.
    fn now(&self) -> zre_core::Instant {
        zre_core::Instant::default() + self.started.elapsed()
    }

    fn run(&mut self, end: Instant) -> io::Result<()> {
        loop {
            self.settle();
            if self.engine.is_stopped() {
                return Ok(());
            }
            let time = self.time_to_sleep();
            self.sockets.wait(time)?;
            while let Some((from, beacon)) = self.sockets.next_beacon() {
                self.engine.handle_datagram(from, &beacon, self.now());
            }
            while let Some((connection, remote)) = self.sockets.accept() {
                let link = self.engine.handle_accepted(remote, self.now());
                self.connections.insert(link, connection);
            }
            // With a few peers it is simplest to look at all connections. With hundreds, give each
            // its own mio token.
            for link in self.connections.keys().copied().collect::<Vec<_>>() {
                self.serve(link);
            }
            // Calling it early does no harm, so there is no need to check the time.
            self.engine.handle_timeout(self.now());
            if end <= Instant::now() {
                self.engine.stop(self.now());
            }
        }
    }

    fn time_to_sleep(&mut self) -> Option<Duration> {
        if std::mem::take(&mut self.has_unread) {
            return Some(Duration::ZERO);
        }
        self.engine.poll_timeout().map(|at| at.since(self.now()))
    }

    /// Carrying out outputs can lead to events, and handling events to outputs, so this goes on
    /// until there are none of either.
    fn settle(&mut self) {
        loop {
            while let Some(output) = self.engine.poll_output() {
                self.carry_out(output);
            }
            // They help to find mistakes. A real program writes them to its log.
            while let Some(notice) = self.engine.poll_notice() {
                eprintln!("{notice}");
            }
            match self.engine.poll_event() {
                Some(event) => self.handle_event(event),
                None => return,
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Datagram {
                datagram: beacon, ..
            } => self.sockets.broadcast(&beacon),
            Output::Open { link, endpoint, .. } => self.open(link, &endpoint),
            // Only a node with `Config::networks` asks for sockets on several.
            Output::Listen { .. } | Output::Leave(_) => {}
            Output::Writable(link) => self.write(link),
            Output::Close(link) => drop(self.connections.remove(&link)),
            // The application has taken events, so what was left in some socket can be read.
            Output::Resume => self.has_unread = true,
        }
    }

    fn open(&mut self, link: LinkId, endpoint: &Endpoint) {
        let Some(remote) = endpoint.to_socket_addr() else {
            // A real program looks it up, in a thread of its own.
            return self.close(link, &io::Error::other("host names are not looked up here"));
        };
        // The engine may know that this node itself is there, or a peer that is connected already.
        if !self.engine.handle_resolved(link, remote, self.now()) {
            return;
        }
        match self.sockets.open(remote) {
            Ok(connection) => drop(self.connections.insert(link, connection)),
            Err(error) => self.close(link, &error),
        }
    }

    fn serve(&mut self, link: LinkId) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        if !connection.is_open {
            let patience = self.engine.node().config().expired_after;
            match connection.finish_connecting(patience) {
                Ok(()) if connection.is_open => self.engine.handle_connected(link, self.now()),
                Ok(()) => return,
                Err(error) => return self.close(link, &error),
            }
        }
        self.write(link);
        self.read(link);
    }

    /// Reads into the engine's own memory. While the application is behind with a peer's events,
    /// the bytes stay in the socket: TCP slows the sender down, and nothing is lost.
    fn read(&mut self, link: LinkId) {
        for _ in 0..READS {
            let Some(connection) = self.connections.get_mut(&link) else {
                return;
            };
            if !self.engine.may_read(link) {
                return;
            }
            let now = zre_core::Instant::default() + self.started.elapsed();
            let Some(mut reader) = self.engine.reader(link) else {
                return;
            };
            let ended = match connection.read(reader.buffer()) {
                Ok(0) => ErrorKind::UnexpectedEof.into(),
                Ok(count) => {
                    reader.commit(count, now);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => error,
            };
            drop(reader);
            self.close(link, &ended);
        }
        self.has_unread = true;
    }

    /// Writes until the buffer is empty or the socket takes no more. In that case mio wakes us when
    /// it does.
    fn write(&mut self, link: LinkId) {
        while let Some(connection) = self.connections.get_mut(&link)
            && let Some(buffer) = self.engine.write_buffer(link).filter(Buf::has_remaining)
        {
            match connection.write(buffer.chunks()) {
                Ok(count) => buffer.advance(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => self.close(link, &error),
            }
        }
        // An engine that is stopping waits for this.
        self.engine.handle_written(self.now());
    }

    /// Tells the engine that a connection has ended or could not be opened. The engine decides what
    /// follows from that.
    fn close(&mut self, link: LinkId, error: &io::Error) {
        self.connections.remove(&link);
        self.engine
            .handle_closed(link, &error.to_string(), self.now());
    }

    /// The application: greets peers that join, answers their greetings, and stops when its own
    /// greeting has been answered and it has answered one.
    fn handle_event(&mut self, event: Event) {
        let now = self.now();
        let sent = match event {
            Event::Join { group, .. } => {
                let hello = format!("hello from {}", self.engine.node().name());
                self.engine.shout(&group, hello.into(), now).map(drop)
            }
            Event::Shout {
                peer,
                name,
                content,
                ..
            } => {
                println!("{name} says: {content}");
                self.has_heard = true;
                self.engine.whisper(peer, "I heard you".into(), now)
            }
            Event::Whisper { name, content, .. } => {
                println!("{name} whispers: {content}");
                self.was_answered = true;
                Ok(())
            }
            Event::Enter { name, .. } => {
                println!("{name} is here");
                Ok(())
            }
            Event::Exit { name, reason, .. } => {
                println!("{name} is gone: {reason}");
                Ok(())
            }
            _ => Ok(()),
        };
        // Commands fail only for reasons on this side: the peer is gone, or the limit of what may
        // wait for it is reached.
        if let Err(error) = sent {
            println!("could not answer: {error}");
        }
        if self.has_heard && self.was_answered {
            // The engine waits until everything is written, then says goodbye.
            self.engine.stop(now);
        }
    }
}
