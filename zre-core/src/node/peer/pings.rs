//! Questions to one peer (PING), which of them it has answered, and what the answers confirm.

use alloc::collections::VecDeque;
use core::ops::Range;

/// PINGs and their answers. Answers come in the order of the questions, so counting them tells
/// which is which.
///
/// Numbers go on from one session of the node to the next, so that none means two questions.
#[derive(Debug, Clone)]
pub(crate) struct Pings {
    /// Questions up to this one belong to an earlier session and get no answer any more.
    forgotten: u64,
    sent: u64,
    answered: u64,
    /// How many forgotten questions the peer may answer all the same.
    late: u64,
    /// How many questions were put to the peer before it was known whose they would be. These are
    /// answered first.
    before: u64,
    /// Whether another question is to follow as soon as none is under way: somebody waits for its
    /// answer, and knows its number already.
    is_wanted: bool,
    confirmations: Confirmations,
}

/// How many messages of the application the peer has handled, for all that we know.
#[derive(Debug, Clone, Default)]
struct Confirmations {
    /// How many have been sent in this session.
    sent: u64,
    confirmed: u64,
    /// Questions that stand behind messages which no earlier question covers: the number of each,
    /// and how many messages had been sent before it.
    covering: VecDeque<(u64, u64)>,
}

impl Pings {
    /// So many messages that are to be confirmed share a question at most.
    const SHARED_BY: u64 = 256;

    /// The questions of a new session: their numbers follow `last`.
    pub(super) fn after(last: u64) -> Self {
        Self {
            forgotten: last,
            sent: last,
            answered: last,
            late: 0,
            before: 0,
            is_wanted: false,
            confirmations: Confirmations::default(),
        }
    }

    /// So many questions of an earlier session may be answered late.
    pub(super) fn with_late(self, late: u64) -> Self {
        Self { late, ..self }
    }

    /// So many questions were put to the peer before this session, over the same connection.
    pub(crate) fn expect_earlier_answers(&mut self, asked: usize) {
        self.before = asked as u64;
    }

    /// How many questions have been put over the connection and have no answer.
    pub(crate) fn outstanding(&self) -> usize {
        usize::try_from(self.before + self.unanswered()).unwrap_or(usize::MAX)
    }

    /// So many questions that were put elsewhere may be answered here.
    pub(crate) fn allow_late_answers(&mut self, most: usize) {
        self.late = self.late.max(most as u64);
    }

    /// How many questions may be answered in the next session with the same peer.
    pub(super) fn late_answers(&self) -> u64 {
        self.late + self.before + self.unanswered()
    }

    /// Takes the number for the next question.
    pub(super) fn number_next(&mut self) -> u64 {
        self.sent += 1;
        self.is_wanted = false;
        self.confirmations.ask(self.sent);
        self.sent
    }

    /// The questions up to which number have been answered, now that one more answer has come;
    /// `None` if nobody asked for it.
    pub(super) fn count_answer(&mut self) -> Option<u64> {
        if self.before > 0 {
            self.before -= 1;
        } else if self.unanswered() > 0 {
            self.answered += 1;
        } else {
            self.late = self.late.checked_sub(1)?;
        }
        self.confirmations.confirm(self.answered);
        Some(self.answered)
    }

    /// The number of the question whose answer confirms all that has been sent, and whether it is
    /// to be asked now. While another is under way it is not, unless many messages have been sent
    /// since: so a thousand messages that are to be confirmed need few questions, and whoever goes
    /// on when some are confirmed need not wait for all.
    pub(super) fn confirm_all(&mut self) -> (u64, bool) {
        let covering = self.confirmations.covering_question(self.answered);
        // One that is forgotten says nothing: then nothing has been sent and asked in this session.
        if !self.has_uncovered() && covering > self.forgotten {
            return (covering, false);
        }
        let is_asked = self.unanswered() == 0 || self.confirmations.uncovered() >= Self::SHARED_BY;
        self.is_wanted = !is_asked;
        (self.sent + 1, is_asked)
    }

