//! Nodes that find each other by gossip, among themselves and with zyre's hub.

mod untrue;

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use bytes::Buf as _;
use zre_proto::{Content, GossipMessage, GossipTuple};

use super::{
    level::Level,
    network::{GOSSIP_PORT, Network, millis, secs},
};
use crate::{
    config::{Beacons, Config, Limits},
    engine::{Engine, LinkId, OpenFor, Output},
    link::{GossipEnd, Link, LinkEvent, MessageLink, Role, tests::feed},
    node::tests::{self as node_tests, id_of},
    notice::Notice,
    seed::Seed,
    time::Instant,
};

type Net = Network<Link>;

fn network() -> Net {
    Net::new().with_latency(millis(1))
}

/// Settings for the next host: without beacons, and with these hubs.
fn config(net: &Net, name: &str, hubs: &[usize]) -> Config {
    let mut config = net.config(name);
    config.beacons = Beacons::Off;
    config.gossip_connect = hubs
        .iter()
        .map(|hub| net.gossip_endpoint(*hub).into())
        .collect();
    config
}

fn add(net: &mut Net, name: &str, hubs: &[usize]) -> usize {
    let config = config(net, name, hubs);
    net.add_with(config)
}

fn add_hub(net: &mut Net, name: &str, hubs: &[usize]) -> usize {
    let mut config = config(net, name, hubs);
    config.is_gossip_hub = true;
    net.add_with(config)
}

fn told_sorted(net: &mut Net, host: usize) -> Vec<String> {
    let mut told = net.told(host);
    told.sort();
    told
}

/// How many connections a host has tried to open to another port than that of hubs, or to that.
fn opened(net: &Net, host: usize, to_hubs: bool) -> usize {
    let start = format!("{host} Open");
    let hub = format!(":{GOSSIP_PORT}");
    let lines = net.trace.iter().filter(|line| line.starts_with(&start));
    let port = format!("port: {GOSSIP_PORT}");
    let is_hub = |line: &&String| line.contains(&hub) || line.contains(&port);
    lines.filter(|line| is_hub(line) == to_hubs).count()
}

fn stale(number: u8) -> (String, String) {
    let key = GossipTuple::key_of([number; 16].into()).to_string();
    (key, format!("tcp://10.7.7.{number}:5000"))
}

#[test]
fn three_clients_and_their_hub_meet_without_beacons() {
    let mut net = network();
    let hub = add_hub(&mut net, "hub", &[]);
    for name in ["a", "b", "c"] {
        add(&mut net, name, &[hub]);
    }
    net.run(secs(1));
    assert_eq!(
        told_sorted(&mut net, 0),
        ["a enters", "b enters", "c enters"]
    );
    assert_eq!(
        told_sorted(&mut net, 1),
        ["b enters", "c enters", "hub enters"]
    );
    assert_eq!(
        told_sorted(&mut net, 2),
        ["a enters", "c enters", "hub enters"]
    );
    assert_eq!(
        told_sorted(&mut net, 3),
        ["a enters", "b enters", "hub enters"]
    );
    assert!(net.trace.iter().all(|line| !line.contains("Datagram")));
    // Each has one connection to each other, and each client one to the hub.
    assert_eq!(net.open_wires(), 12 + 3);
}

#[test]
fn healthy_peers_without_beacons_are_silent_for_a_minute_and_nobody_hears_of_it() {
    let mut net = network();
    let hub = add_hub(&mut net, "hub", &[]);
    add(&mut net, "a", &[hub]);
    net.run(secs(1));
    net.told(0);
    net.told(1);
    net.run(secs(60));
    assert_eq!(net.told(0), [""; 0]);
    assert_eq!(net.told(1), [""; 0]);
    assert_eq!(opened(&net, 0, false) + opened(&net, 1, false), 2);
}

#[test]
fn a_peer_without_beacons_that_falls_silent_is_evasive_after_5_s_and_gone_after_30() {
    let mut net = network().with_ends_untold();
    let hub = add_hub(&mut net, "hub", &[]);
    let a = add(&mut net, "a", &[hub]);
    net.run(secs(1));
    net.told(hub);
    net.unplug(a);
    net.run(secs(4));
    assert_eq!(net.told(hub), [""; 0]);
    net.run(secs(4));
    assert_eq!(net.told(hub), ["a is evasive", "a is silent"]);
    net.run(secs(24));
    assert_eq!(net.told(hub), ["a exits: was silent for too long"]);
}

