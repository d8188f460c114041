//! Services and routes that are closed on purpose, and opened again.

use std::time::Duration;

use tidegate_testkit::gateway::await_true;
use tidegate_testkit::{RawBackend, Setup, problem};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");

#[test]
fn a_closed_service_is_answered_for_and_still_checked() {
    let backend = RawBackend::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let gateway = Setup::new(BIN).workers(1).start(&format!(
        "services:\n\
         \x20 shop:\n    backends: \"{0}\"\n    health: {{ path: /healthz, every: 100ms }}\n    maintenance: true\n\
         \x20 page: {{ backends: \"{0}\", maintenance: {{ body: \"<p>soon\", content_type: text/html, retry_after: 1h }} }}\n\
         \x20 open: \"{0}\"\n\
         routes:\n\
         \x20 - {{ match: /shop, to: shop }}\n\
         \x20 - {{ match: /page, to: page }}\n\
         \x20 - {{ match: /open, to: open }}\n\
         \x20 - {{ match: /route, to: open, maintenance: {{ status: 404 }} }}\n",
        backend.address
    ));
    let ask = |path: &str| gateway.ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let shop = ask("/shop");
    assert_eq!(
        (shop.status(), shop.value("retry-after"), problem::code(&shop).as_deref()),
        (503, "60", Ok("maintenance"))
    );
    let page = ask("/page");
    assert_eq!(
        (page.status(), page.value("retry-after"), page.value("content-type")),
        (503, "3600", "text/html")
    );
    assert_eq!(page.body, b"<p>soon");
    assert_eq!((ask("/open").status(), ask("/route").status()), (200, 404));

    // Checks go on: it is known to be well when it opens again.
    await_true("the backend is checked", Duration::from_secs(5), || {
        backend
            .take_arrivals()
            .iter()
            .any(|arrival| arrival.request.as_ref().is_ok_and(|r| r.target() == "/healthz"))
    });
    let closed =
        |service: &str| gateway.metric("tidegate_service_maintenance", &[&format!("service=\"{service}\"")]);
    assert_eq!([closed("shop"), closed("page"), closed("open")], [1.0, 1.0, 0.0]);
    let refused = |route: &str| {
        gateway.metric("tidegate_refusals_total", &[&format!("route=\"{route}\""), "reason=\"maintenance\""])
    };
    assert_eq!([refused("/shop"), refused("/page"), refused("/route")], [1.0, 1.0, 1.0]);
    let token = gateway.admin_token();
    let asked = |path: &str| {
        let answer = gateway.admin_ask(&format!("GET {path}"), &token);
        String::from_utf8(answer.body).expect("JSON")
    };
    let services = asked("/api/v1/services");
    assert_eq!(services.matches("\"maintenance\":true").count(), 2, "{services}");
    let explained = asked("/api/v1/explain?method=GET&url=/shop");
    assert!(explained.contains("\"closed\":[\"shop\"]"), "{explained}");

    gateway.reload(&gateway.configuration().replace("    maintenance: true\n", ""));
    assert_eq!((ask("/shop").status(), ask("/page").status()), (200, 503));
    assert_eq!(closed("shop"), 0.0);
    gateway.stop();
}
