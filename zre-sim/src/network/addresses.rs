//! All addresses that ever were used, and who has them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{HostIndex, LanIndex};

/// The number of an address. Two addresses never have the same number.
pub(crate) type AddressIndex = u32;

/// An interface of a host, by its index.
pub(crate) type Place = (HostIndex, u32);

/// All addresses that ever were used.
#[derive(Debug)]
pub(crate) struct Addresses {
    all: Vec<(IpAddr, Option<Place>)>,
    numbers: BTreeMap<IpAddr, AddressIndex>,
}

impl Addresses {
    /// The address by which each host reaches itself; the only one that many have.
    pub(crate) const LOOPBACK: AddressIndex = 0;

    pub(super) fn new() -> Self {
        let mut new = Self {
            all: Vec::new(),
            numbers: BTreeMap::new(),
        };
        new.number(Ipv4Addr::LOCALHOST.into());
        new
    }

    /// The number of an address, whoever has it.
    pub(crate) fn number(&mut self, address: IpAddr) -> AddressIndex {
        *self.numbers.entry(address).or_insert_with(|| {
            self.all.push((address, None));
            let number = self.all.len() - 1;
            u32::try_from(number).expect("a simulation has fewer than 2^32 addresses")
        })
    }

    /// The number of an address, if it ever was used.
    pub(crate) fn find(&self, address: IpAddr) -> Option<AddressIndex> {
        self.numbers.get(&address).copied()
    }

    pub(crate) fn get(&self, number: AddressIndex) -> IpAddr {
        self.all[number as usize].0
    }

    /// The interface that has an address.
    pub(crate) fn owner(&self, number: AddressIndex) -> Option<Place> {
        self.all[number as usize].1
    }

    /// Gives an address to an interface. Whoever had it cannot be reached there any more.
    pub(super) fn assign(&mut self, number: AddressIndex, to: Place) {
        self.all[number as usize].1 = Some(to);
    }

    /// Takes an address from an interface, unless another has it by now.
    pub(super) fn release(&mut self, number: AddressIndex, from: Place) {
        let (_, owner) = &mut self.all[number as usize];
        owner.take_if(|owner| *owner == from);
    }

    /// The first of these addresses that nobody has had, else the first that nobody has.
    pub(super) fn first_new(&mut self, of: impl Iterator<Item = IpAddr> + Clone) -> AddressIndex {
        let mut unknown = of.clone().filter(|it| !self.numbers.contains_key(it));
        match unknown.next() {
            Some(address) => self.number(address),
            None => self.first_free(of),
        }
    }

    /// The first of these addresses that nobody has.
    pub(super) fn first_free(&mut self, of: impl Iterator<Item = IpAddr>) -> AddressIndex {
        for address in of {
            let number = self.number(address);
            if self.owner(number).is_none() {
                return number;
            }
        }
        panic!("all addresses of a LAN are in use");
    }
}

/// The IPv4 address that a host has on a LAN unless it changes: 10.LAN.high.low.
pub(super) fn usual_v4(lan: LanIndex, host: HostIndex) -> IpAddr {
    let number = u16::try_from(host + 1).expect("a simulation has at most 65,534 hosts");
    v4(lan, number)
}

/// Other IPv4 addresses of a LAN, the highest first.
pub(super) fn spare_v4(lan: LanIndex) -> impl Iterator<Item = IpAddr> + Clone {
    (1..u16::MAX).rev().map(move |number| v4(lan, number))
}

fn v4(lan: LanIndex, number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(10, octet(lan), high, low).into()
}

/// The link-local IPv6 address of an interface.
pub(super) fn link_local((host, interface): Place) -> IpAddr {
    let host = u16::try_from(host + 1).expect("a simulation has at most 65,534 hosts");
    let interface = u16::try_from(interface).unwrap_or(u16::MAX);
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, interface, host).into()
}

/// The IPv6 addresses of a LAN that a host may have, the usual one first.
pub(super) fn local_v6(lan: LanIndex, host: HostIndex) -> impl Iterator<Item = IpAddr> + Clone {
    let host = u16::try_from(host + 1).expect("a simulation has at most 65,534 hosts");
    let lan = u16::from(octet(lan));
    (0..u16::MAX).map(move |number| Ipv6Addr::new(0xfd00, 0, 0, lan, 0, 0, number, host).into())
}

fn octet(lan: LanIndex) -> u8 {
    u8::try_from(lan).expect("a simulation has at most 200 LANs")
}
