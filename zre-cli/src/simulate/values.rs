//! How times, shares and rates are written on the command line.

use std::{str::FromStr, time::Duration};

/// Reads a time with its unit.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 5] = [
        ("us", 1e-6),
        ("ms", 1e-3),
        ("min", 60.0),
        ("h", 3600.0),
        ("s", 1.0),
    ];
    let expected = || "expected a time with its unit (us, ms, s, min or h), such as 30s or 2ms";
    let of_unit = |(unit, seconds): &(&str, f64)| {
        let number: f64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        Some(number * seconds)
    };
    let seconds = UNITS.iter().find_map(of_unit).ok_or_else(expected)?;
    let read = Duration::try_from_secs_f64(seconds).map_err(|_| expected())?;
    if read > MOST {
        return Err("at most 1000h can be simulated".to_owned());
    }
    // What the virtual clock can show.
    let micros = u64::try_from(read.as_micros()).unwrap_or(u64::MAX);
    Ok(Duration::from_micros(micros))
}

const MOST: Duration = Duration::from_secs(1000 * 3600);

/// Reads a time that is not zero.
pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("it must be longer than 0".to_owned()),
        time => Ok(time),
    }
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

/// Reads a number of octets per second.
pub(super) fn bandwidth(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 3] = [("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)];
    let of_unit = |(unit, factor): &(&str, u64)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*factor)
    };
    let read = text.parse().ok();
    match read.or_else(|| UNITS.iter().find_map(of_unit)) {
        Some(bandwidth) if bandwidth > 0 => Ok(bandwidth),
        _ => Err("expected octets per second, such as 125k or 10M".to_owned()),
    }
}

/// Reads a number of nodes.
pub(super) fn nodes(text: &str) -> Result<u32, String> {
    whole(text, 1, 60_000)
}

/// Reads a number of groups.
pub(super) fn groups(text: &str) -> Result<u32, String> {
    whole(text, 0, 60_000)
}

/// Reads the size of a message, which has to have room for what tells it from others.
pub(super) fn size(text: &str) -> Result<u32, String> {
    whole(text, 8, 1 << 20)
}

/// Reads a seed.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    let number = text.parse();
    number.map_err(|_| format!("expected a whole number from 0 to {}", u64::MAX))
}

fn whole(text: &str, least: u32, most: u32) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("expected a whole number from {least} to {most}")),
    }
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
    fn times_have_units() {
        for (text, micros) in [
            ("0s", 0),
            ("30s", 30_000_000),
            ("1.5s", 1_500_000),
            ("2ms", 2_000),
            ("2 ms", 2_000),
            ("10us", 10),
            ("2min", 120_000_000),
            ("1h", 3_600_000_000),
        ] {
            assert_eq!(time(text), Ok(Duration::from_micros(micros)), "{text}");
        }
        for text in ["", "s", "30", "-1s", "1 day", "NaNs", "infs", "1e9h"] {
            assert!(time(text).is_err(), "{text}");
        }
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
    fn bandwidths_have_prefixes() {
        assert_eq!(bandwidth("125k"), Ok(125_000));
        assert_eq!(bandwidth("10M"), Ok(10_000_000));
        assert_eq!(bandwidth("7"), Ok(7));
        for text in [
            "",
            "0",
            "k",
            "-1",
            "1.5M",
            "99999999999999999999",
            "999999999999999G",
        ] {
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
