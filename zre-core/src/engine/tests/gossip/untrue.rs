//! Tuples that are not true, or not any more.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use core::time::Duration;

use zre_proto::{Endpoint, GossipMessage, GossipTuple, PeerId};

use super::{Net, add, add_hub, network, opened, stale, told_sorted};
use crate::{
    Error,
    config::Beacons,
    engine::{
        LinkId,
        tests::{
            network::{millis, secs},
            single_engine::{self, FakePeer, RemoteEnd, SingleEngine, endpoint, hello},
        },
    },
    link::MessageLink,
    notice::Notice,
};

#[test]
fn old_tuples_of_a_zyre_hub_bring_few_attempts_and_nobody_enters() {
    let mut net = network();
    let tuples: Vec<_> = (1..=20).map(stale).collect();
    let hub = net.add_zyre_gossip(&tuples, &[]);
    let a = add(&mut net, "a", &[hub]);
    let b = add(&mut net, "b", &[hub]);
    net.run(secs(1));
    assert_eq!(net.told(a), ["b enters"]);
    assert_eq!(net.told(b), ["a enters"]);
    net.run(secs(600));
    let early = opened(&net, a, false);
    // Three quick tries, then one each time, and the times get rarer.
    assert!(early < 20 * 25, "{early}");
    net.run(secs(3600));
    let in_an_hour = opened(&net, a, false) - early;
    assert!(in_an_hour < 20 * 18, "{in_an_hour}");
    assert_eq!(net.told(a), [""; 0]);
}

#[test]
fn a_hub_that_floods_with_tuples_causes_no_storm_and_hinders_no_beacons() {
    let mut net = network();
    let tuples: Vec<_> = (0..5000_u16).map(made_up).collect();
    let hub = net.add_zyre_gossip(&tuples, &[]);
    let add = |net: &mut Net, name| {
        let mut config = net.config(name);
        config.gossip_connect = [net.gossip_endpoint(hub).into()].into();
        net.add_with(config)
    };
    let a = add(&mut net, "a");
    net.run(millis(500));
    let at_once = opened(&net, a, false);
    assert!((200..=256 + 10).contains(&at_once), "{at_once}");
    let b = add(&mut net, "b");
    net.run(secs(1));
    assert_eq!(net.told(a), ["b enters"]);
    assert_eq!(net.told(b), ["a enters"]);
    net.run(secs(60));
    let in_a_minute = opened(&net, a, false);
    assert!(in_a_minute <= 256 + 62 * 20, "{in_a_minute}");
    assert_eq!(net.told(a), [""; 0]);
    let limits = |notice: &&Notice| notice.kind() == "tuple_limit";
    assert_eq!(net.hosts[a].notices.iter().filter(limits).count(), 1);
}

fn made_up(number: u16) -> (String, String) {
    let [high, low] = number.to_be_bytes();
    let mut id = [high; 16];
    id[15] = low;
    let key = GossipTuple::key_of(id.into()).to_string();
    (key, format!("tcp://10.200.{high}.{low}:5000"))
}

#[test]
fn a_hub_does_not_tell_of_peers_that_are_gone() {
    for says_goodbye in [true, false] {
        let mut net = network();
        let hub = add_hub(&mut net, "hub", &[]);
        let a = add(&mut net, "a", &[hub]);
        let b = add(&mut net, "b", &[hub]);
        net.run(secs(1));
        for host in [hub, a, b] {
            net.told(host);
        }
        match says_goodbye {
            true => net.stop(b),
            false => net.kill(b),
        }
        net.run(secs(5));
        let expected = match says_goodbye {
            true => "b exits: said goodbye",
            false => "b exits: connection lost",
        };
        assert_eq!(net.told(hub), [expected]);
        assert_eq!(net.told(a), [expected]);
        let before = net.trace.len();
        let c = add(&mut net, "c", &[hub]);
        net.run(secs(5));
        assert_eq!(told_sorted(&mut net, c), ["a enters", "hub enters"]);
        let endpoint = net.endpoint(b).to_string();
        let port = endpoint.rsplit(':').next().unwrap().to_string();
        let address = net.hosts[b].address.ip().to_string();
        let sought = net.trace[before..].iter();
        let by_c = sought.filter(|line| line.starts_with(&format!("{c} Open")));
        assert!(
            !by_c
                .into_iter()
                .any(|line| line.contains(&address) && line.contains(&port))
        );
    }
}

