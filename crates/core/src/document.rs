//! Documents that others publish and that members of families read: a set of keys, say. In a file they belong to the
//! configuration; at a URL they live here, by that URL, over all reloads: fetched by the program, kept while their
//! publisher is away, and asked for anew by whoever misses something in them. No I/O happens here.

use crate::clock::{self, Nanos};
use crate::date;
use crate::node::{Node, Value};
use crate::problem::Problems;
use crate::settings::{Fault, Setting, Shape, expected};
use std::collections::HashMap;
use std::fmt::{self, Debug, Formatter};
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
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
    // Some take a backslash for a slash.
    if text.bytes().any(|b| !b.is_ascii_graphic() || b == b'\\') {
        return Err(Fault::new("is not a URL"));
    }
    let is_secure = text.starts_with("https://");
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return Err(
            Fault::new("is of a scheme that is not fetched").hint("write `https://…`, or the path of a file")
        );
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Err(Fault::new("names no host"));
    }
    // It would be printed with the URL; and `http://localhost:x@elsewhere` is not on this machine.
    if authority.contains('@') {
        return Err(Fault::new("has a name or a password in it").hint("documents are fetched without either"));
    }
    if is_secure {
        return Ok(());
    }
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

/// Makes something of a document. It is told of contents where they are fetched, so that no worker ever reads one.
pub trait Reader: Send + Sync {
    /// Takes a content: one that is the same as before comes as the same `Arc`.
    ///
    /// Errors: what is wrong with it, as a phrase after its URL.
    fn read(&self, content: &Arc<[u8]>) -> Result<(), String>;
}

/// A document at a URL.
pub struct Document {
    url: Arc<str>,
    /// Whether somebody fetches documents at all: nobody does where a configuration is only tried.
    is_kept: Arc<AtomicBool>,
    /// Whether somebody wishes for a newer one than is there.
    is_wished: AtomicBool,
    /// Who is told of contents. Locked while they read, so that none gets an older one after a newer.
    readers: Mutex<Vec<Weak<dyn Reader>>>,
    state: Mutex<State>,
    /// How fetches went.
    pub fetches: Fetches,
}

/// How often a document was fetched, and what came of it.
#[derive(Debug, Default)]
pub struct Fetches {
    /// It came, and nothing was wrong with it.
    pub good: AtomicU64,
    /// It came, and a reader found something wrong with it.
    pub flawed: AtomicU64,
    /// It did not come.
    pub failed: AtomicU64,
    /// When it last came, in seconds since 1970; 0 for never.
    pub last_s: AtomicU64,
}

#[derive(Default)]
struct State {
    content: Option<Arc<[u8]>>,
    /// When it was last tried.
    tried: Option<Nanos>,
    waiting: Vec<Waker>,
}

/// Requests that wait for one document at a time. Beyond it they are answered from what is there.
const WAITING_MAX: usize = 1024;

impl Document {
    fn new(url: Arc<str>, is_kept: Arc<AtomicBool>) -> Document {
        let is_wished = AtomicBool::new(false);
        Document {
            url,
            is_kept,
            is_wished,
            readers: Mutex::default(),
            state: Mutex::default(),
            fetches: Fetches::default(),
        }
    }

    /// Where it is.
    pub fn url(&self) -> &Arc<str> {
        &self.url
    }

    /// Tells a reader of every content from now on, and of the one that is there; what it says of that is told when it
    /// is next fetched.
    pub fn tell(&self, reader: Weak<dyn Reader>) {
        let mut readers = locked(&self.readers);
        let content = locked(&self.state).content.clone();
        if let (Some(content), Some(reader)) = (content, reader.upgrade()) {
            let _ = reader.read(&content);
        }
        readers.retain(|reader| reader.strong_count() > 0);
        readers.push(reader);
    }

    /// Somebody misses something in it: it is fetched soon, unless that was just done. Whether it will be.
    pub fn wish(&self) -> bool {
        if !self.is_kept.load(Relaxed) {
            return false;
        }
        let state = locked(&self.state);
        let now = clock::coarse();
        if state.tried.is_none_or(|tried| now.since(tried) >= WISH_EVERY) {
            self.is_wished.store(true, Relaxed);
        }
        self.is_wished()
    }

