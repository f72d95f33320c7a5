//! See `zre_fuzz_targets::message`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zre_fuzz_targets::message(bytes));
