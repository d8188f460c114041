//! What happens in a demo and when: a consumer asks for too much; an instance of the catalog is killed, and later started
//! again; somebody tries an injection; the configuration gets a mistake, and later a new route. Keeps what came of it, in
//! words and numbers. Pure: it is told the time and what the gateway knows, and tells what to do.

use std::collections::VecDeque;
use std::time::Duration;
use tidegate_core::clock::Nanos;

use super::visitors::Visit;
use super::words;

/// Without an end, the story repeats after so long.
const ROUND: Duration = Duration::from_secs(20);
/// Events kept for the screen: what the highest has lines for.
const EVENTS_KEPT: usize = 30;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A consumer asks for too much.
    Greed,
    /// An instance is killed.
    Kill,
    /// It is started again.
    Start,
    /// Somebody tries an injection.
    Attack,
    /// The configuration gets a mistake.
    Spoil,
    /// The configuration gets a new route.
    Mend,
    /// The demo ends.
    End,
}

/// The steps of a round, and when in it, in twentieths.
pub(super) const STEPS: [(u32, Step); 6] = [
    (2, Step::Greed),
    (5, Step::Kill),
    (10, Step::Start),
    (13, Step::Attack),
    (15, Step::Spoil),
    (17, Step::Mend),
];

/// When what happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// How long it takes in all; `None` is until it is stopped.
    pub(super) length: Option<Duration>,
}

impl Plan {
    /// The so-many-th step, from 0, and its time.
    fn step(self, number: u32) -> Option<(Duration, Step)> {
        let steps = STEPS.len() as u32;
        let (round, place) = (number / steps, number % steps);
        let (twentieths, step) = STEPS[place as usize];
        match self.length {
            None => Some((ROUND * round + ROUND * twentieths / 20, step)),
            Some(length) if round == 0 => Some((length * twentieths / 20, step)),
            Some(length) => (number == steps).then_some((length, Step::End)),
        }
    }

    /// How far the story, or this round of it, has come; 0 to 1.
    pub(super) fn progress(self, elapsed: Duration) -> f64 {
        match self.length {
            Some(length) => (elapsed.as_secs_f64() / length.as_secs_f64()).min(1.0),
            None => elapsed.as_secs_f64() % ROUND.as_secs_f64() / ROUND.as_secs_f64(),
        }
    }
}

/// One instance gone and back.
#[derive(Clone, Debug)]
struct Outage {
    /// Service and address, for people.
    name: String,
    /// How many instances are left meanwhile.
    others: usize,
    killed: Nanos,
    taken_out_after: Option<Duration>,
    started: Option<Nanos>,
    /// Requests sent there by the time it was seen to be up again.
    requests_before: Option<u64>,
}

/// What came of all outages so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The instance killed last.
    pub(super) name: String,
    /// When, from the beginning of the demo.
    pub(super) at: Duration,
    /// How often one was killed.
    pub(super) kills: u64,
    /// How often the gateway took it out, and how long that took at most.
    pub(super) taken_out: Toll,
    /// How often one was started again.
    pub(super) starts: u64,
    /// How often it got requests again, and how long that took at most.
    pub(super) back: Toll,
    /// What became of the consumer that asked for too much.
    pub(super) greedy: Option<Visit>,
    /// The status that the attack got.
    pub(super) attack: Option<u16>,
    /// What was said of the configuration with the mistake.
    pub(super) refused: Option<String>,
    /// How often a changed configuration was taken, and how long that took at most.
    pub(super) taken: Toll,
}

/// A count and the longest time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Toll {
    /// How often.
    pub(super) count: u64,
    /// How long at most.
    pub(super) longest: Duration,
}

impl Toll {
    fn add(&mut self, time: Duration) {
        self.count += 1;
        self.longest = self.longest.max(time);
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// When, from the beginning of the demo.
    pub(super) at: Duration,
    /// What, as a sentence without its dot.
    pub(super) text: String,
}

/// What the gateway knows about the instance in question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// Whether it gets no requests.
    pub(super) is_down: bool,
    /// When that last changed.
    pub(super) changed: Nanos,
    /// Requests sent there, ever.
    pub(super) requests: u64,
}

/// The story as far as it has been told.
#[derive(Debug)]
pub(super) struct Story {
    plan: Plan,
    steps_done: u32,
    outage: Option<Outage>,
    record: Record,
    events: VecDeque<Event>,
    news: Vec<Event>,
}

impl Story {
    /// A story that begins with these words.
    pub(super) fn new(plan: Plan, opening: String) -> Story {
        let mut story = Story {
            plan,
            steps_done: 0,
            outage: None,
            record: Record::default(),
            events: VecDeque::new(),
            news: Vec::new(),
        };
        story.tell(Duration::ZERO, opening);
        story
    }

    /// Its plan.
    pub(super) fn plan(&self) -> Plan {
        self.plan
    }

    /// What came of it.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// The last few events, the oldest first.
    pub(super) fn events(&self) -> &VecDeque<Event> {
        &self.events
    }

