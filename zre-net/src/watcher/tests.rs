use std::{
    sync::mpsc::{Receiver, channel},
    time::Instant,
};

use super::*;

const DEADLINE: Duration = Duration::from_secs(10);

fn watcher() -> (Watcher, Receiver<()>) {
    let (tell, told) = channel();
    let watcher = Watcher::new(move || {
        let _gone = tell.send(());
    });
    (watcher.expect("a watcher"), told)
}

#[test]
fn all_watchers_of_a_process_share_a_thread() {
    let (first, _told) = watcher();
    let (second, _told) = watcher();
    assert!(Arc::ptr_eq(&first.thread, &second.thread));
    assert_ne!(first.id, second.id);
}

#[test]
fn each_watcher_is_told_until_it_is_dropped() {
    // A thread of its own, as nothing else may tell.
    let listeners = Listeners::default();
    let (tell, told) = channel();
    let add = |name| {
        let tell = tell.clone();
        listeners.add(Arc::new(move || tell.send(name).expect("it is read")))
    };
    let (first, _second) = (add("first"), add("second"));
    let _panics = listeners.add(Arc::new(|| panic!("a listener may")));
    let third = add("third");
    listeners.tell();
    assert_eq!(
        told.try_iter().collect::<Vec<_>>(),
        ["first", "second", "third"]
    );
    listeners.remove(first);
    listeners.remove(third);
    listeners.tell();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), ["second"]);
}

#[test]
fn the_thread_ends_with_the_last_watcher() {
    for open in [Changes::open, by_comparison()] {
        let thread = WatcherThread::start(open().expect("changes")).expect("a thread");
        let listeners = Arc::downgrade(&thread.listeners);
        drop(thread);
        let deadline = Instant::now() + DEADLINE;
        while listeners.upgrade().is_some() {
            assert!(Instant::now() < deadline, "the thread is still there");
            thread::yield_now();
        }
    }
}

type Open = fn() -> io::Result<(Changes, Stop)>;

/// As where the system refuses to tell.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn by_comparison() -> Open {
    Changes::by_comparison
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn by_comparison() -> Open {
    Changes::open
}
