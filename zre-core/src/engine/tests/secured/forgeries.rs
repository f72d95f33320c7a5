//! Honest nodes among strangers and a trusted liar, who do at random whatever they can.

use alloc::{format, string::ToString as _, vec::Vec};
use core::net::SocketAddr;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use zre_proto::{Beacon, Body, Endpoint, Headers, Hello, Message, PeerId, RoutingId};

use super::{
    super::{
        level::{Level, at_both_levels, exchange},
        network::{Network, millis},
    },
    key,
};
use crate::{
    link::{Caller, LinkSecurity, Role},
    node::tests::{id_of, keypair},
    seed::Seed,
};

at_both_levels! {
    whatever_strangers_and_a_trusted_liar_forge_ends_no_session_and_reads_no_message,
}

const NAMES: [&str; 4] = ["alice", "bob", "mallory", "eve"];

struct Liars<C: Level> {
    net: Network<C>,
    dice: ChaCha8Rng,
    /// Connections that they made: to which host, and both ends.
    remotes: Vec<(usize, crate::LinkId, C::RemoteLink)>,
}

impl<C: Level> Liars<C> {
    fn roll(&mut self, sides: usize) -> usize {
        usize::try_from(self.dice.next_u32()).unwrap() % sides
    }

    fn lie(&mut self) {
        match self.roll(3) {
            0 | 1 => self.forge_beacon(),
            _ => self.connect(),
        }
    }

    /// Anybody can send a beacon with any identity, place and key.
    fn forge_beacon(&mut self) {
        let (victim, peer, key_of) = (self.roll(2), self.roll(2), self.roll(4));
        let place = self.place();
        let is_farewell = self.roll(4) == 0;
        let beacon = Beacon {
            peer: id_of(NAMES[peer]),
            port: (!is_farewell).then_some(place.port()),
            public_key: (self.roll(8) > 0).then(|| key(NAMES[key_of])),
        };
        let (from, now) = (place.to_socket_addr().unwrap(), self.net.now);
        let engine = self.net.engine(victim);
        engine.handle_datagram(from, &beacon.encode(), now);
    }

    fn place(&mut self) -> Endpoint {
        match self.roll(6) {
            host @ 0..4 => self.net.endpoint(host),
            _ => format!("tcp://10.0.9.9:{}", 1 + self.roll(3))
                .parse()
                .unwrap(),
        }
    }

    /// The liar, who is trusted, and the stranger connect under the identity of an honest node, and
    /// say something.
    fn connect(&mut self) {
        let (victim, liar) = (self.roll(2), NAMES[2 + self.roll(2)]);
        let id = RoutingId::from(id_of(NAMES[1 - victim]));
        let remote: SocketAddr = match self.roll(2) {
            0 => "10.0.0.66:6666".parse().unwrap(),
            // A stranger behind the same address translation.
            _ => self.net.endpoint(1 - victim).to_socket_addr().unwrap(),
        };
        let own = keypair(liar);
        let caller = Caller {
            id,
            key: Some(own.public()),
        };
        let now = self.net.now;
        let link = C::accept(self.net.engine(victim), remote, caller, now);
        let security = LinkSecurity::Client {
            own,
            server: key(NAMES[victim]),
            seed: Seed::predictable([self.roll(256).to_le_bytes()[0]; 32]),
        };
        let mut end = C::remote(Role::Connecting(id), security);
        for _ in 0..self.roll(3) {
            let message = self.message(id.peer(), liar);
            C::queue(&mut end, &message);
        }
        self.remotes.push((victim, link, end));
    }

    fn message(&mut self, peer: PeerId, liar: &str) -> Message {
        let sequence = [1, 1, 2, 3, 7][self.roll(5)];
        let content = "a lie".into();
        let body = match self.roll(4) {
            0 => Body::Whisper { content },
            1 => Body::PingOk,
            2 => Body::Goodbye,
            _ => {
                let said = if self.roll(2) == 0 {
                    key(liar)
                } else {
                    key("alice")
                };
                let headers = [("X-PUBLICKEY", said.to_string())];
                Hello {
                    endpoint: self.place(),
                    groups: Default::default(),
                    status: 0,
                    name: format!("{peer:.3}").try_into().unwrap(),
                    headers: Headers::try_from_iter(headers).unwrap(),
                }
                .into()
            }
        };
        Message { sequence, body }
    }

    fn carry(&mut self) {
        for (host, link, end) in &mut self.remotes {
            let now = self.net.now;
            exchange(self.net.engine(*host), *link, end, true, now);
        }
        self.net.settle();
    }
}

fn whatever_strangers_and_a_trusted_liar_forge_ends_no_session_and_reads_no_message<C: Level>() {
    for seed in 0..12 {
        let mut net = Network::<C>::new();
        for name in NAMES {
            net.add_secured(name, &["alice", "bob", "mallory"]);
        }
        let mut liars = Liars {
            net,
            dice: ChaCha8Rng::seed_from_u64(seed),
            remotes: Vec::new(),
        };
        // In half of all runs they begin before the honest nodes have met.
        let first = if seed % 2 == 0 { 0 } else { 20 };
        let (mut sent, mut told) = ([0; 2], [Vec::new(), Vec::new()]);
        for round in 0..200 {
            if round >= first {
                liars.lie();
                liars.carry();
            }
            liars.net.run(millis(250));
            for host in 0..2 {
                let other = NAMES[1 - host];
                if liars.net.peers(host).contains(&id_of(other)) {
                    sent[host] += 1;
                    liars.net.whisper(host, 1 - host, "private");
                }
                told[host].extend(liars.net.told(host));
            }
        }
        liars.net.run(millis(2000));
        for host in 0..2 {
            told[host].extend(liars.net.told(host));
            let told = &told[host];
            let other = NAMES[1 - host];
            let whispers = told.iter().filter(|it| it.ends_with("whispers private"));
            let whispers = whispers.count();
            assert!(
                whispers > 100 && whispers == sent[1 - host],
                "{seed}: {told:?}"
            );
            let enters = format!("{other} enters");
            let count = told.iter().filter(|it| **it == enters).count();
            assert_eq!(count, 1, "{seed}: {told:?}");
            let lies = |it: &&alloc::string::String| {
                it.contains("lie") && !it.contains("alice") || it.contains(" exits")
            };
            assert_eq!(told.iter().find(lies), None, "{seed}");
        }
        for liar in 2..4 {
            let told = liars.net.told(liar);
            let read = told.iter().find(|it| it.contains("private"));
            assert_eq!(read, None, "{seed}");
        }
    }
}
