//! The terminal while a demo draws on it: a screen of its own, no echo, keys one by one. However the demo ends, by
//! return or by panic, the terminal is as it was.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Once};
use std::thread::JoinHandle;
use tokio::sync::mpsc;

use super::view::Size;

/// The other screen, empty; no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[2J\x1b[?25l";
/// The cursor, and the screen from before.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// What a terminal that does not tell its size is taken for.
const SIZE_USUAL: Size = Size { columns: 80, lines: 24 };
/// How often the keys' thread looks whether it is still wanted.
const KEYS_LOOK: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// What Ctrl-C sends where it is not turned into a signal.
const CTRL_C: u8 = 3;

/// What has to be put back: there is one terminal, and a panic knows no owner, hence a global.
static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);
static HOOK: Once = Once::new();

struct Taken {
    output: File,
    /// Where keys come from and how it was set; `None` where that is no terminal.
    input: Option<(File, Termios)>,
}

/// A terminal that is drawn on; given back when dropped.
pub(super) struct Screen {
    output: File,
    size: Size,
    keys: Option<Keys>,
}

struct Keys {
    thread: Option<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal of this process. A key that ends the demo is told through `end`.
    pub(super) fn open(end: mpsc::Sender<()>) -> io::Result<Screen> {
        let copy = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
        Screen::on(copy(io::stdin().as_fd())?, copy(io::stdout().as_fd())?, end)
    }

    fn on(input: File, mut output: File, end: mpsc::Sender<()>) -> io::Result<Screen> {
        HOOK.call_once(|| {
            let usual = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                usual(panic);
            }));
        });
        let was = input.is_terminal().then(|| tcgetattr(&input)).transpose()?;
        let keys_from = was.is_some().then(|| input.try_clone()).transpose()?;
        *lock() = Some(Taken { output: output.try_clone()?, input: was.clone().map(|was| (input, was)) });
        // From here on, dropping it puts everything back.
        let mut screen = Screen { output: output.try_clone()?, size: SIZE_USUAL, keys: None };
        if let (Some(input), Some(mut raw)) = (keys_from, was) {
            raw.local_modes
                .remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN);
            tcsetattr(&input, OptionalActions::Now, &raw)?;
            screen.keys = Some(Keys::read(input, end)?);
        }
        output.write_all(ENTER.as_bytes())?;
        Ok(screen)
    }

    /// Whether keys reach the demo.
    pub(super) fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// Whether a panic gave the terminal back.
    pub(super) fn is_lost(&self) -> bool {
        lock().is_none()
    }

    /// Its size now.
    pub(super) fn size(&self) -> Size {
        match tcgetwinsize(&self.output) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                Size { columns: size.ws_col.into(), lines: size.ws_row.into() }
            }
            _ => SIZE_USUAL,
        }
    }

    /// Replaces what is drawn.
    pub(super) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let size = self.size();
        // After a change of size a terminal may have moved what was there.
        let mut frame = String::from(if size == self.size { "\x1b[H" } else { "\x1b[2J\x1b[H" });
        self.size = size;
        // Each line clears what an older, longer one left of itself. No line end after the last: it would scroll.
        let lines: Vec<String> = lines.iter().map(|line| format!("{line}\x1b[K")).collect();
        frame += &lines.join("\r\n");
        frame += "\x1b[J";
        self.output.write_all(frame.as_bytes())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.keys = None;
        restore();
    }
}

impl Keys {
    fn read(mut input: File, end: mpsc::Sender<()>) -> io::Result<Keys> {
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name("tidegate-keys".into()).spawn({
            let is_over = is_over.clone();
            move || {
                while !is_over.load(Relaxed) {
                    if asks_for_end(&mut input) {
                        // Full means that the end was asked for already.
                        let _ = end.try_send(());
                        return;
                    }
                }
            }
        })?;
        Ok(Keys { thread: Some(thread), is_over })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and there is nothing to do about it here.
            let _ = thread.join();
        }
    }
}

/// Waits a moment for keys. The end of the input asks for the end too.
fn asks_for_end(input: &mut File) -> bool {
    match poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&KEYS_LOOK)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return false,
        Ok(_) => {}
        Err(_) => return true,
    }
    let mut keys = [0; 16];
    let count = input.read(&mut keys).unwrap_or(0);
    count == 0 || keys[..count].iter().any(|key| matches!(*key, b'q' | b'Q' | CTRL_C))
}

/// Puts back what was taken, once.
fn restore() {
    let Some(mut taken) = lock().take() else { return };
    // A terminal that is gone needs nothing.
    let _ = taken.output.write_all(LEAVE.as_bytes());
    if let Some((input, was)) = &taken.input {
        let _ = tcsetattr(input, OptionalActions::Now, was);
    }
}

fn lock() -> MutexGuard<'static, Option<Taken>> {
    TAKEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::os::fd::OwnedFd;

    /// Both ends of a terminal: what a person sees and types, and what a program is given.
    fn terminal() -> (File, File) {
        let person: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
        let program = File::options().read(true).write(true).open(name).unwrap();
        (person.into(), program)
    }

    fn seen(person: &mut File) -> String {
        let mut text = Vec::new();
        while poll(&mut [PollFd::new(person, PollFlags::IN)], Some(&KEYS_LOOK)).unwrap() > 0 {
            let mut some = [0; 4096];
            let count = person.read(&mut some).unwrap();
            text.extend_from_slice(&some[..count]);
        }
        String::from_utf8(text).unwrap()
    }

    fn echoes(program: &File) -> bool {
        tcgetattr(program)
            .unwrap()
            .local_modes
            .contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// Set in the process that has nothing else to do than the test below.
    const ALONE: &str = "TIDEGATE_TEST_ALONE";

    /// One test, as a process has one terminal to take; and a process of its own, as a panic of any other test would
    /// give it back.
    #[test]
    fn the_terminal_is_given_back_after_keys_and_panics() {
        if std::env::var_os(ALONE).is_none() {
            let name = "demo::terminal::tests::the_terminal_is_given_back_after_keys_and_panics";
            let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
            let output = alone.args(["--exact", name]).env(ALONE, "1").output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let (mut person, program) = terminal();
        let open = || {
            let (say, heard) = mpsc::channel(1);
            (Screen::on(program.try_clone().unwrap(), program.try_clone().unwrap(), say).unwrap(), heard)
        };
        assert!(echoes(&program));
        let (mut screen, mut heard) = open();
        assert!(!echoes(&program) && screen.has_keys() && !screen.is_lost());
        screen.draw(&["one".into(), "two".into()]).unwrap();
        // The terminal itself adds one of the carriage returns.
        assert_eq!(seen(&mut person), format!("{ENTER}\x1b[Hone\x1b[K\r\r\ntwo\x1b[K\x1b[J"));
        person.write_all(b"xq").unwrap();
        assert_eq!(heard.blocking_recv(), Some(()));
        drop(screen);
        assert_eq!(seen(&mut person), LEAVE, "the key itself is not shown");
        assert!(echoes(&program));

        let (screen, mut heard) = open();
        let panicked = std::thread::spawn(|| panic!("for the test")).join();
        assert!(panicked.is_err() && screen.is_lost() && echoes(&program));
        // The terminal itself adds one of the carriage returns.
        assert_eq!(seen(&mut person), format!("{ENTER}{LEAVE}"));
        assert!(heard.try_recv().is_err(), "no key was pressed");
        drop(screen);
        assert_eq!(seen(&mut person), "", "it is given back once");
    }
}
