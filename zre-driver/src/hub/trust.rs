//! With whom the node talks, when that changes.

use tracing::{info, warn};
use zre_core::{Engine, Instant, Trust};
use zre_net::keys::TrustChange;

use super::{Hub, Stream};

impl<S: Stream> Hub<S> {
    /// The certificates that the node trusts have changed.
    pub(super) fn handle_trust(&self, change: TrustChange) {
        let TrustChange { keys, warnings, .. } = change;
        warnings.iter().for_each(|warning| warn!("{warning}"));
        match keys.len() {
            0 => warn!("no certificate is left that is trusted: the node talks with nobody"),
            count => info!("certificates have changed: {count} are trusted"),
        }
        self.with(|state, now| set_trust(&mut state.engine, Trust::Keys(keys), now));
    }
}

/// A node that stops needs to hear of nothing any more.
fn set_trust(engine: &mut Engine, trust: Trust, now: Instant) {
    let _is_stopped = engine.set_trust(trust, now);
}
