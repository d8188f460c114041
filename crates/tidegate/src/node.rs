//! The name by which this gateway knows itself again: it signs what it sends on with it, and refuses what comes back
//! signed. Kept in the state folder, so that a loop is found even through a restart. Called once, at start.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use crate::state;

/// The file in the state folder.
const FILE: &str = "node";
/// What every name begins with, so that an operator who sees one knows what signed there.
const PREFIX: &str = "tidegate-";
/// Hex digits after it. 32 bits: a thousand gateways share a name once in ten thousand installations.
const DIGITS: usize = 8;

/// What signs where nothing is sent on: the name of no gateway.
pub(crate) const REHEARSED: &str = "tidegate";

/// A gateway's name, and the claim on it.
pub(crate) struct Node {
    /// `tidegate-` and eight hex digits.
    pub(crate) name: Arc<str>,
    /// Locked while the process lives.
    _claim: Option<File>,
}

impl Node {
    /// The name kept in the state folder, made there at the first start. Two processes with one state folder must not
    /// share a name, as one may well be the other's backend: the second takes a name for its lifetime alone. So does
    /// one that cannot write there.
    pub(crate) fn claim(state: &Path) -> Node {
        let fresh: Arc<str> = fresh().into();
        match claim(&state.join(FILE), &fresh) {
            Ok((name, file)) => Node { name, _claim: Some(file) },
            Err(_) => Node { name: fresh, _claim: None },
        }
    }
}

fn claim(path: &Path, fresh: &Arc<str>) -> std::io::Result<(Arc<str>, File)> {
    let mut file = state::kept(path)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
    let mut kept = String::new();
    // What is no name any more, or was half written, is replaced.
    let is_kept = (&mut file).take(64).read_to_string(&mut kept).is_ok() && is_name(kept.trim_end());
    if is_kept {
        return Ok((kept.trim_end().into(), file));
    }
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{fresh}\n").as_bytes())?;
    Ok((fresh.clone(), file))
}

fn is_name(text: &str) -> bool {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.strip_prefix(PREFIX).is_some_and(|digits| digits.len() == DIGITS && digits.bytes().all(is_digit))
}

fn fresh() -> String {
    let mut bytes = [0u8; 4];
    // Filled or not, the clock and the process id keep two gateways apart.
    let _ = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty());
    let clock = tidegate_core::clock::exact().0 as u32;
    let bits = u32::from_ne_bytes(bytes) ^ clock ^ std::process::id().rotate_left(16);
    format!("{PREFIX}{bits:0DIGITS$x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_and_never_shared() {
        let folder = tempfile::tempdir().unwrap();
        let first = Node::claim(folder.path());
        let second = Node::claim(folder.path());
        assert!(is_name(&first.name) && is_name(&second.name));
        assert_ne!(first.name, second.name, "two at a time");
        let kept = first.name.clone();
        drop(first);
        assert_eq!(Node::claim(folder.path()).name, kept, "after a restart");
        drop(second);
        assert_eq!(Node::claim(folder.path()).name, kept);
    }

    #[test]
    fn what_is_no_name_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for text in
            ["", "tidegate-", "tidegate-1234567", "tidegate-1234567G", "x\r\ny: z", "tidegate-123456789"]
        {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let name = Node::claim(folder.path()).name;
            assert!(is_name(&name), "{text:?} became {name}");
            assert_eq!(Node::claim(folder.path()).name, name);
        }
        assert!(is_name(&Node::claim(&folder.path().join("missing")).name), "without a folder too");
    }
}
