use core::num::NonZeroU16;

use arbitrary::{Arbitrary, Unstructured};
use zre_proto::{Beacon, BeaconError};

/// What decodes as a beacon is written back byte for byte, and what is refused says why; a beacon
/// of any parts reads as it was written.
pub fn beacon(bytes: &[u8]) {
    match Beacon::decode(bytes) {
        Ok(beacon) => {
            assert!([Beacon::LEN_PLAIN, Beacon::LEN_CURVE].contains(&bytes.len()));
            assert_eq!(beacon.encode(), bytes);
        }
        Err(BeaconError::Signature { length }) => {
            assert_eq!(length, bytes.len());
            assert!(!bytes.starts_with(b"ZRE"));
        }
        Err(BeaconError::Version(version)) => assert_eq!(bytes[3], version),
        Err(BeaconError::Length {
            expected, length, ..
        }) => {
            assert_eq!(length, bytes.len());
            assert_ne!(length, expected);
        }
        Err(other) => panic!("{other}"),
    }
    if let Ok(parts) = Parts::arbitrary(&mut Unstructured::new(bytes)) {
        let beacon = Beacon {
            peer: parts.peer.into(),
            port: NonZeroU16::new(parts.port),
            public_key: parts.public_key.map(Into::into),
        };
        assert_eq!(Beacon::decode(&beacon.encode()), Ok(beacon));
    }
}

#[derive(Arbitrary)]
struct Parts {
    peer: [u8; 16],
    port: u16,
    public_key: Option<[u8; 32]>,
}
