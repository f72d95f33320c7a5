//! Nodes that come again under the same identity.

use alloc::{format, string::String, vec::Vec};

use super::level::{Level, at_both_levels};
use super::network::{Network, millis, secs};

at_both_levels! {
    a_node_that_dies_and_returns_ten_times_at_its_endpoint_enters_once_each_time,
    a_node_that_dies_and_returns_ten_times_at_another_endpoint_enters_once_each_time,
    a_node_whose_machine_restarts_ten_times_at_its_endpoint_enters_once_each_time,
    a_node_whose_machine_restarts_ten_times_at_another_endpoint_enters_once_each_time,
    a_machine_that_restarts_twice_quickly_is_found_in_the_end,
    another_node_at_the_endpoint_of_a_peer_replaces_it,
}

fn a_node_that_dies_and_returns_ten_times_at_its_endpoint_enters_once_each_time<C: Level>() {
    for pause in [0, 1, 50, 700, 3000] {
        enters_once_each_time::<C>(pause, same_port, Network::kill);
    }
}

fn a_node_that_dies_and_returns_ten_times_at_another_endpoint_enters_once_each_time<C: Level>() {
    for pause in [0, 1, 50, 700, 3000] {
        enters_once_each_time::<C>(pause, another_port, Network::kill);
    }
}

fn a_node_whose_machine_restarts_ten_times_at_its_endpoint_enters_once_each_time<C: Level>() {
    for pause in [5000, 8000, 40_000] {
        enters_once_each_time::<C>(pause, same_port, Network::unplug);
    }
}

fn a_node_whose_machine_restarts_ten_times_at_another_endpoint_enters_once_each_time<C: Level>() {
    for pause in [0, 700, 3000, 8000] {
        enters_once_each_time::<C>(pause, another_port, Network::unplug);
    }
}

/// The second life's HELLO looks like an answer to ours; that must not last.
fn a_machine_that_restarts_twice_quickly_is_found_in_the_end<C: Level>() {
    for pause in [0, 700, 1500] {
        let mut net = Network::<C>::new();
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
        assert_eq!(net.told(bob).last().unwrap(), "alice enters", "{pause} ms");
        net.whisper(0, bob, "hello");
        net.whisper(bob, 0, "hello");
        net.settle();
        assert_eq!(net.told(0), ["bob whispers hello"], "{pause} ms");
        assert_eq!(net.told(bob), ["alice whispers hello"], "{pause} ms");
    }
}

fn another_node_at_the_endpoint_of_a_peer_replaces_it<C: Level>() {
    let mut net = Network::<C>::of_two();
    net.unplug(1);
    let mut config = net.config("carol");
    config.endpoint = net.engine(1).node().endpoint().clone();
    net.add_with(config);
    net.run(secs(6));
    let expected = [
        "bob exits: replaced by another node at its endpoint",
        "carol enters",
    ];
    assert_eq!(net.told(0), expected);
    net.run(secs(60));
    assert_eq!(net.told(0), Vec::<String>::new());
}

fn same_port<C: Level>(net: &Network<C>) -> u16 {
    net.hosts[1].address.port()
}

fn another_port<C: Level>(net: &Network<C>) -> u16 {
    49_152 + u16::try_from(net.hosts.len()).unwrap()
}

fn enters_once_each_time<C: Level>(
    pause: u64,
    port: fn(&Network<C>) -> u16,
    end: fn(&mut Network<C>, usize),
) {
    let mut net = Network::<C>::new();
    net.add("alice");
    let mut config = net.config("bob");
    config.id = Some([0xB0; 16].into());
    let mut bob = net.add_with(config.clone());
    net.run(millis(2500));
    assert_eq!(net.told(0), ["bob enters"]);
    for life in 0..10 {
        end(&mut net, bob);
        net.run(millis(pause));
        let port = port(&net);
        config.endpoint = format!("tcp://10.0.0.2:{port}").parse().unwrap();
        bob = net.add_with(config.clone());
        // Of a machine that is gone nobody is told, so alice asks bob before she believes it.
        net.run(millis(12_000));

        let told = net.told(0);
        let case = format!("{pause} ms before life {life}: {told:?}");
        let enters = told
            .iter()
            .filter(|event| event.ends_with(" enters"))
            .count();
        let exits = told
            .iter()
            .filter(|event| event.contains(" exits: "))
            .count();
        assert_eq!((enters, exits), (1, 1), "{case}");
        assert!(told.last().unwrap().ends_with(" enters"), "{case}");
        assert_eq!(net.told(bob), ["alice enters"], "{case}");
        net.whisper(0, bob, "hello");
        net.whisper(bob, 0, "hello");
        net.settle();
        assert_eq!(net.told(0), ["bob whispers hello"], "{case}");
        assert_eq!(net.told(bob), ["alice whispers hello"], "{case}");
    }
    let before = net.trace.len();
    net.run(secs(60));
    assert_eq!(net.told(0), Vec::<String>::new());
    assert_eq!(net.told(bob), Vec::<String>::new());
    let outputs = net.trace.len() - before;
    assert!(outputs < 200, "{outputs} outputs in a quiet minute");
}
