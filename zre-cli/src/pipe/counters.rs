//! Counts numbers instead of showing each, for load tests.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use zre_tokio::{Content, PeerId};

/// Counts whispers whose content is a decimal number; each sender should count from 0.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    enabled: bool,
    count: u64,
    out_of_order: bool,
    next: HashMap<PeerId, u64>,
}

impl Counters {
    /// Starts to count from zero, or stops counting.
    pub(super) fn start(&self, enabled: bool) {
        *self.state() = State {
            enabled,
            ..State::default()
        };
    }

    /// Whether the whisper was counted, and so is not to be shown.
    pub(super) fn take(&self, peer: PeerId, content: &Content) -> bool {
        let mut state = self.state();
        if !state.enabled {
            return false;
        }
        let Some(number) = number(content) else {
            return false;
        };
        let next = state.next.entry(peer).or_default();
        let in_order = number == *next;
        *next = number.wrapping_add(1);
        state.out_of_order |= !in_order;
        state.count += 1;
        true
    }

    /// How many were counted, and whether all were in order.
    pub(super) fn summary(&self) -> (u64, bool) {
        let state = self.state();
        (state.count, !state.out_of_order)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(content: &Content) -> Option<u64> {
    let [frame] = content.frames() else {
        return None;
    };
    // `parse` would also accept a sign.
    if !frame.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(frame).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> Counters {
        let counters = Counters::default();
        counters.start(true);
        counters
    }

    #[test]
    fn numbers_of_each_sender_count_from_zero() {
        let (counters, alice, bob) = (counting(), PeerId::from([1; 16]), PeerId::from([2; 16]));
        for (peer, text) in [(alice, "0"), (bob, "0"), (alice, "1"), (bob, "1")] {
            assert!(counters.take(peer, &text.into()));
        }
        assert_eq!(counters.summary(), (4, true));
        assert!(counters.take(alice, &"3".into()));
        assert_eq!(counters.summary(), (5, false));
    }

    #[test]
    fn what_is_no_single_number_is_not_counted() {
        let (counters, peer) = (counting(), PeerId::from([1; 16]));
        for content in [
            Content::from("+0"),
            "".into(),
            "x".into(),
            ["0", "1"].into(),
        ] {
            assert!(!counters.take(peer, &content));
        }
        counters.start(false);
        assert!(!counters.take(peer, &"0".into()));
    }
}
