//! One fault between a sender on one adapter and one kind of receiver.

use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
};

use zre_tests::any_node::Flavour;

use crate::{
    fault::Fault,
    ledger::{Judgement, Ledger},
    scene::Scene,
};

pub(crate) struct Cell {
    pub(crate) fault: &'static Fault,
    pub(crate) flavour: Flavour,
    pub(crate) receiver: Receiver,
    pub(crate) manner: Manner,
}

/// How messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// By plain whispers.
    Plain,
    /// By whispers each of which is to be confirmed, hundreds at a time.
    Whispers,
    /// By shouts that are to be confirmed.
    Shouts,
}

impl Manner {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Whispers, Self::Shouts];
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plain => "plain",
            Self::Whispers => "confirmed",
            Self::Shouts => "shouts",
        })
    }
}

/// Who receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// A node of ours on the sender's adapter.
    Zre,
    Zyre,
    Pyre,
}

impl Receiver {
    pub(crate) const ALL: [Self; 3] = [Self::Zre, Self::Zyre, Self::Pyre];
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Zre => "zre",
            Self::Zyre => "zyre",
            Self::Pyre => "pyre",
        })
    }
}

/// What came of it, or why it could not be seen.
#[derive(Clone, Debug)]
pub(crate) struct Outcome(pub(crate) Result<(Ledger, Judgement), String>);

impl Cell {
    pub(crate) fn run(&self) -> Outcome {
        let act = || {
            let scene = Scene::new(self);
            (self.fault.act)(&scene);
            let ledger = scene.ledger();
            let mut judgement = ledger.judge(self.fault);
            let errors = scene.errors();
            if !errors.is_empty() {
                judgement.complaints.push(format!("errors: {errors:?}"));
            }
            (ledger, judgement)
        };
        // A wait that has been in vain is a failure of this cell alone.
        let acted = panic::catch_unwind(AssertUnwindSafe(act));
        Outcome(acted.map_err(|payload| {
            let text = payload.downcast_ref::<String>().cloned();
            text.unwrap_or_else(|| "it panicked".to_owned())
        }))
    }
}

impl Outcome {
    /// What went wrong, if something did.
    pub(crate) fn complaint(&self, cell: &Cell) -> Option<String> {
        let what = match &self.0 {
            Ok((_, judgement)) if judgement.complaints.is_empty() => return None,
            Ok((ledger, judgement)) => {
                let exits = &ledger.exits;
                format!("{}\n{exits:?}", judgement.complaints.join("\n"))
            }
            Err(panicked) => panicked.clone(),
        };
        let Cell {
            fault,
            flavour,
            receiver,
            manner,
        } = cell;
        Some(format!(
            "\n{} ({flavour} to {receiver}, {manner}):\n{what}\n",
            fault.name
        ))
    }
}
