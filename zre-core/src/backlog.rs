//! The events that wait for the application, and deadlines that stand still while it is behind.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::{config::Limits, event::Event, time::Instant};

/// The queue of events that the application has not taken yet.
///
/// It is congested from when it reaches a limit until no more than half of that limit is left.
/// While it is congested, connections are not read, so answers of peers lie unread.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Backlog {
    queue: VecDeque<Event>,
    /// The bytes that the queued events hold; see [`Event::weight`].
    weight: usize,
    max_events: usize,
    max_weight: usize,
    congested: bool,
    /// How many congestions have ended.
    reliefs: u64,
    /// How many events have been queued since the beginning.
    queued: u64,
}

impl Backlog {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            queue: VecDeque::new(),
            weight: 0,
            max_events: limits.events,
            max_weight: limits.event_bytes,
            congested: false,
            reliefs: 0,
            queued: 0,
        }
    }

    pub(crate) fn push(&mut self, event: Event) {
        self.weight += event.weight();
        self.queue.push_back(event);
        self.queued += 1;
        self.congested |= self.queue.len() >= self.max_events || self.weight >= self.max_weight;
    }

    /// Takes the first event, which ends a congestion if few enough are left.
    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.weight -= self.queue.front()?.weight();
        let left = self.queue.len() - 1;
        // At half and not just below the limit, so that reading does not stop and go on with each
        // event.
        if self.congested && left <= self.max_events / 2 && self.weight <= self.max_weight / 2 {
            self.congested = false;
            self.reliefs += 1;
        }
        self.queue.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many events have been queued since the beginning.
    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    /// The waiting events that were queued after the first `count` of all events.
    pub(crate) fn after(&self, count: u64) -> impl Iterator<Item = &Event> {
        let newer = usize::try_from(self.queued.saturating_sub(count)).unwrap_or(usize::MAX);
        self.queue.range(self.queue.len().saturating_sub(newer)..)
    }

    pub(crate) fn is_congested(&self) -> bool {
        self.congested
    }

    /// How many congestions have ended.
    fn reliefs(&self) -> u64 {
        self.reliefs
    }

    /// Gives back the memory of a burst.
    pub(crate) fn release_memory(&mut self) {
        const KEPT: usize = 256;
        self.queue.shrink_to(KEPT.max(2 * self.queue.len()));
    }
}

/// A deadline for something that a peer must do, which stands still while the application is
/// behind.
///
/// A node that [is congested](crate::Node::is_congested) is not given messages. So the peer may
/// have done what it must do, and its message lies unread. Such a deadline therefore never passes
/// during a congestion, nor the first time after one: it is extended instead. The extension is the
/// time to read what lay unread.
///
/// [`Node::patience_until`](crate::Node::patience_until) makes one, and
/// [`Node::is_patience_over`](crate::Node::is_patience_over) asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    until: Instant,
    /// How many congestions had ended when the deadline was set.
    reliefs: u64,
}

impl Patience {
    /// When to ask whether the time is over.
    pub fn deadline(&self) -> Instant {
        self.until
    }

    /// A deadline at `until`.
    pub(crate) fn until(until: Instant, backlog: &Backlog) -> Self {
        let reliefs = backlog.reliefs();
        Self { until, reliefs }
    }

    /// Whether the time is over. If the application was behind meanwhile, it is not: the deadline
    /// is then moved to `extension` from now.
    pub(crate) fn is_over(&mut self, now: Instant, extension: Duration, backlog: &Backlog) -> bool {
        if now < self.until {
            return false;
        }
        if !backlog.is_congested() && backlog.reliefs() == self.reliefs {
            return true;
        }
        // Made anew, so that it notices a further congestion, and this one no more.
        *self = Self::until(now + extension, backlog);
        false
    }

    /// Moves the deadline. A congestion that ended since it was first set still extends it.
    pub(crate) fn move_to(&mut self, until: Instant) {
        self.until = until;
    }
}

/// Notices when the application has caught up after a congestion.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct ReliefWatch {
    /// How many congestions had ended when it was asked last.
    seen: u64,
}

impl ReliefWatch {
    /// Whether a congestion has ended since this was asked last.
    pub(crate) fn has_ended(&mut self, backlog: &Backlog) -> bool {
        core::mem::replace(&mut self.seen, backlog.reliefs()) != backlog.reliefs()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn the_events_after_a_count_are_those_that_have_not_been_taken() {
        let mut backlog = Backlog::new(&Limits::default());
        (0..3).for_each(|_| {
            backlog.push(Event::Stop {
                unconfirmed: Vec::new(),
            });
        });
        assert_eq!(backlog.queued(), 3);
        let newer = |backlog: &Backlog, count| backlog.after(count).count();
        assert_eq!(
            [0, 1, 3, 4].map(|count| newer(&backlog, count)),
            [3, 2, 0, 0]
        );
        backlog.pop();
        assert_eq!(
            [0, 1, 2, 3].map(|count| newer(&backlog, count)),
            [2, 2, 1, 0]
        );
    }

    #[test]
    fn a_deadline_stands_still_while_the_application_is_behind() {
        let second = Duration::from_secs(1);
        let limits = Limits {
            events: 2,
            ..Limits::default()
        };
        let mut backlog = Backlog::new(&limits);
        let mut patience = Patience::until(at(10), &backlog);
        assert!(!patience.is_over(at(9), second, &backlog));
        assert!(patience.is_over(at(10), second, &backlog));

        backlog.push(Event::Stop {
            unconfirmed: Vec::new(),
        });
        backlog.push(Event::Stop {
            unconfirmed: Vec::new(),
        });
        assert!(backlog.is_congested());
        assert!(!patience.is_over(at(10), second, &backlog));
        assert_eq!(patience.deadline(), at(10) + second);

        // What was unread when the congestion ended is being read only now.
        backlog.pop();
        assert!(!backlog.is_congested());
        let now = at(10) + second;
        assert!(!patience.is_over(now, second, &backlog));
        assert!(patience.is_over(now + second, second, &backlog));
    }
}
