//! The compressors as filters. Each holds a bounded amount of memory, and all of the process together hold no more than
//! is set aside for them; those that can be emptied are kept for the next answer on the worker's thread.

use super::config::{Algorithm, Level};
use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use flate2::{Compress, Compression, FlushCompress, Status};
use std::cell::RefCell;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tidegate_core::filter::Filter;
use tidegate_core::limits::{COMPRESSORS_BYTES_MAX, COMPRESSORS_IDLE_BYTES_MAX};
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective};

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
/// What one of each kind holds at most, as a test measures it.
pub(super) const GZIP_BYTES: usize = 384 << 10;
pub(super) const ZSTD_BYTES: usize = 768 << 10;
pub(super) const BROTLI_BYTES: usize = 896 << 10;
/// Room that is made for what a compressor gives at a time.
const ROOM_BYTES: usize = 4 << 10;

thread_local! {
    static GZIPS: RefCell<Vec<Spare<Compress>>> = const { RefCell::new(Vec::new()) };
    static ZSTDS: RefCell<Vec<Spare<CCtx<'static>>>> = const { RefCell::new(Vec::new()) };
}

/// What compressors hold, in bytes.
pub(super) struct Memory {
    bytes_max: usize,
    idle_bytes_max: usize,
    held: AtomicUsize,
    idle: AtomicUsize,
}

/// That of the process.
static MEMORY: Memory = Memory::new(COMPRESSORS_BYTES_MAX, COMPRESSORS_IDLE_BYTES_MAX);

impl Memory {
    pub(super) const fn new(bytes_max: usize, idle_bytes_max: usize) -> Memory {
        Memory { bytes_max, idle_bytes_max, held: AtomicUsize::new(0), idle: AtomicUsize::new(0) }
    }

    /// Bytes held now.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// A compressor for one answer; `None` when there is no memory for one.
    pub(super) fn encoder(&'static self, algorithm: Algorithm, level: Level) -> Option<Box<dyn Filter>> {
        Some(match algorithm {
            Algorithm::Gzip => Box::new(Gzip::new(level, self)?),
            Algorithm::Zstd => Box::new(Zstd::new(level, self)?),
            Algorithm::Brotli => Box::new(Brotli::new(level, self)?),
        })
    }
}

/// A compressor for one answer; `None` when the process has enough under way.
pub(super) fn encoder(algorithm: Algorithm, level: Level) -> Option<Box<dyn Filter>> {
    MEMORY.encoder(algorithm, level)
}

/// Adds to a count, unless it would go beyond its most: in one step, as workers do it side by side.
fn add(count: &AtomicUsize, bytes: usize, most: usize) -> Option<usize> {
    let within = |now: usize| now.checked_add(bytes).filter(|sum| *sum <= most);
    count.fetch_update(Relaxed, Relaxed, within).ok()
}

/// Memory that is charged: given back when it is dropped.
struct Charge {
    memory: &'static Memory,
    bytes: usize,
}

impl Charge {
    fn take(memory: &'static Memory, bytes: usize) -> Option<Charge> {
        add(&memory.held, bytes, memory.bytes_max).map(|_| Charge { memory, bytes })
    }

    /// Charges it as kept for the next answer, while nobody uses it; `None` where too much is kept already.
    fn idle(self) -> Option<Idle> {
        add(&self.memory.idle, self.bytes, self.memory.idle_bytes_max).map(|_| Idle(self))
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.bytes, Relaxed);
    }
}

/// Memory of what is kept for the next answer.
struct Idle(Charge);

impl Idle {
    fn used(self) -> Charge {
        let idle = ManuallyDrop::new(self);
        idle.0.memory.idle.fetch_sub(idle.0.bytes, Relaxed);
        Charge { memory: idle.0.memory, bytes: idle.0.bytes }
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.0.memory.idle.fetch_sub(self.0.bytes, Relaxed);
    }
}

/// A compressor that is kept.
struct Spare<T> {
    level: Level,
    one: T,
    idle: Idle,
}

