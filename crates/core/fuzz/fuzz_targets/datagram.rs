//! What members say of each other, from any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| iris_fuzz::read_gossip(bytes));
