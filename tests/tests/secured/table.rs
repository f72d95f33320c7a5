//! Who talks with whom, and what each side reports.

use std::{fmt, time::Duration};

use serde_json::Value;
use zre_tests::{
    Namespace, Peer, PeerOptions, RealPeers, any_node::Flavour, grid, programs, scene::ADAPTERS,
};

use crate::people::{NETWORK, OTHER_NETWORK, OTHER_PASSPHRASE, PASSPHRASE, People, public_key};

/// How many cells are tried at once. They mostly wait.
const WORKERS: usize = 6;
/// The time between beacons: so short that many are heard in each cell.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long a cell is watched after what is expected of it has been reported.
const QUIET: Duration = Duration::from_millis(2500);

/// The security of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Setting {
    /// No key.
    None,
    /// A key, and whoever has one is let in.
    Any,
    /// A key, and a list in which the other's key is.
    With,
    /// A key, and a list in which it is not.
    Without,
    /// The key of the network.
    Secret,
    /// The key of another network.
    OtherSecret,
}

use Setting::{Any, None as Open, OtherSecret, Secret, With, Without};

impl Setting {
    const ALL: [Self; 6] = [Open, Any, With, Without, Secret, OtherSecret];

    /// Who has the certificate of the node's key; of a node without a key, somebody else.
    fn owner(self, name: &'static str) -> &'static str {
        match self {
            Secret => NETWORK,
            OtherSecret => OTHER_NETWORK,
            Any | With | Without => name,
            Open => "somebody",
        }
    }

    /// The owners of the certificates in its list, if it has one.
    fn list(self, other: &'static str) -> Option<&'static str> {
        match self {
            With => Some(other),
            Without => Some("somebody else"),
            Secret => Some(NETWORK),
            OtherSecret => Some(OTHER_NETWORK),
            Open | Any => None,
        }
    }

    /// Whether a node with this setting lets in one with the other.
    fn admits(self, other: Self) -> bool {
        match self {
            Open => other == Open,
            _ if other == Open => false,
            Any | With => true,
            Without => false,
            Secret | OtherSecret => other == self,
        }
    }
}

/// A side of a cell.
#[derive(Clone, Copy, Debug)]
struct Node {
    setting: Setting,
    /// `None` for zyre.
    flavour: Option<Flavour>,
    name: &'static str,
}

impl Node {
    fn start(self, other: Self, people: &People, network: &Namespace) -> Peer {
        let options = PeerOptions::new(self.name).interval(INTERVAL);
        match self.flavour {
            Some(flavour) => Peer::ours(network, flavour, &self.secure(other, people, options)),
            None => Peer::zyre(network, &self.secure_zyre(other, people, options)),
        }
    }

    fn secure(self, other: Self, people: &People, options: PeerOptions) -> PeerOptions {
        match self.setting {
            Open => options,
            Any => options.key(&people.key(self.name)).trust_any(),
            With | Without => {
                let options = options.key(&people.key(self.name));
                options.trust(&self.list(other, people))
            }
            Secret => options.secret_file(&people.passphrase(PASSPHRASE)),
            OtherSecret => options.secret_file(&people.passphrase(OTHER_PASSPHRASE)),
        }
    }

    /// Its network's key comes to it as a certificate.
    fn secure_zyre(self, other: Self, people: &People, options: PeerOptions) -> PeerOptions {
        let secured = |options: PeerOptions| options.key(&people.key(self.owner()));
        match self.setting {
            Open => options,
            Any => secured(options).trust_any(),
            _ => secured(options).trust(&self.list(other, people)),
        }
    }

    fn list(self, other: Self, people: &People) -> std::path::PathBuf {
        let owners: Vec<_> = self.setting.list(other.owner()).into_iter().collect();
        people.list(&format!("friends of {}", self.name), &owners)
    }

    fn owner(self) -> &'static str {
        self.setting.owner(self.name)
    }

    /// What it is to report of the other.
    fn expected(self, other: Self) -> Report {
        let (here, there) = (self.setting, other.setting);
        if here.admits(there) && there.admits(here) {
            return Report::Enters;
        }
        if self.flavour.is_none() || here == Open || there == Open {
            return Report::Nothing;
        }
        match here.admits(there) {
            true => Report::RefusedByThem,
            false => Report::RefusedByUs,
        }
    }
}

/// All that a node says of another.
#[derive(Clone, Debug, PartialEq)]
enum Report {
    Enters,
    RefusedByUs,
    RefusedByThem,
    Nothing,
    Other(Vec<Value>),
}

impl Report {
    /// Waits until this, or something else, is reported.
    fn wait(&self, by: &Peer, of: &Peer) {
        if *self != Self::Nothing {
            by.try_wait_for(zre_tests::peer::PATIENCE, |line| is_about(line, of));
        }
    }

