//! Which interface leads to the rest of the world.

/// The name of the interface with the default route for IPv4; `None` if there is none, and on
/// systems other than Linux and Android.
#[must_use]
pub fn default_route() -> Option<String> {
    match cfg!(any(target_os = "linux", target_os = "android")) {
        true => first_in(&std::fs::read_to_string("/proc/net/route").ok()?),
        false => None,
    }
}

/// The interface of the default route with the lowest metric, in the system's table.
fn first_in(table: &str) -> Option<String> {
    let routes = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        // Interface, destination, gateway, flags, two counters, metric, mask.
        let [name, destination, _, _, _, _, metric, mask, ..] = fields.as_slice() else {
            return None;
        };
        let is_default = *destination == "00000000" && *mask == "00000000";
        Some((metric.parse::<u32>().ok()?, *name)).filter(|_| is_default)
    });
    let (_, name) = routes.min()?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_with_the_lowest_metric_counts() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n\
            docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\n\
            wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\n\
            eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\n";
        assert_eq!(first_in(table).as_deref(), Some("eth0"));
        let (without, _) = table.split_once("wlan0").expect("it is there");
        assert_eq!(first_in(without), None);
        assert_eq!(first_in(""), None);
    }
}
