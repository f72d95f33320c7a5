//! Where a node accepts connections, and how it finds its peers.

use std::net::IpAddr;

use clap::Args;
use zre_tokio::{BindEndpoint, BindHost, Builder, DISCOVERY_PORT, Endpoint, Host, KeyedEndpoint};

use super::{Placement, Places, variable};
use crate::{failure::Failure, values};

/// On which networks a node is, where it accepts connections, and how it finds its peers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct Networks {
    #[command(flatten)]
    places: Places,

    /// The UDP port of beacons; all nodes need the same [default: 5670] [env: ZRE_PORT]
    #[arg(
        long, short, value_name = "PORT",
        allow_negative_numbers = true, value_parser = values::port
    )]
    port: Option<u16>,

    /// The TCP port on which the node listens; 0 lets the system choose [default: a free one from
    /// 49152 to 65535]
    #[arg(
        long, value_name = "PORT",
        allow_negative_numbers = true, value_parser = values::port_or_any
    )]
    tcp_port: Option<u16>,

    /// Where peers shall connect to, such as tcp://203.0.113.7:5000, if that is not where the node
    /// listens: behind a port mapping
    #[arg(long, value_name = "ENDPOINT", value_parser = values::endpoint)]
    advertise: Option<Endpoint>,

    /// A peer that is sought at its endpoint, with or without beacons, for as long as the node
    /// runs. With --key, its public key follows: 'ENDPOINT|KEY'. Can be repeated, or take several
    /// with commas between them [env: ZRE_CONNECT]
    #[arg(
        long, value_name = "ENDPOINT[|KEY]",
        value_delimiter = ',', value_parser = values::keyed_endpoint
    )]
    connect: Vec<KeyedEndpoint>,

    /// Be a gossip hub, where nodes hear of each other without beacons: tcp://*:PORT, or an address
    /// or an interface in place of the star
    #[arg(long, value_name = "ENDPOINT", value_parser = values::bind_endpoint)]
    gossip_bind: Option<BindEndpoint>,

    /// A gossip hub to hear of other nodes from. With --key, its public key follows:
    /// 'ENDPOINT|KEY'. Can be repeated, or take several with commas between them
    #[arg(
        long, value_name = "ENDPOINT[|KEY]",
        value_delimiter = ',', value_parser = values::keyed_endpoint
    )]
    gossip_connect: Vec<KeyedEndpoint>,
}

/// What [`Networks`] and the variables say together.
#[derive(Debug)]
pub(crate) struct Discovery {
    pub(crate) placement: Placement,
    pub(crate) port: u16,
    pub(crate) tcp_port: Option<u16>,
    pub(crate) advertise: Option<Endpoint>,
    pub(crate) connect: Vec<KeyedEndpoint>,
    pub(crate) gossip_bind: Option<BindEndpoint>,
    pub(crate) gossip_connect: Vec<KeyedEndpoint>,
}

impl Networks {
    /// Reads what was set, and refuses what contradicts.
    pub(crate) fn read(&self) -> Result<Discovery, Failure> {
        let discovery = Discovery {
            placement: self.places.read()?,
            port: self.port()?,
            tcp_port: self.tcp_port,
            advertise: self.advertise.clone(),
            connect: self.connect()?,
            gossip_bind: self.gossip_bind.clone(),
            gossip_connect: self.gossip_connect.clone(),
        };
        discovery.check()?;
        Ok(discovery)
    }

    /// The port of beacons.
    pub(crate) fn port(&self) -> Result<u16, Failure> {
        let port = match self.port {
            Some(port) => Some(port),
            None => variable("ZRE_PORT", values::port)?,
        };
        Ok(port.unwrap_or(DISCOVERY_PORT))
    }

    fn connect(&self) -> Result<Vec<KeyedEndpoint>, Failure> {
        if !self.connect.is_empty() {
            return Ok(self.connect.clone());
        }
        let read = |text: &str| text.split(',').map(values::keyed_endpoint).collect();
        Ok(variable("ZRE_CONNECT", read)?.unwrap_or_default())
    }
}

impl Discovery {
    /// All names of the library's builder for networks stand here and nowhere else in this program.
    pub(super) fn apply_to(self, builder: Builder) -> Builder {
        let mut builder = builder
            .port(self.port)
            .interfaces(self.placement.interfaces)
            .ip(self.placement.ip)
            .beacons(self.placement.beacons);
        if let Some(port) = self.tcp_port {
            builder = builder.tcp_port(port);
        }
        if let Some(endpoint) = self.advertise {
            builder = builder.advertise(endpoint);
        }
        if let Some(endpoint) = self.gossip_bind {
            builder = builder.gossip_bind(endpoint);
        }
        let builder = self.connect.into_iter().fold(builder, Builder::connect);
        let hubs = self.gossip_connect.into_iter();
        hubs.fold(builder, Builder::gossip_connect)
    }

