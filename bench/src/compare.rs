//! Runs the plan: every experiment in rounds, and in each round one system after the other.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Failure,
    job::{Figures, Job, System, Task},
    pair::{self, Outcome, Spinners},
    plan::Step,
    results::{Experiment, Results},
};

/// Measures everything, and shows its progress on standard error. If a measurement fails, that is
/// noted and the others go on.
///
/// # Errors
///
/// If the programs of the measurements are missing.
pub fn run(steps: &[Step]) -> Result<Results, Failure> {
    let program = env::current_exe()?;
    let is_counting = |step: &Step| matches!(step.experiment, Experiment::Allocations { .. });
    let counting = steps
        .iter()
        .any(is_counting)
        .then(|| counting_program(&program))
        .transpose()?;
    let mut results = Results::default();
    for step in steps {
        let program = counting
            .as_ref()
            .filter(|_| is_counting(step))
            .unwrap_or(&program);
        eprint!("{} ", step.experiment);
        for _ in 0..step.rounds {
            round(program, step, &mut results);
            eprint!(".");
        }
        eprintln!();
    }
    Ok(results)
}

fn round(program: &Path, step: &Step, results: &mut Results) {
    for system in &step.systems {
        let job = Job {
            system: *system,
            ..step.job.clone()
        };
        match measure(program, step.experiment, &job) {
            Ok(figures) => results.add(step.experiment, *system, figures),
            Err(error) => results.add_failure(step.experiment, *system, error.to_string()),
        }
    }
}

fn measure(program: &Path, experiment: Experiment, job: &Job) -> Result<Figures, Failure> {
    match (experiment, job.task) {
        (Experiment::RoundTrip { awake: true, .. }, _) => {
            let spinners = Spinners::start(program, job.warm_up + job.time * 2)?;
            // The system places the two ends on one core or on two. That makes a larger difference
            // than all the work that is compared, so all run on one core.
            let job = Job {
                core: Some(0),
                ..job.clone()
            };
            let figures = pair::run(program, &job)?.client;
            drop(spinners);
            Ok(figures)
        }
        (_, Task::Crowd { .. }) => pair::run_alone(program, job),
        (_, Task::OneWay) => one_way(pair::run(program, job)?),
        (_, Task::IdlePeers { .. }) => Ok(pair::run(program, job)?.server),
        _ => Ok(pair::run(program, job)?.client),
    }
}

/// The receiver's rate, and the time that each side spent per message.
fn one_way(Outcome { server, client }: Outcome) -> Result<Figures, Failure> {
    let (received, sent) = (server.get("count"), client.get("count"));
    if received != sent {
        return Err(format!("sent {sent:?} messages, received {received:?}").into());
    }
    let mut figures = Figures::new();
    figures.extend(
        server
            .get_key_value("rate")
            .map(|(name, rate)| (name.clone(), *rate)),
    );
    for (side, costs) in [("sender", client), ("receiver", server)] {
        let costs = costs.into_iter().filter(|(name, _)| name != "rate");
        figures.extend(costs.map(|(name, cost)| (format!("{side}_{name}"), cost)));
    }
    Ok(figures)
}

/// The path of the program that counts allocations, in the directory of this one. Cargo builds it
/// only when asked to.
fn counting_program(program: &Path) -> Result<PathBuf, Failure> {
    let name = "zre-bench-allocations";
    let counting = program.with_file_name(name);
    let Some(cargo) = env::var_os("CARGO") else {
        let is_there = counting.exists();
        let missing = || format!("{} is missing: build it, too", counting.display());
        return if is_there {
            Ok(counting)
        } else {
            Err(missing().into())
        };
    };
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--package", "zre-bench", "--bin", name]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    match build.status()?.success() {
        true => Ok(counting),
        false => Err(format!("cannot build {name}").into()),
    }
}

/// The system that another one is compared with in an experiment.
pub fn rival(experiment: Experiment, system: System) -> Option<System> {
    match experiment {
        Experiment::RoundTrip { .. } | Experiment::OneWay { .. } if system.is_secured() => {
            Some(System::LibzmqCurve)
        }
        Experiment::RoundTrip { .. } => Some(System::Tcp),
        Experiment::OneWay { size } if size < 16 << 10 => Some(System::Libzmq),
        Experiment::OneWay { .. } => Some(System::Tcp),
        _ => None,
    }
}