#[test]
fn a_peer_that_said_goodbye_and_is_told_of_again_is_sought_a_few_times() {
    let mut net = network();
    let hub = net.add_zyre_gossip(&[], &[]);
    let a = add(&mut net, "a", &[hub]);
    let b = add(&mut net, "b", &[hub]);
    net.run(secs(1));
    net.told(a);
    net.stop(b);
    net.run(secs(60));
    assert_eq!(net.told(a), ["b exits: said goodbye"]);
    let before = opened(&net, a, false);
    // The hub tells all that it knows when the client comes again.
    for _ in 0..10 {
        net.break_wire(a, hub);
        net.run(secs(60));
    }
    let tries = opened(&net, a, false) - before;
    assert!((3..=30).contains(&tries), "{tries}");
    assert_eq!(net.told(a), [""; 0]);
}

#[test]
fn a_tuple_takes_no_place_from_anybody() {
    let mut net = network();
    let hub = net.add_zyre_gossip(&[], &[]);
    let a = add(&mut net, "a", &[hub]);
    let b = add(&mut net, "b", &[hub]);
    net.run(secs(1));
    net.told(a);
    let before = opened(&net, a, false);
    let place = net.endpoint(b).to_string();
    for number in 1..100 {
        net.zyre_gossip(hub).store(&stale(number).0, &place);
    }
    net.run(secs(60));
    assert_eq!(net.told(a), [""; 0]);
    assert_eq!(opened(&net, a, false), before);
}

#[test]
fn a_peer_that_is_said_to_be_elsewhere_stays_if_it_answers() {
    for answers in [true, false] {
        let mut net = network().with_ends_untold();
        let hub = net.add_zyre_gossip(&[], &[]);
        let a = add(&mut net, "a", &[hub]);
        let b = add(&mut net, "b", &[hub]);
        net.run(secs(1));
        net.told(a);
        if !answers {
            net.unplug(b);
        }
        let key = GossipTuple::key_of(net.id(b)).to_string();
        net.zyre_gossip(hub).store(&key, "tcp://10.0.0.99:1");
        net.run(secs(6));
        let told = net.told(a);
        assert_eq!(told.contains(&"b exits: connection lost".into()), !answers);
    }
}

/// The false tuple comes at each moment at which the true ones, the connections and the HELLOs may
/// be under way.
#[test]
fn a_false_tuple_ends_no_session_that_is_just_beginning() {
    for step in 0..60 {
        let mut net = network();
        let hub = net.add_zyre_gossip(&[], &[]);
        let a = add(&mut net, "a", &[hub]);
        net.run(secs(1));
        let b = add(&mut net, "b", &[hub]);
        let key = GossipTuple::key_of(net.id(b)).to_string();
        net.run(Duration::from_micros(250) * step);
        net.zyre_gossip(hub).store(&key, "tcp://10.0.0.99:1");
        net.run(secs(20));
        assert_eq!(net.told(a), ["b enters"], "step {step}");
        assert_eq!(net.told(b), ["a enters"], "step {step}");
    }
}

/// A hub without beacons, and a client that says tuples of peer 1.
struct Told {
    test: SingleEngine<MessageLink>,
    client: LinkId,
}

impl Told {
    fn new() -> Self {
        let mut config = single_engine::config();
        config.beacons = Beacons::Off;
        config.is_gossip_hub = true;
        let mut test = SingleEngine::with(config);
        let (remote, now) = ("10.0.9.9:1".parse().unwrap(), test.now);
        let client = test.engine.handle_gossip_accepted(remote, now);
        test.engine.handle_gossip(client, GossipMessage::Hello, now);
        Self { test, client }
    }

