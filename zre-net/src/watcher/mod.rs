//! Noticing that the interfaces of this machine have changed.

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "netlink.rs"]
mod changes;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "elsewhere.rs"]
mod changes;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Duration,
};

use zre_core::interfaces::Interface;

use self::changes::{Changes, Stop};
use crate::{
    interfaces::interfaces,
    process::{Process, lock_soon},
};

/// Changes that follow one another faster are told of together, so long after the first.
const PAUSE: Duration = Duration::from_millis(200);

/// Calls a function whenever what [`interfaces`](crate::interfaces()) lists may have changed.
///
/// The function is called from a thread of the watcher, 200 ms after a change, and often for
/// nothing: compare what is listed. It must not wait. Make the watcher first and list then, so that
/// no change falls between.
///
/// All watchers of a process share one thread, which ends with the last of them.
///
/// - Linux: the thread sleeps until the system tells of a change of a link, its carrier, an address
///   or a default route.
/// - Windows, macOS and the BSDs: the system tells of addresses. All else is looked up every 2 s.
/// - Elsewhere, and where the system refuses, as in some sandboxes: all is looked up every second.
///
/// A forked child of the process hears nothing, and may drop the watcher.
pub struct Watcher {
    id: u64,
    thread: Arc<WatcherThread>,
}

impl Watcher {
    /// Calls `changed` from now on, until the watcher is dropped. A call that is under way then is
    /// not waited for.
    ///
    /// # Errors
    ///
    /// When the system has no thread or memory left.
    pub fn new(changed: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let thread = WatcherThread::shared()?;
        let id = thread.listeners.add(Arc::new(changed));
        Ok(Self { id, thread })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // In a child, the thread that held the lock may be gone.
        if self.thread.process.is_current() {
            self.thread.listeners.remove(self.id);
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

/// The thread that waits for changes. It has no handle to this, and ends when this is dropped.
struct WatcherThread {
    listeners: Arc<Listeners>,
    stop: Stop,
    process: Process,
}

impl WatcherThread {
    /// The one of this process.
    fn shared() -> io::Result<Arc<Self>> {
        static RUNNING: Mutex<Weak<WatcherThread>> = Mutex::new(Weak::new());
        let Some(mut running) = lock_soon(&RUNNING) else {
            return Self::start(Changes::open()?);
        };
        // A forked child has a copy of this, but not the thread.
        match running.upgrade().filter(|it| it.process.is_current()) {
            Some(thread) => Ok(thread),
            None => {
                let thread = Self::start(Changes::open()?)?;
                *running = Arc::downgrade(&thread);
                Ok(thread)
            }
        }
    }

    fn start((changes, stop): (Changes, Stop)) -> io::Result<Arc<Self>> {
        let process = Process::current()?;
        let listeners = Arc::new(Listeners::default());
        let told = Arc::clone(&listeners);
        let thread = thread::Builder::new().name("zre-interfaces".to_owned());
        let _detached = thread.spawn(move || watch(changes, &told))?;
        Ok(Arc::new(Self {
            listeners,
            stop,
            process,
        }))
    }
}

impl Drop for WatcherThread {
    fn drop(&mut self) {
        // A child shares the parent's end of what the thread waits for.
        if self.process.is_current() {
            self.stop.stop();
        }
    }
}

fn watch(mut changes: Changes, listeners: &Listeners) {
    while changes.wait() {
        // An address that takes the place of another is a removal and an addition: who looked in
        // between would see neither.
        if changes.is_stopped_within(PAUSE) {
            return;
        }
        listeners.tell();
    }
}

type Listener = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Listeners(Mutex<BTreeMap<u64, Listener>>);

impl Listeners {
    fn add(&self, listener: Listener) -> u64 {
        let mut all = self.lock();
        let id = all.last_key_value().map_or(0, |(last, _)| last + 1);
        all.insert(id, listener);
        id
    }

    fn remove(&self, id: u64) {
        let removed = self.lock().remove(&id);
        // What it drops may be a watcher.
        drop(removed);
    }

    fn tell(&self) {
        let all: Vec<_> = self.lock().values().cloned().collect();
        for listener in all {
            // One that panics does not make the others deaf.
            let _panicked = catch_unwind(AssertUnwindSafe(|| listener()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Listener>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finds changes by comparing, where the system does not tell.
struct Comparison(Option<Vec<Interface>>);

impl Comparison {
    fn new() -> Self {
        Self(interfaces().ok())
    }

    fn has_changed(&mut self) -> bool {
        let now = interfaces().ok();
        let has_changed = now != self.0;
        self.0 = now;
        has_changed
    }
}
