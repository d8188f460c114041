//! The picture of a running demo, a line of text after the other: the story with its time bar, traffic with its
//! last minute, a table of the instances. Pure: from what is known to lines that fit the terminal.

use std::collections::VecDeque;
use std::time::Duration;

use super::story::{Event, Plan, STEPS};
use super::watch::{Clients, MINUTE, Row};
use super::words;

/// Wider terminals are not filled: a line that long is not read.
const COLUMNS_MAX: usize = 130;
/// From this width on there is room for a sparkline behind each instance.
const COLUMNS_WIDE: usize = 100;
/// Where the table's columns end before the sparkline, with a gap. Narrower terminals have a narrower table.
const TABLE_COLUMNS: usize = 67;
/// Below this width the steps of the story have shorter names.
const COLUMNS_USUAL: usize = 80;
/// Lines of the picture beside events, charts and instances.
const LINES_FIXED: usize = 10;
/// Lines of what to try meanwhile, which a low terminal has no room for.
const LINES_MEANWHILE: usize = 3;
/// Events that come before charts grow beyond a line.
const EVENTS_FIRST: usize = 8;
/// Taller charts say no more.
const CHART_LINES_MAX: usize = 8;

/// Whether status is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// Status in green and red.
    Colour,
    /// Text alone.
    Plain,
}

/// A terminal's size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Characters of a line.
    pub(super) columns: usize,
    /// Lines.
    pub(super) lines: usize,
}

/// All that a picture shows.
pub(super) struct Scene<'a> {
    /// Time since the beginning.
    pub(super) elapsed: Duration,
    /// What happens when.
    pub(super) plan: Plan,
    /// What happened lately.
    pub(super) events: &'a VecDeque<Event>,
    /// What clients get.
    pub(super) clients: &'a Clients,
    /// Requests so far with a right answer.
    pub(super) answered: u64,
    /// Requests so far that failed.
    pub(super) failed: u64,
    /// The instances.
    pub(super) rows: &'a [Row],
    /// Where the gateway listens, as a URL.
    pub(super) gateway: &'a str,
    /// Where its admin listener is, as a URL.
    pub(super) admin: &'a str,
    /// How it is ended, such as `q ends`.
    pub(super) way_out: &'a str,
}

/// How the lines of a terminal are shared out. What is asked for depends on its size alone, so nothing jumps.
struct Shares {
    /// Of each of the two charts; at least one.
    chart: usize,
    events: usize,
    has_meanwhile: bool,
}

impl Shares {
    fn of(size: Size, rows: usize) -> Shares {
        let left = |taken: usize| size.lines.saturating_sub(taken);
        // Two events are worth more than what to try.
        let has_meanwhile = left(LINES_FIXED + rows + LINES_MEANWHILE) >= 2;
        let taken = LINES_FIXED + rows + if has_meanwhile { LINES_MEANWHILE } else { 0 };
        let chart = (1 + left(taken + EVENTS_FIRST) / 2).min(CHART_LINES_MAX);
        Shares { chart, events: left(taken + 2 * (chart - 1)), has_meanwhile }
    }
}

/// The picture for a terminal. What does not fit is cut, from the right and from below.
pub(super) fn picture(scene: &Scene<'_>, size: Size, ink: Ink) -> Vec<String> {
    let blank = || Line::new(size, ink);
    let shares = Shares::of(size, scene.rows.len());
    let mut lines = vec![title(scene, blank())];
    lines.extend(bar(scene, blank(), blank()));
    lines.push(blank());
    let older = scene.events.len().saturating_sub(shares.events);
    lines.extend(
        scene
            .events
            .iter()
            .skip(older)
            .map(|event| blank().put(&format!(" {:>5}  {}", words::clock(event.at), event.text))),
    );
    lines.push(blank());
    lines.extend(traffic(scene, shares.chart, &blank));
    lines.push(blank());
    lines.push(head(blank()));
    for (index, row) in scene.rows.iter().enumerate() {
        let is_first = index == 0 || scene.rows[index - 1].service != row.service;
        lines.push(instance(row, if is_first { &row.service } else { "" }, blank()));
    }
    if shares.has_meanwhile {
        lines.push(blank());
        lines.push(blank().put(&format!(" meanwhile   curl {}/catalog/1", scene.gateway)));
        lines.push(blank().put(&format!("             curl {}/metrics", scene.admin)));
    }
    lines.truncate(size.lines);
    lines.into_iter().map(|line| line.text).collect()
}

/// The same second in one line, for where nothing can be redrawn.
pub(super) fn plain(scene: &Scene<'_>) -> String {
    let clients = scene.clients;
    let up = scene.rows.iter().filter(|row| !row.is_down).count();
    format!(
        "{:>5}  {:>4} req/s   p50 {:>7}   p99 {:>7}   {} failed   {up} of {} instances up",
        words::clock(scene.elapsed),
        clients.rate.newest(),
        words::time_or_dash(clients.p50),
        words::time_or_dash(clients.p99),
        words::count(clients.failed),
        scene.rows.len(),
    )
}

