use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Display};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

use super::text_of;

/// The last lines of standard error that a panic shows.
const COMPLAINTS_SHOWN: usize = 100;
/// The characters of a line that a panic shows: frames can be of many megabytes.
const LINE_SHOWN: usize = 300;

/// Everything that a node has said, and which of it was waited for.
#[derive(Debug)]
pub(super) struct Log {
    name: String,
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Said {
    lines: Vec<Line>,
    complaints: VecDeque<String>,
    closed: bool,
}

#[derive(Debug)]
struct Line {
    value: Value,
    taken: bool,
}

impl Log {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            said: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn push(&self, value: Value) {
        let taken = false;
        self.said().lines.push(Line { value, taken });
        self.changed.notify_all();
    }

    pub(super) fn push_complaint(&self, line: String) {
        let complaints = &mut self.said().complaints;
        complaints.push_back(line);
        if complaints.len() > COMPLAINTS_SHOWN {
            complaints.pop_front();
        }
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        self.said().complaints.iter().cloned().collect()
    }

    /// No more lines will come: the node's process has ended.
    pub(super) fn close(&self) {
        self.said().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn lines(&self) -> Vec<Value> {
        let said = self.said();
        said.lines.iter().map(|line| line.value.clone()).collect()
    }

    pub(super) fn pick<T>(&self, pick: impl Fn(&Value) -> Option<T>) -> Vec<T> {
        let said = self.said();
        let values = said.lines.iter().map(|line| &line.value);
        values.filter_map(pick).collect()
    }

    /// Takes the first matching line that no wait has taken yet.
    pub(super) fn wait_for(&self, deadline: Instant, matches: impl Fn(&Value) -> bool) -> Value {
        match self.try_wait_for(deadline, matches) {
            Ok(value) => value,
            Err(reason) => panic!("{}: what a test waited for {reason}\n{self}", self.name),
        }
    }

    /// The same, or why there is none.
    pub(super) fn try_wait_for(
        &self,
        deadline: Instant,
        matches: impl Fn(&Value) -> bool,
    ) -> Result<Value, &'static str> {
        // Lines seen once are not looked at again: there can be very many.
        let mut looked_at = 0;
        self.wait_until(deadline, |said| {
            let new = said.lines.iter_mut().skip(looked_at);
            let found = new
                .filter(|line| !line.taken)
                .find(|line| matches(&line.value));
            let value = found.map(|line| {
                line.taken = true;
                line.value.clone()
            });
            looked_at = said.lines.len();
            value
        })
    }

    pub(super) fn stays_quiet_until(&self, deadline: Instant) {
        let before = self.said().lines.len();
        let counts = |line: &Line| text_of(&line.value, "event") != "NETWORK";
        let more = |said: &mut Said| said.lines.iter().skip(before).any(counts).then_some(());
        if self.wait_until(deadline, more).is_ok() {
            panic!("{} was to be quiet after {before} lines\n{self}", self.name);
        }
    }

    pub(super) fn wait_closed(&self, deadline: Instant) {
        let closed = self.wait_until(deadline, |said| said.closed.then_some(()));
        if closed.is_err() {
            panic!("{} has not ended in time\n{self}", self.name);
        }
    }

    fn wait_until<T>(
        &self,
        deadline: Instant,
        mut take: impl FnMut(&mut Said) -> Option<T>,
    ) -> Result<T, &'static str> {
        let mut said = self.said();
        loop {
            if let Some(taken) = take(&mut said) {
                return Ok(taken);
            }
            if said.closed {
                return Err("cannot come any more: it has ended");
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("did not come in time");
            }
            let waited = self.changed.wait_timeout(said, left);
            said = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All lines; those that no wait has taken begin with a star.
impl Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = self.said();
        writeln!(f, "{} said ({} lines):", self.name, said.lines.len())?;
        for line in &said.lines {
            let mark = if line.taken { ' ' } else { '*' };
            writeln!(f, "{mark} {}", shortened(&line.value.to_string()))?;
        }
        for complaint in &said.complaints {
            writeln!(f, "! {}", shortened(complaint))?;
        }
        Ok(())
    }
}

/// Each event about a peer as one short text.
pub(super) fn trace(events: &[Value]) -> Vec<String> {
    let mut names = HashMap::new();
    let mut trace = Vec::new();
    for event in events {
        let peer = text_of(event, "peer");
        match text_of(event, "event") {
            "START" | "STOP" | "EVASIVE" | "SILENT" | "NETWORK" => continue,
            "ENTER" => _ = names.insert(peer, text_of(event, "name")),
            _ => {}
        }
        trace.push(summary(event, names.get(peer).copied().unwrap_or(peer)));
    }
    trace
}

fn summary(event: &Value, name: &str) -> String {
    let mut words = vec![text_of(event, "event"), name];
    words.extend(event.get("group").and_then(Value::as_str));
    let frames = event.get("frames").and_then(Value::as_array);
    words.extend(frames.into_iter().flatten().filter_map(Value::as_str));
    words.join(" ")
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(LINE_SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &line[..end], line.len()),
        None => line.to_owned(),
    }
}
