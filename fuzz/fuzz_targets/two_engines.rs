//! See `zre_fuzz_targets::two_engines`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zre_fuzz_targets::two_engines(bytes));
