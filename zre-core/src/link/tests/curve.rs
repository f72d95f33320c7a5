//! Connections with CURVE.

use alloc::sync::Arc;

use zre_proto::curve::{Keypair, PublicKey, SecretKey};

use super::*;
use crate::{Seed, Trust, TrustedKeys, link::LinkSecurity};

pub(super) fn keypair(number: u8) -> Keypair {
    SecretKey::from([number; 32]).into()
}

pub(super) fn client(own: u8, server: PublicKey) -> Link {
    let security = LinkSecurity::Client {
        own: keypair(own),
        server,
        seed: Seed::predictable([own; 32]),
    };
    Link::secured(Role::Connecting(id()), &Limits::default(), security)
}

pub(super) fn server(own: u8, trust: Trust) -> Link {
    let security = LinkSecurity::Server {
        own: keypair(own),
        trust: Arc::new(trust),
        seed: Seed::predictable([own; 32]),
    };
    Link::secured(Role::Accepting, &Limits::default(), security)
}

pub(super) fn trusting(keys: &[u8]) -> Trust {
    let keys = keys.iter().map(|number| keypair(*number).public());
    keys.collect::<TrustedKeys>().into()
}

/// Two ends whose handshake is over.
pub(super) fn open_pair() -> (Link, Link) {
    let mut client = client(1, keypair(2).public());
    let mut server = server(2, trusting(&[1]));
    converse(&mut client, &mut server, Split::Pieces(usize::MAX));
    assert!(client.is_open() && server.is_open());
    (client, server)
}

#[test]
fn both_ends_know_whose_the_other_is_and_messages_cross_whatever_the_pieces() {
    for split in [Split::Pieces(1), Split::Pieces(64 << 10), Split::Seeded(1)] {
        let mut client = client(1, keypair(2).public());
        let mut server = server(2, trusting(&[1]));
        let messages = [(1, 0), (1, 5), (2, 100), (3, 3000), (2, 70_000), (100, 1)];
        let messages = messages.map(|(frames, size)| numbered_message(frames, size));
        for message in &messages {
            client.send(&message.first, &message.rest);
        }
        let events = converse(&mut client, &mut server, split);
        let open = LinkEvent::Open {
            peer: Some(id()),
            key: Some(keypair(1).public().into()),
        };
        let expected = core::iter::once(open).chain(messages.map(LinkEvent::Message));
        assert!(events.into_iter().eq(expected), "{split:?}");
    }
}

#[test]
fn the_connecting_end_has_proof_of_the_other_ends_key() {
    let mut client = client(1, keypair(2).public());
    let mut server = server(2, Trust::Any);
    let mut events = Vec::new();
    for _ in 0..3 {
        carry(&mut client, &mut server, Split::Pieces(100)).unwrap();
        events.extend(carry(&mut server, &mut client, Split::Pieces(100)).unwrap());
    }
    let key = Some(keypair(2).public().into());
    assert_eq!(events, [LinkEvent::Open { peer: None, key }]);
}

#[test]
fn nothing_of_a_message_can_be_read_on_the_way() {
    let (mut client, _) = open_pair();
    let secret = b"nobody else is to read this";
    client.send(secret, &Content::from(&secret[..]));
    let bytes = written(&mut client);
    // No part of it, either.
    assert!(
        !bytes
            .windows(4)
            .any(|part| secret.windows(4).any(|it| it == part))
    );
}

#[test]
fn a_client_that_is_not_trusted_is_told_so_and_says_nothing_more() {
    let mut client = client(1, keypair(2).public());
    let mut server = server(2, trusting(&[3]));
    client.send(b"hello", &Content::default());
    carry(&mut client, &mut server, Split::Pieces(usize::MAX)).unwrap();
    carry(&mut server, &mut client, Split::Pieces(usize::MAX)).unwrap();
    carry(&mut client, &mut server, Split::Pieces(usize::MAX)).unwrap();
    carry(&mut server, &mut client, Split::Pieces(usize::MAX)).unwrap();
    let events = carry(&mut client, &mut server, Split::Pieces(usize::MAX)).unwrap();
    let key = keypair(1).public().into();
    let peer = Some(id());
    assert_eq!(events, [LinkEvent::Refused { peer, key }]);
    let refused = carry(&mut server, &mut client, Split::Pieces(usize::MAX));
    assert_eq!(refused, Err(LinkError::RefusedKey("400".into())));
    assert_eq!(feed(&mut server, &[0; 100_000]), Ok(Vec::new()));
    assert!(!server.is_open());
}

#[test]
fn a_client_that_expects_another_server_does_not_get_to_know_it() {
    let mut client = client(1, keypair(3).public());
    let mut server = server(2, Trust::Any);
    carry(&mut client, &mut server, Split::Pieces(usize::MAX)).unwrap();
    carry(&mut server, &mut client, Split::Pieces(usize::MAX)).unwrap();
    let refused = carry(&mut client, &mut server, Split::Pieces(usize::MAX));
    assert!(matches!(refused, Err(LinkError::Curve(_))), "{refused:?}");
}

#[test]
fn an_end_with_a_key_and_one_without_do_not_meet() {
    let mut client = client(1, keypair(2).public());
    let mut router = accepting();
    let refused = carry(&mut client, &mut router, Split::Pieces(usize::MAX));
    assert!(matches!(refused, Err(LinkError::Mechanism { .. })));
    let mut server = server(2, Trust::Any);
    let (mut dealer, _) = pair();
    let refused = carry(&mut dealer, &mut server, Split::Pieces(usize::MAX));
    assert!(matches!(refused, Err(LinkError::Mechanism { .. })));
}

#[test]
fn limits_are_those_of_messages_in_the_open() {
    let mut limits = Limits::default();
    (limits.message_size, limits.message_frames) = (1000, 2);
    for (frames, size, fits) in [
        (2, 1000, true),
        (2, 1001, false),
        (3, 1, true),
        (4, 1, false),
    ] {
        let (mut client, mut server) = open_pair();
        server.limits = LinkLimits::new(Role::Accepting, &limits);
        let mut message = numbered_message(frames, size);
        message.first = Bytes::from(vec![0; limits.header_frame]);
        client.send(&message.first, &message.rest);
        let came = carry(&mut client, &mut server, Split::Pieces(usize::MAX));
        assert_eq!(came.is_ok(), fits, "{frames} frames of {size}");
    }
    let (_, mut server) = open_pair();
    let mut head = vec![LONG];
    head.put_u64(1 << 40);
    let refused = feed(&mut server, &head);
    assert!(matches!(refused, Err(LinkError::MessageTooLarge { .. })));
}

#[test]
fn a_sealed_ping_is_answered_sealed() {
    let (mut client, mut server) = open_pair();
    let ping = Command::Ping {
        ttl: 0,
        context: Bytes::from_static(b"abc"),
    };
    let cipher = client.cipher.as_mut().unwrap();
    client.output.put_sealed_command(&ping, &mut cipher.sealer);
    let events = carry(&mut client, &mut server, Split::Pieces(7)).unwrap();
    assert_eq!(events, []);
    assert!(server.queued() > 33);
    assert_eq!(
        carry(&mut server, &mut client, Split::Pieces(7)),
        Ok(Vec::new())
    );
}
