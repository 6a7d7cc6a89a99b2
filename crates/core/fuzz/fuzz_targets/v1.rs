//! What clients of version 1 say, from any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| iris_fuzz::read_old(bytes));
