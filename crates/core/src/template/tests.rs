//! Templates read, filled in both ways, and refused with what was meant.

use super::*;
use crate::head::RequestHead;
use std::net::SocketAddr;

fn request(host: &str, path: &str) -> RequestHead {
    let mut head = RequestHead::default();
    head.host = head.fields.add_text(host.as_bytes());
    head.path = head.fields.add_text(path.as_bytes());
    head
}

fn client(address: Option<&str>) -> Client {
    let address = address.map(|text| text.parse::<SocketAddr>().unwrap());
    Client { address, listener: "http".into(), is_secure: false }
}

/// Both ways of writing must say the same.
fn filled(template: &Template, mut request: RequestHead, client: &Client) -> String {
    let origin = Origin { client, request_id: b"7f" };
    let mut apart = b"before ".to_vec();
    template.write(&request, origin, &mut apart);
    let start = request.fields.text().len();
    template.write_to_own(&mut request, origin);
    assert_eq!(request.fields.text()[start..], apart[7..]);
    String::from_utf8(apart[7..].to_vec()).unwrap()
}

#[test]
fn known_words_are_filled_in_and_all_other_braces_stay() {
    let cases = [
        ("", ""),
        ("plain", "plain"),
        ("{host}", "a.example:80"),
        ("https://{host}{path}", "https://a.example:80/b/c"),
        ("{path}?{request_id}", "/b/c?7f"),
        ("for {client_ip};", "for 10.0.0.9;"),
        ("{path}{path}", "/b/c/b/c"),
        ("{", "{"),
        ("}", "}"),
        ("{}", "{}"),
        ("{ host }", "{ host }"),
        ("{host", "{host"),
        ("host}", "host}"),
        ("{{host}}", "{a.example:80}"),
        ("{{{path}", "{{/b/c"),
        ("{x {host}", "{x a.example:80"),
        (r#"{"of":"{path}","n":{"a":[{}]}}"#, r#"{"of":"/b/c","n":{"a":[{}]}}"#),
        ("p{color:red}", "p{color:red}"),
        ("{1}{_a}{-}", "{1}{_a}{-}"),
        ("{é}", "{é}"),
    ];
    for (text, expected) in cases {
        let template = Template::parse(text).unwrap();
        let client = client(Some("10.0.0.9:1234"));
        assert_eq!(filled(&template, request("a.example:80", "/b/c"), &client), expected, "{text}");
        assert_eq!(template.text(), text);
        assert_eq!(template.is_empty(), text.is_empty());
        let is_constant = text == expected;
        assert_eq!(template.constant(), is_constant.then_some(text.as_bytes()), "{text}");
    }
}

#[test]
fn a_value_that_is_not_there_is_empty() {
    let template = Template::parse("<{host}|{client_ip}>").unwrap();
    assert_eq!(filled(&template, request("", "/"), &client(None)), "<|>");
    let mapped = client(Some("[::ffff:10.0.0.1]:5"));
    assert_eq!(filled(&template, request("h", "/"), &mapped), "<h|10.0.0.1>");
    let v6 = client(Some("[2001:db8::1]:5"));
    assert_eq!(filled(&template, request("h", "/"), &v6), "<h|2001:db8::1>");
}

#[test]
fn unknown_words_are_refused_with_the_one_that_was_meant() {
    let listed = "`{nothing}` is none of `{client_ip}`, `{host}`, `{path}`, `{request_id}`";
    let cases = [
        ("a {hots} b", "did you mean `{host}`?"),
        ("{Host}", "did you mean `{host}`?"),
        ("{client-ip}", "did you mean `{client_ip}`?"),
        ("{host}{requestid}", "did you mean `{request_id}`?"),
        ("{{nothing}", listed),
    ];
    for (text, hint) in cases {
        let fault = Template::parse(text).unwrap_err();
        assert_eq!(fault.hint.as_deref(), Some(hint), "{text}");
    }
}

#[test]
fn texts_around_it_join_its_own() {
    let around = |text: &str| Template::parse(text).unwrap().between("x: ", "\r\n");
    assert_eq!(around("prod").constant(), Some(&b"x: prod\r\n"[..]));
    assert_eq!(around("").constant(), Some(&b"x: \r\n"[..]));
    let head = request("h", "/p");
    assert_eq!(filled(&around("{host}"), head.clone(), &client(None)), "x: h\r\n");
    assert_eq!(filled(&around("a{path}b"), head, &client(None)), "x: a/pb\r\n");
}

#[test]
fn its_text_is_not_printed() {
    let template = Template::parse("hunter2 {host}").unwrap();
    assert!(!format!("{template:?}").contains("hunter2"));
}