    /// Whatever was reported until now.
    fn so_far(by: &Peer, of: &Peer, key: Option<&str>) -> Self {
        let lines = by.pick(|line| is_about(line, of).then(|| line.clone()));
        let [line] = &lines[..] else {
            return match lines.is_empty() {
                true => Self::Nothing,
                false => Self::Other(lines),
            };
        };
        // zyre does not report keys, and open nodes have none.
        let key = key.filter(|_| line.get("headers").is_none() || line.get("key").is_some());
        match (line["event"].as_str(), line["by"].as_str()) {
            _ if line["key"].as_str() != key => Self::Other(lines),
            (Some("ENTER"), None) => Self::Enters,
            (Some("REFUSED"), Some("us")) => Self::RefusedByUs,
            (Some("REFUSED"), Some("them")) => Self::RefusedByThem,
            _ => Self::Other(lines),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enters => "enter",
            Self::RefusedByUs => "us",
            Self::RefusedByThem => "them",
            Self::Nothing => "-",
            Self::Other(_) => "?",
        })
    }
}

fn is_about(line: &Value, peer: &Peer) -> bool {
    line["peer"] == peer.uuid()
}

/// What both sides of a cell have reported, and what they should have.
#[derive(Clone, Debug)]
struct Cell {
    nodes: [Node; 2],
    reported: [Report; 2],
    expected: [Report; 2],
    said: [String; 2],
}

impl Cell {
    fn play(rig: &RealPeers, nodes: [Node; 2]) -> Self {
        let [left, right] = nodes;
        let (people, network) = (People::new(), rig.namespace());
        let peers = [
            left.start(right, &people, &network),
            right.start(left, &people, &network),
        ];
        let [here, there] = &peers;
        let expected = [left.expected(right), right.expected(left)];
        expected[0].wait(here, there);
        expected[1].wait(there, here);
        here.try_wait_for(QUIET, |_| false);
        let key = |node: Node| (node.setting != Open).then(|| public_key(node.owner()));
        Self {
            nodes,
            reported: [
                Report::so_far(here, there, key(right).as_deref()),
                Report::so_far(there, here, key(left).as_deref()),
            ],
            expected,
            said: [here.said(), there.said()],
        }
    }

    fn is_right(&self) -> bool {
        self.reported == self.expected
    }
}

/// Plays all cells, prints what was reported, and compares.
///
/// Its rows are the settings of the node on the left, which starts first.
fn assert_table(title: &str, nodes: impl Fn(usize, [Setting; 2]) -> [Node; 2] + Sync) {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    programs::pipe_node().unwrap_or_else(|reason| panic!("{reason}"));
    let settings = Setting::ALL;
    let cells = grid::run(WORKERS, [settings.len(); 2], |row, column| {
        let pair = [settings[row], settings[column]];
        Cell::play(&rig, nodes(row * settings.len() + column, pair))
    });
    print_table(title, &cells);
    let wrong = cells.iter().flatten().filter(|cell| !cell.is_right());
    let wrong: Vec<_> = wrong.collect();
    for cell in &wrong {
        let Cell {
            nodes,
            reported,
            expected,
            said,
        } = cell;
        println!(
            "{nodes:?}: {reported:?}, not {expected:?}\n{}\n{}",
            said[0], said[1]
        );
    }
    assert!(wrong.is_empty(), "{} cells are wrong", wrong.len());
}

fn print_table(title: &str, cells: &[Vec<Cell>]) {
    let heads = Setting::ALL.map(|setting| format!("{setting:?}"));
    let line = |head: &str, cells: &[String]| {
        let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:13}")).collect();
        format!("{head:13}{}", cells.concat()).trim_end().to_owned()
    };
    println!("{title}");
    println!("{}", line("", &heads));
    for (head, row) in heads.iter().zip(cells) {
        let texts = row.iter().map(|cell| {
            let [left, right] = &cell.reported;
            format!("{left}/{right}")
        });
        println!("{}", line(head, &texts.collect::<Vec<_>>()));
    }
}

#[test]
fn two_nodes_of_ours_enter_where_each_lets_the_other_in_and_say_who_refuses() {
    assert_table("ours (left) with ours (right)", |number, [left, right]| {
        let flavour = |number: usize| Some(ADAPTERS[number % ADAPTERS.len()]);
        [
            Node {
                setting: left,
                flavour: flavour(number),
                name: "left",
            },
            Node {
                setting: right,
                flavour: flavour(number / 6 + 1),
                name: "right",
            },
        ]
    });
}

#[test]
fn a_node_of_ours_and_one_of_zyre_enter_where_each_lets_the_other_in() {
    assert_table("ours (left) with zyre (right)", |number, [left, right]| {
        let flavour = Some(ADAPTERS[number % ADAPTERS.len()]);
        [
            Node {
                setting: left,
                flavour,
                name: "ours",
            },
            Node {
                setting: right,
                flavour: None,
                name: "zyre",
            },
        ]
    });
}

#[test]
fn a_node_of_zyre_that_is_there_first_and_one_of_ours_enter_in_the_same_cases() {
    assert_table("zyre (left) with ours (right)", |number, [left, right]| {
        let flavour = Some(ADAPTERS[number % ADAPTERS.len()]);
        [
            Node {
                setting: left,
                flavour: None,
                name: "zyre",
            },
            Node {
                setting: right,
                flavour,
                name: "ours",
            },
        ]
    });
}
