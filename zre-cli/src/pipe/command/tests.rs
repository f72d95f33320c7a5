use bytes::Bytes;

use super::*;

const BOB: &str = "0123456789ABCDEF0123456789ABCDEF";

fn parse(line: &str) -> Result<Command, String> {
    Request::parse(line.as_bytes()).command
}

fn error(line: &str) -> String {
    parse(line).unwrap_err()
}

fn bob() -> Recipient {
    Recipient::Id(BOB.parse().unwrap())
}

fn unconfirmed(content: impl Into<Content>) -> Outgoing {
    Outgoing {
        content: content.into(),
        confirmed: false,
    }
}

#[test]
fn whisper_takes_frames_in_hex_or_text() {
    assert_eq!(
        parse(&format!(
            r#"{{"do":"whisper","peer":"{BOB}","frames":["6869","","FF"]}}"#
        )),
        Ok(Command::Whisper(
            bob(),
            unconfirmed([&b"hi"[..], b"", b"\xff"].map(Bytes::from_static))
        ))
    );
    let lower = BOB.to_lowercase();
    assert_eq!(
        parse(&format!(
            r#"{{"text":"h\u00e9\n","peer":"{lower}","do":"whisper"}}"#
        )),
        Ok(Command::Whisper(bob(), unconfirmed("hé\n")))
    );
    assert_eq!(
        parse(&format!(
            r#"{{"do":"whisper","peer":"{BOB}","text":["a","\n"]}}"#
        )),
        Ok(Command::Whisper(bob(), unconfirmed(["a", "\n"])))
    );
}

