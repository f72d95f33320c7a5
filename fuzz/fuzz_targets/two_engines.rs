//! See `zre_fuzz_targets::two_engines`.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| zre_fuzz_targets::two_engines(octets));
