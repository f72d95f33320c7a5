//! The commands that the pipe reads.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use zre_tokio::{Content, GroupName};

use crate::{recipient::Recipient, text::quoted, values};

/// What one line asks for, and the id by which its answer is to be known.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// The error says what is wrong with the line and what was expected.
    pub(super) command: Result<Command, String>,
    pub(super) id: Option<&'a RawValue>,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Join(GroupName),
    Leave(GroupName),
    Contest(GroupName),
    Withdraw(GroupName),
    Leader(GroupName),
    Whisper(Recipient, Outgoing),
    Shout(GroupName, Outgoing),
    Flush(Recipient),
    Peers,
    Peer(Recipient),
    Groups,
    Network,
    Stop,
    Flood { peer: Recipient, count: u64 },
    Quiet { on: bool },
    Count,
}

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) content: Content,
    /// Whether the answer is to wait until it has arrived.
    pub(super) confirmed: bool,
}

impl<'a> Request<'a> {
    /// Reads one line.
    pub(super) fn parse(line: &'a [u8]) -> Self {
        match serde_json::from_slice::<Fields<'_>>(line) {
            Ok(mut fields) => Self {
                id: fields.take("id"),
                command: fields.command(),
            },
            Err(error) => Self {
                id: None,
                command: Err(not_an_object(line, &error)),
            },
        }
    }
}

const VERBS: &str = "join, leave, whisper, shout, flush, contest, withdraw, leader, peers, peer, \
     groups, network, stop, flood, quiet, count";

const KEYS: [&str; 9] = [
    "do",
    "id",
    "peer",
    "group",
    "text",
    "frames",
    "confirmed",
    "count",
    "on",
];

/// The keys of a command and their values. Each is taken out when the command uses it.
///
/// The values are read only then, so that what is wrong with one is said in our words.
#[derive(Debug)]
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    fn command(mut self) -> Result<Command, String> {
        if let Some(key) = self.twice() {
            return Err(format!("\"{key}\" is there twice"));
        }
        let verb = self
            .take("do")
            .ok_or_else(|| format!("there is no \"do\", which says what to do: one of {VERBS}"))?;
        let verb = string("do", verb)?;
        let mut fields = Arguments {
            verb: &verb,
            fields: self,
        };
        let command = match &*verb {
            "whisper" => Command::Whisper(fields.peer()?, fields.outgoing()?),
            "shout" => Command::Shout(fields.group()?, fields.outgoing()?),
            "flush" => Command::Flush(fields.peer()?),
            "join" => Command::Join(fields.group()?),
            "leave" => Command::Leave(fields.group()?),
            "contest" => Command::Contest(fields.group()?),
            "withdraw" => Command::Withdraw(fields.group()?),
            "leader" => Command::Leader(fields.group()?),
            "peers" => Command::Peers,
            "peer" => Command::Peer(fields.peer()?),
            "groups" => Command::Groups,
            "network" => Command::Network,
            "stop" => Command::Stop,
            "flood" => Command::Flood {
                peer: fields.peer()?,
                count: fields.value("count", "a whole number, such as 1000")?,
            },
            "quiet" => Command::Quiet {
                on: fields.value("on", BOOL)?,
            },
            "count" => Command::Count,
            verb => {
                let verb = quoted(verb);
                return Err(format!("\"do\" is {verb}, expected one of {VERBS}"));
            }
        };
        fields.nothing_left()?;
        Ok(command)
    }

    /// A key that is there more than once.
    fn twice(&self) -> Option<&'static str> {
        let count = |key: &str| self.0.iter().filter(|(other, _)| other == key).count();
        KEYS.into_iter().find(|key| count(key) > 1)
    }

    fn take(&mut self, key: &str) -> Option<&'a RawValue> {
        let place = self.0.iter().position(|(other, _)| other == key)?;
        Some(self.0.remove(place).1)
    }
}

/// What a command has besides its verb.
struct Arguments<'a, 'v> {
    verb: &'v str,
    fields: Fields<'a>,
}

