//! What the simulation costs on this machine. It differs each time, so it goes to standard error.

use std::{
    fs,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use super::report::{grouped, table};

/// Runs `work` and measures how long it takes.
pub(super) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begin = Instant::now();
    (work(), begin.elapsed())
}

/// Wall time of each run, and memory of all.
#[derive(Debug, Default)]
pub(super) struct Costs {
    rows: Vec<Vec<String>>,
    nodes: u32,
}

impl Costs {
    pub(super) fn add(&mut self, nodes: u32, wall_time: Duration) {
        self.nodes += nodes;
        let pairs = pairs(nodes).max(1);
        let per_pair = wall_time.as_secs_f64() * 1e6 / pairs as f64;
        self.rows.push(vec![
            grouped(u64::from(nodes)),
            grouped(pairs),
            format!("{:.2} s", wall_time.as_secs_f64()),
            format!("{per_pair:.1} us"),
        ]);
    }

    /// Prints the costs on standard error.
    pub(super) fn tell(&self, wall_time: Duration) {
        let mut text = table(&["nodes", "pairs", "wall time", "per pair"], &self.rows);
        let seconds = wall_time.as_secs_f64();
        text += &format!("{seconds:.2} s of wall time in all");
        if let Some(bytes) = peak_memory() {
            let mib = bytes as f64 / f64::from(1 << 20);
            let per_node = mib / f64::from(self.nodes.max(1));
            text += &format!(", {mib:.0} MiB of memory at most, {per_node:.2} MiB a node");
        }
        text.push('\n');
        // If standard error is closed, there is no way left to tell the user.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// The number of ordered pairs of different nodes.
pub(super) fn pairs(nodes: u32) -> u64 {
    let nodes = u64::from(nodes);
    nodes * nodes.saturating_sub(1)
}

/// The peak memory of this process, on systems with Linux's `/proc`.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib << 10)
}
