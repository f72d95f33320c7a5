//! See `zre_fuzz_targets::gossip`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zre_fuzz_targets::gossip(bytes));
