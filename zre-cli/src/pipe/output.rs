//! Writes lines to standard output: at once, but many together when many wait.

use std::io;

use serde::Serialize;
use tokio::runtime::Handle;
use zre_tokio::{Event, Node};

use super::{counters::Counters, events};
use crate::{failure::Failure, output};

/// How many bytes of lines are written at once.
const BATCH: usize = 64 * 1024;

/// Prints one line now.
pub(super) fn print(line: &impl Serialize) -> Result<(), Failure> {
    let mut buffer = Vec::with_capacity(256);
    append(&mut buffer, line)?;
    Ok(output::write(&buffer)?)
}

/// Prints all events until the node has stopped.
pub(super) fn forward_events(
    node: &Node,
    runtime: &Handle,
    counters: &Counters,
) -> Result<(), Failure> {
    let mut buffer = Vec::with_capacity(2 * BATCH);
    while let Some(event) = runtime.block_on(node.recv()) {
        append_event(&mut buffer, &event, counters)?;
        while buffer.len() < BATCH
            && let Some(event) = node.try_recv()
        {
            append_event(&mut buffer, &event, counters)?;
        }
        if !buffer.is_empty() {
            output::write(&buffer)?;
        }
        buffer.clear();
        buffer.shrink_to(2 * BATCH);
    }
    Ok(())
}

fn append_event(buffer: &mut Vec<u8>, event: &Event, counters: &Counters) -> Result<(), Failure> {
    if let Event::Whisper { peer, content, .. } = event
        && counters.take(*peer, content)
    {
        return Ok(());
    }
    match events::line(event) {
        Some(line) => append(buffer, &line),
        None => Ok(()),
    }
}

fn append(buffer: &mut Vec<u8>, line: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *buffer, line).map_err(io::Error::from)?;
    buffer.push(b'\n');
    Ok(())
}