    fn says(&mut self, place: &Endpoint) {
        let tuple = GossipTuple {
            peer: peer_1(),
            endpoint: place.clone(),
            public_key: None,
        };
        let now = self.test.now;
        let message = tuple.to_message();
        self.test.engine.handle_gossip(self.client, message, now);
        self.test.drain();
    }

    /// The hub seeks the peer there, and there is somebody.
    fn is_answered(&mut self, place: &Endpoint) -> RemoteEnd<MessageLink> {
        assert_eq!(self.test.wanted.front().unwrap().1, *place);
        self.test.answer_open()
    }
}

fn peer_1() -> PeerId {
    [1; 16].into()
}

fn kinds(end: &RemoteEnd<MessageLink>) -> Vec<&'static str> {
    end.received.iter().map(|it| it.body.kind()).collect()
}

#[test]
fn a_tuple_leads_nobody_away_from_where_hello_has_been_said() {
    let mut told = Told::new();
    told.says(&endpoint(1));
    let from = told.is_answered(&endpoint(1));
    // It enters on its side; its own HELLO is under way.
    assert_eq!(kinds(&from), ["HELLO"]);
    for place in [9, 8, 9] {
        told.says(&endpoint(place));
    }
    let test = &mut told.test;
    assert!(test.wanted.is_empty() && test.closed.is_empty());
    let to = test.connect_from("10.0.1.1:6666", peer_1());
    let (id, endpoint, sequence) = (peer_1(), endpoint(1), 0);
    let mut peer = FakePeer {
        id,
        endpoint,
        sequence,
        to,
        from,
    };
    peer.say(test, hello(1));
    assert_eq!(test.told(), ["peer1 enters"]);
    peer.is_undisturbed(test);
}

#[test]
fn before_somebody_answers_a_later_tuple_counts() {
    let mut told = Told::new();
    told.says(&endpoint(9));
    let (first, _) = told.test.wanted.pop_front().unwrap();
    told.says(&endpoint(1));
    assert!(told.test.closed.contains(&first));
    told.is_answered(&endpoint(1));
}

/// Whatever the address it comes from: its host may be in two networks.
#[test]
fn a_false_tuple_that_comes_first_delays_a_peer_by_a_second_and_diverts_nothing() {
    for address in ["10.0.1.1:6666", "10.0.2.1:6666"] {
        for is_told_too_late in [true, false] {
            let mut told = Told::new();
            told.says(&endpoint(9));
            let mut stranger = told.is_answered(&endpoint(9));
            if is_told_too_late {
                told.says(&endpoint(1));
            }
            let test = &mut told.test;
            let mut to = test.connect_from(address, peer_1());
            to.send(test, 1, hello(1));
            assert_eq!(test.told(), ["peer1 enters"]);
            let refused = test.engine.whisper(peer_1(), "for peer1".into(), test.now);
            assert_eq!(refused, Err(Error::Full(peer_1())));
            stranger.exchange(test);
            test.run(secs(1));
            let mut peer = told.is_answered(&endpoint(1));
            let test = &mut told.test;
            let sent = test.engine.whisper(peer_1(), "for peer1".into(), test.now);
            assert_eq!(sent, Ok(()));
            peer.exchange(test);
            assert!(stranger.is_closed(test));
            assert_eq!(kinds(&peer), ["HELLO", "WHISPER"]);
            assert_eq!(kinds(&stranger), ["HELLO", "PING"]);
            assert_eq!(test.told(), [""; 0], "its session goes on");
        }
    }
}

#[test]
fn who_answers_and_says_nothing_keeps_the_place_of_a_later_tuple_for_a_handshake() {
    let mut told = Told::new();
    told.says(&endpoint(9));
    let _stranger = told.is_answered(&endpoint(9));
    told.says(&endpoint(1));
    told.test.run(secs(9));
    assert!(told.test.wanted.is_empty());
    told.test.run(secs(2));
    told.is_answered(&endpoint(1));
}
