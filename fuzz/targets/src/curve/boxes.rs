//! Keys with names, and boxes of any bytes under any nonce.

use std::{cell::RefCell, collections::HashMap};

use dryoc::classic::{
    crypto_box::{
        crypto_box_beforenm, crypto_box_detached_afternm_inplace,
        crypto_box_open_detached_afternm_inplace,
    },
    crypto_core::{crypto_core_hsalsa20, crypto_scalarmult_base},
};

/// Of any kind: public, secret, or that of a box.
pub(super) type Key = [u8; 32];

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The accepting side.
    Server,
    /// A connecting side that the server trusts.
    Friend,
    /// One that it does not.
    Stranger,
    /// Another whom it trusts, and whose secret key the fuzzer has not.
    Absent,
    /// Another accepting side.
    OtherServer,
    /// Short-term keys that the fuzzer has made.
    ShortTerm,
    OtherShortTerm,
    /// The short-term key of the link.
    Tested,
    /// Nobody: with it, each box has the same key.
    Zero,
    One,
    OfOrderEight,
}

impl Owner {
    const ALL: [Self; 11] = [
        Self::Server,
        Self::Friend,
        Self::Stranger,
        Self::Absent,
        Self::OtherServer,
        Self::ShortTerm,
        Self::OtherShortTerm,
        Self::Tested,
        Self::Zero,
        Self::One,
        Self::OfOrderEight,
    ];

    pub(super) fn new(number: u8) -> Self {
        Self::ALL[usize::from(number) % Self::ALL.len()]
    }

    /// `tested` is that of [`Owner::Tested`].
    pub(super) fn public(self, tested: &Key) -> Key {
        match self {
            Self::Tested => *tested,
            Self::Zero => [0; 32],
            Self::One => [
                1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                0, 0, 0, 0,
            ],
            Self::OfOrderEight => OF_ORDER_EIGHT,
            _ => public_of(&self.secret()),
        }
    }

    /// Of those that have none that is known, it is one that does not belong to the public key.
    pub(super) fn secret(self) -> Key {
        [1 + self as u8; 32]
    }

    /// Whose public key it is, if the fuzzer has the secret key that belongs to it.
    pub(super) fn known(public: &Key) -> Option<Self> {
        let known = [
            Self::Server,
            Self::Friend,
            Self::Stranger,
            Self::OtherServer,
            Self::ShortTerm,
            Self::OtherShortTerm,
        ];
        let mut known = known.into_iter();
        known.find(|owner| public_of(&owner.secret()) == *public)
    }

    /// One whose secret key the fuzzer has.
    pub(super) fn with_secret(number: u8) -> Self {
        match Self::new(number) {
            Self::Absent | Self::Tested => Self::Stranger,
            other => other,
        }
    }
}

const OF_ORDER_EIGHT: Key = [
    0xE0, 0xEB, 0x7A, 0x7C, 0x3B, 0x41, 0xB8, 0xAE, 0x16, 0x56, 0xE3, 0xFA, 0xF1, 0x9F, 0xC4, 0x6A,
    0xDA, 0x09, 0x8D, 0xEB, 0x9C, 0x32, 0xB1, 0xFD, 0x86, 0x62, 0x05, 0x16, 0x5F, 0x49, 0xB8, 0x00,
];

thread_local! {
    /// The same few come in nearly each input, and take most of its time.
    static PUBLIC: RefCell<HashMap<Key, Key>> = RefCell::default();
    static BOXES: RefCell<HashMap<(Key, Key), Option<Key>>> = RefCell::default();
}
const MOST_KEPT: usize = 1000;

fn public_of(secret: &Key) -> Key {
    PUBLIC.with_borrow_mut(|kept| {
        *kept.entry(*secret).or_insert_with(|| {
            let mut public = [0; 32];
            crypto_scalarmult_base(&mut public, secret);
            public
        })
    })
}

/// With which two owners seal boxes for each other; `None` if everybody can.
pub(super) fn shared(theirs: &Key, ours: &Key) -> Option<Key> {
    BOXES.with_borrow_mut(|kept| {
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        let entry = kept.entry((*theirs, *ours));
        *entry.or_insert_with(|| crypto_box_beforenm(theirs, ours).ok())
    })
}

/// The same, as somebody computes it who does not mind that.
pub(super) fn shared_or_weak(theirs: &Key, ours: &Key) -> Key {
    shared(theirs, ours).unwrap_or_else(|| {
        let mut key = [0; 32];
        crypto_core_hsalsa20(&mut key, &[0; 16], &[0; 32], None);
        key
    })
}

pub(super) const MAC: usize = 16;

pub(super) fn seal(key: &Key, nonce: &[u8; 24], text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    let mut mac = [0; MAC];
    crypto_box_detached_afternm_inplace(&mut text, &mut mac, nonce, key);
    [&mac[..], &text].concat()
}

pub(super) fn open(key: &Key, nonce: &[u8; 24], sealed: &[u8]) -> Option<Vec<u8>> {
    let (mac, text) = sealed.split_first_chunk::<MAC>()?;
    let mut text = text.to_vec();
    let opened = crypto_box_open_detached_afternm_inplace(&mut text, mac, nonce, key);
    opened.is_ok().then_some(text)
}

/// A nonce whose last bytes are a number.
pub(super) fn numbered(prefix: &[u8; 16], number: u64) -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce[..16].copy_from_slice(prefix);
    nonce[16..].copy_from_slice(&number.to_be_bytes());
    nonce
}

/// A nonce whose last bytes are random.
pub(super) fn random(prefix: &[u8; 8], random: &[u8]) -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce[..8].copy_from_slice(prefix);
    nonce[8..].copy_from_slice(random);
    nonce
}
