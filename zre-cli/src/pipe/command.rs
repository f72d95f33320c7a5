//! The commands that the pipe reads.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};
use zre_tokio::{Content, GroupName, PeerId};

use crate::text::beginning;

/// What one line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Join(GroupName),
    Leave(GroupName),
    Whisper(PeerId, Content),
    Shout(GroupName, Content),
    Peers,
    Groups,
    Stop,
    Flood { peer: PeerId, count: u64 },
    Quiet { on: bool },
    Count,
}

impl Command {
    /// Reads one line; the error says what is wrong with it and what was expected.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let fields = serde_json::from_slice::<Fields<'_>>(line);
        let mut fields = fields.map_err(|error| not_an_object(line, &error))?;
        let command = match &*fields.verb {
            "whisper" => Self::Whisper(fields.peer()?, fields.content()?),
            "shout" => Self::Shout(fields.group()?, fields.content()?),
            "join" => Self::Join(fields.group()?),
            "leave" => Self::Leave(fields.group()?),
            "peers" => Self::Peers,
            "groups" => Self::Groups,
            "stop" => Self::Stop,
            "flood" => Self::Flood {
                peer: fields.peer()?,
                count: fields.count.take().ok_or_else(|| fields.lacks("count"))?,
            },
            "quiet" => Self::Quiet {
                on: fields.on.take().ok_or_else(|| fields.lacks("on"))?,
            },
            "count" => Self::Count,
            verb => {
                let verb = beginning(verb);
                return Err(format!("\"do\" is {verb:?}, expected one of {VERBS}"));
            }
        };
        fields.nothing_left()?;
        Ok(command)
    }
}

const VERBS: &str = "join, leave, whisper, shout, peers, groups, stop, flood, quiet, count";

/// All keys that a command can have. Each is taken out when the command uses it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(rename = "do", borrow)]
    verb: Cow<'a, str>,
    #[serde(borrow)]
    peer: Option<Borrowed<'a>>,
    #[serde(borrow)]
    group: Option<Borrowed<'a>>,
    #[serde(borrow)]
    text: Option<Borrowed<'a>>,
    frames: Option<Frames>,
    count: Option<u64>,
    on: Option<bool>,
}

/// A string that is copied only when it has escapes; an `Option<Cow>` always would be.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

impl Fields<'_> {
    fn peer(&mut self) -> Result<PeerId, String> {
        let Borrowed(peer) = self.peer.take().ok_or_else(|| self.lacks("peer"))?;
        peer.parse()
            .map_err(|error| format!("\"peer\" is wrong: {error}"))
    }

    fn group(&mut self) -> Result<GroupName, String> {
        let Borrowed(group) = self.group.take().ok_or_else(|| self.lacks("group"))?;
        GroupName::try_from(&*group).map_err(|error| format!("\"group\" is wrong: {error}"))
    }

    fn content(&mut self) -> Result<Content, String> {
        match (self.frames.take(), self.text.take()) {
            (Some(Frames(content)), None) => Ok(content),
            (None, Some(Borrowed(text))) => Ok(text.into_owned().into()),
            (None, None) => Err(self.lacks("frames\" or \"text")),
            (Some(_), Some(_)) => Err(self.has_too_much("text\" beside \"frames")),
        }
    }

    fn nothing_left(&self) -> Result<(), String> {
        let left = [
            ("peer", self.peer.is_some()),
            ("group", self.group.is_some()),
            ("text", self.text.is_some()),
            ("frames", self.frames.is_some()),
            ("count", self.count.is_some()),
            ("on", self.on.is_some()),
        ];
        match left.iter().find(|(_, is_left)| *is_left) {
            Some((key, _)) => Err(self.has_too_much(key)),
            None => Ok(()),
        }
    }

    fn lacks(&self, key: &str) -> String {
        format!("\"{}\" needs \"{key}\"", self.verb)
    }

    fn has_too_much(&self, key: &str) -> String {
        format!("\"{}\" does not take \"{key}\"", self.verb)
    }
}

