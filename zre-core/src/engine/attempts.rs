//! How many connections may be tried to endpoints that have not answered.
//!
//! A beacon of 22 bytes with a forged address makes every node that hears it connect there. So that
//! nobody can flood a third party by way of us, attempts that nobody answers are counted, for each
//! address and over all, and forgotten with time. One that is answered counts no more: a network in
//! which everybody answers is met as quickly as it can be.

use alloc::collections::BTreeMap;
use core::{net::IpAddr, time::Duration};

use zre_proto::Endpoint;

use crate::time::Instant;

/// So many attempts to one address may be without an answer.
const MOST_TO_ADDRESS: u32 = 64;
/// So many over all.
const MOST: u32 = 1024;
/// So many over all before no more are made because of gossip: one hub can tell of thousands of
/// peers that are not there.
const MOST_GOSSIPED: u32 = MOST / 4;
/// After so long, one attempt to an address is forgotten.
const FORGETS_ONE_IN: Duration = Duration::from_millis(500);
/// After so long, one attempt over all is forgotten.
const FORGETS_ONE_OF_ALL_IN: Duration = Duration::from_millis(50);
/// So many addresses are remembered. It is the bound of all attempts that bounds the others.
const ADDRESSES: usize = 1024;

/// When an attempt that is one too many may be made.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// The attempts that have not been answered.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Attempts {
    all: Unanswered,
    by_address: BTreeMap<IpAddr, Unanswered>,
}

/// A count that falls with time.
#[derive(Debug, Clone, Copy)]
struct Unanswered {
    count: u32,
    counted_at: Instant,
}

impl Attempts {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            all: Unanswered::none(now),
            by_address: BTreeMap::new(),
        }
    }

    /// Whether one more attempt may be made because of gossip.
    pub(super) fn may_begin_gossiped(&mut self, endpoint: &Endpoint, now: Instant) -> bool {
        self.all.forget(FORGETS_ONE_OF_ALL_IN, now);
        let is_here = address_of(endpoint).is_some_and(|address| address.is_loopback());
        is_here || self.all.count < MOST_GOSSIPED
    }

    /// Counts an attempt, if one more may be made now.
    pub(super) fn begin(&mut self, endpoint: &Endpoint, now: Instant) -> bool {
        // On this host there is nobody else to protect, and short-lived nodes come and go.
        if address_of(endpoint).is_some_and(|address| address.is_loopback()) {
            return true;
        }
        self.all.forget(FORGETS_ONE_OF_ALL_IN, now);
        if self.all.count >= MOST {
            return false;
        }
        if let Some(address) = address_of(endpoint) {
            self.forget_addresses(now);
            let is_known = self.by_address.contains_key(&address);
            if !is_known && self.by_address.len() >= ADDRESSES {
                return self.count_over_all();
            }
            let known = self.by_address.entry(address);
            let known = known.or_insert(Unanswered::none(now));
            known.forget(FORGETS_ONE_IN, now);
            if known.count >= MOST_TO_ADDRESS {
                return false;
            }
            known.count += 1;
        }
        self.count_over_all()
    }

    /// An attempt has been answered.
    pub(super) fn answered(&mut self, endpoint: &Endpoint) {
        if address_of(endpoint).is_some_and(|address| address.is_loopback()) {
            return;
        }
        self.all.count = self.all.count.saturating_sub(1);
        if let Some(address) = address_of(endpoint)
            && let Some(known) = self.by_address.get_mut(&address)
        {
            known.count = known.count.saturating_sub(1);
            if known.count == 0 {
                self.by_address.remove(&address);
            }
        }
    }

    fn count_over_all(&mut self) -> bool {
        self.all.count += 1;
        true
    }

    fn forget_addresses(&mut self, now: Instant) {
        if self.by_address.len() >= ADDRESSES {
            self.by_address.retain(|_, known| {
                known.forget(FORGETS_ONE_IN, now);
                known.count > 0
            });
        }
    }
}

impl Unanswered {
    fn none(now: Instant) -> Self {
        Self {
            count: 0,
            counted_at: now,
        }
    }

    fn forget(&mut self, one_in: Duration, now: Instant) {
        let passed = now.since(self.counted_at).as_micros() / one_in.as_micros();
        let forgotten = u32::try_from(passed).unwrap_or(u32::MAX);
        if forgotten > 0 {
            self.count = self.count.saturating_sub(forgotten);
            self.counted_at = self.counted_at + one_in.saturating_mul(forgotten);
        }
    }
}

fn address_of(endpoint: &Endpoint) -> Option<IpAddr> {
    endpoint.canonical().to_socket_addr().map(|it| it.ip())
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn endpoint(host: u32, port: u32) -> Endpoint {
        let [_, a, b, c] = host.to_be_bytes();
        format!("tcp://10.{a}.{b}.{c}:{port}").parse().unwrap()
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    #[test]
    fn an_address_that_never_answers_is_tried_twice_a_second_in_the_long_run() {
        let mut attempts = Attempts::new(at(0));
        let mut tries = 0;
        for millis in 0..60_000 {
            let port = 1000 + u32::try_from(millis % 1000).unwrap();
            tries += u32::from(attempts.begin(&endpoint(1, port), at(millis)));
        }
        let expected = MOST_TO_ADDRESS + 60 * 2;
        assert!((expected - 2..=expected).contains(&tries), "{tries}");
    }

    #[test]
    fn one_address_does_not_take_the_attempts_of_others() {
        let mut attempts = Attempts::new(at(0));
        while attempts.begin(&endpoint(1, 1000), at(0)) {}
        assert!(attempts.begin(&endpoint(2, 1000), at(0)));
    }

    #[test]
    fn those_that_answer_are_not_counted() {
        let mut attempts = Attempts::new(at(0));
        for number in 1..10_000 {
            assert!(attempts.begin(&endpoint(1, 1000), at(0)));
            attempts.answered(&endpoint(1, 1000));
            assert!(attempts.begin(&endpoint(number, 1000), at(0)));
            attempts.answered(&endpoint(number, 1000));
        }
        assert!(attempts.by_address.is_empty());
    }

    #[test]
    fn ever_new_addresses_are_bounded_together() {
        let mut attempts = Attempts::new(at(0));
        let tries = (0..100_000).filter(|host| attempts.begin(&endpoint(*host, 1), at(0)));
        assert_eq!(tries.count(), usize::try_from(MOST).unwrap());
        assert!(attempts.by_address.len() <= ADDRESSES);
        assert!(!attempts.begin(&endpoint(1, 1), at(49)));
        assert!(attempts.begin(&endpoint(1, 1), at(50)));
    }
}
