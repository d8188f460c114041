//! The compressors as filters. Each holds a bounded amount of memory; those that can be emptied are kept for the next
//! answer on the worker's thread.

use super::config::{Algorithm, Level};
use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use flate2::{Compress, Compression, FlushCompress, Status};
use std::cell::{Cell, RefCell};
use std::io::Write;
use tidegate_core::filter::Filter;
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective};

/// Answers that one worker compresses at a time; further ones go out as they are. A compressor holds up to a
/// megabyte for as long as its client takes: 256 MiB for clients that read slowly on purpose is the most to risk.
pub(super) const ENCODERS_MAX: usize = 256;
/// Idle compressors of a kind that a worker keeps.
const KEPT: usize = 16;
/// How far back Brotli and Zstandard look, as a power of two: 64 KiB. They work on blocks of that size, and a block is
/// one piece of work: with twice that Zstandard takes up to 0.6 ms for one, and holds twice the memory. Answers
/// of an API are a little smaller for it, not larger, as its tables are fuller.
const WINDOW_LOG: u32 = 16;
/// Zstandard's tables, as powers of two. They would be larger than what they index: 1.2 MiB instead of 0.7, for nothing.
const TABLE_LOG: u32 = 15;
/// The same for gzip: all it can.
const GZIP_WINDOW_LOG: u8 = 15;
/// Room that is made for what a compressor gives at a time.
const ROOM_BYTES: usize = 4 << 10;

