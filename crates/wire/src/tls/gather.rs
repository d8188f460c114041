//! The bytes of a gathered write as plaintext of records: what lies together goes as it is, what lies apart is put
//! together, so that a head and its short body are one record. Called by `session`.

use super::RECORD_BYTES_MAX;
use std::cell::RefCell;
use std::io::IoSlice;

thread_local! {
    /// Where the plaintext of one record is put together.
    static RECORD: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(RECORD_BYTES_MAX));
}

/// Slices, and how far they have been taken.
pub(super) struct Gather<'a> {
    slices: &'a [IoSlice<'a>],
    /// Bytes taken of the first of them.
    at: usize,
}

impl<'a> Gather<'a> {
    pub(super) fn new(slices: &'a [IoSlice<'a>]) -> Gather<'a> {
        let mut gather = Gather { slices, at: 0 };
        gather.skip_empty();
        gather
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// Gives up to `most` of the bytes as one piece, and takes them away if that went well. Says how many they were.
    pub(super) fn take<E>(
        &mut self,
        most: usize,
        give: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let most = most.min(RECORD_BYTES_MAX);
        let Some(first) = self.slices.first() else { return Ok(0) };
        let first = &first[self.at..];
        if first.len() >= most || self.slices.len() == 1 {
            let piece = &first[..first.len().min(most)];
            give(piece)?;
            self.consume(piece.len());
            return Ok(piece.len());
        }
        RECORD.with_borrow_mut(|record| {
            record.clear();
            record.extend_from_slice(first);
            for slice in &self.slices[1..] {
                record.extend_from_slice(&slice[..slice.len().min(most - record.len())]);
            }
            give(record)?;
            self.consume(record.len());
            Ok(record.len())
        })
    }

    fn consume(&mut self, mut n: usize) {
        while let Some(first) = self.slices.first() {
            let left = first.len() - self.at;
            if n < left {
                self.at += n;
                break;
            }
            n -= left;
            self.slices = &self.slices[1..];
            self.at = 0;
        }
        self.skip_empty();
    }

    fn skip_empty(&mut self) {
        while self.slices.first().is_some_and(|slice| slice.len() == self.at) {
            self.slices = &self.slices[1..];
            self.at = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the pieces that slices of these sizes are taken in, at most so many bytes at a time.
    fn pieces(sizes: &[usize], most: usize) -> Vec<usize> {
        let text: Vec<u8> = (0..sizes.iter().sum::<usize>()).map(|n| n as u8).collect();
        let mut rest = &text[..];
        let slices: Vec<IoSlice<'_>> = sizes
            .iter()
            .map(|size| {
                let (one, others) = rest.split_at(*size);
                rest = others;
                IoSlice::new(one)
            })
            .collect();
        let (mut gather, mut taken, mut sizes) = (Gather::new(&slices), Vec::new(), Vec::new());
        while !gather.is_empty() {
            let n = gather.take(most, |piece| {
                taken.extend_from_slice(piece);
                Ok::<(), ()>(())
            });
            sizes.push(n.unwrap());
        }
        assert_eq!(taken, text, "{sizes:?}");
        sizes
    }

    #[test]
    fn what_lies_apart_goes_together() {
        assert_eq!(pieces(&[200, 965], 20_000), [1165], "a head and its body are one record");
        assert_eq!(pieces(&[0, 200, 0, 965, 0], 20_000), [1165]);
        assert_eq!(pieces(&[200, 40_000, 2], 20_000), [16384, 16384, 7434]);
        assert_eq!(pieces(&[40_000], 20_000), [16384, 16384, 7232]);
        assert_eq!(pieces(&[5, 5, 5], 7), [7, 7, 1]);
        assert_eq!(pieces(&[], 7), [0; 0]);
        assert_eq!(pieces(&[0, 0], 7), [0; 0]);
    }
}
