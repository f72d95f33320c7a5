//! What a node starts with.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use zre_core::{
    Config, NetworkSettings, Security, Seed,
    interfaces::{Choice, Interface, InterfaceChoice, Interfaces, PassedOver, WhyNot, choose},
    proto::{DISCOVERY_PORT, Endpoint, ShortText},
    rand_core::{OsRng, TryRngCore as _},
};
use zre_net::{descriptor_limit, keys::TrustDir, socket::ListenPort};

use super::{Settings, StartError};
use crate::{descriptors, hub::SocketSettings};

/// What a node starts with, checked.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) config: Config,
    pub(crate) seed: Seed,
    pub(crate) sockets: SocketSettings,
    /// The certificates that are to be watched.
    pub(crate) trust: Vec<TrustDir>,
    /// What the user ought to read about keys.
    pub(crate) advice: Vec<String>,
}

impl Settings {
    /// Checks the settings.
    pub(crate) fn prepare(&self) -> Result<Prepared, StartError> {
        self.check()?;
        let seed = match self.seed {
            Some(seed) => Seed::predictable(seed),
            None => random_seed()?,
        };
        let (security, trust, advice) = match self.prepare_security()? {
            Some(it) => (Some(it.security), it.trust, it.advice),
            None => (None, Vec::new(), Vec::new()),
        };
        Ok(Prepared {
            config: self.config(security)?,
            sockets: SocketSettings {
                port: self.port.unwrap_or(DISCOVERY_PORT),
                listen: self.listen_port()?,
                beacons: self.beacons.clone(),
            },
            seed,
            trust,
            advice,
        })
    }

    /// Nodes that start together begin to look for a free port at different places.
    fn listen_port(&self) -> Result<ListenPort, StartError> {
        Ok(match (self.tcp_port, self.seed) {
            (Some(port), _) => ListenPort::Fixed(port),
            (None, Some([high, low, ..])) => ListenPort::Free {
                start: u16::from_be_bytes([high, low]),
            },
            // Not from the seed, which nobody may learn anything of.
            (None, None) => {
                let start = OsRng.try_next_u32().map_err(io::Error::other)?;
                let [high, low, ..] = start.to_be_bytes();
                let start = u16::from_be_bytes([high, low]);
                ListenPort::Free { start }
            }
        })
    }

    pub(super) fn config(&self, security: Option<Security>) -> Result<Config, StartError> {
        let mut config = Config::new(self.makeshift_endpoint()?);
        config.networks = Some(NetworkSettings {
            interfaces: self.interfaces.clone(),
            ip: self.ip,
        });
        config.advertise.clone_from(&self.advertise);
        config.beacons = self.beacons.clone();
        config.connect.clone_from(&self.connect);
        config.is_gossip_hub = self.gossip_bind.is_some();
        config.gossip_connect.clone_from(&self.gossip_connect);
        config.security = security;
        config.id = self.id;
        let name = self.name.clone().map(ShortText::try_from).transpose();
        config.name = name.map_err(|error| error.named("node name"))?;
        config.limits = descriptors::fit(self.limits, descriptor_limit());
        config.slow_members = self.slow_members;
        for (name, value) in &self.headers {
            config.headers.set(name.clone(), value.clone())?;
        }
        config.groups.extend(self.groups.iter().cloned());
        config.contest.extend(self.contest.iter().cloned());
        config.voters = self.voters;
        self.set_times(&mut config);
        config.validate()?;
        Ok(config)
    }

    fn set_times(&self, config: &mut Config) {
        for (setting, value) in [
            (&mut config.beacon_interval, self.beacon_interval),
            (&mut config.evasive_after, self.evasive_after),
            (&mut config.expired_after, self.expired_after),
            (&mut config.handshake_timeout, self.handshake_timeout),
            (&mut config.reconnect_min, self.reconnect_min),
            (&mut config.reconnect_max, self.reconnect_max),
            (&mut config.linger, self.linger),
        ] {
            *setting = value.unwrap_or(*setting);
        }
        if self.evasive_after.is_none() {
            // A short `expired_after` alone leaves half of it for the answer; 10 ms is the least
            // that a node works with.
            let half = (config.expired_after / 2).max(Duration::from_millis(10));
            config.evasive_after = config.evasive_after.min(half);
        }
    }

