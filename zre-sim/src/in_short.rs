//! Events in a few words.

use zre_core::{Event, NetworkInfo, proto::Content};

/// An event as a short line, such as `enter bob`, `shout bob CHAT hello` or
/// `exit bob: said goodbye`.
///
/// There is a `|` between frames; of a frame of 64 bytes or more, the line has the length only.
///
/// ```
/// let event = zre_core::Event::Stop { unconfirmed: vec![] };
/// assert_eq!(zre_sim::in_short(&event), "stop");
/// ```
pub fn in_short(event: &Event) -> String {
    match event {
        Event::Enter { name, .. } => format!("enter {name}"),
        Event::Exit { name, reason, .. } => format!("exit {name}: {reason}"),
        Event::Join { name, group, .. } => format!("join {name} {group}"),
        Event::Leave { name, group, .. } => format!("leave {name} {group}"),
        Event::Whisper { name, content, .. } => format!("whisper {name} {}", frames(content)),
        Event::Shout {
            name,
            group,
            content,
            ..
        } => format!("shout {name} {group} {}", frames(content)),
        Event::Evasive { name, .. } => format!("evasive {name}"),
        Event::Silent { name, .. } => format!("silent {name}"),
        Event::Refused { peer, by, .. } => format!("refused {peer:.6} by {}", by.as_str()),
        Event::Leader { name, group, .. } => format!("leader {name} {group}"),
        Event::Network { networks, .. } => networks_in_short(networks),
        Event::Stop { .. } => "stop".into(),
        other => format!("{other:?}"),
    }
}

/// As in `network eth0 10.0.0.2, wlan0 10.1.0.2`.
fn networks_in_short(networks: &[NetworkInfo]) -> String {
    let shown = networks.iter().map(|it| {
        let failing = if it.announces { "" } else { " without beacons" };
        format!("{} {}{failing}", it.interface, it.address)
    });
    let shown: Vec<_> = shown.collect();
    match shown.is_empty() {
        true => "network none".into(),
        false => format!("network {}", shown.join(", ")),
    }
}

fn frames(content: &Content) -> String {
    let shown = content.frames().iter().map(|frame| match frame.len() {
        ..64 => String::from_utf8_lossy(frame).into_owned(),
        length => format!("{length} bytes"),
    });
    shown.collect::<Vec<_>>().join("|")
}
