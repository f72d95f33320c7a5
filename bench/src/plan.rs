//! What is measured, how often and for how long.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{
    job::{Job, Side, System, Task},
    results::Experiment,
};

/// What to measure.
#[derive(Debug, Clone, Args)]
pub struct Plan {
    /// A short run, with rough figures
    #[arg(long)]
    pub quick: bool,

    /// Measure only these systems, and those that they are compared with
    #[arg(long, value_name = "SYSTEM", value_delimiter = ',', value_enum)]
    pub systems: Vec<System>,

    /// Measure only these
    #[arg(long, value_name = "PART", value_delimiter = ',', value_enum)]
    pub only: Vec<Part>,

    /// Measure only messages of these sizes, in bytes
    #[arg(long, value_name = "SIZE", value_delimiter = ',', value_parser = size)]
    pub sizes: Vec<usize>,

    /// How often everything is measured [default: 7, with --quick 3]
    #[arg(long, value_name = "ROUNDS", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: Option<u32>,
}

/// A part of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
pub enum Part {
    /// Round trips while the machine is idle.
    Idle,
    /// Round trips while every core is kept awake.
    Awake,
    /// Messages one way.
    OneWay,
    /// Messages one way, each confirmed.
    Confirmed,
    /// Messages to a group.
    Shout,
    /// Requests and their answers.
    Requests,
    /// Memory of idle peers.
    Memory,
    /// Ninety nodes in a process.
    Crowd,
    /// Allocations for a message.
    Allocations,
}

/// One experiment of the plan.
#[derive(Debug, Clone)]
pub struct Step {
    /// What is measured.
    pub experiment: Experiment,
    /// The systems that take part, in their order within a round.
    pub systems: Vec<System>,
    /// How many rounds there are.
    pub rounds: u32,
    /// The job of the processes, without system, side and addresses.
    pub job: Job,
}

impl Plan {
    /// The experiments, in their order.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for awake in [false, true] {
            let part = if awake { Part::Awake } else { Part::Idle };
            for size in self.sizes(part, &[16, 1 << 10, 64 << 10]) {
                // The cores do not sleep here, so fewer figures are needed.
                if awake && size != 16 && self.sizes.is_empty() {
                    continue;
                }
                let experiment = Experiment::RoundTrip { size, awake };
                steps.push(self.step(experiment, Task::RoundTrip, size, self.count(20_000)));
            }
        }
        for size in self.sizes(Part::OneWay, &[16, 1 << 10, 64 << 10, 1 << 20]) {
            let count = self.count(messages(size));
            steps.push(self.step(Experiment::OneWay { size }, Task::OneWay, size, count));
        }
        for size in self.sizes(Part::Confirmed, &[16, 1 << 10]) {
            let experiment = Experiment::Confirmed { size };
            steps.push(self.step(
                experiment,
                Task::Confirmed,
                size,
                self.count(messages(size)),
            ));
        }
        for size in self.sizes(Part::Shout, &[1 << 20]) {
            let task = Task::Shout { members: 8 };
            let batches = if self.quick { 3 } else { 5 };
            steps.push(self.step(Experiment::Shout { size }, task, size, batches));
        }
        for size in self.sizes(Part::Requests, &[16]) {
            let experiment = Experiment::Request { size };
            steps.push(self.step(experiment, Task::Requests, size, self.count(2_000)));
        }
        if self.has(Part::Memory) {
            let task = Task::IdlePeers { peers: 200 };
            steps.push(self.step(Experiment::IdlePeer, task, 0, 0));
        }
        if self.has(Part::Crowd) {
            steps.push(self.step(Experiment::Crowd, Task::Crowd { nodes: 90 }, 0, 0));
        }
        for size in self.sizes(Part::Allocations, &[16]) {
            let experiment = Experiment::Allocations { size };
            steps.push(self.step(experiment, Task::OneWay, size, self.count(messages(size))));
        }
        steps
    }

    fn has(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn sizes(&self, part: Part, usual: &[usize]) -> Vec<usize> {
        match (self.has(part), self.sizes.is_empty()) {
            (false, _) => Vec::new(),
            (true, true) => usual.to_vec(),
            (true, false) => self.sizes.clone(),
        }
    }

    fn count(&self, count: usize) -> usize {
        if self.quick { count / 5 } else { count }
    }

    fn step(&self, experiment: Experiment, task: Task, size: usize, count: usize) -> Step {
        let rounds = self.rounds.unwrap_or(if self.quick { 3 } else { 7 });
        let seconds = match task {
            Task::Crowd { .. } if self.quick => 2,
            _ => 5,
        };
        Step {
            experiment,
            systems: self.systems(experiment),
            // The figures hardly differ from round to round, and a round takes long.
            rounds: match task {
                Task::IdlePeers { .. } | Task::Crowd { .. } => rounds.div_ceil(3),
                _ => rounds,
            },
            job: Job {
                system: System::Tcp,
                side: Side::Server,
                task,
                size,
                count,
                time: Duration::from_secs(seconds),
                warm_up: Duration::from_millis(if self.quick { 100 } else { 300 }),
                core: None,
                port: 0,
                address: String::new(),
            },
        }
    }

    fn systems(&self, experiment: Experiment) -> Vec<System> {
        let compared = matches!(
            experiment,
            Experiment::RoundTrip { .. } | Experiment::OneWay { .. }
        );
        let is_chosen = |system: &System| self.systems.is_empty() || self.systems.contains(system);
        let secured_is_chosen = System::ALL
            .iter()
            .any(|system| system.is_secured() && is_chosen(system));
        let takes_part = |system: &System| match system {
            System::LibzmqCurve => compared && secured_is_chosen,
            System::Tcp | System::Libzmq => compared,
            node => is_chosen(node),
        };
        System::ALL.into_iter().filter(takes_part).collect()
    }
}