#[test]
fn a_late_client_meets_all_after_a_minute_of_silence_by_a_hub_of_ours_and_of_zyre() {
    for is_zyre in [false, true] {
        let mut net = network();
        let hub = match is_zyre {
            false => add_hub(&mut net, "hub", &[]),
            true => net.add_zyre_gossip(&[], &[]),
        };
        let a = add(&mut net, "a", &[hub]);
        net.run(secs(60));
        net.told(a);
        let b = add(&mut net, "b", &[hub]);
        net.run(secs(1));
        assert_eq!(net.told(a), ["b enters"], "zyre: {is_zyre}");
        assert!(net.told(b).contains(&"a enters".into()));
        if is_zyre {
            // It has never forgotten a, and no PUBLISH was lost.
            let heard = &net.zyre_gossip(hub).heard;
            let hellos = heard.iter().filter(|line| line.starts_with("HELLO"));
            assert_eq!(hellos.count(), 2);
        }
    }
}

#[test]
fn a_client_pings_no_more_often_than_it_must() {
    let mut net = network();
    let hub = net.add_zyre_gossip(&[], &[]);
    add(&mut net, "a", &[hub]);
    net.run(secs(60));
    let heard = &net.zyre_gossip(hub).heard;
    let pings = heard.iter().filter(|line| line.starts_with("PING")).count();
    assert!((145..=150).contains(&pings), "{pings}");
}

#[test]
fn a_client_that_the_hub_has_forgotten_says_all_again() {
    let mut net = network();
    let hub = net.add_zyre_gossip(&[], &[]);
    let a = add(&mut net, "a", &[hub]);
    let b = add_hub(&mut net, "b", &[hub]);
    net.run(secs(1));
    // What b says comes so late that the hub has forgotten it. Its PING brings no INVALID, but the
    // tuple of its client does, and is lost with that.
    net.wire(b, hub).ends[1].stalled = true;
    net.run(secs(2));
    let c = add(&mut net, "c", &[b]);
    net.run(millis(100));
    net.told(a);
    net.wire(b, hub).ends[1].stalled = false;
    net.run(secs(3));
    assert!(net.told(c).contains(&"a enters".into()));
    let tuples = net.zyre_gossip(hub).tuples();
    assert!(
        tuples
            .iter()
            .any(|it| it.starts_with(&net.id(c).to_string()))
    );
    let heard = &net.zyre_gossip(hub).heard;
    let hellos = heard.iter().filter(|line| line.starts_with("HELLO"));
    assert_eq!(hellos.count(), 3);
}

#[test]
fn clients_meet_again_by_a_hub_that_was_killed_and_restarted() {
    for is_zyre in [false, true] {
        let mut net = network();
        let hub = match is_zyre {
            false => add_hub(&mut net, "hub", &[]),
            true => net.add_zyre_gossip(&[], &[]),
        };
        let a = add(&mut net, "a", &[hub]);
        let b = add(&mut net, "b", &[hub]);
        net.run(secs(1));
        net.told(a);
        net.told(b);
        net.kill(hub);
        net.run(secs(30));
        // Nobody but the hub is gone, and it is sought with a growing pause.
        assert!(net.told(a).iter().all(|line| line.starts_with("hub")));
        assert!(net.told(b).iter().all(|line| line.starts_with("hub")));
        let attempts = opened(&net, a, true);
        assert!((8..=20).contains(&attempts), "{attempts}");
        revive(&mut net, hub, is_zyre);
        net.run(secs(11));
        let c = add(&mut net, "c", &[hub]);
        net.run(secs(1));
        for client in [a, b] {
            let told = net.told(client);
            assert!(told.contains(&"c enters".into()), "{told:?}");
            assert!(
                !told
                    .iter()
                    .any(|line| line.starts_with("a ") || line.starts_with("b "))
            );
        }
        assert_eq!(
            net.told(c)
                .iter()
                .filter(|line| !line.starts_with("hub"))
                .count(),
            2
        );
    }
}

/// Another process at the address of one that was killed.
fn revive(net: &mut Net, hub: usize, is_zyre: bool) {
    let address = net.hosts[hub].address;
    let new = match is_zyre {
        false => {
            let mut config = config(net, "hub", &[]);
            config.is_gossip_hub = true;
            config.endpoint = address.try_into().unwrap();
            net.add_with(config)
        }
        true => net.add_zyre_gossip(&[], &[]),
    };
    net.hosts[new].address = address;
}

