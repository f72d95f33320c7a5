//! What is to be sent, as the user gives it.

use std::io::{self, IsTerminal, Read};

use zre_tokio::{Content, Limits};

use crate::{failure::Failure, values::show_size};

/// The words with spaces between them, or standard input for `-` or without words.
pub(super) fn read(words: &[String]) -> Result<Content, Failure> {
    match words {
        [] if io::stdin().is_terminal() => Err(Failure::told(
            "there is nothing to send: write the TEXT at the end, or `-` to type it on standard \
             input, or pipe it into the command",
        )),
        [] => read_all(io::stdin().lock(), Limits::default().message_size),
        [dash] if dash == "-" => read_all(io::stdin().lock(), Limits::default().message_size),
        words => Ok(words.join(" ").into()),
    }
}

/// All bytes of an input, as one frame.
fn read_all(input: impl Read, most: usize) -> Result<Content, Failure> {
    let mut bytes = Vec::new();
    let read = input.take(most as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::Told(format!("cannot read standard input: {error}")))?;
    if bytes.len() > most {
        let most = show_size(most as u64);
        return Err(Failure::Told(format!(
            "standard input has more than {most} bytes, and a message has no more: split it"
        )));
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_spaces_between_them() {
        let words = ["two", "words"].map(str::to_owned);
        assert_eq!(read(&words).unwrap(), Content::from("two words"));
    }

    #[test]
    fn an_input_is_one_frame_and_has_a_limit() {
        assert_eq!(
            read_all(&b"a\nb\n"[..], 4).unwrap(),
            Content::from("a\nb\n")
        );
        let refused = read_all(&b"a\nb\n!"[..], 4).unwrap_err().to_string();
        assert!(refused.contains("more than 4 bytes"), "{refused}");
        assert_eq!(read_all(&b""[..], 4).unwrap(), Content::from(""));
    }
}
