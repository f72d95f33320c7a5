//! What was measured, round by round.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::job::{Figures, System};

/// Something that is measured for several systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "experiment")]
pub enum Experiment {
    /// How long a message takes there and back.
    RoundTrip {
        /// Bytes of the message.
        size: usize,
        /// Whether every core is kept awake.
        awake: bool,
    },
    /// How many messages arrive in a second.
    OneWay {
        /// Bytes of a message.
        size: usize,
    },
    /// How the rate of confirmed messages compares with that of plain ones.
    Confirmed {
        /// Bytes of a message.
        size: usize,
    },
    /// What a message to a group costs its sender.
    Shout {
        /// Bytes of a message.
        size: usize,
    },
    /// How long a request takes, beside a whisper that comes back.
    Request {
        /// Bytes of the message.
        size: usize,
    },
    /// The memory that an idle peer takes.
    IdlePeer,
    /// Many nodes in one process.
    Crowd,
    /// Allocations for each message.
    Allocations {
        /// Bytes of a message.
        size: usize,
    },
}

impl fmt::Display for Experiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundTrip { size, awake: false } => {
                write!(f, "Round trip of {}, idle machine", bytes(*size))
            }
            Self::RoundTrip { size, awake: true } => {
                write!(f, "Round trip of {}, cores kept awake", bytes(*size))
            }
            Self::OneWay { size } => write!(f, "{} one way", bytes(*size)),
            Self::Confirmed { size } => write!(f, "{} one way, each confirmed", bytes(*size)),
            Self::Shout { size } => write!(f, "Shout of {} to 8 members", bytes(*size)),
            Self::Request { size } => write!(f, "Request of {}, and whisper back", bytes(*size)),
            Self::IdlePeer => f.write_str("Memory of an idle peer"),
            Self::Crowd => f.write_str("90 nodes in one process"),
            Self::Allocations { size } => write!(f, "Allocations, {} one way", bytes(*size)),
        }
    }
}

/// A size with its unit.
pub fn bytes(size: usize) -> String {
    match size {
        mib if mib >= 1 << 20 && mib.is_multiple_of(1 << 20) => format!("{} MiB", mib >> 20),
        kib if kib >= 1 << 10 && kib.is_multiple_of(1 << 10) => format!("{} KiB", kib >> 10),
        bytes => format!("{bytes} B"),
    }
}

/// A size in MiB.
pub fn mib(size: usize) -> f64 {
    count(size) / f64::from(1 << 20)
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 here")]
pub fn count(number: usize) -> f64 {
    number as f64
}

/// The figures of all rounds.
#[derive(Debug, Default)]
pub struct Results {
    rounds: BTreeMap<(Experiment, System), Vec<Figures>>,
    failures: Vec<(Experiment, System, String)>,
}

impl Results {
    /// Adds the figures of a round.
    pub fn add(&mut self, experiment: Experiment, system: System, figures: Figures) {
        let rounds = self.rounds.entry((experiment, system)).or_default();
        rounds.push(figures);
    }

    /// Notes that a round failed.
    pub fn add_failure(&mut self, experiment: Experiment, system: System, why: String) {
        self.failures.push((experiment, system, why));
    }

    /// The measurements that failed, and why.
    pub fn failures(&self) -> &[(Experiment, System, String)] {
        &self.failures
    }

    /// The experiments and systems, with the figures of each round.
    pub fn rounds(&self) -> impl Iterator<Item = (Experiment, System, &[Figures])> {
        let rounds = self.rounds.iter();
        rounds.map(|((experiment, system), figures)| (*experiment, *system, &figures[..]))
    }

    /// The experiments that have figures.
    pub fn experiments(&self) -> Vec<Experiment> {
        let mut experiments: Vec<_> = self
            .rounds
            .keys()
            .map(|(experiment, _)| *experiment)
            .collect();
        experiments.dedup();
        experiments
    }

    /// The systems that have figures.
    pub fn systems(&self) -> Vec<System> {
        let is_there = |system: &System| self.rounds.keys().any(|(_, other)| other == system);
        System::ALL.into_iter().filter(is_there).collect()
    }

    /// The median of a figure over all rounds.
    pub fn median(&self, experiment: Experiment, system: System, figure: &str) -> Option<f64> {
        let rounds = self.rounds.get(&(experiment, system))?;
        let mut values: Vec<f64> = rounds
            .iter()
            .filter_map(|figures| figures.get(figure).copied())
            .collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            odd if odd % 2 == 1 => values.get(middle).copied(),
            _ => Some((values.get(middle - 1)? + values.get(middle)?) / 2.0),
        }
    }

    /// The median of a figure, as a multiple of that of another system.
    pub fn ratio(
        &self,
        experiment: Experiment,
        system: System,
        other: System,
        figure: &str,
    ) -> Option<f64> {
        let other = self.median(experiment, other, figure)?;
        Some(self.median(experiment, system, figure)? / other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPERIMENT: Experiment = Experiment::OneWay { size: 16 };

    fn results(system: System, rates: &[f64]) -> Results {
        let mut results = Results::default();
        for rate in rates {
            let figures = Figures::from([("rate".to_owned(), *rate)]);
            results.add(EXPERIMENT, system, figures);
        }
        results
    }

    #[test]
    fn a_median_leaves_outliers_out() {
        let odd = results(System::Tcp, &[3.0, 1000.0, 1.0]);
        assert_eq!(odd.median(EXPERIMENT, System::Tcp, "rate"), Some(3.0));
        let even = results(System::Tcp, &[3.0, 1000.0, 1.0, 5.0]);
        assert_eq!(even.median(EXPERIMENT, System::Tcp, "rate"), Some(4.0));
    }

    #[test]
    fn what_was_not_measured_has_no_ratio() {
        let results = results(System::Tcp, &[1.0]);
        let ratio = |system| results.ratio(EXPERIMENT, system, System::Tcp, "rate");
        assert_eq!(ratio(System::Tcp), Some(1.0));
        assert_eq!(ratio(System::Tokio), None);
    }
}
