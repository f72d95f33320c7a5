//! The targets for CURVE.
//!
//! The fuzzer plays the other side of a connection. It has the secret keys of that side, so it
//! makes commands whose boxes open, and changes them before or after they are sealed. A second,
//! plain reader of CURVE that knows all keys says what the link has to do with them.

mod boxes;
mod client;
mod commands;
mod frames;
mod message;
mod messages;
mod server;
mod tested;

pub use client::curve_client;
pub use message::curve_message;
pub use server::curve_server;

use crate::script::choices;

choices! {
    /// How a command or a message differs from what it should be.
    #[derive(Debug)]
    enum Change<'a> from 'a, one of 8 {
        0..=3 => None,
        4 => Flip { at: u16, bits: u8 },
        5 => Cut { to: u16 },
        6 => Append { bytes: &'a [u8] },
        7 => Overwrite { at: u16, bytes: &'a [u8] },
    }
}

impl Change<'_> {
    fn apply(&self, body: &mut Vec<u8>) {
        let place = |at: u16| usize::from(at) % body.len().max(1);
        match *self {
            Self::None => {}
            Self::Flip { at, bits } => {
                let at = place(at);
                body.iter_mut().skip(at).take(1).for_each(|it| *it ^= bits);
            }
            Self::Cut { to } => body.truncate(place(to)),
            Self::Append { bytes } => body.extend_from_slice(bytes),
            Self::Overwrite { at, bytes } => {
                let at = place(at);
                let places = body.iter_mut().skip(at);
                places.zip(bytes).for_each(|(to, byte)| *to = *byte);
            }
        }
    }
}
