//! How values are written on the command line: one way for times, one for sizes.
//!
//! Each reader returns what was expected instead, for a user who has written something else.

mod places;

use std::{ops::RangeInclusive, time::Duration};

use zre_tokio::{GroupName, ShortText, SlowMembers};

pub(crate) use places::{address, bind_endpoint, endpoint, interface, keyed_endpoint};

/// Longer times are mistakes: six weeks.
const LONGEST: Duration = Duration::from_secs(1000 * 3600);

/// The shortest time that a node can work with.
pub(crate) const SHORTEST_PACE: Duration = Duration::from_millis(10);

/// Reads a time with its unit.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    if text.parse::<f64>().is_ok() {
        let number = text.trim_start_matches('-');
        return Err(format!(
            "a time needs its unit: write {number}ms or {number}s"
        ));
    }
    let read = humantime::parse_duration(text).map_err(
        |_| "expected a time with its unit (us, ms, s, m or h), such as 250ms, 1s or 1m 30s",
    )?;
    if read > LONGEST {
        return Err("expected a time of at most 1000h".to_owned());
    }
    Ok(read)
}

/// Reads a time that is not zero.
pub(crate) fn some_time(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("expected a time longer than 0, such as 1s".to_owned()),
        time => Ok(time),
    }
}

/// Reads a time that is neither zero nor longer than an hour.
pub(crate) fn up_to_an_hour(text: &str) -> Result<Duration, String> {
    match some_time(text)? {
        time if time <= Duration::from_secs(3600) => Ok(time),
        _ => Err("expected a time of at most 1h".to_owned()),
    }
}

/// Reads a time in which a node does something again and again.
pub(crate) fn pace(text: &str) -> Result<Duration, String> {
    match time(text)? {
        time if time >= SHORTEST_PACE => Ok(time),
        _ => Err("expected a time of at least 10ms".to_owned()),
    }
}

/// Reads what shouts do about members that do not keep up.
pub(crate) fn slow_members(text: &str) -> Result<SlowMembers, String> {
    if text == "wait" {
        return Ok(SlowMembers::Wait);
    }
    match time(text) {
        Ok(after) => Ok(SlowMembers::Skip { after }),
        Err(error) if text.parse::<f64>().is_ok() => Err(error),
        Err(_) => Err("expected `wait`, or a time with its unit, such as 50ms".to_owned()),
    }
}

/// Reads a number of bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(char, u32); 3] = [('K', 10), ('M', 20), ('G', 30)];
    let unit = UNITS
        .iter()
        .find(|(unit, _)| text.ends_with([*unit, unit.to_ascii_lowercase()]));
    let (digits, shift) = match unit {
        Some((_, shift)) => (text.get(..text.len() - 1).unwrap_or_default(), *shift),
        None => (text, 0),
    };
    let number = digits.bytes().all(|digit| digit.is_ascii_digit());
    let number = number.then(|| digits.parse::<u64>().ok()).flatten();
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "expected a size in bytes, such as 100, 64K or 1M".to_owned())
}

/// Reads a number of bytes within bounds, which the error shows as `least` and `most` are written.
pub(crate) fn size_within(text: &str, bounds: RangeInclusive<u64>) -> Result<u64, String> {
    match size(text)? {
        size if bounds.contains(&size) => Ok(size),
        _ => {
            let (least, most) = (show_size(*bounds.start()), show_size(*bounds.end()));
            Err(format!(
                "expected a size from {least} to {most}, such as 100 or 8K"
            ))
        }
    }
}

/// A size as [`size`] reads it.
pub(crate) fn show_size(bytes: u64) -> String {
    match bytes {
        mib if mib >= 1 << 20 && mib.is_multiple_of(1 << 20) => format!("{}M", mib >> 20),
        kib if kib >= 1 << 10 && kib.is_multiple_of(1 << 10) => format!("{}K", kib >> 10),
        bytes => bytes.to_string(),
    }
}

/// Reads a whole number within bounds.
pub(crate) fn whole<N>(text: &str, bounds: RangeInclusive<N>) -> Result<N, String>
where
    N: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    match text.parse() {
        Ok(number) if bounds.contains(&number) => Ok(number),
        _ => {
            let (least, most) = (bounds.start(), bounds.end());
            Err(format!("expected a whole number from {least} to {most}"))
        }
    }
}

/// Reads the port of a socket.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    whole(text, 1..=u16::MAX).map_err(|_| "expected a port from 1 to 65535".to_owned())
}

/// Reads the port of a socket, or 0 for one that the system chooses.
pub(crate) fn port_or_any(text: &str) -> Result<u16, String> {
    let expected = "expected a port from 1 to 65535, or 0 for one that the system chooses";
    whole(text, 0..=u16::MAX).map_err(|_| expected.to_owned())
}

/// Reads the name of a node.
pub(crate) fn node_name(text: &str) -> Result<String, String> {
    fits("name", text)?;
    Ok(text.to_owned())
}

/// Reads the name of a peer.
pub(crate) fn peer_name(text: &str) -> Result<String, String> {
    fits("peer's name", text)?;
    Ok(text.to_owned())
}

/// Reads the name of a group.
pub(crate) fn group_name(text: &str) -> Result<GroupName, String> {
    fits("group", text)?;
    GroupName::try_from(text).map_err(|error| error.to_string())
}

/// Headers that were written in one argument.
///
/// A header's value may well have commas, so a comma begins another header only where `NAME=`
/// follows it. Where that belongs to the value, the comma is written `\,`.
pub(crate) fn headers(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    loop {
        let end = next_header(rest).unwrap_or(rest.len());
        let (header, others) = rest.split_at(end);
        headers.push(self::header(header)?);
        match others.strip_prefix(',') {
            Some(others) => rest = others,
            None => return Ok(headers),
        }
    }
}

