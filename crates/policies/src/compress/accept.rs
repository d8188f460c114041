//! Which coding a client likes best, as it says in Accept-Encoding (RFC 9110 §12.5.3). Pure.

use super::config::Algorithm;

/// A weight in thousandths (RFC 9110 §12.4.2).
type Weight = u16;
/// What is liked as much as can be.
const FULL: Weight = 1000;

/// What the values of a request's Accept-Encoding say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Accepted {
    gzip: Option<Weight>,
    brotli: Option<Weight>,
    zstd: Option<Weight>,
    identity: Option<Weight>,
    /// `*`: whatever is not named.
    others: Option<Weight>,
}

impl Accepted {
    /// Reads them. What is not well formed is taken for not said.
    pub(super) fn read<'a>(values: impl Iterator<Item = &'a [u8]>) -> Accepted {
        let mut accepted = Accepted::default();
        for element in values.flat_map(|value| value.split(|&b| b == b',')) {
            let mut parts = element.split(|&b| b == b';').map(<[u8]>::trim_ascii);
            let Some(coding) = parts.next() else { continue };
            let Some(weight) = parts.next().map_or(Some(FULL), weight) else { continue };
            let is = |name: &[u8]| coding.eq_ignore_ascii_case(name);
            let place = match () {
                // The older name of the same (RFC 9110 §8.4.1.3).
                () if is(b"gzip") || is(b"x-gzip") => &mut accepted.gzip,
                () if is(b"br") => &mut accepted.brotli,
                () if is(b"zstd") => &mut accepted.zstd,
                () if is(b"identity") => &mut accepted.identity,
                () if is(b"*") => &mut accepted.others,
                () => continue,
            };
            *place = Some(weight);
        }
        accepted
    }

    /// The best of what there is; `None` if the client would rather have none of it.
    pub(super) fn best(&self, algorithms: &[Algorithm]) -> Option<Algorithm> {
        let mut best = None;
        for &algorithm in algorithms {
            let weight = self.weight(algorithm);
            if best.is_none_or(|(_, most)| weight > most) {
                best = Some((algorithm, weight));
            }
        }
        let (algorithm, weight) = best?;
        // Nothing is said of the weight of what is not named: a coding that is named is meant.
        (weight > 0 && weight >= self.identity.unwrap_or(0)).then_some(algorithm)
    }

    fn weight(&self, algorithm: Algorithm) -> Weight {
        let named = match algorithm {
            Algorithm::Zstd => self.zstd,
            Algorithm::Brotli => self.brotli,
            Algorithm::Gzip => self.gzip,
        };
        named.or(self.others).unwrap_or(0)
    }
}

/// `q=0.5`.
fn weight(parameter: &[u8]) -> Option<Weight> {
    let digits = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, fraction) = digits.split_first()?;
    let fraction = match fraction {
        [] => &b""[..],
        [b'.', fraction @ ..] if fraction.len() <= 3 => fraction,
        _ => return None,
    };
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = fraction.get(place).copied().unwrap_or(b'0');
        thousandths = thousandths * 10 + Weight::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(FULL),
        _ => None,
    }
}
