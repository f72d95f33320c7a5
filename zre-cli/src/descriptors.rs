//! How many files and sockets the command may have open.

/// More than a node with as many peers as it takes can use.
#[cfg(unix)]
const ENOUGH: u64 = 65_536;

/// Lets the command open as many as the system lets a user choose: each peer takes two. The
/// default of many systems, 1024, is for programs that use `select`.
#[cfg(unix)]
pub(crate) fn raise_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard.min(ENOUGH)
    {
        // Where the system refuses, the node works with what there is, and says when that is not
        // enough.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(ENOUGH), hard);
    }
}

#[cfg(not(unix))]
pub(crate) fn raise_limit() {}