/// What a certificate says of the owner of a key, written as headers are.
pub(crate) fn metadata(text: &str) -> Result<Vec<(String, String)>, String> {
    headers(text).map_err(|_| "expected NAME=VALUE, such as email=bob@example.org".to_owned())
}

/// Reads the name of the owner of a key.
pub(crate) fn owner_name(text: &str) -> Result<String, String> {
    fits("name", text)?;
    Ok(text.to_owned())
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            fits("header name", name)?;
            Ok((name.to_owned(), value.replace(r"\,", ",")))
        }
        _ => Err("expected NAME=VALUE, such as X-ROLE=printer".to_owned()),
    }
}

/// Where the comma in front of the next header is.
fn next_header(text: &str) -> Option<usize> {
    let commas = text.match_indices(',').map(|(place, _)| place);
    commas
        .filter(|place| {
            !text
                .get(..*place)
                .is_some_and(|before| before.ends_with('\\'))
        })
        .find(|place| text.get(place + 1..).is_some_and(begins_with_name))
}

fn begins_with_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let name = text.bytes().take_while(|byte| is_part(*byte)).count();
    name > 0 && text.as_bytes().get(name) == Some(&b'=')
}

/// Whether a text fits where the protocol gives a length of one byte.
fn fits(what: &str, text: &str) -> Result<(), String> {
    let (length, most) = (text.len(), ShortText::MAX_LEN);
    match length {
        0 => Err(format!("the {what} is empty, expected 1 to {most} bytes")),
        _ if length > most => Err(format!("the {what} has {length} bytes, at most {most} fit")),
        _ => Ok(()),
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
            ("250ms", 250_000),
            ("2 ms", 2_000),
            ("10us", 10),
            ("2m", 120_000_000),
            ("2min", 120_000_000),
            ("1m 30s", 90_000_000),
            ("1h", 3_600_000_000),
        ] {
            assert_eq!(time(text), Ok(Duration::from_micros(micros)), "{text}");
        }
        for text in [
            "",
            "s",
            "-1s",
            "1 fortnight",
            "NaNs",
            "infs",
            "1e9h",
            "2000h",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_answered_with_what_it_may_mean() {
        let said = "a time needs its unit: write 250ms or 250s";
        assert_eq!(time("250"), Err(said.to_owned()));
        assert!(some_time("0.5").unwrap_err().contains("0.5ms or 0.5s"));
        assert!(pace("0").unwrap_err().contains("0ms or 0s"));
    }

    #[test]
    fn times_have_bounds() {
        assert!(some_time("0ms").unwrap_err().contains("longer than 0"));
        assert!(up_to_an_hour("61m").unwrap_err().contains("at most 1h"));
        assert!(pace("9ms").unwrap_err().contains("at least 10ms"));
        assert_eq!(pace("10ms"), Ok(SHORTEST_PACE));
    }

    #[test]
    fn slow_members_are_waited_for_or_skipped_after_a_time() {
        let skip = |millis| SlowMembers::Skip {
            after: Duration::from_millis(millis),
        };
        assert_eq!(slow_members("wait"), Ok(SlowMembers::Wait));
        assert_eq!(slow_members("50ms"), Ok(skip(50)));
        assert_eq!(slow_members("0s"), Ok(skip(0)));
        for (wrong, said) in [
            ("50", "write 50ms or 50s"),
            ("skip", "expected `wait`, or a time"),
            ("", "expected `wait`, or a time"),
        ] {
            assert!(slow_members(wrong).unwrap_err().contains(said), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_as_they_are_shown() {
        for bytes in [0, 1, 16, 1000, 1 << 10, 3 << 10, 1 << 20, 64 << 20] {
            assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }
        assert_eq!(size("64k"), Ok(64 << 10));
        assert_eq!(size("1G"), Ok(1 << 30));
        for wrong in [
            "",
            "K",
            "1.5K",
            "-1",
            "+1",
            "1KB",
            "é",
            "99999999999999999G",
        ] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        let said = size_within("65M", 1..=64 << 20).unwrap_err();
        assert!(said.contains("from 1 to 64M"), "{said}");
    }

    #[test]
    fn numbers_out_of_bounds_are_answered_with_the_bounds() {
        assert_eq!(port("5670"), Ok(5670));
        for wrong in ["0", "65536", "x", "", "-1"] {
            assert!(port(wrong).unwrap_err().contains("1 to 65535"), "{wrong}");
        }
        assert_eq!(port_or_any("0"), Ok(0));
    }

    #[test]
    fn a_comma_begins_a_header_only_where_a_name_follows() {
        for (text, expected) in [
            ("A=1", &[("A", "1")][..]),
            ("A=1,B=2", &[("A", "1"), ("B", "2")]),
            ("X-ROLES=print,scan", &[("X-ROLES", "print,scan")]),
            ("A=x, y,B=", &[("A", "x, y"), ("B", "")]),
            (r"A=x\,y=z,B=2", &[("A", "x,y=z"), ("B", "2")]),
            ("A=a=b", &[("A", "a=b")]),
            (r"A=C:\dir", &[("A", r"C:\dir")]),
        ] {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let expected: Vec<_> = expected.iter().map(owned).collect();
            assert_eq!(headers(text), Ok(expected), "{text}");
        }
        for wrong in ["", "A", "=1", "A,B=1"] {
            assert!(headers(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_neither_empty_nor_too_long() {
        assert!(node_name("").unwrap_err().contains("is empty"));
        assert!(group_name("").unwrap_err().contains("is empty"));
        let long = "x".repeat(256);
        let said = group_name(&long).unwrap_err();
        assert_eq!(said, "the group has 256 bytes, at most 255 fit");
    }
}
