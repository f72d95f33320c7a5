//! Why a command ends early.

use std::{fmt, io};

use zre_tokio::StartError;

use crate::{stderr, text::one_line};

/// What makes a command end before it has done its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody reads the output any more. The command ends without a message.
    OutputClosed,
    /// A message for the user.
    Told(String),
}

impl Failure {
    /// Prints the message on standard error.
    pub(crate) fn report(&self) {
        stderr::print(&format!("error: {self}"));
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutputClosed => f.write_str("nobody reads the output"),
            Self::Told(text) => f.write_str(&one_line(text)),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Told(error.to_string()),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Told(format!("cannot start the node: {error}"))
    }
}

impl From<zre_tokio::Error> for Failure {
    fn from(error: zre_tokio::Error) -> Self {
        Self::Told(error.to_string())
    }
}
