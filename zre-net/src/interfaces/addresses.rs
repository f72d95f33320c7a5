//! Which IPv6 addresses can be used now, and for long.

use std::net::{IpAddr, Ipv6Addr};

use zre_core::interfaces::Interface;

/// The system's flags of an address (`linux/if_addr.h`).
const TEMPORARY: u32 = 0x01;
const OPTIMISTIC: u32 = 0x04;
const DAD_FAILED: u32 = 0x08;
const DEPRECATED: u32 = 0x20;
const TENTATIVE: u32 = 0x40;

/// Drops the addresses that cannot be bound, and puts last those that will be gone soon.
pub(super) fn tidy(interfaces: &mut [Interface]) {
    if cfg!(any(target_os = "linux", target_os = "android"))
        && let Ok(table) = std::fs::read_to_string("/proc/net/if_inet6")
    {
        tidy_by(&table, interfaces);
    }
}

fn tidy_by(table: &str, interfaces: &mut [Interface]) {
    let known: Vec<_> = table.lines().filter_map(parse_line).collect();
    for interface in interfaces {
        let index = interface.index;
        let flags = |address: IpAddr| {
            let mut known = known.iter();
            let found = known.find(|(at, on, _)| *on == index && IpAddr::V6(*at) == address);
            found.map_or(0, |(_, _, flags)| *flags)
        };
        let addresses = &mut interface.addresses;
        addresses.retain(|it| can_be_bound(flags(it.address)));
        addresses.sort_by_key(|it| flags(it.address) & (TEMPORARY | DEPRECATED) != 0);
    }
}

fn can_be_bound(flags: u32) -> bool {
    let is_tentative = flags & TENTATIVE != 0 && flags & OPTIMISTIC == 0;
    !is_tentative && flags & DAD_FAILED == 0
}

/// Address, index of the interface, length of the prefix, scope, flags, name; all but the last are
/// hexadecimal.
fn parse_line(line: &str) -> Option<(Ipv6Addr, u32, u32)> {
    let mut fields = line.split_whitespace();
    let address = u128::from_str_radix(fields.next()?, 16).ok()?;
    let index = u32::from_str_radix(fields.next()?, 16).ok()?;
    let flags = u32::from_str_radix(fields.nth(2)?, 16).ok()?;
    Some((Ipv6Addr::from_bits(address), index, flags))
}

#[cfg(test)]
mod tests {
    use zre_core::interfaces::InterfaceAddress;

    use super::*;

    const TABLE: &str = "\
        00000000000000000000000000000001 01 80 10 80     lo\n\
        fd94000000000000000000000000aaaa 02 40 00 01   eth0\n\
        fd94000000000000000000000000bbbb 02 40 00 80   eth0\n\
        fd94000000000000000000000000cccc 02 40 00 40   eth0\n\
        fd94000000000000000000000000dddd 02 40 00 c8   eth0\n\
        fd94000000000000000000000000eeee 02 40 00 44   eth0\n\
        fd94000000000000000000000000ffff 02 40 00 20   eth0\n\
        fe800000000000000000000000000001 02 40 20 80   eth0\n\
        fe800000000000000000000000000001 03 40 20 c0   eth1\n";

    fn interface(index: u32, addresses: &[&str]) -> Interface {
        let mut interface = Interface::new("eth0", index);
        let addresses = addresses.iter();
        interface.addresses = addresses
            .map(|text| InterfaceAddress::new(text.parse::<IpAddr>().expect("an address"), 64))
            .collect();
        interface
    }

    fn tidied(index: u32, addresses: &[&str]) -> Vec<String> {
        let mut interfaces = [interface(index, addresses)];
        tidy_by(TABLE, &mut interfaces);
        let addresses = interfaces[0].addresses.iter();
        addresses.map(|it| it.address.to_string()).collect()
    }

    #[test]
    fn an_address_that_cannot_be_bound_is_left_out() {
        let all = ["fd94::cccc", "fd94::dddd", "fd94::eeee", "fe80::1"];
        assert_eq!(tidied(2, &all), ["fd94::eeee", "fe80::1"]);
        // On another interface the same address is still being tried.
        assert_eq!(tidied(3, &["10.0.0.1", "fe80::1"]), ["10.0.0.1"]);
    }

    #[test]
    fn an_address_that_lasts_goes_before_one_that_does_not() {
        let all = ["fd94::aaaa", "fd94::ffff", "fd94::bbbb", "fe80::1"];
        let tidied = tidied(2, &all);
        assert_eq!(
            tidied,
            ["fd94::bbbb", "fe80::1", "fd94::aaaa", "fd94::ffff"]
        );
    }

    #[test]
    fn a_table_of_another_form_changes_nothing() {
        let mut interfaces = [interface(2, &["fd94::cccc"])];
        for table in ["", "\n", "fd94 02", "x y z", "fd94 02 40 00"] {
            tidy_by(table, &mut interfaces);
        }
        assert_eq!(interfaces[0].addresses.len(), 1);
    }
}
