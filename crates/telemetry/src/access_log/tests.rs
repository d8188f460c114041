//! The reader with real files and pipes: order, rotation, files renamed under it, places that take nothing.

use super::*;
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

/// A log with its reader, and the numbers of the lines it was given.
struct Written {
    log: Arc<Log>,
    access_log: AccessLog,
    lines: u64,
}

impl Written {
    fn to(destination: Destination) -> Written {
        let log = Arc::new(Log::new(1));
        let mut access_log = AccessLog::new(log.clone());
        access_log.turn_to(destination).unwrap();
        Written { log, access_log, lines: 0 }
    }

    fn to_file(path: &Path, rotate: Option<Rotate>) -> Written {
        Written::to(Destination::file(path, rotate).unwrap())
    }

    /// Hands over so many more lines of a hundred bytes.
    fn write(&mut self, count: u64) {
        for _ in 0..count {
            self.lines += 1;
            self.log.write(0, format!("{:099}\n", self.lines).as_bytes());
        }
    }

    fn finish(self) -> u64 {
        let dropped = self.log.dropped();
        self.access_log.finish(Duration::from_secs(5));
        assert_eq!(self.log.dropped(), dropped);
        self.lines - dropped
    }
}

fn await_true(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_true() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn numbers(paths: &[&Path]) -> Vec<u64> {
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| text.lines().map(|line| line.parse().unwrap()).collect::<Vec<_>>()).collect()
}

fn all(count: u64) -> Vec<u64> {
    (1..=count).collect()
}

fn bytes_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[test]
fn lines_are_appended_in_order_and_all_are_there_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    for round in [1, 2] {
        let mut log = Written::to_file(&path, None);
        log.lines = (round - 1) * 3000;
        log.write(3000);
        log.finish();
        assert_eq!(numbers(&[&path]), all(round * 3000));
    }
}

#[test]
fn a_line_is_there_soon_without_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let mut log = Written::to_file(&path, None);
    for count in 1..=3 {
        log.write(1);
        await_true("the line is written", || bytes_of(&path) == 100 * count);
    }
    log.finish();
}

#[test]
fn a_file_gives_way_at_its_size_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let old = |number: u32| folder.path().join(format!("access.log.{number}"));
    let mut log = Written::to_file(&path, Some(Rotate { bytes_max: 1050, keep: 2 }));
    log.write(35);
    log.finish();
    assert_eq!(numbers(&[&old(2), &old(1), &path]), (11..=35).collect::<Vec<_>>());
    assert_eq!((bytes_of(&old(2)), bytes_of(&old(1)), bytes_of(&path)), (1000, 1000, 500));
    assert!(!old(3).exists());
    let mut log = Written::to_file(&path, Some(Rotate { bytes_max: 10, keep: 0 }));
    log.write(3);
    log.finish();
    assert_eq!((numbers(&[&path]), bytes_of(&path)), (vec![3], 100), "a line alone may be longer");
}

#[test]
fn a_file_renamed_or_removed_under_it_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let moved = folder.path().join("moved");
    let mut log = Written::to_file(&path, None);
    log.write(10);
    await_true("the first lines", || bytes_of(&path) == 1000);
    fs::rename(&path, &moved).unwrap();
    log.write(10);
    log.access_log.reopen();
    await_true("a new file at once", || path.exists());
    log.write(10);
    await_true("lines in the new file", || bytes_of(&path) + bytes_of(&moved) == 3000);
    assert_eq!(numbers(&[&moved, &path]), all(30));
    fs::remove_file(&path).unwrap();
    await_true("another one within a second or two", || path.exists());
    log.write(1);
    log.finish();
    assert_eq!(numbers(&[&path]), [31]);
}

#[test]
fn a_log_that_was_turned_off_makes_no_file_anew_and_one_turned_on_again_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let mut log = Written::to_file(&path, None);
    log.write(1);
    await_true("the line is written", || bytes_of(&path) == 100);
    log.access_log.turn_off();
    log.write(1);
    await_true("what still came is written", || bytes_of(&path) == 200);
    fs::remove_file(&path).unwrap();
    // Longer than it takes to notice: what is tested is that nothing happens.
    std::thread::sleep(Duration::from_millis(1700));
    assert!(!path.exists());
    log.access_log.turn_to(Destination::file(&path, None).unwrap()).unwrap();
    log.write(1);
    log.finish();
    assert_eq!(numbers(&[&path]), [3]);
}

#[test]
fn a_pipe_nobody_reads_stops_nobody_and_what_did_not_fit_is_counted() {
    let (outlet, inlet) = rustix::pipe::pipe().unwrap();
    let mut log = Written::to(Destination::stream(inlet.as_fd(), "pipe").unwrap());
    drop(inlet);
    let begun = Instant::now();
    log.write(30_000);
    assert!(log.log.dropped() > 10_000, "{}", log.log.dropped());
    let (lines, dropped) = (log.lines, log.log.dropped());
    // From now on somebody reads.
    let reader = std::thread::spawn(move || io::read_to_string(fs::File::from(outlet)).unwrap());
    log.finish();
    let text = reader.join().unwrap();
    assert_eq!(text.lines().count() as u64, lines - dropped, "every line was written or counted");
    let numbers: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "in order");
    assert!(begun.elapsed() < Duration::from_secs(8));
}

#[test]
fn the_end_does_not_wait_for_a_pipe_that_is_full() {
    let (_outlet, inlet) = rustix::pipe::pipe().unwrap();
    let mut log = Written::to(Destination::stream(inlet.as_fd(), "pipe").unwrap());
    log.write(5000);
    let begun = Instant::now();
    log.access_log.finish(Duration::from_millis(300));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_place_that_refuses_lines_is_left_for_one_that_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let mut log = Written::to_file(Path::new("/dev/full"), None);
    log.write(100);
    log.access_log.turn_to(Destination::file(&path, None).unwrap()).unwrap();
    log.write(100);
    log.finish();
    assert_eq!(numbers(&[&path]), all(200), "nothing is lost but what a full ring drops");
}

#[test]
fn a_closed_pipe_ends_nothing() {
    let (outlet, inlet) = rustix::pipe::pipe().unwrap();
    let mut log = Written::to(Destination::stream(inlet.as_fd(), "pipe").unwrap());
    drop(outlet);
    log.write(20_000);
    assert!(log.log.dropped() > 0);
    let begun = Instant::now();
    log.access_log.finish(Duration::from_secs(5));
    assert!(begun.elapsed() < Duration::from_secs(4), "what cannot succeed is not waited for");
}
