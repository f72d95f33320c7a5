//! The keys of an engine, and those that its connections get for themselves.

use alloc::sync::Arc;

use zre_proto::curve::{Keypair, PublicKey};

use crate::{
    link::LinkSecurity,
    security::{Security, Trust},
    seed::Seed,
};

/// The key of this node, with whom it talks, and seeds for connections.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Keys {
    own: Keypair,
    trust: Arc<Trust>,
    seeds: Seeds,
}

impl Keys {
    pub(super) fn new(security: &Security, seed: Seed) -> Self {
        Self {
            own: security.keypair.clone(),
            trust: Arc::new(security.trust.clone()),
            seeds: Seeds(seed),
        }
    }

    /// Connections that are accepted from now on are judged by this.
    pub(super) fn set_trust(&mut self, trust: Arc<Trust>) {
        self.trust = trust;
    }

    /// For a connection to whoever has this key.
    pub(super) fn client(&mut self, server: PublicKey) -> LinkSecurity {
        LinkSecurity::Client {
            own: self.own.clone(),
            server,
            seed: self.seeds.next(),
        }
    }

    /// For a connection that came in.
    pub(super) fn server(&mut self) -> LinkSecurity {
        LinkSecurity::Server {
            own: self.own.clone(),
            trust: Arc::clone(&self.trust),
            seed: self.seeds.next(),
        }
    }
}

/// Seeds for connections.
///
/// Each takes the place of the last, from which it cannot be told: whoever sees the memory of this
/// node later cannot find out the keys of earlier connections.
#[derive(Debug)]
struct Seeds(Seed);

impl Seeds {
    fn next(&mut self) -> Seed {
        let last = core::mem::replace(&mut self.0, Seed::predictable([0; 32]));
        let (kept, next) = last.split();
        self.0 = kept;
        next
    }
}

/// Tests go on with an engine in several ways.
#[cfg(test)]
impl Clone for Seeds {
    fn clone(&self) -> Self {
        Self(Seed::predictable(*self.0.expose()))
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn each_connection_has_a_seed_of_its_own_which_does_not_show() {
        let keypair = Keypair::from(zre_proto::curve::SecretKey::from([7; 32]));
        let security = Security::new(keypair, Trust::Any);
        let mut keys = Keys::new(&security, Seed::predictable([1; 32]));
        let seed_of = |security| match security {
            LinkSecurity::Client { seed, .. } | LinkSecurity::Server { seed, .. } => *seed.expose(),
            LinkSecurity::Open => panic!("in the open"),
        };
        let first = seed_of(keys.server());
        let second = seed_of(keys.client([9; 32].into()));
        assert_ne!(first, second);
        assert_ne!(first, [1; 32]);
        assert!(format!("{keys:?}").contains("Seed(..)"));
    }
}
