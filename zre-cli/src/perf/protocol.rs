//! What the two sides say to each other.
//!
//! A message of one frame is a payload. One of several frames begins with [`MARK`] and says what to
//! do with those that come after it. A node answers a payload only if it was asked to, so two nodes
//! that serve leave each other alone.

use zre_tokio::{Content, Headers};

/// The header by which a node that serves is known. Its value is the version of what is said here.
pub(super) const HEADER: &str = "X-ZRE-PERF";
/// The version that this program speaks.
pub(super) const VERSION: &str = "1";
/// The group that nodes that serve are in, unless told otherwise.
pub(super) const GROUP: &str = "ZRE-PERF";

const MARK: &str = "zre-perf";

/// Whether a node with these headers serves.
pub(super) fn serves(headers: &Headers) -> bool {
    headers
        .get(HEADER)
        .is_some_and(|version| *version == *VERSION)
}

/// What is asked and answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    /// Send the sender's payloads back.
    Echo,
    /// Count the sender's payloads from 0.
    Count,
    /// Say what was counted; what follows is to be ignored.
    Report,
    /// What was counted.
    Counted {
        messages: u64,
        /// From the first one's arrival to the last one's.
        nanoseconds: u64,
    },
}

impl Control {
    /// `None` for a payload, and for what is no control message.
    pub(super) fn read(content: &Content) -> Option<Self> {
        let mut frames = content.frames().iter();
        if frames.next()? != MARK.as_bytes() {
            return None;
        }
        let mut words = frames.map(|frame| std::str::from_utf8(frame).unwrap_or_default());
        match words.next()? {
            "ECHO" => Some(Self::Echo),
            "COUNT" => Some(Self::Count),
            "REPORT" => Some(Self::Report),
            "COUNTED" => Some(Self::Counted {
                messages: words.next()?.parse().ok()?,
                nanoseconds: words.next()?.parse().ok()?,
            }),
            _ => None,
        }
    }

    /// As a message.
    pub(super) fn content(self) -> Content {
        match self {
            Self::Echo => [MARK, "ECHO"].into(),
            Self::Count => [MARK, "COUNT"].into(),
            Self::Report => [MARK, "REPORT"].into(),
            Self::Counted {
                messages,
                nanoseconds,
            } => {
                let numbers = [messages.to_string(), nanoseconds.to_string()];
                let words = [MARK.to_owned(), "COUNTED".to_owned()];
                words.into_iter().chain(numbers).collect()
            }
        }
    }
}

/// Whether it is a message that is measured.
pub(super) fn is_payload(content: &Content) -> bool {
    content.len() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let counted = Control::Counted {
            messages: 12,
            nanoseconds: u64::MAX,
        };
        for control in [Control::Echo, Control::Count, Control::Report, counted] {
            assert_eq!(Control::read(&control.content()), Some(control));
            assert!(!is_payload(&control.content()));
        }
    }

    #[test]
    fn other_messages_are_not_mistaken_for_it() {
        for frames in [
            &["zre-perf"][..],
            &["ECHO"],
            &["other", "ECHO"],
            &["zre-perf", "SING"],
            &["zre-perf", "COUNTED", "12"],
            &["zre-perf", "COUNTED", "-1", "x"],
        ] {
            let content: Content = frames.iter().copied().collect();
            assert_eq!(Control::read(&content), None, "{frames:?}");
        }
    }
}
