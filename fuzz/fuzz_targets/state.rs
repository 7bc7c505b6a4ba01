//! See [`ingero_fuzz::state`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ingero_fuzz::state(data));