#[test]
fn a_hub_that_does_not_answer_is_given_up_within_6_s() {
    let mut net = network().with_ends_untold();
    let hub = add_hub(&mut net, "hub", &[]);
    let a = add(&mut net, "a", &[hub]);
    net.run(secs(1));
    net.unplug(hub);
    net.run(secs(6));
    let lost = |notice: &Notice| matches!(notice, Notice::GossipHubLost { .. });
    assert_eq!(net.hosts[a].notices.iter().filter(|it| lost(it)).count(), 1);
    let hubs: Vec<_> = net.engine(a).gossip_hubs().collect();
    assert!(!hubs[0].is_connected && hubs[0].error.is_some());
}

#[test]
fn a_peer_that_comes_back_is_met_again_although_its_tuple_is_the_same() {
    let mut net = network();
    let hub = net.add_zyre_gossip(&[], &[]);
    let a = add(&mut net, "a", &[hub]);
    let mut config_of_b = config(&net, "b", &[]);
    config_of_b.id = Some(id_of("b"));
    config_of_b.gossip_connect = [net.gossip_endpoint(hub).into()].into();
    let b = net.add_with(config_of_b.clone());
    net.run(secs(1));
    assert_eq!(net.told(a), ["b enters"]);
    net.kill(b);
    net.run(secs(20));
    assert_eq!(net.told(a), ["b exits: connection lost"]);
    net.add_with(config_of_b);
    net.run(secs(11));
    assert_eq!(net.told(a), ["b enters"]);
}

#[test]
fn a_peer_that_was_cut_off_is_found_again_by_its_tuple() {
    let mut net = network();
    let hub = add_hub(&mut net, "hub", &[]);
    let a = add(&mut net, "a", &[hub]);
    let b = add(&mut net, "b", &[hub]);
    net.run(secs(1));
    net.told(a);
    net.hosts[b].listens = false;
    net.hosts[a].listens = false;
    net.break_wire(a, b);
    net.break_wire(b, a);
    net.run(secs(60));
    assert_eq!(net.told(a), ["b exits: connection lost"]);
    net.hosts[a].listens = true;
    net.hosts[b].listens = true;
    net.run(secs(11));
    assert_eq!(net.told(a), ["b enters"]);
}

#[test]
fn beacons_and_gossip_at_once_are_one_session_with_each_peer() {
    let mut net = network();
    let mut hub_config = net.config("hub");
    hub_config.is_gossip_hub = true;
    let hub = net.add_with(hub_config);
    for name in ["a", "b"] {
        let mut config = net.config(name);
        config.gossip_connect = [net.gossip_endpoint(hub).into()].into();
        net.add_with(config);
    }
    net.run(secs(60));
    assert_eq!(told_sorted(&mut net, 1), ["b enters", "hub enters"]);
    assert_eq!(told_sorted(&mut net, 2), ["a enters", "hub enters"]);
    assert_eq!(net.open_wires(), 6 + 2);
    net.stop(1);
    net.run(secs(3));
    assert_eq!(net.told(2), ["a exits: said goodbye"]);
}

#[test]
fn hubs_in_a_chain_carry_tuples_both_ways() {
    let mut net = network();
    let left = add_hub(&mut net, "left", &[]);
    let a = add(&mut net, "a", &[left]);
    let zyre = net.add_zyre_gossip(&[], &[left]);
    let right = add_hub(&mut net, "right", &[zyre]);
    let b = add(&mut net, "b", &[right]);
    net.run(secs(12));
    assert_eq!(
        told_sorted(&mut net, a),
        ["b enters", "left enters", "right enters"]
    );
    assert_eq!(
        told_sorted(&mut net, b),
        ["a enters", "left enters", "right enters"]
    );
}

#[test]
fn another_node_with_this_nodes_identity_is_noted_once() {
    let mut net = network();
    let hub = net.add_zyre_gossip(&[], &[]);
    let mut first = config(&net, "a", &[hub]);
    first.id = Some(id_of("a"));
    let a = net.add_with(first);
    net.run(secs(1));
    let mut second = config(&net, "twin", &[hub]);
    second.id = Some(id_of("a"));
    let twin = net.add_with(second);
    net.run(secs(60));
    let is_own = |notice: &&Notice| notice.kind() == "own_identity";
    assert_eq!(net.hosts[a].notices.iter().filter(is_own).count(), 1);
    assert!(net.hosts[twin].notices.iter().filter(is_own).count() <= 1);
    let heard = &net.zyre_gossip(hub).heard;
    let publishes = heard
        .iter()
        .filter(|line| line.starts_with("PUBLISH"))
        .count();
    assert!(publishes <= 16, "{publishes}");
}

