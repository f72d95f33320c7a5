//! Where the lines of a chat appear: above the line that is being typed.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use tokio::sync::mpsc::{self, error::TrySendError};

use super::input::{Above, Keyboard};
use crate::{failure::Failure, output, text::one_line};

/// How many lines may wait for the terminal; beyond that, printing waits.
const WAITING: usize = 1000;

/// Prints lines on a thread of its own, because the line editor may block it.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    lines: mpsc::Sender<Line>,
    /// How many lines were dropped since that was last said.
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Line {
    Text(String),
    Last,
}

/// The screen, and the keyboard that belongs to it.
pub(super) fn open() -> Result<(Screen, Keyboard), Failure> {
    let (keyboard, above) = Keyboard::open();
    let (lines, queue) = mpsc::channel(WAITING);
    let dropped = Arc::<AtomicU64>::default();
    let print = above.unwrap_or_else(|| Box::new(|line| output::write(line.as_bytes())));
    thread::Builder::new()
        .name("screen".to_owned())
        .spawn({
            let dropped = Arc::clone(&dropped);
            move || show(queue, print, &dropped)
        })
        .map_err(|error| Failure::to_start(&error))?;
    Ok((Screen { lines, dropped }, keyboard))
}

fn show(mut queue: mpsc::Receiver<Line>, mut print: Box<Above>, dropped: &AtomicU64) {
    while let Some(Line::Text(line)) = queue.blocking_recv() {
        let mut printed = print(line + "\n");
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            printed =
                printed.and_then(|()| print(format!("* {lost} lines of the log were lost\n")));
        }
        if printed.is_err() {
            return;
        }
    }
}

impl Screen {
    /// Prints one line, with unsafe characters escaped.
    pub(super) async fn print(&self, text: &str) -> Result<(), Failure> {
        let line = Line::Text(one_line(text).into_owned());
        let sent = self.lines.send(line).await;
        sent.map_err(|_| Failure::OutputClosed)
    }

    /// Prints a line if there is room, and never waits.
    pub(super) fn print_if_room(&self, text: &str) -> io::Result<()> {
        let line = Line::Text(one_line(text).into_owned());
        match self.lines.try_send(line) {
            Err(TrySendError::Closed(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Waits until nobody reads the output any more.
    pub(super) async fn closed(&self) -> Failure {
        self.lines.closed().await;
        Failure::OutputClosed
    }

    /// Waits until everything is printed.
    pub(super) async fn close(&self) {
        // This fails when nobody reads the output: then the thread has ended already.
        let _ = self.lines.send(Line::Last).await;
        self.lines.closed().await;
    }
}