/// An event as a line of its own between the seconds.
pub(super) fn plain_event(event: &Event) -> String {
    format!("{:>5}  * {}", words::clock(event.at), event.text)
}

fn title(scene: &Scene<'_>, line: Line) -> Line {
    let clock = match scene.plan.length {
        Some(length) => format!("{} of {}", words::clock(scene.elapsed), words::clock(length)),
        None => words::clock(scene.elapsed),
    };
    line.put(" tidegate demo").put_right(&format!("{clock}, {} ", scene.way_out))
}

/// How far the story has come, with marks where something happens, and below it what.
fn bar(scene: &Scene<'_>, bar: Line, labels: Line) -> [Line; 2] {
    let columns = bar.columns.saturating_sub(2);
    let at = |share: f64| (columns as f64 * share) as usize;
    let marks = STEPS.map(|(twentieths, _)| at(f64::from(twentieths) / 20.0));
    let done = at(scene.plan.progress(scene.elapsed));
    let drawn: String = (0..columns)
        .map(|column| match (column < done, marks.contains(&column)) {
            (true, true) => '┿',
            (false, true) => '┼',
            (true, false) => '━',
            (false, false) => '─',
        })
        .collect();
    let end = if scene.plan.length.is_some() { "end " } else { "again " };
    let names = match labels.columns >= COLUMNS_USUAL {
        true => ["greedy", "kill", "back", "attack", "typo", "mended"],
        false => ["greed", "kill", "back", "bad", "typo", "fix"],
    };
    // A name that would touch the one before it is left out.
    let named = marks.iter().zip(names).fold(labels, |line, (mark, name)| match line.used <= *mark {
        true => line.pad(mark + 1).put(name),
        false => line,
    });
    let has_room = named.used + end.len() < named.columns;
    let labels = if has_room { named.put_right(end) } else { named };
    [bar.put(&format!(" {drawn}")), labels]
}

fn traffic(scene: &Scene<'_>, height: usize, blank: &dyn Fn() -> Line) -> Vec<Line> {
    let clients = scene.clients;
    let failed = format!("{} failed", words::count(scene.failed));
    let colour = if scene.failed == 0 { Colour::None } else { Colour::Red };
    let rate = format!(" req/s  {:>8}  ", clients.rate.newest());
    let p99 = format!(" p99    {:>8}  ", words::time_or_dash(clients.p99));
    let charts = [
        (rate, words::chart(clients.rate.last(MINUTE), height)),
        (p99, words::chart(clients.p99_micros.last(MINUTE), height)),
    ];
    let mut lines = Vec::new();
    for (label, chart) in charts {
        for (index, drawn) in chart.iter().enumerate() {
            // The figure stands at the foot of its chart.
            let line = if index + 1 == height { blank().put(&label) } else { blank().pad(label.len()) };
            lines.push(line.put(drawn));
        }
    }
    let p50 = blank().put(&format!(" p50    {:>8}  ", words::time_or_dash(clients.p50)));
    lines.push(p50.put(&format!("{} answered, ", words::count(scene.answered))).paint(colour, &failed));
    lines
}

fn head(line: Line) -> Line {
    if line.columns < TABLE_COLUMNS {
        return line.put(" SERVICE  INSTANCE         STATE  BUSY  REQ/S      P50");
    }
    let is_wide = line.columns >= COLUMNS_WIDE;
    let line = line.put(" SERVICE   INSTANCE               STATE  IN FLIGHT   REQ/S      P50");
    if is_wide { line.pad(TABLE_COLUMNS + 2).put("REQ/S OF THE LAST MINUTE") } else { line }
}

fn instance(row: &Row, service: &str, line: Line) -> Line {
    let (colour, state) = if row.is_down { (Colour::Red, "down") } else { (Colour::Green, "up") };
    let columns = line.columns;
    if columns < TABLE_COLUMNS {
        return line
            .put(&format!(" {service:<8} {:<15}  ", row.address))
            .paint(colour, &format!("{state:<5}"))
            .put(&format!("  {:>4}  {:>5}", row.in_flight, row.requests.newest()))
            .put(&format!("  {:>7}", words::time_or_dash(row.p50)));
    }
    let line = line
        .put(&format!(" {service:<9} {:<21}  ", row.address))
        .paint(colour, &format!("{state:<5}"))
        .put(&format!("  {:>9}  {:>6}", row.in_flight, row.requests.newest()))
        .put(&format!("  {:>7}", words::time_or_dash(row.p50)));
    if columns < COLUMNS_WIDE {
        return line;
    }
    let room = columns.saturating_sub(TABLE_COLUMNS + 2).min(MINUTE);
    line.pad(TABLE_COLUMNS + 2).put(&words::sparkline(row.requests.last(room)))
}

