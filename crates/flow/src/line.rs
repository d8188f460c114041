//! A line of the access log: one request as a JSON object with the same fields in the same order for every request,
//! and `null` where nothing is known. Called by `record` and, for what never became a request, by `rescue`. Query
//! and header values stay out of it: they carry secrets.

use std::net::SocketAddr;
use tidegate_core::clock::Nanos;
use tidegate_core::date;
use tidegate_core::exchange::Client;
use tidegate_core::outcome::Outcome;

use crate::json;
use crate::text::Text;

/// What is kept of a path. Longer ones are an attack or a mistake, and either is plain from 2 KiB.
const PATH_BYTES_MAX: usize = 2 << 10;
/// What is kept of a user agent: browsers send up to about 200 bytes.
const USER_AGENT_BYTES_MAX: usize = 256;
/// What is kept of any other text. The codec bounds what clients send of them to this, or less; names come from the
/// configuration.
const TEXT_BYTES_MAX: usize = 256;

/// A request that is over.
pub(crate) struct Line<'a> {
    /// When its head had come.
    pub head_at: Nanos,
    pub request_id: &'a [u8],
    pub client: &'a Client,
    pub route: &'a str,
    pub service: &'a str,
    pub backend: Option<&'a str>,
    /// What it asked for; `None` for what was refused before it was a request.
    pub asked: Option<Asked<'a>>,
    pub consumer: Option<&'a str>,
    pub status: u16,
    pub outcome: Outcome,
    /// Why a policy answered by itself.
    pub reason: Option<&'static str>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub retries: u32,
    pub times: Times,
    /// Which try was answered, from 1.
    pub attempt: Option<u32>,
}

/// What a request asked for.
pub(crate) struct Asked<'a> {
    pub method: &'a [u8],
    pub host: &'a [u8],
    pub path: &'a [u8],
    pub query_bytes: u64,
    pub protocol: &'static str,
    pub user_agent: Option<&'a [u8]>,
}

/// Nanoseconds from the head until something had happened, if it did.
#[derive(Clone, Copy, Default)]
pub(crate) struct Times {
    pub duration: Option<u64>,
    pub queued: Option<u64>,
    pub connected: Option<u64>,
    pub first_byte: Option<u64>,
}

