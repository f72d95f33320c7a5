//! What an attack costs the process, and what the nodes in it warn about.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Watches how far the resident memory of the process grows, how many descriptors it has and how
/// much it computes, on Linux only, elsewhere it is all nothing; and how late a thread of its own
/// is woken, for what a busy machine holds up is not the node's fault.
#[derive(Default)]
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    watcher: Option<JoinHandle<Cost>>,
}

/// What the process has borne.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// By how many bytes it has grown at most.
    pub(crate) memory: usize,
    /// How much later than it wanted a thread went on at most.
    pub(crate) lateness: Duration,
    /// How many descriptors were open at most.
    pub(crate) descriptors: u64,
    /// How long its threads have computed, all together.
    pub(crate) computed: Duration,
}

impl Watch {
    pub(crate) fn start() -> Self {
        const PACE: Duration = Duration::from_millis(5);
        // Held open, for an attack can leave no descriptor free.
        let mut status = File::open("/proc/self/status").ok();
        let mut resident = move || resident(status.as_mut()?);
        let before = resident().unwrap_or_default();
        let computed_before = computed().unwrap_or_default();
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let watcher = thread::spawn(move || {
            let mut cost = Cost::default();
            while !is_over.load(Ordering::SeqCst) {
                let grown = resident().unwrap_or_default().saturating_sub(before);
                cost.memory = cost.memory.max(grown);
                cost.descriptors = cost.descriptors.max(open_descriptors());
                let wanted = Instant::now() + PACE;
                thread::park_timeout(PACE);
                let late = Instant::now().saturating_duration_since(wanted);
                cost.lateness = cost.lateness.max(late);
            }
            cost.computed = computed()
                .unwrap_or_default()
                .saturating_sub(computed_before);
            cost
        });
        Self {
            over,
            watcher: Some(watcher),
        }
    }

    pub(crate) fn stop(&mut self) -> Cost {
        self.over.store(true, Ordering::SeqCst);
        let Some(watcher) = self.watcher.take() else {
            return Cost::default();
        };
        watcher.thread().unpark();
        watcher.join().expect("the watcher does not panic")
    }
}

fn resident(status: &mut File) -> Option<usize> {
    let mut text = String::new();
    status.rewind().ok()?;
    status.read_to_string(&mut text).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: usize = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

/// How many descriptors are open now.
fn open_descriptors() -> u64 {
    // The size of this directory is their number, since Linux 6.2; it was 0 before.
    std::fs::metadata("/proc/self/fd").map_or(0, |directory| directory.len())
}

/// How long the threads of this process have computed, for themselves and in the system.
fn computed() -> Option<Duration> {
    // In hundredths of a second, on every architecture.
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, which stands in brackets before, may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let times = fields.split(' ').skip(11).take(2);
    let ticks: u32 = times.filter_map(|time| time.parse::<u32>().ok()).sum();
    Some(TICK * ticks)
}

/// How many descriptors the process may have.
pub(crate) fn descriptors() -> usize {
    const USUAL: usize = 1024;
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.unwrap_or(USUAL)
}

/// The warnings of the nodes in this process.
pub(crate) static WARNINGS: Warnings = Warnings {
    lines: Mutex::new(Vec::new()),
    changed: Condvar::new(),
};

pub(crate) struct Warnings {
    lines: Mutex<Vec<String>>,
    changed: Condvar,
}

impl Warnings {
    pub(crate) fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a line says this.
    pub(crate) fn wait_for(&self, text: &str, within: Duration) {
        let missing = |lines: &mut Vec<String>| !lines.iter().any(|line| line.contains(text));
        let (lines, waited) = self
            .changed
            .wait_timeout_while(self.lines(), within, missing)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(
            !waited.timed_out(),
            "no line in the log says {text:?}: {:?}",
            lines.iter().take(20).collect::<Vec<_>>()
        );
    }
}

struct WarningsWriter;

impl Write for WarningsWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Enough to find what is waited for; a flood of warnings shall not count as the nodes'
        // memory.
        const KEPT: usize = 5000;
        let mut lines = WARNINGS.lines();
        if lines.len() < KEPT {
            lines.push(String::from_utf8_lossy(line).into_owned());
            WARNINGS.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn capture_warnings() {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_ansi(false)
        .without_time()
        .with_writer(|| WarningsWriter)
        .init();
}
