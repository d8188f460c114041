//! The words of values: times, sizes, shares, rates, names, addresses to bind, paths. Each is read from one
//! scalar, shows itself so that it is read back the same, and explains what is wrong.

use crate::node::{Node, Value};
use crate::problem::{Problem, Problems};
use crate::settings::{Fault, Setting, Shape, Word, expected};
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// A year for durations is 365 days.
const YEAR: u64 = 365 * DAY;

/// Units of time in milliseconds, greatest first.
const TIMES: [(&str, u64); 6] =
    [("y", YEAR * 1000), ("d", DAY * 1000), ("h", HOUR * 1000), ("m", MINUTE * 1000), ("s", 1000), ("ms", 1)];
/// Units of size in bytes, greatest first.
const SIZES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
/// 100 years: deadlines are sums of durations and must not overflow.
const TIME_MS_MAX: u64 = 100 * YEAR * 1000;

/// Splits `250ms` into its digits and what follows; more digits than fit are the most there is. `None`
/// without digits.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    match number {
        "" => None,
        number => Some((number.parse().unwrap_or(u64::MAX), unit)),
    }
}

/// `number` times the unit of that name, if there is one; the most there is when that overflows.
fn scaled(units: &[(&str, u64)], number: u64, unit: &str) -> Option<u64> {
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    Some(number.saturating_mul(*factor))
}

/// The shortest exact spelling.
fn shown(units: &[(&str, u64)], amount: u64) -> String {
    let (name, factor) =
        units.iter().find(|(_, factor)| amount >= *factor && amount.is_multiple_of(*factor)).unwrap_or(
            // Zero is no multiple of anything: it has the smallest unit.
            &units[units.len() - 1],
        );
    format!("{}{name}", amount / factor)
}

/// Times are whole numbers of milliseconds or more, at least 1 ms, at most 100 years.
impl Word for Duration {
    const WHAT: &str = "a time such as `250ms`, `10s` or `5m`";
    const PATTERN: &str = "^[0-9]+(ms|s|m|h|d|y)$";

    fn parse(text: &str) -> Result<Duration, Fault> {
        const HINT: &str = "write a whole number and a unit: `250ms`, `10s`, `5m`, `1h`, `30d`, `1y`";
        match number_and_unit(text).map(|(number, unit)| (unit, scaled(&TIMES, number, unit))) {
            Some((_, Some(0))) => Err(Fault::new("is no time at all").hint("the least is `1ms`")),
            Some((_, Some(ms))) if ms <= TIME_MS_MAX => Ok(Duration::from_millis(ms)),
            Some((_, Some(_))) => Err(Fault::new("is too long").hint("the most is `100y`")),
            Some(("", None)) => Err(Fault::new("has no unit").hint(HINT)),
            _ => Err(Fault::new("is not a time").hint(HINT)),
        }
    }

    fn show(&self) -> String {
        shown(&TIMES, u64::try_from(self.as_millis()).unwrap_or(u64::MAX))
    }

    fn stand_in() -> Duration {
        Duration::from_secs(1)
    }
}

/// A number of bytes between two bounds, both allowed. Without others they are 0 and 1 EiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes<const MIN: u64 = 0, const MAX: u64 = { 1 << 60 }>(u64);

impl<const MIN: u64, const MAX: u64> Bytes<MIN, MAX> {
    /// A size known to the program. Panics outside the bounds: for constants in declarations.
    pub const fn new(bytes: u64) -> Self {
        assert!(bytes >= MIN && bytes <= MAX);
        Bytes(bytes)
    }

