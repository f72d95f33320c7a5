//! Bare TCP: blocking calls on a connection with `TCP_NODELAY`.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use smol::future::block_on;

use super::timing::{Cost, Exchange, Kind, ask, send};
use crate::{
    Failure,
    job::{Figures, Job, Line, Side, Task},
};

pub(super) fn run(job: &Job) -> Result<Figures, Failure> {
    match (job.side, job.task) {
        (Side::Server, Task::RoundTrip) => echo(accept()?, job.size),
        (Side::Server, Task::OneWay) => count(accept()?, job.size),
        (Side::Client, Task::RoundTrip) => block_on(ask(&mut Client::connect(job)?, job)),
        (Side::Client, Task::OneWay) => block_on(send(&mut Client::connect(job)?, job, None)),
        (_, task) => Err(format!("TCP cannot do {task:?}").into()),
    }
}

fn accept() -> Result<TcpStream, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Line::Ready(listener.local_addr()?.to_string()).print()?;
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn echo(mut stream: TcpStream, size: usize) -> Result<Figures, Failure> {
    let mut message = vec![0; size];
    loop {
        match stream.read_exact(&mut message) {
            Ok(()) => stream.write_all(&message)?,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Figures::new()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads what has come, and finds the messages in it.
fn count(mut stream: TcpStream, size: usize) -> Result<Figures, Failure> {
    let mut buffer = vec![0; 256 << 10];
    let (mut cost, mut messages) = (None, 0_usize);
    // How much of the current message has been read.
    let mut offset = 0;
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err("the client closed the connection early".into());
        }
        let mut read = buffer.get(..length).unwrap_or_default();
        while let [first, ..] = read {
            if offset == 0 {
                match Kind::of(&[*first]) {
                    Kind::WarmUp => {}
                    Kind::Data => drop(cost.get_or_insert_with(|| Cost::begin(None))),
                    Kind::End => {
                        let cost = cost.ok_or("no message was measured")?;
                        let figures = cost.figures(messages);
                        stream.write_all(&[0])?;
                        return Ok(figures);
                    }
                }
            }
            let taken = read.len().min(size - offset);
            read = read.get(taken..).unwrap_or_default();
            offset += taken;
            if offset == size {
                offset = 0;
                messages += usize::from(cost.is_some());
            }
        }
    }
}

/// The client's end.
struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    fn connect(job: &Job) -> Result<Self, Failure> {
        let stream = TcpStream::connect(&job.address)?;
        stream.set_nodelay(true)?;
        // In a round trip the whole message comes back. A flow of messages is answered with one
        // byte at its end.
        let size = match job.task {
            Task::RoundTrip => job.size,
            _ => 1,
        };
        Ok(Self {
            stream,
            answer: vec![0; size],
        })
    }
}

impl Exchange for Client {
    type Message = Vec<u8>;

    fn message(kind: Kind, size: usize) -> Vec<u8> {
        kind.message(size)
    }

    async fn send(&mut self, message: &Vec<u8>) -> Result<(), Failure> {
        Ok(self.stream.write_all(message)?)
    }

    async fn receive(&mut self) -> Result<(), Failure> {
        Ok(self.stream.read_exact(&mut self.answer)?)
    }
}