impl<'a> Arguments<'a, '_> {
    fn peer(&mut self) -> Result<Recipient, String> {
        Recipient::read(&string("peer", self.needed("peer")?)?)
    }

    fn group(&mut self) -> Result<GroupName, String> {
        let group = string("group", self.needed("group")?)?;
        values::group_name(&group)
    }

    fn outgoing(&mut self) -> Result<Outgoing, String> {
        Ok(Outgoing {
            content: self.content()?,
            confirmed: match self.fields.take("confirmed") {
                Some(value) => read("confirmed", value, BOOL)?,
                None => false,
            },
        })
    }

    fn content(&mut self) -> Result<Content, String> {
        match (self.fields.take("frames"), self.fields.take("text")) {
            (Some(frames), None) => frames_in_hex(frames),
            (None, Some(text)) => frames_of_text(text),
            (None, None) => Err(self.lacks("frames\" or \"text")),
            (Some(_), Some(_)) => Err(self.has_too_much("text\" beside \"frames")),
        }
    }

    fn value<T: Deserialize<'a>>(&mut self, key: &str, expected: &str) -> Result<T, String> {
        read(key, self.needed(key)?, expected)
    }

    fn needed(&mut self, key: &str) -> Result<&'a RawValue, String> {
        self.fields.take(key).ok_or_else(|| self.lacks(key))
    }

    fn nothing_left(&self) -> Result<(), String> {
        let Some((key, _)) = self.fields.0.first() else {
            return Ok(());
        };
        Err(match &**key {
            key if KEYS.contains(&key) => self.has_too_much(key),
            key => format!(
                "there is no key {}; the keys are {}",
                quoted(key),
                KEYS.join(", ")
            ),
        })
    }

    fn lacks(&self, key: &str) -> String {
        // Perhaps it is there, but spelled otherwise.
        match self.nothing_left() {
            Err(error) if error.starts_with("there is no key") => error,
            _ => format!("\"{}\" needs \"{key}\"", self.verb),
        }
    }

    fn has_too_much(&self, key: &str) -> String {
        format!("\"{}\" does not take \"{key}\"", self.verb)
    }
}

const BOOL: &str = "true or false";

fn read<'a, T: Deserialize<'a>>(
    key: &str,
    value: &'a RawValue,
    expected: &str,
) -> Result<T, String> {
    let value = value.get();
    let read = serde_json::from_str(value);
    read.map_err(|_| format!("\"{key}\" is {}, expected {expected}", quoted(value)))
}

/// A string that is copied only when it has escapes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

fn string<'a>(key: &str, value: &'a RawValue) -> Result<Cow<'a, str>, String> {
    match serde_json::from_str(value.get()) {
        Ok(Borrowed(text)) => Ok(text),
        Err(_) => {
            let value = quoted(value.get());
            Err(format!("\"{key}\" is {value}, expected a string"))
        }
    }
}

/// Each string of a list is a frame, or the only one.
fn frames_of_text(value: &RawValue) -> Result<Content, String> {
    if let Ok(Borrowed(text)) = serde_json::from_str(value.get()) {
        return Ok(text.into_owned().into());
    }
    match serde_json::from_str::<Vec<String>>(value.get()) {
        Ok(frames) => Ok(frames.into_iter().collect()),
        Err(_) => {
            let value = quoted(value.get());
            Err(format!(
                "\"text\" is {value}, expected a string, or a list of strings"
            ))
        }
    }
}

fn frames_in_hex(value: &RawValue) -> Result<Content, String> {
    let frames: Vec<Borrowed<'_>> = serde_json::from_str(value.get()).map_err(|_| {
        let value = quoted(value.get());
        format!("\"frames\" is {value}, expected a list of frames in hex, such as [\"6869\"]")
    })?;
    let mut content = Content::default();
    for Borrowed(digits) in frames {
        let frame = hex::decode(&*digits).map_err(|_| {
            let digits = quoted(&digits);
            format!("the frame {digits} is not hex, which has two digits for each byte")
        })?;
        content.push(frame);
    }
    Ok(content)
}

/// The line is no JSON, or not an object.
fn not_an_object(line: &[u8], error: &serde_json::Error) -> String {
    let text = String::from_utf8_lossy(line);
    let text = quoted(text.trim_end());
    let wrong = match error.classify() {
        serde_json::error::Category::Data => format!("{text} is not a JSON object"),
        serde_json::error::Category::Eof => format!("{text} ends too early to be a JSON object"),
        _ => format!("{text} is not JSON, at column {}", error.column()),
    };
    format!("{wrong}; expected a command such as {{\"do\":\"peers\"}}")
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Vec::with_capacity(4);
        while let Some((Borrowed(key), value)) = map.next_entry()? {
            fields.push((key, value));
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
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
            let line =
                format!(r#"{{"do":"shout","group":"G","text":"x","confirmed":{confirmed}}}"#);
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
}
