//! What was measured, and how it is shown.

use std::time::Duration;

use serde::Serialize;

use crate::values::show_size;

/// Everything that one run measures.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    pub(super) round_trips: Vec<RoundTrips>,
    pub(super) one_way: Vec<Flow>,
    pub(super) shouts: Vec<Flow>,
}

/// Round-trip times of one size, in microseconds.
#[derive(Debug, Serialize)]
pub(super) struct RoundTrips {
    /// Bytes of the message.
    size: usize,
    count: usize,
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    max_us: f64,
}

/// A flow of messages of one size, as its receiver saw it; of several receivers, the slowest.
#[derive(Debug, Serialize)]
pub(super) struct Flow {
    /// Bytes of a message.
    size: usize,
    count: u64,
    receivers: usize,
    messages_per_second: f64,
    mib_per_second: f64,
}

impl RoundTrips {
    /// `None` if there are no times.
    pub(super) fn new(size: usize, mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            Some(times.get(rank - 1)?.as_secs_f64() * 1e6)
        };
        Some(Self {
            size,
            count: times.len(),
            p50_us: at(50)?,
            p90_us: at(90)?,
            p99_us: at(99)?,
            max_us: at(100)?,
        })
    }
}

impl Flow {
    /// So many messages, the last of which came so long after the first; `None` if that is no
    /// rate.
    pub(super) fn new(size: usize, receivers: usize, count: u64, time: Duration) -> Option<Self> {
        if count < 2 || time.is_zero() {
            return None;
        }
        let messages_per_second = float(count - 1) / time.as_secs_f64();
        Some(Self {
            size,
            count,
            receivers,
            messages_per_second,
            mib_per_second: messages_per_second * float(size as u64) / f64::from(1 << 20),
        })
    }

    /// Whether it is slower than another.
    pub(super) fn is_slower(&self, other: &Self) -> bool {
        self.messages_per_second < other.messages_per_second
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 here")]
fn float(number: u64) -> f64 {
    number as f64
}

impl Figures {
    /// A table for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.round_trips.is_empty() {
            lines.push(row(
                "round trip",
                ["count", "p50 ms", "p90 ms", "p99 ms", "max ms"],
            ));
        }
        for times in &self.round_trips {
            let millis = |micros: f64| format!("{:.3}", micros / 1000.0);
            let shown = [times.p50_us, times.p90_us, times.p99_us, times.max_us].map(millis);
            let [p50, p90, p99, max] = &shown;
            lines.push(row(
                &show_size(times.size as u64),
                [&times.count.to_string(), p50, p90, p99, max],
            ));
        }
        for (name, flows) in [("one way", &self.one_way), ("shout", &self.shouts)] {
            if !flows.is_empty() {
                lines.push(row(name, ["count", "receivers", "messages/s", "MiB/s", ""]));
            }
            for flow in flows {
                let shown = [
                    &flow.count.to_string(),
                    &flow.receivers.to_string(),
                    &format!("{:.0}", flow.messages_per_second),
                    &format!("{:.1}", flow.mib_per_second),
                    "",
                ];
                lines.push(row(&show_size(flow.size as u64), shown));
            }
        }
        lines
    }
}

fn row(head: &str, [a, b, c, d, e]: [&str; 5]) -> String {
    let row = format!("{head:<12}{a:>10}{b:>12}{c:>12}{d:>12}{e:>12}");
    row.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_so_many_did_not_exceed() {
        let millis = |times: std::ops::RangeInclusive<u64>| times.map(Duration::from_millis);
        let hundred = RoundTrips::new(16, millis(1..=100).rev().collect()).unwrap();
        let shown = [
            hundred.p50_us,
            hundred.p90_us,
            hundred.p99_us,
            hundred.max_us,
        ];
        assert_eq!(shown, [50_000.0, 90_000.0, 99_000.0, 100_000.0]);
        let one = RoundTrips::new(16, millis(7..=7).collect()).unwrap();
        assert_eq!([one.p50_us, one.max_us], [7_000.0; 2]);
        assert!(RoundTrips::new(16, Vec::new()).is_none());
    }

    #[test]
    fn a_rate_counts_what_came_behind_the_first_message() {
        let flow = Flow::new(1 << 20, 1, 101, Duration::from_secs(2)).unwrap();
        assert_eq!(flow.messages_per_second, 50.0);
        assert_eq!(flow.mib_per_second, 50.0);
        assert!(Flow::new(16, 1, 1, Duration::from_secs(2)).is_none());
    }
}