/// The line is no JSON, or not the JSON of a command.
fn not_an_object(line: &[u8], error: &serde_json::Error) -> String {
    let reason = error.to_string();
    // It counts the lines of each text anew.
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = reason.strip_suffix(&place).unwrap_or(&reason);
    let line = String::from_utf8_lossy(line);
    let (column, start) = (error.column(), beginning(line.trim_end()));
    format!(
        "{reason}, at column {column} of {start:?}; expected a command such as {{\"do\":\"peers\"}}"
    )
}

/// Frames in hex, decoded while they are read.
#[derive(Debug)]
struct Frames(Content);

impl<'de> Deserialize<'de> for Frames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FramesVisitor)
    }
}

struct FramesVisitor;

impl<'de> Visitor<'de> for FramesVisitor {
    type Value = Frames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of frames in hex, such as [\"6869\"]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Frames, A::Error> {
        let mut content = Content::default();
        while let Some(Frame(octets)) = list.next_element()? {
            content.push(octets);
        }
        Ok(Frames(content))
    }
}

struct Frame(Bytes);

impl<'de> Deserialize<'de> for Frame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FrameVisitor)
    }
}

struct FrameVisitor;

impl Visitor<'_> for FrameVisitor {
    type Value = Frame;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame in hex, such as \"6869\"")
    }

    fn visit_str<E: de::Error>(self, digits: &str) -> Result<Frame, E> {
        match hex::decode(digits) {
            Ok(octets) => Ok(Frame(octets.into())),
            Err(error) => Err(E::custom(format_args!(
                "the frame {:?} is not hex: {error}",
                beginning(digits)
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: &str = "0123456789ABCDEF0123456789ABCDEF";

    fn parse(line: &str) -> Result<Command, String> {
        Command::parse(line.as_bytes())
    }

    fn error(line: &str) -> String {
        parse(line).unwrap_err()
    }

    #[test]
    fn whisper_takes_frames_in_hex_or_text() {
        let bob: PeerId = BOB.parse().unwrap();
        assert_eq!(
            parse(&format!(
                r#"{{"do":"whisper","peer":"{BOB}","frames":["6869","","FF"]}}"#
            )),
            Ok(Command::Whisper(
                bob,
                [&b"hi"[..], b"", b"\xff"].map(Bytes::from_static).into()
            ))
        );
        let lower = BOB.to_lowercase();
        assert_eq!(
            parse(&format!(
                r#"{{"text":"h\u00e9\n","peer":"{lower}","do":"whisper"}}"#
            )),
            Ok(Command::Whisper(bob, "hé\n".into()))
        );
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        assert_eq!(error(r#"{"do":"join"}"#), r#""join" needs "group""#);
        assert_eq!(
            error(r#"{"do":"shout","group":"G"}"#),
            r#""shout" needs "frames" or "text""#
        );
        assert_eq!(
            error(r#"{"do":"shout","group":"G","text":"","frames":[]}"#),
            r#""shout" does not take "text" beside "frames""#
        );
        assert_eq!(
            error(r#"{"do":"peers","group":"G"}"#),
            r#""peers" does not take "group""#
        );
        assert_eq!(
            error(r#"{"do":"fly"}"#),
            format!(r#""do" is "fly", expected one of {VERBS}"#)
        );
    }

    #[test]
    fn a_wrong_value_is_shown() {
        assert_eq!(
            error(r#"{"do":"whisper","peer":"bob","text":"x"}"#),
            r#""peer" is wrong: "bob" is not a UUID, which has 32 hexadecimal digits"#
        );
        let wrong_hex = error(r#"{"do":"shout","group":"G","frames":["6z"]}"#);
        assert!(
            wrong_hex.starts_with(r#"the frame "6z" is not hex: Invalid character 'z'"#),
            "{wrong_hex}"
        );
        let long = "x".repeat(256);
        let too_long = error(&format!(r#"{{"do":"join","group":"{long}"}}"#));
        assert!(too_long.contains("256 bytes, at most 255"), "{too_long}");
    }

    #[test]
    fn what_is_no_command_is_shown() {
        for line in [
            "",
            "hello\n",
            "[]",
            "{}",
            r#"{"do":"join","grupp":"G"}"#,
            "\u{1b}",
        ] {
            let error = error(line);
            assert!(error.contains("expected a command such as"), "{error}");
            assert!(!error.contains('\u{1b}'), "{error}");
        }
        assert!(Command::parse(b"{\"do\":\"\xff\"}").is_err());
    }
}
