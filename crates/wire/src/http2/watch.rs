//! Looks at the frames a client sends as they pass on their way to `h2`: at their first nine bytes, and at header blocks.
//! Counts those that cost us work and the client nothing, knows whether a head has begun and not ended, and notes what `h2`
//! drops of header blocks without a word. What frames mean is for `h2` to judge. Pure.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tidegate_core::clock::Nanos;

use super::follow::Follower;

/// What is counted is counted for so long.
const WINDOW: Duration = Duration::from_secs(60);
/// Streams a client may take back in that time. A page that is left takes back some tens; an attack thousands a second
/// (CVE-2023-44487).
pub(super) const RESETS_MAX: u32 = 200;
/// Frames in that time that ask for nothing: PING, SETTINGS, PRIORITY, empty DATA, CONTINUATION, unknown ones. Programs
/// that measure the way send some ten a second. Each request pays for one more, as browsers send a PRIORITY with it.
pub(super) const IDLE_FRAMES_MAX: u32 = 1000;

/// What a connection begins with (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD_BYTES: usize = 9;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// Bytes of the priority that a head may begin with (RFC 9113 §6.2).
const PRIORITY_BYTES: usize = 5;

/// Flaws that nobody has asked for: of streams that `h2` refused. As many as it forgives malformed ones.
const FLAWS_MAX: usize = 100;

/// What was wrong with a message although `h2` passes it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A fragment in `:path`, which is no part of a request target (RFC 9113 §8.3.1).
    Fragment,
    /// Pseudo-fields in trailers (RFC 9113 §8.1).
    Pseudo,
}

/// The flaws of a connection's streams.
#[derive(Debug, Default)]
pub(super) struct Flaws(RefCell<Vec<(u32, Flaw)>>);

impl Flaws {
    /// Whether a stream's message has this one. It is forgotten with the answer.
    pub(super) fn take(&self, stream: u32, flaw: Flaw) -> bool {
        let mut flaws = self.0.borrow_mut();
        let found = flaws.iter().position(|noted| *noted == (stream, flaw));
        found.is_some_and(|at| flaws.swap_remove(at) == (stream, flaw))
    }
}

/// The part of a header block's frame that is to come.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    is_padded: bool,
    /// Bytes before the block's own.
    lead: usize,
    /// Bytes behind them.
    padding: usize,
}

/// The frames of one connection.
pub(super) struct Watch {
    /// Bytes to come before the next frame's head: of the preface, or of a payload.
    skip: usize,
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    /// When a message's head began that has not ended.
    block_since: Option<Nanos>,
    /// The frame under way ends that head.
    ends_block: bool,
    window_began: Nanos,
    resets: u32,
    idle_frames: u32,
    follower: Follower,
    /// Of the frame under way, if it is of a header block.
    block: Option<Block>,
    block_stream: u32,
    /// The frame under way is one of DATA.
    is_data: bool,
    /// Some of a body has come since this was asked.
    has_data: bool,
    /// The last stream that was begun: blocks of those before are trailers.
    last_stream: u32,
    are_trailers: bool,
    pub(super) flaws: Rc<Flaws>,
}

impl Watch {
    /// Before the preface.
    pub(super) fn new() -> Watch {
        Watch {
            skip: PREFACE.len(),
            head: [0; HEAD_BYTES],
            head_bytes: 0,
            block_since: None,
            ends_block: false,
            window_began: Nanos(0),
            resets: 0,
            idle_frames: 0,
            follower: Follower::new(),
            block: None,
            block_stream: 0,
            is_data: false,
            has_data: false,
            last_stream: 0,
            are_trailers: false,
            flaws: Rc::default(),
        }
    }

