//! What libzmq does with the same messages: a DEALER to a ROUTER in each direction, as ZRE has them.

use std::time::Instant;

use zmq::{Context, Message, Socket};

use super::timing::{Cost, Enough, Kind, Times};
use crate::{
    Failure,
    job::{Figures, Job, Line, Side, Task},
};

pub(super) fn run(job: &Job) -> Result<Figures, Failure> {
    let mut sockets = match job.side {
        Side::Server => Sockets::accept(job.size)?,
        Side::Client => Sockets::connect(&job.address, job.size)?,
    };
    match (job.side, job.task) {
        (Side::Server, Task::RoundTrip) => sockets.echo(),
        (Side::Server, Task::OneWay) => sockets.count(),
        (Side::Client, Task::RoundTrip) => sockets.ask(job),
        (Side::Client, Task::OneWay) => sockets.send_all(job),
        (_, task) => Err(format!("libzmq cannot do {task:?} here").into()),
    }
}

struct Sockets {
    router: Socket,
    dealer: Socket,
    identity: Message,
    message: Message,
    /// Outlives the sockets: with it, libzmq's thread ends.
    _context: Context,
}

impl Sockets {
    /// As many messages may wait as hold 64 MiB together: enough that nobody waits for the other for long.
    fn new(size: usize) -> Result<(Self, String), Failure> {
        let context = Context::new();
        let router = context.socket(zmq::ROUTER)?;
        let dealer = context.socket(zmq::DEALER)?;
        let most = i32::try_from((64 << 20) / size.max(1))?.clamp(64, 100_000);
        for socket in [&router, &dealer] {
            socket.set_sndhwm(most)?;
            socket.set_rcvhwm(most)?;
        }
        router.bind("tcp://127.0.0.1:*")?;
        let endpoint = router.get_last_endpoint()?.map_err(|_| "not text")?;
        let sockets = Self {
            router,
            dealer,
            identity: Message::new(),
            message: Message::new(),
            _context: context,
        };
        Ok((sockets, endpoint))
    }

    /// The client's first message says where its own ROUTER is.
    fn accept(size: usize) -> Result<Self, Failure> {
        let (mut sockets, endpoint) = Self::new(size)?;
        Line::Ready(endpoint).print()?;
        sockets.receive()?;
        let client = sockets.message.as_str().ok_or("not text")?;
        sockets.dealer.connect(client)?;
        sockets.send(b"hello")?;
        Ok(sockets)
    }

    fn connect(server: &str, size: usize) -> Result<Self, Failure> {
        let (mut sockets, endpoint) = Self::new(size)?;
        sockets.dealer.connect(server)?;
        sockets.send(endpoint.as_bytes())?;
        sockets.receive()?;
        Ok(sockets)
    }

    fn send(&self, message: &[u8]) -> Result<(), zmq::Error> {
        self.dealer.send(message, 0)
    }

    /// The ROUTER puts the sender's identity in front of each message.
    fn receive(&mut self) -> Result<(), zmq::Error> {
        self.router.recv(&mut self.identity, 0)?;
        self.router.recv(&mut self.message, 0)
    }

    fn echo(&mut self) -> Result<Figures, Failure> {
        loop {
            self.receive()?;
            if Kind::of(&self.message) == Kind::End {
                return Ok(Figures::new());
            }
            self.send(&self.message)?;
        }
    }

    fn ask(&mut self, job: &Job) -> Result<Figures, Failure> {
        let message = Kind::Data.message(job.size);
        let mut times = Times::new(job.count);
        let warm = Instant::now() + job.warm_up;
        while Instant::now() < warm {
            self.send(&message)?;
            self.receive()?;
        }
        let enough = Enough::new(job.count, job.time, job.size);
        for sent in 0.. {
            if enough.is_reached(sent) {
                break;
            }
            let begun = Instant::now();
            self.send(&message)?;
            self.receive()?;
            times.add(begun.elapsed());
        }
        self.send(&Kind::End.message(1))?;
        Ok(times.figures())
    }

    fn count(&mut self) -> Result<Figures, Failure> {
        while Kind::of(&self.message) != Kind::Data {
            self.receive()?;
        }
        let cost = Cost::begin(None);
        let mut messages = 0;
        while Kind::of(&self.message) == Kind::Data {
            messages += 1;
            self.receive()?;
        }
        let figures = cost.figures(messages);
        self.send(&Kind::End.message(1))?;
        Ok(figures)
    }

    fn send_all(&mut self, job: &Job) -> Result<Figures, Failure> {
        let message = Kind::WarmUp.message(job.size);
        let warm = Enough::new(usize::MAX, job.warm_up, job.size);
        for sent in 0.. {
            if warm.is_reached(sent) {
                break;
            }
            self.send(&message)?;
        }
        let message = Kind::Data.message(job.size);
        let cost = Cost::begin(None);
        let enough = Enough::new(job.count, job.time, job.size);
        let mut sent = 0;
        while !enough.is_reached(sent) {
            self.send(&message)?;
            sent += 1;
        }
        self.send(&Kind::End.message(1))?;
        self.receive()?;
        Ok(cost.figures(sent))
    }
}
