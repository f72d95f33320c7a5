//! What the system lists.

#[cfg(unix)]
pub(crate) use unix::{index_of, listed};
#[cfg(windows)]
pub(crate) use windows::{index_of, listed};

#[cfg(unix)]
mod unix {
    use std::{
        io,
        net::{IpAddr, Ipv4Addr, Ipv6Addr},
    };

    use nix::{
        ifaddrs::{InterfaceAddress, getifaddrs},
        net::if_::{InterfaceFlags, if_nametoindex},
        sys::socket::SockaddrStorage,
    };

    use super::super::{Flags, Listed, ListedAddress, interface_name};

    pub(crate) fn listed() -> io::Result<Vec<Listed>> {
        let mut listed: Vec<Listed> = Vec::new();
        for line in getifaddrs()? {
            let name = interface_name(&line.interface_name);
            let same = listed.iter().find(|it| interface_name(&it.name) == name);
            let index = match same {
                Some(same) => Ok(same.index),
                None => index_of(name),
            };
            // It fails for one that was removed just now.
            if let Ok(index) = index {
                listed.push(Listed {
                    index,
                    flags: flags(line.flags),
                    address: address(&line),
                    name: line.interface_name,
                });
            }
        }
        Ok(listed)
    }

    /// The number of an interface.
    pub(crate) fn index_of(name: &str) -> io::Result<u32> {
        Ok(if_nametoindex(name)?)
    }

    fn flags(flags: InterfaceFlags) -> Flags {
        Flags {
            up: flags.contains(InterfaceFlags::IFF_UP),
            running: flags.contains(InterfaceFlags::IFF_RUNNING),
            loopback: flags.contains(InterfaceFlags::IFF_LOOPBACK),
            point_to_point: flags.contains(InterfaceFlags::IFF_POINTOPOINT),
            broadcast: flags.contains(InterfaceFlags::IFF_BROADCAST),
            multicast: flags.contains(InterfaceFlags::IFF_MULTICAST),
        }
    }

    fn address(line: &InterfaceAddress) -> Option<ListedAddress> {
        let address = ip(line.address.as_ref()?)?;
        let mask = line.netmask.as_ref().and_then(ip);
        Some(ListedAddress {
            address,
            prefix_len: prefix_len(address, mask),
            broadcast: match line.broadcast.as_ref().and_then(ip) {
                Some(IpAddr::V4(broadcast)) => Some(broadcast),
                _ => None,
            },
        })
    }

    fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
        if let Some(v4) = address.as_sockaddr_in() {
            return Some(IpAddr::V4(v4.ip()));
        }
        let v6 = address.as_sockaddr_in6()?.ip();
        Some(IpAddr::V6(without_scope(v6)))
    }

    /// Some systems write the scope of a link-local address into its second group.
    fn without_scope(address: Ipv6Addr) -> Ipv6Addr {
        match address.segments() {
            [first, _, rest @ ..] if address.is_unicast_link_local() => {
                let [a, b, c, d, e, f] = rest;
                Ipv6Addr::new(first, 0, a, b, c, d, e, f)
            }
            _ => address,
        }
    }

    /// macOS lists further addresses of an interface without a mask.
    fn prefix_len(address: IpAddr, mask: Option<IpAddr>) -> u8 {
        let ones = match (address, mask) {
            (IpAddr::V4(_), mask) => {
                let mask = mask.and_then(|mask| match mask {
                    IpAddr::V4(mask) => Some(mask),
                    IpAddr::V6(_) => None,
                });
                let mask = mask.unwrap_or(Ipv4Addr::BROADCAST);
                mask.to_bits().leading_ones()
            }
            (IpAddr::V6(_), Some(IpAddr::V6(mask))) => mask.to_bits().leading_ones(),
            (IpAddr::V6(_), _) => 128,
        };
        u8::try_from(ones).unwrap_or(u8::MAX)
    }
}

#[cfg(windows)]
mod windows {
    use std::{io, net::IpAddr};

    use getifaddrs::{Address, InterfaceFilter, InterfaceFlags, if_nametoindex};

    use super::super::{Flags, Listed, ListedAddress};

    pub(crate) fn listed() -> io::Result<Vec<Listed>> {
        let lines = InterfaceFilter::new().get()?;
        let listed = lines.filter_map(|line| {
            Some(Listed {
                index: line.index?,
                flags: flags(line.flags),
                address: address(&line.address),
                // `name` is one that no user has seen, such as `ethernet_32769`.
                name: line.description,
            })
        });
        Ok(listed.collect())
    }

    /// The number of an interface, by the name that people use or by the system's own.
    pub(crate) fn index_of(name: &str) -> io::Result<u32> {
        let mut listed = listed()?.into_iter();
        match listed.find(|it| it.name == name) {
            Some(found) => Ok(found.index),
            None => if_nametoindex(name),
        }
    }

    fn flags(flags: InterfaceFlags) -> Flags {
        Flags {
            up: flags.contains(InterfaceFlags::UP),
            running: flags.contains(InterfaceFlags::RUNNING),
            loopback: flags.contains(InterfaceFlags::LOOPBACK),
            point_to_point: flags.contains(InterfaceFlags::POINTTOPOINT),
            broadcast: flags.contains(InterfaceFlags::BROADCAST),
            multicast: flags.contains(InterfaceFlags::MULTICAST),
        }
    }

    fn address(address: &Address) -> Option<ListedAddress> {
        let ones = match address.netmask()? {
            IpAddr::V4(mask) => mask.to_bits().leading_ones(),
            IpAddr::V6(mask) => mask.to_bits().leading_ones(),
        };
        Some(ListedAddress {
            address: address.ip_addr()?,
            prefix_len: u8::try_from(ones).unwrap_or(u8::MAX),
            broadcast: match address.associated_address() {
                Some(IpAddr::V4(broadcast)) => Some(broadcast),
                _ => None,
            },
        })
    }
}
