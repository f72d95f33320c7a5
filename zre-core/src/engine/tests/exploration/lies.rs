//! What the adversary can do.

use std::vec::Vec;

use core::net::{IpAddr, SocketAddr};

use zre_proto::{Body, Endpoint, Hello, PeerId};

use super::{
    ledger,
    wire::{End, Wire},
    world::{ALICE, BOB, Datagram, EVE, World, address_of, beacon, id_of},
};
use crate::node::tests as node_tests;

/// She connects to alice under an identity and sends a message, with another behind it that fits.
/// Or she sends a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// Under bob's identity.
    Connect { from_bob: bool, first: First },
    /// Under her own identity, with an endpoint that may not be hers.
    OwnHello(Place),
    /// A beacon says that bob leaves.
    Goodbye,
    /// A beacon says that bob is at her endpoint.
    Beacon,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    Hello(Place),
    /// With answers on stock behind it.
    HelloAndAnswers,
    /// The next number of bob's, or another.
    Whisper {
        fits: bool,
    },
    /// An answer with the next number of bob's.
    Answer,
}

/// Where a HELLO says that its sender is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Bob,
    /// The same in other words.
    BobRespelt,
    Eve,
    Alice,
    AliceRespelt,
}

/// Everything that the adversary can do.
pub(super) fn all() -> Vec<Lie> {
    let mut lies = Vec::from([Lie::Goodbye, Lie::Beacon]);
    for from_bob in [true, false] {
        let firsts = [
            First::Hello(Place::Bob),
            First::Hello(Place::BobRespelt),
            First::Hello(Place::Eve),
            First::Hello(Place::Alice),
            First::HelloAndAnswers,
            First::Whisper { fits: true },
            First::Whisper { fits: false },
            First::Answer,
        ];
        lies.extend(firsts.map(|first| Lie::Connect { from_bob, first }));
    }
    let places = [Place::Bob, Place::BobRespelt, Place::AliceRespelt];
    lies.extend(places.map(Lie::OwnHello));
    lies
}

/// Those that do most beside a failure.
pub(super) fn few() -> Vec<Lie> {
    let lie = |from_bob, first| Lie::Connect { from_bob, first };
    Vec::from([
        Lie::Goodbye,
        Lie::Beacon,
        lie(true, First::Hello(Place::Bob)),
        lie(false, First::Hello(Place::Eve)),
        lie(false, First::Whisper { fits: true }),
        Lie::OwnHello(Place::Bob),
    ])
}

/// Those that say that bob is at her place.
pub(super) fn of_a_move() -> Vec<Lie> {
    let lie = |first| Lie::Connect {
        from_bob: false,
        first,
    };
    Vec::from([
        Lie::Beacon,
        lie(First::Hello(Place::Eve)),
        lie(First::Hello(Place::Bob)),
        lie(First::Whisper { fits: true }),
    ])
}

impl World {
    pub(super) fn lie(&mut self, lie: Lie) {
        match lie {
            Lie::Connect { from_bob, first } => self.speak_as_bob(from_bob, first),
            Lie::OwnHello(place) => {
                let hello = hello("eve", place);
                let now = self.now;
                let wire = self.speak(address_of(EVE), id_of(EVE), 1, hello);
                wire.lie(whisper(), now);
            }
            Lie::Goodbye => self.shout(BOB, None),
            Lie::Beacon => self.shout(EVE, Some(49152)),
        }
        self.wires.retain(|wire| !wire.is_gone());
    }

    fn speak_as_bob(&mut self, from_bob: bool, first: First) {
        let now = self.now;
        let from = address_of(if from_bob { BOB } else { EVE });
        let fitting = self.ledger.read[ALICE].wrapping_add(1);
        let (sequence, body) = match first {
            First::Hello(place) => (1, hello("bob", place)),
            First::HelloAndAnswers => (1, hello("bob", Place::Bob)),
            First::Whisper { fits: true } => (fitting, whisper()),
            First::Whisper { fits: false } => (fitting.wrapping_sub(1), whisper()),
            First::Answer => (fitting, Body::PingOk),
        };
        let wire = self.speak(from, id_of(BOB), sequence, body);
        wire.misfits = first == First::Whisper { fits: false };
        let second = match first {
            First::HelloAndAnswers => Body::PingOk,
            _ => whisper(),
        };
        wire.lie(second, now);
    }

    fn speak(
        &mut self,
        mut from: SocketAddr,
        identity: PeerId,
        sequence: u16,
        body: Body,
    ) -> &mut Wire {
        from.set_port(45_000);
        let opener = End {
            host: EVE,
            link: None,
            is_open: true,
        };
        let now = self.now;
        let wire = self.add_wire(opener, from, address_of(ALICE), identity);
        wire.is_connected = true;
        wire.sent = sequence.wrapping_sub(1);
        wire.lie(body, now);
        wire
    }

    fn shout(&mut self, from: usize, port: Option<u16>) {
        let mut address = address_of(from);
        address.set_port(5670);
        self.send_datagram(Datagram {
            from: address,
            to: ALICE,
            content: beacon(id_of(BOB), port),
        });
    }

    /// The adversary is gone.
    pub(super) fn dismiss_eve(&mut self) {
        self.eve_listens = false;
        for wire in &mut self.wires {
            if wire.opener.host == EVE {
                wire.close_opener();
            }
            if wire.acceptor.host == EVE {
                wire.close_acceptor();
            }
        }
        self.wires.retain(|wire| !wire.is_gone());
    }
}

fn whisper() -> Body {
    Body::Whisper {
        content: ledger::content(EVE, 0),
    }
}

fn hello(name: &str, place: Place) -> Body {
    let respelt = |host: usize| {
        let address = address_of(host);
        let IpAddr::V4(ip) = address.ip() else {
            unreachable!("all of them are")
        };
        let address = SocketAddr::new(ip.to_ipv6_mapped().into(), address.port());
        node_tests::endpoint(&std::format!("{address}"))
    };
    let endpoint: Endpoint = match place {
        Place::Bob => address_of(BOB).try_into().unwrap(),
        Place::Eve => address_of(EVE).try_into().unwrap(),
        Place::Alice => address_of(ALICE).try_into().unwrap(),
        Place::BobRespelt => respelt(BOB),
        Place::AliceRespelt => respelt(ALICE),
    };
    Hello {
        endpoint,
        groups: Default::default(),
        status: 0,
        name: name.try_into().unwrap(),
        headers: Default::default(),
    }
    .into()
}
