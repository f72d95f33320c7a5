//! Directories of certificates.

use std::{
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use super::{super::watcher::WatcherThread, *};

/// Long enough for anything that ends by itself.
const PATIENCE: Duration = Duration::from_secs(20);

fn write(dir: &TempDir, name: &str, number: u8) {
    let text = certificate(number, name).public_text().unwrap();
    fs::write(dir.path().join(name), text).unwrap();
}

/// The names of those who are trusted.
fn names(keys: &zre_core::TrustedKeys) -> Vec<&str> {
    let mut names: Vec<_> = keys.iter().filter_map(|(_, it)| it.name()).collect();
    names.sort_unstable();
    names
}

fn told(change: Option<TrustChange>) -> (Vec<String>, Vec<String>) {
    let change = change.expect("something has changed");
    let keys = names(&change.keys).into_iter().map(str::to_owned);
    let warnings = change.warnings.iter().map(ToString::to_string);
    (keys.collect(), warnings.collect())
}

#[test]
fn all_certificates_count_but_secret_hidden_and_backup_files() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("below")).unwrap();
    fs::create_dir(dir.path().join(".hidden")).unwrap();
    for (name, number) in [
        ("alice", 1),
        ("bob.cert", 2),
        ("below/carol", 3),
        ("dave_secret", 4),
        (".erin", 5),
        ("frank~", 6),
        (".hidden/grace", 7),
    ] {
        write(&dir, name, number);
    }
    let trust = TrustDir::open(dir.path()).unwrap();
    assert_eq!(names(trust.keys()), ["alice", "below/carol", "bob.cert"]);
    assert!(trust.warnings().is_empty());
}

#[test]
fn what_is_no_certificate_is_passed_over_with_a_warning_that_names_file_and_line() {
    let dir = TempDir::new().unwrap();
    write(&dir, "alice", 1);
    fs::write(dir.path().join("README"), "# About\n\nTrust them.").unwrap();
    let trust = TrustDir::open(dir.path()).unwrap();
    assert_eq!(names(trust.keys()), ["alice"]);
    let [warning] = trust.warnings() else {
        panic!("{:?}", trust.warnings());
    };
    let warning = warning.to_string();
    let start = format!("{}: line 3: expected", dir.path().join("README").display());
    assert!(warning.starts_with(&start), "{warning}");
}

#[test]
fn of_two_files_with_one_key_the_first_by_name_counts() {
    let dir = TempDir::new().unwrap();
    write(&dir, "b", 1);
    write(&dir, "a", 1);
    let mut trust = TrustDir::open(dir.path()).unwrap();
    assert_eq!(names(trust.keys()), ["a"]);
    let warning = trust.warnings()[0].to_string();
    assert!(warning.contains("b: it has the same key as "), "{warning}");
    assert!(warning.ends_with("a, which counts"), "{warning}");
    assert!(trust.look().is_none(), "it is told once");
    fs::remove_file(dir.path().join("a")).unwrap();
    assert_eq!(told(trust.look()), (vec!["b".to_owned()], vec![]));
}

#[test]
fn files_that_come_change_and_go_are_told_once() {
    let dir = TempDir::new().unwrap();
    let mut trust = TrustDir::open(dir.path()).unwrap();
    assert!(trust.keys().is_empty() && trust.look().is_none());
    write(&dir, "alice", 1);
    write(&dir, "bob", 2);
    assert_eq!(told(trust.look()).0, ["alice", "bob"]);
    assert!(trust.look().is_none());
    // The same length, within the same tick of the clock.
    let before = trust.keys().clone();
    write(&dir, "bob", 3);
    let change = trust.look().expect("bob has another key");
    assert_eq!(names(&change.keys), ["alice", "bob"]);
    assert_ne!(change.keys, before);
    fs::remove_file(dir.path().join("bob")).unwrap();
    assert_eq!(told(trust.look()).0, ["alice"]);
    // A file that takes the place of another, as editors do it.
    write(&dir, ".new", 4);
    fs::rename(dir.path().join(".new"), dir.path().join("alice")).unwrap();
    assert_eq!(told(trust.look()).0, [".new"]);
}

