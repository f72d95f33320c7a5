//! Why a command ends before its time.

use std::{
    fmt,
    io::{self, Write},
};

use zre_tokio::StartError;

use crate::text::one_line;

/// What ends a command other than being done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody reads the output any more: nothing to say, and nobody to say it to.
    OutputClosed,
    /// Something that the user has to know.
    Told(String),
}

impl Failure {
    /// Says on standard error what went wrong.
    pub(crate) fn report(&self) {
        // Nothing can be done for a user who has closed standard error.
        let _ = writeln!(io::stderr(), "error: {self}");
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
