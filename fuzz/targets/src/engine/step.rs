use crate::{
    adversary::{ScriptedGossip, ScriptedMessage},
    script::choices,
};

pub(crate) const DATAGRAM: u8 = 0;
pub(crate) const CONNECT: u8 = 1;
pub(crate) const BYTES: u8 = 2;

choices! {
    /// A step of a script for the target `engine`.
    #[derive(Debug)]
    pub(super) enum Step<'a> from 'a, one of 34 {
        DATAGRAM => Datagram { from: u8, datagram: &'a [u8] },
        CONNECT => Connect,
        BYTES => Bytes { link: u8, bytes: &'a [u8] },
        3 => Beacon { from: u8, id: u8, flags: u8 },
        4 => Greet { link: u8, id: u8 },
        5 | 6 => Say { link: u8, skew: u8, times: u8, message: ScriptedMessage },
        7 => Close { link: u8 },
        /// Whether the adversary takes the connections that the engine opens.
        8 => Accepts { accepts: bool },
        /// Whether the adversary reads what the engine writes.
        9 => Reads { reads: bool },
        10 => Piece { piece: u8 },
        11 => Wait { millis: u16 },
        12 => Call { call: OddCall },
        13 => Join { group: u8 },
        14 => Leave { group: u8 },
        15 => Whisper { id: u8, size: u16 },
        16 => Shout { group: u8, size: u8 },
        17 => Ping { id: u8 },
        /// The application takes all events.
        18 => Listen,
        19 => HonestWhispers { size: u16 },
        20 => HonestShouts { group: u8 },
        21 => HonestJoins { group: u8 },
        22 => HonestLeaves { group: u8 },
        23 => HonestPiece { piece: u8 },
        24 => WhisperToHonest { size: u16 },
        25 => Stop { at_once: bool },
        /// The machine has these interfaces from now on; see [`interfaces`](super::interfaces).
        26 => Interfaces { state: u8 },
        /// Whether sockets can be opened on new networks.
        27 => OpensSockets { opens: bool },
        28 => SendsBeacons { sends: bool },
        /// Where host names lead.
        29 => Names { address: u8 },
        30 => ConnectFrom { address: u8 },
        31 => ConnectForGossip,
        32 | 33 => Gossip { link: u8, times: u8, message: ScriptedGossip<'a> },
    }
}

choices! {
    /// A call that comes at another time than it should.
    #[derive(Debug)]
    pub(super) enum OddCall from 'a, one of 3 {
        /// The engine is asked for what is due before anything is.
        0 => Early,
        /// The same, with a time that is past.
        1 => Past { millis: u16 },
        /// The engine is not called for a while, and its timeouts are late.
        2 => Late { millis: u16 },
    }
}
