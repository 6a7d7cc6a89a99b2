//! Frames of version 2, from any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| iris_fuzz::read_frames(bytes));
