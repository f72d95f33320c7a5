//! How long things take, and whether they are lost.

use std::time::Duration;

use rand_chacha::rand_core::RngCore as _;
use zre_core::Instant;

use super::{HostIndex, LanIndex, Network, Path};
use crate::conditions::Conditions;

/// How long TCP waits before its first retransmission.
const FIRST_RETRY: Duration = Duration::from_millis(200);

impl Network {
    /// The conditions from one host to another over a LAN.
    pub(crate) fn conditions(
        &self,
        from: HostIndex,
        to: HostIndex,
        lan: Option<LanIndex>,
    ) -> &Conditions {
        const INSIDE_A_HOST: &Conditions = &Conditions {
            latency: Duration::from_micros(20),
            ..Conditions::perfect()
        };
        if from == to {
            return INSIDE_A_HOST;
        }
        // Most networks have no links of their own, and this is asked for every datagram.
        let link = match self.links.is_empty() {
            true => None,
            false => self.links.get(&(from, to)),
        };
        if let Some(conditions) = link.and_then(|link| link.conditions.as_ref()) {
            return conditions;
        }
        lan.map_or(INSIDE_A_HOST, |lan| &self.lans[lan].conditions)
    }

    /// How long each copy of a datagram takes. There is none if it is lost, and two if it is
    /// duplicated.
    pub(crate) fn datagram(&mut self, path: Option<Path>) -> [Option<Duration>; 2] {
        // No random number is drawn for what cannot arrive.
        let Some(Path { from, to, lan }) = path else {
            return [None, None];
        };
        let conditions = *self.conditions(from, to, lan);
        if self.is_lost(from, to, &conditions) {
            return [None, None];
        }
        // Each copy has its own delay, so the second one may come first.
        let mut delay = self.delay(&conditions);
        if self.happens(conditions.reorder) {
            delay = delay.saturating_mul(10);
        }
        let again = self.happens(conditions.duplicate);
        [Some(delay), again.then(|| self.delay(&conditions))]
    }

    /// When a piece of a stream arrives that is sent now.
    pub(crate) fn stream(&mut self, path: Path, size: usize, now: Instant) -> Instant {
        let Path { from, to, lan } = path;
        let conditions = *self.conditions(from, to, lan);
        let mut sent = now;
        if let Some(bandwidth) = conditions.bandwidth {
            let link = self.links.entry((from, to)).or_default();
            let micros = (size as u64).saturating_mul(1_000_000) / bandwidth;
            // All streams of a direction share its bandwidth: one waits for the other.
            link.busy_until = link.busy_until.max(now) + Duration::from_micros(micros);
            sent = link.busy_until;
        }
        if self.happens(conditions.loss) {
            sent = sent + FIRST_RETRY;
        }
        sent + self.delay(&conditions)
    }

    /// How long TCP waits before it sends something again that was lost `failures` times before.
    pub(crate) fn retry_delay(failures: u32) -> Duration {
        let doubled = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures.min(10)));
        doubled.min(Duration::from_secs(120))
    }

    pub(crate) fn delay(&mut self, conditions: &Conditions) -> Duration {
        let jitter = u64::try_from(conditions.jitter.as_micros()).unwrap_or(u64::MAX);
        let more = match jitter {
            0 => 0,
            jitter => self.chance.next_u64() % jitter.saturating_add(1),
        };
        conditions.latency + Duration::from_micros(more)
    }

    /// A number from 1 to `most`.
    pub(crate) fn up_to(&mut self, most: usize) -> usize {
        // The slight bias of a remainder does not matter here.
        let drawn = self.chance.next_u64() % (most.max(1) as u64);
        usize::try_from(drawn).unwrap_or(0) + 1
    }

    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && f64::from(self.chance.next_u32()) < share * (f64::from(u32::MAX) + 1.0)
    }

    /// Losses come in bursts of the given mean length, so often that their share is right
    /// (Gilbert's model).
    fn is_lost(&mut self, from: HostIndex, to: HostIndex, conditions: &Conditions) -> bool {
        let Conditions { loss, burst, .. } = *conditions;
        // Without bursts each loss is independent; with a share of 0 or 1 there is nothing to draw.
        if loss <= 0.0 || loss >= 1.0 || burst <= 1.0 {
            return self.happens(loss);
        }
        let in_burst = self
            .links
            .get(&(from, to))
            .is_some_and(|link| link.in_burst);
        let lost = if in_burst {
            // A burst ends so often that it has its mean length.
            !self.happens(1.0 / burst)
        } else {
            // Bursts begin so often that they make up the share of all datagrams.
            self.happens((loss / (burst * (1.0 - loss))).min(1.0))
        };
        // Only a change is written, so that a link without losses needs no entry.
        if lost != in_burst {
            self.links.entry((from, to)).or_default().in_burst = lost;
        }
        lost
    }
}
