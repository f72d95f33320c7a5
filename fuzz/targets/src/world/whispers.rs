use zre_core::Event;
use zre_proto::{Content, PeerId};

/// What a whisper between engines begins with, and the adversary does not know.
pub(crate) const MARK: &[u8; 8] = b"\x9Fhonest\xF7";

/// The whispers from an engine to the other and back, which have numbers.
#[derive(Debug, Default)]
pub(crate) struct NumberedWhispers {
    /// How many were said to the other.
    pub(crate) said: u32,
    /// The number of the last that came from the other.
    pub(crate) last_received: u32,
    /// The same, `None` if none came since the other entered.
    last_in_session: Option<u32>,
}

impl NumberedWhispers {
    /// The next whisper to the other, with `size` bytes behind the number.
    pub(crate) fn next(&self, size: usize) -> Content {
        let number = self.said + 1;
        let mut content: Content = [&MARK[..], &number.to_be_bytes()].concat().into();
        content.push(vec![b'h'; size]);
        content
    }

    /// An event of the engine: whispers of the other come at most once and in order, and in one
    /// session all of them come.
    pub(super) fn check(&mut self, event: &Event, is_other: impl Fn(PeerId) -> bool) {
        match event {
            Event::Enter { peer, .. } if is_other(*peer) => self.last_in_session = None,
            Event::Whisper { peer, content, .. } => {
                if let Some(number) = number_of(content) {
                    assert!(is_other(*peer));
                    self.receive(number);
                }
            }
            _ => {}
        }
    }

    fn receive(&mut self, number: u32) {
        assert!(number > self.last_received, "again, or out of order");
        if let Some(last) = self.last_in_session {
            assert_eq!(number, last + 1, "something is missing");
        }
        self.last_received = number;
        self.last_in_session = Some(number);
    }
}

/// The number of a whisper that an engine was told to say; `None` for the adversary's.
fn number_of(content: &Content) -> Option<u32> {
    let number = content.frame(0)?.strip_prefix(MARK)?;
    Some(u32::from_be_bytes(number.try_into().unwrap()))
}
