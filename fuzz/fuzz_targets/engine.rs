//! See `zre_fuzz_targets::engine`.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| zre_fuzz_targets::engine(octets));