#[test]
fn a_node_that_starts_again_with_its_identity_elsewhere_takes_no_notice_of_its_old_tuple() {
    let mut net = network();
    let old = (id_of("a").to_string(), "tcp://10.0.0.9:1".to_string());
    let hub = net.add_zyre_gossip(&[old], &[]);
    let mut config = config(&net, "a", &[hub]);
    config.id = Some(id_of("a"));
    let a = net.add_with(config);
    net.run(secs(5));
    assert!(
        net.hosts[a]
            .notices
            .iter()
            .all(|it| it.kind() != "own_identity")
    );
    let endpoint = net.endpoint(a);
    let expected = format!("{}={endpoint}", id_of("a"));
    assert_eq!(net.zyre_gossip(hub).tuples(), [expected]);
}

#[test]
fn a_tuple_with_a_key_is_noted_and_not_sought() {
    let mut net = network();
    let (key, place) = stale(1);
    let secured = (key, format!("{place}|{}", "k".repeat(40)));
    let hub = net.add_zyre_gossip(&[secured], &[]);
    let a = add(&mut net, "a", &[hub]);
    net.run(secs(10));
    let is_secured = |notice: &&Notice| matches!(notice, Notice::SecuredTuple { .. });
    assert_eq!(net.hosts[a].notices.iter().filter(is_secured).count(), 1);
    assert_eq!(opened(&net, a, false), 0);
}

#[test]
fn a_large_table_is_told_as_fast_as_the_client_reads_and_never_waits_as_a_whole() {
    let mut config = node_tests::config("hub", 1);
    config.is_gossip_hub = true;
    let now = Instant::from_micros(1_000_000);
    let mut hub = Engine::new(config, Seed::predictable([1; 32]), now);
    let connect = |hub: &mut Engine, from: &str, now| {
        let link = hub.handle_gossip_accepted(from.parse().unwrap(), now);
        let mut client = Link::new(Role::Gossiping(GossipEnd::Client), &Limits::default());
        client.send(&GossipMessage::Hello.encode(), &Content::default());
        (link, client)
    };
    let (first, mut teller) = connect(&mut hub, "10.0.0.2:1", now);
    for number in 0..1000 {
        let tuple = secured(number).to_message();
        teller.send(&tuple.encode(), &Content::default());
    }
    let mut now = now;
    carry(&mut hub, first, &mut teller, &mut now);
    let (second, mut reader) = connect(&mut hub, "10.0.0.3:1", now);
    // The hub's own, and all others.
    assert_eq!(carry(&mut hub, second, &mut reader, &mut now), 1001);
}

