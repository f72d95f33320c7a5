//! Our links and omq-proto's connections, with nothing but memory between them.

use bytes::Bytes;
use omq_proto::{
    CurveKeypair, CurvePublicKey, CurveSecretKey, CurveServerOptions, Error, MechanismSetup,
    Message, SocketType,
    proto::{
        command::Command,
        connection::{Connection, ConnectionConfig, Event, Role as OmqRole},
    },
};
use zre_core::{Link, LinkError, LinkEvent, Trust};

use super::{
    Frames, NOBODYS, OURS, THEIRS, assert_same, dealer, gossip_client, gossip_hub, id, key,
    keypair, messages, messages_of, opened, read, router, send, small_messages, trusting, written,
};

/// A dealer of omq that expects a server with this key.
fn omq_dealer(server: u8) -> Connection {
    let config = ConnectionConfig::new(OmqRole::Client, SocketType::Dealer)
        .identity(Bytes::copy_from_slice(&id().to_bytes()))
        .mechanism(MechanismSetup::CurveClient {
            our_keypair: omq_keypair(),
            server_public: CurvePublicKey(key(server).to_bytes()),
        });
    Connection::new(config)
}

/// A router of omq that admits the key with this number.
fn omq_router(admitted: u8) -> Connection {
    let admitted = key(admitted).to_bytes();
    let options = CurveServerOptions::new().authenticator(move |who| who.public_key == admitted);
    let config = ConnectionConfig::new(OmqRole::Server, SocketType::Router).mechanism(
        MechanismSetup::CurveServer {
            our_keypair: omq_keypair(),
            options,
        },
    );
    Connection::new(config)
}

fn omq_keypair() -> CurveKeypair {
    let pair = keypair(THEIRS);
    CurveKeypair {
        public: CurvePublicKey(pair.public().to_bytes()),
        secret: CurveSecretKey::from_z85(&pair.secret().to_z85()).unwrap(),
    }
}

/// What the two have told when nothing more is on the way, or why one has given up.
#[derive(Debug, Default)]
struct Told {
    ours: Vec<LinkEvent>,
    omq: Vec<Message>,
    our_error: Option<LinkError>,
    omq_error: Option<Error>,
}

fn converse(link: &mut Link, omq: &mut Connection) -> Told {
    let mut told = Told::default();
    while told.our_error.is_none() && told.omq_error.is_none() {
        let to_omq = written(link);
        let to_us = omq.poll_transmit();
        omq.advance_transmit(to_us.len());
        if to_omq.is_empty() && to_us.is_empty() {
            break;
        }
        if !to_omq.is_empty() {
            told.omq_error = omq.handle_input(to_omq).err();
        }
        match read(link, &to_us) {
            Ok(events) => told.ours.extend(events),
            Err(error) => told.our_error = Some(error),
        }
        while let Some(message) = omq.poll_message() {
            told.omq.push(message);
        }
    }
    told
}

/// Two that have shaken hands.
fn meet(link: &mut Link, omq: &mut Connection) -> Told {
    let told = converse(link, omq);
    assert!(link.is_open() && omq.is_ready(), "{told:?}");
    told
}

fn frames(message: &Message) -> Frames {
    let parts = 0..message.len();
    parts
        .map(|part| message.part_bytes(part).unwrap())
        .collect()
}

fn send_by_omq(omq: &mut Connection, message: &Frames) {
    let message = Message::multipart(message.iter().cloned());
    omq.send_message(&message).unwrap();
}

/// Sends messages from the link, and compares what omq gets.
fn carry_to_omq(link: &mut Link, omq: &mut Connection, messages: &[Frames]) {
    for message in messages {
        send(link, message);
    }
    let told = converse(link, omq);
    let came: Vec<_> = told.omq.iter().map(frames).collect();
    assert_same(&came, messages);
}

fn carry_to_us(link: &mut Link, omq: &mut Connection, messages: &[Frames]) {
    for message in messages {
        send_by_omq(omq, message);
    }
    let told = converse(link, omq);
    assert!(told.our_error.is_none(), "{told:?}");
    assert_same(&messages_of(told.ours), messages);
}

