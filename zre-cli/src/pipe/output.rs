//! Writes lines to standard output: at once, but many together when many wait.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};
use zre_tokio::{Event, Node};

use super::{counters::Counters, events};
use crate::failure::Failure;

/// How many bytes of lines are collected before they are written.
const BATCH: usize = 64 * 1024;

/// How many bytes are written at once. Smaller pieces would tell more exactly how far the reader
/// is, but cost it time.
const PIECE: usize = 16 * 1024;

/// Standard output, and how much of it is read.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Lines that were to be written.
    begun: AtomicU64,
    /// Lines that are written.
    written: AtomicU64,
}

impl Output {
    /// Prints one line now.
    pub(super) fn print(&self, line: &impl Serialize) -> Result<(), Failure> {
        let mut buffer = Vec::with_capacity(256);
        append(&mut buffer, line)?;
        Ok(self.write(&buffer, 1)?)
    }

    /// Prints all events until the node has stopped.
    pub(super) fn forward_events(
        &self,
        node: &Node,
        runtime: &Handle,
        counters: &Counters,
    ) -> Result<(), Failure> {
        let mut batch = Vec::with_capacity(2 * BATCH);
        while let Some(event) = runtime.block_on(node.recv()) {
            let mut lines = append_event(&mut batch, &event, counters)?;
            while batch.len() < BATCH
                && let Some(event) = node.try_recv()
            {
                lines += append_event(&mut batch, &event, counters)?;
            }
            if !batch.is_empty() {
                self.write(&batch, lines)?;
            }
            batch.clear();
            batch.shrink_to(2 * BATCH);
        }
        Ok(())
    }

    /// Waits while `is_busy`, but no longer than `patience` without any line being read, and not
    /// beyond `end`.
    pub(super) async fn drain(
        &self,
        is_busy: impl Fn() -> bool,
        patience: Duration,
        end: Option<Instant>,
    ) {
        const LOOK: Duration = Duration::from_millis(20);
        let (mut written, mut since) = (self.written.load(Ordering::Relaxed), Instant::now());
        while is_busy() && since.elapsed() < patience && end.is_none_or(|end| Instant::now() < end)
        {
            sleep(LOOK).await;
            let now = self.written.load(Ordering::Relaxed);
            if now != written {
                (written, since) = (now, Instant::now());
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

    /// Writes so many whole lines now.
    pub(super) fn write(&self, mut lines: &[u8], count: u64) -> io::Result<()> {
        self.begun.fetch_add(count, Ordering::Relaxed);
        let mut output = io::stdout().lock();
        while !lines.is_empty() {
            let (piece, rest) = lines.split_at(end_of_piece(lines));
            output.write_all(piece)?;
            self.written.fetch_add(ends(piece), Ordering::Relaxed);
            lines = rest;
        }
        output.flush()
    }
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

/// Appends the line of an event, and says how many that are: none or one.
fn append_event(lines: &mut Vec<u8>, event: &Event, counters: &Counters) -> Result<u64, Failure> {
    if let Event::Whisper { peer, content, .. } = event
        && counters.take(*peer, content)
    {
        return Ok(0);
    }
    match events::line(event) {
        Some(line) => append(lines, &line).map(|()| 1),
        None => Ok(0),
    }
}

/// Appends one line.
pub(super) fn append(buffer: &mut Vec<u8>, line: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *buffer, line).map_err(io::Error::from)?;
    buffer.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
