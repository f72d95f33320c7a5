//! Keys that are not trusted, by one side or by the other, and what has been told of them.

use alloc::collections::BTreeMap;
use core::time::Duration;

use zre_proto::curve::PublicKey;

use crate::{event::RefusedBy, time::Instant};

/// So many keys are remembered.
const MOST: usize = 1024;
/// The time in which only so many keys are told.
const WINDOW: Duration = Duration::from_secs(600);
/// So many of them are told that only a beacon or a tuple names, which anybody can make up.
const MOST_NAMED: u32 = 64;
/// So many that have been proved, each of which costs its owner a handshake.
const MOST_PROVED: u32 = 256;

/// What the application has been told of keys, so that it hears of each once, and no flood of them.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Strangers {
    /// When each was last seen; the second part says whether it is they who refuse.
    told: BTreeMap<(PublicKey, bool), Instant>,
    /// When those were refused, by either side, to whom no connection has been made since.
    refused: BTreeMap<PublicKey, Instant>,
    /// Since when is counted.
    since: Option<Instant>,
    named: u32,
    proved: u32,
    /// Whether it has been noted that nodes without a key are heard, or those with one.
    pub(super) has_noted_others: bool,
}

impl Strangers {
    /// A key has been refused. Says whether the application is to be told.
    pub(super) fn note(
        &mut self,
        key: PublicKey,
        by: RefusedBy,
        is_proved: bool,
        now: Instant,
    ) -> bool {
        let entry = (key, by == RefusedBy::Them);
        if let Some(seen_at) = self.told.get_mut(&entry) {
            *seen_at = now;
            return false;
        }
        if self.since.is_none_or(|since| now.since(since) >= WINDOW) {
            (self.since, self.named, self.proved) = (Some(now), 0, 0);
        }
        let (count, most) = match is_proved {
            true => (&mut self.proved, MOST_PROVED),
            false => (&mut self.named, MOST_NAMED),
        };
        if *count >= most {
            return false;
        }
        *count += 1;
        make_room(&mut self.told);
        self.told.insert(entry, now);
        make_room(&mut self.refused);
        self.refused.insert(key, now);
        true
    }

    /// Whether somebody with this key was refused, by either side, before this connection to it.
    pub(super) fn take_refused(&mut self, key: &PublicKey) -> bool {
        self.refused.remove(key).is_some()
    }

    /// Whether the application has been told.
    pub(super) fn is_told(&self, key: PublicKey, by: RefusedBy) -> bool {
        self.told.contains_key(&(key, by == RefusedBy::Them))
    }

    /// Whoever has this key has entered: should it be refused later, that is news.
    pub(super) fn forget_key(&mut self, key: PublicKey) {
        for is_them in [false, true] {
            self.told.remove(&(key, is_them));
        }
    }

    /// Other keys are trusted from now on.
    pub(super) fn forget(&mut self) {
        let refused = core::mem::take(&mut self.refused);
        *self = Self {
            refused,
            has_noted_others: self.has_noted_others,
            ..Self::default()
        };
    }
}

/// Forgets the key that was seen longest ago, if there are many.
fn make_room<K: Ord + Copy>(keys: &mut BTreeMap<K, Instant>) {
    if keys.len() < MOST {
        return;
    }
    let oldest = keys.iter().min_by_key(|(_, seen_at)| **seen_at);
    if let Some(oldest) = oldest.map(|(key, _)| *key) {
        keys.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> PublicKey {
        let mut bytes = [7; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        bytes.into()
    }

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    #[test]
    fn each_key_is_told_once_for_each_side_however_often_it_comes() {
        let mut strangers = Strangers::default();
        for secs in 0..10_000 {
            let told = strangers.note(key(1), RefusedBy::Us, secs % 2 == 0, at(secs));
            assert_eq!(told, secs == 0);
        }
        assert!(strangers.note(key(1), RefusedBy::Them, true, at(10_000)));
        strangers.forget();
        assert!(strangers.note(key(1), RefusedBy::Us, true, at(10_000)));
    }

    #[test]
    fn of_keys_that_are_only_named_64_are_told_in_ten_minutes_and_they_hide_no_proved_one() {
        let mut strangers = Strangers::default();
        let mut told = 0;
        for number in 0..6000 {
            let now = at(u64::from(number) / 10);
            told += u32::from(strangers.note(key(number), RefusedBy::Us, false, now));
        }
        assert_eq!(told, 64);
        assert!(strangers.note(key(5999), RefusedBy::Us, true, at(599)));
        assert!(strangers.note(key(6000), RefusedBy::Us, false, at(600)));
    }

    #[test]
    fn not_more_than_1024_keys_are_remembered_and_the_one_that_still_comes_is_among_them() {
        let mut strangers = Strangers::default();
        strangers.note(key(0), RefusedBy::Us, false, at(0));
        for number in 1..10_000 {
            let now = at(u64::from(number) * 10);
            strangers.note(key(number), RefusedBy::Us, true, now);
            assert!(!strangers.note(key(0), RefusedBy::Us, false, now));
        }
        assert!(strangers.told.len() <= MOST);
    }
}
