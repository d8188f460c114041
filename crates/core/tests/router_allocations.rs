//! A lookup allocates nothing, whatever it finds, nor does what a route asks of a request and fills in of it. A program
//! of its own, as it counts the allocations of the whole process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use tidegate_core::conditions::{Conditions, CookieCondition, HeaderCondition, QueryCondition, Wanted};
use tidegate_core::exchange::Client;
use tidegate_core::head::RequestHead;
use tidegate_core::location::Location;
use tidegate_core::name::Method;
use tidegate_core::rewrite::Rewrite;
use tidegate_core::router::{Found, HostPattern, Lookup, MethodSet, PathPattern, RouteMatch, Router};
use tidegate_core::template::Origin;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// An allocator cannot be written without unsafe. This one hands everything on to the system's, unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises about `layout` are passed on as they are.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, which is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn route(host: &str, path: &str, methods: &[&str]) -> RouteMatch {
    let mut set = MethodSet::default();
    methods.iter().for_each(|method| set.insert(method).unwrap());
    RouteMatch {
        host: (!host.is_empty()).then(|| HostPattern::parse(host).unwrap()),
        path: PathPattern::parse(path).unwrap(),
        methods: set,
        other_conditions: 1,
    }
}

#[test]
fn no_lookup_allocates() {
    let routes = [
        route("api.example.com", "/orders/{id}", &["GET", "POST"]),
        route("*.example.com", "/orders/**", &["PURGE"]),
        route("", "/{a}/{b}/{c}", &[]),
        route("", "/only", &["DELETE"]),
    ];
    let router = Router::new(&routes);
    let mut allow = MethodSet::default();
    allow.insert("DELETE").unwrap();
    for (host, path, method, expected) in [
        ("API.example.com:80", "/orders/1", "GET", Found::Route(0)),
        ("a.b.example.com", "/orders/1/2", "PURGE", Found::Route(1)),
        ("", "/x/y/z", "PATCH", Found::Route(2)),
        ("h", "/only", "GET", Found::MethodNotAllowed(allow)),
        ("h", "/none", "GET", Found::None),
    ] {
        let lookup = Lookup {
            host: host.as_bytes(),
            path: path.as_bytes(),
            method: Method::of(method.as_bytes()),
            method_text: method.as_bytes(),
        };
        let before = ALLOCATIONS.get();
        let found = router.find(lookup, |_| true);
        let params = routes[0].path.params(path.as_bytes()).map(|(_, span)| span.len()).sum::<usize>();
        let allocations = ALLOCATIONS.get() - before;
        assert_eq!((allocations, &found), (0, &expected), "{method} {host} {path}, {params} bytes of params");
    }
}

#[test]
fn no_condition_redirect_or_rewrite_allocates() {
    let names = PathPattern::parse("/orders/{id}/**").unwrap().path_names();
    let rewrite = Rewrite::parse("/v2/{id}{path}/{rest}", &names).unwrap();
    let location = Location::parse("https://{host}:1/{id}/{rest}?a={id}#{rest}", &names).unwrap();
    let conditions = Conditions {
        listeners: ["inner".into(), "http".into()].into(),
        headers: [HeaderCondition::new("x-beta", Wanted::Any), HeaderCondition::new("cookie", Wanted::Any)]
            .into(),
        query: [QueryCondition { key: b"a b"[..].into(), wanted: Wanted::exactly(b"c d") }].into(),
        cookies: [CookieCondition { name: b"c"[..].into(), wanted: Wanted::exactly(b"1") }].into(),
    };
    let client =
        Client { address: None, listener: "http".into(), is_secure: false, trusted: None, door: None };
    let origin = Origin { client: &client, request_id: b"7f", identity: None };
    let mut request = RequestHead::default();
    request.fields.text_mut().reserve(4096);
    request.host = request.fields.add_text(b"api.example.com:80");
    request.path = request.fields.add_text(b"/orders/a%20b/c/%3F");
    request.query = request.fields.add_text(b"x&a+b=c%20d");
    request.has_query = true;
    request.fields.push("X-Beta", b"1");
    request.fields.push("Cookie", b"c=1");
    let mut url = Vec::with_capacity(4096);
    let before = ALLOCATIONS.get();
    let holds = conditions.hold(&request, &client);
    let redirected = location.write(&request, origin, &mut url);
    let rewritten = rewrite.apply(&mut request, origin);
    let allocations = ALLOCATIONS.get() - before;
    assert_eq!((allocations, holds, redirected, rewritten), (0, true, Ok(()), Ok(())));
    assert_eq!(url, b"https://api.example.com:1/a%20b/c/%3F?a=a%20b&x&a+b=c%20d#c/%3F");
    assert_eq!(request.path_sent_bytes(), b"/v2/a%20b/orders/a%20b/c/%3F/c/%3F");
}
