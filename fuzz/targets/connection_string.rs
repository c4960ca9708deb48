#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| keyhaven::fuzzing::connection_string(bytes));