impl Line<'_> {
    /// Appends it, line feed included.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        // The braces and the names are in pieces with what is always the same around them: a line is a few copies.
        out.extend_from_slice(br#"{"time":""#);
        out.extend_from_slice(&date::stamp(self.head_at));
        out.extend_from_slice(br#"","request_id":""#);
        out.extend_from_slice(self.request_id);
        out.extend_from_slice(br#"","trace_id":null,"listener":"#);
        json::text(out, Some(self.client.listener.as_bytes()), TEXT_BYTES_MAX);
        out.extend_from_slice(br#","route":"#);
        json::text(out, Some(self.route.as_bytes()), TEXT_BYTES_MAX);
        out.extend_from_slice(br#","service":"#);
        json::text(out, Some(self.service.as_bytes()), TEXT_BYTES_MAX);
        out.extend_from_slice(br#","backend":"#);
        json::text(out, self.backend.map(str::as_bytes), TEXT_BYTES_MAX);
        out.extend_from_slice(br#","consumer":"#);
        json::text(out, self.consumer.map(str::as_bytes), TEXT_BYTES_MAX);
        out.extend_from_slice(br#","client_ip":"#);
        client_ip(out, self.client.address);
        self.write_asked(out);
        out.extend_from_slice(br#","status":"#);
        json::number(out, u64::from(self.status));
        out.extend_from_slice(br#","outcome":""#);
        out.extend_from_slice(self.outcome.code().as_bytes());
        out.extend_from_slice(br#"","bytes_in":"#);
        json::number(out, self.bytes_in);
        out.extend_from_slice(br#","bytes_out":"#);
        json::number(out, self.bytes_out);
        out.extend_from_slice(br#","cache":null,"retries":"#);
        json::number(out, u64::from(self.retries));
        self.write_times(out);
        let user_agent = self.asked.as_ref().and_then(|asked| asked.user_agent);
        out.extend_from_slice(br#","user_agent":"#);
        json::text(out, user_agent, USER_AGENT_BYTES_MAX);
        out.extend_from_slice(br#","reason":"#);
        json::text(out, self.reason.map(str::as_bytes), TEXT_BYTES_MAX);
        out.extend_from_slice(b"}\n");
    }

    fn write_asked(&self, out: &mut Vec<u8>) {
        let Some(asked) = &self.asked else {
            let unknown = br#","method":null,"host":null,"path":null,"query_bytes":null,"protocol":null"#;
            return out.extend_from_slice(unknown);
        };
        out.extend_from_slice(br#","method":"#);
        json::text(out, Some(asked.method), TEXT_BYTES_MAX);
        out.extend_from_slice(br#","host":"#);
        json::text(out, Some(asked.host).filter(|host| !host.is_empty()), TEXT_BYTES_MAX);
        out.extend_from_slice(br#","path":"#);
        json::text(out, Some(asked.path), PATH_BYTES_MAX);
        out.extend_from_slice(br#","query_bytes":"#);
        json::number(out, asked.query_bytes);
        out.extend_from_slice(br#","protocol":""#);
        out.extend_from_slice(asked.protocol.as_bytes());
        out.push(b'"');
    }

    fn write_times(&self, out: &mut Vec<u8>) {
        let Times { duration, queued, connected, first_byte } = self.times;
        out.extend_from_slice(br#","duration":"#);
        json::seconds(out, duration);
        out.extend_from_slice(br#","queued":"#);
        json::seconds(out, queued);
        out.extend_from_slice(br#","connected":"#);
        json::seconds(out, connected);
        out.extend_from_slice(br#","first_byte":"#);
        json::seconds(out, first_byte);
        out.extend_from_slice(br#","attempt":"#);
        match self.attempt {
            Some(attempt) => json::number(out, u64::from(attempt)),
            None => out.extend_from_slice(b"null"),
        }
    }
}

fn client_ip(out: &mut Vec<u8>, address: Option<SocketAddr>) {
    let Some(address) = address else { return out.extend_from_slice(b"null") };
    let mut text = Text::default();
    text.address(address.ip());
    out.push(b'"');
    out.extend_from_slice(text.bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::log::LINE_BYTES_MAX;

    #[test]
    fn the_longest_line_fits_the_ring() {
        let hostile = [b'\x01'; 10_000];
        let name = "\x01".repeat(10_000);
        let client = Client {
            address: Some("[2001:db8:1111:2222:3333:4444:5555:6666]:65535".parse().unwrap()),
            listener: name.as_str().into(),
            is_secure: false,
            trusted: None,
            door: None,
        };
        let mut out = Vec::new();
        let line = Line {
            head_at: Nanos(1),
            request_id: &[b'f'; tidegate_core::limits::REQUEST_ID_BYTES_MAX],
            client: &client,
            route: &name,
            service: &name,
            backend: Some(&name),
            asked: Some(Asked {
                method: &hostile,
                host: &hostile,
                path: &hostile,
                query_bytes: u64::MAX,
                protocol: "HTTP/1.1",
                user_agent: Some(&hostile),
            }),
            consumer: Some(&name),
            status: u16::MAX,
            outcome: Outcome::MethodNotAllowed,
            reason: Some("the_longest_word_of_any_policy"),
            bytes_in: u64::MAX,
            bytes_out: u64::MAX,
            retries: u32::MAX,
            times: Times {
                duration: Some(u64::MAX),
                queued: Some(u64::MAX),
                connected: Some(u64::MAX),
                first_byte: Some(u64::MAX),
            },
            attempt: Some(u32::MAX),
        };
        line.write(&mut out);
        assert!(out.len() <= LINE_BYTES_MAX && out.ends_with(b"}\n"), "{} bytes", out.len());
    }
}
