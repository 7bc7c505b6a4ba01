//! See [`ingero_fuzz::head`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ingero_fuzz::head(data));
