//! Starts the processes of a measurement, and reads what they print.

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, UdpSocket},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Failure,
    job::{Figures, Job, Line, Side, System, Task},
};

/// How much longer a process may take than the time that it measures.
const PATIENCE: Duration = Duration::from_secs(60);

/// The figures of both sides.
#[derive(Debug)]
pub struct Outcome {
    /// What the server measured.
    pub server: Figures,
    /// What the client measured.
    pub client: Figures,
}

/// Runs a server and a client, each in a process of its own.
///
/// # Errors
///
/// If one of them fails or does not end.
pub fn run(program: &Path, job: &Job) -> Result<Outcome, Failure> {
    let port = free_port()?;
    let mut job = Job {
        side: Side::Server,
        port,
        ..job.clone()
    };
    let deadline = Instant::now() + job.warm_up + job.time + PATIENCE;
    let mut server = End::start(program, &job)?;
    job.address = server.ready(deadline)?;
    job.side = Side::Client;
    let mut client = End::start(program, &job)?;
    // If both fail, the server's error says more.
    let counted = server.figures(deadline);
    let client = client.figures(deadline);
    Ok(Outcome {
        server: counted?,
        client: client?,
    })
}

/// Runs a measurement that needs only one process.
///
/// # Errors
///
/// If it fails or does not end.
pub fn run_alone(program: &Path, job: &Job) -> Result<Figures, Failure> {
    let job = Job {
        port: free_port()?,
        ..job.clone()
    };
    let deadline = Instant::now() + job.time + PATIENCE;
    End::start(program, &job)?.figures(deadline)
}

/// Processes that keep all cores awake until this is dropped.
#[derive(Debug)]
pub struct Spinners {
    _ends: Vec<End>,
}

impl Spinners {
    /// Starts one for each core.
    ///
    /// # Errors
    ///
    /// If one cannot be started.
    pub fn start(program: &Path, time: Duration) -> Result<Self, Failure> {
        let cores = thread::available_parallelism()?.get();
        let mut ends = Vec::new();
        for core in 0..cores {
            let job = Job {
                system: System::Tcp,
                side: Side::Server,
                task: Task::Spin,
                size: 0,
                count: 0,
                time,
                warm_up: Duration::ZERO,
                core: Some(core),
                port: 0,
                address: String::new(),
            };
            let mut end = End::start(program, &job)?;
            end.ready(Instant::now() + PATIENCE)?;
            ends.push(end);
        }
        Ok(Self { _ends: ends })
    }
}

/// One process. It is ended when this is dropped.
#[derive(Debug)]
struct End {
    process: Child,
    lines: Receiver<String>,
    /// It is closed when this process ends, for whatever reason. Then the child ends, too.
    _input: Option<ChildStdin>,
}

impl End {
    fn start(program: &Path, job: &Job) -> Result<Self, Failure> {
        let mut process = Command::new(program)
            .args(["end", &serde_json::to_string(job)?])
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let output = process.stdout.take().ok_or("no output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            _input: process.stdin.take(),
            process,
            lines,
        })
    }

    fn ready(&mut self, deadline: Instant) -> Result<String, Failure> {
        match self.line(deadline)? {
            Line::Ready(address) => Ok(address),
            line @ Line::Figures(_) => Err(format!("unexpected: {line:?}").into()),
        }
    }

    fn figures(&mut self, deadline: Instant) -> Result<Figures, Failure> {
        match self.line(deadline)? {
            Line::Figures(figures) => Ok(figures),
            line @ Line::Ready(_) => Err(format!("unexpected: {line:?}").into()),
        }
    }

    fn line(&mut self, deadline: Instant) -> Result<Line, Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => Ok(serde_json::from_str(&line)?),
            Err(RecvTimeoutError::Timeout) => Err("it takes too long".into()),
            Err(RecvTimeoutError::Disconnected) => Err("a process ended early".into()),
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // It fails only if the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A free discovery port, so that the nodes of different measurements do not meet.
fn free_port() -> Result<u16, Failure> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    Ok(socket.local_addr()?.port())
}