    /// These bytes came.
    pub(super) fn look(&mut self, mut bytes: &[u8], now: Nanos) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let n = self.skip.min(bytes.len());
                self.follow(&bytes[..n]);
                self.has_data |= self.is_data;
                self.skip -= n;
                bytes = &bytes[n..];
            } else {
                let n = (HEAD_BYTES - self.head_bytes).min(bytes.len());
                self.head[self.head_bytes..self.head_bytes + n].copy_from_slice(&bytes[..n]);
                self.head_bytes += n;
                bytes = &bytes[n..];
                if self.head_bytes == HEAD_BYTES {
                    self.head_bytes = 0;
                    self.frame(now);
                }
            }
            if self.skip == 0 && self.ends_block && self.head_bytes == 0 {
                self.ends_block = false;
                self.block_since = None;
                self.end_block();
            }
        }
    }

    /// Whether the client sends more than anyone needs to.
    pub(super) fn is_flooded(&self) -> bool {
        self.resets > RESETS_MAX
            || self.idle_frames > IDLE_FRAMES_MAX
            || self.flaws.0.borrow().len() > FLAWS_MAX
    }

    /// Whether some of a body has come since this was asked last.
    pub(super) fn take_data(&mut self) -> bool {
        std::mem::take(&mut self.has_data)
    }

    /// Since when a head is under way.
    pub(super) fn head_since(&self) -> Option<Nanos> {
        self.block_since
    }

    /// Bytes of the frame under way, which has `skip` to come with them.
    fn follow(&mut self, mut bytes: &[u8]) {
        let Some(block) = &mut self.block else { return };
        let mut left = self.skip;
        if block.is_padded
            && let [padding, rest @ ..] = bytes
        {
            *block = Block { is_padded: false, padding: usize::from(*padding), ..*block };
            (bytes, left) = (rest, left - 1);
        }
        let lead = block.lead.min(bytes.len());
        block.lead -= lead;
        let ours = left.saturating_sub(lead + block.padding);
        let bytes = &bytes[lead..];
        self.follower.read(&bytes[..ours.min(bytes.len())]);
    }

    fn end_block(&mut self) {
        let found = self.follower.end();
        let flaw = match self.are_trailers {
            true if found.pseudo => Flaw::Pseudo,
            false if found.fragment => Flaw::Fragment,
            _ => return,
        };
        self.flaws.0.borrow_mut().push((self.block_stream, flaw));
    }

    fn frame(&mut self, now: Nanos) {
        if now.since(self.window_began) >= WINDOW {
            self.window_began = now;
            self.resets = 0;
            self.idle_frames = 0;
        }
        let [a, b, c, kind, flags, stream @ ..] = self.head;
        self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.block = matches!(kind, HEADERS | CONTINUATION).then_some(Block::default());
        self.is_data = kind == DATA;
        match kind {
            HEADERS => {
                self.idle_frames = self.idle_frames.saturating_sub(1);
                self.block_since = Some(now);
                self.block = Some(Block {
                    is_padded: flags & PADDED != 0,
                    lead: if flags & PRIORITY != 0 { PRIORITY_BYTES } else { 0 },
                    padding: 0,
                });
                self.block_stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
                self.are_trailers = self.block_stream <= self.last_stream;
                self.last_stream = self.last_stream.max(self.block_stream);
                self.ends_block = flags & END_HEADERS != 0;
            }
            CONTINUATION => {
                self.idle_frames += 1;
                self.ends_block = flags & END_HEADERS != 0;
            }
            RST_STREAM => self.resets += 1,
            DATA if self.skip > 0 || flags & END_STREAM != 0 => {}
            // Their number follows from what we send.
            WINDOW_UPDATE => {}
            _ => self.idle_frames += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = payload.len() as u32;
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
        bytes.extend_from_slice(payload);
        bytes
    }

    fn after(frames: &[Vec<u8>], piece: usize) -> Watch {
        let mut watch = Watch::new();
        let bytes = [&PREFACE[..], &frames.concat()].concat();
        for piece in bytes.chunks(piece) {
            watch.look(piece, Nanos(1));
        }
        watch
    }

    #[test]
    fn frames_are_counted_however_their_bytes_come() {
        let reset = frame(RST_STREAM, 0, &[0; 4]);
        let ping = frame(0x6, 0, &[0; 8]);
        let nothing = frame(DATA, 0, &[]);
        let data = frame(DATA, 0, &[0; 300]);
        let last = frame(DATA, END_STREAM, &[]);
        let mut frames = vec![frame(0x4, 0, &[]), ping, nothing, data, last, frame(0xfa, 0, &[7; 70])];
        frames.extend((0..3).map(|_| reset.clone()));
        for piece in [1, 2, 9, 10, 100, 10_000] {
            let watch = after(&frames, piece);
            assert_eq!((watch.resets, watch.idle_frames), (3, 4), "in pieces of {piece}");
            assert!(!watch.is_flooded() && watch.head_since().is_none());
        }
        let flood: Vec<_> = (0..=RESETS_MAX).map(|_| reset.clone()).collect();
        assert!(after(&flood, 64).is_flooded());
        assert!(!after(&flood[1..], 64).is_flooded());
    }

    #[test]
    fn a_head_is_under_way_until_its_last_byte() {
        let begun = frame(HEADERS, 0, &[0; 5]);
        let whole = frame(HEADERS, END_HEADERS, &[0; 5]);
        let rest = frame(CONTINUATION, END_HEADERS, &[0; 5]);
        let cut = whole[..whole.len() - 1].to_vec();
        for (frames, is_under_way) in [
            (vec![whole.clone()], false),
            (vec![cut], true),
            (vec![begun.clone()], true),
            (vec![begun.clone(), frame(CONTINUATION, 0, &[])], true),
            (vec![begun.clone(), rest.clone()], false),
            (vec![begun, rest[..HEAD_BYTES].to_vec()], true),
        ] {
            for piece in [1, 7, 1000] {
                assert_eq!(after(&frames, piece).head_since().is_some(), is_under_way, "{frames:?}");
            }
        }
    }

    #[test]
    fn a_minute_later_the_count_begins_anew() {
        let mut watch = Watch::new();
        watch.look(PREFACE, Nanos(1));
        let resets = frame(RST_STREAM, 0, &[0; 4]).repeat(RESETS_MAX as usize);
        for minute in 1..5 {
            watch.look(&resets, Nanos(minute * 61_000_000_000));
            assert!(!watch.is_flooded());
        }
    }
}
