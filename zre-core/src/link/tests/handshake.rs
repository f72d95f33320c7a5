//! How a connection begins.

use super::*;

#[test]
fn a_connecting_link_learns_the_identity_of_an_accepting_one_that_says_it() {
    for (role, expected) in [
        (Role::Accepting, None),
        (Role::AcceptingAs(id()), Some(id())),
    ] {
        let (mut dealer, _) = pair();
        let mut router = Link::new(role, &Limits::default());
        carry(&mut router, &mut dealer, Split::Pieces(1)).unwrap();
        carry(&mut dealer, &mut router, Split::Pieces(1)).unwrap();
        let events = carry(&mut router, &mut dealer, Split::Pieces(1)).unwrap();
        assert_eq!(
            events,
            [LinkEvent::Open {
                peer: expected,
                key: None
            }]
        );
    }
}

#[test]
fn an_identity_of_a_router_that_is_none_of_zre_is_taken_for_none() {
    for identity in [b"".as_slice(), b"x", &IDENTITY[..16], &[7; 17]] {
        let (mut dealer, _) = pair();
        let bytes = [greeting(3, 1, b"NULL"), ready("ROUTER", identity)].concat();
        let events = feed(&mut dealer, &bytes).unwrap();
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
fn all_of_our_greeting_is_there_before_the_other_side_has_said_anything() {
    let (mut dealer, _) = pair();
    let mut router = accepting();
    for link in [&mut dealer, &mut router] {
        assert_eq!(written(link), greeting(3, 1, b"NULL"));
        assert_eq!(feed(link, &greeting(3, 1, b"NULL")[..10]), Ok(vec![]));
        assert_eq!(written(link), b"");
        assert_eq!(feed(link, &greeting(3, 1, b"NULL")[10..]), Ok(vec![]));
        assert!(written(link).starts_with(b"\x04"));
    }
}

#[test]
fn messages_in_the_same_read_as_ready_come_behind_open() {
    let mut router = accepting();
    let bytes = [
        greeting(3, 1, b"NULL"),
        ready("DEALER", &IDENTITY),
        frame(MORE, b"first"),
        frame(0, b""),
        frame(0, b"second"),
    ]
    .concat();
    let message = |first: &'static [u8], rest| {
        LinkEvent::Message(Multipart {
            first: Bytes::from_static(first),
            rest,
        })
    };
    let expected = [
        LinkEvent::Open {
            peer: Some(id()),
            key: None,
        },
        message(b"first", Bytes::new().into()),
        message(b"second", Content::default()),
    ];
    assert_eq!(feed(&mut router, &bytes).unwrap(), expected);
}

#[test]
fn ready_says_whether_its_sender_takes_part_in_elections() {
    for (understands, is_elector) in [
        (None, false),
        (Some("ELECT"), true),
        (Some("OTHER, ELECT"), true),
        (Some("ELECTED"), false),
        (Some(""), false),
    ] {
        let (mut dealer, _) = pair();
        feed(&mut dealer, &greeting(3, 1, b"NULL")).unwrap();
        feed(&mut dealer, &ready_with("ROUTER", b"", understands)).unwrap();
        assert!(dealer.is_open());
        assert_eq!(dealer.is_elector(), is_elector, "{understands:?}");
    }
}

#[test]
fn a_message_queued_before_the_handshake_goes_out_behind_it() {
    let (mut dealer, _) = pair();
    dealer.send(b"early", &["content"].into());
    assert_eq!(written(&mut dealer), greeting(3, 1, b"NULL"));
    assert!(dealer.queued() >= 12, "{}", dealer.queued());

    feed(&mut dealer, &greeting(3, 1, b"NULL")).unwrap();
    let ours = ready_with("DEALER", &IDENTITY, Some("ELECT"));
    assert_eq!(written(&mut dealer), ours, "nothing before their READY");
    assert!(!dealer.is_open());

    feed(&mut dealer, &ready("ROUTER", b"")).unwrap();
    let message = [frame(MORE, b"early"), frame(0, b"content")].concat();
    assert_eq!(dealer.queued(), message.len());
    assert_eq!(written(&mut dealer), message);
    assert_eq!(dealer.queued(), 0);
}

#[test]
fn peers_of_zmtp_3_0_and_of_any_later_version_are_accepted() {
    for (major, minor) in [(3, 0), (3, 1), (3, 2), (3, 255), (4, 0), (255, 0)] {
        let mut router = accepting();
        let bytes = [
            greeting(major, minor, b"NULL"),
            ready("DEALER", &IDENTITY),
            frame(0, b"hello"),
        ]
        .concat();
        let events = feed(&mut router, &bytes).unwrap();
        assert_eq!(events.len(), 2, "{major}.{minor}");
    }
}

#[test]
fn property_names_are_read_in_any_case_and_others_are_passed_over() {
    let mut router = accepting();
    let body = [
        &b"\x05READY\x0BSOCKET-type\0\0\0\x06DEALER"[..],
        &b"\x05X-Foo\0\0\0\x03bar\x08identity\0\0\0\x11"[..],
        &IDENTITY,
    ]
    .concat();
    let bytes = [greeting(3, 1, b"NULL"), frame(COMMAND, &body)].concat();
    let events = feed(&mut router, &bytes).unwrap();
    assert_eq!(
        events,
        [LinkEvent::Open {
            peer: Some(id()),
            key: None
        }]
    );
}

#[test]
fn what_is_no_greeting_is_refused_as_soon_as_it_shows() {
    let refused = |bytes: &[u8]| feed(&mut accepting(), bytes).unwrap_err();
    assert_eq!(
        refused(b"G"),
        LinkError::Greeting(GreetingError::Signature {
            position: 0,
            byte: b'G',
            expected: 0xFF
        })
    );
    assert_eq!(
        refused(b"\xFF\0\0\0\0\0\0\0\x01\x7E"),
        LinkError::Greeting(GreetingError::Signature {
            position: 9,
            byte: 0x7E,
            expected: 0x7F
        })
    );
    for major in 0..3 {
        assert_eq!(
            refused(&greeting(major, 0, b"NULL")[..11]),
            LinkError::Greeting(GreetingError::Version(major))
        );
    }
    assert_eq!(
        refused(&greeting(3, 0, b"null")),
        LinkError::Greeting(GreetingError::Mechanism)
    );
}

#[test]
fn another_mechanism_is_refused_by_name() {
    for mechanism in [&b"PLAIN"[..], b"CURVE"] {
        let error = feed(&mut accepting(), &greeting(3, 1, mechanism)).unwrap_err();
        let expected = LinkError::Mechanism {
            theirs: core::str::from_utf8(mechanism).unwrap().into(),
            ours: Mechanism::NULL.to_string(),
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn a_message_before_ready_is_refused() {
    assert_eq!(
        refused_after_greeting(&frame(0, b"message")),
        LinkError::NotReady("a message".into())
    );
}

#[test]
fn a_command_other_than_ready_before_the_handshake_is_over_is_refused() {
    assert_eq!(
        refused_after_greeting(&frame(COMMAND, b"\x04PING\0\0")),
        LinkError::NotReady("PING".into())
    );
    assert_eq!(
        refused_after_greeting(&frame(COMMAND, b"\x05HELLO")),
        LinkError::NotReady("command \"HELLO\"".into())
    );
}

#[test]
fn only_a_dealer_may_connect_and_only_to_a_router() {
    for theirs in ["ROUTER", "REQ", "PUB", "dealer", ""] {
        assert_eq!(
            refused_after_greeting(&ready(theirs, &IDENTITY)),
            LinkError::SocketType {
                theirs: theirs.into(),
                expected: "DEALER"
            }
        );
    }
    let (mut dealer, _) = pair();
    let bytes = [greeting(3, 1, b"NULL"), ready("DEALER", b"")].concat();
    assert_eq!(
        feed(&mut dealer, &bytes),
        Err(LinkError::SocketType {
            theirs: "DEALER".into(),
            expected: "ROUTER"
        })
    );
}

#[test]
fn a_connecting_peer_has_to_say_who_it_is() {
    let mut other_kind = IDENTITY;
    other_kind[0] = 2;
    for (identity, length) in [
        (&b""[..], 0),
        (&IDENTITY[1..], 16),
        (&other_kind, 17),
        (&[1; 18], 18),
    ] {
        assert_eq!(
            refused_after_greeting(&ready("DEALER", identity)),
            LinkError::Identity(length)
        );
    }
    let without = frame(COMMAND, b"\x05READY\x0BSocket-Type\0\0\0\x06DEALER");
    assert_eq!(refused_after_greeting(&without), LinkError::Identity(0));
}