    fn check(&self) -> Result<(), Failure> {
        self.check_ways()?;
        self.check_versions()?;
        self.check_ports()?;
        self.check_own_places()
    }

    fn check_ways(&self) -> Result<(), Failure> {
        let finds_otherwise = self.gossip_bind.is_some()
            || !(self.connect.is_empty() && self.gossip_connect.is_empty());
        match self.placement.beacons {
            zre_tokio::Beacons::Off if !finds_otherwise => Err(Failure::told(
                "--no-beacon leaves the node nothing to find peers by: name a peer with --connect \
                 or a gossip hub with --gossip-connect, be a hub with --gossip-bind, or leave \
                 --no-beacon out",
            )),
            _ => Ok(()),
        }
    }

    fn check_versions(&self) -> Result<(), Failure> {
        let check = |setting, it: &KeyedEndpoint| match address_of(&it.endpoint) {
            Some(address) => self
                .placement
                .check_version_of(setting, &it.endpoint, address),
            None => Ok(()),
        };
        self.connect
            .iter()
            .try_for_each(|it| check("--connect", it))?;
        let mut hubs = self.gossip_connect.iter();
        hubs.try_for_each(|it| check("--gossip-connect", it))?;
        match self.gossip_bind.as_ref().map(|it| &it.host) {
            Some(BindHost::Address(address)) => {
                self.placement.check_version("--gossip-bind", *address)
            }
            _ => Ok(()),
        }
    }

    fn check_ports(&self) -> Result<(), Failure> {
        let tcp_port = self.tcp_port.filter(|port| *port != 0);
        match (&self.gossip_bind, tcp_port) {
            (Some(bind), Some(port)) if bind.port == port && self.may_overlap(&bind.host) => {
                Err(Failure::Told(format!(
                    "--gossip-bind {bind} and --tcp-port {port} would listen on the same port: \
                     take two"
                )))
            }
            _ => Ok(()),
        }
    }

    fn may_overlap(&self, host: &BindHost) -> bool {
        match host {
            BindHost::Address(address) => self.own_addresses().contains(address),
            _ => true,
        }
    }

    /// Refuses to connect the node with itself, as far as that shows before it starts.
    fn check_own_places(&self) -> Result<(), Failure> {
        let own = self.own_addresses();
        let is_at = |endpoint: &Endpoint, port: u16| {
            let is_own = |address| own.contains(&address);
            endpoint.port().get() == port && address_of(endpoint).is_some_and(is_own)
        };
        let is_advertised = |endpoint: &Endpoint| {
            let mut advertised = self.advertise.iter();
            advertised.any(|it| it.is_same_place(endpoint))
        };
        let is_own = |endpoint: &&Endpoint| {
            self.tcp_port.is_some_and(|port| is_at(endpoint, port)) || is_advertised(endpoint)
        };
        if let Some(endpoint) = self.connect.iter().map(|it| &it.endpoint).find(is_own) {
            return Err(Failure::Told(format!(
                "--connect {endpoint} is this node itself: name another, or leave it out"
            )));
        }
        let is_own_hub = |endpoint: &&Endpoint| {
            let bind = self.gossip_bind.as_ref();
            bind.is_some_and(|bind| is_at(endpoint, bind.port) && self.may_overlap(&bind.host))
        };
        match self
            .gossip_connect
            .iter()
            .map(|it| &it.endpoint)
            .find(is_own_hub)
        {
            Some(endpoint) => Err(Failure::Told(format!(
                "--gossip-connect {endpoint} is the hub that this node itself is: leave it out"
            ))),
            None => Ok(()),
        }
    }

    /// The addresses that the node is going to have, if they are known.
    fn own_addresses(&self) -> Vec<IpAddr> {
        // What the system does not tell is found out when the node starts.
        let interfaces = zre_net::interfaces().unwrap_or_default();
        let used = self.placement.choose(&interfaces).used;
        used.into_iter().map(|local| local.address).collect()
    }
}

/// The address of an endpoint, if it is no name.
fn address_of(endpoint: &Endpoint) -> Option<IpAddr> {
    match endpoint.canonical().host() {
        Host::V4(address) => Some((*address).into()),
        Host::V6 { address, .. } => Some((*address).into()),
        _ => None,
    }
}
