//! Living with little address space.

/// Starts the command anew, as the same process, if the system allows it little address space
/// (`ulimit -v`).
///
/// glibc reserves 64 MiB of address space for each thread, also when another allocator does the
/// work. With four threads, that leaves hardly any of 400 MB for messages. And mimalloc keeps what
/// was released for a second, unless told otherwise. Both settings are read before `main` begins.
pub(crate) fn share_among_threads() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::{env, os::unix::process::CommandExt as _, process::Command};

        use nix::sys::resource::{Resource, getrlimit};

        /// How many threads' reserves there are.
        const RESERVES: &str = "MALLOC_ARENA_MAX";
        const RELEASE_AFTER: &str = "MIMALLOC_PURGE_DELAY";
        /// With more, the reserves do not matter.
        const ENOUGH: u64 = 4 << 30;

        let limit = getrlimit(Resource::RLIMIT_AS).map_or(u64::MAX, |(soft, _)| soft);
        if limit >= ENOUGH || env::var_os(RESERVES).is_some() {
            return;
        }
        let mut arguments = env::args_os();
        let name = arguments.next();
        if let (Ok(program), Some(name)) = (env::current_exe(), name) {
            let mut again = Command::new(program);
            again.arg0(name).args(arguments);
            again.env(RESERVES, "1").env(RELEASE_AFTER, "0");
            // It comes back only if it fails. Then the command goes on as it is.
            let _ = again.exec();
        }
    }
}
