//! Dates for people: the Date field (RFC 9110 §5.6.7), and the moment of a log line (RFC 3339). Their texts are
//! written once a second and thread.

use crate::clock::{self, Nanos};
use crate::units::Period;
use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A date as `Sun, 06 Nov 1994 08:49:37 GMT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpDate([u8; 29]);

impl HttpDate {
    /// The date of a moment, in seconds since 1970.
    pub fn of(seconds: u64) -> HttpDate {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let days = seconds / 86_400;
        let (year, month, day) = civil(days);
        let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
        text[..3].copy_from_slice(DAYS[(days % 7) as usize].as_bytes());
        two_digits(&mut text[5..7], day);
        text[8..11].copy_from_slice(MONTHS[month as usize - 1].as_bytes());
        two_digits(&mut text[12..14], year / 100);
        two_digits(&mut text[14..16], year % 100);
        two_digits(&mut text[17..19], seconds / 3600 % 24);
        two_digits(&mut text[20..22], seconds / 60 % 60);
        two_digits(&mut text[23..25], seconds % 60);
        HttpDate(text)
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Year, month and day from days since 1970: Howard Hinnant, "chrono-compatible low-level date algorithms". His year
/// begins in March, so that the leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + shifted / 146_097 * 400 + u64::from(month < 3);
    (year, month, day)
}

/// Days since 1970 of the first day of a month: the same author's inverse.
fn first_day(year: u64, month: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let month_from_march = (month + 9) % 12;
    let year_of_era = year % 400;
    let day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + (153 * month_from_march + 2) / 5;
    year / 400 * 146_097 + day_of_era - 719_468
}

/// When the period of the calendar, in UTC, is over that a moment is in; both in seconds since 1970.
pub fn period_end(period: Period, seconds: u64) -> u64 {
    let next = |length: u64| (seconds / length + 1) * length;
    match period {
        Period::Second => next(1),
        Period::Minute => next(60),
        Period::Hour => next(3600),
        Period::Day => next(86_400),
        Period::Month => {
            let (year, month, _) = civil(seconds / 86_400);
            let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            first_day(year, month) * 86_400
        }
    }
}

fn two_digits(place: &mut [u8], number: u64) {
    place[0] = b'0' + (number / 10 % 10) as u8;
    place[1] = b'0' + (number % 10) as u8;
}

/// Now, in seconds since 1970: what others have signed, and what is counted by the calendar, ends by the clock of people.
#[allow(clippy::disallowed_methods)] // wall-clock time, not for deadlines
pub fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Now. The text is made anew only when the second changes.
pub fn now() -> HttpDate {
    thread_local! {
        static LAST: Cell<(u64, HttpDate)> = const { Cell::new((0, HttpDate(*b"Thu, 01 Jan 1970 00:00:00 GMT"))) };
    }
    let seconds = seconds();
    let (last, date) = LAST.get();
    if last == seconds {
        return date;
    }
    let date = HttpDate::of(seconds);
    LAST.set((seconds, date));
    date
}

/// A moment as `1994-11-06T08:49:37.000001Z`.
pub type Stamp = [u8; 27];

/// The stamp of microseconds since 1970.
pub fn stamp_of(us: u64) -> Stamp {
    thread_local! {
        static LAST: Cell<(u64, Stamp)> = const { Cell::new((0, *b"1970-01-01T00:00:00.000000Z")) };
    }
    let seconds = us / 1_000_000;
    let (last, mut text) = LAST.get();
    if last != seconds {
        let (year, month, day) = civil(seconds / 86_400);
        two_digits(&mut text[0..2], year / 100);
        two_digits(&mut text[2..4], year);
        two_digits(&mut text[5..7], month);
        two_digits(&mut text[8..10], day);
        two_digits(&mut text[11..13], seconds / 3600 % 24);
        two_digits(&mut text[14..16], seconds / 60 % 60);
        two_digits(&mut text[17..19], seconds % 60);
        LAST.set((seconds, text));
    }
    let fraction = us % 1_000_000;
    two_digits(&mut text[20..22], fraction / 10_000);
    two_digits(&mut text[22..24], fraction / 100);
    two_digits(&mut text[24..26], fraction);
    text
}

/// How far the two clocks are apart is looked at again after so long: the system's date may be set, or drift.
const APART_TIME: Duration = Duration::from_secs(1);

/// The stamp of a moment of `clock`. Within a second two stamps of a thread are as far apart as their moments.
#[allow(clippy::disallowed_methods)] // wall-clock time for people, not for deadlines
pub fn stamp(at: Nanos) -> Stamp {
    thread_local! {
        /// Microseconds from 1970 until the process began, and when that was looked at.
        static BEGAN: Cell<(u64, Nanos)> = const { Cell::new((0, Nanos(0))) };
    }
    let (mut began, looked_at) = BEGAN.get();
    if began == 0 || at.since(looked_at) > APART_TIME {
        let now = clock::exact();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        began = wall.saturating_sub(now.0 / 1000);
        BEGAN.set((began, now));
    }
    stamp_of(began + at.0 / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_have_microseconds_and_the_same_dates() {
        let cases = [
            (0, "1970-01-01T00:00:00.000000Z"),
            (784_111_777_000_001, "1994-11-06T08:49:37.000001Z"),
            (951_782_400_123_456, "2000-02-29T00:00:00.123456Z"),
            (1_709_164_799_999_999, "2024-02-28T23:59:59.999999Z"),
            (4_107_542_400_500_000, "2100-03-01T00:00:00.500000Z"),
        ];
        for (us, expected) in cases {
            assert_eq!(std::str::from_utf8(&stamp_of(us)), Ok(expected));
        }
    }

    #[test]
    fn a_stamp_is_the_systems_time_at_that_moment() {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
        let (now, hour) = (clock::exact(), 3_600_000_000);
        let (low, high) = (stamp_of(wall), stamp_of(wall + hour));
        let stamp = stamp(now);
        assert!(low <= stamp && stamp < high, "{stamp:?}");
    }

    #[test]
    fn dates_are_right_across_leap_years_and_centuries() {
        let cases = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_709_164_799, "Wed, 28 Feb 2024 23:59:59 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(std::str::from_utf8(HttpDate::of(seconds).as_bytes()), Ok(expected));
        }
    }

    #[test]
    fn periods_end_where_the_calendar_says() {
        let cases = [
            (Period::Hour, 784_111_777, "Sun, 06 Nov 1994 09:00:00 GMT"),
            (Period::Day, 784_111_777, "Mon, 07 Nov 1994 00:00:00 GMT"),
            (Period::Month, 784_111_777, "Thu, 01 Dec 1994 00:00:00 GMT"),
            (Period::Month, 0, "Sun, 01 Feb 1970 00:00:00 GMT"),
            (Period::Month, 949_363_199, "Tue, 01 Feb 2000 00:00:00 GMT"),
            (Period::Month, 949_363_200, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (Period::Month, 951_782_400, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (Period::Month, 4_107_542_399, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (Period::Month, 1_735_689_599, "Wed, 01 Jan 2025 00:00:00 GMT"),
            (Period::Day, 1_735_689_600, "Thu, 02 Jan 2025 00:00:00 GMT"),
        ];
        for (period, seconds, end) in cases {
            let found = HttpDate::of(period_end(period, seconds));
            assert_eq!(std::str::from_utf8(found.as_bytes()), Ok(end), "{period:?} {seconds}");
        }
    }
}
