//! A network namespace for one test.

use std::{
    env,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

const INSIDE: &str = "ZRE_NET_TEST_INSIDE";
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Runs the test of this name in a process of its own, in a network namespace where loopback is up.
///
/// Where there are no namespaces, one line says that it is skipped; it is a failure if
/// `ZRE_REQUIRE_PEERS` is `1`.
pub(crate) fn inside(test: &str, body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        ip("link set lo up");
        return body();
    }
    if let Err(reason) = output_of(unshare().args(["ip", "link"])) {
        let is_required = env::var_os("ZRE_REQUIRE_PEERS").is_some_and(|it| it == "1");
        assert!(!is_required, "{test}: {reason}");
        eprintln!("skipped {test}, which needs a network namespace: {reason}");
        return;
    }
    let exe = env::current_exe().expect("this program");
    let mut inside = unshare();
    inside.arg(exe).args(["--exact", test, "--nocapture"]);
    output_of(inside.env(INSIDE, "1")).expect("it passes inside");
}

fn unshare() -> Command {
    let mut unshare = Command::new("unshare");
    unshare.arg("--net");
    let is_root = output_of(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !is_root {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare
}

/// Runs `ip` with these arguments.
pub(crate) fn ip(arguments: &str) {
    let result = output_of(Command::new("ip").args(arguments.split_whitespace()));
    result.unwrap_or_else(|error| panic!("ip {arguments}: {error}"));
}

fn output_of(command: &mut Command) -> Result<String, String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().map_err(|error| error.to_string())?;
    let stdout = String::from_utf8_lossy(&stdout);
    match status.success() {
        true => Ok(stdout.into_owned()),
        false => Err(format!("{}{stdout}", String::from_utf8_lossy(&stderr))),
    }
}

/// Waits until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
