//! Which keys settings need, and which they may not have.

use zre_proto::{Headers, KeyedEndpoint, curve::PublicKey};

use super::{Config, ConfigError};

/// The header by which a node with a key tells it (zyre; RFC 43/ZRE).
pub(crate) const KEY_HEADER: &str = "X-PUBLICKEY";

impl Config {
    /// What peers see: what the user has set, and the key if there is one.
    pub(super) fn all_headers(&self) -> Headers {
        let mut headers = self.headers.clone();
        if let Some(security) = &self.security {
            let key = alloc::format!("{}", security.keypair.public());
            // Cannot fail: only a name of more than 255 bytes is refused.
            let _set = headers.set(KEY_HEADER, key);
        }
        headers
    }

    /// Whether a key is trusted; none is in a node without a key.
    pub(crate) fn trusts(&self, key: &PublicKey) -> bool {
        let security = self.security.as_ref();
        security.is_some_and(|security| security.trust.admits(key).is_some())
    }

    /// Checks that whoever is connected to has a key if the node has one, and has none otherwise.
    pub(super) fn check_keys(&self) -> Result<(), ConfigError> {
        if self.headers.contains(KEY_HEADER) {
            return Err(ConfigError::KeyHeader);
        }
        let peers = self.connect.iter().map(|keyed| ("connect", keyed));
        let hubs = self.gossip_connect.iter();
        let hubs = hubs.map(|keyed| ("gossip_connect", keyed));
        let mut all = peers.chain(hubs);
        all.try_for_each(|(setting, keyed)| self.check_key(setting, keyed))
    }

    fn check_key(&self, setting: &'static str, keyed: &KeyedEndpoint) -> Result<(), ConfigError> {
        match (&self.security, keyed.key) {
            (Some(security), None) if security.only_key().is_none() => Err(ConfigError::NoKey {
                setting,
                keyed: keyed.clone(),
            }),
            (None, Some(_)) => Err(ConfigError::UnusedKey {
                setting,
                keyed: keyed.clone(),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString as _, vec::Vec};

    use zre_proto::curve::{Keypair, SecretKey};

    use super::*;
    use crate::security::{Security, Trust, TrustedKeys};

    fn keypair(number: u8) -> Keypair {
        SecretKey::from([number; 32]).into()
    }

    fn refusal(change: impl FnOnce(&mut Config)) -> Option<ConfigError> {
        let mut config = Config::new("tcp://10.0.0.1:1".parse().unwrap());
        change(&mut config);
        config.validate().err()
    }

    fn trusting(numbers: &[u8]) -> Option<Security> {
        let keys: TrustedKeys = numbers.iter().map(|it| keypair(*it).public()).collect();
        Some(Security::new(keypair(1), keys.into()))
    }

    #[test]
    fn with_a_key_each_place_needs_one_unless_only_one_can_be_meant() {
        let open = "tcp://10.0.0.2:1";
        let keyed = format!("{open}|{}", keypair(2).public());
        type Places = fn(&mut Config) -> &mut Vec<KeyedEndpoint>;
        let settings: [Places; 2] = [
            |config| &mut config.connect,
            |config| &mut config.gossip_connect,
        ];
        for set in settings {
            let refused = |place: &str, security| {
                let error = refusal(|config| {
                    *set(config) = [place.parse().unwrap()].into();
                    config.security = security;
                });
                error.map(|error| error.to_string())
            };
            assert_eq!(refused(open, None), None);
            assert_eq!(refused(&keyed, trusting(&[2, 3])), None);
            assert_eq!(refused(open, trusting(&[2])), None);
            assert_eq!(refused(open, Some(Security::shared(keypair(1)))), None);
            let any = || Some(Security::new(keypair(1), Trust::Any));
            assert_eq!(refused(&keyed, any()), None);
            for security in [trusting(&[2, 3]), any(), trusting(&[])] {
                let error = refused(open, security).unwrap();
                assert!(error.contains(open) && error.contains("|KEY"), "{error}");
            }
            let error = refused(&keyed, None).unwrap();
            assert!(error.contains(open) && error.contains("give the node a key"));
        }
    }

    #[test]
    fn the_header_of_the_key_cannot_be_set_by_hand() {
        for security in [None, trusting(&[2])] {
            let error = refusal(|config| {
                config.headers.set(KEY_HEADER, "x").unwrap();
                config.security = security;
            });
            assert_eq!(error, Some(ConfigError::KeyHeader));
        }
    }

    #[test]
    fn the_header_of_the_key_counts_as_one_of_the_headers() {
        let error = |headers, security| {
            refusal(|config| {
                for number in 0..headers {
                    config.headers.set(format!("X-{number}"), "y").unwrap();
                }
                config.security = security;
            })
        };
        assert_eq!(error(256, None), None);
        assert_eq!(error(255, trusting(&[2])), None);
        assert!(matches!(
            error(256, trusting(&[2])),
            Some(ConfigError::OwnLimit { value: 257, .. })
        ));
    }
}
