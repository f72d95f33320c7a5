//! What an application asks for, and what it is refused.

use bytes::Bytes;
use zre_proto::{Body, Content};

use super::{
    config, group, id_of,
    single_node::{FakePeer, SingleNode},
};
use crate::{Error, Event, Instant, NodeOutput, Verdict};
use std::vec::Vec;

#[test]
fn content_without_a_frame_goes_as_one_empty_frame() {
    let mut test = SingleNode::new();
    let mut bob = FakePeer::new("bob", 2);
    bob.hello.groups = [group("G")].into();
    test.meet(&mut bob);
    let now = test.now;
    test.node.whisper(bob.id, Content::default(), now).unwrap();
    test.node
        .shout(&group("G"), Content::default(), now)
        .unwrap();
    let one_empty = Content::from(Bytes::new());
    for message in test.sent() {
        assert_eq!(message.body.content(), Some(&one_empty));
    }
}

#[test]
fn frames_go_as_they_are_and_are_not_copied() {
    let (mut test, bob) = SingleNode::with_bob();
    let payload = Bytes::from(std::vec![7; 1 << 20]);
    let content = Content::from([payload.clone(), Bytes::new(), payload.clone()]);
    test.node
        .whisper(bob.id, content.clone(), test.now)
        .unwrap();
    let sent = test.sent().pop().unwrap();
    assert_eq!(sent.body.content(), Some(&content));
    let frame = sent.body.content().unwrap().frames()[2].as_ptr();
    assert_eq!(frame, payload.as_ptr());
}

#[test]
fn a_whisper_or_a_ping_to_a_peer_that_has_not_entered_is_an_error() {
    let mut test = SingleNode::new();
    let bob = FakePeer::new("bob", 2);
    let unknown = Error::UnknownPeer(bob.id);
    let now = test.now;
    assert_eq!(
        test.node.whisper(bob.id, "hi".into(), now),
        Err(unknown.clone())
    );
    test.hears(&bob);
    assert_eq!(
        test.node.whisper(bob.id, "hi".into(), now),
        Err(unknown.clone())
    );
    assert_eq!(test.node.ping(bob.id, now), Err(unknown));
    assert_eq!(test.sent_kinds(), [("HELLO", 1)]);
}

#[test]
fn answers_are_counted_so_that_each_ping_knows_its_own() {
    let (mut test, mut bob) = SingleNode::with_bob();
    assert_eq!(test.node.ping(bob.id, test.now), Ok(1));
    assert_eq!(test.node.ping(bob.id, test.now), Ok(2));
    let id = bob.id;
    let is_answered = |test: &SingleNode| [1, 2].map(|ping| test.node.is_answered(id, ping));
    assert_eq!(is_answered(&test), [Some(false); 2]);
    for expected in [[true, false], [true, true]] {
        let answer = bob.says(Body::PingOk);
        let _verdict = test.gets(&bob, answer);
        assert_eq!(is_answered(&test), expected.map(Some));
    }
    let answer = bob.says(Body::PingOk);
    let fault = crate::Fault::UnaskedAnswer;
    assert_eq!(test.gets(&bob, answer), Verdict::Violation(fault));
    let exit = "bob exits: broke the protocol: PING-OK that nobody asked for";
    assert_eq!(test.told(), [exit]);
}

#[test]
fn a_ping_of_an_earlier_session_counts_as_never_answered() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let ping = test.node.ping(bob.id, test.now).unwrap();
    assert_eq!(test.node.is_answered(bob.id, ping), Some(false));
    for _restart_then_answer_to_our_hello in 0..2 {
        let hello = bob.says_hello();
        let _verdict = test.gets(&bob, hello);
        let answer = bob.says(Body::PingOk);
        let _verdict = test.gets(&bob, answer);
        assert_eq!(test.node.is_answered(bob.id, ping), None);
    }
    assert!(test.node.ping(bob.id, test.now).unwrap() > ping);
}