#[test]
fn a_file_that_is_just_written_counts_as_it_was_for_one_look() {
    let dir = TempDir::new().unwrap();
    write(&dir, "alice", 1);
    let mut trust = TrustDir::open(dir.path()).unwrap();
    fs::write(dir.path().join("alice"), "metadata").unwrap();
    assert!(trust.look().is_none());
    write(&dir, "alice", 2);
    assert_eq!(told(trust.look()).0, ["alice"]);
    fs::write(dir.path().join("alice"), "metadata").unwrap();
    assert!(trust.look().is_none());
    let (names, warnings) = told(trust.look());
    assert!(names.is_empty());
    assert!(
        warnings[0].contains("no `public-key` in a section"),
        "{warnings:?}"
    );
    assert!(trust.look().is_none(), "it is told once");
}

#[test]
fn a_directory_that_is_gone_for_two_looks_leaves_no_key() {
    let dir = TempDir::new().unwrap();
    let (below, aside) = (dir.path().join("trust"), dir.path().join("aside"));
    fs::create_dir(&below).unwrap();
    write(&dir, "trust/alice", 1);
    let mut trust = TrustDir::open(&below).unwrap();
    fs::rename(&below, &aside).unwrap();
    assert!(trust.look().is_none(), "another may take its place");
    fs::rename(&aside, &below).unwrap();
    assert!(trust.look().is_none());
    fs::rename(&below, &aside).unwrap();
    assert!(trust.look().is_none());
    let (names, warnings) = told(trust.look());
    assert!(names.is_empty());
    assert!(
        warnings[0].contains("trust: cannot be read: "),
        "{warnings:?}"
    );
    assert!(trust.look().is_none(), "it is told once");
    fs::rename(&aside, &below).unwrap();
    assert_eq!(told(trust.look()).0, ["trust/alice"]);
}

#[cfg(unix)]
#[test]
fn a_directory_that_everybody_can_change_is_warned_of_once() {
    let dir = TempDir::new().unwrap();
    let mut trust = TrustDir::open(dir.path()).unwrap();
    set_mode(dir.path(), 0o777);
    let (_, warnings) = told(trust.look());
    assert!(
        warnings[0].contains("(mode 777): chmod o-w "),
        "{warnings:?}"
    );
    assert!(trust.look().is_none());
}

#[test]
fn one_file_may_be_all_that_is_trusted_and_must_be_a_certificate_at_first() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("hub");
    assert!(refused(TrustDir::open(&path)).contains("hub: cannot be read: "));
    fs::write(&path, "x").unwrap();
    assert!(refused(TrustDir::open(&path)).contains("hub: no `public-key`"));
    write(&dir, "hub", 1);
    let mut trust = TrustDir::open(&path).unwrap();
    assert_eq!(names(trust.keys()), ["hub"]);
    write(&dir, "hub", 2);
    assert_eq!(told(trust.look()).0, ["hub"]);
}

fn watch(dir: &TempDir) -> (TrustWatcher, Receiver<TrustChange>) {
    let (tell, told) = channel();
    let watcher = TrustDir::open(dir.path()).unwrap().watch(move |change| {
        let _gone = tell.send(change);
    });
    (watcher.unwrap(), told)
}

#[test]
fn all_watchers_of_a_process_share_a_thread_and_each_is_told_until_it_is_dropped() {
    let dirs = [(); 2].map(|()| TempDir::new().unwrap());
    let [(first, first_told), (second, second_told)] = dirs.each_ref().map(watch);
    assert!(first.shares_thread_with(&second));
    write(&dirs[1], "alice", 1);
    let change = second_told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(names(&change.keys), ["alice"]);
    drop(second);
    write(&dirs[1], "bob", 2);
    write(&dirs[0], "carol", 3);
    let change = first_told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(names(&change.keys), ["carol"]);
    assert!(second_told.try_recv().is_err());
}

#[test]
fn the_thread_ends_with_the_last_watcher() {
    let thread = WatcherThread::start(Duration::from_millis(1)).unwrap();
    let watched = Arc::downgrade(&thread.watched);
    drop(thread);
    let deadline = Instant::now() + PATIENCE;
    while watched.upgrade().is_some() {
        assert!(Instant::now() < deadline, "the thread is still there");
        thread::yield_now();
    }
}
