//! With whom the node talks, when that changes.

use tracing::{info, warn};
use zre_core::Trust;
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
        // A node that stops needs to hear of nothing any more.
        let _stopping = self.with(|state, now| state.engine.set_trust(Trust::Keys(keys), now));
    }
}
