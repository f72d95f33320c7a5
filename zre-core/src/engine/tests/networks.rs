//! A node whose networks come and go.

use std::{
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use bytes::Bytes;
use zre_proto::{Beacon, GossipMessage};

use crate::{
    Beacons, Config, Engine, Event, Instant, LinkId, MessageLink, NetworkSettings, Notice, Output,
    interfaces::{Interface, InterfaceAddress, InterfaceState, Interfaces, IpVersion, NetworkId},
    seed::Seed,
};

struct Host {
    engine: Engine,
    now: Instant,
}

impl Host {
    fn new(interfaces: Interfaces) -> Self {
        let mut config = Config::new("tcp://127.0.0.1:1".parse().unwrap());
        config.networks = Some(NetworkSettings {
            interfaces,
            ip: IpVersion::V4,
        });
        let now = Instant::default();
        let engine = Engine::new(config, Seed::predictable([1; 32]), now);
        Self { engine, now }
    }

    /// Tells what there is, opens what is asked for, and says what was asked for.
    fn has(&mut self, interfaces: &[Interface]) -> Vec<String> {
        self.engine.handle_interfaces(interfaces, self.now);
        self.carry_out(true)
    }

    fn carry_out(&mut self, can_listen: bool) -> Vec<String> {
        let mut asked = Vec::new();
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Listen { network, address } => {
                    asked.push(format!("listen {address}"));
                    match can_listen {
                        true => {
                            let port = 50_000.try_into().unwrap();
                            self.engine.handle_listening(network, port, self.now);
                        }
                        false => self.engine.handle_not_listening(network, "no", self.now),
                    }
                }
                Output::Leave(network) => asked.push(format!("leave {}", network.as_u32())),
                Output::Datagram { network, datagram } => {
                    asked.push(format!("{} on {}", said(&datagram), network.as_u32()));
                }
                other => asked.push(format!("{other:?}")),
            }
        }
        asked
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now + core::time::Duration::from_millis(millis);
        self.engine.handle_timeout(self.now);
    }

    fn events(&mut self) -> Vec<String> {
        let events = core::iter::from_fn(|| self.engine.poll_event());
        events.map(|event| event.to_string()).collect()
    }
}

fn said(datagram: &Bytes) -> String {
    match Beacon::decode(datagram).unwrap().port {
        Some(port) => format!("beacon {port}"),
        None => "goodbye".into(),
    }
}

fn interface(name: &str, index: u32, address: [u8; 4]) -> Interface {
    let mut interface = Interface::new(name, index);
    interface.addresses = vec![InterfaceAddress::new(core::net::IpAddr::from(address), 24)];
    interface
}

fn lo() -> Interface {
    let mut lo = interface("lo", 1, [127, 0, 0, 1]);
    lo.is_loopback = true;
    lo
}

pub(super) fn eth0() -> Interface {
    let mut eth0 = interface("eth0", 2, [10, 0, 0, 2]);
    eth0.default_route = Some(100);
    eth0
}

fn wlan0() -> Interface {
    let mut wlan0 = interface("wlan0", 3, [10, 1, 0, 2]);
    wlan0.default_route = Some(600);
    wlan0
}

#[test]
fn a_node_that_starts_before_the_network_is_on_loopback_until_there_is_one() {
    let mut host = Host::new(Interfaces::Default);
    assert_eq!(
        host.has(&[lo()]),
        ["listen lo (127.0.0.1)", "beacon 50000 on 0"]
    );
    assert_eq!(host.events(), [""; 0]);
    assert_eq!(
        host.has(&[lo(), eth0()]),
        ["leave 0", "listen eth0 (10.0.0.2)", "beacon 50000 on 1"]
    );
    assert_eq!(
        host.events(),
        [
            "this node is on eth0 (tcp://10.0.0.2:50000); new: eth0 (tcp://10.0.0.2:50000); \
          gone: lo (tcp://127.0.0.1:50000)"
        ]
    );
    assert_eq!(
        host.engine.node().endpoint().to_string(),
        "tcp://10.0.0.2:50000"
    );
}

