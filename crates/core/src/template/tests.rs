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
    Client { address, listener: "http".into(), is_secure: false, trusted: None, door: None }
}

/// Both ways of writing must say the same.
fn filled(template: &Template, mut request: RequestHead, client: &Client) -> String {
    let origin = Origin { client, request_id: b"7f", identity: None };
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
    let listed = "`{nothing}` is none of `{client_ip}`, `{consumer}`, `{host}`, `{path}`, `{request_id}`";
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

fn names(pattern: &str) -> PathNames {
    crate::router::PathPattern::parse(pattern).unwrap().path_names()
}

#[test]
fn a_path_ends_no_string_and_begins_no_markup_in_a_body() {
    for (path, body) in
        [("/a%20b/%C3%A9", "/a%20b/%C3%A9"), ("/q'x\"<b>&`", "/q%27x%22%3Cb%3E%26%60"), ("/a,b;c", "/a,b;c")]
    {
        let template = Template::parse_as("<{path}>", Form::Body, &names("/**")).unwrap();
        assert_eq!(filled(&template, request("h", path), &client(None)), format!("<{body}>"));
    }
}

#[test]
fn names_of_the_path_are_decoded_as_the_text_allows() {
    let names = names("/{x}/**");
    let check = |x: &str, field: &str, body: &str, path: &str, query: &str| {
        let request = request("h", &format!("/{x}/r/{x}"));
        for (form, expected) in
            [(Form::Field, field), (Form::Body, body), (Form::Path, path), (Form::Query, query)]
        {
            let template = Template::parse_as("<{x}|{rest}>", form, &names).unwrap();
            let filled = filled(&template, request.clone(), &client(None));
            assert_eq!(filled, format!("<{expected}|r/{expected}>"), "{x} as {form:?}");
            assert_eq!(template.text(), "<{x}|{rest}>");
        }
    };
    check("7", "7", "7", "7", "7");
    check("a%20b", "a b", "a b", "a%20b", "a%20b");
    check("%C3%A9", "é", "é", "%C3%A9", "%C3%A9");
    check("%0D%0A%09", "%0D%0A%09", "%0D%0A%09", "%0D%0A%09", "%0D%0A%09");
    check("%22\"", "\"\"", "%22%22", "%22\"", "%22%22");
    check("%3C<&'`", "<<&'`", "%3C%3C%26%27%60", "%3C<&'`", "%3C%3C%26%27%60");
    check("a=b&c+d", "a=b&c+d", "a=b%26c+d", "a=b&c+d", "a%3Db%26c%2Bd");
    check("%25%2541", "%%41", "%%41", "%25%2541", "%25%2541");
    check("%3F%23;", "?#;", "?#;", "%3F%23;", "%3F%23%3B");
}

#[test]
fn a_name_that_means_two_things_or_none_is_refused() {
    let refused = |text: &str, pattern: &str| {
        let fault = Template::parse_as(text, Form::Body, &names(pattern)).unwrap_err();
        format!("{}; {}", fault.reason, fault.hint.unwrap_or_default())
    };
    let two = |word: &str| {
        format!(
            "mentions `{{{word}}}`, which means two things here; call that part of the route's path by another name"
        )
    };
    assert_eq!(refused("{host}", "/{host}"), two("host"));
    assert_eq!(refused("{rest}", "/{rest}/**"), two("rest"));
    assert_eq!(refused("{consumer}", "/{consumer}"), two("consumer"));
    assert!(refused("{rest}", "/a").ends_with("this route's path has none"));
    assert!(refused("{idd}", "/{id}").ends_with("did you mean `{id}`?"));
    for (text, pattern) in [("{path}", "/{host}/**"), ("{rest}", "/{rest}"), ("{x}{y}", "/{x}/{y}")] {
        assert!(Template::parse_as(text, Form::Body, &names(pattern)).is_ok(), "{text} {pattern}");
    }
    // Of a path that could not be read nobody knows the names.
    let unknown = |text: &str| Template::parse_as(text, Form::Body, &PathNames::unknown()).is_ok();
    assert!(unknown("{anything}{rest}{host}") && !unknown("{hots}"));
}
