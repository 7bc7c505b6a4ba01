//! See [`ingero_fuzz::columns`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ingero_fuzz::columns(data));