thread_local! {
    static IN_USE: Cell<usize> = const { Cell::new(0) };
    static GZIPS: RefCell<Vec<(Level, Compress)>> = const { RefCell::new(Vec::new()) };
    static ZSTDS: RefCell<Vec<(Level, CCtx<'static>)>> = const { RefCell::new(Vec::new()) };
}

/// Takes one from those kept, if one is of the level.
fn kept<T>(spares: &mut Vec<(Level, T)>, level: Level) -> Option<T> {
    let index = spares.iter().position(|(of, _)| *of == level)?;
    Some(spares.swap_remove(index).1)
}

/// A compressor for one answer; `None` when this worker has enough under way.
pub(super) fn encoder(algorithm: Algorithm, level: Level) -> Option<Box<dyn Filter>> {
    let place = Place::take()?;
    Some(match algorithm {
        Algorithm::Gzip => Box::new(Gzip::new(level, place)),
        Algorithm::Zstd => Box::new(Zstd::new(level, place)?),
        Algorithm::Brotli => Box::new(Brotli::new(level, place)),
    })
}

/// One of `ENCODERS_MAX`.
struct Place;

impl Place {
    fn take() -> Option<Place> {
        let taken = IN_USE.get();
        (taken < ENCODERS_MAX).then(|| {
            IN_USE.set(taken + 1);
            Place
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // At thread end the count may be gone already, and nobody asks for it any more.
        let _ = IN_USE.try_with(|taken| taken.set(taken.get() - 1));
    }
}

/// About 300 KiB.
struct Gzip {
    /// `None` only once dropped.
    compress: Option<Compress>,
    level: Level,
    _place: Place,
}

impl Gzip {
    fn new(level: Level, place: Place) -> Gzip {
        let compress = GZIPS.with_borrow_mut(|spares| kept(spares, level)).unwrap_or_else(|| {
            let number = match level {
                Level::Fast => 1,
                Level::Balanced => 4,
                Level::Small => 5,
            };
            Compress::new_gzip(Compression::new(number), GZIP_WINDOW_LOG)
        });
        Gzip { compress: Some(compress), level, _place: place }
    }

    fn run(&mut self, mut bytes: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
        let Some(compress) = &mut self.compress else { return };
        loop {
            out.reserve(ROOM_BYTES);
            let before = compress.total_in();
            let status = compress.compress_vec(bytes, out, flush);
            bytes = &bytes[(compress.total_in() - before) as usize..];
            let is_room_left = out.len() < out.capacity();
            match status {
                Ok(Status::Ok) if !bytes.is_empty() || !is_room_left => {}
                Ok(Status::Ok) if matches!(flush, FlushCompress::Finish) => {}
                Ok(_) => return,
                Err(_) => return debug_assert!(false, "compressing in memory cannot fail"),
            }
        }
    }
}

impl Filter for Gzip {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.run(bytes, FlushCompress::None, out);
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        self.run(b"", FlushCompress::Sync, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.run(b"", FlushCompress::Finish, out);
    }
}

impl Drop for Gzip {
    fn drop(&mut self) {
        let Some(mut compress) = self.compress.take() else { return };
        compress.reset();
        let _ = GZIPS.try_with(|spares| keep(&mut spares.borrow_mut(), self.level, compress));
    }
}

fn keep<T>(spares: &mut Vec<(Level, T)>, level: Level, one: T) {
    if spares.len() < KEPT {
        spares.push((level, one));
    }
}

/// About 700 KiB.
struct Zstd {
    /// `None` only once dropped.
    context: Option<CCtx<'static>>,
    level: Level,
    _place: Place,
}

impl Zstd {
    /// `None` if there is no memory for it.
    fn new(level: Level, place: Place) -> Option<Zstd> {
        let context = match ZSTDS.with_borrow_mut(|spares| kept(spares, level)) {
            Some(context) => context,
            None => {
                // The highest takes 0.65 ms for a block of 64 KiB, so its blocks are half as large.
                let (number, window_log) = match level {
                    Level::Fast => (1, WINDOW_LOG),
                    Level::Balanced => (3, WINDOW_LOG),
                    Level::Small => (5, WINDOW_LOG - 1),
                };
                let mut context = CCtx::try_create()?;
                context.set_parameter(CParameter::CompressionLevel(number)).ok()?;
                context.set_parameter(CParameter::WindowLog(window_log)).ok()?;
                context.set_parameter(CParameter::HashLog(TABLE_LOG)).ok()?;
                context.set_parameter(CParameter::ChainLog(TABLE_LOG)).ok()?;
                context
            }
        };
        Some(Zstd { context: Some(context), level, _place: place })
    }
}

impl Filter for Zstd {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(context) = &mut self.context else { return };
        let mut input = InBuffer::around(bytes);
        while input.pos() < bytes.len() {
            out.reserve(ROOM_BYTES);
            let at = out.len();
            if context.compress_stream(&mut OutBuffer::around_pos(out, at), &mut input).is_err() {
                return debug_assert!(false, "compressing in memory cannot fail");
            }
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        let Some(context) = &mut self.context else { return };
        // It says how much is still to come.
        loop {
            out.reserve(ROOM_BYTES);
            let at = out.len();
            match context.flush_stream(&mut OutBuffer::around_pos(out, at)) {
                Ok(0) => return,
                Ok(_) => {}
                Err(_) => return debug_assert!(false, "compressing in memory cannot fail"),
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let Some(context) = &mut self.context else { return };
        loop {
            out.reserve(ROOM_BYTES);
            let at = out.len();
            match context.end_stream(&mut OutBuffer::around_pos(out, at)) {
                Ok(0) => return,
                Ok(_) => {}
                Err(_) => return debug_assert!(false, "compressing in memory cannot fail"),
            }
        }
    }
}

impl Drop for Zstd {
    fn drop(&mut self) {
        let Some(mut context) = self.context.take() else { return };
        if context.reset(ResetDirective::SessionOnly).is_ok() {
            let _ = ZSTDS.try_with(|spares| keep(&mut spares.borrow_mut(), self.level, context));
        }
    }
}

/// About half a megabyte. It cannot be used twice.
struct Brotli {
    /// Writes into a text that is emptied after every call; `None` once it is finished.
    writer: Option<CompressorWriter<Vec<u8>>>,
    _place: Place,
}

impl Brotli {
    fn new(level: Level, place: Place) -> Brotli {
        // From 4 on it works on 64 KiB at a time, which takes 1.5 ms; below that on 16 KiB.
        let quality = match level {
            Level::Fast => 2,
            Level::Balanced | Level::Small => 3,
        };
        let params = BrotliEncoderParams { quality, lgwin: WINDOW_LOG as i32, ..Default::default() };
        Brotli { writer: Some(CompressorWriter::with_params(Vec::new(), ROOM_BYTES, &params)), _place: place }
    }
}

impl Filter for Brotli {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(writer) = &mut self.writer else { return };
        let written = writer.write_all(bytes);
        debug_assert!(written.is_ok(), "compressing in memory cannot fail");
        out.append(writer.get_mut());
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        let Some(writer) = &mut self.writer else { return };
        let flushed = writer.flush();
        debug_assert!(flushed.is_ok(), "compressing in memory cannot fail");
        out.append(writer.get_mut());
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let Some(writer) = self.writer.take() else { return };
        out.append(&mut writer.into_inner());
    }
}
