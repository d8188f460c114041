//! What may be written under `compress`.

use super::kinds::MediaRange;
use tidegate_core::units::Bytes;
use tidegate_core::{choice, settings};

settings! {
    /// Compression of answers, in the best way the client takes. `true` is all of it as by default.
    pub(crate) struct CompressSettings {
        /// Answers that are known to be shorter stay as they are: what is saved would not pay for it.
        pub(crate) min: Bytes = Bytes::new(1024),
        /// Media types that are compressed: one, as `text/html`, all of a kind, as `text/*`, or all that end alike, as `+json`. Images, video and archives are compressed already.
        pub(crate) types: Vec<MediaRange> = MediaRange::usual(),
        /// What may be used. Of those the client likes equally the first is taken.
        pub(crate) algorithms: Vec<Algorithm> = vec![Algorithm::Zstd, Algorithm::Brotli, Algorithm::Gzip],
        /// Whether time is saved or bytes.
        pub(crate) level: Level = Level::Balanced,
    }
}

choice! {
    /// How answers are compressed.
    pub(crate) enum Algorithm {
        /// Zstandard (RFC 8878): as small as Brotli, in a third of the time. Browsers of 2024 and later.
        Zstd = "zstd",
        /// Brotli (RFC 7932). All browsers, over https.
        Brotli = "br",
        /// gzip (RFC 1952). Everybody.
        Gzip = "gzip",
    }
}

choice! {
    /// What compression costs, and saves.
    pub(crate) enum Level {
        /// The least time.
        Fast = "fast",
        /// Most of the bytes for little time.
        Balanced = "balanced",
        /// The fewest bytes that an answer made while the client waits is worth.
        Small = "small",
    }
}
