//! Tasks that wait for something.

use std::task::{Context, Waker};

/// The wakers of those who wait; mostly one.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    first: Option<Waker>,
    others: Vec<Waker>,
}

impl Wakers {
    pub(crate) fn register(&mut self, cx: &Context<'_>) {
        let mut known = self.first.iter().chain(&self.others);
        if known.any(|waker| waker.will_wake(cx.waker())) {
            return;
        }
        if self.first.is_none() {
            self.first = Some(cx.waker().clone());
        } else {
            self.others.push(cx.waker().clone());
        }
    }

    /// Moves all wakers over to `woken`.
    pub(crate) fn move_to(&mut self, woken: &mut Self) {
        if let Some(first) = self.first.take() {
            woken.push(first);
            self.others.drain(..).for_each(|waker| woken.push(waker));
        }
    }

    /// Whether more wait than a program lets wait at one time, most of them in vain.
    pub(crate) fn are_many(&self) -> bool {
        self.others.len() > 256
    }

    pub(crate) fn push(&mut self, waker: Waker) {
        if self.first.is_none() {
            self.first = Some(waker);
        } else {
            self.others.push(waker);
        }
    }

    pub(crate) fn wake(self) {
        if let Some(first) = self.first {
            first.wake();
            self.others.into_iter().for_each(Waker::wake);
        }
    }
}
