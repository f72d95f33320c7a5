//! Events of one peer, with their numbers.

use alloc::collections::{VecDeque, vec_deque};

use crate::event::Event;

/// Events in the order in which they came. Each has a number, counted over all events.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Queue {
    pub(super) events: VecDeque<Event>,
    /// The bytes that they hold.
    pub(super) weight: usize,
    /// The numbers of the events, if they are kept. Not beside each event: mostly they follow each
    /// other.
    runs: VecDeque<Run>,
}

/// Numbers that follow each other.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: u64,
    /// Never 0.
    count: usize,
}

impl Queue {
    /// Adds an event with a number that is higher than all before.
    pub(super) fn push(&mut self, event: Event, number: u64, weight: usize) {
        self.weight += weight;
        self.push_number(number);
        self.events.push_back(event);
    }

    fn push_number(&mut self, number: u64) {
        match self.runs.back_mut() {
            Some(run) if run.end() == number => run.count += 1,
            _ => self.runs.push_back(Run {
                first: number,
                count: 1,
            }),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.weight -= event.weight();
        self.pop_number();
        Some(event)
    }

    fn pop_number(&mut self) {
        if let Some(run) = self.runs.front_mut() {
            run.first += 1;
            run.count -= 1;
            if run.count == 0 {
                self.runs.pop_front();
            }
        }
    }

    /// The last event has this number, those before it the numbers before; they are kept from now
    /// on.
    pub(super) fn number_up_to(&mut self, newest: u64) {
        let count = self.events.len();
        if count > 0 {
            let first = newest + 1 - count as u64;
            self.runs.push_back(Run { first, count });
        }
    }

    /// Whether the events are the last up to this number.
    pub(super) fn are_up_to(&self, newest: u64) -> bool {
        self.runs.len() <= 1 && self.newest().is_none_or(|number| number == newest)
    }

    pub(super) fn forget_numbers(&mut self) {
        self.runs.clear();
    }

    /// The last events, so many or all.
    pub(super) fn last(&self, count: u64) -> vec_deque::Iter<'_, Event> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.events.range(self.events.len().saturating_sub(count)..)
    }

    /// The number of the last event.
    pub(super) fn newest(&self) -> Option<u64> {
        self.runs.back().map(|run| run.end() - 1)
    }

    /// The events whose numbers are higher than `number`.
    pub(super) fn after(&self, number: u64) -> vec_deque::Iter<'_, Event> {
        let newer = self.runs.iter().rev().map(|run| run.after(number).count);
        // Mostly all of them are in the last run, so this ends soon.
        let newer: usize = newer.take_while(|count| *count > 0).sum();
        self.events.range(self.events.len() - newer..)
    }

    /// The same, with their numbers.
    pub(super) fn numbered_after(&self, number: u64) -> impl Iterator<Item = (u64, &Event)> {
        let first = self
            .runs
            .partition_point(|run| run.end() <= number.saturating_add(1));
        let runs = self.runs.range(first..).map(move |run| run.after(number));
        runs.flat_map(|run| run.first..run.end())
            .zip(self.after(number))
    }

    /// Gives back the memory of a burst, but for so many events.
    pub(super) fn shrink_to(&mut self, kept: usize) {
        self.events.shrink_to(kept.max(2 * self.events.len()));
        self.runs.shrink_to(kept.max(2 * self.runs.len()));
    }
}

impl Run {
    /// The number behind the last.
    fn end(self) -> u64 {
        self.first + self.count as u64
    }

    /// The part whose numbers are higher than `number`.
    fn after(self, number: u64) -> Self {
        let first = self.first.max(number.saturating_add(1));
        let count = self.end().saturating_sub(first);
        // It is at most what it was.
        let count = usize::try_from(count).unwrap_or(self.count);
        Self { first, count }
    }
}
