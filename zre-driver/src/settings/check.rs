//! What contradicts itself, found before anything is opened.

use std::net::{IpAddr, Ipv4Addr};

use zre_core::{
    Beacons,
    interfaces::{InterfaceChoice, Interfaces, IpVersion},
    proto::{Endpoint, Host},
};

use super::{BindHost, Settings, StartError};

impl Settings {
    pub(super) fn check(&self) -> Result<(), StartError> {
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone().into());
        }
        self.check_names()?;
        self.check_beacons()?;
        self.check_versions()?;
        self.check_security()?;
        self.check_reconnect()
    }

    fn check_names(&self) -> Result<(), StartError> {
        if self
            .name
            .as_ref()
            .is_some_and(|name| name.as_bytes().is_empty())
        {
            return Err(StartError::Empty {
                what: "node name",
                remedy: "give it one, or leave the name to the node with Builder::unnamed",
            });
        }
        if self.groups.iter().any(|group| group.is_empty()) {
            return Err(StartError::Empty {
                what: "name of a group",
                remedy: "leave it out, or give it a name",
            });
        }
        if matches!(&self.interfaces, Interfaces::Chosen(choices) if choices.is_empty()) {
            return Err(StartError::Empty {
                what: "list of interfaces",
                remedy: "name one, or leave the choice to the node",
            });
        }
        Ok(())
    }

    fn check_beacons(&self) -> Result<(), StartError> {
        let finds_otherwise = self.gossip_bind.is_some()
            || !(self.connect.is_empty() && self.gossip_connect.is_empty());
        match &self.beacons {
            Beacons::Off if !finds_otherwise => Err(StartError::NoDiscovery),
            Beacons::Multicast(address) if !address.is_multicast() => {
                Err(StartError::NotMulticast(*address))
            }
            Beacons::To(addresses) if addresses.is_empty() => Err(StartError::Empty {
                what: "list of addresses for beacons",
                remedy: "name the hosts that are to hear them, or switch beacons off",
            }),
            Beacons::To(addresses) => match addresses.iter().find(|it| !is_one_host(**it)) {
                Some(address) => Err(StartError::NotOneHost(*address)),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Only what was set as an address: the versions that names have show later.
    fn check_versions(&self) -> Result<(), StartError> {
        let (used, is_v6) = match self.ip {
            IpVersion::V4 => ("IPv4", false),
            IpVersion::V6 => ("IPv6", true),
            _ => return Ok(()),
        };
        let addresses = self.chosen_addresses().chain(self.other_addresses());
        let mut others = addresses.filter(|(_, address)| address.is_ipv6() != is_v6);
        match others.next() {
            Some((setting, address)) => Err(StartError::IpVersion {
                setting,
                address,
                used,
            }),
            None => Ok(()),
        }
    }

    fn chosen_addresses(&self) -> impl Iterator<Item = (&'static str, IpAddr)> {
        let choices: &[_] = match &self.interfaces {
            Interfaces::Chosen(choices) => choices,
            _ => &[],
        };
        choices.iter().filter_map(|choice| match choice {
            InterfaceChoice::Address(address) => Some(("the interface", *address)),
            InterfaceChoice::Subnet { address, .. } => Some(("the subnet", *address)),
            _ => None,
        })
    }

    fn other_addresses(&self) -> impl Iterator<Item = (&'static str, IpAddr)> {
        let connect = self
            .connect
            .iter()
            .filter_map(|it| address_of(&it.endpoint));
        let gossip = self.gossip_connect.iter();
        let gossip = gossip.filter_map(|it| address_of(&it.endpoint));
        let group = match self.beacons {
            Beacons::Multicast(address) => Some(("the multicast address", address)),
            _ => None,
        };
        let bind = self.gossip_bind.as_ref().and_then(|it| match &it.host {
            BindHost::Address(address) => Some(("gossip_bind", *address)),
            _ => None,
        });
        let connect = connect.map(|address| ("connect", address));
        let gossip = gossip.map(|address| ("gossip_connect", address));
        group.into_iter().chain(bind).chain(connect).chain(gossip)
    }

    /// Only what was set: a default that crosses it is not the user's mistake.
    fn check_reconnect(&self) -> Result<(), StartError> {
        match (self.reconnect_min, self.reconnect_max) {
            (Some(min), Some(max)) if min > max => Err(StartError::ReconnectTimes { min, max }),
            _ => Ok(()),
        }
    }
}

fn is_one_host(address: IpAddr) -> bool {
    let is_everybody = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(address.is_unspecified() || address.is_multicast() || is_everybody)
}

fn address_of(endpoint: &Endpoint) -> Option<IpAddr> {
    match endpoint.host() {
        Host::V4(address) => Some((*address).into()),
        Host::V6 { address, .. } => Some(IpAddr::from(*address).to_canonical()),
        _ => None,
    }
}