#[test]
fn nothing_happens_while_nothing_changes() {
    let mut host = Host::new(Interfaces::All);
    host.has(&[lo(), eth0(), wlan0()]);
    assert_eq!(host.has(&[lo(), eth0(), wlan0()]), [""; 0]);
    let mut routed = eth0();
    routed.default_route = Some(700);
    assert_eq!(host.has(&[lo(), routed, wlan0()]), [""; 0]);
    assert_eq!(host.events(), [""; 0]);
    assert_eq!(host.engine.node().networks().count(), 2);
}

#[test]
fn an_address_that_changes_is_left_and_the_new_one_announced_at_once() {
    let mut host = Host::new(Interfaces::Chosen(vec!["eth0".into()]));
    host.has(&[lo(), eth0()]);
    let moved = interface("eth0", 2, [10, 0, 0, 77]);
    assert_eq!(
        host.has(&[lo(), moved]),
        ["leave 0", "listen eth0 (10.0.0.77)", "beacon 50000 on 1"]
    );
}

#[test]
fn without_any_network_nothing_is_announced_and_the_next_is_taken() {
    let mut host = Host::new(Interfaces::Chosen(vec!["eth0".into()]));
    let mut down = eth0();
    down.state = InterfaceState::Down;
    assert_eq!(host.has(&[lo(), down]), [""; 0]);
    host.wait(1000);
    assert_eq!(host.carry_out(true), [""; 0]);
    assert_eq!(host.engine.node().networks().count(), 0);
    let asked = host.has(&[lo(), eth0()]);
    assert_eq!(asked, ["listen eth0 (10.0.0.2)", "beacon 50000 on 0"]);
    assert!(host.events()[0].starts_with("this node is on eth0"));
    assert_eq!(host.has(&[lo()]), ["leave 0"]);
    assert!(host.events()[0].starts_with("this node is on no network; gone: eth0"));
}

#[test]
fn sockets_that_cannot_be_opened_are_tried_again_each_second_and_noted_once() {
    let mut host = Host::new(Interfaces::Default);
    host.engine.handle_interfaces(&[eth0()], host.now);
    assert_eq!(host.carry_out(false), ["listen eth0 (10.0.0.2)"]);
    for _ in 0..3 {
        host.wait(1000);
        assert_eq!(host.carry_out(false), ["listen eth0 (10.0.0.2)"]);
    }
    let notices: Vec<_> = core::iter::from_fn(|| host.engine.poll_notice()).collect();
    assert!(
        matches!(&notices[..], [Notice::NotListening { .. }]),
        "{notices:?}"
    );
    host.wait(1000);
    assert_eq!(
        host.carry_out(true),
        ["listen eth0 (10.0.0.2)", "beacon 50000 on 0"]
    );
    host.wait(5000);
    assert_eq!(host.carry_out(true), ["beacon 50000 on 0"]);
}

#[test]
fn beacons_that_cannot_be_sent_are_told_once_and_so_is_their_return() {
    let mut host = Host::new(Interfaces::Default);
    host.has(&[eth0()]);
    for sent in [Err("unreachable"), Err("unreachable"), Ok(()), Ok(())] {
        host.engine.handle_beacon_sent(NetworkId(0), sent, host.now);
    }
    let events = host.events();
    assert_eq!(
        events,
        [
            "this node is on eth0 (tcp://10.0.0.2:50000, beacons cannot be sent)",
            "this node is on eth0 (tcp://10.0.0.2:50000)"
        ]
    );
    let notices: Vec<_> = core::iter::from_fn(|| host.engine.poll_notice()).collect();
    assert!(
        matches!(&notices[..], [Notice::BeaconNotSent { .. }]),
        "{notices:?}"
    );
}

#[test]
fn beacons_that_fail_every_other_time_are_told_once_in_ten_seconds() {
    let mut host = Host::new(Interfaces::Default);
    host.has(&[eth0()]);
    let send = |host: &mut Host, sent| {
        host.engine.handle_beacon_sent(NetworkId(0), sent, host.now);
        host.wait(1000);
    };
    for _ in 0..30 {
        send(&mut host, Err("unreachable"));
        send(&mut host, Ok(()));
    }
    let told = host.events().len();
    assert!((10..=14).contains(&told), "in a minute: {told}");
    let notices = core::iter::from_fn(|| host.engine.poll_notice()).count();
    assert!((5..=7).contains(&notices), "{notices}");
    // It fails for good.
    for _ in 0..11 {
        send(&mut host, Err("unreachable"));
    }
    let last = host.events().pop().unwrap();
    assert!(last.contains("cannot be sent"), "{last}");
}