    /// Whether the question that somebody waits for can be asked now.
    pub(super) fn is_due(&self) -> bool {
        self.is_wanted && self.unanswered() == 0
    }

    /// The peer may have begun a new session, in which no earlier question is answered. Messages
    /// that are not confirmed stay so until a later question is answered.
    pub(super) fn forget_unanswered(&mut self) {
        let unconfirmed = self.unconfirmed();
        // Nor is the one that somebody waits for and that has not been asked.
        let last = self.sent + u64::from(self.is_wanted);
        *self = Self::after(last).with_late(self.late_answers());
        self.confirmations.sent = unconfirmed;
    }

    /// The application has been told how many messages are not confirmed.
    pub(super) fn forget_unconfirmed(&mut self) {
        self.confirmations = Confirmations::default();
    }

    /// Whether a question has been answered; `None` if it will not be.
    pub(crate) fn is_answered(&self, number: u64) -> Option<bool> {
        (number > self.forgotten).then_some(number <= self.answered)
    }

    /// The questions of this session that have been answered.
    pub(crate) fn answered(&self) -> Range<u64> {
        self.forgotten + 1..self.answered + 1
    }

    /// A message of the application is sent.
    pub(crate) fn count_message(&mut self) {
        self.confirmations.sent += 1;
    }

    /// How many messages of the application no answer has confirmed.
    pub(crate) fn unconfirmed(&self) -> u64 {
        self.confirmations.sent - self.confirmations.confirmed
    }

    /// Whether messages have been sent since the last question.
    pub(crate) fn has_uncovered(&self) -> bool {
        self.confirmations.uncovered() > 0
    }

    fn unanswered(&self) -> u64 {
        self.sent - self.answered
    }
}

impl Confirmations {
    fn ask(&mut self, number: u64) {
        /// So many questions are remembered for a peer that does not answer.
        const REMEMBERED: usize = 64;
        if self.covered() == self.sent {
            return;
        }
        if self.covering.len() == REMEMBERED {
            // The new question covers what the last one did, and confirms it later.
            self.covering.pop_back();
        }
        self.covering.push_back((number, self.sent));
    }

    fn confirm(&mut self, answered: u64) {
        while let Some((number, sent)) = self.covering.front()
            && *number <= answered
        {
            self.confirmed = *sent;
            self.covering.pop_front();
        }
    }

    /// The question that covers all messages, or the last that was answered if they are confirmed.
    fn covering_question(&self, answered: u64) -> u64 {
        let last = self.covering.back();
        last.map_or(answered, |(number, _)| *number)
    }

    /// How many messages have been sent since the last question.
    fn uncovered(&self) -> u64 {
        self.sent - self.covered()
    }

