//! The codec against its cases: hostile and sound heads and bodies, each by its id, in one table per kind.
//! The cases are also the seeds of the fuzz targets (`seeds.rs`).

mod chunks;
mod field_lines;
mod limits;
mod requests;
mod requests_refused;
mod responses;
mod seeds;
mod sweeps;
mod trailers;
mod written;

/// Puts pieces of bytes together.
fn bytes(pieces: &[&[u8]]) -> Vec<u8> {
    pieces.concat()
}

/// A request to `/` of host `a` with more field lines, each with its CRLF but the last.
fn request_with(method: &str, lines: &[u8]) -> Vec<u8> {
    bytes(&[method.as_bytes(), b" / HTTP/1.1\r\nHost: a\r\n", lines, b"\r\n\r\n"])
}

/// A 200 with these field lines.
fn response_with(lines: &[u8]) -> Vec<u8> {
    bytes(&[b"HTTP/1.1 200 OK\r\n", lines, b"\r\n\r\n"])
}
