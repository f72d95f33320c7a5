//! A node whose networks come and go.

use zre_core::{
    Event,
    interfaces::{Interface, InterfaceAddress},
};

use super::net::Net;

fn lo() -> Interface {
    let mut lo = Interface::new("lo", 1);
    lo.is_loopback = true;
    lo.addresses = vec![InterfaceAddress::new([127, 0, 0, 1], 8)];
    lo
}

#[test]
fn a_node_that_leaves_its_network_ends_the_connections_there_and_comes_back_to_its_port() {
    let mut net = Net::of::<2>(|_| {});
    let [alice, bob] = net.hubs();
    let endpoint = alice.read(|node| node.endpoint().clone());
    assert_eq!(alice.stats().connections, 2);
    let driver = net.nodes::<2>()[0].driver.as_ref().unwrap();
    driver.interfaces(vec![Interface::new("eth0", 9)]);
    net.run_until(|_| bob.stats().connections == 0);
    assert_eq!(alice.stats().connections, 0);
    assert_eq!(alice.network().networks, []);
    assert_eq!(alice.network().missing, ["127.0.0.1".into()]);
    let is_left = |event: &Event| {
        matches!(event, Event::Network { networks, left, .. }
            if networks.is_empty() && left[0].endpoint == endpoint)
    };
    assert!(std::iter::from_fn(|| alice.try_recv()).any(|event| is_left(&event)));
    let driver = net.nodes::<2>()[0].driver.as_ref().unwrap();
    driver.interfaces(vec![lo()]);
    assert_eq!(alice.read(|node| node.endpoint().clone()), endpoint);
    assert!(matches!(alice.try_recv(), Some(Event::Network { .. })));
    // The same once more is no change.
    driver.interfaces(vec![lo()]);
    assert_eq!(alice.try_recv(), None);
}
