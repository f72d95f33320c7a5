//! With zyre, which does not say in the handshake who it is, and takes a second HELLO for a
//! restart.

use alloc::{format, vec::Vec};

use super::{fixed, shown, told};
use crate::{
    config::Beacons,
    engine::tests::network::{Network, millis, secs},
    link::MessageLink,
};

#[test]
fn a_zyre_at_a_fixed_endpoint_enters_once_and_sees_no_restart() {
    for (latency, jitter) in [(0, 0), (5, 20), (40, 200)] {
        for beacons in [Beacons::Off, Beacons::Broadcast] {
            for later in [0, 1, 30, 999, 1000, 1001, 7000] {
                for ours_first in [true, false] {
                    let net = Network::<MessageLink>::new().with_latency(millis(latency));
                    let mut net = net.with_jitter(millis(jitter), later);
                    let place = ["tcp://10.0.0.2:49152", "tcp://10.0.0.1:49152"];
                    let ours = usize::from(!ours_first);
                    for host in 0..2 {
                        if host == ours {
                            let mut config = fixed(&net, "ours", &[place[ours]]);
                            config.beacons = beacons.clone();
                            net.add_with(config);
                        } else {
                            net.add_zyre("zyre");
                        }
                        // Beacons go one way, both or none.
                        net.hosts[host].hears = later % 2 == 0 && beacons == Beacons::Broadcast;
                        net.run(millis(if host == 0 { later } else { 0 }));
                    }
                    net.run(secs(100));
                    let what = format!("{latency} {beacons:?} {later} {ours_first}");
                    assert_eq!(told(&mut net, ours), ["zyre enters"], "{what}");
                    assert_eq!(told(&mut net, 1 - ours), ["ours enters"], "{what}");
                    assert_eq!(net.hellos(), 2, "{what}");
                    assert_eq!(net.open_wires(), 2, "{what}");
                }
            }
        }
    }
}

#[test]
fn a_zyre_that_is_restarted_ten_times_enters_ten_times() {
    let mut net = Network::<MessageLink>::new();
    net.add_with(fixed(&net, "ours", &["tcp://10.0.0.2:49152"]));
    net.hosts[0].hears = false;
    for number in 1..=10 {
        let zyre = net.add_zyre_at(
            &format!("zyre{number}"),
            &"tcp://10.0.0.2:49152".parse().unwrap(),
        );
        net.hosts[zyre].hears = false;
        net.run(secs(11));
        assert_eq!(told(&mut net, 0), [format!("zyre{number} enters")]);
        assert_eq!(told(&mut net, zyre), ["ours enters"]);
        net.kill(zyre);
        net.run(secs(1));
        assert_eq!(
            told(&mut net, 0),
            [format!("zyre{number} exits: connection lost")]
        );
    }
}

/// Its HELLO says an address inside, and comes from the address that the endpoint leads to.
#[test]
fn a_zyre_behind_a_port_mapping_is_known_by_where_its_hello_comes_from() {
    for later in [0, 40, 700, 4000] {
        let mut net = Network::<MessageLink>::new().with_latency(millis(2));
        net.add_with(fixed(&net, "ours", &["tcp://10.0.0.2:49152"]));
        net.hosts[0].hears = false;
        net.run(millis(later));
        let inside = "tcp://172.17.0.2:49152".parse().unwrap();
        net.add_zyre_that_tells("zyre", &inside);
        net.hosts[1].hears = false;
        net.run(secs(100));
        assert_eq!(told(&mut net, 0), ["zyre enters"]);
        assert_eq!(told(&mut net, 1), ["ours enters"]);
        assert_eq!(net.hellos(), 2);
        assert_eq!(shown(&mut net, 0), [format!("connected to {}", net.id(1))]);
        net.whisper(0, 1, "hello");
        net.run(secs(2));
        assert_eq!(told(&mut net, 1), ["ours whispers hello"]);
    }
}

/// Its connections come from elsewhere than where it is reached, and nobody reaches it where it
/// says that it is.
#[test]
fn a_zyre_that_cannot_be_reached_where_it_says_is_taken_for_the_fixed_peer_that_is_awaited() {
    let mut net = Network::<MessageLink>::new().with_latency(millis(2));
    net.add_with(fixed(&net, "ours", &["tcp://203.0.113.7:5000"]));
    net.hosts[0].hears = false;
    let inside = "tcp://172.17.0.2:49152".parse().unwrap();
    net.add_zyre_that_tells("zyre", &inside);
    net.hosts[1].other_address = Some("203.0.113.7:5000".parse().unwrap());
    net.hosts[1].hears = false;
    net.run(secs(100));
    assert_eq!(told(&mut net, 0), ["zyre enters"]);
    assert_eq!(told(&mut net, 1), ["ours enters"]);
    assert_eq!(net.hellos(), 2);
    net.whisper(0, 1, "hello");
    net.run(secs(2));
    assert_eq!(told(&mut net, 1), ["ours whispers hello"]);
}

