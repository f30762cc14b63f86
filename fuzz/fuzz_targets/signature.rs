//! See `checks/signature.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nevermisscall_fuzz::signature::check(data));
