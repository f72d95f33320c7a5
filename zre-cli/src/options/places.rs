//! On which networks a node is, and how it announces itself there.

use std::{env, fmt::Display, net::IpAddr};

use clap::Args;
use zre_tokio::{
    Beacons, InterfaceChoice, Interfaces, IpVersion,
    zre_core::interfaces::{self, Choice, Interface},
};

use super::variable;
use crate::{failure::Failure, text::quoted, values};

/// On which networks a node is, and how it announces itself there.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct Places {
    /// A network interface by name, by one of its addresses, or by a subnet such as 10.0.0.0/8; or
    /// `all` that can carry beacons. Can be repeated, or take several with commas between them
    /// [default: that with the default route] [env: ZRE_INTERFACE, else ZSYS_INTERFACE]
    #[arg(long, short, value_name = "INTERFACE", value_delimiter = ',')]
    interface: Vec<String>,

    /// Use IPv4 alone [default: both, where an interface has both]
    #[arg(long)]
    ipv4: bool,

    /// Use IPv6 alone [env: ZSYS_IPV6=1]
    #[arg(long)]
    ipv6: bool,

    /// Send no beacons and hear none: find peers by --connect or gossip alone
    #[arg(long)]
    no_beacon: bool,

    /// Send beacons to this multicast group in place of broadcasts; all nodes need the same
    /// [env: ZSYS_IPV4_MCAST_ADDRESS, ZSYS_IPV6_MCAST_ADDRESS]
    #[arg(long, value_name = "ADDRESS", value_parser = values::address)]
    multicast: Option<IpAddr>,

    /// Send beacons to this host alone, where broadcasts are filtered. Can be repeated, or take
    /// several with commas between them
    #[arg(
        long, value_name = "ADDRESS",
        value_delimiter = ',', value_parser = values::address
    )]
    beacon_to: Vec<IpAddr>,
}

/// What [`Places`] and the variables say together.
#[derive(Debug)]
pub(crate) struct Placement {
    pub(crate) interfaces: Interfaces,
    pub(crate) ip: IpVersion,
    pub(crate) beacons: Beacons,
    /// What `ip` comes from, if it was set.
    pub(crate) ip_is_set_by: Option<&'static str>,
}

impl Places {
    /// Reads what was set.
    pub(crate) fn read(&self) -> Result<Placement, Failure> {
        let (ip, ip_is_set_by) = self.ip()?;
        let placement = Placement {
            interfaces: self.interfaces()?,
            beacons: self.beacons(ip)?,
            ip,
            ip_is_set_by,
        };
        placement.check()?;
        Ok(placement)
    }

    fn interfaces(&self) -> Result<Interfaces, Failure> {
        if !self.interface.is_empty() {
            let texts = self.interface.iter().map(String::as_str);
            return several(texts).map_err(|error| Failure::Told(format!("--interface {error}")));
        }
        let read = |text: &str| several(text.split(','));
        if let Some(interfaces) = variable("ZRE_INTERFACE", read)? {
            return Ok(interfaces);
        }
        let zyres = |text: &str| match text {
            // To zyre, it means that the choice is left to it.
            "*" => Ok(Interfaces::Default),
            text => several([text]),
        };
        Ok(variable("ZSYS_INTERFACE", zyres)?.unwrap_or_default())
    }

    fn ip(&self) -> Result<(IpVersion, Option<&'static str>), Failure> {
        match (self.ipv4, self.ipv6) {
            (true, true) => Err(Failure::told(
                "--ipv4 and --ipv6 each mean that version alone: leave both out to use both",
            )),
            (true, false) => Ok((IpVersion::V4, Some("--ipv4"))),
            (false, true) => Ok((IpVersion::V6, Some("--ipv6"))),
            // zyre uses IPv6 alone then, and takes every other value for no.
            (false, false) if env::var_os("ZSYS_IPV6").is_some_and(|value| value == "1") => {
                Ok((IpVersion::V6, Some("ZSYS_IPV6=1")))
            }
            (false, false) => Ok((IpVersion::Both, None)),
        }
    }

    fn beacons(&self, ip: IpVersion) -> Result<Beacons, Failure> {
        let ways = [
            ("--no-beacon", self.no_beacon),
            ("--multicast", self.multicast.is_some()),
            ("--beacon-to", !self.beacon_to.is_empty()),
        ];
        let mut set = ways.iter().filter(|(_, is_set)| *is_set);
        if let (Some((one, _)), Some((other, _))) = (set.next(), set.next()) {
            return Err(Failure::Told(format!(
                "{one} and {other} contradict each other: leave one out"
            )));
        }
        Ok(match self.multicast {
            _ if self.no_beacon => Beacons::Off,
            Some(group) => Beacons::Multicast(group_of("--multicast", group)?),
            None if self.beacon_to.is_empty() => zyres_group(ip)?,
            None => Beacons::To(self.beacon_to.clone()),
        })
    }
}

