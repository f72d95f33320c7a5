//! What Linux tells of its interfaces.

use std::{
    io::{self, Write as _},
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
    },
};

use super::Comparison;

/// How often to look where the system does not tell.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// `linux/rtnetlink.h`: links, and the addresses and routes of both IP versions.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;

/// Waits for changes.
pub(super) struct Changes {
    source: Source,
    stopped: UnixStream,
}

enum Source {
    Netlink(OwnedFd),
    Comparison(Comparison),
}

/// Ends the waiting.
pub(super) struct Stop(UnixStream);

impl Stop {
    pub(super) fn stop(&self) {
        // A child may have the same end open, so closing it would not be enough.
        let _gone_already = (&self.0).write(&[0]);
    }
}

impl Changes {
    pub(super) fn open() -> io::Result<(Self, Stop)> {
        match subscribe() {
            Ok(netlink) => Self::of(Source::Netlink(netlink)),
            Err(_refused) => Self::by_comparison(),
        }
    }

    pub(super) fn by_comparison() -> io::Result<(Self, Stop)> {
        Self::of(Source::Comparison(Comparison::new()))
    }

    fn of(source: Source) -> io::Result<(Self, Stop)> {
        let (stopped, stop) = UnixStream::pair()?;
        stop.set_nonblocking(true)?;
        Ok((Self { source, stopped }, Stop(stop)))
    }

    /// Returns `true` when something may have changed, `false` when this is stopped.
    pub(super) fn wait(&mut self) -> bool {
        loop {
            let told = match &mut self.source {
                Source::Netlink(netlink) => match wait_for(&self.stopped, netlink) {
                    Woken::Stopped => return false,
                    Woken::ByNobody => Ok(false),
                    Woken::BySystem => read_all(netlink),
                },
                Source::Comparison(comparison) => {
                    if is_readable_within(&self.stopped, LOOK_EVERY) {
                        return false;
                    }
                    Ok(comparison.has_changed())
                }
            };
            match told {
                Ok(true) => return true,
                Ok(false) => {}
                Err(_broken) => {
                    self.source = Source::Comparison(Comparison::new());
                    return true;
                }
            }
        }
    }

    pub(super) fn is_stopped_within(&mut self, time: Duration) -> bool {
        is_readable_within(&self.stopped, time)
    }
}

fn subscribe() -> nix::Result<OwnedFd> {
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    bind(netlink.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
    Ok(netlink)
}

enum Woken {
    Stopped,
    BySystem,
    ByNobody,
}

fn wait_for(stopped: &UnixStream, netlink: &OwnedFd) -> Woken {
    let mut both = [
        PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
        PollFd::new(netlink.as_fd(), PollFlags::POLLIN),
    ];
    let woken = poll(&mut both, PollTimeout::NONE);
    let [stopped, netlink] = both.map(|it| it.any().unwrap_or(true));
    match woken {
        Ok(_) if stopped => Woken::Stopped,
        Ok(_) if netlink => Woken::BySystem,
        _ => Woken::ByNobody,
    }
}

fn is_readable_within(stopped: &UnixStream, time: Duration) -> bool {
    let mut stopped = [PollFd::new(stopped.as_fd(), PollFlags::POLLIN)];
    let time = PollTimeout::try_from(time).unwrap_or(PollTimeout::ZERO);
    matches!(poll(&mut stopped, time), Ok(1..))
}

/// Reads what the system has told. Returns whether any of it matters.
fn read_all(netlink: &OwnedFd) -> nix::Result<bool> {
    let mut buffer = [0; 8192];
    let mut matters = false;
    loop {
        match recv(netlink.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(length) => matters |= any_matters(buffer.get(..length).unwrap_or_default()),
            Err(Errno::EAGAIN) => return Ok(matters),
            Err(Errno::EINTR) => {}
            // Something was told that had no room.
            Err(Errno::ENOBUFS) => matters = true,
            Err(error) => return Err(error),
        }
    }
}

/// Whether any of these messages is of something else than a route that is no default route. Hosts
/// with many containers have many of those.
fn any_matters(mut messages: &[u8]) -> bool {
    while let Some((header, _)) = messages.split_first_chunk::<16>() {
        let [l0, l1, l2, l3, t0, t1, ..] = *header;
        let kind = u16::from_ne_bytes([t0, t1]);
        // The second byte of a route is the length of its destination's prefix.
        let is_route = kind == NEW_ROUTE || kind == DELETE_ROUTE;
        if !is_route || messages.get(17) == Some(&0) {
            return true;
        }
        let length = u32::from_ne_bytes([l0, l1, l2, l3]).max(16);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        // Each begins at a multiple of four.
        let length = length.saturating_add(3) & !3;
        messages = messages.get(length..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + body.len()).expect("short");
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend([0; 10]);
        message.extend(body);
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    #[test]
    fn a_route_matters_only_if_it_is_a_default_route() {
        let near = message(NEW_ROUTE, &[2, 24, 0, 0, 1]);
        let default = message(DELETE_ROUTE, &[2, 0, 0, 0]);
        let address = message(20, &[2, 24, 0, 0]);
        assert!(!any_matters(&near));
        assert!(any_matters(&default) && any_matters(&address));
        assert!(!any_matters(&[near.clone(), near.clone()].concat()));
        assert!(any_matters(&[near.clone(), default].concat()));
        assert!(any_matters(&[near, address].concat()));
    }

    #[test]
    fn messages_of_another_form_end_the_reading() {
        let mut endless = message(NEW_ROUTE, &[2, 24]);
        endless[..4].fill(0);
        let mut huge = endless.clone();
        huge[..4].fill(0xff);
        for messages in [&[][..], &[0; 15], &endless[..16], &endless, &huge] {
            assert!(!any_matters(messages));
        }
    }
}
