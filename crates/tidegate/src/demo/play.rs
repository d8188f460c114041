//! A demo while it runs: ten times a second it does what the story says, looks at what the gateway found out, and
//! shows it; in the end it puts everything away and says what it came to.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_core::clock;
use tidegate_core::plan::Snapshot;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::Options;
use super::change::{Change, Told};
use super::face::{Face, State};
use super::instances::Instance;
use super::load::{self, Load, Phase};
use super::shop::{TRADES, VICTIM};
use super::story::{Plan, Step, Story};
use super::summary::Summary;
use super::visitors::Visitors;
use super::watch::Watch;
use crate::gateway::Gateway;

/// What a person takes for at once.
const TICK: Duration = Duration::from_millis(100);

/// What asks for the end from outside.
pub(super) struct Signals([Signal; 3]);

impl Signals {
    /// Catches them from now on. On a runtime.
    pub(super) fn catch() -> io::Result<Signals> {
        let all = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = all.map(signal);
        Ok(Signals([interrupt?, terminate?, hangup?]))
    }

    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// A running demo, but for the gateway, which outlives the load.
pub(super) struct Demo {
    begin: Instant,
    /// Whole seconds that are over.
    seconds: u64,
    story: Story,
    watch: Watch,
    load: Load,
    change: Change,
    visitors: Visitors,
    instances: Vec<Instance>,
    /// The instance that is or was gone, as an index.
    victim: usize,
    face: Face,
}

/// Whether there is more to come.
#[derive(PartialEq, Eq)]
enum Turn {
    More,
    Last,
}

impl Demo {
    /// A demo that begins now.
    pub(super) fn new(
        options: &Options,
        snapshot: Arc<Snapshot>,
        change: Change,
        visitors: Visitors,
        instances: Vec<Instance>,
        load: Load,
        face: Face,
    ) -> Demo {
        let (services, count) = (TRADES.len(), instances.len());
        let opening =
            format!("{} requests a second begin, to {services} services with {count} instances", load::RATE);
        Demo {
            begin: Instant::now(),
            seconds: 0,
            story: Story::new(Plan { length: options.length }, opening),
            watch: Watch::new(snapshot),
            load,
            change,
            visitors,
            instances,
            victim: 0,
            face,
        }
    }

    /// Lets the story happen until its end, a signal or a key.
    ///
    /// # Errors
    /// When it cannot be shown any more, or an instance does not start.
    pub(super) async fn play(
        &mut self,
        mut signals: Signals,
        mut ended: mpsc::Receiver<()>,
    ) -> io::Result<()> {
        // Without keys nobody holds the other end of `ended`, which must not be taken for a key.
        let has_keys = self.face.has_keys();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.face.begin()?;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = signals.any() => return Ok(()),
                _ = ended.recv(), if has_keys => return Ok(()),
            }
            if self.turn()? == Turn::Last {
                return Ok(());
            }
        }
    }

    fn turn(&mut self) -> io::Result<Turn> {
        let elapsed = self.begin.elapsed();
        self.watch.look();
        self.look_at_victim(elapsed);
        match self.change.told() {
            Some(Told::Refused(words)) => self.story.refused(elapsed, words),
            Some(Told::Taken(took, changed)) => self.story.taken(elapsed, took, &changed),
            None => {}
        }
        if let Some(visit) = self.visitors.told() {
            self.story.visited(elapsed, visit);
        }
        let mut turn = Turn::More;
        while let Some(step) = self.story.next_step(elapsed) {
            match step {
                Step::Greed => self.visitors.greedy()?,
                Step::Attack => self.visitors.attack()?,
                Step::Kill => self.kill(elapsed),
                Step::Start => self.start(elapsed)?,
                Step::Spoil => self.change.spoil()?,
                Step::Mend => self.change.mend()?,
                Step::End => turn = Turn::Last,
            }
        }
        let news = self.story.take_news();
        let (state, face) = self.state();
        face.show(elapsed, state, &news)?;
        while self.seconds < elapsed.as_secs() {
            self.end_second()?;
        }
        Ok(turn)
    }

    fn look_at_victim(&mut self, elapsed: Duration) {
        let Some(sight) = self.watch.sight(self.victim) else { return };
        if self.story.look(elapsed, sight) {
            self.load.tally().phase = Phase::After;
        }
    }

    fn end_second(&mut self) -> io::Result<()> {
        self.seconds += 1;
        let second = self.load.tally().take_second();
        self.watch.end_second(&second);
        let at = Duration::from_secs(self.seconds);
        let (state, face) = self.state();
        face.second(at, state)
    }

    fn kill(&mut self, elapsed: Duration) {
        let victims: Vec<usize> =
            (0..self.instances.len()).filter(|index| self.instances[*index].trade == VICTIM).collect();
        // Another one every time.
        self.victim = victims[(self.story.record().kills % victims.len() as u64) as usize];
        let instance = &mut self.instances[self.victim];
        let name = format!("{} {}", VICTIM.name, instance.address);
        self.load.tally().phase = Phase::During;
        self.story.killed(elapsed, clock::exact(), name, victims.len() - 1);
        instance.kill();
    }

    fn start(&mut self, elapsed: Duration) -> io::Result<()> {
        let now = clock::exact();
        self.instances[self.victim].start()?;
        self.story.started(elapsed, now);
        Ok(())
    }

    fn state(&mut self) -> (State<'_>, &mut Face) {
        let (answered, failed) = {
            let tally = self.load.tally();
            (tally.answered, tally.failed)
        };
        (State { story: &self.story, watch: &self.watch, answered, failed }, &mut self.face)
    }

    /// Puts everything away and says what it came to. True if no request failed and nothing else did.
    pub(super) fn finish(self, gateway: Gateway, played: io::Result<()>) -> bool {
        let Demo { begin, story, watch, mut load, instances, face, .. } = self;
        let elapsed = begin.elapsed();
        let urls = face.close(); // what is said from here on belongs on the usual screen
        load.stop();
        gateway.drain();
        drop(instances);
        if let Err(error) = &played {
            eprintln!("tidegate demo: {error}");
        }
        let summary = Summary {
            elapsed,
            tally: &load.tally(),
            record: story.record(),
            retries_answered: watch.retries_answered(),
            gateway: &urls.gateway,
            admin: &urls.admin,
        };
        // Nobody may be reading any more; the exit code says it too.
        let _ = io::stdout().write_all(summary.text().as_bytes());
        played.is_ok() && summary.failed() == 0
    }
}
