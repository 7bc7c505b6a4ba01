//! See [`ingero_fuzz::control`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ingero_fuzz::control(data));
