//! Connections between a gossip client and its hub.

use zre_proto::GossipMessage;

use super::*;

/// What zyre's DEALER and ROUTER sent each other, from a recording: READY, HELLO and PUBLISH.
const CLIENT_READY: &[u8] = b"\x04\x29\x05READY\x0BSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0";
const HUB_READY: &[u8] = b"\x04\x29\x05READY\x0BSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\0";
const HELLO: &[u8] = b"\x00\x04\xAA\xA0\x01\x01";
const PUBLISH: &[u8] = b"\x00\x41\xAA\xA0\x02\x01\x2059874AE23774F72A7C43207B4115CA6A\
    \0\0\0\x14tcp://10.90.0.1:9101\0\0\0\0";

fn gossiping(end: GossipEnd) -> Link {
    Link::new(Role::Gossiping(end), &Limits::default())
}

fn publish() -> GossipMessage {
    GossipMessage::decode(&PUBLISH[2..]).unwrap()
}

#[test]
fn a_hub_reads_what_zyres_client_writes_and_answers_alike() {
    let mut hub = gossiping(GossipEnd::Hub);
    let greeting = greeting(3, 1, b"NULL");
    assert_eq!(written(&mut hub), greeting);
    let events = feed(&mut hub, &[&greeting, CLIENT_READY].concat()).unwrap();
    assert_eq!(
        events,
        [LinkEvent::Open {
            peer: None,
            key: None
        }]
    );
    assert_eq!(written(&mut hub), HUB_READY);
    read(&mut hub, &[HELLO, PUBLISH].concat());
    for message in [GossipMessage::Hello, publish()] {
        let expected = Some(LinkEvent::Message(message));
        assert_eq!(hub.receive_gossip().unwrap(), expected);
    }
    assert_eq!(hub.receive_gossip(), Ok(None));
    hub.send_gossip(&publish());
    assert_eq!(written(&mut hub), PUBLISH);
}

#[test]
fn a_client_writes_what_zyres_client_writes_and_reads_its_hub() {
    let mut client = gossiping(GossipEnd::Client);
    let greeting = greeting(3, 1, b"NULL");
    client.send_gossip(&GossipMessage::Hello);
    assert_eq!(written(&mut client), greeting);
    let events = feed(&mut client, &[&greeting, HUB_READY].concat()).unwrap();
    assert_eq!(
        events,
        [LinkEvent::Open {
            peer: None,
            key: None
        }]
    );
    assert_eq!(written(&mut client), [CLIENT_READY, HELLO].concat());
    read(&mut client, PUBLISH);
    let expected = Some(LinkEvent::Message(publish()));
    assert_eq!(client.receive_gossip().unwrap(), expected);
}

#[test]
fn a_client_may_have_any_identity() {
    for identity in [&b""[..], &IDENTITY, &[7; 100]] {
        let mut hub = gossiping(GossipEnd::Hub);
        let bytes = [greeting(3, 1, b"NULL"), ready("DEALER", identity)].concat();
        let events = feed(&mut hub, &bytes).unwrap();
        assert_eq!(
            events,
            [LinkEvent::Open {
                peer: None,
                key: None
            }]
        );
    }
}

#[test]
fn a_message_that_is_too_long_or_in_parts_is_refused_before_it_is_read() {
    let open = || {
        let mut hub = gossiping(GossipEnd::Hub);
        let bytes = [&greeting(3, 1, b"NULL"), CLIENT_READY].concat();
        feed(&mut hub, &bytes).unwrap();
        hub
    };
    let length = u64::try_from(GossipMessage::MAX_LEN + 1).unwrap();
    let head = [&[LONG][..], &length.to_be_bytes()].concat();
    let too_long = feed(&mut open(), &head);
    assert!(matches!(too_long, Err(LinkError::MessageTooLarge { .. })));
    let parts = [frame(MORE, &HELLO[2..]), frame(0, b"x")].concat();
    let in_parts = feed(&mut open(), &parts);
    assert_eq!(in_parts, Err(LinkError::TooManyFrames { limit: 0 }));
}

fn read(link: &mut Link, bytes: &[u8]) {
    link.read_buffer()[..bytes.len()].copy_from_slice(bytes);
    link.handle_read(bytes.len());
}
