//! Links `zre-proto` and `zre-core` into a program without `std`.
//!
//! A program can have only one panic handler, and `std` brings its own. So if one of the two
//! crates, or something that they depend on, needs `std`, this crate does not build.

#![no_std]
#![forbid(unsafe_code)]

use core::panic::PanicInfo;

use linked_list_allocator::LockedHeap;
use zre_core::{Config, Engine, Instant, Seed, proto::Beacon};

#[global_allocator]
static HEAP: LockedHeap = LockedHeap::empty();

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Uses both crates, so that both are linked.
pub fn run(config: Config, datagram: &[u8]) -> bool {
    let mut engine = Engine::new(config, Seed::predictable([0; 32]), Instant::default());
    engine.handle_timeout(Instant::from_micros(1));
    zre_proto::Beacon::decode(datagram).is_ok_and(|beacon: Beacon| beacon.port.is_some())
}
