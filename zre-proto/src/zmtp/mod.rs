//! The part of ZMTP 3.x (RFC 23/ZMTP 3.0, RFC 37/ZMTP 3.1) that ZRE uses.

mod command;
mod frame;
mod greeting;

pub use command::{Command, CommandError, Metadata};
pub use frame::{FrameError, FrameHeader};
pub use greeting::{Greeting, GreetingError, Mechanism};
