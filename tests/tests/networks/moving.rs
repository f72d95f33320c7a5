//! Networks that come, change and go while a node runs.

use std::time::Duration;

use serde_json::{Value, json};
use zre_tests::{Host, Networks, Peer, PeerOptions, any_node::Flavour};

use crate::scene::{Clock, Others, all_meet, in_all_cases, meet, on_each_adapter, server, talk};

const SECOND: Duration = Duration::from_secs(1);

/// How a node may be without a network when it starts.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// There is an interface without an address.
    NoAddress,
    /// There is no interface at all.
    NoInterface,
    /// It is to be on an interface that has no address.
    Named,
    /// It has been on another network, which is gone.
    Elsewhere,
}

#[test]
fn a_node_that_starts_before_its_network_is_met_when_it_comes() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let others = Others::start(&server(&networks, "office"), flavour, 30 * SECOND);
        let starts = [
            Start::NoAddress,
            Start::NoInterface,
            Start::Named,
            Start::Elsewhere,
        ];
        for (number, start) in starts.into_iter().enumerate() {
            let laptop = networks.host();
            let ours = start_before_the_network(&laptop, flavour, start);
            let clock = Clock::start(format!("{flavour}: started before its network ({start:?})"));
            if matches!(start, Start::NoInterface) {
                laptop.add_interface("eth0", "office");
            }
            // Not the same each time: a system that has just learned the hardware address of
            // another keeps it for a second.
            laptop.add_address("eth0", &format!("10.90.0.{}/24", 10 + number));
            for other in others.all() {
                meet(&ours, other);
                clock.stop(&format!("met {}", other.name()), 2 * SECOND);
            }
            ours.stop();
            others.see_go(&ours);
        }
    });
}

fn start_before_the_network(laptop: &Host, flavour: Flavour, start: Start) -> Peer {
    let options = PeerOptions::new("laptop");
    if !matches!(start, Start::NoInterface) {
        laptop.add_interface("eth0", "office");
    }
    let options = match start {
        Start::Named => options.interface("eth0"),
        _ => options,
    };
    if matches!(start, Start::Elsewhere) {
        laptop.add_address("eth0", "10.77.0.1/24");
    }
    let ours = Peer::ours(laptop, flavour, &options);
    if matches!(start, Start::Elsewhere) {
        laptop.remove_address("eth0", "10.77.0.1/24");
    }
    ours
}

#[test]
fn a_node_whose_address_changes_is_found_again() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let others = Others::start(&server(&networks, "office"), flavour, 5 * SECOND);
        let laptop = networks.host_on("office", "10.90.0.1/24");
        let ours = Peer::ours(&laptop, flavour, &PeerOptions::new("laptop"));
        others.meet(&ours);
        let clock = Clock::start(format!("{flavour}: address changed"));
        laptop.change_address("eth0", "10.90.0.1/24", "10.90.0.11/24");
        others.talk(&ours, &clock);
        // Between the two it may have been on loopback.
        let is_change = |line: &Value| line["event"] == "NETWORK";
        let change = ours.wait_for(SECOND, is_change);
        assert_eq!(change["left"][0]["address"], "10.90.0.1");
        let change = match change["joined"][0]["address"] == "127.0.0.1" {
            true => ours.wait_for(SECOND, is_change),
            false => change,
        };
        assert_eq!(change["joined"][0]["address"], "10.90.0.11");
        assert_eq!(change["networks"], change["joined"]);
    });
}

#[test]
fn a_zyre_whose_address_changes_is_found_again_as_soon_as_it_announces_itself() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let desk = networks.host_on("office", "10.90.0.2/24");
        let ours = Peer::ours(&desk, flavour, &PeerOptions::new("desk"));
        let laptop = networks.host_on("office", "10.90.0.1/24");
        let zyre = Peer::zyre(&laptop, &PeerOptions::new("zyre"));
        meet(&ours, &zyre);
        // zyre itself never learns of it: it has to be started again.
        laptop.change_address("eth0", "10.90.0.1/24", "10.90.0.11/24");
        zyre.kill9();
        let clock = Clock::start(format!("{flavour}: zyre started again at another address"));
        let zyre = Peer::zyre(&laptop, &PeerOptions::new("zyre"));
        meet(&ours, &zyre);
        clock.stop("met", 3 * SECOND);
    });
}

/// How an interface dies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Death {
    /// It is switched off.
    Off,
    /// Its cable is pulled, and the system takes address and routes away.
    Unplugged,
    /// It is removed from the machine.
    Removed,
}

impl Death {
    pub(crate) fn befall(self, host: &Host, interface: &str) {
        match self {
            Self::Off => {
                host.switch_off(interface);
                host.ip(&format!("addr flush dev {interface}"));
            }
            Self::Unplugged => {
                host.unplug(interface);
                host.ip(&format!("addr flush dev {interface}"));
            }
            Self::Removed => host.remove_interface(interface),
        }
    }
}

/// Hosts that are on a cable and in the air, with the default route on the cable.
pub(crate) fn roaming_host(networks: &Networks, number: usize) -> Host {
    let host = networks.host();
    for (interface, lan, subnet, metric) in [("eth0", "cable", 1, 100), ("wlan0", "air", 2, 600)] {
        host.add_interface(interface, lan);
        host.add_address(interface, &format!("10.{subnet}.0.{number}/24"));
        host.ip(&format!(
            "route add default dev {interface} metric {metric}"
        ));
    }
    host
}