/// Colours say one thing only: whether it is well.
#[derive(Clone, Copy)]
enum Colour {
    None,
    Green,
    Red,
}

/// A line that grows to the right and stops at the edge. Every character in use here is one column wide.
struct Line {
    text: String,
    /// Columns used; less than `text` has characters once there are colours in it.
    used: usize,
    columns: usize,
    ink: Ink,
}

impl Line {
    fn new(size: Size, ink: Ink) -> Line {
        Line { text: String::new(), used: 0, columns: size.columns.min(COLUMNS_MAX), ink }
    }

    fn put(mut self, text: &str) -> Line {
        for c in text.chars().take(self.columns - self.used) {
            self.text.push(c);
            self.used += 1;
        }
        self
    }

    /// Blanks up to a column.
    fn pad(self, column: usize) -> Line {
        let blanks = column.saturating_sub(self.used);
        self.put(&" ".repeat(blanks))
    }

    fn put_right(self, text: &str) -> Line {
        let column = self.columns.saturating_sub(text.chars().count());
        self.pad(column).put(text)
    }

    fn paint(mut self, colour: Colour, text: &str) -> Line {
        let code = match (self.ink, colour) {
            (Ink::Plain, _) | (_, Colour::None) => return self.put(text),
            (Ink::Colour, Colour::Green) => "\x1b[32m",
            (Ink::Colour, Colour::Red) => "\x1b[31m",
        };
        self.text.push_str(code);
        self = self.put(text);
        self.text.push_str("\x1b[0m");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known {
        events: VecDeque<Event>,
        clients: Clients,
        rows: Vec<Row>,
        failed: u64,
        length: Option<Duration>,
    }

    fn known() -> Known {
        let events = [(0, "300 requests a second begin"), (7, "catalog 127.0.0.1:9001 was killed (kill -9)")];
        let mut clients = Clients { p50: Some(Duration::from_micros(3100)), ..Clients::default() };
        clients.p99 = Some(Duration::from_millis(44));
        (1..=10).for_each(|second| clients.rate.push(290 + second));
        (1..=10).for_each(|second| clients.p99_micros.push(4400 * second));
        let row = |service: &str, port: u16, is_down: bool| {
            let p50 = (!is_down).then_some(Duration::from_millis(12));
            let mut row = Row::new(service.into(), format!("127.0.0.1:{port}").into());
            (row.is_down, row.in_flight, row.p50) = (is_down, u32::from(port) - 9000, p50);
            row.requests.push(if is_down { 0 } else { 75 });
            row
        };
        Known {
            events: events.map(|(at, text)| Event { at: Duration::from_secs(at), text: text.into() }).into(),
            clients,
            rows: vec![row("catalog", 9001, true), row("catalog", 9002, false), row("orders", 9003, false)],
            failed: 0,
            length: Some(Duration::from_secs(30)),
        }
    }

    fn scene(known: &Known) -> Scene<'_> {
        Scene {
            elapsed: Duration::from_secs(10),
            plan: Plan { length: known.length },
            events: &known.events,
            clients: &known.clients,
            answered: 3012,
            failed: known.failed,
            rows: &known.rows,
            gateway: "http://127.0.0.1:8080",
            admin: "http://127.0.0.1:9900",
            way_out: "q ends",
        }
    }

    const USUAL: Size = Size { columns: 80, lines: 24 };

