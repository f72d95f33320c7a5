//! Worlds in which everybody has a key.

use zre_core::{LinkSecurity, Security, Seed, TrustedKeys};
use zre_proto::{
    KeyedEndpoint,
    curve::{Keypair, PublicKey, SecretKey},
};

/// Who has which key, and who trusts whom.
///
/// The engines and the honest peer are members, who trust each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys {
    /// The members trust the adversary, too; if they have the same key, the adversary has it.
    pub(crate) trust_adversary: bool,
    /// All members have the same key.
    pub(crate) are_shared: bool,
}

impl Keys {
    const ADVERSARY: u8 = 2;

    /// By the bits of a script's first byte.
    pub(crate) fn new(mode: u8) -> Option<Self> {
        (mode & 0x80 == 0x80).then_some(Self {
            trust_adversary: mode & 0x40 == 0x40,
            are_shared: mode & 0x20 == 0x20,
        })
    }

    /// The key of a member, of which there are two.
    pub(crate) fn member(self, number: u8) -> Keypair {
        keypair(if self.are_shared { 0 } else { number })
    }

    pub(crate) fn adversary(self) -> Keypair {
        match self.are_shared && self.trust_adversary {
            true => self.member(0),
            false => keypair(Self::ADVERSARY),
        }
    }

    /// Whether a key is that of this member and of nobody else.
    pub(crate) fn proves(self, number: u8, key: PublicKey) -> bool {
        !self.are_shared && key == self.member(number).public()
    }

    /// Whether the adversary can say that it is a member.
    pub(crate) fn can_be_confused(self) -> bool {
        self.are_shared && self.trust_adversary
    }

    /// The settings of a member.
    pub(crate) fn security(self, number: u8) -> Security {
        let own = self.member(number);
        if self.are_shared {
            return Security::shared(own);
        }
        Security::new(own, self.trusted().into())
    }

    fn trusted(self) -> TrustedKeys {
        let members = [0, 1].map(|number| self.member(number).public());
        let adversary = self.adversary().public();
        let adversary = self.trust_adversary.then_some(adversary);
        members.into_iter().chain(adversary).collect()
    }

    /// The key that a beacon of the adversary's names.
    pub(crate) fn of_beacon(self, flags: u8) -> PublicKey {
        match flags >> 2 & 3 {
            0 => self.adversary().public(),
            1 => self.member(0).public(),
            2 => self.member(1).public(),
            _ => [9; 32].into(),
        }
    }

    /// How the adversary protects a connection that it has opened to a member, or that has been
    /// opened to it. It knows each beacon.
    pub(crate) fn of_adversary(
        self,
        engine: usize,
        is_outgoing: bool,
        seed: [u8; 32],
    ) -> LinkSecurity {
        let (own, seed) = (self.adversary(), Seed::predictable(seed));
        match is_outgoing {
            true => LinkSecurity::Server {
                own,
                trust: zre_core::Trust::Any.into(),
                seed,
            },
            false => LinkSecurity::Client {
                own,
                server: self.member(u8::from(engine == 1)).public(),
                seed,
            },
        }
    }

    /// How the honest peer, which is the second member, protects its connections with the engine.
    pub(crate) fn of_honest_peer(self, connects: bool) -> LinkSecurity {
        let (own, seed) = (self.member(1), Seed::predictable([77; 32]));
        match connects {
            true => LinkSecurity::Client {
                own,
                server: self.member(0).public(),
                seed,
            },
            false => LinkSecurity::Server {
                own,
                trust: std::sync::Arc::new(self.trusted().into()),
                seed,
            },
        }
    }
}

fn keypair(number: u8) -> Keypair {
    SecretKey::from([10 + number; 32]).into()
}

/// An endpoint of the settings, with the key of whoever is there.
pub(crate) fn keyed(endpoint: &str, key: Option<PublicKey>) -> KeyedEndpoint {
    let mut keyed: KeyedEndpoint = endpoint.parse().unwrap();
    keyed.key = key;
    keyed
}
