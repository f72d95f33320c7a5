//! The conversation of two nodes of which one is of zyre: they meet, join a group, talk, leave the
//! group and stop.

use std::{fmt, time::Duration};

use serde_json::{Value, json};
use zre_tests::{
    Namespace, Peer, PeerOptions,
    any_node::Flavour,
    scene::{ADAPTERS, Clock, in_all_cases, told},
};

use crate::people::{People, public_key};

const SECOND: Duration = Duration::from_secs(1);
const HUB: &str = "tcp://10.90.0.1:5555";

/// How they find each other.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Beacon,
    OurHub,
    TheirHub,
}

/// Whom the node of zyre lets in.
#[derive(Clone, Copy, Debug)]
enum Zauth {
    Any,
    List,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    flavour: Flavour,
    way: Way,
    zauth: Zauth,
    ours_is_first: bool,
}

impl Case {
    /// Of each adapter, each way twice; over all adapters, also each of the rest.
    fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for (number, flavour) in ADAPTERS.into_iter().enumerate() {
            for way in [Way::Beacon, Way::OurHub, Way::TheirHub] {
                let any_is_first = number % 2 == 0;
                for (zauth, ours_is_first) in
                    [(Zauth::Any, any_is_first), (Zauth::List, !any_is_first)]
                {
                    cases.push(Self {
                        flavour,
                        way,
                        zauth,
                        ours_is_first,
                    });
                }
            }
        }
        cases
    }

    fn start_ours(&self, people: &People, network: &Namespace) -> Peer {
        let friends = people.list("friends of ours", &["zyre"]);
        let options = PeerOptions::new("ours")
            .header("X-FORMAT", "100%s=1")
            .key(&people.key("ours"))
            .trust(&friends);
        let options = match self.way {
            Way::Beacon => options,
            Way::OurHub => options.no_beacon().gossip_bind(HUB),
            Way::TheirHub => options.no_beacon().gossip_connect(&hub_of("zyre")),
        };
        Peer::ours(network, self.flavour, &options)
    }

    fn start_zyre(&self, people: &People, network: &Namespace) -> Peer {
        let options = PeerOptions::new("zyre").key(&people.key("zyre"));
        let options = match self.zauth {
            Zauth::Any => options.trust_any(),
            Zauth::List => options.trust(&people.list("friends of zyre", &["ours"])),
        };
        let listening = |options: PeerOptions| options.endpoint("tcp://10.90.0.1:*");
        let options = match self.way {
            Way::Beacon => options,
            Way::OurHub => listening(options).gossip_connect(&hub_of("ours")),
            Way::TheirHub => listening(options).gossip_bind(HUB),
        };
        Peer::zyre(network, &options)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = match self.ours_is_first {
            true => "ours",
            false => "zyre",
        };
        let Self {
            flavour,
            way,
            zauth,
            ..
        } = self;
        write!(f, "{flavour}, {way:?}, zauth {zauth:?}, {first} first")
    }
}

fn hub_of(owner: &str) -> String {
    format!("{HUB}|{}", public_key(owner))
}

#[test]
fn zyre_and_every_adapter_talk_by_beacon_and_by_gossip_in_both_start_orders() {
    in_all_cases(&Case::all(), |rig, case| {
        let (people, network) = (People::new(), rig.namespace());
        let clock = Clock::start(case.to_string());
        let (ours, zyre) = match case.ours_is_first {
            true => {
                let ours = case.start_ours(&people, &network);
                (ours, case.start_zyre(&people, &network))
            }
            false => {
                let zyre = case.start_zyre(&people, &network);
                (case.start_ours(&people, &network), zyre)
            }
        };
        meet(&ours, &zyre);
        clock.stop("both entered", 4 * SECOND);
        for (from, to) in [(&ours, &zyre), (&zyre, &ours)] {
            from.join("CHAT");
            assert_eq!(to.wait_event("JOIN", from.uuid())["group"], "CHAT");
        }
        for (from, to) in [(&ours, &zyre), (&zyre, &ours)] {
            let clock = Clock::start(case.to_string());
            talk(from, to);
            clock.stop(&format!("all came from {}", from.name()), 20 * SECOND);
        }
        for (from, to) in [(&ours, &zyre), (&zyre, &ours)] {
            from.leave("CHAT");
            assert_eq!(to.wait_event("LEAVE", from.uuid())["group"], "CHAT");
        }
        match case.ours_is_first {
            true => stop(&ours, &zyre),
            false => stop(&zyre, &ours),
        }
    });
}