    #[test]
    fn the_picture_says_all_there_is_to_know() {
        let lines = picture(&scene(&known()), USUAL, Ink::Plain);
        let said: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        let expected = [
            " tidegate demo                                             0:10 of 0:30, q ends",
            " ━━━━━━━┿━━━━━━━━━━━┿━━━━━━─────────────┼──────────┼───────┼───────┼───────────",
            "        greedy      kill                back       attack  typo    mended   end",
            "",
            "  0:00  300 requests a second begin",
            "  0:07  catalog 127.0.0.1:9001 was killed (kill -9)",
            "",
            " req/s       300  ██████████",
            " p99       44 ms  ▁▂▃▄▄▅▆▇██",
            " p50      3.1 ms  3,012 answered, 0 failed",
            "",
            " SERVICE   INSTANCE               STATE  IN FLIGHT   REQ/S      P50",
            " catalog   127.0.0.1:9001         down           1       0        -",
            "           127.0.0.1:9002         up             2      75    12 ms",
            " orders    127.0.0.1:9003         up             3      75    12 ms",
            "",
            " meanwhile   curl http://127.0.0.1:8080/catalog/1",
            "             curl http://127.0.0.1:9900/metrics",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn no_picture_is_larger_than_its_terminal() {
        for (columns, lines) in [(80, 24), (120, 40), (300, 5), (20, 10), (1, 1), (0, 0)] {
            let drawn = picture(&scene(&known()), Size { columns, lines }, Ink::Plain);
            assert!(drawn.len() <= lines, "{columns} x {lines}");
            assert!(drawn.iter().all(|line| line.chars().count() <= columns), "{columns} x {lines}");
        }
        let full = Known { rows: vec![known().rows.remove(1); 7], ..known() };
        let full = Known { events: vec![known().events[0].clone(); 4].into(), ..full };
        let usual = picture(&scene(&full), USUAL, Ink::Plain);
        assert!(usual.len() == USUAL.lines && usual[23].contains("/metrics"), "{usual:#?}");
    }

    #[test]
    fn names_on_the_bar_never_touch_and_no_figure_is_cut() {
        for columns in 20..=130 {
            let lines = picture(&scene(&known()), Size { columns, lines: 24 }, Ink::Plain);
            for name in lines[2].split_whitespace() {
                let known = ["greedy", "kill", "back", "attack", "typo", "mended", "end"];
                let short = ["greed", "bad", "fix"];
                let is_cut = name.len() < 3;
                assert!(is_cut || known.contains(&name) || short.contains(&name), "{columns}: {}", lines[2]);
            }
            let rows = lines.iter().filter(|line| line.contains("127.0.0.1:900") && line.contains(" up "));
            assert!(columns < 60 || rows.clone().count() == 2, "{columns}: {lines:#?}");
            assert!(columns < 60 || rows.clone().all(|row| row.contains("12 ms")), "{columns}: {lines:#?}");
        }
    }

    #[test]
    fn a_high_terminal_is_used_and_a_low_one_keeps_the_table() {
        let many = |lines: usize| {
            let mut known = known();
            known.rows = vec![known.rows.remove(1); 7];
            let event = known.events[0].clone();
            known.events = vec![event; 30].into();
            picture(&scene(&known), Size { columns: 80, lines }, Ink::Plain)
        };
        for lines in [20, 24, 40, 60] {
            let drawn = many(lines);
            assert_eq!(drawn.len(), lines, "{drawn:#?}");
            assert_eq!(drawn.iter().filter(|line| line.contains(" up ")).count(), 7, "{drawn:#?}");
            assert_eq!(drawn.iter().any(|line| line.contains("meanwhile")), lines > 20, "{drawn:#?}");
        }
        let of = |lines: usize, part: &str| many(lines).iter().filter(|line| line.contains(part)).count();
        assert!(of(24, "begin") < of(40, "begin") && of(40, "begin") < of(60, "begin"));
        assert!(of(24, "█") < of(40, "█") && of(40, "█") < of(60, "█"));
    }

    #[test]
    fn colours_mark_status_and_nothing_else() {
        let coloured = |known: &Known| {
            let text = picture(&scene(known), USUAL, Ink::Colour).join("\n");
            let painted = text.split("\x1b[").skip(1).filter(|part| !part.starts_with("0m"));
            painted.map(|part| part.trim_end().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(coloured(&known()), ["31mdown", "32mup", "32mup"]);
        let failing = Known { failed: 2, ..known() };
        assert_eq!(coloured(&failing), ["31m2 failed", "31mdown", "32mup", "32mup"]);
        assert!(!picture(&scene(&failing), USUAL, Ink::Plain).join("").contains('\x1b'));
    }

    #[test]
    fn wide_terminals_have_a_minute_of_each_instance() {
        let wide = picture(&scene(&known()), Size { columns: 120, lines: 40 }, Ink::Plain);
        assert!(wide.iter().any(|line| line.ends_with("  REQ/S OF THE LAST MINUTE")), "{wide:#?}");
        assert_eq!(wide.iter().filter(|line| line.ends_with("12 ms  █")).count(), 2, "{wide:#?}");
    }

    #[test]
    fn one_line_says_the_second_where_nothing_is_drawn() {
        let said = " 0:10   300 req/s   p50  3.1 ms   p99   44 ms   0 failed   2 of 3 instances up";
        assert_eq!(plain(&scene(&known())), said);
        let quiet = Known { clients: Clients { failed: 7, ..Clients::default() }, ..known() };
        let said = " 0:10     0 req/s   p50       -   p99       -   7 failed   2 of 3 instances up";
        assert_eq!(plain(&scene(&quiet)), said);
    }

    #[test]
    fn an_endless_demo_has_no_end_to_show() {
        let endless = Known { length: None, ..known() };
        let lines = picture(&scene(&endless), USUAL, Ink::Plain);
        assert!(lines[0].ends_with("   0:10, q ends ") && lines[2].ends_with(" again "), "{lines:#?}");
    }
}
