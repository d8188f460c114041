//! What changes a body while it passes: bytes in, other bytes out. Made by a policy for one answer, driven by the pump
//! of the flow, which bounds what it holds.

/// Changes the body of one answer.
pub trait Filter {
    /// Takes bytes of the body and appends what follows from them; it may keep some back. At most `FILTER_BYTES_MAX`
    /// come at a time.
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>);

    /// Nothing more lies ready: appends what was kept back, so that whoever waits for it gets it.
    fn flush(&mut self, out: &mut Vec<u8>);

    /// The body is over: appends the rest.
    fn finish(&mut self, out: &mut Vec<u8>);
}