    /// How many messages are confirmed, or will be by an answer to a question that was asked.
    fn covered(&self) -> u64 {
        let last = self.covering.back();
        last.map_or(self.confirmed, |(_, sent)| *sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_nobody_asked_for_is_told_apart() {
        let mut pings = Pings::after(7);
        assert_eq!(pings.count_answer(), None);
        assert_eq!(pings.number_next(), 8);
        assert_eq!(pings.count_answer(), Some(8));
        assert_eq!(pings.count_answer(), None);
    }

    #[test]
    fn questions_of_an_earlier_session_may_be_answered_late() {
        let mut pings = Pings::after(0);
        pings.number_next();
        pings.number_next();
        pings.forget_unanswered();
        assert_eq!(pings.is_answered(2), None);
        let asked = pings.number_next();
        assert_eq!(pings.is_answered(asked), Some(false));
        assert_eq!(pings.count_answer(), Some(asked));
        assert!(pings.count_answer().is_some() && pings.count_answer().is_some());
        assert_eq!(pings.count_answer(), None);
    }

    #[test]
    fn a_question_that_was_put_before_is_answered_first() {
        let mut pings = Pings::after(7);
        pings.expect_earlier_answers(1);
        let asked = pings.number_next();
        assert_eq!(pings.count_answer(), Some(7));
        assert_eq!(pings.is_answered(asked), Some(false));
        assert_eq!(pings.count_answer(), Some(asked));
        assert_eq!(pings.count_answer(), None);
    }

    #[test]
    fn messages_stay_unconfirmed_when_questions_are_forgotten() {
        let mut pings = Pings::after(0);
        pings.count_message();
        pings.number_next();
        pings.forget_unanswered();
        assert_eq!(pings.unconfirmed(), 1);
        pings.number_next();
        pings.count_answer();
        assert_eq!(pings.unconfirmed(), 0);
        pings.count_message();
        pings.forget_unconfirmed();
        assert_eq!(pings.unconfirmed(), 0);
    }

    #[test]
    fn an_answer_confirms_the_messages_before_its_question() {
        let mut pings = Pings::after(0);
        pings.count_message();
        pings.count_message();
        assert!(pings.has_uncovered());
        pings.number_next();
        assert!(!pings.has_uncovered());
        pings.count_message();
        assert_eq!(pings.unconfirmed(), 3);
        pings.count_answer();
        assert_eq!(pings.unconfirmed(), 1);
        pings.number_next();
        pings.number_next();
        pings.count_answer();
        assert_eq!(pings.unconfirmed(), 0);
    }

    #[test]
    fn messages_that_are_to_be_confirmed_share_questions() {
        let mut pings = Pings::after(7);
        pings.count_message();
        assert_eq!(pings.confirm_all(), (8, true));
        assert_eq!(pings.number_next(), 8);
        assert_eq!(pings.confirm_all(), (8, false));
        for _ in 1..Pings::SHARED_BY {
            pings.count_message();
            assert_eq!(pings.confirm_all(), (9, false));
        }
        assert!(!pings.is_due());
        pings.count_answer();
        assert!(pings.is_due());
        assert_eq!(pings.number_next(), 9);
        assert!(!pings.is_due());
        pings.count_answer();
        assert_eq!(pings.unconfirmed(), 0);
        assert_eq!(pings.confirm_all(), (9, false));
        assert_eq!(pings.is_answered(9), Some(true));
    }

    #[test]
    fn many_messages_are_not_left_to_wait_for_an_earlier_answer() {
        let mut pings = Pings::after(0);
        let mut asked = 0;
        for _ in 0..10 * Pings::SHARED_BY {
            pings.count_message();
            let (number, is_asked) = pings.confirm_all();
            assert_eq!(number, asked + 1);
            if is_asked {
                asked = pings.number_next();
            }
        }
        assert_eq!(asked, 10, "the first is for the first message alone");
        (0..asked).for_each(|_| assert!(pings.count_answer().is_some()));
        assert_eq!(pings.unconfirmed(), Pings::SHARED_BY - 1);
        assert!(pings.is_due());
    }

    #[test]
    fn a_peer_to_whom_nothing_was_sent_is_asked_to_confirm_that() {
        let mut pings = Pings::after(7);
        assert_eq!(pings.confirm_all(), (8, true));
    }

    #[test]
    fn what_awaits_a_question_that_is_never_asked_is_not_confirmed_by_a_later_one() {
        let mut pings = Pings::after(0);
        pings.count_message();
        pings.number_next();
        pings.count_message();
        assert_eq!(pings.confirm_all(), (2, false));
        pings.forget_unanswered();
        assert_eq!(pings.is_answered(2), None);
        assert_eq!(pings.number_next(), 3);
        pings.count_answer();
        assert_eq!(pings.is_answered(2), None);
    }

    #[test]
    fn a_peer_that_never_answers_costs_no_more_memory_with_each_question() {
        let mut pings = Pings::after(0);
        for _ in 0..1000 {
            pings.count_message();
            pings.number_next();
        }
        assert!(pings.confirmations.covering.len() <= 64);
        (0..1000).for_each(|_| assert!(pings.count_answer().is_some()));
        assert_eq!(pings.unconfirmed(), 0);
    }
}
