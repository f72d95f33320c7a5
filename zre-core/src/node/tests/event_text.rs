//! Events in words.

use std::{format, string::String, vec::Vec};

use zre_proto::Content;

use crate::Event;

pub(crate) fn tell(event: &Event) -> String {
    match event {
        Event::Enter { name, .. } => format!("{name} enters"),
        Event::Refused { peer, by, .. } => format!("{peer:.6} is refused by {}", by.as_str()),
        Event::Exit { name, reason, .. } => format!("{name} exits: {reason}"),
        Event::Join { name, group, .. } => format!("{name} joins {group}"),
        Event::Leave { name, group, .. } => format!("{name} leaves {group}"),
        Event::Whisper { name, content, .. } => format!("{name} whispers {}", frames(content)),
        Event::Shout {
            name,
            group,
            content,
            ..
        } => format!("{name} shouts {} to {group}", frames(content)),
        Event::Evasive { name, .. } => format!("{name} is evasive"),
        Event::Silent { name, .. } => format!("{name} is silent"),
        Event::Skipped {
            name,
            group,
            messages,
            ..
        } => format!("{name} misses {messages} in {group}"),
        Event::Network { networks, .. } => format!("on {} networks", networks.len()),
        Event::Leader { group, is_self, .. } if *is_self => format!("leads {group} itself"),
        Event::Leader { name, group, .. } => format!("{name} leads {group}"),
        Event::Stop { .. } => "stop".into(),
    }
}

/// Of a long frame only its length.
fn frames(content: &Content) -> String {
    let frames = content.frames().iter();
    let shown = frames.map(|frame| match frame.len() {
        ..64 => String::from_utf8_lossy(frame).into_owned(),
        length => format!("{length} bytes"),
    });
    shown.collect::<Vec<_>>().join("|")
}
