//! Whether a simulation fits in memory.

use std::{fs, path::Path};

use super::{
    growth,
    machine::pairs,
    options::{Fidelity, Options},
};
use crate::failure::Failure;

const KIB: u64 = 1 << 10;

/// Refuses a simulation that needs more memory than is free.
pub(super) fn check(options: &Options) -> Result<(), Failure> {
    match free() {
        Some(free) => check_against(options, free),
        None => Ok(()),
    }
}

/// The same, with so many free bytes.
fn check_against(options: &Options, free: u64) -> Result<(), Failure> {
    let fits = |nodes, level| {
        let sizes = growth::sizes(nodes, options.has_growth());
        needed(&sizes, level) <= free
    };
    let Options { nodes, level, .. } = *options;
    if fits(nodes, level) {
        return Ok(());
    }
    let needed = needed(&growth::sizes(nodes, options.has_growth()), level);
    let most = most(|nodes| fits(nodes, level));
    let other_level = match level {
        Fidelity::Bytes if fits(nodes, Fidelity::Messages) => ", or --level messages",
        _ => "",
    };
    Err(Failure::Told(format!(
        "a simulation of {nodes} nodes needs about {}, this machine has {} free: \
         use fewer nodes, at most {most}{other_level}",
        size(needed),
        size(free)
    )))
}

/// How many bytes simulations of these sizes need; they run as `zre simulate` runs them.
fn needed(sizes: &[u32], level: Fidelity) -> u64 {
    let mut needs: Vec<_> = sizes.iter().map(|nodes| estimate(*nodes, level)).collect();
    needs.sort_unstable();
    // The largest runs in one thread, and the others one after the other in a second one.
    needs.iter().rev().take(2).sum()
}

/// About how many bytes a simulation needs.
///
/// Fitted to the peak memory of 100 to 1000 nodes on 64-bit Linux, 10 s each. Measured and
/// estimated, in MiB:
///
/// | nodes | messages | estimate | bytes | estimate |
/// | --- | --- | --- | --- | --- |
/// | 100 | 27 | 27 | 43 | 44 |
/// | 200 | 59 | 60 | 111 | 114 |
/// | 400 | 179 | 184 | 360 | 372 |
/// | 1000 | 973 | 1028 | | |
fn estimate(nodes: u32, level: Fidelity) -> u64 {
    // The program itself.
    let base = 13 << 20;
    let (per_pair, per_node) = match level {
        Fidelity::Messages => (KIB, 40 * KIB),
        Fidelity::Bytes => (2 * KIB, 120 * KIB),
    };
    base + pairs(nodes) * per_pair + u64::from(nodes) * per_node
}

/// The largest number that fits, if all smaller ones do.
fn most(fits: impl Fn(u32) -> bool) -> u32 {
    // Tries to set one bit after the other, the highest first.
    (0..u32::BITS).rev().fold(0, |most, bit| {
        let more = most | 1 << bit;
        match more <= super::values::MOST_NODES && fits(more) {
            true => more,
            false => most,
        }
    })
}

/// How many bytes this process can still use without swapping; `None` if the system does not say.
fn free() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let machine = field(&meminfo, "MemAvailable:")?.saturating_mul(KIB);
    Some(cgroup_free().map_or(machine, |cgroup| cgroup.min(machine)))
}

/// What the limits of containers and services leave (version 2 of Linux's control groups).
fn cgroup_free() -> Option<u64> {
    let root = Path::new("/sys/fs/cgroup");
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = root.join(own);
    // Each group above it can have a limit, too.
    let groups = own.ancestors().take_while(|group| group.starts_with(root));
    groups.filter_map(free_in_group).min()
}

fn free_in_group(group: &Path) -> Option<u64> {
    let number = |file| -> Option<u64> {
        let text = fs::read_to_string(group.join(file)).ok()?;
        text.trim().parse().ok()
    };
    // Without a limit this is "max", which is no number.
    let limit = number("memory.max")?;
    let used = number("memory.current")?;
    // Cached files count as used, but the system drops them when it needs the memory.
    let stat = fs::read_to_string(group.join("memory.stat")).ok()?;
    let cached = field(&stat, "inactive_file").unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(cached)))
}

/// The number after a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let value = words
            .next()
            .filter(|word| *word == name)
            .and(words.next())?;
        value.parse().ok()
    })
}

fn size(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    match mib {
        many if many >= 10.0 * 1024.0 => format!("{:.0} GiB", many / 1024.0),
        some if some >= 1024.0 => format!("{:.1} GiB", some / 1024.0),
        few => format!("{few:.0} MiB"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const GIB: u64 = 1 << 30;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn check_with(free: u64, arguments: &[&str]) -> Result<(), String> {
        let arguments = [&["simulate"], arguments].concat();
        let options = Command::parse_from(arguments).options;
        check_against(&options, free).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_thousand_nodes_fit_in_a_machine_with_two_gib() {
        // What such a machine has free when the system runs.
        let free = 3 * GIB / 2;
        assert_eq!(check_with(free, &["--nodes", "1000"]), Ok(()));
        assert_eq!(check_with(free, &["--nodes", "1000", "--growth"]), Ok(()));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_estimate_and_what_fits() {
        let refused = check_with(7 * GIB, &["--nodes", "5000"]).unwrap_err();
        assert_eq!(
            refused,
            "a simulation of 5000 nodes needs about 24 GiB, this machine has 7.0 GiB free: \
             use fewer nodes, at most 2687"
        );
        assert_eq!(check_with(7 * GIB, &["--nodes", "2687"]), Ok(()));
        assert!(check_with(7 * GIB, &["--nodes", "2688"]).is_err());
    }

    #[test]
    fn the_level_of_messages_is_named_where_it_would_fit() {
        let bytes = ["--level", "bytes", "--nodes"];
        let refused = |nodes| check_with(7 * GIB, &[&bytes[..], &[nodes]].concat()).unwrap_err();
        assert!(refused("2500").contains("use fewer nodes, at most 18"));
        assert!(refused("2500").ends_with(", or --level messages"));
        assert!(!refused("5000").contains("--level"));
    }

    #[test]
    fn smaller_networks_beside_it_count() {
        let nodes = ["--nodes", "1000"];
        let free = estimate(1000, Fidelity::Messages);
        assert_eq!(check_with(free, &nodes), Ok(()));
        assert!(check_with(free, &[&nodes[..], &["--growth"]].concat()).is_err());
    }

    #[test]
    fn free_memory_is_read_as_linux_writes_it() {
        let meminfo = "MemTotal:       16384 kB\nMemFree: 1 kB\nMemAvailable:    8192 kB\n";
        assert_eq!(field(meminfo, "MemAvailable:"), Some(8192));
        assert_eq!(field(meminfo, "SwapFree:"), None);
        let stat = "anon 5\nactive_file 6\ninactive_file 7\n";
        assert_eq!(field(stat, "inactive_file"), Some(7));
    }
}