#[test]
fn a_peer_is_an_identity_or_a_name() {
    let named = Recipient::Named("bo\"b".to_owned());
    assert_eq!(
        parse(r#"{"do":"whisper","peer":"bo\"b","text":"x"}"#),
        Ok(Command::Whisper(named, unconfirmed("x")))
    );
    assert_eq!(
        error(r#"{"do":"whisper","peer":"","text":"x"}"#),
        "the peer's name is empty, expected 1 to 255 bytes"
    );
}

#[test]
fn a_message_is_confirmed_on_request() {
    let shout = |confirmed| {
        let line = format!(r#"{{"do":"shout","group":"G","text":"x","confirmed":{confirmed}}}"#);
        let command = Request::parse(line.as_bytes()).command;
        command.map(|command| match command {
            Command::Shout(_, message) => message.confirmed,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(shout("true"), Ok(true));
    assert_eq!(shout("false"), Ok(false));
    let refused = shout("1").unwrap_err();
    assert_eq!(refused, r#""confirmed" is '1', expected true or false"#);
    let flush = format!(r#"{{"do":"flush","peer":"{BOB}"}}"#);
    assert_eq!(parse(&flush), Ok(Command::Flush(bob())));
    let peers = error(r#"{"do":"peers","confirmed":true}"#);
    assert_eq!(peers, r#""peers" does not take "confirmed""#);
}

#[test]
fn a_peer_is_asked_or_one_member_or_all() {
    let question = |rest: &str| {
        let line = format!(r#"{{"do":"request","text":"x",{rest}}}"#);
        match Request::parse(line.as_bytes()).command {
            Ok(Command::Request(question)) => Ok((question.to, question.timeout)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        }
    };
    let group = || GroupName::try_from("G").unwrap();
    let second = Some(Duration::from_secs(1));
    for (rest, expected) in [
        (r#""group":"G""#, (To::Any(group()), None)),
        (r#""group":"G","all":false"#, (To::Any(group()), None)),
        (r#""group":"G","all":true"#, (To::All(group()), None)),
        (r#""group":"G","timeout":"1s""#, (To::Any(group()), second)),
    ] {
        assert_eq!(question(rest), Ok(expected));
    }
    let to_bob = question(&format!(r#""peer":"{BOB}""#));
    assert_eq!(to_bob, Ok((To::Peer(bob()), None)));
    for (rest, expected) in [
        (r#""all":true"#, r#""request" needs "peer" or "group""#),
        (
            r#""peer":"bob","group":"G""#,
            r#""request" does not take "peer" beside "group""#,
        ),
        (
            r#""peer":"bob","all":true"#,
            r#""request" does not take "all" beside "peer""#,
        ),
        (
            r#""peer":"bob","timeout":5"#,
            r#""timeout" is '5': a time needs its unit: write 5ms or 5s"#,
        ),
        (
            r#""peer":"bob","timeout":"0s""#,
            r#""timeout" is '"0s"': expected a time longer than 0, such as 1s"#,
        ),
    ] {
        assert_eq!(question(rest), Err(expected.to_owned()));
    }
    assert_eq!(
        parse(r#"{"do":"reply","request":7,"text":"x"}"#),
        Ok(Command::Reply {
            request: 7,
            content: "x".into()
        })
    );
    assert_eq!(
        error(r#"{"do":"refuse","request":"7"}"#),
        r#""request" is '"7"', expected the number that REQUEST has"#
    );
}

#[test]
fn an_id_is_known_also_when_the_command_is_wrong() {
    let id = |line: &'static str| Request::parse(line.as_bytes()).id.map(RawValue::get);
    assert_eq!(id(r#"{"do":"peers","id":7}"#), Some("7"));
    assert_eq!(id(r#"{"id":"a","do":"fly"}"#), Some(r#""a""#));
    assert_eq!(id(r#"{"id":[1, 2]}"#), Some("[1, 2]"));
    assert_eq!(id(r#"{"do":"peers"}"#), None);
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    for (line, expected) in [
        (r#"{"do":"join"}"#, r#""join" needs "group""#),
        (
            r#"{"do":"shout","group":"G"}"#,
            r#""shout" needs "frames" or "text""#,
        ),
        (
            r#"{"do":"shout","group":"G","text":"","frames":[]}"#,
            r#""shout" does not take "text" beside "frames""#,
        ),
        (
            r#"{"do":"peers","group":"G"}"#,
            r#""peers" does not take "group""#,
        ),
        (
            r#"{"do":"join","group":"A","group":"B"}"#,
            r#""group" is there twice"#,
        ),
    ] {
        assert_eq!(error(line), expected);
    }
    assert_eq!(
        error(r#"{"do":"fly"}"#),
        format!(r#""do" is 'fly', expected one of {VERBS}"#)
    );
    assert!(error("{}").contains(VERBS));
    for line in [
        r#"{"do":"join","grupp":"G"}"#,
        r#"{"do":"peers","grupp":"G"}"#,
    ] {
        let error = error(line);
        assert!(error.starts_with("there is no key 'grupp'"), "{error}");
        assert!(error.contains("group"), "{error}");
    }
}

#[test]
fn a_wrong_value_is_shown_with_what_was_expected() {
    for (line, expected) in [
        (
            r#"{"do":"join","group":5}"#,
            r#""group" is '5', expected a string"#,
        ),
        (
            r#"{"do":"join","group":""}"#,
            "the group is empty, expected 1 to 255 bytes",
        ),
        (
            r#"{"do":"shout","group":"G","text":[1]}"#,
            r#""text" is '[1]', expected a string, or a list of strings"#,
        ),
        (
            r#"{"do":"shout","group":"G","frames":"6869"}"#,
            r#""frames" is '"6869"', expected a list of frames in hex, such as ["6869"]"#,
        ),
        (
            r#"{"do":"shout","group":"G","frames":["6z"]}"#,
            "the frame '6z' is not hex, which has two digits for each byte",
        ),
        (
            r#"{"do":"flood","peer":"bob","count":-1}"#,
            r#""count" is '-1', expected a whole number, such as 1000"#,
        ),
        (
            r#"{"do":"quiet","on":1}"#,
            r#""on" is '1', expected true or false"#,
        ),
    ] {
        assert_eq!(error(line), expected);
    }
    let long = "x".repeat(256);
    let too_long = error(&format!(r#"{{"do":"join","group":"{long}"}}"#));
    assert_eq!(too_long, "the group has 256 bytes, at most 255 fit");
}

#[test]
fn what_is_no_command_is_shown() {
    for line in ["", "hello\n", "[]", "7", "{\"do\":", "\u{1b}"] {
        let error = error(line);
        assert!(error.contains("expected a command such as"), "{error}");
        assert!(!error.contains('\u{1b}'), "{error}");
    }
    assert_eq!(
        error("[]"),
        r#"'[]' is not a JSON object; expected a command such as {"do":"peers"}"#
    );
    assert!(Request::parse(b"{\"do\":\"\xff\"}").command.is_err());
}
