//! The lines of ZPL (RFC 4), as czmq reads and writes them.

use super::CertificateError;

/// A name with its value, or the name of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item<'a> {
    /// In which line it is; the first has the number 1.
    pub(super) line: usize,
    /// How deep it is, from 0.
    pub(super) level: usize,
    pub(super) name: &'a [u8],
    /// Without its quotes; empty if there is none.
    pub(super) value: &'a [u8],
}

/// The items of a text, in their order. After the first error there are no more.
pub(super) struct Items<'a> {
    rest: Option<&'a [u8]>,
    line: usize,
    /// How deep the next item may be.
    deepest: usize,
}

/// What one line holds: nothing, or the level, the name and the value of an item.
type Line<'a> = Option<(usize, &'a [u8], &'a [u8])>;

impl<'a> Items<'a> {
    /// How many spaces a level has.
    const INDENT: usize = 4;

    pub(super) fn of(text: &'a [u8]) -> Self {
        // What some editors put in front.
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        Self {
            rest: Some(text),
            line: 0,
            deepest: 0,
        }
    }

    fn next_line(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let mut parts = rest.splitn(2, |byte| *byte == b'\n');
        let line = parts.next();
        self.rest = parts.next();
        self.line += 1;
        line
    }

    fn read_line(&self, line: &'a [u8]) -> Result<Line<'a>, CertificateError> {
        let line = line.trim_ascii_end();
        let text = line.trim_ascii_start();
        if text.is_empty() || text.starts_with(b"#") {
            return Ok(None);
        }
        let level = self.level(line)?;
        let name_len = text.iter().take_while(|byte| is_name_byte(**byte)).count();
        let (name, rest) = text.split_at_checked(name_len).unwrap_or_default();
        // czmq takes names for paths.
        if name.is_empty() || name.starts_with(b"/") || name.ends_with(b"/") {
            return Err(CertificateError::Name { line: self.line });
        }
        let value = self.value(rest.trim_ascii_start())?;
        Ok(Some((level, name, value)))
    }

    fn level(&self, line: &[u8]) -> Result<usize, CertificateError> {
        let spaces = line.iter().take_while(|byte| **byte == b' ').count();
        let is_tab = line.get(spaces).is_some_and(u8::is_ascii_whitespace);
        let level = spaces / Self::INDENT;
        match spaces % Self::INDENT == 0 && level <= self.deepest && !is_tab {
            true => Ok(level),
            false => Err(CertificateError::Indent { line: self.line }),
        }
    }

    /// What follows the name.
    fn value(&self, rest: &'a [u8]) -> Result<&'a [u8], CertificateError> {
        let line = self.line;
        let Some(value) = rest.strip_prefix(b"=") else {
            return match is_end(rest) {
                true => Ok(&[]),
                false => Err(CertificateError::Name { line }),
            };
        };
        match value.trim_ascii_start() {
            [quote @ (b'"' | b'\''), quoted @ ..] => {
                let mut parts = quoted.splitn(2, |byte| byte == quote);
                let (value, behind) = (parts.next(), parts.next());
                match behind.is_some_and(is_end) {
                    true => Ok(value.unwrap_or_default()),
                    false => Err(CertificateError::Quote { line }),
                }
            }
            bare => {
                let mut parts = bare.split(|byte| *byte == b'#');
                Ok(parts.next().unwrap_or_default().trim_ascii_end())
            }
        }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, CertificateError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = self.next_line()?;
            match self.read_line(line) {
                Ok(None) => {}
                Ok(Some((level, name, value))) => {
                    self.deepest = level + 1;
                    return Some(Ok(Item {
                        line: self.line,
                        level,
                        name,
                        value,
                    }));
                }
                Err(error) => {
                    self.rest = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Whether a name may have it.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"$-_@.&+/".contains(&byte)
}

/// Whether nothing but a comment follows.
fn is_end(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    rest.is_empty() || rest.starts_with(b"#")
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn items(text: &str) -> Result<Vec<(usize, &str, &str)>, CertificateError> {
        let items = Items::of(text.as_bytes());
        let text = |bytes| core::str::from_utf8(bytes).unwrap();
        items
            .map(|item| item.map(|it| (it.level, text(it.name), text(it.value))))
            .collect()
    }

    #[test]
    fn values_may_be_quoted_in_two_ways_or_bare_and_have_comments_behind_them() {
        let text = "#  comment\r\n\n\
                    context # of what\n\
                    \u{20}   iothreads = 1\n\
                    \u{20}   bind='tcp://*:1 # \"' # why\n\
                    \u{20}   # deeper\n\
                    \u{20}       option =  \"a 'b' \"\t\n\
                    main=\n\
                    \u{20}   type = zqueue server   #  ZMQ_DEVICE type\n";
        let expected = [
            (0, "context", ""),
            (1, "iothreads", "1"),
            (1, "bind", "tcp://*:1 # \""),
            (2, "option", "a 'b' "),
            (0, "main", ""),
            (1, "type", "zqueue server"),
        ];
        assert_eq!(items(text), Ok(expected.to_vec()));
        assert_eq!(items(""), Ok(Vec::new()));
        assert_eq!(items("\u{feff}a = 1"), Ok([(0, "a", "1")].to_vec()));
    }

    #[test]
    fn what_czmq_refuses_is_refused_with_the_number_of_the_line() {
        let indent = |line| CertificateError::Indent { line };
        let name = |line| CertificateError::Name { line };
        let quote = |line| CertificateError::Quote { line };
        for (text, error) in [
            ("a\n   b = 1", indent(2)),
            ("a\n        b = 1", indent(2)),
            ("    a", indent(1)),
            ("a\n\tb = 1", indent(2)),
            ("# \n\n= 1", name(3)),
            ("/a = 1", name(1)),
            ("a/ = 1", name(1)),
            ("a b", name(1)),
            ("a\0 = 1", name(1)),
            ("name: value", name(1)),
            ("a = \"1", quote(1)),
            ("a = '1\"", quote(1)),
            ("a = \"1\" 2", quote(1)),
        ] {
            assert_eq!(items(text), Err(error), "{text:?}");
        }
        // A section that has ended has no more items.
        assert_eq!(items("a\n    b\nc\n        d"), Err(indent(4)));
    }
}
