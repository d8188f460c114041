//! What the records of a connection cost a worker: how much in a row, and for what. A record of one byte, or of none,
//! costs its sender next to nothing and us nearly as much as one of a kilobyte; bytes that reach HTTP do not show it.
//! Pure. Called by `session`, which sees the records, and `Tls`, which ends a turn.

use tidegate_core::limits::TLS_BARE_RECORDS_MAX;

/// What is decrypted in a row before the other connections of the worker have their turn: some 30 µs of work.
const TURN_COST: u64 = 64 << 10;
/// What a record costs beside its bytes, as bytes: 123 of the shortest are a turn.
const RECORD_COST: u64 = 512;

/// A record's head: its type, its version, its length (RFC 8446 §5.1).
const HEAD_BYTES: usize = 5;
/// What a record of encrypted data, or of anything in TLS 1.3, begins with.
const DATA: [u8; 3] = [23, 3, 3];

/// See the file.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Spent so far, since the beginning.
    spent: u64,
    /// Spent when this turn began.
    begun: u64,
    /// Records in a row that had no data.
    bare: u32,
}

/// The peer sends more records without data than anyone needs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Turn {
    /// Begins anew: others have had theirs.
    pub(super) fn begin(&mut self) {
        self.begun = self.spent;
    }

    /// Whether others are to have theirs.
    pub(super) fn is_over(&self) -> bool {
        self.spent - self.begun >= TURN_COST
    }

    /// What was spent since the connection began, in bytes.
    pub(super) fn spent(&self) -> u64 {
        self.spent
    }

    /// These bytes of records were gone through. At most the last of them had data that is told of now.
    pub(super) fn spend(&mut self, bytes: &[u8], has_data: bool) -> Result<(), TooMany> {
        let records = count(bytes);
        self.spent += bytes.len() as u64 + u64::from(records) * RECORD_COST;
        self.bare += records.saturating_sub(u32::from(has_data));
        match self.bare > TLS_BARE_RECORDS_MAX {
            true => return Err(TooMany),
            false if has_data => self.bare = 0,
            false => {}
        }
        Ok(())
    }
}

/// How many records these are, by their heads, which decrypting leaves as they are. What follows something else is not
/// counted: a message of the handshake that was taken in parts leaves no heads.
fn count(mut bytes: &[u8]) -> u32 {
    let mut records = 0;
    while let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() {
        let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
        if !head.starts_with(&DATA) || rest.len() < length {
            break;
        }
        records += 1;
        bytes = &rest[length..];
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bytes: usize) -> Vec<u8> {
        [&DATA[..], &(bytes as u16).to_be_bytes(), &vec![0; bytes]].concat()
    }

    #[test]
    fn records_are_counted_by_their_heads() {
        for (bytes, expected) in [
            (vec![], 0),
            (record(17), 1),
            ([record(17), record(16 << 10), record(0)].concat(), 3),
            ([record(17), record(17)[..20].to_vec()].concat(), 1),
            ([record(17), vec![0; 100]].concat(), 1),
            (vec![22, 3, 3, 0, 0], 0),
        ] {
            assert_eq!(count(&bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn small_records_end_a_turn_as_large_ones_do() {
        for (bytes, turn) in [(17, 123), (18, 123), (1000, 44), ((16 << 10) + 17, 4)] {
            let (mut spent, mut records) = (Turn::default(), 0);
            while !spent.is_over() {
                spent.spend(&record(bytes), true).unwrap();
                records += 1;
            }
            assert_eq!(records, turn, "of {bytes} bytes");
            spent.begin();
            assert!(!spent.is_over());
        }
    }

    #[test]
    fn records_without_data_are_borne_with_until_they_are_too_many_in_a_row() {
        let mut turn = Turn::default();
        for _ in 0..1000 {
            assert_eq!(turn.spend(&record(17).repeat(20), false), Ok(()));
            assert_eq!(turn.spend(&record(17).repeat(13), true), Ok(()), "twelve more, and one with data");
        }
        assert_eq!(turn.spend(&record(17).repeat(32), false), Ok(()));
        assert_eq!(turn.spend(&record(17), false), Err(TooMany));
        assert_eq!(Turn::default().spend(&record(17).repeat(34), true), Err(TooMany), "in one go");
    }
}
