//! The same messages over libzmq: a DEALER to a ROUTER in each direction, as in ZRE. With CURVE,
//! each ROUTER is a server, and admits every key.

use smol::future::block_on;
use zmq::{Context, Message, Socket};

use super::timing::{Cost, Exchange, Kind, ask, send};
use crate::{
    Failure,
    job::{Figures, Job, Line, Side, Task},
    keys::keypair,
};

pub(super) fn run(job: &Job) -> Result<Figures, Failure> {
    let mut sockets = match job.side {
        Side::Server => Sockets::accept(job)?,
        Side::Client => Sockets::connect(job)?,
    };
    match (job.side, job.task) {
        (Side::Server, Task::RoundTrip) => sockets.echo(),
        (Side::Server, Task::OneWay) => sockets.count(),
        (Side::Client, Task::RoundTrip) => {
            let figures = block_on(ask(&mut sockets, job))?;
            sockets.write(&Kind::End.message(1))?;
            Ok(figures)
        }
        (Side::Client, Task::OneWay) => block_on(send(&mut sockets, job, None)),
        (_, task) => Err(format!("libzmq cannot do {task:?} here").into()),
    }
}

struct Sockets {
    router: Socket,
    dealer: Socket,
    identity: Message,
    message: Message,
    /// It must outlive the sockets: dropping it ends libzmq's thread.
    _context: Context,
}

impl Sockets {
    /// Messages of 64 MiB together may wait, so that neither side waits for the other for long.
    fn new(job: &Job) -> Result<(Self, String), Failure> {
        let context = Context::new();
        let router = context.socket(zmq::ROUTER)?;
        let dealer = context.socket(zmq::DEALER)?;
        let most = i32::try_from((64 << 20) / job.size.max(1))?.clamp(64, 100_000);
        for socket in [&router, &dealer] {
            socket.set_sndhwm(most)?;
            socket.set_rcvhwm(most)?;
        }
        if job.system.is_secured() {
            secure(&router, &dealer, job.side)?;
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
    fn accept(job: &Job) -> Result<Self, Failure> {
        let (mut sockets, endpoint) = Self::new(job)?;
        Line::Ready(endpoint).print()?;
        sockets.read()?;
        let client = sockets.message.as_str().ok_or("not text")?;
        sockets.dealer.connect(client)?;
        sockets.write(b"hello")?;
        Ok(sockets)
    }

    fn connect(job: &Job) -> Result<Self, Failure> {
        let (mut sockets, endpoint) = Self::new(job)?;
        sockets.dealer.connect(&job.address)?;
        sockets.write(endpoint.as_bytes())?;
        sockets.read()?;
        Ok(sockets)
    }

    fn write(&self, message: &[u8]) -> Result<(), zmq::Error> {
        self.dealer.send(message, 0)
    }

    /// The ROUTER puts the sender's identity in front of each message.
    fn read(&mut self) -> Result<(), zmq::Error> {
        self.router.recv(&mut self.identity, 0)?;
        self.router.recv(&mut self.message, 0)
    }

    fn echo(&mut self) -> Result<Figures, Failure> {
        loop {
            self.read()?;
            if Kind::of(&self.message) == Kind::End {
                return Ok(Figures::new());
            }
            self.write(&self.message)?;
        }
    }

    fn count(&mut self) -> Result<Figures, Failure> {
        while Kind::of(&self.message) != Kind::Data {
            self.read()?;
        }
        let cost = Cost::begin(None);
        let mut messages = 0;
        while Kind::of(&self.message) == Kind::Data {
            messages += 1;
            self.read()?;
        }
        let figures = cost.figures(messages);
        self.write(&Kind::End.message(1))?;
        Ok(figures)
    }
}

/// Gives the sockets of one side their keys. Both have the same pair, as in zyre.
fn secure(router: &Socket, dealer: &Socket, side: Side) -> Result<(), Failure> {
    let (own, other) = match side {
        Side::Server => ("server", "client"),
        Side::Client => ("client", "server"),
    };
    let own = keypair(own);
    for socket in [router, dealer] {
        socket.set_curve_publickey(own.public().as_bytes())?;
        socket.set_curve_secretkey(own.secret().to_z85().as_bytes())?;
    }
    router.set_curve_server(true)?;
    dealer.set_curve_serverkey(keypair(other).public().as_bytes())?;
    Ok(())
}

impl Exchange for Sockets {
    type Message = Vec<u8>;

    fn message(kind: Kind, size: usize) -> Vec<u8> {
        kind.message(size)
    }

    async fn send(&mut self, message: &Vec<u8>) -> Result<(), Failure> {
        Ok(self.write(message)?)
    }

    async fn receive(&mut self) -> Result<(), Failure> {
        Ok(self.read()?)
    }
}