/// Several interfaces, or all.
fn several<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Interfaces, String> {
    let (all, others): (Vec<_>, Vec<_>) = texts.into_iter().partition(|text| *text == "all");
    let choice = |text: &str| {
        let wrong = |expected| format!("{}: {expected}", quoted(text));
        values::interface(text).map_err(wrong)
    };
    let choices = others.into_iter().map(choice);
    let choices: Vec<InterfaceChoice> = choices.collect::<Result<_, _>>()?;
    match (all.is_empty(), choices.first()) {
        (false, Some(other)) => Err(format!("`all` includes {other}: leave one of them out")),
        (false, None) => Ok(Interfaces::All),
        (true, _) => Ok(Interfaces::Chosen(choices)),
    }
}

/// The group that the environment has for zyre. zyre uses one version of IP at a time; with both,
/// IPv4's goes first.
fn zyres_group(ip: IpVersion) -> Result<Beacons, Failure> {
    for (name, is_v6) in [
        ("ZSYS_IPV4_MCAST_ADDRESS", false),
        ("ZSYS_IPV6_MCAST_ADDRESS", true),
    ] {
        let is_used = match ip {
            IpVersion::V4 => !is_v6,
            IpVersion::V6 => is_v6,
            _ => true,
        };
        if is_used && let Some(group) = variable(name, values::address)? {
            return Ok(Beacons::Multicast(group_of(name, group)?));
        }
    }
    Ok(Beacons::Broadcast)
}

fn group_of(name: &str, address: IpAddr) -> Result<IpAddr, Failure> {
    match address.is_multicast() {
        true => Ok(address),
        false => Err(Failure::Told(format!(
            "{name} is {address}, which is no multicast address: those are 224.0.0.0 to \
             239.255.255.255, and all that begin with ff; --beacon-to is for single hosts"
        ))),
    }
}

impl Placement {
    /// What a node would use of the machine's interfaces, and why not the rest.
    pub(crate) fn choose(&self, interfaces: &[Interface]) -> Choice {
        interfaces::choose(interfaces, &self.interfaces, self.ip, &self.beacons, &[])
    }

    /// Refuses an address that is of the version that is not used.
    pub(crate) fn check_version(&self, setting: &str, address: IpAddr) -> Result<(), Failure> {
        self.check_version_of(setting, &address, address)
    }

    /// The same, of a value that has an address.
    pub(crate) fn check_version_of(
        &self,
        setting: &str,
        value: &dyn Display,
        address: IpAddr,
    ) -> Result<(), Failure> {
        let is_other = match self.ip {
            IpVersion::V4 => address.is_ipv6(),
            IpVersion::V6 => address.is_ipv4(),
            _ => false,
        };
        match self.ip_is_set_by.filter(|_| is_other) {
            None => Ok(()),
            Some(set_by) => Err(Failure::Told(format!(
                "{setting} {value} contradicts {set_by}: leave one out, or take an address of \
                 the other version"
            ))),
        }
    }

    fn check(&self) -> Result<(), Failure> {
        if let Interfaces::Chosen(choices) = &self.interfaces {
            for choice in choices {
                match choice {
                    InterfaceChoice::Address(address) | InterfaceChoice::Subnet { address, .. } => {
                        self.check_version("--interface", *address)?;
                    }
                    _ => {}
                }
            }
        }
        match &self.beacons {
            Beacons::Multicast(group) => self.check_version("--multicast", *group),
            Beacons::To(hosts) => hosts.iter().try_for_each(|host| self.check_host(*host)),
            _ => Ok(()),
        }
    }

    fn check_host(&self, host: IpAddr) -> Result<(), Failure> {
        if host.is_multicast() {
            return Err(Failure::Told(format!(
                "--beacon-to {host} is the address of a group: --multicast is for those"
            )));
        }
        if host.is_unspecified() || host == IpAddr::from([255; 4]) {
            return Err(Failure::Told(format!(
                "--beacon-to {host} is not the address of one host: without --beacon-to, beacons \
                 are broadcast"
            )));
        }
        self.check_version("--beacon-to", host)
    }
}
