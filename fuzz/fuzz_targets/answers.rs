//! See `checks/answers.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nevermisscall_fuzz::answers::check(data));
