//! Nodes with keys.

use xxhash_rust::xxh3::xxh3_64_with_seed;
use zre_core::{
    Trust, TrustedKeys,
    proto::curve::{KeyMetadata, Keypair, SecretKey},
};

use crate::sim::Sim;

impl Sim {
    /// A key pair for this name, which depends on the name and the seed alone. Put it into
    /// [`Config::security`](zre_core::Config#structfield.security) of a node that starts:
    ///
    /// ```
    /// use std::time::Duration;
    /// use zre_sim::{Sim, core::Security};
    ///
    /// let mut sim = Sim::new(42);
    /// for name in ["a", "b"] {
    ///     let security = Security::new(sim.keypair(name), sim.trust(&["a", "b"]));
    ///     sim.host(name).start_with(|config| config.security = Some(security));
    /// }
    /// sim.run_until(Duration::from_secs(3), |sim| sim.agrees()).unwrap();
    /// assert_eq!(sim.node("a").peer_names(), ["b"]);
    /// ```
    ///
    /// The seed is known, so such a key protects nothing outside of a simulation.
    pub fn keypair(&self, name: &str) -> Keypair {
        let mut secret = [0; 32];
        for (number, part) in (0_u64..).zip(secret.chunks_exact_mut(8)) {
            let salt = self.world.seed ^ number.rotate_left(56) ^ 0x6B65_7973;
            part.copy_from_slice(&xxh3_64_with_seed(name.as_bytes(), salt).to_le_bytes());
        }
        SecretKey::from(secret).into()
    }

    /// Trusts the [keys](Sim::keypair) of these names. What is known of each key is its name, as if
    /// it had been read from a certificate.
    pub fn trust(&self, names: &[&str]) -> Trust {
        let keys = names.iter().map(|name| {
            let metadata = KeyMetadata::from_iter([("name", *name)]);
            (self.keypair(name).public(), metadata)
        });
        keys.collect::<TrustedKeys>().into()
    }
}