/// Several on one host, with and without beacons.
#[test]
fn zyres_on_one_host_are_not_mixed_up() {
    let mut net = Network::<MessageLink>::new().with_latency(millis(3));
    let at = [
        "tcp://10.0.0.9:1001",
        "tcp://10.0.0.9:1002",
        "tcp://10.0.0.9:1003",
    ];
    net.add_with(fixed(&net, "ours", &at));
    let endpoints: Vec<_> = at.iter().map(|at| at.parse().unwrap()).collect();
    for (number, endpoint) in endpoints.iter().enumerate() {
        let zyre = net.add_zyre_at(&format!("zyre{number}"), endpoint);
        net.hosts[zyre].hears = false;
        net.run(millis(900));
    }
    net.hosts[0].hears = false;
    net.run(secs(100));
    let mut told_to_us = told(&mut net, 0);
    // Their beacons, which were heard at first, have ceased.
    told_to_us.retain(|event| !event.ends_with("is evasive"));
    told_to_us.sort_unstable();
    assert_eq!(told_to_us, ["zyre0 enters", "zyre1 enters", "zyre2 enters"]);
    for zyre in 1..=3 {
        assert_eq!(told(&mut net, zyre), ["ours enters"]);
    }
    assert_eq!(net.hellos(), 6);
}

/// The user gives an address behind which a zyre is that is reached where it says, too: on a host
/// with several addresses, or from inside of a network with a port mapping.
#[test]
fn a_zyre_that_is_reached_at_two_places_is_known_by_its_answer() {
    for later in [0, 40, 700, 4000] {
        for latency in [0, 2, 30] {
            let mut net = Network::<MessageLink>::new().with_latency(millis(latency));
            net.add_with(fixed(&net, "ours", &["tcp://203.0.113.7:5000"]));
            net.hosts[0].hears = false;
            net.run(millis(later));
            net.add_zyre("zyre");
            net.hosts[1].other_address = Some("203.0.113.7:5000".parse().unwrap());
            net.hosts[1].hears = false;
            net.run(secs(100));
            let what = format!("{later} {latency}");
            assert_eq!(told(&mut net, 0), ["zyre enters"], "{what}");
            assert_eq!(told(&mut net, 1), ["ours enters"], "{what}");
            assert_eq!(net.hellos(), 2, "{what}");
            net.whisper(0, 1, "hello");
            net.run(secs(2));
            assert_eq!(told(&mut net, 1), ["ours whispers hello"]);
        }
    }
}

/// Its beacons say one place, and the user's endpoint leads to another.
#[test]
fn a_zyre_whose_beacons_come_from_elsewhere_is_in_one_session_in_the_end() {
    for later in [0, 1, 40, 700, 4000] {
        for hears in [[true, true], [true, false], [false, true]] {
            let mut net = Network::<MessageLink>::new().with_latency(millis(2));
            let mut config = fixed(&net, "ours", &["tcp://203.0.113.7:5000"]);
            config.beacons = Beacons::Broadcast;
            net.add_with(config);
            net.hosts[0].hears = hears[0];
            net.run(millis(later));
            net.add_zyre("zyre");
            net.hosts[1].hears = hears[1];
            net.hosts[1].other_address = Some("203.0.113.7:5000".parse().unwrap());
            net.run(secs(60));
            let what = format!("{later} {hears:?}");
            let restarts = told(&mut net, 0).len() / 2;
            assert!(restarts <= 1, "{what}: {restarts}");
            net.hellos();
            net.run(secs(300));
            assert_eq!(told(&mut net, 0), super::NOTHING, "{what}");
            assert_eq!(net.hellos(), 0, "{what}");
            net.whisper(0, 1, "hello");
            net.run(secs(2));
            assert_eq!(
                told(&mut net, 1).last().unwrap(),
                "ours whispers hello",
                "{what}"
            );
        }
    }
}

