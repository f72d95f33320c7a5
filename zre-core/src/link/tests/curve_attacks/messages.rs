//! What comes over a connection whose handshake is over.

use super::*;

#[test]
fn frames_in_the_open_are_refused_behind_the_handshake() {
    for bytes in [
        frame(0, b"x"),
        frame(0, &[7; 100]),
        frame(MORE, &[7; 100]),
        frame(COMMAND, b"\x04PING\0\0"),
        frame(COMMAND, b"\x05ERROR\x03400"),
        ready("DEALER", &IDENTITY),
        frame(0, b""),
        frame(0, b"\x07MESSAGE"),
        frame(
            0,
            &[&b"\x07MESSAGE\0\0\0\0\0\0\0\x09"[..], &[0; 100]].concat(),
        ),
    ] {
        let (mut client, mut server) = open_pair();
        for link in [&mut client, &mut server] {
            let refused = feed(link, &bytes);
            assert!(matches!(refused, Err(LinkError::Curve(_))), "{refused:?}");
        }
    }
}

/// Three messages of two frames each, and the frames in which they travel.
fn six_frames() -> (Link, Vec<Vec<u8>>) {
    let (mut client, server) = open_pair();
    let frames = (0..3).flat_map(|number| {
        client.send(&[number], &Content::from(vec![number; 100]));
        let bytes = written(&mut client);
        let first = 2 + usize::from(bytes[1]);
        [bytes[..first].to_vec(), bytes[first..].to_vec()]
    });
    let frames = frames.collect();
    (server, frames)
}

#[test]
fn frames_that_are_left_out_swapped_or_repeated_are_refused() {
    let (mut server, frames) = six_frames();
    assert_eq!(feed(&mut server, &frames.concat()).unwrap().len(), 3);
    let count = frames.len();
    for at in 0..count - 1 {
        let mut swapped = frames.clone();
        swapped.swap(at, at + 1);
        let mut without = frames.clone();
        without.remove(at);
        let mut repeated = frames.clone();
        repeated.insert(at, frames[at].clone());
        for (what, changed) in [
            ("swapped", swapped),
            ("repeated", repeated),
            ("left out", without),
        ] {
            let (mut server, _) = six_frames();
            let whole = at / 2;
            let before: Vec<u8> = frames[..2 * whole].concat();
            assert_eq!(feed(&mut server, &before).unwrap().len(), whole);
            let refused = feed(&mut server, &changed[2 * whole..].concat());
            // What comes first may have any number behind those of the handshake; it is then no
            // message of ZRE.
            let first = at == 0 && what != "repeated";
            let is_late = matches!(refused, Err(LinkError::Curve(CurveError::Nonce { .. })));
            assert!(is_late || first, "{what} at {at}: {refused:?}");
        }
    }
}

#[test]
fn whatever_bit_of_a_message_is_changed_nothing_else_is_told() {
    let (_, frames) = six_frames();
    let expected = {
        let (mut server, _) = six_frames();
        feed(&mut server, &frames[..2].concat()).unwrap()
    };
    let bytes = frames[..2].concat();
    let heads = [0..2, frames[0].len()..frames[0].len() + 2];
    for bit in 0..bytes.len() * 8 {
        let (mut server, _) = six_frames();
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        match feed(&mut server, &changed) {
            // The flags of the frame on the wire mean nothing: those in the box count.
            Ok(events) if events == expected => {
                assert!(heads.iter().any(|head| head.start == bit / 8), "bit {bit}");
            }
            Ok(events) => {
                assert_eq!(events, []);
                assert!(
                    heads.iter().any(|head| head.contains(&(bit / 8))),
                    "bit {bit}"
                );
            }
            Err(_) => {}
        }
    }
}

#[test]
fn messages_that_come_back_to_their_sender_are_refused() {
    let (mut client, mut server) = open_pair();
    for link in [&mut client, &mut server] {
        for _ in 0..2 {
            link.send(b"x", &Content::default());
        }
        let bytes = written(link);
        let refused = feed(link, &bytes);
        assert!(matches!(refused, Err(LinkError::Curve(_))), "{refused:?}");
    }
}

#[test]
fn a_sealed_frame_that_is_too_short_for_a_box_is_refused_by_its_head() {
    let (mut client, mut server) = open_pair();
    for link in [&mut client, &mut server] {
        let refused = feed(link, &[0, 32]);
        let expected = CurveError::Length {
            command: "MESSAGE",
            length: 32,
        };
        assert_eq!(refused, Err(expected.into()));
    }
}

/// A command may be as large as 8 KiB, but a message to a DEALER of ours, or one beyond the limits,
/// is found out when the box is opened.
#[test]
fn what_is_in_a_box_is_held_against_the_limits() {
    let (mut client, mut server) = open_pair();
    server.send(b"x", &Content::default());
    let refused = carry(&mut server, &mut client, WHOLE);
    assert_eq!(refused, Err(LinkError::UnexpectedMessage));

    let (mut client, mut server) = open_pair();
    server.limits.first_frame = 10;
    client.send(&[7; 11], &Content::default());
    let refused = carry(&mut client, &mut server, WHOLE);
    let expected = LinkError::MessageTooLarge {
        size: 11,
        limit: 10,
    };
    assert_eq!(refused, Err(expected));
}

#[test]
fn a_sealed_error_ends_the_connection() {
    let (mut client, mut server) = open_pair();
    let error = Command::Error {
        reason: "400".try_into().unwrap(),
    };
    let cipher = server.cipher.as_mut().unwrap();
    server.output.put_sealed_command(&error, &mut cipher.sealer);
    let refused = carry(&mut server, &mut client, WHOLE);
    assert_eq!(refused, Err(LinkError::Refused("400".into())));
}
