//! See `zre_fuzz_targets::curve_client`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zre_fuzz_targets::curve_client(bytes));