    /// What counts while the node is on no network: nobody but itself can reach it.
    fn makeshift_endpoint(&self) -> Result<Endpoint, StartError> {
        if let Some(endpoint) = &self.advertise {
            return Ok(endpoint.clone());
        }
        let port = self.tcp_port.filter(|port| *port != 0).unwrap_or(1);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Endpoint::from_socket_addr(address)
            .ok_or_else(|| io::Error::other("loopback is no endpoint").into())
    }

    /// Compares what was asked for with what there is. Gives what the user ought to read.
    ///
    /// # Errors
    ///
    /// When an interface or an address was asked for that is not there.
    pub(crate) fn advise(&self, interfaces: &[Interface]) -> Result<Vec<String>, StartError> {
        let choice = self.choose(interfaces, &self.interfaces);
        let is_error = |it: &&InterfaceChoice| !matches!(it, InterfaceChoice::Subnet { .. });
        if let Some(asked) = choice.missing.iter().find(is_error) {
            return Err(StartError::NoInterface {
                asked: asked.clone(),
                there: there(interfaces),
            });
        }
        Ok(match &self.interfaces {
            Interfaces::Chosen(choices) => {
                let unusable = choices
                    .iter()
                    .filter_map(|it| self.wait_for(interfaces, it));
                unusable.collect()
            }
            Interfaces::Default => advise_on_default(interfaces, &choice).into_iter().collect(),
            _ if choice.used.is_empty() => vec![format!(
                "no network interface can be used, so the node waits for one ({})",
                reasons(&choice)
            )],
            _ => Vec::new(),
        })
    }

    fn choose(&self, interfaces: &[Interface], wanted: &Interfaces) -> Choice {
        choose(interfaces, wanted, self.ip, &self.beacons, &[])
    }

    /// Why one of the interfaces that were asked for cannot be used yet.
    fn wait_for(&self, interfaces: &[Interface], asked: &InterfaceChoice) -> Option<String> {
        let choice = self.choose(interfaces, &Interfaces::Chosen(vec![asked.clone()]));
        if !choice.used.is_empty() {
            return None;
        }
        let is_meant = |it: &&PassedOver| match it.address {
            Some(_) => it.why != WhyNot::NotAskedFor,
            None => asked.to_string() == it.interface,
        };
        let why = choice.passed_over.iter().filter(is_meant);
        let why: Vec<_> = why.map(ToString::to_string).collect();
        Some(match why.is_empty() {
            true => format!("there is no address to use in {asked}: the node waits for one"),
            false => format!("{}: the node waits until it can be used", why.join(", ")),
        })
    }
}

/// The choice was the node's, and the user may want another.
fn advise_on_default(interfaces: &[Interface], choice: &Choice) -> Option<String> {
    let Some(chosen) = choice.used.first() else {
        return Some(format!(
            "no network interface can be used, not even loopback, so the node waits for one ({})",
            reasons(choice)
        ));
    };
    if chosen.is_loopback {
        return Some(format!(
            "no network interface can be used, so the node is on loopback, where only nodes on \
             this machine can be found ({})",
            reasons(choice)
        ));
    }
    let routed = interfaces.iter().filter(|it| it.default_route.is_some());
    let routed = routed.min_by_key(|it| it.default_route)?;
    let mut others = choice.passed_over.iter();
    // A virtual private network often has the default route, and carries no beacons.
    let other = others.find(|it| it.interface == routed.name && it.why != WhyNot::NotAskedFor)?;
    (routed.name != chosen.interface).then(|| {
        format!(
            "the node is on {chosen} and not on the interface with the default route, as {other}: \
             set the interface if another network is meant"
        )
    })
}

/// Why interfaces were passed over.
fn reasons(choice: &Choice) -> String {
    let others = choice.passed_over.iter();
    let others = others.filter(|it| it.why != WhyNot::Loopback && it.why != WhyNot::NotAskedFor);
    let reasons: Vec<_> = others.map(ToString::to_string).collect();
    match reasons.is_empty() {
        true => "there is none besides loopback".to_owned(),
        false => reasons.join("; "),
    }
}

fn random_seed() -> Result<Seed, StartError> {
    Ok(Seed::random(&mut OsRng).map_err(io::Error::other)?)
}

