//! The targets of the nodes, and whether they are met.

use serde::Serialize;

use crate::{
    job::System,
    results::{Experiment, Results},
};

/// A figure of a system, and its bound.
#[derive(Debug)]
pub struct Target {
    /// Which figure.
    pub name: &'static str,
    /// Its bound.
    pub bound: Bound,
    /// What it is counted in.
    pub unit: &'static str,
    experiment: Experiment,
    figure: &'static str,
    /// The figure is a multiple of this system's.
    rival: Option<System>,
    scale: f64,
}

/// The bound of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

/// Whether a system meets a target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Standing {
    /// What was measured.
    pub figure: f64,
    /// Whether it is within the bound.
    pub pass: bool,
}

impl Bound {
    /// Compares two digits after the point, as they are shown: 1.004 is not more than 1.
    fn holds(self, figure: f64) -> bool {
        let figure = (figure * 100.0).round() / 100.0;
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }
}

impl Target {
    /// Whether a system meets this target; `None` if it was not measured, or if one of the two that
    /// are compared encrypts and the other does not.
    pub fn standing(&self, results: &Results, system: System) -> Option<Standing> {
        let is_comparable = |rival: System| rival.is_secured() == system.is_secured();
        if !self.rival.is_none_or(is_comparable) {
            return None;
        }
        let figure = match self.rival {
            Some(rival) => results.ratio(self.experiment, system, rival, self.figure)?,
            None => results.median(self.experiment, system, self.figure)?,
        } * self.scale;
        let pass = self.bound.holds(figure);
        Some(Standing { figure, pass })
    }
}

/// All targets.
pub fn all() -> Vec<Target> {
    use Bound::{AtLeast, AtMost};
    use Experiment::{Allocations, Confirmed, Crowd, IdlePeer, OneWay, RoundTrip, Shout};
    let idle = RoundTrip {
        size: 16,
        awake: false,
    };
    let awake = RoundTrip {
        size: 16,
        awake: true,
    };
    let (tcp, libzmq) = (Some(System::Tcp), Some(System::Libzmq));
    let target = |name, bound, unit, (experiment, figure), rival| Target {
        name,
        bound,
        unit,
        experiment,
        figure,
        rival,
        scale: 1.0,
    };
    vec![
        target(
            "16 B round trip, idle machine, p50",
            AtMost(1.25),
            "x tcp",
            (idle, "p50_us"),
            tcp,
        ),
        target(
            "16 B round trip, idle machine, p99",
            AtMost(1.5),
            "x tcp",
            (idle, "p99_us"),
            tcp,
        ),
        target(
            "16 B round trip, cores kept awake, p50",
            AtMost(1.6),
            "x tcp",
            (awake, "p50_us"),
            tcp,
        ),
        target(
            "16 B one way",
            AtLeast(1.0),
            "x libzmq",
            (OneWay { size: 16 }, "rate"),
            libzmq,
        ),
        target(
            "1 KiB one way",
            AtLeast(1.5),
            "x libzmq",
            (OneWay { size: 1 << 10 }, "rate"),
            libzmq,
        ),
        target(
            "64 KiB one way",
            AtLeast(0.85),
            "x tcp",
            (OneWay { size: 64 << 10 }, "rate"),
            tcp,
        ),
        target(
            "64 KiB one way, encrypted",
            AtLeast(1.0),
            "x libzmq-curve",
            (OneWay { size: 64 << 10 }, "rate"),
            Some(System::LibzmqCurve),
        ),
        target(
            "16 B one way, each confirmed",
            AtLeast(0.5),
            "x unconfirmed",
            (Confirmed { size: 16 }, "ratio"),
            None,
        ),
        target(
            "1 MiB shout to 8: sender's CPU for a copy",
            AtMost(1.1),
            "x whisper",
            (Shout { size: 1 << 20 }, "ratio"),
            None,
        ),
        Target {
            scale: 1.0 / 1024.0,
            ..target(
                "memory of an idle peer",
                AtMost(16.0),
                "KiB",
                (IdlePeer, "bytes"),
                None,
            )
        },
        target(
            "90 nodes: more descriptors a node",
            AtMost(3.0),
            "",
            (Crowd, "more_descriptors"),
            None,
        ),
        target(
            "90 nodes: all see all",
            AtMost(3.0),
            "s",
            (Crowd, "settled_seconds"),
            None,
        ),
        target(
            "90 nodes: CPU while idle",
            AtMost(5.0),
            "% of a core",
            (Crowd, "idle_cpu_percent"),
            None,
        ),
        target(
            "allocations for a 16 B message, sender",
            AtMost(1.0),
            "",
            (Allocations { size: 16 }, "sender_allocations"),
            None,
        ),
        target(
            "allocations for a 16 B message, receiver",
            AtMost(1.0),
            "",
            (Allocations { size: 16 }, "receiver_allocations"),
            None,
        ),
    ]
}
