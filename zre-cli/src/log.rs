//! The log of the node, on standard error.

use std::{
    env,
    io::{self, Write},
};

use tracing_subscriber::{
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{failure::Failure, stderr, text::one_line};

/// Starts to log lines to standard error. When nobody reads it, lines are dropped and counted: the
/// node writes its log on the threads that carry it, so the log must not wait.
pub(crate) fn to_standard_error(verbose: u8) -> Result<(), Failure> {
    start(verbose, |line| {
        stderr::print(line);
        Ok(())
    })
}

/// Starts to hand each line of the log to `print`, with unsafe characters escaped.
pub(crate) fn start<P>(verbose: u8, print: P) -> Result<(), Failure>
where
    P: Fn(&str) -> io::Result<()> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_ansi(false).with_writer(Lines(print));
    tracing_subscriber::registry()
        .with(filter(verbose)?)
        .with(lines)
        .try_init()
        .map_err(|error| Failure::Told(format!("cannot log: {error}")))
}

/// Targets and levels only: filters on fields would need regular expressions, which take longer to
/// compile than the node does.
fn filter(verbose: u8) -> Result<Targets, Failure> {
    let directives = match env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => directives,
        _ => by_count(verbose).to_owned(),
    };
    directives.parse().map_err(|_| {
        Failure::Told(format!(
            "RUST_LOG={directives:?} is wrong: expected levels and targets, such as \
             debug or warn,zre_core=trace"
        ))
    })
}

fn by_count(verbose: u8) -> &'static str {
    match verbose {
        // Who cannot be reached each command tells by itself, with the first attempt that fails,
        // and who is refused because of a key.
        0 => "warn,zre_driver::unreachable=off,zre_driver::refused=off",
        1 => "warn,zre=debug,zre_core=debug,zre_driver=debug,zre_net=debug",
        _ => "debug,zre=trace,zre_core=trace,zre_driver=trace,zre_net=trace",
    }
}

/// Makes one line of each log event, whatever characters peers have put into it.
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
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<P: Fn(&str) -> io::Result<()>> Drop for Line<'_, P> {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        // A command must not fail because its log cannot be written.
        let _ = (self.print)(&one_line(text.trim_end_matches('\n')));
    }
}