    /// Events since this was last asked.
    pub(super) fn take_news(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.news)
    }

    /// What is due, each step once.
    pub(super) fn next_step(&mut self, elapsed: Duration) -> Option<Step> {
        let (_, step) = self.plan.step(self.steps_done).filter(|(due, _)| *due <= elapsed)?;
        self.steps_done += 1;
        Some(step)
    }

    /// An instance was killed, and so many others of its service are left.
    pub(super) fn killed(&mut self, elapsed: Duration, now: Nanos, name: String, others: usize) {
        self.tell(elapsed, format!("{name} was killed (kill -9)"));
        self.record.kills += 1;
        self.record.name.clone_from(&name);
        self.record.at = elapsed;
        self.outage = Some(Outage {
            name,
            others,
            killed: now,
            taken_out_after: None,
            started: None,
            requests_before: None,
        });
    }

    /// It was started again.
    pub(super) fn started(&mut self, elapsed: Duration, now: Nanos) {
        let Some(outage) = &mut self.outage else { return };
        outage.started = Some(now);
        self.record.starts += 1;
        let text = format!("{} was started again", outage.name);
        self.tell(elapsed, text);
    }

    /// A visitor was there.
    pub(super) fn visited(&mut self, elapsed: Duration, visit: Visit) {
        match visit {
            Visit::Greedy { answered, limited, modest, modest_of } => {
                let asked = answered + limited;
                let text = format!(
                    "greedy asks {asked} times at once: {answered} answered, {limited} refused (429)"
                );
                self.tell(elapsed, text);
                self.tell(elapsed, format!("modest, a consumer beside it, got {modest} of {modest_of}"));
                self.record.greedy = Some(visit);
            }
            Visit::Attack(status) => {
                self.tell(elapsed, format!("an SQL injection in a query is answered with {status}"));
                self.record.attack = Some(status);
            }
        }
    }

    /// The configuration with the mistake was refused, with these words.
    pub(super) fn refused(&mut self, elapsed: Duration, words: String) {
        self.tell(elapsed, "a reload is refused, and what runs goes on; the file says".into());
        self.tell(elapsed, words.clone());
        self.record.refused = Some(words);
    }

    /// A changed configuration was taken.
    pub(super) fn taken(&mut self, elapsed: Duration, took: Duration, changed: &[String]) {
        self.record.taken.add(took);
        self.tell(elapsed, format!("a reload is taken in {}: {}", words::time(took), changed.join(", ")));
    }

    /// Looks at what the gateway knows about it. True once, when the outage is over.
    pub(super) fn look(&mut self, elapsed: Duration, sight: Sight) -> bool {
        let Some(outage) = &mut self.outage else { return false };
        if sight.is_down && outage.taken_out_after.is_none() && sight.changed >= outage.killed {
            let after = sight.changed.since(outage.killed);
            outage.taken_out_after = Some(after);
            self.record.taken_out.add(after);
            let left = words::of(outage.others as u64, "other");
            let text = format!("Tidegate took it out {} later; the {left} answer for it", words::time(after));
            self.tell(elapsed, text);
        }
        let (Some(outage), false) = (&mut self.outage, sight.is_down) else { return false };
        let Some(started) = outage.started else { return false };
        let text = match outage.taken_out_after {
            // Up is what can be reached; back is what requests are sent to.
            Some(_) if sight.requests <= *outage.requests_before.get_or_insert(sight.requests) => {
                return false;
            }
            Some(_) => {
                let after = sight.changed.since(started);
                self.record.back.add(after);
                format!(
                    "Tidegate found it {} after its start and sends requests there again",
                    words::time(after)
                )
            }
            None => "it is back before a request found it gone".into(),
        };
        self.outage = None;
        self.tell(elapsed, text);
        true
    }

    fn tell(&mut self, at: Duration, text: String) {
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(Event { at, text: text.clone() });
        self.news.push(Event { at, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn at(ms: u64) -> Nanos {
        Nanos(ms * 1_000_000)
    }

    fn steps(length: Option<u64>, until: u64) -> Vec<(u64, Step)> {
        let mut story = Story::new(Plan { length: length.map(seconds) }, "opening".into());
        (0..=until).filter_map(|s| Some((s, story.next_step(seconds(s))?))).collect()
    }

    #[test]
    fn steps_come_once_at_their_time() {
        use Step::{Attack, End, Greed, Kill, Mend, Spoil, Start};
        let round = [(2, Greed), (5, Kill), (10, Start), (13, Attack), (15, Spoil), (17, Mend)];
        assert_eq!(steps(Some(20), 30), [&round[..], &[(20, End)]].concat());
        let next = round.map(|(second, step)| (second + 20, step));
        assert_eq!(steps(None, 39), [round, next].concat());
        let mut late = Story::new(Plan { length: Some(seconds(4)) }, "opening".into());
        let all: Vec<_> = std::iter::from_fn(|| late.next_step(seconds(9))).collect();
        assert_eq!(
            all,
            [Greed, Kill, Start, Attack, Spoil, Mend, End],
            "a step that is late is not left out"
        );
    }

    #[test]
    fn an_outage_is_told_from_the_kill_to_the_return() {
        let mut story = Story::new(Plan { length: Some(seconds(8)) }, "traffic begins".into());
        let unknown = Sight { is_down: false, changed: Nanos(0), requests: 9 };
        assert!(!story.look(seconds(1), unknown));
        story.killed(seconds(2), at(2000), "catalog 127.0.0.1:1".into(), 2);
        assert!(!story.look(seconds(2), unknown), "not noticed yet");
        let down = Sight { is_down: true, changed: at(2012), requests: 9 };
        assert!(!story.look(seconds(2), down) && !story.look(seconds(3), down));
        story.started(seconds(4), at(4000));
        assert!(!story.look(seconds(4), down), "not tried yet");
        let up = Sight { is_down: false, changed: at(4700), requests: 10 };
        assert!(!story.look(seconds(5), up) && !story.look(seconds(5), up), "not asked yet");
        let asked = Sight { requests: 11, ..up };
        assert!(story.look(seconds(5), asked) && !story.look(seconds(5), asked));
        let told: Vec<_> =
            story.take_news().into_iter().map(|event| (event.at.as_secs(), event.text)).collect();
        let expected = [
            (0, "traffic begins"),
            (2, "catalog 127.0.0.1:1 was killed (kill -9)"),
            (2, "Tidegate took it out 12 ms later; the 2 others answer for it"),
            (4, "catalog 127.0.0.1:1 was started again"),
            (5, "Tidegate found it 700 ms after its start and sends requests there again"),
        ];
        assert_eq!(told, expected.map(|(at, text)| (at, text.to_owned())));
        assert!(story.take_news().is_empty());
        assert_eq!(story.events().len(), expected.len());
        assert_eq!(story.events().back().unwrap().text, expected[4].1);
    }

    #[test]
    fn an_outage_that_nobody_noticed_ends_with_the_start() {
        let mut story = Story::new(Plan { length: None }, "traffic begins".into());
        let unknown = Sight { is_down: false, changed: Nanos(0), requests: 9 };
        story.killed(seconds(5), at(5000), "catalog".into(), 2);
        assert!(!story.look(seconds(9), unknown));
        story.started(seconds(10), at(10_000));
        assert!(story.look(seconds(10), unknown));
        assert_eq!(story.events().back().unwrap().text, "it is back before a request found it gone");
        assert_eq!((story.record().taken_out, story.record().back), (Toll::default(), Toll::default()));
    }

    #[test]
    fn the_record_keeps_the_longest_of_several_outages() {
        let mut story = Story::new(Plan { length: None }, "traffic begins".into());
        for (killed, out, started, back) in [(5000, 5100, 10_000, 10_200), (25_000, 25_010, 30_000, 30_900)] {
            story.killed(seconds(5), at(killed), format!("catalog {killed}"), 2);
            story.look(seconds(6), Sight { is_down: true, changed: at(out), requests: 9 });
            story.started(seconds(10), at(started));
            story.look(seconds(11), Sight { is_down: false, changed: at(back), requests: 9 });
            story.look(seconds(11), Sight { is_down: false, changed: at(back), requests: 10 });
        }
        let expected = Record {
            name: "catalog 25000".into(),
            at: seconds(5),
            kills: 2,
            taken_out: Toll { count: 2, longest: Duration::from_millis(100) },
            starts: 2,
            back: Toll { count: 2, longest: Duration::from_millis(900) },
            ..Record::default()
        };
        assert_eq!(story.record(), &expected);
    }

    #[test]
    fn a_mark_of_an_older_outage_is_not_taken_for_this_one() {
        let mut story = Story::new(Plan { length: None }, "traffic begins".into());
        story.killed(seconds(5), at(5000), "catalog".into(), 2);
        story.look(seconds(5), Sight { is_down: true, changed: at(4000), requests: 9 });
        assert_eq!(story.record().taken_out, Toll::default());
    }

    #[test]
    fn visits_are_told_and_kept() {
        let mut story = Story::new(Plan { length: None }, "traffic begins".into());
        let greedy = Visit::Greedy { answered: 20, limited: 40, modest: 5, modest_of: 5 };
        story.visited(seconds(2), greedy);
        story.visited(seconds(9), Visit::Attack(403));
        let told: Vec<_> = story.take_news().into_iter().map(|event| event.text).skip(1).collect();
        let expected = [
            "greedy asks 60 times at once: 20 answered, 40 refused (429)",
            "modest, a consumer beside it, got 5 of 5",
            "an SQL injection in a query is answered with 403",
        ];
        assert_eq!(told, expected);
        assert_eq!((story.record().greedy, story.record().attack), (Some(greedy), Some(403)));
    }

    #[test]
    fn progress_runs_once_or_in_rounds() {
        let bounded = Plan { length: Some(seconds(8)) };
        assert_eq!([0, 2, 8, 9].map(|s| bounded.progress(seconds(s))), [0.0, 0.25, 1.0, 1.0]);
        let endless = Plan { length: None };
        assert_eq!([5, 20, 30].map(|s| endless.progress(seconds(s))), [0.25, 0.0, 0.5]);
    }
}
