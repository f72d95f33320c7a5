//! How many files and sockets a process may have open.

/// How many files and sockets this process may have open at one time; `None` where the system does
/// not say, or sets no limit.
///
/// On Unix it is the soft limit `RLIMIT_NOFILE`, which `ulimit -n` shows. A program may raise it up
/// to the hard limit before it starts a node. A library does not: the limit is that of all the
/// process.
pub fn descriptor_limit() -> Option<usize> {
    #[cfg(all(
        unix,
        not(any(
            target_os = "redox",
            target_os = "fuchsia",
            target_os = "solaris",
            target_os = "haiku"
        ))
    ))]
    {
        use nix::sys::resource::{Resource, getrlimit};
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
        // What stands for "no limit" is more than any number of files.
        usize::try_from(soft).ok().filter(|soft| *soft < 1 << 31)
    }
    #[cfg(not(all(
        unix,
        not(any(
            target_os = "redox",
            target_os = "fuchsia",
            target_os = "solaris",
            target_os = "haiku"
        ))
    )))]
    {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_one_that_the_system_tells() {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let mut lines = limits.lines();
        let line = lines.find(|line| line.starts_with("Max open files"));
        let soft = line.and_then(|line| line.split_whitespace().nth(3));
        let soft: Option<usize> = soft.and_then(|soft| soft.parse().ok());
        assert_eq!(descriptor_limit(), soft);
    }
}
