//! Numbers as people read them: times, counts, the clock of the demo. Pure text, used by view and summary.

use std::time::Duration;

/// `0.8 ms`, `43 ms`, `1.2 s`: two digits say enough.
pub(super) fn time(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1e3;
    match ms {
        ..9.95 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1e3),
    }
}

/// A duration as `time` writes it, or a dash where there is none.
pub(super) fn time_or_dash(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "-".into(), time)
}

/// `12,345`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 request`, `2 requests`.
pub(super) fn of(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Minutes and seconds: `0:07`, `12:30`.
pub(super) fn clock(elapsed: Duration) -> String {
    format!("{}:{:02}", elapsed.as_secs() / 60, elapsed.as_secs() % 60)
}

/// Values as a row of blocks of eight heights, the highest value the tallest. One block each; zero is blank.
pub(super) fn sparkline(values: impl Iterator<Item = u64> + Clone) -> String {
    chart(values, 1).concat()
}

/// Values as a row of columns over so many lines, the uppermost line first.
pub(super) fn chart(values: impl Iterator<Item = u64> + Clone, lines: usize) -> Vec<String> {
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = u128::from(values.clone().max().unwrap_or(0).max(1));
    let height = |value: u64| (u128::from(value) * 8 * lines as u128).div_ceil(highest) as usize;
    let line = |below: usize| {
        values.clone().map(|value| BLOCKS[height(value).saturating_sub(8 * below).min(8)]).collect()
    };
    (0..lines).rev().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let of_micros = |micros| time(Duration::from_micros(micros));
        let said = [0, 49, 1_234, 9_949, 9_951, 43_400, 999_400, 999_600, 61_000_000].map(of_micros);
        assert_eq!(
            said,
            ["0.0 ms", "0.0 ms", "1.2 ms", "9.9 ms", "10 ms", "43 ms", "999 ms", "1.0 s", "61.0 s"]
        );
        assert_eq!([0, 7, 999, 1000, 1_234_567].map(count), ["0", "7", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1, 2].map(|n| of(n, "request")), ["0 requests", "1 request", "2 requests"]);
        assert_eq!([0, 7, 60, 754].map(|s| clock(Duration::from_secs(s))), ["0:00", "0:07", "1:00", "12:34"]);
    }

    #[test]
    fn sparklines_scale_to_their_highest_value() {
        let check = |values: &[u64], expected: &str| assert_eq!(sparkline(values.iter().copied()), expected);
        check(&[], "");
        check(&[0, 0], "  ");
        check(&[0, 1, 8, 4], " ▁█▄");
        check(&[1, 1000], "▁█");
        check(&[u64::MAX, 0, u64::MAX / 2], "█ ▄");
    }
}
