//! Inflates a body for the look alone: no more of it than is looked at, and nothing whose little would become so much
//! that whoever inflates all of it chokes. What the backend gets is not touched.

use super::{TURN_BYTES, turn};
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use std::io::{self, BufRead, ErrorKind, Read};

/// Encodings one after the other. Nobody applies a third in good faith.
const NESTED_MAX: usize = 2;
/// A body that becomes more than so many times longer is a bomb. Text becomes some ten times longer, tables of zeros
/// some fifty.
const RATIO_MAX: usize = 100;
/// From so many bytes on the ratio is looked at: a short body of one letter is no harm.
const JUDGED_BYTES_MIN: usize = 64 << 10;

/// What the decoder of Brotli takes at a time: little, as the ratio is of what it took.
const BROTLI_BYTES: usize = 256;
/// 8 MiB: what a decoder has to hold for Zstandard over HTTP, and no more (RFC 9659 §3).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Why a body cannot be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uninflated {
    /// It would become too much.
    Bomb,
    /// It is not what it says, or says too much.
    Malformed,
    /// In a way that is not known here: nobody's fault.
    Unknown,
}

/// The codings of a body, in the order they were applied.
fn codings(fields: &[u8]) -> impl Iterator<Item = &[u8]> {
    let names = fields.split(|&b| b == b',').map(<[u8]>::trim_ascii);
    names.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case(b"identity"))
}

/// What of a body is there once it is inflated, up to `most` bytes; `None` when it is not deflated. `is_whole` says
/// whether the bytes are all of it.
pub(super) async fn inflate(
    bytes: &[u8],
    encoding: &[u8],
    is_whole: bool,
    most: usize,
) -> Result<Option<Vec<u8>>, Uninflated> {
    let applied: Vec<&[u8]> = codings(encoding).take(NESTED_MAX + 1).collect();
    if applied.len() > NESTED_MAX {
        return Err(Uninflated::Malformed);
    }
    let mut inflated: Option<Vec<u8>> = None;
    for coding in applied.iter().rev() {
        let from = inflated.as_deref().unwrap_or(bytes);
        let is_cut = !is_whole || inflated.as_ref().is_some_and(|before| before.len() == most);
        inflated = Some(undo(coding, from, is_cut, most).await?);
    }
    Ok(inflated)
}

async fn undo(coding: &[u8], bytes: &[u8], is_cut: bool, most: usize) -> Result<Vec<u8>, Uninflated> {
    let is = |name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
    if hides_text(coding, bytes) {
        return Err(Uninflated::Malformed);
    }
    // The decoders take from it what they need and no more: that tells what has become of how much. One member or frame
    // is all there is: what stands behind it would have a head of its own.
    let mut from = bytes;
    let (out, result) = match () {
        () if is("gzip") || is("x-gzip") => read(GzDecoder::new(&mut from), most).await,
        // What says deflate is zlib (RFC 9110 §8.4.1.2), or, as some send it, bare.
        () if is("deflate") && bytes.first().is_some_and(|byte| byte & 15 == 8) => {
            read(ZlibDecoder::new(&mut from), most).await
        }
        () if is("deflate") => read(DeflateDecoder::new(&mut from), most).await,
        () if is("br") => read(brotli::Decompressor::new(&mut from, BROTLI_BYTES), most).await,
        () if is("zstd") => match zstd_decoder(&mut from) {
            Ok(decoder) => read(decoder, most).await,
            Err(_) => return Err(Uninflated::Malformed),
        },
        () => return Err(Uninflated::Unknown),
    };
    let taken = bytes.len() - from.len();
    if out.len() >= JUDGED_BYTES_MIN && out.len() > RATIO_MAX * taken {
        return Err(Uninflated::Bomb);
    }
    match result {
        // Bytes behind the end of what was deflated are for somebody who does not inflate.
        Ok(()) if taken < bytes.len() && out.len() < most => Err(Uninflated::Malformed),
        Ok(()) => Ok(out),
        // What was cut ends in the middle.
        Err(error) if is_cut && error.kind() == ErrorKind::UnexpectedEof => Ok(out),
        Err(_) => Err(Uninflated::Malformed),
    }
}

/// Whether a head of what is deflated has room for text that only those see who do not inflate. No client makes one so in
/// good faith: of gzip (RFC 1952 §2.3) the name of a file is all that tools write there.
fn hides_text(coding: &[u8], bytes: &[u8]) -> bool {
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let is = |name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
    match bytes {
        [0x1f, 0x8b, _, flags, _, _, _, _, _, _, rest @ ..] if is("gzip") || is("x-gzip") => {
            let name = rest.split(|&b| b == 0).next().unwrap_or_default();
            let is_plain = |b: &u8| !matches!(b, b'=' | b'&' | b'<' | b'{' | b'\'' | b'"');
            flags & (EXTRA | COMMENT) != 0 || flags & NAME != 0 && !name.iter().all(is_plain)
        }
        // A frame that is to be skipped (RFC 8878 §3.1.2).
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => is("zstd"),
        _ => is("compress") || is("x-compress"), // known to a few, and not here
    }
}

fn zstd_decoder<B: BufRead>(from: B) -> io::Result<zstd::stream::read::Decoder<'static, B>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(from)?.single_frame();
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// Reads up to `most` bytes, and says how that ended. The other connections of the worker have their turn in between.
async fn read(mut decoder: impl Read, most: usize) -> (Vec<u8>, io::Result<()>) {
    let mut out = Vec::new();
    while out.len() < most {
        let step = TURN_BYTES.min(most - out.len());
        match decoder.by_ref().take(step as u64).read_to_end(&mut out) {
            Ok(0) => break,
            Ok(_) => turn().await,
            Err(error) => return (out, Err(error)),
        }
    }
    (out, Ok(()))
}
