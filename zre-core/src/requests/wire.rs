//! How requests and answers look on the wire: whispers with one leading frame.
//!
//! The frame is ASCII text: a word, a space and the request's ID, such as `zre-request/1 7`. The
//! asker chooses the ID, 1 to 64 printable characters without a space, and whoever answers repeats
//! it. The page `docs/REQUESTS.md` describes it for other implementations.

use alloc::{string::String, vec::Vec};

use bytes::Bytes;
use zre_proto::Content;

/// The longest ID of a request.
const MAX_ID: usize = 64;

/// What a whisper with a leading frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The content asks for an answer.
    Request,
    /// The content answers a request.
    Answer,
    /// There will be no answer. What follows the leading frame is ignored.
    Refusal,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Request, Self::Answer, Self::Refusal];

    /// The word and the space at the beginning of the leading frame.
    fn word(self) -> &'static [u8] {
        match self {
            Self::Request => b"zre-request/1 ",
            Self::Answer => b"zre-answer/1 ",
            Self::Refusal => b"zre-refusal/1 ",
        }
    }
}

/// Whether a content may have a leading frame. This is asked for each whisper.
#[inline]
pub(crate) fn may_lead(content: &Content) -> bool {
    content
        .frames()
        .first()
        .is_some_and(|frame| frame.starts_with(b"zre-"))
}

/// What the leading frame of a content says, and the ID in it; `None` if there is none, or if it is
/// malformed.
pub(crate) fn read(content: &Content) -> Option<(Kind, Bytes)> {
    let frame = content.frames().first()?;
    let (kind, id) = Kind::ALL
        .into_iter()
        .find_map(|kind| Some((kind, frame.strip_prefix(kind.word())?)))?;
    let is_id = (1..=MAX_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
    // A copy, as the frame may be a part of a large buffer.
    is_id.then(|| (kind, Bytes::copy_from_slice(id)))
}

/// Puts a leading frame before a content. The ID is one that [`read`] has given or that this node
/// has made.
pub(crate) fn with_lead(kind: Kind, id: &[u8], content: Content) -> Content {
    let lead = Bytes::from([kind.word(), id].concat());
    let mut frames = Vec::with_capacity(1 + content.len());
    frames.push(lead);
    frames.extend(content);
    Content::from(frames)
}

/// Takes the leading frame from a content that has one.
pub(crate) fn without_lead(content: Content) -> Content {
    content.into_iter().skip(1).collect()
}

/// The IDs of one node's requests: a number that is random for each start of the node, and the
/// number of the request. So a late answer to an earlier start answers nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids {
    start: u64,
}

impl Ids {
    pub(crate) fn new(start: u64) -> Self {
        Self { start }
    }

    pub(crate) fn id(self, number: u64) -> String {
        alloc::format!("{:016x}-{number}", self.start)
    }

    /// The number of the request with this ID; `None` if it is none of this node's.
    pub(crate) fn number(self, id: &[u8]) -> Option<u64> {
        let number = core::str::from_utf8(id).ok()?.split_once('-')?.1;
        let number = number.parse().ok()?;
        (self.id(number).as_bytes() == id).then_some(number)
    }
}