#[test]
fn a_zyre_behind_a_port_mapping_that_gives_us_up_is_met_again() {
    for hidden in [false, true] {
        let mut net = Network::<MessageLink>::new().with_latency(millis(2));
        net.add_with(fixed(&net, "ours", &["tcp://203.0.113.7:5000"]));
        net.hosts[0].hears = false;
        let inside = match hidden {
            true => "tcp://172.17.0.2:49152".parse().unwrap(),
            false => net.config("zyre").endpoint,
        };
        net.add_zyre_that_tells("zyre", &inside);
        net.hosts[1].other_address = Some("203.0.113.7:5000".parse().unwrap());
        net.hosts[1].hears = false;
        net.run(secs(30));
        assert_eq!(told(&mut net, 0), ["zyre enters"]);
        for _ in 0..5 {
            net.forget(1, 0);
            net.run(secs(60));
            let told_to_us = told(&mut net, 0);
            assert_eq!(
                told_to_us,
                ["zyre exits: connection lost", "zyre enters"],
                "{hidden}"
            );
            net.break_wire(0, 1);
            net.run(secs(60));
            let told_to_us = told(&mut net, 0);
            assert_eq!(
                told_to_us,
                ["zyre exits: connection lost", "zyre enters"],
                "{hidden}"
            );
        }
        net.run(secs(300));
        assert_eq!(told(&mut net, 0), super::NOTHING);
        net.whisper(0, 1, "hello");
        net.run(secs(2));
        assert_eq!(told(&mut net, 1).last().unwrap(), "ours whispers hello");
    }
}

/// All say addresses inside of one network, and are behind one address: only the number of their
/// answers tells them apart.
#[test]
fn zyres_behind_one_port_mapping_are_not_mixed_up() {
    for latency in [0, 1, 30, 100] {
        for seed in 0..5 {
            let net = Network::<MessageLink>::new().with_latency(millis(latency));
            let mut net = net.with_jitter(millis(latency / 2), seed);
            let at = ["10.0.0.9:1001", "10.0.0.9:1002", "10.0.0.9:1003"];
            for (number, at) in at.iter().enumerate() {
                let inside = format!("tcp://172.17.0.{}:49152", number + 2)
                    .parse()
                    .unwrap();
                net.add_zyre_that_tells(&format!("zyre{number}"), &inside);
                net.hosts[number].other_address = Some(at.parse().unwrap());
                net.hosts[number].hears = false;
            }
            let at = at.map(|at| format!("tcp://{at}"));
            let at: Vec<_> = at.iter().map(|at| &**at).collect();
            let ours = net.add_with(fixed(&net, "ours", &at));
            net.hosts[ours].hears = false;
            net.run(secs(100));
            let mut told_to_us = told(&mut net, ours);
            told_to_us.sort_unstable();
            assert_eq!(
                told_to_us,
                ["zyre0 enters", "zyre1 enters", "zyre2 enters"],
                "{latency}"
            );
            for number in 0..3 {
                assert_eq!(told(&mut net, number), ["ours enters"], "{latency} {seed}");
                net.whisper(ours, number, "hello");
                net.run(secs(1));
                assert_eq!(told(&mut net, number), ["ours whispers hello"]);
            }
            assert_eq!(net.hellos(), 6);
        }
    }
}

#[test]
fn names_of_one_zyre_lead_to_one_hello() {
    let mut net = Network::<MessageLink>::new().with_latency(millis(2));
    let names = ["tcp://one.example:49152", "tcp://two.example:49152"];
    for name in names {
        net.names
            .insert(name.into(), "10.0.0.2:49152".parse().unwrap());
    }
    net.add_with(fixed(&net, "ours", &names));
    net.hosts[0].hears = false;
    net.add_zyre("zyre");
    net.hosts[1].hears = false;
    net.run(secs(100));
    assert_eq!(told(&mut net, 0), ["zyre enters"]);
    assert_eq!(told(&mut net, 1), ["ours enters"]);
    assert_eq!(net.hellos(), 2);
}

/// It gives us up, and hears our beacon at once.
#[test]
fn a_zyre_at_two_places_that_says_hello_anew_is_asked_to_begin_anew_once() {
    let mut net = Network::<MessageLink>::new().with_latency(millis(2));
    net.add_with(fixed(&net, "ours", &["tcp://203.0.113.7:5000"]));
    net.hosts[0].hears = false;
    net.add_zyre("zyre");
    net.hosts[1].other_address = Some("203.0.113.7:5000".parse().unwrap());
    net.hosts[1].hears = false;
    net.run(secs(30));
    assert_eq!(told(&mut net, 0), ["zyre enters"]);
    told(&mut net, 1);
    net.hellos();
    for _ in 0..5 {
        let ours = net.endpoint(0);
        net.forget(1, 0);
        net.hear(1, 0, &ours);
        net.run(secs(120));
        assert_eq!(told(&mut net, 0).len(), 2, "one exit and one enter");
        assert_eq!(told(&mut net, 1).len(), 2, "one exit and one enter");
        assert_eq!(net.hellos(), 2);
    }
}