/// Each sees the other enter, with its key.
fn meet(ours: &Peer, zyre: &Peer) {
    let entered = ours.wait_event("ENTER", zyre.uuid());
    assert_eq!(entered["name"], "zyre");
    assert_eq!(entered["addr"], zyre.endpoint());
    assert_eq!(entered["key"], public_key("zyre"));
    assert_eq!(entered["certificate"], json!({"name": "zyre"}));
    let entered = zyre.wait_event("ENTER", ours.uuid());
    assert_eq!(entered["name"], "ours");
    assert_eq!(entered["addr"], ours.endpoint());
    let key = public_key("ours");
    assert_eq!(
        entered["headers"],
        json!({"X-FORMAT": "100%s=1", "X-PUBLICKEY": key})
    );
}

/// Whispers and shouts: one empty frame, binary, large, and several frames.
fn talk(from: &Peer, to: &Peer) {
    let binary: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    let several = vec![b"hello".to_vec(), vec![], binary.clone()];
    for frames in [vec![vec![]], vec![binary], vec![large], several] {
        let sent: Value = frames.iter().map(hex::encode).collect();
        from.whisper(to.uuid(), &frames);
        let whisper = to.wait_event("WHISPER", from.uuid());
        assert!(whisper["frames"] == sent, "{} got it wrong", to.name());
        from.shout("CHAT", &frames);
        let shout = to.wait_event("SHOUT", from.uuid());
        assert_eq!(shout["group"], "CHAT");
        assert!(shout["frames"] == sent, "{} got it wrong", to.name());
    }
}

/// The one stops, then the other; there was one session.
fn stop(first: &Peer, second: &Peer) {
    first.stop();
    let exit = second.wait_event("EXIT", first.uuid());
    if let Some(reason) = exit.get("reason") {
        assert_eq!(reason, "GOODBYE");
    }
    second.stop();
    for (peer, other, exits) in [(first, second, 0), (second, first, 1)] {
        assert_eq!(peer.errors(), [] as [Value; 0]);
        let seen = ["ENTER", "EXIT"].map(|event| told(peer, event, other));
        assert_eq!(seen, [1, exits], "{:.2000?}", peer.trace());
    }
}

/// Past the wrap of the sequence numbers. `zre pipe` counts, which is a node on tokio.
#[test]
fn seventy_thousand_whispers_cross_in_order_each_way() {
    in_all_cases(&[Way::Beacon, Way::TheirHub], |rig, way| {
        let (people, network) = (People::new(), rig.namespace());
        let friends = people.list("friends", &["ours", "zyre"]);
        let options = |name: &str| {
            let options = PeerOptions::new(name).key(&people.key(name));
            options.trust(&friends)
        };
        let (ours, zyre) = (options("ours"), options("zyre"));
        let (ours, zyre) = match way {
            Way::Beacon => (ours, zyre),
            _ => (
                ours.no_beacon().gossip_connect(&hub_of("zyre")),
                zyre.endpoint("tcp://10.90.0.1:*").gossip_bind(HUB),
            ),
        };
        let (ours, zyre) = (Peer::zre(&network, &ours), Peer::zyre(&network, &zyre));
        ours.wait_event("ENTER", zyre.uuid());
        zyre.wait_event("ENTER", ours.uuid());
        for (from, to) in [(&zyre, &ours), (&ours, &zyre)] {
            to.count_quietly();
            let clock = Clock::start(format!("{way:?}: 70,000 from {}", from.name()));
            from.flood(to.uuid(), 70_000);
            assert!(to.wait_count(60 * SECOND, 70_000), "{}", to.name());
            clock.stop("all came", 60 * SECOND);
        }
        assert_eq!(zyre.trace(), ["ENTER ours"]);
        assert_eq!(ours.trace(), ["ENTER zyre"]);
    });
}
