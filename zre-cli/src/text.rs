//! Text from the network, made safe for a terminal.

use std::{borrow::Cow, fmt::Display};

use zre_tokio::{Content, Event, GroupName, NetworkInfo, PeerId, PeerKey, PublicKey, RefusedBy};

/// Escapes what a terminal would obey or what would hide text: control characters, line ends, and
/// characters that are invisible or change the direction of writing.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061C}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFB}'
                | '\u{E0000}'..='\u{E007F}'
        )
}

/// What somebody says: with the group, where `is_named` says so.
pub(crate) fn said(event: &Event, is_named: impl Fn(&GroupName) -> bool) -> Option<String> {
    Some(match event {
        Event::Whisper { name, content, .. } => {
            format!("{name}, to you alone: {}", shown(content))
        }
        Event::Shout {
            name,
            group,
            content,
            ..
        } => match is_named(group) {
            true => format!("{name} in {group}: {}", shown(content)),
            false => format!("{name}: {}", shown(content)),
        },
        _ => return None,
    })
}

/// A message without the end of its last line, which standard input often has.
pub(crate) fn shown(content: &Content) -> String {
    let mut text = content.to_string_lossy().into_owned();
    if text.ends_with('\n') {
        text.pop();
    }
    text
}

/// The first of some names, and how many others there are.
pub(crate) fn names(names: impl IntoIterator<Item = String>) -> String {
    const SHOWN: usize = 10;
    let mut names = names.into_iter();
    let shown = names.by_ref().take(SHOWN).collect::<Vec<_>>().join(", ");
    match names.count() {
        0 => shown,
        others => format!("{shown} and {others} more"),
    }
}

/// What to add to a peer's end: how many messages to it may not have arrived, if any.
pub(crate) fn unconfirmed(messages: u64) -> String {
    match messages {
        0 => String::new(),
        1 => "; 1 message to it may not have arrived".to_owned(),
        messages => format!("; {messages} messages to it may not have arrived"),
    }
}

/// What is said of a slow member that shouts have passed over.
pub(crate) fn skipped(group: &impl Display, messages: u64) -> String {
    match messages {
        1 => format!("reads too slowly: 1 message to {group} has passed it over"),
        messages => format!("reads too slowly: {messages} messages to {group} have passed it over"),
    }
}

/// What is said of the leader of a group.
pub(crate) fn leader(group: &GroupName, name: &impl Display, is_self: bool) -> String {
    match is_self {
        true => format!("you lead {group}"),
        false => format!("{name} leads {group}"),
    }
}

/// What is said of a node with which no session begins, because of its key or of this node's.
pub(crate) fn refused(peer: PeerId, key: PublicKey, by: RefusedBy) -> String {
    match by {
        RefusedBy::Them => {
            format!("node {peer:.6} refuses this node: it does not trust this node's key")
        }
        _ => format!("node {peer:.6} is refused: its key is not trusted here: {key}"),
    }
}

/// Whose key a peer has proved to have, as far as a certificate tells, else which.
pub(crate) fn key_of(key: &PeerKey) -> String {
    match key.metadata.name() {
        Some(name) => format!("the key of {name}"),
        None => format!("the key {}", key.public),
    }
}

/// What is said of a change of the networks that this node is on.
pub(crate) fn networks(
    now: &[NetworkInfo],
    joined: &[NetworkInfo],
    left: &[NetworkInfo],
) -> String {
    let mut said = match now {
        [] => "no network any more, waiting for one".to_owned(),
        _ if joined.is_empty() && left.is_empty() => format!("on {}", listed(now)),
        _ => format!("now on {}", listed(now)),
    };
    if !left.is_empty() {
        said.push_str("; gone: ");
        said.push_str(&listed(left));
    }
    said
}

