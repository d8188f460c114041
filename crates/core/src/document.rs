//! Documents that others publish and that members of families read: a set of keys, say. In a file they belong to the
//! configuration; at a URL they live here, by that URL, over all reloads: fetched by the program, kept while their
//! publisher is away, and asked for anew by whoever misses something in them. No I/O happens here.

use crate::clock::{self, Nanos};
use crate::node::{Node, Value};
use crate::problem::Problems;
use crate::settings::{Fault, Setting, Shape, expected};
use std::collections::HashMap;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

/// Where a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentAt {
    /// At a URL of `https`, or of `http` on this machine.
    Url(Arc<str>),
    /// In a file.
    File(PathBuf),
}

const WHAT: &str = "a URL or the path of a file";

impl Setting for DocumentAt {
    fn read(node: &Node, problems: &mut Problems) -> DocumentAt {
        let text = match &node.value {
            Value::Scalar(scalar) => &*scalar.text,
            Value::Refused => return DocumentAt::stand_in(),
            _ => {
                problems.push(expected(WHAT, node));
                return DocumentAt::stand_in();
            }
        };
        if !text.contains("://") {
            return DocumentAt::File(PathBuf::read(node, problems));
        }
        match check_url(text) {
            Ok(()) => DocumentAt::Url(text.into()),
            Err(fault) => {
                problems.push(fault.problem(node));
                DocumentAt::stand_in()
            }
        }
    }

    fn stand_in() -> DocumentAt {
        DocumentAt::File(PathBuf::new())
    }

    fn shape() -> Shape {
        Shape::Word { what: WHAT, pattern: "" }
    }

    fn show(&self) -> String {
        match self {
            DocumentAt::Url(url) => url.to_string(),
            DocumentAt::File(path) => path.display().to_string(),
        }
    }
}

/// Whoever can change what is fetched decides who gets in: plain `http` is for this machine alone.
fn check_url(text: &str) -> Result<(), Fault> {
    if text.bytes().any(|b| !b.is_ascii_graphic()) {
        return Err(Fault::new("is not a URL"));
    }
    if text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) {
        return Ok(());
    }
    let Some(rest) = text.strip_prefix("http://") else {
        return Err(
            Fault::new("is of a scheme that is not fetched").hint("write `https://…`, or the path of a file")
        );
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let is_local = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    match is_local {
        true => Ok(()),
        false => {
            Err(Fault::new("comes over plain HTTP, where others could change it").hint("write `https://…`"))
        }
    }
}

/// How long nobody's wish for a newer one is heard after the last fetch: a client can make up names of keys as fast as it
/// sends requests.
pub const WISH_EVERY: Duration = Duration::from_secs(30);

/// A document at a URL.
#[derive(Debug)]
pub struct Document {
    url: Arc<str>,
    /// Counts up with every content that is another.
    version: AtomicU64,
    /// When somebody wished for a newer one than was there; 0 if nobody does.
    wished: AtomicU64,
    /// When it was last fetched well; 0 for never.
    fetched_at: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    content: Option<Arc<[u8]>>,
    /// When it was last tried.
    tried: Option<Nanos>,
    waiting: Vec<Waker>,
}

/// Requests that wait for one document at a time. Beyond it they are answered from what is there.
const WAITING_MAX: usize = 1024;

