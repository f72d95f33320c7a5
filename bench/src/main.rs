//! Compares the nodes of all adapters with bare TCP and libzmq, and says which targets they meet.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    program::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("zre-bench reads Linux's /proc; it runs there alone");
}

#[cfg(target_os = "linux")]
mod program {
    use std::{path::PathBuf, process::ExitCode};

    use clap::{Parser, Subcommand};
    use zre_bench::{
        Failure, compare, ends,
        job::System,
        machine::{Machine, libzmq_has_curve},
        plan::{self, Plan},
        plot, report,
    };

    /// Compare ZRE nodes with bare TCP and libzmq on this machine.
    ///
    /// Everything stays on loopback. Each figure is the median of several rounds, in which the
    /// systems take turns; each end of a measurement is a process of its own.
    #[derive(Debug, Parser)]
    #[command(name = "zre-bench", args_conflicts_with_subcommands = true)]
    struct Cli {
        #[command(subcommand)]
        command: Option<Command>,

        #[command(flatten)]
        plan: Plan,

        /// Print JSON with the figures of all rounds
        #[arg(long)]
        json: bool,

        /// Draw the medians
        #[arg(long, value_name = "FILE.svg")]
        plot: Option<PathBuf>,
    }

    #[derive(Debug, Subcommand)]
    enum Command {
        /// Be one end of a measurement
        #[command(hide = true)]
        End { job: String },
    }

    pub(super) fn main() -> ExitCode {
        match run(Cli::parse()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn run(cli: Cli) -> Result<(), Failure> {
        if let Some(Command::End { job }) = cli.command {
            return ends::run(&job, None);
        }
        if cfg!(debug_assertions) {
            eprintln!("This is a debug build: its figures say nothing. Use --release.");
        }
        let machine = Machine::this();
        let mut steps = cli.plan.steps();
        if !libzmq_has_curve() && plan::leave_out(System::LibzmqCurve, &mut steps) {
            eprintln!(
                "libzmq-curve is left out: this libzmq has no CURVE (see docs/PERFORMANCE.md)"
            );
        }
        let results = compare::run(&steps)?;
        if let Some(file) = &cli.plot {
            plot::draw(file, &machine, &results)?;
        }
        if cli.json {
            println!("{:#}", report::json(&machine, &results));
        } else {
            print!("{}", report::text(&machine, &results));
        }
        Ok(())
    }
}
