//! Bytes as they are sent over a connection.

use bytes::{Buf, Bytes};
use zre_core::{GossipEnd, Link, LinkEvent, Multipart, Role};
use zre_proto::{
    Content, Message, ShortText,
    zmtp::{Command, FrameHeader, Greeting, Mechanism, Metadata},
};

/// The frames of one message.
pub(crate) fn put_message(out: &mut Vec<u8>, message: &Message) {
    let empty = Content::default();
    let content = message.body.content().unwrap_or(&empty);
    put_frames(out, &message.header(), content);
}

pub(crate) fn put_frames(out: &mut Vec<u8>, first: &[u8], content: &Content) {
    let rest = content.frames();
    put_frame(out, !rest.is_empty(), first);
    for (index, frame) in rest.iter().enumerate() {
        put_frame(out, index + 1 < rest.len(), frame);
    }
}

pub(crate) fn put_frame(out: &mut Vec<u8>, more: bool, body: &[u8]) {
    let header = FrameHeader {
        command: false,
        more,
        size: body.len() as u64,
    };
    header.encode(out);
    out.extend_from_slice(body);
}

/// Takes the frames of one message off the front; `None` if they are not all there.
pub(crate) fn take_frames(bytes: &mut Bytes) -> Option<Multipart> {
    let mut frames = Vec::new();
    loop {
        let (header, length) = FrameHeader::decode(bytes).ok()??;
        let size = usize::try_from(header.size).ok()?;
        if header.command || bytes.len() - length < size {
            return None;
        }
        bytes.advance(length);
        frames.push(bytes.split_to(size));
        if !header.more {
            let first = frames.remove(0);
            let rest = frames.into_iter().collect();
            return Some(Multipart { first, rest });
        }
    }
}

/// All that one end says until the handshake is over.
pub(crate) fn handshake(role: Role) -> Vec<u8> {
    let (socket_type, identity) = match role {
        Role::Connecting(id) => ("DEALER", Bytes::copy_from_slice(&id.to_bytes())),
        Role::AcceptingAs(id) => ("ROUTER", Bytes::copy_from_slice(&id.to_bytes())),
        Role::Accepting | Role::Gossiping(GossipEnd::Hub) => ("ROUTER", Bytes::new()),
        Role::Gossiping(GossipEnd::Client) => ("DEALER", Bytes::new()),
    };
    let metadata = Metadata::default()
        .with(Metadata::SOCKET_TYPE.try_into().unwrap(), socket_type)
        .with(Metadata::IDENTITY.try_into().unwrap(), identity);
    let metadata = match role {
        Role::Gossiping(_) => metadata,
        _ => metadata.with(Metadata::UNDERSTANDS.try_into().unwrap(), "ELECT"),
    };
    let mut said = Greeting::new(Mechanism::NULL, false).encode().to_vec();
    put_command(&mut said, &Command::Ready(metadata));
    said
}

pub(crate) fn put_command(out: &mut Vec<u8>, command: &Command) {
    let body = command.encode();
    let header = FrameHeader {
        command: true,
        more: false,
        size: body.len() as u64,
    };
    header.encode(out);
    out.extend_from_slice(&body);
}

/// All that a link wants written.
pub(crate) fn take_outbox(link: &mut Link) -> Bytes {
    let outbox = link.write_buffer();
    outbox.copy_to_bytes(outbox.remaining())
}

/// Lets a link read all of `bytes`, whose sender does as it should.
pub(crate) fn feed(link: &mut Link, mut bytes: &[u8]) -> Vec<LinkEvent> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        read(link, &mut bytes, usize::MAX);
        while let Some(event) = link.next_event().expect("the other end does as it should") {
            events.push(event);
        }
    }
    events
}

/// Lets a link read at most `most` bytes of what came.
pub(crate) fn read(link: &mut Link, source: &mut impl Buf, most: usize) {
    let buffer = link.read_buffer();
    assert!((1..=256 << 10).contains(&buffer.len()));
    let count = source.remaining().min(most).min(buffer.len());
    source.copy_to_slice(&mut buffer[..count]);
    link.handle_read(count);
}

/// As much of `bytes` as a short text can hold.
pub(crate) fn short_text(bytes: &[u8]) -> ShortText {
    let fits = &bytes[..bytes.len().min(ShortText::MAX_LEN)];
    Bytes::copy_from_slice(fits).try_into().unwrap()
}

#[cfg(test)]
mod tests {
    use zre_core::Limits;
    use zre_proto::PeerId;

    use super::*;

    #[test]
    fn the_handshake_is_what_a_link_says() {
        let connecting = Role::Connecting(PeerId::from([7; 16]).into());
        for (role, other) in [(connecting, Role::Accepting), (Role::Accepting, connecting)] {
            let mut link = Link::new(role, &Limits::default());
            feed(&mut link, &handshake(other));
            assert!(link.is_open());
            assert_eq!(take_outbox(&mut link), handshake(role));
        }
    }
}