/// A tuple that the hub does not seek, so that it has nothing else to do.
fn secured(number: u16) -> GossipTuple {
    let mut id = [1; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    GossipTuple {
        peer: id.into(),
        endpoint: format!("tcp://10.7.7.7:{}", 1 + number).parse().unwrap(),
        public_key: Some([9; 32].into()),
    }
}

/// Carries both ways between a hub and a client, and gives how many messages came to the client.
fn carry(hub: &mut Engine, link: LinkId, client: &mut Link, now: &mut Instant) -> usize {
    let mut came = 0;
    loop {
        let buffer = client.write_buffer();
        let to_hub = buffer.copy_to_bytes(buffer.remaining());
        let mut rest = Some(to_hub.clone()).filter(|bytes| !bytes.is_empty());
        while let Some(piece) = rest {
            rest = <Link as Level>::read(hub, link, piece, usize::MAX, *now);
        }
        let buffer = hub.write_buffer(link).unwrap();
        let waiting = buffer.remaining();
        assert!(waiting <= 17 << 10, "{waiting}");
        let to_client = buffer.copy_to_bytes(waiting);
        hub.handle_written(*now);
        // It looks a moment later whether there is room.
        *now = *now + millis(5);
        hub.handle_timeout(*now);
        let events = feed(client, &to_client).unwrap();
        let is_message = |event: &&LinkEvent| matches!(event, LinkEvent::Message(_));
        came += events.iter().filter(is_message).count();
        if to_hub.is_empty() && to_client.is_empty() {
            return came;
        }
    }
}

#[test]
fn clients_of_a_hub_are_bounded_and_the_silent_of_the_most_crowded_place_go_first() {
    let mut config = node_tests::config("hub", 1);
    config.is_gossip_hub = true;
    config.limits = config.limits.gossip_clients(3);
    let now = Instant::from_micros(1_000_000);
    let mut hub = Engine::with_messages(config, Seed::predictable([1; 32]), now);
    let connect = |hub: &mut Engine<MessageLink>, from: &str, at: u64| {
        let now = now + secs(at);
        let link = hub.handle_gossip_accepted(from.parse().unwrap(), now);
        hub.handle_gossip(link, GossipMessage::Hello, now);
        link
    };
    let honest = connect(&mut hub, "10.0.0.2:1", 0);
    let first = connect(&mut hub, "10.0.0.3:1", 1);
    let second = connect(&mut hub, "10.0.0.3:2", 2);
    hub.handle_gossip(first, GossipMessage::Ping, now + secs(3));
    let third = connect(&mut hub, "10.0.0.3:3", 4);
    assert_eq!(hub.gossip_clients(), 3);
    for (link, stays) in [
        (honest, true),
        (first, true),
        (second, false),
        (third, true),
    ] {
        assert_eq!(hub.is_gossip(link), stays);
    }
    let silent = hub.handle_gossip_accepted("10.0.0.4:1".parse().unwrap(), now + secs(5));
    assert_eq!(hub.gossip_clients(), 3);
    hub.handle_timeout(now + secs(15));
    assert!(!hub.is_gossip(silent), "it has not said HELLO in time");
}

#[test]
fn gossip_crosses_connections_of_whole_messages() {
    let now = Instant::from_micros(1_000_000);
    let mut config = node_tests::config("hub", 1);
    config.is_gossip_hub = true;
    let mut hub = Engine::with_messages(config, Seed::predictable([1; 32]), now);
    let mut config = node_tests::config("a", 2);
    config.gossip_connect = ["tcp://10.0.0.1:9100".parse().unwrap()].into();
    let mut client = Engine::with_messages(config, Seed::predictable([2; 32]), now);
    let opened = core::iter::from_fn(|| client.poll_output()).find_map(|output| match output {
        Output::Open { link, purpose, .. } => Some((link, purpose)),
        _ => None,
    });
    let (to_hub, OpenFor::User) = opened.unwrap() else {
        panic!("a user has named it")
    };
    let from_client = hub.handle_gossip_accepted("10.0.0.2:40000".parse().unwrap(), now);
    client.handle_connected(to_hub, now);
    assert!(client.is_gossip(to_hub) && client.queued(to_hub) > 0);
    while let Some(message) = client.next_gossip(to_hub) {
        hub.handle_gossip(from_client, message, now);
    }
    client.handle_written(now);
    let answer: Vec<_> = core::iter::from_fn(|| hub.next_gossip(from_client)).collect();
    let tuple = GossipTuple {
        peer: hub.node().id(),
        endpoint: hub.node().endpoint().clone(),
        public_key: None,
    };
    assert_eq!(answer, [tuple.to_message()]);
    let sought = core::iter::from_fn(|| hub.poll_output());
    let expected = client.node().endpoint();
    assert!(sought.into_iter().any(|it| matches!(
        it,
        Output::Open { endpoint, purpose: OpenFor::Peer, .. } if endpoint == *expected
    )));
}

#[test]
fn what_is_no_gossip_closes_the_connection_and_is_noted() {
    let mut config = node_tests::config("hub", 1);
    config.is_gossip_hub = true;
    let now = Instant::from_micros(1_000_000);
    let mut hub = Engine::new(config, Seed::predictable([1; 32]), now);
    let link = hub.handle_gossip_accepted("10.0.0.2:1".parse().unwrap(), now);
    let mut client = Link::new(Role::Gossiping(GossipEnd::Client), &Limits::default());
    client.send(b"\xAA\xA1\x01\x01", &Content::default());
    super::level::exchange::<Link>(&mut hub, link, &mut client, true, now);
    assert!(!hub.is_gossip(link));
    let notices: Vec<_> = core::iter::from_fn(|| hub.poll_notice()).collect();
    let told: Vec<_> = notices.iter().map(ToString::to_string).collect();
    let expected = "closed the gossip connection from 10.0.0.2:1: gossip signature AAA1, \
                    expected AAA0";
    assert_eq!(told, [expected]);
}
