//! What the user types: with a line editor on a terminal, as plain lines elsewhere.

use std::{
    io::{self, BufRead, IsTerminal},
    thread,
};

use rustyline::{Config, Editor, ExternalPrinter, error::ReadlineError, history::MemHistory};
use tokio::sync::mpsc::{self, Sender};

use crate::{failure::Failure, text::one_line};

/// One thing that the user wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    Say(String),
    Who,
    Help,
    Unknown(String),
    Quit,
    Failed(String),
}

impl Input {
    /// What a line means; nothing if it is blank.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim_end_matches(['\r', '\n']);
        Some(match line.trim() {
            "" => return None,
            "/who" => Self::Who,
            "/help" => Self::Help,
            "/quit" => Self::Quit,
            command if command.starts_with("//") => Self::Say(command.chars().skip(1).collect()),
            command if command.starts_with('/') => Self::Unknown(command.to_owned()),
            _ => Self::Say(line.to_owned()),
        })
    }
}

type LineEditor = Editor<(), MemHistory>;

/// Where the lines come from.
pub(super) enum Keyboard {
    Terminal(Box<LineEditor>),
    Plain,
}

/// Prints lines on a terminal above the one that is being typed.
pub(super) type Above = dyn FnMut(String) -> io::Result<()> + Send;

impl Keyboard {
    /// A line editor if both the input and the output are a terminal that can do that.
    pub(super) fn open() -> (Self, Option<Box<Above>>) {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return (Self::Plain, None);
        }
        match line_editor() {
            Ok((editor, above)) => (Self::Terminal(Box::new(editor)), Some(above)),
            Err(_) => (Self::Plain, None),
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// Starts to read. Reading ends after [`Input::Quit`], with the terminal as it was before.
    pub(super) fn listen(self, prompt: &str) -> Result<mpsc::Receiver<Input>, Failure> {
        // A short queue: no more is read until the node has taken it.
        let (sender, input) = mpsc::channel(16);
        let prompt = one_line(prompt).into_owned();
        thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || match self {
                Self::Terminal(mut editor) => edit_lines(&mut editor, &prompt, &sender),
                Self::Plain => read_lines(&sender),
            })
            .map_err(|error| Failure::to_start(&error))?;
        Ok(input)
    }
}

fn line_editor() -> Result<(LineEditor, Box<Above>), ReadlineError> {
    let config = Config::builder().auto_add_history(true).build();
    let history = MemHistory::with_config(&config);
    let mut editor = LineEditor::with_history(config, history)?;
    let mut printer = editor.create_external_printer()?;
    let above = move |line| printer.print(line).map_err(io::Error::other);
    Ok((editor, Box::new(above)))
}

fn edit_lines(editor: &mut LineEditor, prompt: &str, sender: &Sender<Input>) {
    loop {
        match editor.readline(prompt) {
            Ok(text) if send_lines(&text, sender) => {}
            Ok(_) => return,
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => break,
            Err(error) => {
                let _ = sender.blocking_send(Input::Failed(format!("cannot read: {error}")));
                return;
            }
        }
    }
    let _ = sender.blocking_send(Input::Quit);
}

/// Sends what was typed or pasted, perhaps several lines. Returns whether the user stays.
fn send_lines(text: &str, sender: &Sender<Input>) -> bool {
    text.lines().filter_map(Input::parse).all(|input| {
        let stays = input != Input::Quit;
        sender.blocking_send(input).is_ok() && stays
    })
}

fn read_lines(sender: &Sender<Input>) {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        match input.read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) if send_lines(&String::from_utf8_lossy(&line), sender) => {}
            Ok(_) => return,
            Err(error) => {
                let _ = sender.blocking_send(Input::Failed(format!("cannot read: {error}")));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_begins_a_command_and_two_a_line() {
        let say = |text: &str| Some(Input::Say(text.to_owned()));
        assert_eq!(Input::parse("  hello \r\n"), say("  hello "));
        assert_eq!(Input::parse("//who"), say("/who"));
        assert_eq!(Input::parse("/who "), Some(Input::Who));
        assert_eq!(
            Input::parse("/fly"),
            Some(Input::Unknown("/fly".to_owned()))
        );
        assert_eq!(Input::parse(" \n"), None);
    }
}
