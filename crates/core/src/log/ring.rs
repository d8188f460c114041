//! A bounded queue of texts from one thread to another, without locks and without unsafe code: the texts lie in
//! words that are stored and loaded atomically, and an index at each end says how far either has come.

use super::LINE_BYTES_MAX;
use crate::meters::bump;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

/// Words of a ring: 1 MiB, some 2,000 lines. The reader looks every 10 ms, when 64,000 requests a second have left
/// 640 of them.
const WORDS: usize = 1 << 17;
const WORD_BYTES: usize = size_of::<u64>();

/// An end's own index, alone in its line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct End {
    /// Words written or read, ever; the place is this number modulo `WORDS`.
    words: AtomicU64,
    /// Lines that found no room; counted by the writer.
    dropped: AtomicU64,
}

/// The queue. Invariant: what lies between `read` and `written` are whole entries, each a word with its length in
/// bytes and the words that hold it. `push` is for one thread, `pop_into` for one; more would garble texts.
#[derive(Debug)]
pub(super) struct Ring {
    words: Box<[AtomicU64]>,
    written: End,
    read: End,
}

impl Default for Ring {
    fn default() -> Ring {
        let words = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        Ring { words, written: End::default(), read: End::default() }
    }
}

impl Ring {
    /// Adds a text, or counts it as dropped if there is no room.
    pub(super) fn push(&self, text: &[u8]) {
        let at = self.written.words.load(Relaxed);
        let needed = 1 + text.len().div_ceil(WORD_BYTES) as u64;
        let used = at - self.read.words.load(Acquire);
        if text.len() > LINE_BYTES_MAX || used + needed > WORDS as u64 {
            bump(&self.written.dropped, 1);
            return;
        }
        let (before_end, from_start) = self.parts(at, needed);
        before_end[0].store(text.len() as u64, Relaxed);
        let split = text.len().min((before_end.len() - 1) * WORD_BYTES);
        store(&before_end[1..], &text[..split]);
        store(from_start, &text[split..]);
        self.written.words.store(at + needed, Release);
    }

    /// Moves texts to the end of `out` until it holds at least `most` bytes or none is left; says how many.
    pub(super) fn pop_into(&self, out: &mut Vec<u8>, most: usize) -> u64 {
        let written = self.written.words.load(Acquire);
        let mut at = self.read.words.load(Relaxed);
        let mut count = 0;
        while at < written && out.len() < most {
            let bytes = self.words[at as usize % WORDS].load(Relaxed) as usize;
            let taken = 1 + bytes.div_ceil(WORD_BYTES) as u64;
            let (before_end, from_start) = self.parts(at, taken);
            let begin = out.len();
            out.resize(begin + (taken as usize - 1) * WORD_BYTES, 0);
            let room = out[begin..].as_chunks_mut::<WORD_BYTES>().0;
            let (first, second) = room.split_at_mut(before_end.len() - 1);
            load(&before_end[1..], first);
            load(from_start, second);
            out.truncate(begin + bytes);
            at += taken;
            count += 1;
        }
        self.read.words.store(at, Release);
        count
    }

    /// So many words from a place on: those up to the end of the ring, at least one, and those that follow from its
    /// start.
    fn parts(&self, at: u64, count: u64) -> (&[AtomicU64], &[AtomicU64]) {
        let (start, count) = (at as usize % WORDS, count as usize);
        let before_end = count.min(WORDS - start);
        (&self.words[start..start + before_end], &self.words[..count - before_end])
    }

    /// Whether nothing lies here, as far as this thread can see.
    pub(super) fn is_empty(&self) -> bool {
        self.written.words.load(Acquire) == self.read.words.load(Relaxed)
    }

    /// Texts that found no room, ever.
    pub(super) fn dropped(&self) -> u64 {
        self.written.dropped.load(Relaxed)
    }
}

/// Puts a text into words, of which there are enough.
fn store(words: &[AtomicU64], text: &[u8]) {
    let (whole, rest) = text.as_chunks::<WORD_BYTES>();
    for (word, chunk) in words.iter().zip(whole) {
        word.store(u64::from_le_bytes(*chunk), Relaxed);
    }
    if let (Some(word), false) = (words.get(whole.len()), rest.is_empty()) {
        let mut chunk = [0; WORD_BYTES];
        chunk[..rest.len()].copy_from_slice(rest);
        word.store(u64::from_le_bytes(chunk), Relaxed);
    }
}

/// Takes words as the bytes they hold.
fn load(words: &[AtomicU64], room: &mut [[u8; WORD_BYTES]]) {
    for (word, chunk) in words.iter().zip(room) {
        *chunk = word.load(Relaxed).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_come_out_as_they_went_in() {
        let ring = Ring::default();
        let mut out = Vec::new();
        let text: Vec<u8> = (0..=255).cycle().take(LINE_BYTES_MAX).collect();
        let mut expected = Vec::new();
        for length in (0..100).chain([LINE_BYTES_MAX - 1, LINE_BYTES_MAX]) {
            ring.push(&text[..length]);
            expected.extend_from_slice(&text[..length]);
        }
        assert_eq!(ring.pop_into(&mut out, usize::MAX), 102);
        assert!(out == expected);
        assert!(ring.is_empty());
        ring.push(&[text, vec![0]].concat());
        assert_eq!((ring.pop_into(&mut out, usize::MAX), ring.dropped()), (0, 1), "one byte too long");
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted_and_the_rest_stays_whole() {
        let ring = Ring::default();
        let text = [b'x'; 1000];
        let fit = WORDS / (1 + text.len() / WORD_BYTES);
        for _ in 0..fit + 10 {
            ring.push(&text);
        }
        assert_eq!(ring.dropped(), 10);
        let mut out = Vec::new();
        assert_eq!(ring.pop_into(&mut out, 1500), 2, "as many as make up the bytes");
        ring.push(&text);
        assert_eq!(ring.dropped(), 10, "there is room again");
        assert_eq!(ring.pop_into(&mut out, usize::MAX), fit as u64 - 1);
        assert_eq!(out.len(), 1000 * (fit + 1));
    }

    #[test]
    fn two_threads_at_once_lose_nothing_and_keep_the_order() {
        const COUNT: u64 = 200_000;
        let ring = Ring::default();
        let (mut out, mut received) = (Vec::new(), 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..COUNT {
                    let text = format!("{number}{}\n", ".".repeat(number as usize % 50));
                    while WORDS as u64 - (ring.written.words.load(Relaxed) - ring.read.words.load(Acquire))
                        < 20
                    {
                        std::thread::yield_now();
                    }
                    ring.push(text.as_bytes());
                }
            });
            let mut expected = 0;
            while received < COUNT {
                out.clear();
                received += ring.pop_into(&mut out, 1 << 16);
                for line in std::str::from_utf8(&out).unwrap().lines() {
                    assert_eq!(line.trim_end_matches('.'), expected.to_string());
                    assert_eq!(line.len() - expected.to_string().len(), expected as usize % 50);
                    expected += 1;
                }
            }
        });
        assert_eq!(ring.dropped(), 0);
    }
}
