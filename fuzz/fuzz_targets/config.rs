//! See [`ingero_fuzz::config`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ingero_fuzz::config(data));
