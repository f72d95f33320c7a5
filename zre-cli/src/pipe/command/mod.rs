//! The commands that the pipe reads.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, time::Duration};

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
    Request(Question),
    Reply { request: u64, content: Content },
    Refuse { request: u64 },
    Peers,
    Peer(Recipient),
    Groups,
    Network,
    Stop,
    Flood { peer: Recipient, count: u64 },
    Quiet { on: bool },
    Count,
}

/// What is to be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) to: To,
    pub(super) content: Content,
    /// How long to wait for the answer.
    pub(super) timeout: Option<Duration>,
}

/// Who is to be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum To {
    Peer(Recipient),
    /// One member.
    Any(GroupName),
    All(GroupName),
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
            Ok(mut fields) => {
                let twice = fields.twice();
                Self {
                    id: fields.take("id"),
                    command: match twice {
                        Some(key) => Err(format!("\"{key}\" is there twice")),
                        None => fields.command(),
                    },
                }
            }
            Err(error) => Self {
                id: None,
                command: Err(not_an_object(line, &error)),
            },
        }
    }
}

const VERBS: &str = "join, leave, whisper, shout, flush, request, reply, refuse, contest, \
     withdraw, leader, peers, peer, groups, network, stop, flood, quiet, count";

const KEYS: [&str; 12] = [
    "do",
    "id",
    "peer",
    "group",
    "text",
    "frames",
    "confirmed",
    "timeout",
    "all",
    "request",
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
            "request" => Command::Request(fields.question()?),
            "reply" => Command::Reply {
                request: fields.value("request", NUMBER)?,
                content: fields.content()?,
            },
            "refuse" => Command::Refuse {
                request: fields.value("request", NUMBER)?,
            },
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

    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(other, _)| other == key)
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

    fn question(&mut self) -> Result<Question, String> {
        Ok(Question {
            to: self.asked()?,
            content: self.content()?,
            timeout: match self.fields.take("timeout") {
                Some(value) => Some(time(value)?),
                None => None,
            },
        })
    }

    fn asked(&mut self) -> Result<To, String> {
        let all = match self.fields.take("all") {
            Some(value) => read("all", value, BOOL)?,
            None => false,
        };
        match (self.fields.has("peer"), self.fields.has("group"), all) {
            (true, true, _) => Err(self.has_too_much("peer\" beside \"group")),
            (true, false, true) => Err(self.has_too_much("all\" beside \"peer")),
            (true, false, false) => Ok(To::Peer(self.peer()?)),
            (false, true, true) => Ok(To::All(self.group()?)),
            (false, true, false) => Ok(To::Any(self.group()?)),
            (false, false, _) => Err(self.lacks("peer\" or \"group")),
        }
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

const NUMBER: &str = "the number that REQUEST has";

fn time(value: &RawValue) -> Result<Duration, String> {
    let text = value.get();
    let text = serde_json::from_str(text).map_or(Cow::Borrowed(text), |Borrowed(text)| text);
    let wrong = |error| format!("\"timeout\" is {}: {error}", quoted(value.get()));
    values::some_time(&text).map_err(wrong)
}

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
