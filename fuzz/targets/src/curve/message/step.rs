//! What the other side of an open connection can do.

use super::super::Change;
use crate::script::choices;

choices! {
    #[derive(Debug)]
    pub(super) enum Step<'a> from 'a, one of 17 {
        /// A frame as it should be.
        0..=2 => Frame { more: bool, text: &'a [u8] },
        /// The same, with any number of equal bytes.
        3 | 4 => Large { more: bool, size: u16 },
        5 => Ping { context: &'a [u8] },
        /// With a number so much above the next.
        6 | 7 => Odd { number: u8, flags: u8, text: &'a [u8], change: Change<'a> },
        /// It is sealed and kept.
        8 => Later { more: bool, text: &'a [u8] },
        /// What was kept or sent before.
        9 | 10 => Again { index: u8, outer: u8, change: Change<'a> },
        11 => InTheOpen { flags: u8, bytes: &'a [u8] },
        /// The head of a frame alone.
        12 => Announced { flags: u8, size: u16, shift: u8 },
        13 => Bytes { bytes: &'a [u8] },
        14 => Pieces { size: u8 },
        /// The tested side says something.
        15 | 16 => Send { frames: u8, size: u16 },
    }
}
