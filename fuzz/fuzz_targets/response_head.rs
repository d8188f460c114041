//! Feeds any bytes to the response parser and checks what must hold for it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_wire::http1::invariants;

fuzz_target!(|bytes: &[u8]| {
    if let Err(rule) = invariants::response(bytes) {
        panic!("{rule}");
    }
});
