//! Feeds any text to the reader of configurations: it must say yes or no, whatever it is given, and say no in words of
//! bounded length.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use tidegate_config::{Families, from_text};

/// Without members of families: what they are told is read by the same reader.
const NONE: Families<'static> = Families::new(&[], &[]);

fuzz_target!(|text: &str| {
    // What a text names outside itself is not its own doing.
    if text.contains("${") || text.contains("include") {
        return;
    }
    if let Err(problems) = from_text("fuzz.yaml", text, Path::new("/nonexistent"), &NONE) {
        assert!(!problems.is_empty() && problems.to_string().len() < 200_000);
    }
});
