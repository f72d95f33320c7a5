//! The keys of systems that encrypt. They are made from names, so that both ends know them.

use zre_core::proto::curve::{Keypair, SecretKey};

/// The key of the end with this name. Everybody can know it: it protects nothing.
pub fn keypair(name: &str) -> Keypair {
    let mut secret = [0; 32];
    let letters = name.bytes().cycle();
    secret
        .iter_mut()
        .zip(letters)
        .for_each(|(to, from)| *to = from);
    SecretKey::from(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_key_of_its_own() {
        let names = ["server", "client", "node-1", "node-11", "peer-1", "peer-12"];
        let keys = names.map(|name| keypair(name).public());
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key));
        }
    }
}
