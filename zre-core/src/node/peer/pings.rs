//! Questions to one peer (PING), and which of them it has answered.

/// PINGs and their answers. Answers come in the order of the questions, so counting them tells
/// which is which.
///
/// Numbers go on from one session of the node to the next, so that none means two questions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pings {
    /// Questions up to this one belong to an earlier session and get no answer any more.
    forgotten: u64,
    sent: u64,
    answered: u64,
}

impl Pings {
    /// The questions of a new session: their numbers follow `last`.
    pub(super) fn after(last: u64) -> Self {
        Self {
            forgotten: last,
            sent: last,
            answered: last,
        }
    }

    /// Takes the number for the next question.
    pub(super) fn number_next(&mut self) -> u64 {
        self.sent += 1;
        self.sent
    }

    /// The questions up to which number have been answered, now that one more answer has come.
    pub(super) fn count_answer(&mut self) -> u64 {
        // An answer that nobody asked for counts for nothing.
        self.answered = self.sent.min(self.answered + 1);
        self.answered
    }

    /// A new session has begun, in which no earlier question is answered.
    pub(super) fn forget_unanswered(&mut self) {
        *self = Self::after(self.sent);
    }

    /// Whether a question has been answered; `None` if it will not be.
    pub(crate) fn is_answered(&self, number: u64) -> Option<bool> {
        (number > self.forgotten).then_some(number <= self.answered)
    }
}
