//! Events in words, so that a test reads like what happened.

use std::{format, string::String};

use crate::Event;

pub(super) fn tell(event: &Event) -> String {
    match event {
        Event::Enter { name, .. } => format!("{name} enters"),
        Event::Exit { name, reason, .. } => format!("{name} exits: {reason}"),
        Event::Join { name, group, .. } => format!("{name} joins {group}"),
        Event::Leave { name, group, .. } => format!("{name} leaves {group}"),
        Event::Whisper { name, content, .. } => {
            format!("{name} whispers {}", content.to_string_lossy())
        }
        Event::Shout {
            name,
            group,
            content,
            ..
        } => format!("{name} shouts {} to {group}", content.to_string_lossy()),
        Event::Evasive { name, .. } => format!("{name} is evasive"),
        Event::Silent { name, .. } => format!("{name} is silent"),
        Event::Stop => "stop".into(),
    }
}