    /// Waits until the fetch that somebody wished for is over, however it ended.
    pub async fn fetched(&self) {
        poll_fn(|cx| {
            let mut state = locked(&self.state);
            if !self.is_wished() || state.waiting.len() >= WAITING_MAX {
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
        self.is_wished.load(Relaxed)
    }

    /// Whether it was ever fetched, well or not.
    pub fn is_tried(&self) -> bool {
        locked(&self.state).tried.is_some()
    }

    /// Whether it ever came.
    pub fn is_there(&self) -> bool {
        locked(&self.state).content.is_some()
    }

    /// A fetch is over; `None` if it failed, and then what was there stays.
    ///
    /// Errors: what a reader found wrong with it.
    pub fn put(&self, content: Option<&[u8]>) -> Result<(), String> {
        let mut said = Ok(());
        let mut count = &self.fetches.failed;
        if let Some(content) = content {
            let readers = locked(&self.readers);
            let known = locked(&self.state).content.clone();
            let content = known.filter(|known| **known == *content).unwrap_or_else(|| content.into());
            locked(&self.state).content = Some(content.clone());
            for reader in readers.iter().filter_map(Weak::upgrade) {
                said = said.and(reader.read(&content));
            }
            count = if said.is_ok() { &self.fetches.good } else { &self.fetches.flawed };
            self.fetches.last_s.store(date::seconds(), Relaxed);
        }
        count.fetch_add(1, Relaxed);
        let mut state = locked(&self.state);
        state.tried = Some(clock::exact());
        self.is_wished.store(false, Relaxed);
        state.waiting.drain(..).for_each(Waker::wake);
        said
    }
}

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Debug for Document {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Document").field(&self.url).finish()
    }
}

/// Every document somebody uses, by URL.
#[derive(Debug, Default)]
pub struct DocumentBook {
    documents: Mutex<HashMap<Arc<str>, Weak<Document>>>,
    is_kept: Arc<AtomicBool>,
}

impl DocumentBook {
    /// The document at a URL: the same for all who use it.
    pub fn document(&self, url: &Arc<str>) -> Arc<Document> {
        let mut documents = locked(&self.documents);
        documents.retain(|_, document| document.strong_count() > 0);
        if let Some(document) = documents.get(url).and_then(Weak::upgrade) {
            return document;
        }
        let document = Arc::new(Document::new(url.clone(), self.is_kept.clone()));
        documents.insert(url.clone(), Arc::downgrade(&document));
        document
    }

    /// Those somebody uses now.
    pub fn all(&self) -> Vec<Arc<Document>> {
        locked(&self.documents).values().filter_map(Weak::upgrade).collect()
    }

    /// Somebody fetches them from now on: until then nobody waits for that.
    pub fn keep(&self) {
        self.is_kept.store(true, Relaxed);
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
            "https://user:secret@idp.example/jwks",
            "http://localhost:x@evil.example/jwks",
            "http://[::1]@evil.example/jwks",
            "http://localhost\\@evil.example/",
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

    /// Takes what has no `!` in it, and counts how often it was another.
    #[derive(Default)]
    struct Counts(Mutex<(Option<Arc<[u8]>>, u32)>);

    impl Reader for Counts {
        fn read(&self, content: &Arc<[u8]>) -> Result<(), String> {
            let mut seen = locked(&self.0);
            if seen.0.as_ref().is_none_or(|known| !Arc::ptr_eq(known, content)) {
                *seen = (Some(content.clone()), seen.1 + 1);
            }
            if content.contains(&b'!') { Err("is loud".into()) } else { Ok(()) }
        }
    }

    #[test]
    fn readers_are_told_of_each_content_once_and_say_what_is_wrong_with_it() {
        let book = DocumentBook::default();
        let document = book.document(&"https://a/".into());
        let (first, second) = (Arc::new(Counts::default()), Arc::new(Counts::default()));
        let seen = |counts: &Counts| locked(&counts.0).1;
        document.tell(Arc::<Counts>::downgrade(&first));
        assert_eq!(document.put(Some(b"one")), Ok(()));
        document.tell(Arc::<Counts>::downgrade(&second));
        assert_eq!((seen(&first), seen(&second)), (1, 1), "who comes later is told of what is there");
        assert_eq!(document.put(None), Ok(()));
        assert_eq!(document.put(Some(b"one")), Ok(()));
        assert_eq!((seen(&first), seen(&second)), (1, 1), "the same is the same");
        drop(second);
        assert_eq!(document.put(Some(b"two!")), Err("is loud".into()));
        assert_eq!(seen(&first), 2);
        let counts = [&document.fetches.good, &document.fetches.flawed, &document.fetches.failed];
        assert_eq!(counts.map(|count| count.load(Relaxed)), [2, 1, 1]);
        assert!(document.fetches.last_s.load(Relaxed) > 0);
    }

    #[test]
    fn a_wish_is_heard_once_in_a_while_and_only_where_somebody_fetches() {
        let book = DocumentBook::default();
        let document = book.document(&"https://a/".into());
        assert!(!document.wish(), "nobody fetches");
        book.keep();
        assert!(document.wish() && document.is_wished());
        document.put(None).unwrap();
        assert!(!document.is_wished() && !document.wish(), "it was just tried");
    }
}