/// Takes one from those kept, if one is of the level.
fn kept<T>(spares: &mut Vec<Spare<T>>, level: Level) -> Option<(T, Charge)> {
    let index = spares.iter().position(|spare| spare.level == level)?;
    let spare = spares.swap_remove(index);
    Some((spare.one, spare.idle.used()))
}

fn keep<T>(spares: &mut Vec<Spare<T>>, level: Level, one: T, charge: Charge) {
    if spares.len() < KEPT
        && let Some(idle) = charge.idle()
    {
        spares.push(Spare { level, one, idle });
    }
}

struct Gzip {
    /// `None` only once dropped.
    compress: Option<(Compress, Charge)>,
    level: Level,
}

impl Gzip {
    fn new(level: Level, memory: &'static Memory) -> Option<Gzip> {
        let compress = match GZIPS.with_borrow_mut(|spares| kept(spares, level)) {
            Some(compress) => compress,
            None => {
                let charge = Charge::take(memory, GZIP_BYTES)?;
                let number = match level {
                    Level::Fast => 1,
                    Level::Balanced => 4,
                    Level::Small => 5,
                };
                (Compress::new_gzip(Compression::new(number), GZIP_WINDOW_LOG), charge)
            }
        };
        Some(Gzip { compress: Some(compress), level })
    }

    fn run(&mut self, mut bytes: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
        let Some((compress, _)) = &mut self.compress else { return };
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
        let Some((mut compress, charge)) = self.compress.take() else { return };
        compress.reset();
        let _ = GZIPS.try_with(|spares| keep(&mut spares.borrow_mut(), self.level, compress, charge));
    }
}

struct Zstd {
    /// `None` only once dropped.
    context: Option<(CCtx<'static>, Charge)>,
    level: Level,
}

impl Zstd {
    /// `None` if there is no memory for it.
    fn new(level: Level, memory: &'static Memory) -> Option<Zstd> {
        let context = match ZSTDS.with_borrow_mut(|spares| kept(spares, level)) {
            Some(context) => context,
            None => {
                let charge = Charge::take(memory, ZSTD_BYTES)?;
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
                (context, charge)
            }
        };
        Some(Zstd { context: Some(context), level })
    }
}

/// Bytes that one holds which has been given these.
#[cfg(test)]
pub(super) fn zstd_bytes(level: Level, bytes: &[u8]) -> usize {
    let memory: &'static Memory = Box::leak(Box::new(Memory::new(usize::MAX, 0)));
    let mut zstd = Zstd::new(level, memory).expect("there is memory");
    zstd.push(bytes, &mut Vec::new());
    zstd.context.as_ref().map_or(0, |(context, _)| context.sizeof())
}

impl Filter for Zstd {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some((context, _)) = &mut self.context else { return };
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
        let Some((context, _)) = &mut self.context else { return };
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
        let Some((context, _)) = &mut self.context else { return };
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
        let Some((mut context, charge)) = self.context.take() else { return };
        if context.reset(ResetDirective::SessionOnly).is_ok() {
            let _ = ZSTDS.try_with(|spares| keep(&mut spares.borrow_mut(), self.level, context, charge));
        }
    }
}

/// It cannot be used twice.
struct Brotli {
    /// Writes into a text that is emptied after every call; `None` once it is finished.
    writer: Option<CompressorWriter<Vec<u8>>>,
    _charge: Charge,
}

impl Brotli {
    fn new(level: Level, memory: &'static Memory) -> Option<Brotli> {
        let charge = Charge::take(memory, BROTLI_BYTES)?;
        // From 4 on it works on 64 KiB at a time, which takes 1.5 ms; below that on 16 KiB.
        let quality = match level {
            Level::Fast => 2,
            Level::Balanced | Level::Small => 3,
        };
        let params = BrotliEncoderParams { quality, lgwin: WINDOW_LOG as i32, ..Default::default() };
        let writer = CompressorWriter::with_params(Vec::new(), ROOM_BYTES, &params);
        Some(Brotli { writer: Some(writer), _charge: charge })
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
