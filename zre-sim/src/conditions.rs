//! How well a network carries.

use std::time::Duration;

use thiserror::Error;

/// What happens to what crosses a LAN, or one link.
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
    /// How much longer it may take; each time another part of this is added. Datagrams overtake each other by
    /// it, streams stay in order.
    pub jitter: Duration,
    /// Octets that streams carry in a second, all of one direction together; without bound if `None`.
    pub bandwidth: Option<u64>,
    /// The share of datagrams that are lost, from 0 to 1. Of what streams carry, the same share comes
    /// 0.2 s later, as TCP sends it again.
    pub loss: f64,
    /// How many datagrams in a row are lost on average when one is; at least 1.
    pub burst: f64,
    /// The share of datagrams that come twice, from 0 to 1.
    pub duplicate: f64,
    /// The share of datagrams that others overtake, coming ten times as late; from 0 to 1.
    pub reorder: f64,
    /// The most octets that come out of a stream at once, each time another number from 1 to this; whole
    /// pieces if `None`. Messages are not cut.
    pub piece: Option<usize>,
    /// Octets that a stream takes before its receiver has read any; at least 1.
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

    /// Checks that the values can be.
    ///
    /// # Errors
    ///
    /// [`BadConditions`] names the first value that cannot.
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

/// Conditions that no network can have.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum BadConditions {
    /// A share is not one.
    #[error("{what} is {value}, it must be from 0 to 1")]
    NoShare {
        /// Which.
        what: &'static str,
        /// What it is.
        value: f64,
    },
    /// A run of losses is shorter than one.
    #[error("burst is {0}, it must be at least 1")]
    Burst(f64),
    /// Nothing could cross.
    #[error("{0} is 0, it must be at least 1")]
    Zero(&'static str),
}
