//! Limits that fit to the number of files and sockets that the process may have open.

use tracing::info;
use zre_core::Limits;

/// A peer has two connections.
const PER_PEER: usize = 2;
/// Files and sockets of the node itself, of its runtime and of the rest of the program.
const RESERVED: usize = 64;

/// Lowers the limits that are at their defaults, so that the connections of all peers leave
/// descriptors for newcomers and for the rest of the program. A limit of another value has been set
/// by the user and stays.
///
/// `descriptors` is how many the process may have open; `None` if there is no limit.
pub(crate) fn fit(limits: Limits, descriptors: Option<usize>) -> Limits {
    let Some(descriptors) = descriptors else {
        return limits;
    };
    let needed = limits.peers.saturating_mul(PER_PEER);
    let needed = needed.saturating_add(limits.unclaimed_links + RESERVED);
    if needed <= descriptors {
        return limits;
    }
    let fitting = fitting(limits, descriptors);
    if fitting != limits {
        info!(
            "this process may have {descriptors} files and sockets open: the limits are {} peers \
             and {} connections of strangers; raise the system's limit for more (`ulimit -n`)",
            fitting.peers, fitting.unclaimed_links
        );
    }
    fitting
}

fn fitting(limits: Limits, descriptors: usize) -> Limits {
    let default = Limits::default();
    let lowered = |value: usize, default: usize, most: usize| match value == default {
        true => value.min(most.max(1)),
        false => value,
    };
    let reserved = RESERVED.min(descriptors / 4);
    let strangers = (descriptors / 8).max(16);
    let unclaimed = lowered(limits.unclaimed_links, default.unclaimed_links, strangers);
    let left = descriptors.saturating_sub(reserved + unclaimed);
    let peers = lowered(limits.peers, default.peers, left / PER_PEER);
    let pending = lowered(limits.pending_peers, default.pending_peers, peers / 4);
    limits
        .peers(peers)
        .pending_peers(pending)
        .unclaimed_links(unclaimed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connections_of_all_peers_leave_descriptors_for_strangers_and_the_program() {
        for descriptors in [64, 256, 1024, 4096, 8191] {
            let limits = fit(Limits::default(), Some(descriptors));
            let used = limits.peers * 2 + limits.unclaimed_links;
            let left = descriptors - used;
            assert!(left >= 64.min(descriptors / 4), "{left} of {descriptors}");
            assert!(used > descriptors / 2, "{used} of {descriptors}");
            assert!(limits.pending_peers <= limits.peers);
        }
        let limits = fit(Limits::default(), Some(1024));
        assert_eq!((limits.peers, limits.unclaimed_links), (416, 128));
    }

    #[test]
    fn limits_that_fit_and_limits_without_a_bound_stay_as_they_are() {
        let default = Limits::default();
        assert_eq!(fit(default, None), default);
        assert_eq!(fit(default, Some(4096 * 2 + 256 + 64)), default);
    }

    #[test]
    fn what_the_user_has_set_is_not_lowered() {
        let set = Limits::default()
            .peers(5000)
            .unclaimed_links(300)
            .pending_peers(70);
        assert_eq!(fit(set, Some(1024)), set);
        let peers_alone = fit(Limits::default().peers(500), Some(1024));
        assert_eq!((peers_alone.peers, peers_alone.unclaimed_links), (500, 128));
    }

    #[test]
    fn with_hardly_any_descriptors_there_is_still_a_place() {
        let limits = fit(Limits::default(), Some(0));
        assert_eq!((limits.peers, limits.pending_peers), (1, 1));
    }
}
