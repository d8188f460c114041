//! Files made to hurt: each is refused with a problem, in about a second of CPU time and a few hundred MiB.
//! One test, as time and memory are measured for the thread and the process it runs in.

mod members;

use std::path::Path;
use std::time::Duration;
use tidegate_config::{Families, from_text};

const FAMILIES: Families<'static> = Families::new(members::POLICIES, members::BALANCERS);
/// The longest a file may be.
const LIMIT: usize = 10 << 20;
/// Refusing takes up to 0.7 s in a release build; an unoptimised one is several times slower.
const CPU_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 5 } else { 1 });
/// The text itself, its tokens, and half a million nodes.
const MEMORY_MIB_MAX: u64 = 512;

struct Case {
    name: &'static str,
    text: String,
    /// Part of what is said.
    said: &'static str,
}

fn case(name: &'static str, text: String, said: &'static str) -> Case {
    Case { name, text, said }
}

/// `piece` as often as it fits.
fn filled(piece: &str) -> String {
    piece.repeat(LIMIT / piece.len())
}

fn numbered(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

fn cases() -> Vec<Case> {
    let deep = |open: &str, close: &str| format!("a: {}1{}", open.repeat(10_000), close.repeat(10_000));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
        + &numbered(20, |i| format!("b{i}: &b{i} [{}]\n", ["*a"; 9].join(",")));
    let half = NODES - 2;
    let services = numbered(10_000, |i| format!("  s{i:05}: \"10.0.0.1:1\"\n"));
    let routes = numbered(10_000, |i| format!("  - {{ match: /{i}, to: t{i:05} }}\n"));
    let names =
        format!("version: 1\nlisten: {{ a: \"127.0.0.1:0\" }}\nservices:\n{services}routes:\n{routes}");
    vec![
        case("lists 10,000 deep", deep("[", "]"), "nested deeper than 64 levels"),
        case("maps 10,000 deep", deep("{a: ", "}"), "nested deeper than 64 levels"),
        case("dashes 10,000 deep", format!("{}x", "- ".repeat(10_000)), "nested deeper than 64 levels"),
        case(
            "lines 4,000 deep",
            numbered(4000, |i| format!("{}a:\n", " ".repeat(i))),
            "nested deeper than 64 levels",
        ),
        case("alias bomb", bomb, "an alias (`*name`) has no use here"),
        case("one word", filled("a"), "expected a map"),
        case("too long by a byte", filled("a") + "a", "is larger than 10 MiB"),
        case("quote that does not end", format!("\"{}", "a".repeat(LIMIT - 1)), "does not end"),
        case("items in brackets", format!("[{}", "é,".repeat(LIMIT / 4)), "more than 500,000"),
        case("as many items in brackets as may be", format!("[{}a]", "é,".repeat(half)), "expected a map"),
        case("different keys", numbered(LIMIT / 11, |i| format!("{i:07}: b\n")), "more than 500,000"),
        case("unknown keys", numbered(NODES / 2 - 1, |i| format!("k{i:07}: b\n")), "and 249901 more"),
        case(
            "variables in one text",
            format!("a: \"{}\"", "${TIDEGATE_TEST_NOT_SET:-b}".repeat(300_000)),
            "unknown key `a`",
        ),
        case(
            "variables that are not set",
            format!("a:\n{}", "- ${TIDEGATE_TEST_NOT_SET}\n".repeat(300_000)),
            "and 299903 more",
        ),
        case("wrong names among many", names, "and 9900 more"),
    ]
}

/// As in the reader: the most keys and values of a file.
const NODES: usize = 500_000;

#[test]
fn hostile_files_are_refused_soon_and_in_bounded_memory() {
    for Case { name, text, said } in cases() {
        let before = cpu_time();
        let problems =
            from_text("tidegate.yaml", &text, Path::new("."), &FAMILIES).expect_err(name).to_string();
        let spent = cpu_time() - before;
        assert!(problems.contains(said), "{name}: {}", problems.chars().take(300).collect::<String>());
        assert!(problems.len() < 100 * 1000, "{name}: {} bytes of problems", problems.len());
        assert!(spent < CPU_MAX, "{name}: refused after {spent:?} of CPU time");
    }
    let peak = peak_mib();
    assert!(peak < MEMORY_MIB_MAX, "{peak} MiB at the most");

    let seed = std::env::var("TIDEGATE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_124);
    println!("TIDEGATE_SEED={seed}");
    let mut random = Random(seed);
    for _ in 0..20_000 {
        let text = random.text();
        let before = cpu_time();
        let result = from_text("tidegate.yaml", &text, Path::new("."), &FAMILIES);
        assert!(result.is_err(), "accepted {text:?}");
        assert!(cpu_time() - before < CPU_MAX, "took long: {text:?}");
    }
}

/// xorshift64: any seed but 0.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    /// Bytes, or the pieces YAML is made of, or the start of a good file with such pieces in it.
    fn text(&mut self) -> String {
        const PIECES: [&str; 36] = [
            "\n", " ", "  ", "\t", ": ", ":", "- ", "-", "? ", "{", "}", "[", "]", ",", "#", " #", "&a ",
            "*a", "!t ", "!<", "|", ">", "|2-\n", "'", "\"", "\\", "%", "---\n", "...\n", "\r", "\u{feff}",
            "é", "\0", "${", "\u{2028}", "a",
        ];
        const GOOD: &str =
            "version: 1\nlisten: { a: \"127.0.0.1:0\" }\nroutes:\n  - match: /a\n    to: { respond: 200 }\n";
        let count = self.below(60);
        match self.below(3) {
            0 => String::from_utf8_lossy(&(0..count).map(|_| self.below(256) as u8).collect::<Vec<_>>())
                .into_owned(),
            1 => (0..count).map(|_| PIECES[self.below(PIECES.len())]).collect(),
            _ => {
                let mut text = GOOD[..self.below(GOOD.len())].to_owned();
                text.extend((0..=count).map(|_| PIECES[self.below(PIECES.len())]));
                // Ends in what no file may have, so that it is never a good one by chance.
                text + "\n\u{1}: [\n"
            }
        }
    }
}

/// What this thread has used of a processor: other work on the machine does not count.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// The most memory this process has held.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
