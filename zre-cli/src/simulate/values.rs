//! How times, shares and rates are written on the command line.

use std::{str::FromStr, time::Duration};

use crate::values;

/// Reads a time in whole microseconds, which is what the virtual clock can show.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    values::time(text).map(in_micros)
}

/// Reads a time that is not zero.
pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    values::some_time(text).map(in_micros)
}

fn in_micros(time: Duration) -> Duration {
    Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// Reads a share, in percent or from 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let (number, whole) = match text.strip_suffix('%') {
        Some(percent) => (percent.trim_end(), 100.0),
        None => (text, 1.0),
    };
    match number.parse::<f64>().map(|number| number / whole) {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a share, such as 5% or 0.05".to_owned()),
    }
}

/// Reads how often something happens.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1e6).contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0 to 1000000, such as 0.5".to_owned()),
    }
}

/// Reads the mean length of a run of losses.
pub(super) fn run_length(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(length) if (1.0..=1e6).contains(&length) => Ok(length),
        _ => Err("expected a number from 1, such as 3".to_owned()),
    }
}

/// Reads a number of bytes per second.
pub(super) fn bandwidth(text: &str) -> Result<u64, String> {
    match values::size(text) {
        Ok(bandwidth) if bandwidth > 0 => Ok(bandwidth),
        _ => Err("expected bytes per second, such as 128K or 10M".to_owned()),
    }
}

/// How many nodes a simulation has at most: a LAN has addresses for a few more.
pub(super) const MOST_NODES: u32 = 60_000;

/// Reads a number of nodes.
pub(super) fn nodes(text: &str) -> Result<u32, String> {
    values::whole(text, 1..=MOST_NODES)
}

/// Reads a number of groups.
pub(super) fn groups(text: &str) -> Result<u32, String> {
    values::whole(text, 0..=60_000)
}

/// Reads the size of a message, which must have room for its number.
pub(super) fn size(text: &str) -> Result<u32, String> {
    let size = values::size_within(text, 8..=1 << 20)?;
    u32::try_from(size).map_err(|error| error.to_string())
}

/// Reads a seed.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    values::whole(text, 0..=u64::MAX)
}

/// When the network falls into two halves, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) at: Duration,
    pub(super) lasts: Duration,
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected its beginning and its length, such as 5s+10s".to_owned();
        let (at, lasts) = text.split_once('+').ok_or_else(expected)?;
        let (at, lasts) = (time(at), some_time(lasts));
        Ok(Self {
            at: at.map_err(|_| expected())?,
            lasts: lasts.map_err(|_| expected())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_to_microseconds() {
        assert_eq!(time("1500ns"), Ok(Duration::from_micros(1)));
        assert!(time("30").is_err());
        assert!(some_time("0s").is_err());
    }

    #[test]
    fn shares_are_percents_or_fractions() {
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(share("0.05"), Ok(0.05));
        assert_eq!(share("100%"), Ok(1.0));
        for text in ["", "%", "5", "-1%", "101%", "NaN", "x"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bandwidths_are_sizes() {
        assert_eq!(bandwidth("125k"), Ok(125 << 10));
        assert_eq!(bandwidth("10M"), Ok(10 << 20));
        assert_eq!(bandwidth("7"), Ok(7));
        for text in ["", "0", "k", "-1", "1.5M", "99999999999999999999"] {
            assert!(bandwidth(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_partition_has_a_beginning_and_a_length() {
        let read: Partition = "5s+500ms".parse().unwrap();
        assert_eq!(read.at, Duration::from_secs(5));
        assert_eq!(read.lasts, Duration::from_millis(500));
        for text in ["", "5s", "5s+", "+5s", "5s+0s", "5+10", "5s+1s+1s"] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
    }
}
