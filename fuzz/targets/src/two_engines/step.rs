use crate::{
    adversary::{ScriptedGossip, ScriptedMessage},
    script::choices,
};

pub(crate) const DATAGRAM: u8 = 0;
pub(crate) const CONNECT: u8 = 1;
pub(crate) const BYTES: u8 = 2;

choices! {
    /// A step of a script for the target `two_engines`.
    #[derive(Debug)]
    pub(super) enum Step<'a> from 'a, one of 26 {
        DATAGRAM => Datagram { to: u8, from: u8, datagram: &'a [u8] },
        CONNECT => Connect { to: u8 },
        BYTES => Bytes { link: u8, bytes: &'a [u8] },
        3 => Beacon { to: u8, from: u8, id: u8, flags: u8 },
        /// A datagram that an engine sent earlier comes again.
        4 => Repeat { to: u8, which: u8 },
        5 => Greet { link: u8, id: u8 },
        6 => Say { link: u8, skew: u8, times: u8, message: ScriptedMessage },
        7 => Close { link: u8 },
        /// Whether the adversary takes the connections that the engines open to it.
        8 => Accepts { accepts: bool },
        /// Holds back what goes over a connection between the engines, or no more.
        9 => Hold { stream: u8, end: u8, is_held: bool },
        /// Lets some of it through all the same.
        10 => Trickle { stream: u8, end: u8, count: u8 },
        /// Ends a connection for both sides, with or without what is on its way.
        11 => Cut { stream: u8, end: u8, loses: bool },
        12 => Piece { piece: u8 },
        /// Whether an engine's port takes connections of the other engine.
        13 => EngineAccepts { engine: u8, accepts: bool },
        /// Whether datagrams of the engines reach an engine.
        14 => GetsDatagrams { engine: u8, gets: bool },
        /// Whether the application takes events.
        15 => Listens { engine: u8, listens: bool },
        16 | 17 => Wait { millis: u16 },
        18 => Whisper { engine: u8, size: u16 },
        19 => Shout { engine: u8, group: u8 },
        20 => Join { engine: u8, group: u8 },
        21 => Leave { engine: u8, group: u8 },
        /// An engine's machine gets other addresses; see [`interfaces`](super::interfaces).
        22 => Move { engine: u8, place: u8 },
        /// Where host names lead: to the first engine, the second, the adversary, or nowhere.
        23 => Names { to: u8 },
        24 => ConnectForGossip { to: u8 },
        25 => Gossip { link: u8, times: u8, message: ScriptedGossip<'a> },
    }
}