/// Leaves a system out. Says whether it would have taken part.
pub fn leave_out(system: System, steps: &mut [Step]) -> bool {
    let mut any = false;
    for step in steps {
        let before = step.systems.len();
        step.systems.retain(|other| *other != system);
        any |= step.systems.len() < before;
    }
    any
}

/// The number of messages that takes about half a second.
fn messages(size: usize) -> usize {
    match size {
        ..=256 => 500_000,
        257..=4096 => 300_000,
        _ => ((1 << 30) / size).max(100),
    }
}

fn size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size @ 1..=16_777_216) => Ok(size),
        _ => Err("expected a number of bytes from 1 to 16777216".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(systems: &[System]) -> Plan {
        Plan {
            quick: true,
            systems: systems.to_vec(),
            only: vec![Part::OneWay, Part::Memory],
            sizes: Vec::new(),
            rounds: None,
        }
    }

    fn take_part(systems: &[System], experiment: Experiment) -> Vec<System> {
        let steps = plan(systems).steps();
        let mut steps = steps.into_iter();
        let step = steps.find(|step| step.experiment == experiment);
        step.expect("it is planned").systems
    }

    const ONE_WAY: Experiment = Experiment::OneWay { size: 16 };

    #[test]
    fn a_chosen_system_is_measured_with_those_that_it_is_compared_with() {
        let plain = [System::Tcp, System::Libzmq, System::Tokio];
        assert_eq!(take_part(&[System::Tokio], ONE_WAY), plain);
        let secured = take_part(&[System::TokioCurve], ONE_WAY);
        assert!(secured.ends_with(&[System::LibzmqCurve, System::TokioCurve]));
        let alone = [System::TokioCurve];
        assert_eq!(take_part(&alone, Experiment::IdlePeer), alone);
        assert_eq!(take_part(&[], ONE_WAY), System::ALL);
    }

    #[test]
    fn a_system_that_cannot_be_measured_is_left_out_everywhere() {
        let mut steps = plan(&[]).steps();
        assert!(leave_out(System::LibzmqCurve, &mut steps));
        let is_left = |step: &Step| step.systems.contains(&System::LibzmqCurve);
        assert!(!steps.iter().any(is_left));
        assert!(!leave_out(System::LibzmqCurve, &mut steps));
    }
}
