//! What TCP can do by itself: blocking calls on a connection without delay.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::Instant,
};

use super::timing::{Cost, Enough, Kind, Times};
use crate::{
    Failure,
    job::{Figures, Job, Line, Side, Task},
};

pub(super) fn run(job: &Job) -> Result<Figures, Failure> {
    match (job.side, job.task) {
        (Side::Server, Task::RoundTrip) => echo(accept()?, job.size),
        (Side::Server, Task::OneWay) => count(accept()?, job.size),
        (Side::Client, Task::RoundTrip) => ask(&connect(job)?, job),
        (Side::Client, Task::OneWay) => send(connect(job)?, job),
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

fn connect(job: &Job) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(&job.address)?;
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

fn ask(mut stream: &TcpStream, job: &Job) -> Result<Figures, Failure> {
    let mut message = Kind::Data.message(job.size);
    let mut times = Times::new(job.count);
    let warm = Instant::now() + job.warm_up;
    while Instant::now() < warm {
        stream.write_all(&message)?;
        stream.read_exact(&mut message)?;
    }
    let enough = Enough::new(job.count, job.time, job.size);
    for sent in 0.. {
        if enough.is_reached(sent) {
            break;
        }
        let begun = Instant::now();
        stream.write_all(&message)?;
        stream.read_exact(&mut message)?;
        times.add(begun.elapsed());
    }
    Ok(times.figures())
}

/// Reads whatever is there, and finds the messages in it.
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

fn send(mut stream: TcpStream, job: &Job) -> Result<Figures, Failure> {
    let message = Kind::WarmUp.message(job.size);
    let warm = Enough::new(usize::MAX, job.warm_up, job.size);
    for sent in 0.. {
        if warm.is_reached(sent) {
            break;
        }
        stream.write_all(&message)?;
    }
    let message = Kind::Data.message(job.size);
    let cost = Cost::begin(None);
    let enough = Enough::new(job.count, job.time, job.size);
    let mut sent = 0;
    while !enough.is_reached(sent) {
        stream.write_all(&message)?;
        sent += 1;
    }
    stream.write_all(&Kind::End.message(1))?;
    stream.read_exact(&mut [0])?;
    Ok(cost.figures(sent))
}
