//! Finds the word that was probably meant. Pure; asked by everything that refuses a name.

/// The known word an unknown one was probably meant to be: few edits away for its length.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// No name of ours is longer, and the work grows with the square.
    const BYTES_MAX: usize = 64;
    if word.len() > BYTES_MAX {
        return None;
    }
    // One edit in a short word, one more for every three letters: `lsiten`, `conections`.
    let mut allowed = (word.len() / 3).clamp(1, 3);
    let mut best = None;
    let mut rows = Rows::default();
    for candidate in known {
        if candidate.len() > BYTES_MAX || candidate.len().abs_diff(word.len()) > allowed {
            continue;
        }
        let Some(edits) = rows.edits(word.as_bytes(), candidate.as_bytes(), allowed) else { continue };
        // A word of two letters is one edit from half the alphabet: something must be left of it.
        if edits < candidate.len().min(word.len()) {
            best = Some(candidate);
            match edits.checked_sub(1) {
                Some(fewer) => allowed = fewer,
                None => break,
            }
        }
    }
    best
}

/// The last three rows of the table below, kept from word to word.
#[derive(Default)]
struct Rows {
    older: Vec<usize>,
    last: Vec<usize>,
    row: Vec<usize>,
}

impl Rows {
    /// Insertions, deletions, replacements and swaps of neighbours between two words, whatever their case, if
    /// there are at most so many (optimal string alignment). By bytes: names are ASCII, and where they are not
    /// a letter more or less only loses a hint.
    fn edits(&mut self, a: &[u8], b: &[u8], allowed: usize) -> Option<usize> {
        let same = |x: u8, y: u8| x.eq_ignore_ascii_case(&y);
        self.last.clear();
        self.last.extend(0..=b.len());
        for i in 0..a.len() {
            self.row.clear();
            self.row.push(i + 1);
            for j in 0..b.len() {
                let replaced = self.last[j] + usize::from(!same(a[i], b[j]));
                let mut least = replaced.min(self.last[j + 1] + 1).min(self.row[j] + 1);
                if i > 0 && j > 0 && same(a[i], b[j - 1]) && same(a[i - 1], b[j]) {
                    least = least.min(self.older[j - 1] + 1);
                }
                self.row.push(least);
            }
            // Later rows grow from the last two alone.
            if self.row.iter().chain(&self.last).all(|&edits| edits > allowed) {
                return None;
            }
            std::mem::swap(&mut self.older, &mut self.last);
            std::mem::swap(&mut self.last, &mut self.row);
        }
        Some(self.last[b.len()]).filter(|&edits| edits <= allowed)
    }
}
