//! What decodes as a beacon is written back octet for octet.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zre_proto::Beacon;

fuzz_target!(|datagram: &[u8]| {
    if let Ok(beacon) = Beacon::decode(datagram) {
        assert_eq!(beacon.encode(), datagram);
    }
});