#[test]
fn our_dealer_sends_to_a_router_of_omq() {
    let (mut link, mut omq) = (dealer(THEIRS), omq_router(OURS));
    let told = meet(&mut link, &mut omq);
    assert_eq!(told.ours, [opened(None)]);
    let Some(Event::HandshakeSucceeded {
        peer_properties, ..
    }) = omq.poll_event()
    else {
        panic!("it is open");
    };
    assert_eq!(
        peer_properties.identity.as_deref(),
        Some(&id().to_bytes()[..])
    );
    carry_to_omq(&mut link, &mut omq, &messages());
}

#[test]
fn a_dealer_of_omq_sends_to_our_router() {
    let (mut link, mut omq) = (router(trusting(THEIRS)), omq_dealer(OURS));
    let told = meet(&mut link, &mut omq);
    assert_eq!(told.ours, [opened(Some(id()))]);
    carry_to_us(&mut link, &mut omq, &messages());
}

#[test]
fn a_dealer_of_omq_gets_what_our_router_sends() {
    let (mut link, mut omq) = (router(trusting(THEIRS)), omq_dealer(OURS));
    meet(&mut link, &mut omq);
    carry_to_omq(&mut link, &mut omq, &messages());
}

#[test]
fn gossip_goes_both_ways_in_both_roles() {
    let hub = (gossip_hub(), omq_dealer(OURS));
    let client = (gossip_client(), omq_router(OURS));
    for (mut link, mut omq) in [hub, client] {
        meet(&mut link, &mut omq);
        for _ in 0..3 {
            carry_to_us(&mut link, &mut omq, &small_messages());
            carry_to_omq(&mut link, &mut omq, &small_messages());
        }
    }
}

#[test]
fn messages_that_wait_for_the_handshake_follow_it() {
    let (mut link, mut omq) = (dealer(THEIRS), omq_router(OURS));
    for message in messages() {
        send(&mut link, &message);
    }
    let told = converse(&mut link, &mut omq);
    let came: Vec<_> = told.omq.iter().map(frames).collect();
    assert_same(&came, &messages());
}

#[test]
fn a_ping_of_omq_is_answered_and_messages_go_on() {
    let (mut link, mut omq) = (router(trusting(THEIRS)), omq_dealer(OURS));
    meet(&mut link, &mut omq);
    let ping = Command::Ping {
        ttl_deciseconds: 50,
        context: Bytes::from_static(b"abc"),
    };
    omq.send_command(&ping).unwrap();
    let ping = omq.poll_transmit();
    omq.advance_transmit(ping.len());
    assert_eq!(read(&mut link, &ping), Ok(Vec::new()));
    // Were it not the right answer, omq would give up.
    let pong = written(&mut link);
    assert!(!pong.is_empty());
    omq.handle_input(pong).unwrap();
    carry_to_us(&mut link, &mut omq, &messages());
}

#[test]
fn a_dealer_of_omq_whose_key_we_do_not_trust_is_told_400() {
    let (mut link, mut omq) = (router(trusting(NOBODYS)), omq_dealer(OURS));
    let told = converse(&mut link, &mut omq);
    let refused = LinkEvent::Refused {
        peer: Some(id()),
        key: key(THEIRS).into(),
    };
    assert_eq!(told.ours, [refused]);
    let Some(Error::HandshakeRefused(refusal)) = told.omq_error else {
        panic!("{:?}", told.omq_error);
    };
    assert_eq!(refusal.status_code(), Some(400));
}

#[test]
fn a_router_of_omq_that_does_not_trust_our_key_refuses_us() {
    let (mut link, mut omq) = (dealer(THEIRS), omq_router(NOBODYS));
    let told = converse(&mut link, &mut omq);
    assert!(told.ours.is_empty() && told.omq_error.is_some(), "{told:?}");
    let last_words = omq.poll_transmit();
    let refused = LinkError::RefusedKey("400".into());
    assert_eq!(read(&mut link, &last_words), Err(refused));
}

#[test]
fn with_the_key_of_another_server_nobody_comes_in() {
    let mut omq = omq_router(OURS);
    let told = converse(&mut dealer(NOBODYS), &mut omq);
    assert!(told.omq_error.is_some() && told.ours.is_empty(), "{told:?}");
    let mut link = router(Trust::Any);
    let told = converse(&mut link, &mut omq_dealer(NOBODYS));
    assert!(
        matches!(told.our_error, Some(LinkError::Curve(_))),
        "{told:?}"
    );
    assert!(!link.is_open());
}
