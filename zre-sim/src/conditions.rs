//! How good or bad a network is.

use std::time::Duration;

use thiserror::Error;

/// What happens to everything that crosses a LAN, or one link.
///
/// ```
/// use std::time::Duration;
/// use zre_sim::Conditions;
///
/// let bad = Conditions { loss: 0.3, burst: 4.0, ..Conditions::wifi() };
/// assert!(bad.validate().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// How long everything takes one way, at least.
    pub latency: Duration,
    /// The most that is added to the latency, each time a random part of it. So datagrams can
    /// overtake each other; streams stay in order.
    pub jitter: Duration,
    /// Bytes per second of all streams in one direction together; no limit if `None`.
    pub bandwidth: Option<u64>,
    /// The share of datagrams that are lost, from 0 to 1. The same share of what streams carry
    /// arrives 0.2 s later, because TCP sends it again.
    pub loss: f64,
    /// How many datagrams in a row are lost on average when one is; at least 1.
    pub burst: f64,
    /// The share of datagrams that arrive twice, from 0 to 1.
    pub duplicate: f64,
    /// The share of datagrams that take ten times as long, so that others overtake them; from 0
    /// to 1.
    pub reorder: f64,
    /// Cuts what is written to a stream into pieces of 1 to this many bytes, at random. It does not
    /// cut messages at [`Level::Messages`](crate::Level::Messages).
    pub piece: Option<usize>,
    /// How many bytes a stream takes before its receiver reads; at least 1.
    pub window: usize,
}

impl Conditions {
    /// No delay and no loss.
    pub const fn perfect() -> Self {
        Self {
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            bandwidth: None,
            loss: 0.0,
            burst: 1.0,
            duplicate: 0.0,
            reorder: 0.0,
            piece: None,
            window: 256 << 10,
        }
    }

    /// A wired network: 0.2 to 0.3 ms one way, nothing is lost.
    pub const fn wired() -> Self {
        Self {
            latency: Duration::from_micros(200),
            jitter: Duration::from_micros(100),
            ..Self::perfect()
        }
    }

    /// A busy wireless network: 2 to 12 ms one way, 5 % of datagrams lost, mostly three in a row.
    pub const fn wifi() -> Self {
        Self {
            latency: Duration::from_millis(2),
            jitter: Duration::from_millis(10),
            loss: 0.05,
            burst: 3.0,
            ..Self::perfect()
        }
    }

    /// Checks that all values are possible.
    ///
    /// # Errors
    ///
    /// [`BadConditions`] names the first value that is not.
    pub fn validate(&self) -> Result<(), BadConditions> {
        for (what, value) in [
            ("loss", self.loss),
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(BadConditions::NoShare { what, value });
            }
        }
        // Written so that NaN is refused, too.
        if !(self.burst >= 1.0 && self.burst.is_finite()) {
            return Err(BadConditions::Burst(self.burst));
        }
        for (what, value) in [
            ("bandwidth", self.bandwidth),
            ("piece", self.piece.map(|piece| piece as u64)),
            ("window", Some(self.window as u64)),
        ] {
            if value == Some(0) {
                return Err(BadConditions::Zero(what));
            }
        }
        Ok(())
    }
}

/// A wired network.
impl Default for Conditions {
    fn default() -> Self {
        Self::wired()
    }
}

/// A value of [`Conditions`] that is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum BadConditions {
    /// A share is not from 0 to 1.
    #[error("{what} is {value}, it must be from 0 to 1")]
    NoShare {
        /// Which.
        what: &'static str,
        /// What it is.
        value: f64,
    },
    /// The mean number of datagrams lost in a row is below 1.
    #[error("burst is {0}, it must be at least 1")]
    Burst(f64),
    /// With 0, nothing could be sent at all.
    #[error("{0} is 0, it must be at least 1")]
    Zero(&'static str),
}
