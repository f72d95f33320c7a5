//! Events in words.

use alloc::string::String;
use core::fmt::{self, Write as _};

use zre_proto::Content;

use super::{Event, NetworkInfo, RefusedBy};
use crate::one_line::OneLine;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = OneLine(f);
        if let Some((peer, name)) = self.peer_and_name() {
            // Several peers may have the same name; the start of the identity tells them apart.
            write!(line, "{name} ({peer:.6}) ")?;
        }
        match self {
            Self::Enter { endpoint, key, .. } => {
                write!(line, "entered at {endpoint}")?;
                match key {
                    Some(key) => write!(line, " with {key}"),
                    None => Ok(()),
                }
            }
            Self::Refused { peer, key, by } => match by {
                RefusedBy::Us => write!(line, "{peer:.6} is not trusted: its key is {key}"),
                RefusedBy::Them => write!(line, "{peer:.6} does not trust the key of this node"),
            },
            Self::Exit {
                reason,
                unconfirmed,
                ..
            } => {
                write!(line, "is gone: {reason}")?;
                write_unconfirmed(&mut line, *unconfirmed)
            }
            Self::Join { group, .. } => write!(line, "joined {group}"),
            Self::Leave { group, .. } => write!(line, "left {group}"),
            Self::Whisper { content, .. } => write!(line, "whispers: {}", Excerpt(content)),
            Self::Shout { group, content, .. } => {
                write!(line, "to {group}: {}", Excerpt(content))
            }
            Self::Evasive { .. } => line.write_str("is silent and is asked whether it is there"),
            Self::Silent { .. } => line.write_str("has not answered for a second"),
            Self::Skipped {
                group, messages, ..
            } => write!(
                line,
                "does not keep up: {messages} shouts to {group} passed it over"
            ),
            Self::Leader { group, is_self, .. } => match is_self {
                true => write!(line, "leads {group}: it is this node"),
                false => write!(line, "leads {group}"),
            },
            Self::Network {
                networks,
                joined,
                left,
            } => {
                write!(line, "this node is on {}", Listed(networks, "no network"))?;
                if !joined.is_empty() {
                    write!(line, "; new: {}", Listed(joined, ""))?;
                }
                match left.is_empty() {
                    true => Ok(()),
                    false => write!(line, "; gone: {}", Listed(left, "")),
                }
            }
            Self::Stop { unconfirmed } => {
                line.write_str("this node has stopped")?;
                let messages = unconfirmed.iter().map(|peer| peer.messages).sum();
                write_unconfirmed(&mut line, messages)
            }
        }
    }
}

/// Networks with commas between them, or what stands for none.
struct Listed<'a>(&'a [NetworkInfo], &'a str);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else {
            return f.write_str(self.1);
        };
        write!(f, "{first}")?;
        others.iter().try_for_each(|other| write!(f, ", {other}"))
    }
}

fn write_unconfirmed(line: &mut impl fmt::Write, messages: u64) -> fmt::Result {
    match messages {
        0 => Ok(()),
        1 => line.write_str("; 1 message is not confirmed"),
        messages => write!(line, "; {messages} messages are not confirmed"),
    }
}

/// The first 80 characters of a message, with its size if that is not all of it.
struct Excerpt<'a>(&'a Content);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARS: usize = 80;
        let first = self.0.frame(0).unwrap_or_default();
        // A character has at most four bytes, and there may be a hundred megabytes of them.
        let start = first.get(..4 * CHARS).unwrap_or(first);
        let text = String::from_utf8_lossy(start);
        let is_cut = start.len() < first.len() || text.chars().count() > CHARS;
        text.chars()
            .take(CHARS)
            .try_for_each(|char| f.write_char(char))?;
        if is_cut {
            f.write_char('…')?;
        }
        match self.0.len() {
            1 if is_cut => write!(f, " ({} bytes)", self.0.byte_len()),
            1 => Ok(()),
            frames => write!(f, " ({frames} frames, {} bytes)", self.0.byte_len()),
        }
    }
}
