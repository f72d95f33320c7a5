//! What decodes as a message is written so that it reads the same, and within the limits.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use zre_proto::{Body, Content, Message, MessageLimits};

fuzz_target!(|frame: &[u8]| {
    let limits = MessageLimits {
        groups: 16,
        headers: 16,
        header_frame: 4096,
    };
    let decode = |frame| Message::decode(frame, Content::default(), &limits);
    let Ok(message) = decode(Bytes::copy_from_slice(frame)) else {
        return;
    };
    if let Body::Hello(hello) = &message.body {
        assert!(hello.groups.len() <= 16 && hello.headers.len() <= 16);
    }
    let written = message.header();
    assert_eq!(written.len(), message.header_len());
    assert_eq!(decode(written), Ok(message));
});
