//! Writes lines to standard output: at once, but many together when many wait.

use std::{
    io::{self, StdoutLock, Write},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};
use zre_tokio::Node;

use super::happenings::Happenings;
use crate::{failure::Failure, json::Format};

/// How many bytes are collected before they are written. A line that is longer is written in
/// pieces, so that it is never in memory as a whole.
const BATCH: usize = 64 * 1024;

/// How many bytes are written at once, if they hold whole lines. Smaller pieces would tell more
/// exactly how far the reader is, but cost it time.
const PIECE: usize = 16 * 1024;

/// Standard output, and how much of it is read.
#[derive(Debug, Default)]
pub(super) struct Output {
    format: Format,
    /// Lines that were to be written.
    begun: AtomicU64,
    /// Lines that are written.
    written: AtomicU64,
    /// Pieces that are written: they also tell that a long line is being read.
    pieces: AtomicU64,
}

impl Output {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            ..Self::default()
        }
    }

    /// Prints one line now.
    pub(super) fn print(&self, line: &impl Serialize) -> Result<(), Failure> {
        let mut lines = Lines::to(self, standard_output);
        lines.append(line)?;
        Ok(lines.finish()?)
    }

    /// Prints all that happens until the node has stopped.
    pub(super) fn forward_events(
        &self,
        mut happenings: Happenings,
        runtime: &Handle,
    ) -> Result<(), Failure> {
        let mut lines = Lines::to(self, standard_output);
        while let Some(happening) = runtime.block_on(happenings.next()) {
            let mut next = Some(happening);
            while let Some(happening) = next {
                // What is in it may be large, and is written or in the batch.
                happenings.append(&mut lines, happening)?;
                next = lines.has_room().then(|| happenings.try_next()).flatten();
            }
            lines.finish()?;
        }
        Ok(())
    }

    /// Waits while `is_busy`, but no longer than `patience` without anything being read, and not
    /// beyond `end`.
    pub(super) async fn drain(
        &self,
        is_busy: impl Fn() -> bool,
        patience: Duration,
        end: Option<Instant>,
    ) {
        const LOOK: Duration = Duration::from_millis(20);
        let (mut pieces, mut since) = (self.pieces.load(Ordering::Relaxed), Instant::now());
        while is_busy() && since.elapsed() < patience && end.is_none_or(|end| Instant::now() < end)
        {
            sleep(LOOK).await;
            let now = self.pieces.load(Ordering::Relaxed);
            if now != pieces {
                (pieces, since) = (now, Instant::now());
            }
        }
    }

    /// How many lines are not written, with the events that the node still holds. Some may be: of
    /// what is being written it is not known how much is.
    pub(super) fn unwritten(&self, node: &Node) -> u64 {
        let mut events = 0;
        while node.try_recv().is_some() {
            events += 1;
        }
        let written = self.written.load(Ordering::Relaxed);
        events + self.begun.load(Ordering::Relaxed).saturating_sub(written)
    }

    /// Writes one whole line now.
    pub(super) fn write(&self, line: &[u8]) -> io::Result<()> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let mut lines = Lines::to(self, standard_output);
        lines.write_all(line)?;
        lines.finish()
    }
}

/// Lines on their way to an output, which `lock` keeps for one thread.
///
/// From the first piece of a line to the end of the line no other thread can write.
pub(super) struct Lines<'a, W, F> {
    output: &'a Output,
    lock: F,
    batch: Vec<u8>,
    /// Held while a line is written in part.
    locked: Option<W>,
}

impl<'a, W: Write, F: Fn() -> W> Lines<'a, W, F> {
    pub(super) fn to(output: &'a Output, lock: F) -> Self {
        Self {
            output,
            lock,
            batch: Vec::new(),
            locked: None,
        }
    }

    /// Takes a line. Writes what is more than a batch.
    pub(super) fn append(&mut self, line: &impl Serialize) -> Result<(), Failure> {
        self.output.begun.fetch_add(1, Ordering::Relaxed);
        Ok(self.output.format.append(self, line)?)
    }

    /// What has not been written.
    #[cfg(test)]
    pub(super) fn batch(&self) -> String {
        String::from_utf8(self.batch.clone()).unwrap()
    }

    /// Whether another line fits in before they are written.
    fn has_room(&self) -> bool {
        self.batch.len() < BATCH && self.locked.is_none()
    }