#[test]
fn when_the_cable_dies_all_meet_again_in_the_air() {
    let cases: Vec<_> = [
        (Flavour::TokioMulti, Death::Off),
        (Flavour::Smol, Death::Unplugged),
        (Flavour::Blocking, Death::Removed),
        (Flavour::TokioCurrent, Death::Removed),
    ]
    .into_iter()
    .flat_map(|(flavour, death)| ["default", "all"].map(|chosen| (flavour, death, chosen)))
    .collect();
    in_all_cases(&cases, |rig, (flavour, death, chosen)| {
        let networks = rig.networks();
        let hosts = [1, 2, 3].map(|number| roaming_host(&networks, number));
        let peers = [0, 1, 2].map(|index| {
            let options = PeerOptions::new(&format!("ours{index}"));
            let options = match *chosen {
                "all" => options.interface("all"),
                _ => options,
            };
            Peer::ours(&hosts[index], *flavour, &options)
        });
        let [one, two, three] = &peers;
        all_meet(&[one, two, three]);
        let clock = Clock::start(format!(
            "{flavour}, {chosen} interfaces: eth0 dies ({death:?})"
        ));
        for host in &hosts {
            death.befall(host, "eth0");
        }
        for (here, there) in [(one, two), (one, three), (two, three)] {
            talk(here, there, 3 * SECOND);
        }
        clock.stop("all talked", 3 * SECOND);
    });
}

#[test]
fn a_laptop_goes_from_the_cable_to_the_air_and_back_on_one_subnet() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let others = Others::start(&server(&networks, "office"), flavour, 5 * SECOND);
        let laptop = networks.host_on("office", "10.90.0.1/24");
        laptop.add_interface("wlan0", "office");
        let ours = Peer::ours(&laptop, flavour, &PeerOptions::new("laptop"));
        others.meet(&ours);
        let moves = [
            ("eth0", "wlan0", "10.90.0.51/24"),
            ("wlan0", "eth0", "10.90.0.1/24"),
        ];
        for (from, to, address) in moves {
            let clock = Clock::start(format!("{flavour}: from {from} to {to}"));
            laptop.switch_off(from);
            laptop.ip(&format!("addr flush dev {from}"));
            laptop.switch_on(to);
            laptop.add_address(to, address);
            laptop.ip(&format!("route add default dev {to}"));
            others.talk(&ours, &clock);
        }
    });
}

#[test]
fn an_interface_that_is_removed_and_made_anew_is_used_again() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let others = Others::start(&server(&networks, "office"), flavour, 5 * SECOND);
        let laptop = networks.host_on("office", "10.90.0.1/24");
        let options = PeerOptions::new("laptop").interface("eth0");
        let ours = Peer::ours(&laptop, flavour, &options);
        others.meet(&ours);
        laptop.remove_interface("eth0");
        ours.wait_event("EXIT", others.ours.uuid());
        let clock = Clock::start(format!("{flavour}: interface made anew"));
        laptop.add_interface("eth0", "office");
        laptop.add_address("eth0", "10.90.0.1/24");
        others.talk(&ours, &clock);
    });
}

#[test]
fn a_laptop_that_sleeps_and_wakes_up_elsewhere_is_found_there() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let options = PeerOptions::new("ours").expired(3 * SECOND).evasive(SECOND);
        let home = networks.host_on("home", "10.91.0.2/24");
        let at_home = Peer::ours(&home, flavour, &options);
        let desk = server(&networks, "office");
        let at_work = Peer::ours(&desk, flavour, &options);
        let laptop = networks.host_on("office", "10.90.0.1/24");
        let ours = Peer::ours(&laptop, flavour, &PeerOptions::new("laptop"));
        meet(&ours, &at_work);
        ours.freeze();
        at_work.wait_event("EXIT", ours.uuid());
        laptop.remove_interface("eth0");
        laptop.add_interface("wlan0", "home");
        laptop.add_address("wlan0", "10.91.0.1/24");
        let clock = Clock::start(format!("{flavour}: woken up elsewhere"));
        ours.thaw();
        meet(&ours, &at_home);
        clock.stop("met", 2 * SECOND);
        ours.wait_event("EXIT", at_work.uuid());
    });
}

#[test]
fn a_node_without_a_network_warns_once_and_is_told_of_each_change() {
    on_each_adapter(|rig, flavour| {
        let networks = rig.networks();
        let laptop = networks.host_on("office", "10.90.0.1/24");
        let options = PeerOptions::new("laptop").interface("eth0");
        let ours = Peer::ours(&laptop, flavour, &options);
        laptop.remove_address("eth0", "10.90.0.1/24");
        let change = ours.wait_event("NETWORK", "");
        assert_eq!(change["networks"], json!([]));
        assert_eq!(change["left"][0]["interface"], "eth0");
        assert_eq!(ours.try_wait_for(4 * SECOND, |_| true), None);
        let warnings = ours.complaints();
        assert!(warnings.len() <= 1, "{flavour}: {warnings:#?}");
        laptop.add_address("eth0", "10.90.0.1/24");
        let change = ours.wait_event("NETWORK", "");
        assert_eq!(change["joined"][0]["address"], "10.90.0.1");
        assert_eq!(change["left"], json!([]));
        let endpoint = change["networks"][0]["endpoint"]
            .as_str()
            .unwrap_or_default();
        assert!(endpoint.starts_with("tcp://10.90.0.1:"), "{endpoint}");
        let warnings = ours.complaints();
        assert!(warnings.len() <= 2, "{flavour}: {warnings:#?}");
    });
}
