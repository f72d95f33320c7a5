//! See `zre_fuzz_targets::curve_message`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zre_fuzz_targets::curve_message(bytes));
