//! The tree of all hosts and path segments, in flat arrays. Knows how to get from a node to the next one
//! by a text; the order in which that is tried is `search`'s.

use super::pattern::HOST_BYTES_MAX;

/// "No node", "no rank": larger than any.
pub(super) const NONE: u32 = u32::MAX;
/// The children of this node are the exact hosts; each is the root of a tree of paths.
pub(super) const HOSTS: u32 = 0;
/// The children of this node are the names behind `*.`; the same.
pub(super) const WILDCARDS: u32 = 1;
/// The root of the paths of routes without a host.
pub(super) const ANY_HOST: u32 = 2;

/// Bytes of its literal that a node has in itself: what is left of its cache line.
const OWN_TEXT_BYTES: usize = 24;

/// A host, or a prefix of path patterns that ends between two segments. One cache line: with ten thousand routes asked
/// in turn each further one is a wait for memory.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Node {
    /// Where it hangs.
    pub(super) parent: u32,
    /// The child for `{name}`.
    pub(super) param: u32,
    /// The most specific route in this subtree: whoever has found better need not enter.
    pub(super) rank_min: u32,
    /// The methods of all routes in this subtree.
    pub(super) methods: u16,
    pub(super) is_param: bool,
    pub(super) has_literals: bool,
    /// How the literal that leads here begins.
    pub(super) own_text: [u8; OWN_TEXT_BYTES],
    /// Where `text` of the tree has all of it.
    pub(super) text_start: u32,
    pub(super) text_bytes: u32,
    /// Where `ends` of the tree has the routes that end here, and behind them those that end here with `**`.
    pub(super) ends_start: u32,
    pub(super) rests_start: u32,
    pub(super) rests_end: u32,
}

/// The end of a route's pattern.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) rank: u32,
    /// Its place in the list of routes.
    pub(super) route: u32,
    pub(super) methods: u16,
    pub(super) has_other_conditions: bool,
}

/// A literal edge: the child, and half of its hash, so that a wrong one is seldom looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) tag: u32,
    pub(super) child: u32,
}

/// How texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// Byte by byte: paths.
    Counts,
    /// ASCII letters are the same in both cases: hosts.
    Ignored,
}

/// Everything, immutable.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: Box<[Node]>,
    pub(super) ends: Box<[End]>,
    pub(super) text: Box<[u8]>,
    /// An open hash table with linear probing. A power of two, and at most half full, so that every probe
    /// ends at a free place. Its keys come from the configuration: a client can ask for what it likes and
    /// cannot make a run of taken places longer, so the hash needs no secret.
    pub(super) edges: Box<[Edge]>,
    /// The longest literal segment; a longer one is not worth hashing.
    pub(super) segment_bytes_max: usize,
    /// The longest name behind `*.`; 0 without wildcards.
    pub(super) wildcard_bytes_max: usize,
}

impl Tree {
    pub(super) fn node(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    /// The child of `parent` by the literal segment, if there is one.
    pub(super) fn segment(&self, parent: u32, segment: &[u8]) -> Option<u32> {
        if segment.len() > self.segment_bytes_max {
            return None;
        }
        self.child(parent, segment, Case::Counts)
    }

    /// Calls `enter` with the roots of all path trees a host leads to, the most specific first.
    pub(super) fn roots(&self, host: &[u8], mut enter: impl FnMut(u32)) {
        let name = host_name(host);
        if !name.is_empty() && name.len() <= HOST_BYTES_MAX {
            if self.node(HOSTS).has_literals
                && let Some(root) = self.child(HOSTS, name, Case::Ignored)
            {
                enter(root);
            }
            if self.wildcard_bytes_max != 0 {
                self.wildcards(name, &mut enter);
            }
        }
        enter(ANY_HOST);
    }

    /// The roots of all wildcards that fit, the longest first. At most one probe per label of the host.
    fn wildcards(&self, name: &[u8], enter: &mut impl FnMut(u32)) {
        for dot in memchr::memchr_iter(b'.', name) {
            let suffix = &name[dot + 1..];
            if dot != 0
                && suffix.len() <= self.wildcard_bytes_max
                && let Some(root) = self.child(WILDCARDS, suffix, Case::Ignored)
            {
                enter(root);
            }
        }
    }

    fn child(&self, parent: u32, text: &[u8], case: Case) -> Option<u32> {
        let hash = hash(parent, text, case);
        let mut place = hash as usize;
        loop {
            let edge = self.edges[place & (self.edges.len() - 1)];
            if edge.child == NONE {
                return None;
            }
            if edge.tag == tag(hash) && self.is_child(edge.child, parent, text, case) {
                return Some(edge.child);
            }
            place += 1;
        }
    }

    fn is_child(&self, child: u32, parent: u32, text: &[u8], case: Case) -> bool {
        let child = self.node(child);
        let bytes = child.text_bytes as usize;
        let own = match child.own_text.get(..bytes) {
            Some(own) => own,
            None => &self.text[child.text_start as usize..][..bytes],
        };
        child.parent == parent
            && match case {
                Case::Counts => own == text,
                Case::Ignored => own.eq_ignore_ascii_case(text),
            }
    }
}

/// The host without port and final dot. The port of an IPv6 address stands behind its bracket.
pub(super) fn host_name(host: &[u8]) -> &[u8] {
    let end = match host.first() {
        Some(b'[') => memchr::memchr(b']', host).map(|bracket| bracket + 1),
        _ => memchr::memchr(b':', host),
    };
    let name = &host[..end.unwrap_or(host.len())];
    name.strip_suffix(b".").unwrap_or(name)
}

/// The half of a hash that an edge keeps; the other half says where it lies.
pub(super) fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Hashes a parent and a text, eight bytes at a time, by folded multiplication (the idea of wyhash and
/// foldhash). Without case every byte gets the bit in which ASCII letters differ: equal hosts then have
/// equal hashes, and the few other bytes that fall together are told apart by comparing.
pub(super) fn hash(parent: u32, text: &[u8], case: Case) -> u64 {
    // Digits of the golden ratio and of pi: many bits set, in no pattern.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    const LAST: u64 = 0x2437_54a3_1320_8c91;
    let fold = match case {
        Case::Counts => 0,
        Case::Ignored => 0x2020_2020_2020_2020,
    };
    let seed = (u64::from(parent) << 32 | text.len() as u64).wrapping_mul(STEP);
    let (words, _) = text.as_chunks::<8>();
    let mixed = words.iter().fold(seed, |hash, word| mix(hash ^ (u64::from_le_bytes(*word) | fold), STEP));
    mix(mixed ^ (tail(text) | fold), LAST)
}

/// The last bytes of a text as one number; overlaps what was hashed before rather than branch per byte.
fn tail(text: &[u8]) -> u64 {
    if let Some(last) = text.last_chunk::<8>() {
        return u64::from_le_bytes(*last);
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last));
    }
    match text {
        [] => 0,
        [first, ..] => {
            let (middle, last) = (text[text.len() / 2], text[text.len() - 1]);
            u64::from(*first) << 16 | u64::from(middle) << 8 | u64::from(last)
        }
    }
}

/// The beginning of a literal, as a node keeps it.
pub(super) fn own_text(text: &[u8]) -> [u8; OWN_TEXT_BYTES] {
    let mut own = [0; OWN_TEXT_BYTES];
    let bytes = text.len().min(OWN_TEXT_BYTES);
    own[..bytes].copy_from_slice(&text[..bytes]);
    own
}

fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}
