//! The core in a loop of your own: [`Engine`], non-blocking sockets, and mio to wait for them.
//!
//! Run it in two terminals, `cargo run --example engine_loop -- --name alice` and `--name bob`: each says hello to
//! the other, hears that it was heard, and says goodbye.
//!
//! An engine is a ZRE node that does nothing by itself: it has no sockets, no clock and no thread. The loop has them, and
//!
//! 1. does what the engine wants done (`poll_output`) and takes what the application shall hear (`poll_event`), until
//!    there is neither;
//! 2. sleeps until a socket has something, or until the engine's next deadline (`poll_timeout`);
//! 3. tells the engine what happened meanwhile (`handle_*`).
//!
//! All of that is on this page. What the operating system wants for sockets is in `sockets.rs`.

#![forbid(unsafe_code)]

mod sockets;

use std::{
    collections::BTreeMap,
    error::Error,
    io::{self, ErrorKind},
    time::{Duration, Instant},
};

use bytes::Buf;
use zre_core::{Config, Engine, Event, LinkId, Output};
use zre_examples::Arguments;

use sockets::{Connection, Sockets};

/// After so many reads it is the other connections' turn.
const READS: u32 = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(&[])?;
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
    /// Whether a connection may have more to read, which nobody will wake us for.
    has_unread: bool,
    /// What the application wants before it goes: somebody's hello, and that somebody heard its own.
    has_heard: bool,
    was_heard: bool,
}

impl Embedded {
    fn new(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let sockets = Sockets::bind(arguments.interface(), arguments.port()?)?;
        let mut config = Config::new(sockets.endpoint()?);
        config.name = Some(arguments.name("engine").try_into()?);
        config.groups.insert("CHAT".try_into()?);
        // All that is random in the engine comes from the seed, the node's identity too.
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self {
            engine: Engine::new(config, seed, zre_core::Instant::default()),
            started: Instant::now(),
            sockets,
            connections: BTreeMap::new(),
            has_unread: false,
            has_heard: false,
            was_heard: false,
        })
    }

    /// Time is what the caller counts: here, since the start.
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
            // With a handful of peers, whoever woke us, we look at everybody. With hundreds, give each its own mio token.
            for link in self.connections.keys().copied().collect::<Vec<_>>() {
                self.go_on(link);
            }
            // Too early is harmless, so nobody needs to look whether it is time.
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

    /// Doing what the engine wants can bring events, and what the application does with them outputs.
    fn settle(&mut self) {
        loop {
            while let Some(output) = self.engine.poll_output() {
                self.carry_out(output);
            }
            // For whoever looks for a mistake; a real program gives them to its log.
            while let Some(notice) = self.engine.poll_notice() {
                eprintln!("{notice}");
            }
            match self.engine.poll_event() {
                Some(event) => self.hear(event),
                None => return,
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Datagram(beacon) => self.sockets.broadcast(&beacon),
            Output::Open { link, endpoint } => match self.sockets.open(&endpoint) {
                Ok(connection) => drop(self.connections.insert(link, connection)),
                Err(error) => self.ended(link, &error),
            },
            Output::Writable(link) => self.write(link),
            Output::Close(link) => drop(self.connections.remove(&link)),
            // The application has caught up: what was left in the sockets can be read.
            Output::Resume => self.has_unread = true,
        }
    }

    fn go_on(&mut self, link: LinkId) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        if !connection.is_open {
            match connection.finish_connecting() {
                Ok(()) if connection.is_open => self.engine.handle_connected(link, self.now()),
                Ok(()) => return,
                Err(error) => return self.ended(link, &error),
            }
        }
        self.write(link);
        self.read(link);
    }

    /// Reads straight into the engine, unless the application is behind with its events: then the octets stay in the
    /// socket, TCP holds the sender back, and nothing is lost.
    fn read(&mut self, link: LinkId) {
        for _ in 0..READS {
            let Some(connection) = self.connections.get_mut(&link) else {
                return;
            };
            if self.engine.is_congested() {
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
            self.ended(link, &ended);
        }
        self.has_unread = true;
    }

    /// Writes until the outbox is empty or the socket takes no more; in that case mio wakes us when it does.
    fn write(&mut self, link: LinkId) {
        while let Some(connection) = self.connections.get_mut(&link)
            && let Some(outbox) = self.engine.write_buffer(link).filter(Buf::has_remaining)
        {
            match connection.write(outbox.chunks()) {
                Ok(count) => outbox.advance(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => self.ended(link, &error),
            }
        }
        // A node that stops waits for this.
        self.engine.handle_written(self.now());
    }

    /// A connection has ended, or could not be had. The engine knows what that means.
    fn ended(&mut self, link: LinkId, error: &io::Error) {
        self.connections.remove(&link);
        self.engine
            .handle_closed(link, &error.to_string(), self.now());
    }

    /// The application: greets who joins, answers who greets, and goes when both have been done.
    fn hear(&mut self, event: Event) {
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
                println!("{name} says: {}", content.to_string_lossy());
                self.has_heard = true;
                self.engine.whisper(peer, "I heard you".into(), now)
            }
            Event::Whisper { name, content, .. } => {
                println!("{name} whispers: {}", content.to_string_lossy());
                self.was_heard = true;
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
        // For the caller's own reasons only: the peer is gone, or more waits for it than the limit.
        if let Err(error) = sent {
            println!("could not answer: {error}");
        }
        if self.has_heard && self.was_heard {
            // The engine waits until what was sent is written, then says goodbye.
            self.engine.stop(now);
        }
    }
}
