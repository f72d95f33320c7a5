//! The machine and the software that figures were measured with.

use std::{fs, process::Command, thread};

use serde::Serialize;

/// A machine and its software, as far as figures depend on them.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The name that the processor gives itself.
    pub processor: String,
    /// How many of its cores can be used.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The compiler, if it can be found.
    pub compiler: String,
    /// libzmq's version, and whether it has CURVE.
    pub libzmq: String,
}

impl Machine {
    /// Describes this machine.
    pub fn this() -> Self {
        let unknown = || "unknown".to_owned();
        let (major, minor, patch) = zmq::version();
        let memory = value_of("/proc/meminfo", "MemTotal").unwrap_or_default();
        let memory = memory
            .split_whitespace()
            .next()
            .and_then(|kib| kib.parse::<u64>().ok());
        Self {
            processor: value_of("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory.unwrap_or(0) / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| unknown(), |release| release.trim().to_owned()),
            compiler: compiler().unwrap_or_else(unknown),
            libzmq: match libzmq_has_curve() {
                true => format!("{major}.{minor}.{patch} with CURVE"),
                false => format!("{major}.{minor}.{patch} without CURVE"),
            },
        }
    }
}

/// Whether the libzmq that this program is linked with can encrypt.
pub fn libzmq_has_curve() -> bool {
    zmq::has("curve") == Some(true)
}

/// The first value with this name in a file of lines `name: value`.
fn value_of(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut values = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = values.find(|(found, _)| found.trim() == name)?;
    Some(value.trim().to_owned())
}

fn compiler() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    Some(version.trim().to_owned())
}