    /// Writes the rest now. The last line must be complete.
    fn finish(&mut self) -> io::Result<()> {
        self.write_batch()?;
        match self.locked.take() {
            Some(mut output) => output.flush(),
            None => Ok(()),
        }
    }

    fn write_batch(&mut self) -> io::Result<()> {
        let mut rest = self.batch.as_slice();
        while !rest.is_empty() {
            let output = self.locked.get_or_insert_with(&self.lock);
            let (piece, others) = rest.split_at(end_of_piece(rest));
            output.write_all(piece)?;
            self.output
                .written
                .fetch_add(ends(piece), Ordering::Relaxed);
            self.output.pieces.fetch_add(1, Ordering::Relaxed);
            rest = others;
        }
        self.batch.clear();
        Ok(())
    }
}

impl<W: Write, F: Fn() -> W> Write for Lines<'_, W, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.batch.len() >= BATCH {
            self.write_batch()?;
        }
        let room = BATCH.saturating_sub(self.batch.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.batch.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_batch()
    }
}

fn standard_output() -> StdoutLock<'static> {
    io::stdout().lock()
}

/// Where to cut: behind the last line that is in the piece as a whole, or in the middle of a line
/// that is longer.
fn end_of_piece(lines: &[u8]) -> usize {
    let piece = lines.get(..PIECE).unwrap_or(lines);
    let end = piece.iter().rposition(|byte| *byte == b'\n');
    end.map_or_else(|| lines.len().min(BATCH), |end| end + 1)
}

fn ends(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard};

    use super::*;

    /// What was written, each time by itself. One thread at a time has it.
    struct Writes<'a>(MutexGuard<'a, Vec<Vec<u8>>>);

    impl Write for Writes<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn pieces_end_with_a_line_where_they_can() {
        assert_eq!(end_of_piece(b"a\nb\n"), 4);
        let line = [vec![b'x'; PIECE - 100], vec![b'\n']].concat();
        assert_eq!(end_of_piece(&line.repeat(2)), line.len());
        let mut long = vec![b'x'; 2 * BATCH];
        long.push(b'\n');
        assert_eq!(end_of_piece(&long), BATCH);
        assert_eq!(end_of_piece(b"\n"), 1);
    }

    #[test]
    fn a_long_line_is_written_in_pieces_and_is_never_in_memory_as_a_whole() {
        let (output, writes) = (Output::default(), Mutex::default());
        let mut lines = Lines::to(&output, || Writes(writes.lock().unwrap()));
        let text = "x".repeat(10 * BATCH);
        lines.append(&text).unwrap();
        lines.append(&"short").unwrap();
        assert!(lines.batch.capacity() <= 2 * BATCH);
        lines.finish().unwrap();
        let writes = writes.lock().unwrap();
        assert!(writes.iter().all(|piece| piece.len() <= BATCH));
        assert_eq!(
            writes.concat(),
            format!("\"{text}\"\n\"short\"\n").as_bytes()
        );
    }

    #[test]
    fn a_line_that_is_written_in_part_keeps_other_threads_out_until_its_end() {
        let (output, writes) = (Output::default(), Mutex::default());
        let mut lines = Lines::to(&output, || Writes(writes.lock().unwrap()));
        lines.append(&"short").unwrap();
        assert!(lines.has_room());
        assert!(writes.try_lock().is_ok(), "nothing is written yet");
        lines.append(&"x".repeat(2 * BATCH)).unwrap();
        assert!(!lines.has_room());
        assert!(writes.try_lock().is_err(), "the rest is yet to come");
        lines.finish().unwrap();
        assert!(writes.try_lock().is_ok());
    }

    #[test]
    fn a_line_counts_as_written_when_its_end_is() {
        let (output, writes) = (Output::default(), Mutex::default());
        let mut lines = Lines::to(&output, || Writes(writes.lock().unwrap()));
        let counts = || {
            let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
            (read(&output.begun), read(&output.written))
        };
        lines.append(&"x".repeat(2 * BATCH)).unwrap();
        assert_eq!(counts(), (1, 0));
        assert!(output.pieces.load(Ordering::Relaxed) > 0);
        lines.finish().unwrap();
        assert_eq!(counts(), (1, 1));
    }
}
