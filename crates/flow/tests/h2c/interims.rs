//! Interim answers: 100 (Continue) for a body that waits for it, early hints, and what must not pass as one.

use bytes::Bytes;
use h2::client::ResponseFuture;
use http::Request;
use std::future::poll_fn;
use tidegate_core::name::Method;
use tidegate_testkit::{Act, RawBackend, Visit};

use crate::client::{Answer, Client, request, run, until};
use crate::gateway::{API, Gateway};

async fn interim(response: &mut ResponseFuture) -> Option<(u16, String)> {
    let head = poll_fn(|cx| response.poll_informational(cx)).await?.expect("an interim answer");
    let link = head.headers().get("link").map_or("", |value| value.to_str().unwrap());
    Some((head.status().as_u16(), link.to_owned()))
}

#[test]
fn a_body_that_waits_for_100_is_sent_after_it() {
    let backend = RawBackend::start(|visit: &mut Visit| {
        while let Some(request) = visit.request_continued() {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len());
            visit.play(vec![Act::Send(head.into_bytes()), Act::Send(request.body)]);
        }
    });
    let gateway = Gateway::before(&[&backend]);
    run(async {
        let client = Client::to(&gateway).await;
        let asked = Request::post("http://api.test/api/").header("expect", "100-continue").body(()).unwrap();
        let (mut response, mut stream) = client.begin(asked).await;
        assert_eq!(interim(&mut response).await, Some((100, String::new())));
        stream.send_data(Bytes::from_static(b"now"), true).expect("send the body");
        let answer = Answer::to(response).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..], answer.broken), (200, &b"now"[..], None));
    });
    let arrivals = backend.take_arrivals();
    assert_eq!(arrivals[0].request.as_ref().expect("a whole request").value("expect"), "100-continue");
}

#[test]
fn early_hints_arrive_before_the_answer() {
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let backend = RawBackend::answering(answer);
    let gateway = Gateway::before(&[&backend]);
    run(async {
        let client = Client::to(&gateway).await;
        let (mut response, _) = client.send(request("GET", "/api/")).await;
        assert_eq!(interim(&mut response).await, Some((103, "</a>".into())));
        assert_eq!(interim(&mut response).await, Some((103, "</b>".into())));
        assert_eq!(Answer::to(response).await.body, b"ok");
    });
}

#[test]
fn nobody_is_switched_to_another_protocol() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n";
    let backend = RawBackend::answering(switch);
    let gateway = Gateway::before(&[&backend]);
    run(async {
        let client = Client::to(&gateway).await;
        let answer = client.ask("GET", "/api/").await;
        assert_eq!((answer.status.as_u16(), &*answer.problem()), (502, "backend_error"));
        until(|| gateway.counts(API) == [(Method::Get, 502, 1)]).await;
    });
}
