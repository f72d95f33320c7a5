//! The ends of a measurement, in a program that counts every allocation. Counting takes time, so
//! the program that measures times does not count.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod counted {
    use std::{alloc::System, env, process::ExitCode};

    use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

    #[global_allocator]
    static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

    fn allocations() -> usize {
        let stats = ALLOCATOR.stats();
        stats.allocations + stats.reallocations
    }

    pub(super) fn main() -> ExitCode {
        let mut arguments = env::args().skip(1);
        let result = match (arguments.next().as_deref(), arguments.next()) {
            (Some("end"), Some(job)) => zre_bench::ends::run(&job, Some(allocations)),
            _ => Err("zre-bench starts this program".into()),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    counted::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