fn listed(networks: &[NetworkInfo]) -> String {
    let shown = networks.iter().map(|network| {
        let deaf = match network.announces {
            true => "",
            false => ", beacons cannot be sent",
        };
        format!("{} ({}{deaf})", network.interface, network.address)
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// The beginning of a text in quotes, to recognise it by in an error message.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", one_line(&beginning(text)))
}

fn beginning(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use zre_tokio::ShortText;

    use super::*;

    const KEY: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(
            one_line("\u{1b}[2J\r\n\u{9b}1m\u{202e}x\u{7f}"),
            r"\u{1b}[2J\r\n\u{9b}1m\u{202e}x\u{7f}"
        );
    }

    #[test]
    fn ordinary_text_of_any_language_stays() {
        let text = "héllo 世界 👋";
        assert!(matches!(one_line(text), Cow::Borrowed(same) if same == text));
    }

    #[test]
    fn what_may_not_have_arrived_is_said_in_a_sentence() {
        assert_eq!(unconfirmed(0), "");
        assert_eq!(unconfirmed(1), "; 1 message to it may not have arrived");
        assert_eq!(unconfirmed(7), "; 7 messages to it may not have arrived");
        assert_eq!(
            skipped(&"CHAT", 2),
            "reads too slowly: 2 messages to CHAT have passed it over"
        );
        assert_eq!(
            skipped(&"CHAT", 1),
            "reads too slowly: 1 message to CHAT has passed it over"
        );
    }

    #[test]
    fn who_refuses_whom_is_said_in_a_sentence() {
        let key: PublicKey = KEY.parse().unwrap();
        let peer = PeerId::from([0xAB; 16]);
        assert_eq!(
            refused(peer, key, RefusedBy::Us),
            format!("node ABABAB is refused: its key is not trusted here: {KEY}")
        );
        assert_eq!(
            refused(peer, key, RefusedBy::Them),
            "node ABABAB refuses this node: it does not trust this node's key"
        );
        let named = [("name", "Bob")].into_iter().collect();
        assert_eq!(key_of(&PeerKey::new(key, named)), "the key of Bob");
        let nameless = PeerKey::new(key, Default::default());
        assert_eq!(key_of(&nameless), format!("the key {KEY}"));
    }

    #[test]
    fn what_is_said_is_shown_with_its_group_where_there_are_several() {
        let (peer, name) = (PeerId::from([1; 16]), ShortText::try_from("bob").unwrap());
        let shout = |content: &str| Event::Shout {
            peer,
            name: name.clone(),
            group: "ops".try_into().unwrap(),
            content: content.into(),
        };
        let shown = |event: &Event, is_named| said(event, |_| is_named).unwrap();
        assert_eq!(shown(&shout("hi\n"), false), "bob: hi");
        assert_eq!(shown(&shout("a\n\n"), true), "bob in ops: a\n");
        let whisper = Event::Whisper {
            peer,
            name: name.clone(),
            content: "hi".into(),
        };
        assert_eq!(shown(&whisper, true), "bob, to you alone: hi");
        assert_eq!(said(&Event::Silent { peer, name }, |_| true), None);
    }

    #[test]
    fn many_names_are_counted() {
        let names = |count: u32| names((0..count).map(|it| it.to_string()));
        assert_eq!(names(2), "0, 1");
        assert_eq!(names(12), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
    }

    #[test]
    fn a_change_of_networks_is_said_in_a_sentence() {
        let network = |interface: &str, address: &str, announces: bool| -> NetworkInfo {
            let endpoint = format!("tcp://{address}:5000");
            serde_json::from_value(serde_json::json!({
                "interface": interface, "address": address,
                "endpoint": endpoint, "announces": announces,
            }))
            .unwrap()
        };
        let (eth0, wlan0) = (
            [network("eth0", "10.0.0.2", true)],
            [network("wlan0", "10.3.0.2", true)],
        );
        for (said, now, joined, left) in [
            (
                "now on eth0 (10.0.0.2); gone: wlan0 (10.3.0.2)",
                &eth0[..],
                &eth0[..],
                &wlan0[..],
            ),
            (
                "no network any more, waiting for one; gone: eth0 (10.0.0.2)",
                &[],
                &[],
                &eth0,
            ),
            (
                "on eth0 (10.0.0.2, beacons cannot be sent)",
                &[network("eth0", "10.0.0.2", false)],
                &[],
                &[],
            ),
        ] {
            assert_eq!(networks(now, joined, left), said);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(beginning(&"é".repeat(61)), format!("{}…", "é".repeat(60)));
        assert_eq!(quoted("short\n"), r"'short\n'");
    }
}
