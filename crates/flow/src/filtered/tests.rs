//! Filters over a source that has bytes when a script says so.

use super::*;
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use tidegate_core::head::NO_FIELDS;
use tidegate_core::outcome::Refusal;

/// What a source does when it is asked.
enum Turn {
    Bytes(Vec<u8>),
    Pause,
    Break,
}

/// A source that follows a script and then ends.
struct Script {
    turns: VecDeque<Turn>,
    ready: Vec<u8>,
}

impl Source for Script {
    fn poll_fill(&mut self, _: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        if !self.ready.is_empty() {
            return Poll::Ready(Ok(Fill::Data));
        }
        match self.turns.pop_front() {
            Some(Turn::Bytes(bytes)) => {
                self.ready = bytes;
                Poll::Ready(Ok(Fill::Data))
            }
            Some(Turn::Pause) => Poll::Pending,
            Some(Turn::Break) => Poll::Ready(Err(Fault::Malformed(Refusal::bad("it broke")))),
            None => Poll::Ready(Ok(Fill::End)),
        }
    }

    fn pieces<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        // Two, so that both are passed on.
        let (first, second) = self.ready.split_at(self.ready.len() / 2);
        (out[0], out[1]) = (first, second);
        2
    }

    fn is_last(&self) -> bool {
        self.turns.is_empty()
    }

    fn consume(&mut self, n: usize) {
        self.ready.drain(..n);
    }

    fn trailers(&self) -> &Fields {
        &NO_FIELDS
    }
}

/// Keeps what it gets until it is asked for it; says in brackets what it was asked.
struct Kept {
    bytes: Vec<u8>,
    most: Rc<Cell<usize>>,
}

impl Filter for Kept {
    fn push(&mut self, bytes: &[u8], _: &mut Vec<u8>) {
        self.most.set(bytes.len().max(self.most.get()));
        self.bytes.extend_from_slice(bytes);
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.bytes);
        out.push(b'|');
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.bytes);
        out.push(b'.');
    }
}

/// Passes on in capitals.
struct Upper;

impl Filter for Upper {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend(bytes.iter().map(u8::to_ascii_uppercase));
    }

    fn flush(&mut self, _: &mut Vec<u8>) {}

    fn finish(&mut self, _: &mut Vec<u8>) {}
}

/// Everything that comes out, with `_` for each time that others have their turn; and the greatest part a filter got.
fn run(turns: Vec<Turn>, more: Vec<Box<dyn Filter>>) -> (String, usize) {
    let most = Rc::new(Cell::new(0));
    let mut filters: Vec<Box<dyn Filter>> = vec![Box::new(Kept { bytes: Vec::new(), most: most.clone() })];
    filters.extend(more);
    let mut filtering = Filtering::new(filters);
    let mut script = Script { turns: turns.into(), ready: Vec::new() };
    let mut cx = Context::from_waker(Waker::noop());
    let mut seen = Vec::new();
    loop {
        let mut filtered = filtering.over(&mut script);
        match filtered.poll_fill(&mut cx) {
            Poll::Pending => seen.push(b'_'),
            Poll::Ready(Ok(Fill::End)) => break,
            Poll::Ready(Err(_)) => {
                seen.push(b'!');
                break;
            }
            Poll::Ready(Ok(Fill::Data)) => {
                let mut pieces = [&b""[..]];
                assert_eq!(filtered.pieces(&mut pieces), 1);
                // A byte now, the rest later, as a slow client takes it.
                let taken = pieces[0].len().div_ceil(2);
                seen.extend_from_slice(&pieces[0][..taken]);
                filtered.consume(taken);
            }
        }
    }
    (String::from_utf8(seen).unwrap(), most.get())
}

fn bytes(text: &str) -> Turn {
    Turn::Bytes(text.into())
}

#[test]
fn what_is_kept_back_comes_when_the_source_pauses_and_at_its_end() {
    use Turn::{Break, Pause};
    for (turns, expected) in [
        (vec![], "."),
        (vec![bytes("ab")], "ab."),
        (vec![bytes("ab"), bytes("cd")], "abcd."),
        (vec![bytes("ab"), Pause, bytes("cd")], "ab|cd."),
        (vec![bytes("ab"), Pause, Pause, Pause, bytes("c"), Pause], "ab|__c|."),
        (vec![Pause, Pause, bytes("a")], "__a."),
        (vec![bytes("ab"), Break], "!"),
        (vec![bytes("ab"), Pause, Break], "ab|!"),
    ] {
        assert_eq!(run(turns, vec![]).0, expected);
    }
}

#[test]
fn filters_stand_in_a_row() {
    let turns = vec![bytes("ab"), Turn::Pause, bytes("cd")];
    assert_eq!(run(turns, vec![Box::new(Upper), Box::new(Upper)]).0, "AB|CD.");
    let (out, most) = run(vec![Turn::Bytes(vec![b'x'; 3 * FILTER_BYTES_MAX])], vec![Box::new(Upper)]);
    assert_eq!(out.matches('X').count(), 3 * FILTER_BYTES_MAX);
    assert!(most <= FILTER_BYTES_MAX);
}

#[test]
fn a_large_body_lets_others_have_their_turn() {
    let body = "x".repeat(4 * FILTER_BYTES_MAX + 5);
    let (out, most) = run(vec![Turn::Bytes(body.clone().into())], vec![]);
    assert_eq!(out, format!("____{body}."), "once for each share");
    assert!(most <= FILTER_BYTES_MAX);
}
