//! See [`ingero_fuzz::segment`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ingero_fuzz::segment(data));
