//! The form of a key: `tg_` and what else its prefix is, 32 random letters and digits, and a checksum. The prefix lets
//! scanners find keys where none should be; the checksum lets a slip, or a guess, be told from a key without looking it
//! up. Pure but for chance.

use aws_lc_rs::digest;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use flate2::Crc;
use tidegate_core::settings::{Fault, Word};

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Letters of a new key: 190 bits.
const RANDOM_LETTERS: usize = 32;
/// Fewest that are taken: 131 bits, so that a fast digest is as good as a slow one.
const RANDOM_LETTERS_MIN: usize = 22;
/// Letters that 32 bits need.
const CHECKSUM_LETTERS: usize = 6;
/// Longest key.
const KEY_BYTES_MAX: usize = 128;

/// The SHA-256 of a key, which is all that is kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub(super) [u8; 32]);

impl Digest {
    /// Of a key.
    pub fn of(key: &str) -> Digest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, key.as_bytes()).as_ref());
        Digest(bytes)
    }
}

impl Word for Digest {
    const WHAT: &str = "`sha256:` and 64 hex digits";
    const PATTERN: &str = "^sha256:[0-9a-f]{64}$";

    fn parse(text: &str) -> Result<Digest, Fault> {
        let fault = || Fault::new("is not `sha256:` and 64 hex digits").hint("`tidegate key new` writes it");
        let hex =
            text.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.is_ascii()).ok_or_else(fault)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let digit = |b: u8| char::from(b).to_digit(16).filter(|_| !b.is_ascii_uppercase());
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else { return Err(fault()) };
            *byte = (high << 4 | low) as u8;
        }
        Ok(Digest(bytes))
    }

    fn show(&self) -> String {
        let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    }

    fn stand_in() -> Digest {
        Digest([0; 32])
    }
}

/// A new key with this prefix, such as `tg_live`.
///
/// Errors: the prefix is none, or the system has no chance to give.
pub fn make(prefix: &str) -> Result<String, &'static str> {
    if !is_prefix(prefix) {
        return Err("a prefix is made of small letters and digits, in parts joined by `_`, 32 at most");
    }
    let random = SystemRandom::new();
    let mut key = format!("{prefix}_");
    for _ in 0..RANDOM_LETTERS {
        key.push(char::from(letter(&random)?));
    }
    let sum = checksum(&key);
    Ok(format!("{key}_{sum}"))
}

/// One of the letters, each as likely as any other: bytes that would favour the first are thrown again.
fn letter(random: &SystemRandom) -> Result<u8, &'static str> {
    loop {
        let mut byte = [0];
        random.fill(&mut byte).map_err(|_| "the system gives no random numbers")?;
        if byte[0] < 248 {
            return Ok(LETTERS[usize::from(byte[0] % 62)]);
        }
    }
}

/// Whether a text has the form of a key.
pub fn is_key(text: &str) -> bool {
    if text.len() > KEY_BYTES_MAX {
        return false;
    }
    let Some((key, sum)) = text.rsplit_once('_') else { return false };
    let Some((prefix, random)) = key.rsplit_once('_') else { return false };
    let is_random = random.len() >= RANDOM_LETTERS_MIN && random.bytes().all(|b| b.is_ascii_alphanumeric());
    is_prefix(prefix) && is_random && sum == checksum(key)
}

fn is_prefix(text: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 32 && text.split('_').all(is_part)
}

/// The CRC-32 of a text in base 62.
fn checksum(text: &str) -> String {
    let mut crc = Crc::new();
    crc.update(text.as_bytes());
    let mut left = crc.sum();
    let mut letters = [b'0'; CHECKSUM_LETTERS];
    for place in letters.iter_mut().rev() {
        *place = LETTERS[(left % 62) as usize];
        left /= 62;
    }
    letters.iter().map(|&letter| char::from(letter)).collect()
}
