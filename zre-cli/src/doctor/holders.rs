//! Which programs have a port open, as far as the system tells.

use std::fs;

/// A kind of socket that waits for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Udp,
    Tcp,
}

/// The programs that have a port of this machine open, as in `named (process 812)`. Empty where the
/// system does not tell, as for programs of other users.
pub(super) fn of(kind: Kind, port: u16) -> Vec<String> {
    let sockets = sockets(kind, port);
    let mut holders: Vec<String> = sockets
        .iter()
        .filter_map(|inode| process_with(inode))
        .collect();
    holders.sort();
    holders.dedup();
    holders
}

/// How many packets have come for addresses that are not this machine's; Linux counts them.
pub(super) fn misaddressed() -> Option<u64> {
    read_counter(&fs::read_to_string("/proc/self/net/snmp").ok()?)
}

/// The header names the columns of the next line.
fn read_counter(table: &str) -> Option<u64> {
    let mut lines = table.lines().filter(|line| line.starts_with("Ip:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let column = names.split(' ').position(|name| name == "InAddrErrors")?;
    values.split(' ').nth(column)?.parse().ok()
}

/// The system's numbers of the sockets.
fn sockets(kind: Kind, port: u16) -> Vec<String> {
    let tables = match kind {
        Kind::Udp => ["udp", "udp6"],
        Kind::Tcp => ["tcp", "tcp6"],
    };
    let tables = tables
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/self/net/{table}")).ok());
    let inodes = tables.flat_map(|table| {
        let lines = table.lines();
        let inodes = lines.filter_map(|line| inode(line, kind, port));
        inodes.collect::<Vec<_>>()
    });
    inodes.collect()
}

/// A line has number, local address, remote address, state, two queues, timer, retransmissions,
/// user, timeout and inode; addresses and states are hexadecimal.
fn inode(line: &str, kind: Kind, port: u16) -> Option<String> {
    const LISTENS: &str = "0A";
    let fields: Vec<_> = line.split_whitespace().collect();
    let [_, local, _, state, _, _, _, _, _, inode, ..] = fields.as_slice() else {
        return None;
    };
    let (_, local) = local.rsplit_once(':')?;
    let is_it = u16::from_str_radix(local, 16) == Ok(port);
    let waits = kind == Kind::Udp || *state == LISTENS;
    (is_it && waits).then(|| (*inode).to_owned())
}

fn process_with(inode: &str) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    for process in processes {
        let id = process.file_name().into_string().unwrap_or_default();
        if id.bytes().all(|byte| byte.is_ascii_digit()) && has_open(&id, &wanted) {
            let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
            return Some(format!("{} (process {id})", name.trim_end()));
        }
    }
    None
}

/// Of other users' processes the system says nothing.
fn has_open(process: &str, wanted: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else {
        return false;
    };
    let links = files
        .flatten()
        .filter_map(|it| fs::read_link(it.path()).ok());
    links.into_iter().any(|link| link.as_os_str() == wanted)
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, UdpSocket},
        process,
    };

    use super::*;

    #[test]
    fn the_counter_is_found_by_its_name() {
        let table = "Ip: Forwarding InReceives InAddrErrors\nIp: 2 64 7\nTcp: a\nTcp: 1\n";
        assert_eq!(read_counter(table), Some(7));
        for other in ["", "Ip: Forwarding\nIp: 2\n", "Ip: InAddrErrors\n"] {
            assert_eq!(read_counter(other), None);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_is_found_by_its_port() {
        let (udp, tcp) = (
            UdpSocket::bind("127.0.0.1:0").unwrap(),
            TcpListener::bind("127.0.0.1:0").unwrap(),
        );
        for (kind, port) in [
            (Kind::Udp, udp.local_addr().unwrap().port()),
            (Kind::Tcp, tcp.local_addr().unwrap().port()),
        ] {
            let holders = of(kind, port);
            let here = format!("(process {})", process::id());
            assert!(holders.iter().any(|it| it.ends_with(&here)), "{holders:?}");
        }
    }

    #[test]
    fn lines_of_other_ports_and_of_another_form_are_passed_over() {
        let line = "1: 00000000:1626 00000000:0000 07 0:0 0:0 0 1000 0 4242 2 0";
        assert_eq!(inode(line, Kind::Udp, 5670).as_deref(), Some("4242"));
        assert_eq!(inode(line, Kind::Udp, 5671), None);
        assert_eq!(inode(line, Kind::Tcp, 5670), None);
        for other in ["", "sl local_address", "1: x y z a b c d e f"] {
            assert_eq!(inode(other, Kind::Udp, 5670), None);
        }
    }
}
