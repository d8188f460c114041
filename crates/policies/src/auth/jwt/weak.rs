//! RSA keys whose private half can be computed from the public one, as a maker of chips made them for years (ROCA,
//! CVE-2017-15361; Nemec et al., "The Return of Coppersmith's Attack", CCS 2017). Both primes of such a key are powers
//! of 65537 modulo many small primes at once, and so is their product; another modulus is so once in 2^27. Pure.

/// Small primes modulo which 65537 has few powers, and so tells most.
const TELLING: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/// Whether a modulus is such a product.
pub(super) fn is_roca(modulus: &[u8]) -> bool {
    TELLING.iter().all(|&prime| is_power(remainder(modulus, prime), prime))
}

/// Of a number that is written with its highest byte first.
fn remainder(number: &[u8], divisor: u32) -> u32 {
    number.iter().fold(0, |rest, &byte| (rest << 8 | u32::from(byte)) % divisor)
}

/// Whether a number is 65537 to some power, modulo a prime.
fn is_power(number: u32, prime: u32) -> bool {
    let mut power = 1;
    (0..prime).any(|_| {
        let is_it = power == number;
        power = power * (65_537 % prime) % prime;
        is_it
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 65537 to some power, highest byte first.
    fn power(exponent: u32) -> Vec<u8> {
        let mut digits = vec![1_u8];
        for _ in 0..exponent {
            // One times 65537 is itself and itself two bytes higher.
            let mut sum = [&digits[..], &[0, 0]].concat();
            let mut carry = 0;
            for at in (0..sum.len()).rev() {
                let lower = at.checked_sub(2).map_or(0, |low| u16::from(digits[low]));
                let total = u16::from(sum[at]) + lower + carry;
                sum[at] = total as u8;
                carry = total >> 8;
            }
            digits = if carry > 0 { [&[carry as u8], &sum[..]].concat() } else { sum };
        }
        digits
    }

    #[test]
    fn what_is_a_power_everywhere_is_told_from_what_is_not() {
        assert_eq!(power(2), 4_295_098_369_u64.to_be_bytes()[3..].to_vec(), "65537 squared");
        let weak = power(128);
        assert!(weak.len() >= 256 && is_roca(&weak), "of 2048 bits, and a power");
        for at in 0..weak.len() {
            let mut other = weak.clone();
            other[at] ^= 4;
            assert!(!is_roca(&other), "byte {at}");
        }
    }
}