#[test]
fn a_shout_reaches_the_members_and_says_how_many_they_are() {
    let mut test = SingleNode::new();
    for (host, name) in [(2, "bob"), (3, "carol"), (4, "dave")] {
        let mut peer = FakePeer::new(name, host);
        if name != "dave" {
            peer.hello.groups = [group("G")].into();
        }
        test.meet(&mut peer);
    }
    let now = test.now;
    assert_eq!(test.node.shout(&group("G"), "hi".into(), now), Ok(2));
    let reached: Vec<_> = test
        .outputs()
        .into_iter()
        .map(|output| match output {
            NodeOutput::Send { peer, .. } => peer,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reached, [id_of("bob"), id_of("carol")]);
    assert_eq!(test.node.shout(&group("nobody"), "hi".into(), now), Ok(0));
    let some = [id_of("dave"), id_of("carol"), id_of("eve")];
    let shouted = test.node.shout_to(&some, &group("G"), "hi".into(), now);
    assert_eq!(shouted, Ok(1));
}

#[test]
fn a_message_over_the_limits_is_refused_before_anything_is_sent() {
    let mut config = config("alice", 1);
    config.limits.message_size = 10;
    config.limits.message_frames = 3;
    let mut test = SingleNode::with(config);
    let mut bob = FakePeer::new("bob", 2);
    bob.hello.groups = [group("G")].into();
    test.meet(&mut bob);
    let now = test.now;
    let whisper = |test: &mut SingleNode, content| test.node.whisper(bob.id, content, now);
    assert_eq!(whisper(&mut test, "0123456789".into()), Ok(()));
    assert_eq!(whisper(&mut test, ["a", "b"].into()), Ok(()));
    test.drain();
    let too_large = whisper(&mut test, "0123456789!".into());
    assert!(matches!(
        too_large,
        Err(Error::MessageTooLarge {
            size: 11,
            frames: 1,
            ..
        })
    ));
    let too_many = test
        .node
        .shout(&group("G"), ["a", "b", "c", "d"].into(), now);
    assert!(matches!(
        too_many,
        Err(Error::MessageTooLarge {
            size: 4,
            frames: 4,
            ..
        })
    ));
    assert_eq!(test.outputs(), []);
}

#[test]
fn stop_says_goodbye_and_forgets_everybody_and_its_event_is_the_last() {
    let (mut test, mut bob) = SingleNode::with_bob();
    test.hears(&FakePeer::new("carol", 3));
    let whisper = bob.says(Body::Whisper {
        content: "x".into(),
    });
    let _verdict = test.gets(&bob, whisper);
    test.outputs();
    test.node.stop(test.now);
    test.node.stop(test.now);

    let outputs = test.outputs();
    assert!(matches!(
        &outputs[..],
        [
            NodeOutput::Beacon { beacon, .. },
            NodeOutput::Disconnect { peer: first },
            NodeOutput::Disconnect { peer: second },
        ] if beacon.port.is_none() && *first == bob.id && *second == id_of("carol")
    ));
    assert_eq!(test.told(), ["bob whispers x", "stop"]);
    assert_eq!(test.node.peers().count(), 0);
    assert_eq!(test.node.poll_timeout(), None);
}

#[test]
fn a_node_that_has_stopped_refuses_commands_and_ignores_the_network() {
    let (mut test, mut bob) = SingleNode::with_bob();
    test.node.stop(test.now);
    test.drain();
    let now = test.now;
    let node = &mut test.node;
    assert_eq!(node.join(&group("G"), now), Err(Error::Stopped));
    assert_eq!(node.leave(&group("G"), now), Err(Error::Stopped));
    assert_eq!(node.whisper(bob.id, "x".into(), now), Err(Error::Stopped));
    assert_eq!(
        node.shout(&group("G"), "x".into(), now),
        Err(Error::Stopped)
    );
    assert_eq!(node.ping(bob.id, now), Err(Error::Stopped));

    test.hears(&bob);
    test.hears_leaving(&bob);
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Ignored);
    test.node.handle_disconnect(bob.id, now);
    test.node.handle_timeout(Instant::from_micros(u64::MAX));
    assert_eq!(test.events(), [] as [Event; 0]);
    assert_eq!(test.outputs(), []);
}

fn headers_said_to(test: &mut SingleNode, host: usize) -> Vec<(std::string::String, Bytes)> {
    let peer = FakePeer::new(&std::format!("p{host}"), host);
    test.drain();
    test.hears(&peer);
    let sent = test.sent();
    let Some(Body::Hello(hello)) = sent.first().map(|message| &message.body) else {
        panic!("{sent:?}")
    };
    let headers = hello.headers.iter();
    let told = headers.map(|(name, value)| {
        (
            std::string::ToString::to_string(name),
            Bytes::copy_from_slice(value.as_bytes()),
        )
    });
    told.collect()
}

#[test]
fn headers_that_are_set_later_are_told_to_peers_that_are_met_later() {
    let mut config = config("alice", 1);
    config.headers.set("A", "1").unwrap();
    let mut test = SingleNode::with(config);
    let entry = |name: &str, value: &'static str| (name.into(), Bytes::from(value));
    assert_eq!(headers_said_to(&mut test, 2), [entry("A", "1")]);

    let now = test.now;
    test.node.set_header("B", "2", now).unwrap();
    test.node.set_header("A", "3", now).unwrap();
    assert_eq!(test.outputs(), [], "no peer is told of it at once");
    let both = [entry("A", "3"), entry("B", "2")];
    assert_eq!(headers_said_to(&mut test, 3), both);

    assert_eq!(test.node.remove_header("A", now), Ok(true));
    assert_eq!(test.node.remove_header("A", now), Ok(false));
    assert_eq!(headers_said_to(&mut test, 4), [entry("B", "2")]);
    assert_eq!(test.node.headers().len(), 1);

    let long = "x".repeat(256);
    assert!(matches!(
        test.node.set_header(&long[..], "", now),
        Err(Error::TooLong(_))
    ));
    test.node.stop(now);
    assert_eq!(test.node.set_header("C", "", now), Err(Error::Stopped));
    assert_eq!(test.node.remove_header("B", now), Err(Error::Stopped));
}
