//! Guards the number of instructions that the hot paths take.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod guard {
    use std::{env, path::PathBuf, process::ExitCode};

    use clap::Parser;
    use zre_bench::{
        Failure,
        instructions::{Baseline, missing},
    };

    const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json");

    /// Count instructions and compare them with the baseline.
    ///
    /// If valgrind or gungraun-runner is missing, this says so and succeeds, unless
    /// ZRE_REQUIRE_VALGRIND is set.
    #[derive(Debug, Parser)]
    #[command(name = "zre-bench-instructions")]
    struct Cli {
        /// Save the counts as the new baseline
        #[arg(long)]
        save: bool,

        /// By how many percent a count may grow
        #[arg(long, value_name = "PERCENT", default_value_t = 3.0)]
        tolerance: f64,

        /// The file of the baseline
        #[arg(long, value_name = "FILE", default_value = BASELINE)]
        baseline: PathBuf,
    }

    pub(super) fn main() -> ExitCode {
        match run(&Cli::parse()) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn run(cli: &Cli) -> Result<ExitCode, Failure> {
        if let Some(missing) = missing() {
            if env::var_os("ZRE_REQUIRE_VALGRIND").is_some() {
                return Err(format!("{missing} is missing").into());
            }
            println!("skipped: instructions are not counted, {missing} is missing");
            return Ok(ExitCode::SUCCESS);
        }
        let now = Baseline::count()?;
        if cli.save {
            now.write(&cli.baseline)?;
            println!("{} counts saved", now.instructions.len());
            return Ok(ExitCode::SUCCESS);
        }
        let before = Baseline::read(&cli.baseline)?;
        let verdict = before.judge(&now, cli.tolerance);
        print!("{}", verdict.table);
        if !before.is_comparable(&now) {
            println!(
                "not enforced: the baseline is of {}, {}; this is {}, {}",
                before.compiler, before.architecture, now.compiler, now.architecture
            );
            return Ok(ExitCode::SUCCESS);
        }
        if verdict.bad.is_empty() {
            println!("none takes over {} % more than the baseline", cli.tolerance);
            return Ok(ExitCode::SUCCESS);
        }
        println!(
            "take more instructions than the baseline allows: {}",
            verdict.bad.join(", ")
        );
        Ok(ExitCode::FAILURE)
    }
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    guard::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
