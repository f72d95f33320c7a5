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
    /// A message that stands from the beginning.
    pub(crate) fn told(text: &str) -> Self {
        Self::Told(text.to_owned())
    }

    /// The system does not give what the command needs to run.
    pub(crate) fn to_start(error: &io::Error) -> Self {
        Self::Told(format!("cannot start: {error}{}", remedy(error)))
    }

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

/// Standard output cannot be written.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Told(format!("cannot write to standard output: {error}")),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Told(format!("cannot start the node: {error}{}", remedy(&error)))
    }
}

/// What the user can do about an error of the system, if that is known. Errors of the libraries
/// show the system's text at their end.
fn remedy(error: &impl fmt::Display) -> &'static str {
    let too_many = io::Error::from_raw_os_error(TOO_MANY_FILES);
    match error.to_string().ends_with(&too_many.to_string()) {
        true => "; raise the limit with `ulimit -n`",
        false => "",
    }
}

/// The system's number for too many open files; std has no name for it.
#[cfg(unix)]
const TOO_MANY_FILES: i32 = nix::errno::Errno::EMFILE as i32;

/// WSAEMFILE.
#[cfg(not(unix))]
const TOO_MANY_FILES: i32 = 10_024;

impl From<zre_tokio::Error> for Failure {
    fn from(error: zre_tokio::Error) -> Self {
        Self::Told(error.to_string())
    }
}
