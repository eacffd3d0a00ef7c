//! The cargo-fuzz entry of [`clawproof_fuzz::frame_path`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clawproof_fuzz::frame_path(bytes));
