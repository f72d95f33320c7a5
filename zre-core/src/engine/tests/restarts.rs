//! Nodes that come again under the same identity.

use alloc::{format, string::String, vec::Vec};

use super::net::{Net, millis, secs};

#[test]
fn a_node_that_dies_and_returns_ten_times_at_its_endpoint_enters_once_for_each_life() {
    for pause in [0, 1, 50, 700, 3000] {
        each_life_enters_once(pause, |net| net.hosts[1].address.port(), Net::kill);
    }
}

#[test]
fn a_node_that_dies_and_returns_ten_times_elsewhere_enters_once_for_each_life() {
    for pause in [0, 1, 50, 700, 3000] {
        each_life_enters_once(pause, elsewhere, Net::kill);
    }
}

#[test]
fn a_node_whose_machine_restarts_ten_times_at_its_endpoint_enters_once_for_each_life() {
    for pause in [5000, 8000, 40_000] {
        each_life_enters_once(pause, |net| net.hosts[1].address.port(), Net::unplug);
    }
}

#[test]
fn a_node_whose_machine_restarts_ten_times_elsewhere_enters_once_for_each_life() {
    for pause in [0, 700, 3000, 8000] {
        each_life_enters_once(pause, elsewhere, Net::unplug);
    }
}

/// The second life's HELLO looks like an answer to ours; that must not last.
#[test]
fn a_machine_that_restarts_twice_within_a_moment_is_there_in_the_end() {
    for pause in [0, 700, 1500] {
        let mut net = Net::new();
        net.add("alice");
        let mut config = net.config("bob");
        config.id = Some([0xB0; 16].into());
        let mut bob = net.add_with(config.clone());
        for _ in 0..2 {
            net.run(secs(2));
            net.unplug(bob);
            net.run(millis(pause));
            bob = net.add_with(config.clone());
        }
        net.run(secs(60));
        net.told(0);
        assert_eq!(net.told(bob).last().unwrap(), "enter alice", "{pause} ms");
        net.whisper(0, bob, "hello");
        net.whisper(bob, 0, "hello");
        net.settle();
        assert_eq!(net.told(0), ["whisper bob hello"], "{pause} ms");
        assert_eq!(net.told(bob), ["whisper alice hello"], "{pause} ms");
    }
}

#[test]
fn another_node_at_the_endpoint_of_a_peer_replaces_it() {
    let mut net = Net::of_two();
    net.unplug(1);
    let mut config = net.config("carol");
    config.endpoint = net.engine(1).endpoint().clone();
    net.add_with(config);
    net.run(secs(2));
    let expected = [
        "exit bob: replaced by another node at its endpoint",
        "enter carol",
    ];
    assert_eq!(net.told(0), expected);
    net.run(secs(60));
    assert_eq!(net.told(0), Vec::<String>::new());
}

fn elsewhere(net: &Net) -> u16 {
    49_152 + u16::try_from(net.hosts.len()).unwrap()
}

fn each_life_enters_once(pause: u64, port: fn(&Net) -> u16, end: fn(&mut Net, usize)) {
    let mut net = Net::new();
    net.add("alice");
    let mut config = net.config("bob");
    config.id = Some([0xB0; 16].into());
    let mut bob = net.add_with(config.clone());
    net.run(millis(2500));
    assert_eq!(net.told(0), ["enter bob"]);
    for life in 0..10 {
        end(&mut net, bob);
        net.run(millis(pause));
        let port = port(&net);
        config.endpoint = format!("tcp://10.0.0.2:{port}").parse().unwrap();
        bob = net.add_with(config.clone());
        net.run(millis(2500));

        let told = net.told(0);
        let case = format!("{pause} ms before life {life}: {told:?}");
        let enters = told
            .iter()
            .filter(|event| event.starts_with("enter"))
            .count();
        let exits = told
            .iter()
            .filter(|event| event.starts_with("exit"))
            .count();
        assert_eq!((enters, exits), (1, 1), "{case}");
        assert!(told.last().unwrap().starts_with("enter"), "{case}");
        assert_eq!(net.told(bob), ["enter alice"], "{case}");
        net.whisper(0, bob, "hello");
        net.whisper(bob, 0, "hello");
        net.settle();
        assert_eq!(net.told(0), ["whisper bob hello"], "{case}");
        assert_eq!(net.told(bob), ["whisper alice hello"], "{case}");
    }
    let before = net.trace.len();
    net.run(secs(60));
    assert_eq!(net.told(0), Vec::<String>::new());
    assert_eq!(net.told(bob), Vec::<String>::new());
    let outputs = net.trace.len() - before;
    assert!(outputs < 200, "{outputs} outputs in a quiet minute");
}
