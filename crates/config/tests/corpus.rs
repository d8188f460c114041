//! Replays the fuzz corpus on stable Rust: whatever a text holds, the reader says yes or no, and no in words of bounded
//! length.

mod members;

use std::fs;
use std::path::Path;
use tidegate_config::{Families, from_text};

const FAMILIES: Families<'static> = Families::new(members::POLICIES, members::BALANCERS);

#[test]
fn every_text_is_taken_or_refused_in_words() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/config");
    let (mut taken, mut refused) = (0, 0);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        // Cut short, a text ends in every state the reader knows.
        let lengths = (0..=text.len()).filter(|&at| text.is_char_boundary(at)).step_by(7).chain([text.len()]);
        for length in lengths {
            match from_text("corpus.yaml", &text[..length], &folder, &FAMILIES) {
                Ok(_) => taken += 1,
                Err(problems) => {
                    refused += 1;
                    let said = problems.to_string();
                    assert!((10..200_000).contains(&said.len()), "{} to {length}", path.display());
                }
            }
        }
    }
    assert!(taken > 20 && refused > 200, "{taken} taken, {refused} refused: the corpus is not there");
}
