//! Nodes of every adapter in networks of real zyre and pyre nodes: the exchange of `real_peers`, and
//! every adapter tells it in the same words.

#![allow(
    clippy::indexing_slicing,
    reason = "clippy takes only `#[test]` functions for tests"
)]

use std::{env, path::PathBuf, process::Command, sync::OnceLock};

use serde_json::{Value, json};
use zre_tests::{Namespace, Peer, PeerOptions, RealPeers, any_node::Flavour};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Ours(Flavour),
    Zyre,
    Pyre,
}

use Kind::{Ours, Pyre, Zyre};

impl Kind {
    fn start(self, network: &Namespace) -> Peer {
        let named = |name: &str| {
            PeerOptions::new(name)
                .header("X-KIND", name)
                .header("X-FORMAT", "100%s=1")
        };
        match self {
            Zyre => Peer::zyre(network, &named("zyre")),
            Pyre => Peer::pyre(network, &named("pyre")),
            Ours(flavour) => {
                let flavour = flavour.to_string();
                Peer::command(network, pipe_node(), &[&flavour], &named("ours"))
            }
        }
    }
}

/// The example that is a node of any adapter.
fn pipe_node() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--package", "zre-tests", "--example", "pipe_node"])
            .args(["--message-format", "json"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .output()
            .expect("cargo runs");
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaints}");
        let messages = String::from_utf8_lossy(&output.stdout);
        let messages = messages.lines().map(serde_json::from_str::<Value>);
        messages
            .filter_map(Result::ok)
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .expect("cargo says where it is")
    })
}

#[test]
fn zyre_and_pyre_talk_with_every_adapter_and_hear_the_same() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let mut told: Vec<(Flavour, [Vec<String>; 3])> = Vec::new();
    for flavour in [
        Flavour::Blocking,
        Flavour::Smol,
        Flavour::AsyncStd,
        Flavour::TokioMulti,
        Flavour::TokioCurrent,
    ] {
        let ours = Ours(flavour);
        for order in [[ours, Zyre, Pyre], [Zyre, Pyre, ours]] {
            let network = rig.namespace();
            let peers = order.map(|kind| kind.start(&network));
            meet_and_talk(&peers);
            let traces = part(order, peers);
            let told_by = |kind| {
                let index = order.iter().position(|other| *other == kind);
                let mut trace = traces[index.expect("all are there")].clone();
                // Who is heard first is chance; what each says, in its order, is not.
                trace.sort_by_key(|line| line.split(' ').nth(1).map(str::to_owned));
                trace
            };
            told.push((flavour, [ours, Zyre, Pyre].map(told_by)));
        }
        println!("{flavour}: zyre and pyre, in both orders: ok");
    }
    let (_, first) = &told[0];
    for (flavour, told) in &told {
        assert!(told == first, "{flavour}:\n{told:.2000?}\n{first:.2000?}");
    }
}

/// Each sees every other, whispers to every other, and shouts: empty, binary and large frames.
fn meet_and_talk(peers: &[Peer]) {
    for (observer, others) in with_others(peers) {
        for other in others {
            let entered = observer.wait_event("ENTER", other.uuid());
            assert_eq!(entered["name"], other.name());
            assert_eq!(entered["addr"], other.endpoint());
            let headers = json!({"X-KIND": other.name(), "X-FORMAT": "100%s=1"});
            assert_eq!(entered["headers"], headers);
        }
    }
    for (joining, others) in with_others(peers) {
        joining.join("CHAT");
        for other in others {
            assert_eq!(other.wait_event("JOIN", joining.uuid())["group"], "CHAT");
        }
    }
    let binary: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    for (sender, others) in with_others(peers) {
        let frames = [b"hello".to_vec(), vec![], binary.clone(), large.clone()];
        let sent = json!(frames.each_ref().map(hex::encode));
        for receiver in &others {
            sender.whisper(receiver.uuid(), &frames);
            let whisper = receiver.wait_event("WHISPER", sender.uuid());
            assert!(
                whisper["frames"] == sent,
                "{} got it wrong",
                receiver.name()
            );
        }
        sender.shout("CHAT", &frames);
        for receiver in &others {
            let shout = receiver.wait_event("SHOUT", sender.uuid());
            assert_eq!(shout["group"], "CHAT");
            assert!(shout["frames"] == sent, "{} got it wrong", receiver.name());
        }
    }
    for (leaving, others) in with_others(peers) {
        leaving.leave("CHAT");
        for other in others {
            assert_eq!(other.wait_event("LEAVE", leaving.uuid())["group"], "CHAT");
        }
    }
}

/// Each leaves the network, pyre, zyre, ours; says what each has told, in the order of the peers.
fn part(order: [Kind; 3], peers: [Peer; 3]) -> [Vec<String>; 3] {
    let rank = |kind: &Kind| match kind {
        Pyre => 0,
        Zyre => 1,
        Ours(_) => 2,
    };
    let mut remaining: Vec<(&Kind, &Peer)> = order.iter().zip(&peers).collect();
    remaining.sort_by_key(|(kind, _)| std::cmp::Reverse(rank(kind)));
    while let Some((_, stopping)) = remaining.pop() {
        stopping.stop();
        for (_, other) in &remaining {
            let exit = other.wait_event("EXIT", stopping.uuid());
            if let Some(reason) = exit.get("reason") {
                assert_eq!(reason, "GOODBYE");
            }
        }
        assert_eq!(stopping.errors(), [] as [Value; 0]);
    }
    peers.each_ref().map(Peer::trace)
}

/// Each peer with all the others.
fn with_others(peers: &[Peer]) -> Vec<(&Peer, Vec<&Peer>)> {
    let others = |one: &Peer| -> Vec<&Peer> {
        let different = |other: &&Peer| other.uuid() != one.uuid();
        peers.iter().filter(different).collect()
    };
    peers.iter().map(|peer| (peer, others(peer))).collect()
}
