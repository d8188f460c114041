//! HTTP/1.1, sans-I/O: bytes in, heads and body pieces out, and the other way round.
