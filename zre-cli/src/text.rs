//! Text from the network, made safe for a terminal.

use std::borrow::Cow;

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
    use super::*;

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
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(beginning(&"é".repeat(61)), format!("{}…", "é".repeat(60)));
        assert_eq!(quoted("short\n"), r"'short\n'");
    }
}
