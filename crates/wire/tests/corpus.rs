//! Replays the fuzz corpus on stable Rust: what a fuzzer once found, or was given, must hold for ever.

use std::fs;
use std::path::Path;

use tidegate_wire::http1::invariants;

/// Feeds every file of a target's corpus to its invariants. Fewer files than `least` mean a corpus that
/// was lost, not one that holds.
fn check(target: &str, least: usize, holds: fn(&[u8]) -> Result<(), String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().path();
        let bytes = fs::read(&file).unwrap();
        assert_eq!(holds(&bytes), Ok(()), "{}", file.display());
        count += 1;
    }
    assert!(count >= least, "{target}: {count} files");
}

#[test]
fn request_heads_hold() {
    check("request_head", 250, invariants::request);
}

#[test]
fn response_heads_hold() {
    check("response_head", 120, invariants::response);
}

#[test]
fn chunks_hold() {
    check("chunks", 80, invariants::chunks);
}
