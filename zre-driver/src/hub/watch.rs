//! Everything that sees events and notices go by, besides who takes the events.

use std::collections::BTreeMap;

use zre_core::{Engine, Event, Instant, Limits, Notice};

use super::{
    aftermath::Aftermath,
    feed::{FeedLimit, Feeds},
    log::{Entry, LogQueue},
    waiters::Changes,
};

/// Sees each event and each notice once: hands copies to the subscribers, counts, and writes the
/// log.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) events: Feeds<Event>,
    pub(super) notices: Feeds<Notice>,
    log: LogQueue,
    /// What is to be written waits.
    is_log_held: bool,
    /// How many events it has seen.
    seen: u64,
    received: u64,
    sent: u64,
}

impl Watch {
    /// So many notices wait for a subscriber; an adapter's `Notices` says so, too.
    const NOTICES: usize = 256;

    pub(super) fn new(limits: &Limits) -> Self {
        let events = FeedLimit {
            items: limits.events,
            weight: limits.event_bytes,
        };
        let notices = FeedLimit {
            items: Self::NOTICES,
            weight: usize::MAX,
        };
        Self {
            events: Feeds::new(events, Event::weight),
            notices: Feeds::new(notices, |_| 0),
            log: LogQueue::default(),
            is_log_held: false,
            seen: 0,
            received: 0,
            sent: 0,
        }
    }

    /// Sees the events that have come since it was asked last.
    pub(super) fn see_events(
        &mut self,
        engine: &Engine,
        changes: &mut Changes,
        aftermath: &mut Aftermath,
    ) {
        let node = engine.node();
        let count = node.event_count();
        let seen = std::mem::replace(&mut self.seen, count);
        if seen == count {
            return;
        }
        for event in node.events_after(seen) {
            // Counted when they come, as `Hub::stats` does, whether anybody takes them or not.
            let is_message = matches!(event, Event::Whisper { .. } | Event::Shout { .. });
            self.received += u64::from(is_message);
            changes.note_event(event);
            if let Event::Network { left, .. } = event {
                self.log.add_change(event, left, engine.choice());
            }
            self.events.push(event, aftermath);
        }
    }

    pub(super) fn see_notice(&mut self, notice: Notice, now: Instant, aftermath: &mut Aftermath) {
        self.notices.push(&notice, aftermath);
        self.log.add(notice, now);
    }

    /// So many messages have been sent.
    pub(super) fn note_sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count as u64);
    }

    /// Lets what is to be written to the log wait, or no longer.
    pub(super) fn hold_log(&mut self, is_held: bool) {
        self.is_log_held = is_held;
    }

    /// Takes what is to be written to the log, which is for when the hub is not locked.
    pub(super) fn take_log(&mut self) -> Vec<Entry> {
        match self.is_log_held {
            true => Vec::new(),
            false => self.log.take(),
        }
    }

    /// Nothing will come any more.
    pub(super) fn end(&mut self, aftermath: &mut Aftermath) {
        self.events.end(aftermath);
        self.notices.end(aftermath);
    }

    /// Whispers and shouts received.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Whispers sent, and copies of shouts.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// How many notices of each kind there have been.
    pub(super) fn notice_counts(&self) -> &BTreeMap<&'static str, u64> {
        self.log.counts()
    }

    /// How many warnings the log was spared.
    pub(super) fn suppressed(&self) -> u64 {
        self.log.suppressed()
    }
}
