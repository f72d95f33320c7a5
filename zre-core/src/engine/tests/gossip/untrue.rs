//! Tuples that are not true, or not any more.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use zre_proto::GossipTuple;

use super::{Net, add, add_hub, network, opened, stale, told_sorted};
use crate::{
    engine::tests::network::{millis, secs},
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