    /// How many.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// How many, where memory is meant.
    pub fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<const MIN: u64, const MAX: u64> Word for Bytes<MIN, MAX> {
    const WHAT: &str = "a size such as `8KiB` or `10MiB`";
    const PATTERN: &str = "^[0-9]+(B|KiB|MiB|GiB|TiB)?$";

    fn parse(text: &str) -> Result<Self, Fault> {
        let bytes = size(text)?;
        match (bytes < MIN, bytes > MAX) {
            (true, _) => {
                Err(Fault::new("is too small").hint(format!("the least is `{}`", shown(&SIZES, MIN))))
            }
            (_, true) => {
                Err(Fault::new("is too large").hint(format!("the most is `{}`", shown(&SIZES, MAX))))
            }
            _ => Ok(Bytes(bytes)),
        }
    }

    fn show(&self) -> String {
        shown(&SIZES, self.0)
    }

    fn stand_in() -> Self {
        Bytes(MIN)
    }
}

/// Bytes from `8KiB` or plain `8192`; the most there is when that overflows.
fn size(text: &str) -> Result<u64, Fault> {
    let bytes = number_and_unit(text).and_then(|(number, unit)| match unit {
        "" => Some(number),
        unit => scaled(&SIZES, number, unit),
    });
    bytes.ok_or_else(|| {
        Fault::new("is not a size")
            .hint("write a number of bytes or one with a unit: `512B`, `8KiB`, `10MiB`, `1GiB`")
    })
}

/// A whole number between two bounds, both allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count<const MIN: u32 = 0, const MAX: u32 = { u32::MAX }>(u32);

impl<const MIN: u32, const MAX: u32> Count<MIN, MAX> {
    /// A number known to the program. Panics outside the bounds: for constants in declarations.
    pub const fn new(count: u32) -> Self {
        assert!(count >= MIN && count <= MAX);
        Count(count)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> Word for Count<MIN, MAX> {
    const WHAT: &str = "a whole number";
    const PATTERN: &str = "^[0-9]+$";

    fn parse(text: &str) -> Result<Self, Fault> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Fault::new("is not a whole number"));
        }
        // Digits alone: the only error left is overflow.
        let count = text.parse().unwrap_or(u64::MAX);
        match u32::try_from(count).ok().filter(|count| (MIN..=MAX).contains(count)) {
            Some(count) => Ok(Count(count)),
            None => Err(Fault::new("is out of range").hint(format!("from {MIN} to {MAX}"))),
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }

    fn stand_in() -> Self {
        Count(MIN)
    }

    fn shape() -> Shape {
        Shape::Integer { min: u64::from(MIN), max: u64::from(MAX) }
    }
}

/// A part of a whole, from 0 % to 100 %, kept in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// 1,000,000 is all of it.
    pub millionths: u32,
}

impl Word for Share {
    const WHAT: &str = "a share such as `20%` or `99.9%`";
    const PATTERN: &str = "^[0-9]+(\\.[0-9]{1,4})?%$";

    fn parse(text: &str) -> Result<Share, Fault> {
        let fault = || Fault::new("is not a share").hint("write a percentage: `20%`, `99.9%`");
        let number = text.strip_suffix('%').ok_or_else(fault)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let is_written = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        // Four places after the point are what millionths can hold.
        if !is_written(whole) || !is_written(part) || part.len() > 4 {
            return Err(fault());
        }
        let whole: u64 = whole.parse().map_err(|_| fault())?;
        let part = format!("{part:0<4}").parse::<u64>().map_err(|_| fault())?;
        match whole.saturating_mul(10_000).saturating_add(part) {
            millionths @ 0..=1_000_000 => Ok(Share { millionths: millionths as u32 }),
            _ => Err(Fault::new("is more than the whole").hint("the most is `100%`")),
        }
    }

    fn show(&self) -> String {
        let part = format!("{:04}", self.millionths % 10_000);
        match part.trim_end_matches('0') {
            "" => format!("{}%", self.millionths / 10_000),
            part => format!("{}.{part}%", self.millionths / 10_000),
        }
    }

    fn stand_in() -> Share {
        Share { millionths: 0 }
    }
}

/// So many events in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Events; at least 1.
    pub count: u64,
    /// The stretch.
    pub per: Period,
}