#[test]
fn a_node_says_goodbye_on_all_its_networks_and_leaves_none_afterwards() {
    let mut host = Host::new(Interfaces::All);
    host.has(&[eth0(), wlan0()]);
    host.engine.stop_now(host.now);
    let said = host.carry_out(true);
    assert_eq!(said, ["goodbye on 0", "goodbye on 1"]);
    assert_eq!(host.has(&[lo()]), [""; 0]);
    assert!(matches!(host.engine.poll_event(), Some(Event::Stop { .. })));
}

#[test]
fn a_node_without_beacons_is_silent() {
    let mut config = Config::new("tcp://10.0.0.1:1".parse().unwrap());
    config.beacons = Beacons::Off;
    let mut engine = Engine::new(config, Seed::predictable([1; 32]), Instant::default());
    assert_eq!(engine.poll_output(), None);
    engine.stop_now(Instant::default());
    assert_eq!(engine.poll_output(), None);
}

#[test]
fn a_gossip_hub_is_told_the_endpoint_of_the_network_that_it_shares_and_each_change_of_it() {
    let mut config = Config::new("tcp://127.0.0.1:1".parse().unwrap());
    config.networks = Some(NetworkSettings {
        interfaces: Interfaces::All,
        ip: IpVersion::V4,
    });
    config.beacons = Beacons::Off;
    config.gossip_connect = ["tcp://10.1.0.9:9100", "tcp://10.0.0.9:9100"]
        .map(|hub| hub.parse().unwrap())
        .into();
    let now = Instant::default();
    let mut engine = Engine::with_messages(config, Seed::predictable([1; 32]), now);
    let opened = core::iter::from_fn(|| engine.poll_output()).filter_map(|output| match output {
        Output::Open { link, .. } => Some(link),
        _ => None,
    });
    let hubs: Vec<_> = opened.collect();
    let told = |engine: &mut Engine<MessageLink>| {
        let of_hub = |hub: &LinkId| {
            let messages = core::iter::from_fn(|| engine.next_gossip(*hub));
            let tuples = messages.filter_map(|message| match message {
                GossipMessage::Publish { value, .. } => Some(value.to_string()),
                _ => None,
            });
            tuples.collect::<Vec<_>>().join(", ")
        };
        hubs.iter().map(of_hub).collect::<Vec<_>>()
    };
    for hub in &hubs {
        engine.handle_connected(*hub, now);
    }
    assert_eq!(told(&mut engine), ["", ""], "it is nowhere yet");
    let mut has = |interfaces: &[Interface]| {
        engine.handle_interfaces(interfaces, now);
        while let Some(output) = engine.poll_output() {
            if let Output::Listen { network, .. } = output {
                engine.handle_listening(network, 50_000.try_into().unwrap(), now);
            }
        }
        told(&mut engine)
    };
    assert_eq!(has(&[lo()]), ["", ""], "nobody else can mean that");
    assert_eq!(
        has(&[eth0(), wlan0()]),
        ["tcp://10.1.0.2:50000", "tcp://10.0.0.2:50000"]
    );
    let moved = interface("eth0", 2, [10, 0, 0, 7]);
    assert_eq!(has(&[moved, wlan0()]), ["", "tcp://10.0.0.7:50000"]);
}

#[test]
fn nothing_is_told_of_a_goodbye_that_cannot_be_sent() {
    let mut host = Host::new(Interfaces::Default);
    host.has(&[eth0()]);
    host.engine.stop_now(host.now);
    let unreachable = Err("unreachable");
    host.engine
        .handle_beacon_sent(NetworkId(0), unreachable, host.now);
    assert!(matches!(host.engine.poll_event(), Some(Event::Stop { .. })));
    assert_eq!(host.engine.poll_event(), None);
}
