//! Reads the problem documents (RFC 9457) that the gateway answers failures with.

use crate::connection::shown;
use crate::message::Message;

/// The `code` of a problem document, after checking that the document is whole: its type, its title, the
/// status of the answer, the id of the request.
///
/// # Errors
/// What is wrong, with the answer.
pub fn code(answer: &Message) -> Result<String, String> {
    let wrong = |what: &str| Err(format!("{what} in {}", shown(&answer.bytes())));
    if !answer.value("content-type").starts_with("application/problem+json") {
        return wrong("no problem document");
    }
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(&answer.body) else {
        return wrong("no JSON");
    };
    let text = |key: &str| document.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let status = document.get("status").and_then(serde_json::Value::as_u64);
    let id = answer.value("x-request-id");
    if text("type") != "about:blank" || text("title").is_empty() || text("code").is_empty() {
        return wrong("no type, title or code");
    }
    if status != Some(u64::from(answer.status())) {
        return wrong("another status");
    }
    if id.is_empty() || text("request_id") != id {
        return wrong("another request id");
    }
    Ok(text("code").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Framing;

    fn answer(head: &str, body: &str) -> Message {
        Message {
            head: format!("HTTP/1.1 502 Bad Gateway\r\n{head}\r\n").into(),
            body: body.into(),
            wire_body: body.into(),
            trailers: Vec::new(),
            framing: Framing::None,
        }
    }

    #[test]
    fn only_whole_documents_have_a_code() {
        let head = "content-type: application/problem+json\r\nx-request-id: 7\r\n";
        let body = r#"{"type":"about:blank","title":"T","status":502,"code":"c","request_id":"7"}"#;
        assert_eq!(code(&answer(head, body)).as_deref(), Ok("c"));
        let broken = [
            answer("x-request-id: 7\r\n", body),
            answer(&head.replace("7", "8"), body),
            answer(head, &body.replace("502", "503")),
            answer(head, &body.replace("about:blank", "x")),
            answer(head, &body.replace("title", "titel")),
            answer(head, &body[1..]),
        ];
        assert!(broken.iter().all(|answer| code(answer).is_err()));
    }
}
