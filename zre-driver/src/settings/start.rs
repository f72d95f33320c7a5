//! What a node starts with.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use zre_core::{
    Config, NetworkSettings,
    interfaces::{Choice, Interface, InterfaceChoice, Interfaces, PassedOver, WhyNot, choose},
    proto::{DISCOVERY_PORT, Endpoint, ShortText},
};
use zre_net::{descriptor_limit, socket::ListenPort};

use super::{Settings, StartError};
use crate::{descriptors, hub::SocketSettings};

/// What a node starts with, checked.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) config: Config,
    pub(crate) seed: [u8; 32],
    pub(crate) sockets: SocketSettings,
}

impl Settings {
    /// Checks the settings.
    pub(crate) fn prepare(&self) -> Result<Prepared, StartError> {
        self.check()?;
        let seed = match self.seed {
            Some(seed) => seed,
            None => random_seed()?,
        };
        Ok(Prepared {
            config: self.config()?,
            sockets: SocketSettings {
                port: self.port.unwrap_or(DISCOVERY_PORT),
                listen: self.listen_port(seed),
                beacons: self.beacons.clone(),
            },
            seed,
        })
    }

    /// Nodes that start together begin to look for a free port at different places.
    fn listen_port(&self, [a, b, ..]: [u8; 32]) -> ListenPort {
        match self.tcp_port {
            Some(port) => ListenPort::Fixed(port),
            None => ListenPort::Free {
                start: u16::from_be_bytes([a, b]),
            },
        }
    }

    pub(super) fn config(&self) -> Result<Config, StartError> {
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
        config.id = self.id;
        let name = self.name.clone().map(ShortText::try_from).transpose();
        config.name = name.map_err(|error| error.named("node name"))?;
        config.limits = descriptors::fit(self.limits, descriptor_limit());
        config.slow_members = self.slow_members;
        for (name, value) in &self.headers {
            config.headers.set(name.clone(), value.clone())?;
        }
        config.groups.extend(self.groups.iter().cloned());
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
            "the node is on {chosen}, but the default route is by {}, and {other}: set the \
             interface if another network is meant",
            routed.name
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

fn random_seed() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::from)?;
    Ok(seed)
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
