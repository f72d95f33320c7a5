//! Living with little address space.

/// Starts the command anew, as the same process, if the system allows it little address space
/// (`ulimit -v`).
///
/// glibc reserves 64 MiB of address space for each thread, also when another allocator does the
/// work. With four threads, that leaves hardly any of 400 MB for messages. How many threads share
/// such a reserve is a setting that glibc reads before `main` begins.
pub(crate) fn share_among_threads() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::{env, os::unix::process::CommandExt as _, process::Command};

        use nix::sys::resource::{Resource, getrlimit};

        const SETTING: &str = "MALLOC_ARENA_MAX";
        /// With more, the reserves do not matter.
        const ENOUGH: u64 = 4 << 30;

        let limit = getrlimit(Resource::RLIMIT_AS).map_or(u64::MAX, |(soft, _)| soft);
        if limit >= ENOUGH || env::var_os(SETTING).is_some() {
            return;
        }
        let mut arguments = env::args_os();
        let name = arguments.next();
        if let (Ok(program), Some(name)) = (env::current_exe(), name) {
            let mut again = Command::new(program);
            again.arg0(name).args(arguments).env(SETTING, "1");
            // It comes back only if it fails. Then the command goes on as it is.
            let _ = again.exec();
        }
    }
}
