//! Standard error, which never holds up the program.
//!
//! Whoever started the command may leave standard error unread. Then a write to it blocks, and with
//! it the thread that writes, which may be the one that carries the node. So lines are put into a
//! bounded queue, and a thread of its own writes them.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

/// How many bytes may wait to be written. Lines beyond that are dropped and counted.
const WAITING: usize = 1 << 20;

/// How long the end of the program waits until the last lines are written.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long it waits for the thread that writes to begin, on a machine that is busy.
const START: Duration = Duration::from_secs(10);

/// `None` if there is no thread to be had.
static QUEUE: OnceLock<Option<Arc<Queue>>> = OnceLock::new();

/// Writes a line soon, or drops it when too many wait. Never waits.
pub(crate) fn print(line: &str) {
    match QUEUE.get_or_init(start) {
        Some(queue) => queue.add(line),
        // Nobody is left to be told that it failed.
        None => _ = writeln!(io::stderr(), "{line}"),
    }
}

/// Waits until all lines are written, but not for long.
pub(crate) fn finish() {
    if let Some(Some(queue)) = QUEUE.get() {
        queue.wait_until_written(PATIENCE);
    }
}

fn start() -> Option<Arc<Queue>> {
    let queue = Arc::new(Queue::default());
    let writer = Arc::clone(&queue);
    let write = move || loop {
        writer.write_next(&mut io::stderr());
    };
    let thread = thread::Builder::new().name("stderr".to_owned());
    thread.spawn(write).ok().map(|_| queue)
}

/// Lines that wait to be written.
#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// How many lines were dropped since that was last said.
    dropped: u64,
    is_writing: bool,
}

impl Queue {
    fn add(&self, line: &str) {
        let mut state = self.state();
        if state.lines.len() + line.len() >= WAITING {
            state.dropped += 1;
            return;
        }
        state.lines.extend_from_slice(line.as_bytes());
        state.lines.push(b'\n');
        self.changed.notify_all();
    }

    /// Waits for lines, then writes all that are there.
    fn write_next(&self, output: &mut impl Write) {
        let lines = self.take();
        // An output that is closed loses the lines; a program does not fail for that.
        let _ = output.write_all(&lines);
        let dropped = std::mem::take(&mut self.state().dropped);
        if dropped > 0 {
            let _ = writeln!(output, "{}", lost(dropped));
        }
        self.state().is_writing = false;
        self.changed.notify_all();
    }

    fn take(&self) -> Vec<u8> {
        let state = self.state();
        let is_idle = |state: &mut State| state.lines.is_empty();
        let waited = self.changed.wait_while(state, is_idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_writing = true;
        self.changed.notify_all();
        std::mem::take(&mut state.lines)
    }

    fn wait_until_written(&self, patience: Duration) {
        // Before the thread has begun, it is not the reader who takes so long.
        self.wait_while(START, |state| !state.is_writing && !state.lines.is_empty());
        // If that takes too long, the lines are lost: there is nowhere else to say so.
        self.wait_while(patience, |state| {
            state.is_writing || !state.lines.is_empty()
        });
    }

    fn wait_while(&self, patience: Duration, is_so: impl Fn(&State) -> bool) {
        let state = self.state();
        let waited = self
            .changed
            .wait_timeout_while(state, patience, |state| is_so(state));
        drop(waited);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lost(lines: u64) -> String {
    match lines {
        1 => "1 line was dropped here: standard error was not read".to_owned(),
        lines => format!("{lines} lines were dropped here: standard error was not read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_in_their_order() {
        let (queue, mut output) = (Queue::default(), Vec::new());
        queue.add("a");
        queue.add("b");
        queue.write_next(&mut output);
        assert_eq!(output, b"a\nb\n");
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let (queue, mut output) = (Queue::default(), Vec::new());
        let long = "x".repeat(WAITING / 2);
        for _ in 0..4 {
            queue.add(&long);
        }
        queue.write_next(&mut output);
        queue.add("y");
        queue.write_next(&mut output);
        let written = String::from_utf8(output).unwrap();
        let lines: Vec<&str> = written.lines().collect();
        let said = "3 lines were dropped here: standard error was not read";
        assert_eq!(lines, [&long, said, "y"]);
        assert_eq!(queue.state().dropped, 0);
    }

    #[test]
    fn the_end_waits_only_so_long() {
        let queue = Queue::default();
        queue.wait_until_written(Duration::from_secs(3600));
        queue.add("taken, but never written");
        queue.take();
        queue.wait_until_written(Duration::from_millis(1));
    }
}
