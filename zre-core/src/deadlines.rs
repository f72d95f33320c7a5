//! One table of deadlines for all the timers of a state machine.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::time::Instant;

/// At most one deadline for each timer, handed out in the order of time. Timers that are due at the
/// same time come in their own order, so that a replay gives the same.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Deadlines<T> {
    by_timer: BTreeMap<T, Instant>,
    by_time: BTreeSet<(Instant, T)>,
    /// The first time of `by_time`: it is asked for after each call, and changes far less often.
    next: Option<Instant>,
}

impl<T: Ord + Copy> Deadlines<T> {
    pub(crate) fn new() -> Self {
        Self {
            by_timer: BTreeMap::new(),
            by_time: BTreeSet::new(),
            next: None,
        }
    }

    /// Sets a timer, in place of what it was set to.
    pub(crate) fn set(&mut self, timer: T, at: Instant) {
        if let Some(old) = self.by_timer.insert(timer, at) {
            self.by_time.remove(&(old, timer));
        }
        self.by_time.insert((at, timer));
        self.note_next();
    }

    /// Sets a timer, unless it is set to something earlier.
    pub(crate) fn set_earlier(&mut self, timer: T, at: Instant) {
        if self.by_timer.get(&timer).is_none_or(|old| at < *old) {
            self.set(timer, at);
        }
    }

    pub(crate) fn clear(&mut self, timer: T) {
        if let Some(at) = self.by_timer.remove(&timer) {
            self.by_time.remove(&(at, timer));
            self.note_next();
        }
    }

    pub(crate) fn clear_all(&mut self) {
        *self = Self::new();
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// The timers that are due, in the order of time.
    pub(crate) fn due(&self, now: Instant) -> impl Iterator<Item = T> {
        let due = self.by_time.iter().take_while(move |(at, _)| *at <= now);
        due.map(|(_, timer)| *timer)
    }

    /// Takes the first timer that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        self.next.filter(|next| *next <= now)?;
        let (_, timer) = *self.by_time.first()?;
        self.clear(timer);
        Some(timer)
    }

    fn note_next(&mut self) {
        self.next = self.by_time.first().map(|(at, _)| *at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_timers_come_in_the_order_of_time_and_once() {
        let mut deadlines = Deadlines::new();
        deadlines.set('a', Instant::from_micros(30));
        deadlines.set('b', Instant::from_micros(20));
        deadlines.set('a', Instant::from_micros(10));
        deadlines.set('c', Instant::from_micros(5));
        deadlines.clear('c');
        assert_eq!(deadlines.next(), Some(Instant::from_micros(10)));
        let now = Instant::from_micros(20);
        assert!(deadlines.due(now).eq(['a', 'b']));
        assert_eq!(deadlines.pop_due(now), Some('a'));
        assert_eq!(deadlines.pop_due(now), Some('b'));
        assert_eq!(deadlines.pop_due(now), None);
        assert_eq!(deadlines.next(), None);
    }
}
