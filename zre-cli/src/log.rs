//! What the node logs, on standard error.

use std::{
    env,
    io::{self, Write},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::{failure::Failure, text::one_line};

/// Starts to log lines to standard error.
pub(crate) fn to_standard_error(verbose: u8) -> Result<(), Failure> {
    start(verbose, |line| writeln!(io::stderr().lock(), "{line}"))
}

/// Starts to hand each line of the log to `print`, safe to be shown on a terminal.
pub(crate) fn start<P>(verbose: u8, print: P) -> Result<(), Failure>
where
    P: Fn(&str) -> io::Result<()> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter(verbose)?)
        .with_ansi(false)
        .with_writer(Lines(print))
        .try_init()
        .map_err(|error| Failure::Told(format!("cannot log: {error}")))
}

fn filter(verbose: u8) -> Result<EnvFilter, Failure> {
    let directives = match env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => directives,
        _ => by_count(verbose).to_owned(),
    };
    EnvFilter::builder()
        .parse(&directives)
        .map_err(|error| Failure::Told(format!("RUST_LOG={directives:?} is wrong: {error}")))
}

fn by_count(verbose: u8) -> &'static str {
    match verbose {
        0 => "warn",
        1 => "warn,zre=debug,zre_core=debug,zre_driver=debug,zre_net=debug",
        _ => "debug,zre=trace,zre_core=trace,zre_driver=trace,zre_net=trace",
    }
}

/// Hands over one line for each event, whatever characters peers have put into it.
struct Lines<P>(P);

impl<'a, P: Fn(&str) -> io::Result<()> + 'a> MakeWriter<'a> for Lines<P> {
    type Writer = Line<'a, P>;

    fn make_writer(&'a self) -> Line<'a, P> {
        let text = Vec::new();
        Line {
            text,
            print: &self.0,
        }
    }
}

/// A line of the log that is being written; it is printed when it is complete.
struct Line<'a, P: Fn(&str) -> io::Result<()>> {
    text: Vec<u8>,
    print: &'a P,
}

impl<P: Fn(&str) -> io::Result<()>> Write for Line<'_, P> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<P: Fn(&str) -> io::Result<()>> Drop for Line<'_, P> {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        // A log that cannot be written must not end what it tells about.
        let _ = (self.print)(&one_line(text.trim_end_matches('\n')));
    }
}
