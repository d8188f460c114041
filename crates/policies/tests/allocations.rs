//! A policy that edits heads allocates nothing once the heads have grown to their size, and compressors hold no more than
//! is charged for them. A program of its own, as it counts the allocations of the whole process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use tidegate_core::building::Alone;
use tidegate_core::exchange::Client;
use tidegate_core::head::{Length, RequestHead, ResponseHead};
use tidegate_core::node::{Entry, Node, Scalar, Value};
use tidegate_core::policy::{RequestView, ResponseView, Verdict};
use tidegate_core::problem::{Place, Source};
use tidegate_core::template::Origin;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static HELD_BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

// An allocator cannot be written without unsafe. This one hands everything on to the system's, unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        HELD_BYTES.set(HELD_BYTES.get() + layout.size() as isize);
        // SAFETY: the caller's promises about `layout` are passed on as they are.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD_BYTES.set(HELD_BYTES.get() - layout.size() as isize);
        // SAFETY: `pointer` came from `alloc` above, which is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn node(value: Value) -> Node {
    Node { place: Place::whole(&Source::new("f.yaml", "/", "")), value }
}

fn map<const N: usize>(entries: [(&str, Node); N]) -> Node {
    let entry = |(key, value): (&str, Node)| Entry { key: key.into(), place: value.place.clone(), value };
    node(Value::Map(entries.into_iter().map(entry).collect()))
}

fn text(text: &str) -> Node {
    node(Value::Scalar(Scalar { text: text.into(), is_quoted: true, is_resolved: false }))
}

#[test]
fn edited_heads_are_not_allocated_for() {
    let edits = || {
        let set = [("x-env", text("prod")), ("x-of", text("{host}{path} {request_id} {client_ip}"))];
        map([("set", map(set)), ("remove", node(Value::List(vec![text("cookie"), text("x-user-id")])))])
    };
    let kind = tidegate_policies::ALL.iter().find(|kind| kind.name == "headers").expect("a member");
    let settings = map([("request", edits()), ("response", edits())]);
    let policy =
        Alone::new("a", &[]).build(|building| (kind.build)(&settings, building)).pop().expect("it has edits");
    for address in ["10.0.0.9:5", "[2001:db8::1]:5"] {
        let client = Client {
            address: address.parse().ok(),
            listener: "http".into(),
            is_secure: false,
            trusted: None,
            door: None,
        };
        let origin = Origin { client: &client, request_id: b"0123456789abcdef", identity: None };
        let (mut request, mut answer) = (RequestHead::default(), ResponseHead::default());
        let mut counts = Vec::new();
        for _ in 0..2 {
            request.clear();
            answer.clear();
            request.host = request.fields.add_text(b"a.example");
            request.path = request.fields.add_text(b"/orders/7");
            request.fields.push("X_User_Id", b"1");
            answer.fields.push("Cookie", b"1");
            let before = ALLOCATIONS.get();
            let is_passed = matches!(
                policy.request(RequestView { head: &mut request, origin, note: &mut 0 }),
                Verdict::Continue
            );
            policy.response(ResponseView {
                head: &mut answer,
                request: &request,
                origin,
                note: 0,
                length: Length::Empty,
            });
            counts.push(ALLOCATIONS.get() - before);
            assert!(is_passed);
            assert_eq!((request.fields.count(), answer.fields.count()), (2, 2));
        }
        assert!(counts[0] > 0 && counts[1] == 0, "only the first heads grow: {counts:?}");
    }
}

#[test]
fn a_compressor_holds_no_more_than_is_charged_for_it() {
    let kind = tidegate_policies::ALL.iter().find(|kind| kind.name == "compress").expect("a member");
    let (mut told, mut is_within) = (Vec::new(), true);
    // As in `compress/encoder.rs`. What Zstandard takes from C is asked of itself, in its own test.
    for (coding, algorithm, charged) in [("gzip", "gzip", 384 << 10), ("br", "br", 896 << 10)] {
        for level in ["fast", "balanced", "small"] {
            let settings = map([("algorithms", text(algorithm)), ("level", text(level))]);
            let policy =
                Alone::new("a", &[]).build(|building| (kind.build)(&settings, building)).pop().unwrap();
            let client =
                Client { address: None, listener: "a".into(), is_secure: false, trusted: None, door: None };
            let origin = Origin { client: &client, request_id: b"7f", identity: None };
            let (mut request, mut answer) = (RequestHead::default(), ResponseHead::default());
            request.fields.push("accept-encoding", coding.as_bytes());
            answer.status = 200;
            answer.fields.push("content-type", b"application/json");
            let mut out = Vec::with_capacity(1 << 20);
            let before = HELD_BYTES.get();
            let length = Length::Streamed;
            let view = ResponseView { head: &mut answer, request: &request, origin, note: 0, length };
            let mut filter = policy.filter(view).expect("the client takes it");
            let mut most = 0;
            for piece in 0..256_u64 {
                let words: String = (0..400).map(|word| format!("{} ", (piece * word) % 977)).collect();
                filter.push(words.as_bytes(), &mut out);
                most = most.max(HELD_BYTES.get() - before);
            }
            filter.finish(&mut out);
            told.push(format!("{algorithm} {level}: {most} bytes"));
            is_within &= most > 100 << 10 && most <= charged;
        }
    }
    assert!(is_within, "{told:?}");
}
