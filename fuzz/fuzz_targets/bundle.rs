//! See [`ingero_fuzz::bundle`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ingero_fuzz::bundle(data));