/// What there is, for an error message.
pub(crate) fn there(interfaces: &[Interface]) -> String {
    match interfaces.is_empty() {
        true => "none".to_owned(),
        false => {
            let each = interfaces.iter().map(ToString::to_string);
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use zre_core::interfaces::{InterfaceAddress, InterfaceState, IpVersion};

    use super::*;

    fn interface(name: &str, index: u32, address: Option<[u8; 4]>) -> Interface {
        let mut interface = Interface::new(name, index);
        let address = address.map(|address| InterfaceAddress::new(IpAddr::from(address), 24));
        interface.addresses = address.into_iter().collect();
        interface.is_loopback = name == "lo";
        interface
    }

    fn lo() -> Interface {
        interface("lo", 1, Some([127, 0, 0, 1]))
    }

    fn eth0() -> Interface {
        interface("eth0", 2, Some([10, 0, 0, 2]))
    }

    fn advice(asked: &[&str], interfaces: &[Interface]) -> Result<Vec<String>, String> {
        let mut settings = Settings::default();
        asked.iter().for_each(|asked| settings.interface(*asked));
        let advice = settings.advise(interfaces);
        advice.map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_there_is_an_error_that_lists_what_is() {
        let there = "there are: lo (127.0.0.1), eth0 (10.0.0.2)";
        for (asked, shown) in [
            ("nope", "interface \"nope\""),
            ("10.0.0.3", "interface with the address 10.0.0.3"),
        ] {
            let error = advice(&["eth0", asked], &[lo(), eth0()]).expect_err("it is not there");
            assert_eq!(error, format!("no {shown}; {there}"));
        }
        assert_eq!(advice(&["eth0", "10.0.0.2"], &[lo(), eth0()]), Ok(vec![]));
    }

    #[test]
    fn what_cannot_be_used_yet_is_waited_for_with_one_warning() {
        let mut down = eth0();
        down.state = InterfaceState::Down;
        assert_eq!(
            advice(&["eth0"], &[lo(), down]),
            Ok(vec![
                "eth0 (10.0.0.2) is down: the node waits until it can be used".into()
            ])
        );
        let waiting = advice(&["eth0", "lo"], &[lo(), interface("eth0", 2, None)]);
        assert_eq!(
            waiting,
            Ok(vec![
                "eth0 has no address: the node waits until it can be used".into()
            ])
        );
        assert_eq!(
            advice(&["10.1.0.0/16"], &[lo(), eth0()]),
            Ok(vec![
                "there is no address to use in 10.1.0.0/16: the node waits for one".into()
            ])
        );
        let settings = Settings {
            interfaces: Interfaces::All,
            ..Settings::default()
        };
        let told = settings.advise(&[lo()]).expect("it waits");
        assert!(told[0].contains("waits for one"), "{told:?}");
    }

    #[test]
    fn a_version_of_ip_that_an_interface_lacks_is_waited_for() {
        let mut settings = Settings {
            ip: IpVersion::V6,
            ..Settings::default()
        };
        settings.interface("eth0");
        let told = settings.advise(&[lo(), eth0()]).expect("it waits");
        assert_eq!(
            told,
            ["there is no address to use in eth0: the node waits for one"]
        );
    }

    #[test]
    fn a_choice_that_may_not_be_meant_is_told_with_the_reasons() {
        let mut down = eth0();
        down.state = InterfaceState::Down;
        let told = advice(&[], &[lo(), down, interface("wlan0", 3, None)]);
        let told = told.expect("it starts").join("");
        assert!(told.contains("the node is on loopback"), "{told}");
        assert!(
            told.ends_with("(eth0 (10.0.0.2) is down; wlan0 has no address)"),
            "{told}"
        );
        let alone = advice(&[], &[lo()]).expect("it starts").join("");
        assert!(alone.ends_with("(there is none besides loopback)"));

        let mut tunnel = interface("tun0", 4, Some([10, 8, 0, 2]));
        tunnel.addresses[0].broadcast = None;
        tunnel.default_route = Some(50);
        let told = advice(&[], &[lo(), eth0(), tunnel]).expect("it starts");
        assert_eq!(
            told,
            [
                "the node is on eth0 (10.0.0.2) and not on the interface with the default route, \
                 as tun0 (10.8.0.2) cannot broadcast: set the interface if another network is meant"
            ]
        );
        let mut routed = eth0();
        routed.default_route = Some(100);
        let docker0 = interface("docker0", 5, Some([172, 17, 0, 1]));
        assert_eq!(advice(&[], &[lo(), docker0, routed]), Ok(vec![]));
    }
}