/// The stretches a rate may be counted over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// `s`.
    Second,
    /// `min`.
    Minute,
    /// `h`.
    Hour,
    /// `day`: of the calendar, in UTC.
    Day,
    /// `month`: of the calendar, in UTC.
    Month,
}

const PERIODS: [(&str, Period); 5] = [
    ("s", Period::Second),
    ("min", Period::Minute),
    ("h", Period::Hour),
    ("day", Period::Day),
    ("month", Period::Month),
];
/// Suffixes of large counts, greatest first; decimal, as they count events.
const COUNTS: [(&str, u64); 4] = [("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000), ("", 1)];

impl Word for Rate {
    const WHAT: &str = "a rate such as `100/s`, `100/min` or `1M/month`";
    const PATTERN: &str = "^[0-9]+[kMG]?/(s|min|h|day|month)$";

    fn parse(text: &str) -> Result<Rate, Fault> {
        let fault = || {
            Fault::new("is not a rate").hint("write a number and a period: `100/s`, `100/min`, `1M/month`")
        };
        let (count, per) = text.split_once('/').ok_or_else(fault)?;
        let (number, suffix) = number_and_unit(count).ok_or_else(fault)?;
        let count = scaled(&COUNTS, number, suffix).ok_or_else(fault)?;
        let (_, per) = PERIODS.iter().find(|(name, _)| *name == per).ok_or_else(fault)?;
        match count {
            0 => Err(Fault::new("lets nothing through").hint("the least is 1")),
            count => Ok(Rate { count, per: *per }),
        }
    }

    fn show(&self) -> String {
        let per = PERIODS.iter().find(|(_, per)| *per == self.per).map_or("s", |(name, _)| name);
        format!("{}/{per}", shown(&COUNTS, self.count))
    }

    fn stand_in() -> Rate {
        Rate { count: 1, per: Period::Second }
    }
}

/// Bytes per second; at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRate {
    /// So many.
    pub bytes_per_second: u64,
}

impl Word for ByteRate {
    const WHAT: &str = "a rate of bytes such as `1000B/s` or `50MiB/s`";
    const PATTERN: &str = "^[0-9]+(B|KiB|MiB|GiB|TiB)/s$";

    fn parse(text: &str) -> Result<ByteRate, Fault> {
        let fault = || {
            Fault::new("is not a rate of bytes").hint("write a size for each second: `1000B/s`, `50MiB/s`")
        };
        let (number, unit) = text.strip_suffix("/s").and_then(number_and_unit).ok_or_else(fault)?;
        match scaled(&SIZES, number, unit).ok_or_else(fault)? {
            0 => Err(Fault::new("is no rate at all").hint("the least is `1B/s`")),
            bytes_per_second => Ok(ByteRate { bytes_per_second }),
        }
    }

    fn show(&self) -> String {
        // Decimal thousands read better in bytes than as a fraction of a KiB: `1000B/s` is its own spelling.
        format!("{}/s", shown(&SIZES, self.bytes_per_second))
    }

    fn stand_in() -> ByteRate {
        ByteRate { bytes_per_second: 1 }
    }
}

/// The name of a listener, service or route: `[a-z][a-z0-9-]{0,62}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(Arc<str>);

impl Label {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, shared.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl Display for Label {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Word for Label {
    const WHAT: &str = "a name";
    const PATTERN: &str = "^[a-z][a-z0-9-]{0,62}$";

    fn parse(text: &str) -> Result<Label, Fault> {
        let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_name = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.len() <= 63
            && text.bytes().all(is_part);
        match is_name {
            true => Ok(Label(text.into())),
            false => Err(Fault::new("is not a name")
                .hint("a small letter, then small letters, digits and `-`, 63 characters at most")),
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }

    fn stand_in() -> Label {
        Label("none".into())
    }
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bind {
    /// An IP address and a port; port 0 is any free one.
    Inet(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Display for Bind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Bind::Inet(address) => address.fmt(f),
            Bind::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Setting for Bind {
    fn read(node: &Node, problems: &mut Problems) -> Bind {
        let Some(text) = word(node, "an address such as `127.0.0.1:8080`", problems) else {
            return Bind::stand_in();
        };
        let read = match text.strip_prefix("unix:") {
            Some(path) => unix_path(node, path).map(Bind::Unix),
            None => inet(text, Use::Listen).map(Bind::Inet),
        };
        read.unwrap_or_else(|fault| {
            problems.push(fault.problem(node));
            Bind::stand_in()
        })
    }

    fn stand_in() -> Bind {
        Bind::Inet(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn shape() -> Shape {
        Shape::Word {
            what: "an address such as `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/gate.sock`",
            pattern: "",
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To listen on.
    Listen,
    /// To connect to.
    Connect,
}

/// An IP address with a port.
pub fn inet(text: &str, usage: Use) -> Result<SocketAddr, Fault> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    let example = Fault::new("is not an address")
        .hint("write an IP address and a port: `127.0.0.1:8080`, `[::1]:8080`");
    let bare = text.strip_prefix(':').or(text.strip_prefix("*:")).unwrap_or(text);
    if let Ok(port) = bare.parse::<u16>() {
        let hint = match usage {
            Use::Listen => {
                format!("write `127.0.0.1:{port}` for this machine alone, `0.0.0.0:{port}` for every address")
            }
            Use::Connect => format!("write `127.0.0.1:{port}` for this machine"),
        };
        return Err(Fault::new("has no address").hint(hint));
    }
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match inside.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) if inside == text => {
            return Err(Fault::new("has no brackets")
                .hint("write an IPv6 address in brackets and a port after them: `[::1]:8080`"));
        }
        Ok(ip) => {
            let hint = format!("write a port after it: `{}`", SocketAddr::from((ip, 8080)));
            return Err(Fault::new("has no port").hint(hint));
        }
        Err(_) => {}
    }
    let Some((host, port)) = text.rsplit_once(':') else { return Err(example) };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match host.parse::<IpAddr>() {
        Err(_) => Err(example),
        Ok(_) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            Err(Fault::new("has a port above 65535"))
        }
        Ok(_) => Err(Fault::new("has a port that is not a number")),
    }
}

/// The path of a Unix socket, from the file's folder on.
pub fn unix_path(node: &Node, path: &str) -> Result<PathBuf, Fault> {
    // sockaddr_un holds 108 bytes with the final zero (unix(7)).
    const BYTES_MAX: usize = 107;
    let path = node.place.source.folder.join(path.strip_prefix("//").unwrap_or(path));
    match path.as_os_str().len() {
        _ if path.as_os_str().as_encoded_bytes().contains(&0) => Err(Fault::new("holds a zero byte")),
        _ if path == node.place.source.folder => {
            Err(Fault::new("has no path").hint("write `unix:/run/gate.sock`"))
        }
        0..=BYTES_MAX => Ok(path),
        _ => Err(Fault::new("is too long for a socket").hint("107 bytes at most, with the folder it is in")),
    }
}

/// A path in the file system. A relative one starts at the folder of the file it is written in.
impl Setting for PathBuf {
    fn read(node: &Node, problems: &mut Problems) -> PathBuf {
        match word(node, "a path", problems) {
            Some("") => problems.push(Problem::at(&node.place, "the path is empty")),
            Some(text) if text.contains('\0') => problems.push(Fault::new("holds a zero byte").problem(node)),
            Some(text) => return node.place.source.folder.join(text),
            None => {}
        }
        PathBuf::new()
    }

    fn stand_in() -> PathBuf {
        PathBuf::new()
    }

    fn shape() -> Shape {
        Shape::Word { what: "a path", pattern: "" }
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

/// The text of a scalar; tells it if the node is something else.
fn word<'a>(node: &'a Node, what: &str, problems: &mut Problems) -> Option<&'a str> {
    match &node.value {
        Value::Scalar(scalar) => return Some(&scalar.text),
        Value::Refused => {}
        _ => problems.push(expected(what, node)),
    }
    None
}