impl Document {
    fn new(url: Arc<str>) -> Document {
        Document {
            url,
            version: AtomicU64::new(0),
            wished: AtomicU64::new(0),
            fetched_at: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// Where it is.
    pub fn url(&self) -> &Arc<str> {
        &self.url
    }

    /// 0 while there is none; another number for each content.
    pub fn version(&self) -> u64 {
        self.version.load(Acquire)
    }

    /// What was fetched last, with its version.
    pub fn content(&self) -> Option<(u64, Arc<[u8]>)> {
        let state = self.state();
        Some((self.version(), state.content.clone()?))
    }

    /// When it was last fetched well, be it the same as before or not. Takes no lock.
    pub fn fetched_at(&self) -> Option<Nanos> {
        Some(Nanos(self.fetched_at.load(Relaxed))).filter(|at| *at != Nanos(0))
    }

    /// Somebody misses something in it: it is fetched soon, unless that was just done. Whether it will be.
    pub fn wish(&self) -> bool {
        let now = clock::coarse();
        let state = self.state();
        let is_due = state.tried.is_none_or(|tried| now.since(tried) >= WISH_EVERY);
        if is_due {
            self.wished.store(now.0.max(1), Relaxed);
        }
        is_due || self.wished.load(Relaxed) != 0
    }

    /// Waits until the fetch that somebody wished for is over, however it ended.
    pub async fn fetched(&self) {
        poll_fn(|cx| {
            let mut state = self.state();
            if self.wished.load(Relaxed) == 0 || state.waiting.len() >= WAITING_MAX {
                return Poll::Ready(());
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// For whoever fetches: whether somebody wishes for a newer one.
    pub fn is_wished(&self) -> bool {
        self.wished.load(Relaxed) != 0
    }

    /// Whether it was ever fetched, well or not.
    pub fn is_tried(&self) -> bool {
        self.state().tried.is_some()
    }

    /// A fetch is over; `None` if it failed, and then what was there stays.
    pub fn put(&self, content: Option<&[u8]>) {
        let now = clock::exact();
        let mut state = self.state();
        state.tried = Some(now);
        if let Some(content) = content {
            self.fetched_at.store(now.0.max(1), Relaxed);
            if state.content.as_deref() != Some(content) {
                state.content = Some(content.into());
                self.version.fetch_add(1, Release);
            }
        }
        self.wished.store(0, Relaxed);
        state.waiting.drain(..).for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Every document somebody uses, by URL.
#[derive(Debug, Default)]
pub struct DocumentBook {
    documents: Mutex<HashMap<Arc<str>, Weak<Document>>>,
}

impl DocumentBook {
    /// The document at a URL: the same for all who use it.
    pub fn document(&self, url: &Arc<str>) -> Arc<Document> {
        let mut documents = self.documents.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        documents.retain(|_, document| document.strong_count() > 0);
        if let Some(document) = documents.get(url).and_then(Weak::upgrade) {
            return document;
        }
        let document = Arc::new(Document::new(url.clone()));
        documents.insert(url.clone(), Arc::downgrade(&document));
        document
    }

    /// Those somebody uses now.
    pub fn all(&self) -> Vec<Arc<Document>> {
        let documents = self.documents.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        documents.values().filter_map(Weak::upgrade).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for url in
            ["https://idp.example/jwks", "http://127.0.0.1:9000/j", "http://localhost/j", "http://[::1]:1/j"]
        {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
        for url in [
            "http://idp.example/jwks",
            "ftp://a/b",
            "https://",
            "https:///a",
            "http://127.0.0.1.evil.example/",
            "https://a b",
        ] {
            assert!(check_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_document_is_one_for_all_and_goes_with_the_last() {
        let book = DocumentBook::default();
        let one = book.document(&"https://a/".into());
        assert!(Arc::ptr_eq(&one, &book.document(&"https://a/".into())));
        drop(one);
        assert!(book.all().is_empty());
    }

    #[test]
    fn a_wish_is_heard_once_in_a_while_and_what_is_there_stays_when_it_fails() {
        let document = Document::new("https://a/".into());
        assert_eq!(document.version(), 0);
        document.put(Some(b"one"));
        assert!(!document.wish(), "it was just fetched");
        document.put(None);
        document.put(Some(b"one"));
        assert_eq!(
            (document.version(), document.content().map(|(_, bytes)| bytes)),
            (1, Some((*b"one").into()))
        );
        document.put(Some(b"two"));
        assert_eq!(document.version(), 2);
    }
}
