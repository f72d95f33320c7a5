//! `zre` where the system allows it little address space.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

#[test]
fn with_400_megabytes_of_address_space_most_of_it_is_left_for_messages() {
    let script = "ulimit -v 400000 && exec \"$@\"";
    let mut pipe = Command::new("sh")
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_zre")])
        .args(["pipe", "--interface", "lo", "--port", "25790"])
        .env_remove("MALLOC_ARENA_MAX")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is a shell");
    let mut lines = BufReader::new(pipe.stdout.take().expect("it is piped")).lines();
    let start = lines.next().expect("a line").expect("it is text");
    assert!(start.contains("START"), "{start}");
    let status = fs::read_to_string(format!("/proc/{}/status", pipe.id())).expect("it runs");
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kilobytes = size.and_then(|size| size.trim().strip_suffix(" kB"));
    let kilobytes: u32 = kilobytes.and_then(|size| size.parse().ok()).expect(&status);
    // The node goes with its standard input.
    drop(pipe.stdin.take());
    assert!(pipe.wait().expect("it ends").success());
    assert!(kilobytes < 160_000, "{kilobytes} kB");
}
