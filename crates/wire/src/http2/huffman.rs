//! The Huffman code of HPACK (RFC 7541 §5.2, appendix B), symbol by symbol. It is canonical: the lengths of the codes are
//! all there is to know. Pure. Called by `follow`.

/// Bits of each symbol's code; the last is the end, which nobody sends.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, //
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, //
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, //
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, //
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, //
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, //
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, //
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, //
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, //
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, //
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
/// The longest.
const BITS_MAX: usize = 30;

/// Codes of one length are consecutive: where they begin, and which symbols they are.
struct Codes {
    /// By length: the first code, how many there are, and where their symbols stand.
    of_length: [(u32, u32, usize); BITS_MAX + 1],
    symbols: [u16; LENGTHS.len()],
}

static CODES: Codes = codes();

const fn codes() -> Codes {
    let mut codes = Codes { of_length: [(0, 0, 0); BITS_MAX + 1], symbols: [0; LENGTHS.len()] };
    let (mut code, mut at, mut bits) = (0_u32, 0, 1);
    while bits <= BITS_MAX {
        code <<= 1;
        codes.of_length[bits] = (code, 0, at);
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == bits {
                codes.symbols[at] = symbol as u16;
                codes.of_length[bits].1 += 1;
                code += 1;
                at += 1;
            }
            symbol += 1;
        }
        bits += 1;
    }
    codes
}

/// A text under way: the bits of a symbol that has begun.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Huffman {
    code: u32,
    bits: u8,
}

impl Huffman {
    /// Decodes what one more byte ends; what is left at a text's end is padding.
    pub(super) fn decode(&mut self, byte: u8, mut symbol: impl FnMut(u8)) {
        for at in (0..8).rev() {
            self.code = self.code << 1 | u32::from(byte >> at & 1);
            self.bits = (self.bits + 1).min(BITS_MAX as u8);
            let (first, count, start) = CODES.of_length[usize::from(self.bits)];
            if let Some(offset) = self.code.checked_sub(first).filter(|offset| *offset < count) {
                // The end stands for no byte, and is malformed where it is sent.
                if let Ok(byte) = u8::try_from(CODES.symbols[start + offset as usize]) {
                    symbol(byte);
                }
                *self = Huffman::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_specification_are_read() {
        for (code, text) in [
            (
                &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff][..],
                "www.example.com",
            ),
            (&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], "no-cache"),
            (&[0xae, 0xc3, 0x77, 0x1a, 0x4b], "private"),
            (
                &[
                    0x9d, 0x29, 0xad, 0x17, 0x18, 0x63, 0xc7, 0x8f, 0x0b, 0x97, 0xc8, 0xe9, 0xae, 0x82, 0xae,
                    0x43, 0xd3,
                ],
                "https://www.example.com",
            ),
        ] {
            let (mut huffman, mut read) = (Huffman::default(), Vec::new());
            code.iter().for_each(|byte| huffman.decode(*byte, |byte| read.push(byte)));
            assert_eq!(str::from_utf8(&read), Ok(text));
        }
        assert_eq!(CODES.symbols.iter().map(|symbol| u32::from(*symbol)).sum::<u32>(), (0..257).sum());
    }
}
