//! What was accepted, and what came of it.

use std::collections::HashSet;

use crate::fault::{Expect, Fault};

/// How much later than `expired_after` an `Exit` may come, in milliseconds: two seconds, and
/// half a second for a machine on which more than this runs.
const GRACE: u64 = 2_500;
/// How much later than it is there an event may be taken, in milliseconds.
const LAG: u64 = 200;

/// All that the sender and the receiver have said. Times are milliseconds of the sender's clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// The number of each accepted message, and when its whisper began.
    pub(crate) accepted: Vec<(u64, u64)>,
    /// The numbers as they were delivered.
    pub(crate) delivered: Vec<u64>,
    /// The sender's ends of sessions with the receiver.
    pub(crate) exits: Vec<Exit>,
    /// How many messages were not confirmed when the sender stopped, if it did.
    pub(crate) unconfirmed_at_stop: Option<u64>,
    /// What became of messages that were to be confirmed.
    pub(crate) confirmed: Option<Confirmed>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Confirmed {
    /// The accepted messages that were confirmed. Of all others it was told that they were not.
    pub(crate) numbers: Vec<u64>,
    /// The longest time until it was told of a message that it is not confirmed.
    pub(crate) longest: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exit {
    pub(crate) at: u64,
    pub(crate) reason: String,
    /// How many of the session's messages were not confirmed.
    pub(crate) unconfirmed: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Judgement {
    /// The longest time from an accepted message that was not delivered to the `Exit` that says so.
    pub(crate) longest_to_exit: Option<u64>,
    /// Empty if all is well.
    pub(crate) complaints: Vec<String>,
}

impl Ledger {
    /// The accepted messages that have not been delivered, with their times.
    pub(crate) fn lost(&self) -> Vec<(u64, u64)> {
        let delivered: HashSet<_> = self.delivered.iter().collect();
        let mut lost = self.accepted.clone();
        lost.retain(|(number, _)| !delivered.contains(number));
        lost
    }

    /// How many messages the sender was told of as not confirmed.
    pub(crate) fn unconfirmed(&self) -> u64 {
        let exits = self.exits.iter().map(|exit| exit.unconfirmed);
        exits.chain(self.unconfirmed_at_stop).sum()
    }

    /// Whether nothing more can be expected: all is delivered or its loss told.
    pub(crate) fn is_settled(&self) -> bool {
        let told = |(_, at): &(u64, u64)| self.exit_behind(*at).is_some();
        self.lost().iter().all(told)
    }

    pub(crate) fn judge(&self, fault: &Fault) -> Judgement {
        let limit = fault.expired_ms() + GRACE;
        let lost = self.lost();
        let mut complaints = Vec::new();
        match &self.confirmed {
            Some(confirmed) => {
                complaints.extend(self.repeated());
                complaints.extend(self.misjudged(confirmed, limit, fault.receiver_lives));
            }
            None => {
                complaints.extend(self.out_of_order());
                complaints.extend(self.holes());
            }
        }
        if self.unconfirmed_at_stop.is_none() {
            complaints.extend(self.silent(&lost, limit));
        }
        if fault.receiver_lives {
            complaints.extend(self.uncounted(&lost));
        }
        complaints.extend(self.unexpected(fault.expect, &lost));
        let to_exit = lost.iter().filter_map(|(_, at)| self.time_to_exit(*at));
        Judgement {
            longest_to_exit: to_exit.max(),
            complaints,
        }
    }

    fn exit_behind(&self, at: u64) -> Option<&Exit> {
        self.exits.iter().find(|exit| exit.at >= at)
    }

    fn time_to_exit(&self, at: u64) -> Option<u64> {
        self.exit_behind(at).map(|exit| exit.at - at)
    }

    /// Each number may come once and behind the smaller ones.
    fn out_of_order(&self) -> Option<String> {
        let pairs = self.delivered.windows(2);
        let mut wrong = pairs.filter(|pair| pair[0] >= pair[1]);
        wrong
            .next()
            .map(|pair| format!("{} was delivered behind {}", pair[1], pair[0]))
    }

    /// Messages that are under way together may come in any order, but once.
    fn repeated(&self) -> Option<String> {
        let mut delivered = self.delivered.clone();
        delivered.sort_unstable();
        let mut pairs = delivered.windows(2);
        let twice = pairs.find(|pair| pair[0] == pair[1])?;
        Some(format!("{} was delivered twice", twice[0]))
    }

    /// Messages that were confirmed and not delivered, or that nobody counted as not confirmed, or
    /// of which it took too long to know.
    fn misjudged(&self, confirmed: &Confirmed, limit: u64, receiver_lives: bool) -> Vec<String> {
        let mut complaints = Vec::new();
        let delivered: HashSet<_> = self.delivered.iter().collect();
        let mut missing = confirmed.numbers.iter();
        let missing = missing.find(|number| !delivered.contains(number));
        complaints.extend(
            missing
                .filter(|_| receiver_lives)
                .map(|number| format!("{number} was confirmed and not delivered")),
        );
        let open = (self.accepted.len() - confirmed.numbers.len()) as u64;
        let told = self.unconfirmed();
        complaints.extend(
            (open != told).then(|| format!("{open} were not confirmed, but {told} counted so")),
        );
        let longest = confirmed.longest;
        complaints.extend(
            (longest > limit)
                .then(|| format!("it took {longest} ms to tell that a message is not confirmed")),
        );
        complaints
    }

    /// A message behind a lost one can only be delivered in a later session.
    fn holes(&self) -> Option<String> {
        let delivered: HashSet<_> = self.delivered.iter().collect();
        let mut delivered_behind = None;
        for (number, at) in self.accepted.iter().rev() {
            if delivered.contains(number) {
                delivered_behind = Some(*at);
                continue;
            }
            let exit = self.exit_behind(*at);
            let in_session = |next: u64| exit.is_none_or(|exit| exit.at > next + LAG);
            if delivered_behind.is_some_and(in_session) {
                return Some(format!("{number} is missing within a session"));
            }
        }
        None
    }

    /// Messages that were lost without an `Exit` in time.
    fn silent(&self, lost: &[(u64, u64)], limit: u64) -> Option<String> {
        let is_silent =
            |(_, at): &&(u64, u64)| self.time_to_exit(*at).is_none_or(|time| time > limit);
        let silent: Vec<_> = lost.iter().filter(is_silent).collect();
        let (number, at) = silent.first()?;
        Some(format!(
            "{} of {} messages were lost without an exit within {limit} ms, the first is {number}, \
             accepted at {at} ms",
            silent.len(),
            self.accepted.len()
        ))
    }

    /// An `Exit` or the `Stop` that counts fewer messages than were lost, or all of them together.
    fn uncounted(&self, lost: &[(u64, u64)]) -> Option<String> {
        let mut since = 0;
        for exit in &self.exits {
            // One that was accepted just before may be of the next session already.
            let session = since..=exit.at.saturating_sub(LAG);
            let missing = lost.iter().filter(|(_, at)| session.contains(at)).count() as u64;
            if missing > exit.unconfirmed {
                return Some(format!("{missing} messages were lost, but {exit:?}"));
            }
            since = exit.at + 1;
        }
        let told = self.unconfirmed();
        let missing = lost.len() as u64;
        (missing > told).then(|| format!("{missing} messages were lost, but {told} unconfirmed"))
    }

    fn unexpected(&self, expect: Expect, lost: &[(u64, u64)]) -> Option<String> {
        let (count, exits) = (lost.len(), &self.exits);
        let last = self.accepted.last().map(|(number, _)| number);
        match expect {
            Expect::Told => None,
            Expect::NoEntry => {
                let accepted = self.accepted.len();
                (accepted > 0).then(|| format!("{accepted} messages were accepted"))
            }
            Expect::Delivery if self.accepted.is_empty() => Some("nothing was accepted".to_owned()),
            Expect::Delivery => {
                let unconfirmed = self.unconfirmed_at_stop.unwrap_or_default();
                let text = format!(
                    "{count} messages were lost, {unconfirmed} unconfirmed, exits {exits:?}; \
                     expected none"
                );
                (count > 0 || unconfirmed > 0 || !exits.is_empty()).then_some(text)
            }
            Expect::Recovery => {
                let text = format!("the last message {last:?} was not delivered");
                (last.is_none() || last != self.delivered.last()).then_some(text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Confirmed, Exit, Ledger};
    use crate::fault::{Expect, Fault};

    const FAULT: Fault = Fault {
        name: "a fault",
        expired: Duration::from_secs(6),
        expect: Expect::Told,
        receiver_lives: true,
        sender_arguments: &[],
        receiver_arguments: &[],
        from_the_start: None,
        act: |_| {},
    };

    fn ledger(delivered: &[u64], exits: &[(u64, u64)]) -> Ledger {
        let exit = |&(at, unconfirmed): &(u64, u64)| Exit {
            at,
            unconfirmed,
            reason: "EXPIRED".to_owned(),
        };
        Ledger {
            accepted: (0..5).map(|number| (number, number * 1_000)).collect(),
            delivered: delivered.to_vec(),
            exits: exits.iter().map(exit).collect(),
            unconfirmed_at_stop: None,
            confirmed: None,
        }
    }

    /// The same with these confirmed.
    fn confirmed(numbers: &[u64], delivered: &[u64], exits: &[(u64, u64)]) -> Ledger {
        Ledger {
            confirmed: Some(Confirmed {
                numbers: numbers.to_vec(),
                longest: 8_500,
            }),
            ..ledger(delivered, exits)
        }
    }

    fn complaints_of(ledger: &Ledger, expect: Expect) -> Vec<String> {
        ledger.judge(&Fault { expect, ..FAULT }).complaints
    }

    #[track_caller]
    fn assert_fine(ledger: &Ledger) {
        let complaints = complaints_of(ledger, Expect::Told);
        assert!(complaints.is_empty(), "{complaints:?}");
    }

    #[track_caller]
    fn assert_complains(ledger: &Ledger, text: &str) {
        let complaints = complaints_of(ledger, Expect::Told);
        assert!(complaints.concat().contains(text), "{complaints:?}");
    }

    #[test]
    fn all_delivered_is_fine() {
        assert_fine(&ledger(&[0, 1, 2, 3, 4], &[]));
    }

    #[test]
    fn an_exit_in_time_that_counts_the_lost_is_fine() {
        let told = ledger(&[0, 1, 2], &[(9_000, 2)]);
        assert_fine(&told);
        assert_eq!(told.judge(&FAULT).longest_to_exit, Some(6_000));
    }

    #[test]
    fn a_loss_without_an_exit_is_found() {
        assert_complains(&ledger(&[0, 1, 2, 3], &[]), "1 of 5 messages were lost");
    }

    #[test]
    fn an_exit_before_the_message_tells_nothing_of_it() {
        assert_complains(&ledger(&[0, 1, 2, 3], &[(3_999, 9)]), "without an exit");
    }

    #[test]
    fn an_exit_that_comes_too_late_is_found() {
        assert_complains(&ledger(&[0, 1, 2, 3], &[(12_501, 1)]), "without an exit");
    }

    #[test]
    fn an_exit_that_counts_too_few_is_found() {
        assert_complains(&ledger(&[0, 1, 2], &[(9_000, 1)]), "2 messages were lost");
    }

    #[test]
    fn a_stop_that_counts_too_few_is_found() {
        let mut stopped = ledger(&[0, 1, 2], &[]);
        stopped.unconfirmed_at_stop = Some(2);
        assert_fine(&stopped);
        stopped.unconfirmed_at_stop = Some(1);
        assert_complains(&stopped, "but 1 unconfirmed");
    }

    #[test]
    fn a_repeated_and_a_late_message_are_found() {
        assert_complains(
            &ledger(&[0, 1, 1, 2, 3, 4], &[]),
            "1 was delivered behind 1",
        );
        assert_complains(&ledger(&[0, 2, 1, 3, 4], &[]), "1 was delivered behind 2");
    }

    #[test]
    fn confirmed_messages_may_come_in_any_order_and_must_come() {
        assert_fine(&confirmed(&[0, 1, 2], &[2, 0, 1], &[(9_000, 2)]));
        // The answer was lost, and the message was not.
        assert_fine(&confirmed(&[0, 1], &[2, 0, 1], &[(9_000, 3)]));
        let missing = confirmed(&[0, 1, 2], &[2, 0], &[(9_000, 2)]);
        assert_complains(&missing, "1 was confirmed and not delivered");
        let twice = confirmed(&[0, 1, 2], &[2, 0, 1, 2], &[(9_000, 2)]);
        assert_complains(&twice, "2 was delivered twice");
    }

    #[test]
    fn messages_that_are_not_confirmed_are_counted_exactly_and_told_in_time() {
        for count in [1, 3] {
            let wrong = confirmed(&[0, 1, 2], &[0, 1, 2], &[(9_000, count)]);
            assert_complains(&wrong, "2 were not confirmed");
        }
        let mut late = confirmed(&[0, 1, 2], &[0, 1, 2], &[(9_000, 2)]);
        late.confirmed.as_mut().expect("it is there").longest = 8_501;
        assert_complains(&late, "it took 8501 ms");
    }

    #[test]
    fn a_hole_within_a_session_is_found() {
        assert_complains(&ledger(&[0, 1, 3, 4], &[(9_000, 1)]), "2 is missing");
        assert_fine(&ledger(&[0, 1, 3, 4], &[(2_500, 1)]));
    }

    #[test]
    fn what_is_expected_besides_is_held_to_it() {
        let exited = ledger(&[0, 1, 2, 3, 4], &[(9_000, 0)]);
        assert!(!complaints_of(&exited, Expect::Delivery).is_empty());
        let without_the_last = ledger(&[0, 1, 2, 3], &[(9_000, 1)]);
        assert!(!complaints_of(&without_the_last, Expect::Recovery).is_empty());
        assert!(!complaints_of(&ledger(&[0, 1, 2, 3, 4], &[]), Expect::NoEntry).is_empty());
    }

    #[test]
    fn it_is_settled_when_each_message_is_delivered_or_told_of() {
        assert!(ledger(&[0, 1, 2, 3, 4], &[]).is_settled());
        assert!(ledger(&[0], &[(4_000, 4)]).is_settled());
        assert!(!ledger(&[0], &[(3_000, 4)]).is_settled());
    }
}
