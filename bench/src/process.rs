//! What the system says about this process.

use std::{fs, io, time::Duration};

use rustix::time::{ClockId, clock_gettime};

use crate::Failure;

/// The processor time that all threads of this process have used so far.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0)) + Duration::from_nanos(nanos)
}

/// The resident memory of this process in bytes, without pages that are shared with files.
pub fn resident() -> Result<f64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: f64 = kib.ok_or("no RssAnon in /proc/self/status")?.parse()?;
    Ok(kib * 1024.0)
}

/// How many descriptors this process has open.
pub fn descriptors() -> io::Result<usize> {
    // One of them is the directory that is being read.
    Ok(fs::read_dir("/proc/self/fd")?.count() - 1)
}
