//! Every bound that is not a setting, with its reason. What an operator may need to change is in the
//! configuration instead; `HeadLimits` carries those values to the codecs.

use crate::path::PathRules;

/// Limits on a message head, from the listener's `limits` (requests) or fixed (responses).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Longest start line, and longest field line, in bytes without CRLF. 8 KiB as nginx and Apache have it.
    pub line_bytes_max: usize,
    /// Longest whole head in bytes.
    pub head_bytes_max: usize,
    /// Most field lines.
    pub fields_max: usize,
    /// How the path of a request is read.
    pub path: PathRules,
}

impl HeadLimits {
    /// What a listener has by default.
    pub const REQUEST: HeadLimits = HeadLimits {
        line_bytes_max: 8 << 10,
        head_bytes_max: 32 << 10,
        fields_max: 100,
        path: PathRules::STRICT,
    };
    /// What a backend may answer with: more generous, as it is ours. Fits one large buffer.
    pub const RESPONSE: HeadLimits = HeadLimits {
        line_bytes_max: 32 << 10,
        head_bytes_max: 48 << 10,
        fields_max: 200,
        path: PathRules::STRICT,
    };
}

/// Longest method token. The longest registered one, UPDATEREDIRECTREF, has 17 bytes.
pub const METHOD_BYTES_MAX: usize = 32;
/// Longest host without port: what DNS can carry (RFC 1035 §2.3.4).
pub const HOST_BYTES_MAX: usize = 255;
/// Longest field name. Nobody's is longer than 60; `Field` counts it in sixteen bits.
pub const FIELD_NAME_BYTES_MAX: usize = 256;
/// Options in all Connection fields of a head. Each is compared with every field; three are usual.
pub const CONNECTION_OPTIONS_MAX: usize = 16;
/// Largest Content-Length and chunk: most peers count bytes with a sign.
pub const BODY_BYTES_MAX: u64 = i64::MAX as u64;
/// Chunk extensions of one body, in all. They carry nothing anyone uses; a flood of them is an attack.
pub const CHUNK_EXTENSION_BYTES_MAX: usize = 256;
/// The whole trailer section of one body.
pub const TRAILER_BYTES_MAX: usize = 8 << 10;
/// Trailer fields of one body.
pub const TRAILER_FIELDS_MAX: usize = 32;
/// Addresses of X-Forwarded-For that are looked at from the right to find the client. Chains of trusted proxies are
/// short; a longer one was made up by whoever stands before them, and each costs a comparison with every network.
pub const FORWARDED_ADDRESSES_MAX: usize = 32;
/// Longest request id that is taken over from a trusted peer. A UUID has 36 bytes, common trace headers up to 70.
pub const REQUEST_ID_BYTES_MAX: usize = 128;
/// Interim (1xx) responses before one final response. Two or three are normal; a flood is an attack.
pub const INTERIM_RESPONSES_MAX: usize = 16;
/// Unread request body that is read and thrown away to keep the connection; more closes it.
pub const UNREAD_BODY_BYTES_MAX: usize = 64 << 10;
/// How long a closing connection is read from, so that the peer gets our last answer instead of a reset, and how
/// long an unread body may take to drain. Two seconds cover three retransmissions.
pub const LINGER_TIME: std::time::Duration = std::time::Duration::from_secs(2);
/// Request body of one HTTP/2 stream that is read and thrown away behind its answer. Large, as clients (curl 7.88) lose the
/// answer when they are told to stop before they have sent all; it takes no memory, and costs no more than an upload does.
pub const DRAIN_BYTES_MAX: usize = 64 << 20;
/// How long that may take in all; a client that is silent for `LINGER_TIME` is told to stop then. 64 MiB at 50 Mbit/s.
pub const DRAIN_TIME: std::time::Duration = std::time::Duration::from_secs(10);
/// Pieces of a body that go out in one gathered write, and that a chunked body is decoded ahead by. A backend that
/// sends chunks smaller than a read buffer's sixteenth costs one more turn per 16 of them.
pub const PIECES_MAX: usize = 16;
/// Policies of one route. There are a dozen kinds; each keeps a word of memory in every request.
pub const ROUTE_POLICIES_MAX: usize = 16;
/// Bytes of a body that a filter is given at a time, so that what it makes of them stays small: one read's worth.
pub const FILTER_BYTES_MAX: usize = 16 << 10;
/// Bytes of request bodies that the process holds in memory for policies, over all workers. 1,000 uploads of 64 KiB at
/// once, and a small part of what any machine that serves so many has.
pub const GATHERED_BYTES_MAX: usize = 64 << 20;
/// The part of it that one client holds, told by its address: an eighth, so that one alone never keeps the others from
/// having theirs, and 64 bodies of 128 KiB, far more than an honest client sends at once.
pub const GATHERED_BYTES_PER_CLIENT_MAX: usize = GATHERED_BYTES_MAX / 8;
/// Bytes of request bodies that HTTP/2 connections hold in memory while their backends do not take them, over all
/// workers: the whole windows of 256 connections, or 4,000 uploads that stand still. HTTP/1 needs none, as a connection
/// holds one buffer there.
pub const UNTAKEN_BYTES_MAX: usize = 256 << 20;
/// The part of it that one client holds, told by its address: an eighth, so that one alone never keeps the others from
/// having theirs, and more uploads at once than a browser or an office has.
pub const UNTAKEN_BYTES_PER_CLIENT_MAX: usize = UNTAKEN_BYTES_MAX / 8;
/// Memory for what rate limits remember, over all workers: room for 5.2 million keys at a time, so that a million
/// clients in a minute are counted truly. Taken from the system as keys come, 4 KiB at a time.
pub const LIMIT_TABLE_BYTES_MAX: usize = 64 << 20;
/// Keys of quotas that are kept in memory, over all workers: some 25 MiB. Others are read from the store when they come.
pub const QUOTA_KEYS_MAX: usize = 100_000;
/// Longest key of a quota that stands in the store as it is: the name of a consumer fits, and so do usual header values.
/// What is longer is cut there, and counted with what begins alike.
pub const QUOTA_KEY_BYTES_MAX: usize = 256;
/// Requests to the store that wait for it, over all workers. One transaction takes a thousand in a few milliseconds.
pub const STORE_QUEUE_MAX: usize = 4096;
/// How long a request waits for the store. A commit takes milliseconds on a good disk, and a tenth of a second on a bad
/// one; a client that waits longer would rather be served.
pub const STORE_TIME: std::time::Duration = std::time::Duration::from_millis(500);
/// Passwords that wait to be verified, over all workers. At 50 ms each on two threads the last waits under two seconds.
pub const PASSWORDS_WAITING_MAX: usize = 64;
/// Those of one client: an eighth, so that it takes many addresses to keep others from a place at all. More than a handful
/// of people behind one address do not sign in within the same second.
pub const PASSWORDS_PER_CLIENT_MAX: usize = PASSWORDS_WAITING_MAX / 8;
/// Memory of what compresses answers, over all workers: under way, and kept idle for the next answer. Each holds up to
/// 896 KiB for as long as its client takes, so that clients which read slowly on purpose take no more than this; answers
/// beyond it go out as they are.
pub const COMPRESSORS_BYTES_MAX: usize = 256 << 20;
/// The part of it that is idle: what one worker keeps of each kind and level in use, with some 30 workers.
pub const COMPRESSORS_IDLE_BYTES_MAX: usize = COMPRESSORS_BYTES_MAX / 4;
/// TLS handshakes of one worker that have begun and not ended. Each holds some 20 KiB, so that clients that begin and do
/// not go on take 40 MiB of a worker at most; at 300 µs of work a handshake, 2,000 under way are more than it finishes
/// in half a second.
pub const HANDSHAKES_MAX: usize = 2_000;
/// The part of it that one client takes, told by its address: an eighth, so that one alone never keeps the others out, and
/// more than any office behind one address begins at once. Addresses that a listener's `per_ip` does not count have none.
pub const HANDSHAKES_PER_CLIENT_MAX: usize = HANDSHAKES_MAX / 8;
/// A certificate that ends within so long is warned of. Let's Encrypt renews at 30 days, so somebody has had two weeks.
pub const EXPIRY_WARNED: std::time::Duration = std::time::Duration::from_secs(14 * 24 * 60 * 60);
/// Records of TLS without data in a row: empty ones, tickets, new keys. Servers send two to four tickets, nobody has a reason
/// for empty ones, and BoringSSL ends at as many of those.
pub const TLS_BARE_RECORDS_MAX: u32 = 32;
/// Longest text of a client's that is kept of a refusal: its path shows what was meant, and 64 refusals of each of 2,000
/// routes stay within 64 MiB.
pub const REFUSED_TEXT_BYTES_MAX: usize = 256;
