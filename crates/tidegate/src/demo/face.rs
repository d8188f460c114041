//! How a demo shows itself while it runs: a picture drawn over and over on a terminal, or else a line for each second
//! and each event.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;
use tokio::sync::mpsc;

use super::story::{Event, Story};
use super::terminal::Screen;
use super::view::{self, Ink, Scene};
use super::watch::Watch;
use super::{Options, Urls};

/// See the file.
pub(super) struct Face {
    urls: Urls,
    way: Way,
}

enum Way {
    Picture(Screen, Ink),
    Lines,
}

/// What is to be shown.
#[derive(Clone, Copy)]
pub(super) struct State<'a> {
    /// What happens.
    pub(super) story: &'a Story,
    /// What the gateway does.
    pub(super) watch: &'a Watch,
    /// Requests so far with a right answer.
    pub(super) answered: u64,
    /// Requests so far that failed.
    pub(super) failed: u64,
}

impl Face {
    /// What fits where standard output goes. A key that asks for the end is told through `end`.
    pub(super) fn choose(options: &Options, urls: Urls, end: mpsc::Sender<()>) -> io::Result<Face> {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if options.is_plain || is_dumb || !io::stdout().is_terminal() {
            return Ok(Face { urls, way: Way::Lines });
        }
        // https://no-color.org: set and not empty.
        let has_colour = std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        let ink = if has_colour { Ink::Colour } else { Ink::Plain };
        Ok(Face { urls, way: Way::Picture(Screen::open(end)?, ink) })
    }

    /// Whether keys can ask for the end.
    pub(super) fn has_keys(&self) -> bool {
        matches!(&self.way, Way::Picture(screen, _) if screen.has_keys())
    }

    /// Gives the terminal back.
    pub(super) fn close(self) -> Urls {
        self.urls
    }

    /// Says where everything is, unless the picture will.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        match self.way {
            Way::Picture(..) => Ok(()),
            Way::Lines => say(&format!(
                "tidegate demo on {0}, admin on {1}; meanwhile try\n  curl {0}/catalog/1\n  curl {1}/metrics\n",
                self.urls.gateway, self.urls.admin
            )),
        }
    }

    /// A second is over.
    pub(super) fn second(&mut self, at: Duration, state: State<'_>) -> io::Result<()> {
        match self.way {
            Way::Picture(..) => Ok(()),
            Way::Lines => say(&view::plain(&scene(&self.urls, at, state))),
        }
    }

    /// Shows how things are, and what is new.
    pub(super) fn show(&mut self, elapsed: Duration, state: State<'_>, news: &[Event]) -> io::Result<()> {
        match &mut self.way {
            Way::Lines => news.iter().try_for_each(|event| say(&view::plain_event(event))),
            Way::Picture(screen, _) if screen.is_lost() => {
                Err(io::Error::other("a part of the program panicked"))
            }
            Way::Picture(screen, ink) => {
                let mut scene = scene(&self.urls, elapsed, state);
                scene.way_out = if screen.has_keys() { "q ends" } else { "Ctrl-C ends" };
                screen.draw(&view::picture(&scene, screen.size(), *ink))
            }
        }
    }
}

fn scene<'a>(urls: &'a Urls, elapsed: Duration, state: State<'a>) -> Scene<'a> {
    Scene {
        elapsed,
        plan: state.story.plan(),
        events: state.story.events(),
        clients: &state.watch.clients,
        answered: state.answered,
        failed: state.failed,
        rows: &state.watch.rows,
        gateway: &urls.gateway,
        admin: &urls.admin,
        way_out: "Ctrl-C ends",
    }
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
