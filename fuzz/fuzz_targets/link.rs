//! See `zre_fuzz_targets::link`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zre_fuzz_targets::link(bytes));
