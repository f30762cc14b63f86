//! See `checks/segments.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nevermisscall_fuzz::segments::check(data));
