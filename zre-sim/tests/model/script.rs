//! What can be done to a simulated network, and random scripts of it.

use std::{fmt, time::Duration};

use proptest::{collection::vec, prelude::*};
use zre_sim::Conditions;

/// Which node, and the host of its own that it runs on.
pub(crate) type Node = usize;
/// Nodes, a bit for each.
pub(crate) type Nodes = u8;

/// The groups that nodes join.
pub(crate) const GROUPS: [&str; 2] = ["ALPHA", "BETA"];

/// A network and what happens on it.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    /// Those that keep their identity when they are started again.
    pub(crate) keep_identity: Nodes,
    pub(crate) rough: bool,
    pub(crate) steps: Vec<Step>,
}

/// Something that is done, and the milliseconds that pass then.
#[derive(Clone)]
pub(crate) struct Step(pub(crate) Deed, pub(crate) u64);

#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// A node is started; one that runs is killed first.
    Start(Node),
    Stop(Node),
    Kill(Node),
    PowerOff(Node),
    Join(Node, usize),
    Leave(Node, usize),
    Whisper(Node, Node),
    Shout(Node, usize),
    /// Nothing crosses any more between these nodes and the others.
    Partition(Nodes),
    /// Nothing goes this way any more.
    Cut(Node, Node),
    /// Ends partitions and cuts.
    Heal,
    Unplug(Node),
    Plug(Node),
    Freeze(Node),
    Thaw(Node),
    /// Breaks the connections that one node opened to another.
    Reset(Node, Node),
    HalfClose(Node, Node),
    /// What comes over them is left unread.
    Stall(Node, Node),
    Unstall(Node, Node),
    /// The application takes no more events.
    Hold(Node),
    Take(Node),
    Wait,
}

impl Script {
    /// Neither loses datagrams, as a node may be called evasive for that.
    pub(crate) fn conditions(&self) -> Conditions {
        match self.rough {
            false => Conditions::wired(),
            true => Conditions {
                latency: Duration::from_millis(1),
                jitter: Duration::from_millis(5),
                duplicate: 0.1,
                reorder: 0.1,
                piece: Some(50),
                ..Conditions::perfect()
            },
        }
    }

    pub(crate) fn any() -> impl Strategy<Value = Self> {
        let steps = vec(step(), 1..40);
        let parts = (any::<u64>(), 2..=MOST_NODES, any::<Nodes>(), any::<bool>());
        (parts, steps).prop_map(|((seed, nodes, keep_identity, rough), steps)| Self {
            seed,
            nodes,
            keep_identity,
            rough,
            steps,
        })
    }
}

const MOST_NODES: usize = 5;

fn step() -> impl Strategy<Value = Step> {
    let pause = prop_oneof![
        3 => Just(0),
        3 => 0..20_u64,
        4 => 0..2_000_u64,
        2 => 2_000..8_000_u64,
        1 => 8_000..140_000_u64,
    ];
    (deed(), pause).prop_map(|(deed, pause)| Step(deed, pause))
}

fn deed() -> impl Strategy<Value = Deed> {
    let node = || 0..MOST_NODES;
    let pair = || (node(), node());
    let group = || 0..GROUPS.len();
    let daily = prop_oneof![
        3 => (node(), group()).prop_map(|(node, group)| Deed::Join(node, group)),
        2 => (node(), group()).prop_map(|(node, group)| Deed::Leave(node, group)),
        5 => pair().prop_map(|(from, to)| Deed::Whisper(from, to)),
        4 => (node(), group()).prop_map(|(node, group)| Deed::Shout(node, group)),
        2 => node().prop_map(Deed::Start),
        2 => node().prop_map(Deed::Stop),
        1 => Just(Deed::Wait),
    ];
    let fault = prop_oneof![
        2 => node().prop_map(Deed::Kill),
        1 => node().prop_map(Deed::PowerOff),
        1 => any::<Nodes>().prop_map(Deed::Partition),
        1 => pair().prop_map(|(from, to)| Deed::Cut(from, to)),
        3 => Just(Deed::Heal),
        1 => node().prop_map(Deed::Unplug),
        2 => node().prop_map(Deed::Plug),
        1 => node().prop_map(Deed::Freeze),
        2 => node().prop_map(Deed::Thaw),
        2 => pair().prop_map(|(from, to)| Deed::Reset(from, to)),
        1 => pair().prop_map(|(from, to)| Deed::HalfClose(from, to)),
        1 => pair().prop_map(|(from, to)| Deed::Stall(from, to)),
        2 => pair().prop_map(|(from, to)| Deed::Unstall(from, to)),
        1 => node().prop_map(Deed::Hold),
        2 => node().prop_map(Deed::Take),
    ];
    prop_oneof![3 => daily, 2 => fault]
}

/// As a test would say it.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Step({:?}, {})", self.0, self.1)
    }
}
