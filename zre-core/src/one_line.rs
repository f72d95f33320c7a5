//! Text from the network, made fit for a log or a terminal.

use core::fmt::{self, Write};

/// Escapes what would break a line, or would steer the terminal that shows it.
pub(crate) struct OneLine<'a, 'f>(pub(crate) &'a mut fmt::Formatter<'f>);

impl Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|char| match breaks_out(char) {
            true => write!(self.0, "{}", char.escape_default()),
            false => self.0.write_char(char),
        })
    }
}

fn breaks_out(char: char) -> bool {
    let separates_lines = matches!(char, '\u{2028}' | '\u{2029}');
    // They change the direction of the text behind them, so a name could make a line lie.
    let is_bidirectional = matches!(char, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    char.is_control() || separates_lines || is_bidirectional
}
