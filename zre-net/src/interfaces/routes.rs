//! Which interfaces lead to the rest of the world.

use zre_core::interfaces::Interface;

/// What the system's tables say of a route (`linux/route.h`).
#[cfg(any(target_os = "linux", target_os = "android", test))]
const UP: u32 = 0x0001;
#[cfg(any(target_os = "linux", target_os = "android", test))]
const REJECT: u32 = 0x0200;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn add_default_routes(interfaces: &mut [Interface]) {
    for (table, parse) in [
        ("/proc/net/route", parse_v4 as Parse),
        ("/proc/net/ipv6_route", parse_v6),
    ] {
        if let Ok(table) = std::fs::read_to_string(table) {
            add_from(&table, parse, interfaces);
        }
    }
}

/// Asks with which addresses the system would send to a host that is nowhere near (those are for
/// documentation). Nothing is sent.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn add_default_routes(interfaces: &mut [Interface]) {
    for (from, to) in [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")] {
        let socket = std::net::UdpSocket::bind(from);
        let connected = socket.and_then(|socket| socket.connect(to).map(|()| socket));
        if let Ok(source) = connected.and_then(|socket| socket.local_addr()) {
            let mut interfaces = interfaces.iter_mut().filter(|it| !it.is_loopback);
            let has_source = |it: &&mut Interface| {
                let mut addresses = it.addresses.iter();
                addresses.any(|it| it.address == source.ip())
            };
            if let Some(interface) = interfaces.find(has_source) {
                interface.default_route = Some(0);
            }
        }
    }
}

/// The interface and the metric of a default route.
#[cfg(any(target_os = "linux", target_os = "android", test))]
type Parse = fn(&str) -> Option<(&str, u32)>;

#[cfg(any(target_os = "linux", target_os = "android", test))]
fn add_from(table: &str, parse: Parse, interfaces: &mut [Interface]) {
    for (name, metric) in table.lines().filter_map(parse) {
        let interface = interfaces.iter_mut().find(|it| it.name == name);
        if let Some(interface) = interface.filter(|it| !it.is_loopback) {
            let lowest = interface.default_route.unwrap_or(metric).min(metric);
            interface.default_route = Some(lowest);
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android", test))]
fn parse_v4(line: &str) -> Option<(&str, u32)> {
    let fields: Vec<_> = line.split_whitespace().collect();
    // Interface, destination, gateway, flags, two counters, metric, mask. The first line has their
    // names, and a table without routes an empty one.
    let [name, "00000000", _, flags, _, _, metric, "00000000", ..] = fields.as_slice() else {
        return None;
    };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let metric = metric.parse().ok()?;
    is_usable(flags).then_some((*name, metric))
}

#[cfg(any(target_os = "linux", target_os = "android", test))]
fn parse_v6(line: &str) -> Option<(&str, u32)> {
    let fields: Vec<_> = line.split_whitespace().collect();
    // Destination, its prefix, source, its prefix, gateway, metric, two counters, flags, interface;
    // all but the last are hexadecimal.
    let [destination, "00", _, _, _, metric, _, _, flags, name] = fields.as_slice() else {
        return None;
    };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let metric = u32::from_str_radix(metric, 16).ok()?;
    let is_default = destination.bytes().all(|digit| digit == b'0');
    (is_default && is_usable(flags)).then_some((*name, metric))
}

#[cfg(any(target_os = "linux", target_os = "android", test))]
fn is_usable(flags: u32) -> bool {
    flags & UP != 0 && flags & REJECT == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n\
        docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\n\
        wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\n\
        eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\n\
        eth0\t00000000\t0101A8C0\t0003\t0\t0\t200\t00000000\t0\n\
        *\t00000000\t00000000\t0200\t0\t0\t4278198272\t00000000\t0\n\
        tun0\t00000000\t0101A8C0\t0003\t0\t0\t50\t00000080\t0\n";

    fn v6(destination: &str, prefix: &str, metric: &str, flags: &str, name: &str) -> String {
        let zeros = "0".repeat(32);
        format!(
            "{destination:0<32} {prefix} {zeros} 00 {zeros} {metric} 00000001 00000000 {flags} \
             {name:>8}\n"
        )
    }

    fn interfaces() -> Vec<Interface> {
        let names = ["lo", "docker0", "wlan0", "eth0", "tun0"];
        let mut interfaces: Vec<_> = names.map(|name| Interface::new(name, 1)).into();
        interfaces[0].is_loopback = true;
        interfaces
    }

    fn routes(interfaces: &[Interface]) -> Vec<(&str, u32)> {
        let routes = interfaces.iter();
        let routes = routes.filter_map(|it| Some((it.name.as_str(), it.default_route?)));
        routes.collect()
    }

    #[test]
    fn each_interface_has_the_lowest_metric_of_its_default_routes() {
        let mut all = interfaces();
        add_from(V4, parse_v4, &mut all);
        assert_eq!(routes(&all), [("wlan0", 600), ("eth0", 100)]);
        let table = v6("", "00", "00000032", "00000003", "eth0")
            + &v6("", "00", "00000400", "00000003", "docker0")
            + &v6("", "00", "00000400", "00000003", "wlan0");
        add_from(&table, parse_v6, &mut all);
        assert_eq!(
            routes(&all),
            [("docker0", 1024), ("wlan0", 600), ("eth0", 50)]
        );
    }

    #[test]
    fn routes_to_single_networks_and_refusals_do_not_count() {
        let mut all = interfaces();
        let table = v6("", "00", "ffffffff", "00200200", "lo")
            + &v6("", "00", "00000400", "00000001", "lo")
            + &v6("fe80", "40", "00000100", "00000001", "eth0")
            + &v6("", "01", "00000100", "00000001", "eth0")
            + &v6("2000", "00", "00000100", "00000001", "eth0")
            + &v6("", "00", "00000100", "00000200", "eth0");
        add_from(&table, parse_v6, &mut all);
        for table in ["", "\n", "eth0", "eth0\t00000000\tx\ty"] {
            add_from(table, parse_v4, &mut all);
            add_from(table, parse_v6, &mut all);
        }
        assert_eq!(routes(&all), []);
    }
}
