//! A progress bar on the terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar on standard error; nothing if that is not a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// For networks of these sizes, each simulated for `duration`.
    pub(super) fn new(sizes: &[u32], duration: Duration) -> Self {
        let all = sizes.iter().map(|nodes| work(*nodes, duration)).sum();
        let bar = ProgressBar::new(all);
        let template = "{bar:40} {percent:>3} %  {elapsed}  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// A network of this size has run for this much more virtual time.
    pub(super) fn advance(&self, nodes: u32, by: Duration, message: impl FnOnce() -> String) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_message(message());
        self.bar.inc(work(nodes, by));
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Pairs times milliseconds: the wall time is roughly proportional to it.
fn work(nodes: u32, time: Duration) -> u64 {
    let pairs = u64::from(nodes).saturating_mul(u64::from(nodes));
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    pairs.saturating_mul(millis)
}
