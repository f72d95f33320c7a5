//! Turns what a recorded node did into scripts: the first inputs of the targets that read scripts.

use bytes::Bytes;

use crate::{engine, two_engines};

/// Something that a recorded node did.
#[derive(Debug, Clone)]
pub enum Recorded {
    /// It sent a datagram.
    Datagram(Bytes),
    /// It opened a connection.
    Connect,
    /// It wrote to that connection.
    Bytes(Bytes),
}

/// The script for the target `engine` in which the engine meets the recorded node.
pub fn for_engine(recorded: &[Recorded]) -> Vec<u8> {
    // Nothing but beacons.
    let mode = vec![0];
    write(mode, recorded, |action| match action {
        Recorded::Datagram(_) => &[engine::DATAGRAM, 0],
        Recorded::Connect => &[engine::CONNECT],
        Recorded::Bytes(_) => &[engine::BYTES, 0],
    })
}

/// The script for the target `two_engines` in which the first engine meets the recorded node.
pub fn for_two_engines(recorded: &[Recorded]) -> Vec<u8> {
    let mode = vec![0];
    write(mode, recorded, |action| match action {
        Recorded::Datagram(_) => &[two_engines::DATAGRAM, 0, 0],
        Recorded::Connect => &[two_engines::CONNECT, 0],
        Recorded::Bytes(_) => &[two_engines::BYTES, 0],
    })
}

fn write(
    mut script: Vec<u8>,
    recorded: &[Recorded],
    start: fn(&Recorded) -> &'static [u8],
) -> Vec<u8> {
    for action in recorded {
        script.extend_from_slice(start(action));
        if let Recorded::Datagram(bytes) | Recorded::Bytes(bytes) = action {
            let length = u16::try_from(bytes.len()).expect("a short chunk");
            script.extend_from_slice(&length.to_be_bytes());
            script.extend_from_slice(bytes);
        }
    }
    script
}
