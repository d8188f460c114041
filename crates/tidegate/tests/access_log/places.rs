//! Where lines go, and what happens when they cannot: nothing, but for a warning and a count.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use tidegate_testkit::backend::OK;
use tidegate_testkit::gateway::{await_true, everything_to};
use tidegate_testkit::load::Load;
use tidegate_testkit::process;
use tidegate_testkit::{Gateway, RawBackend, Setup};

use crate::{BIN, LogFile, SOON, parsed};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const DROPPED: &str = "tidegate_log_dropped_total";

fn load(gateway: &Gateway, rate: usize, time: Duration) -> usize {
    let load = Load { address: gateway.http, request: GET.into(), rate, time, connections: 8 };
    let answers = load.run();
    let failed = answers.iter().filter(|answer| answer.is_failed_unbegun()).count();
    assert_eq!(failed, 0, "of {}", answers.len());
    answers.len()
}

/// Asks for so many lines that they are more than a ring, a batch and a pipe hold, and waits until that is counted.
fn overflow(gateway: &Gateway) {
    for _ in 0..8 {
        let mut connection = gateway.connect();
        for _ in 0..500 {
            connection.send(GET);
            assert_eq!(connection.response("GET").expect("an answer").status(), 200);
        }
    }
    assert!(gateway.metric(DROPPED, &[]) > 0.0, "what finds no room is counted");
}

/// That something cannot be written is told, and not with every line.
fn check_warnings(gateway: &Gateway, reason: &str) {
    let lines = gateway.process().lines();
    let warnings: Vec<_> = lines.iter().filter(|line| line.contains("WARN")).collect();
    assert!((1..=3).contains(&warnings.len()), "{lines:?}");
    assert!(warnings.iter().all(|line| line.contains(reason)), "{warnings:?}");
}

/// The gateway with its standard output led elsewhere by a shell.
fn led_to(folder: &Path, place: &Path) -> PathBuf {
    let script = folder.join("tidegate-led-elsewhere");
    fs::write(&script, format!("#!/bin/sh\nexec \"{BIN}\" \"$@\" >\"{}\"\n", place.display()))
        .expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("make it a program");
    script
}

/// A pipe with a name; it is open for reading as long as the file lives, and nobody reads.
fn unread_pipe(folder: &Path) -> (PathBuf, File) {
    let path = folder.join("pipe");
    let ended = process::run(Command::new("mkfifo").arg(&path));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(&path).expect("open the pipe");
    (path, file)
}

/// A gateway with one worker that answers by itself and whose standard output, with the log, goes there.
fn answering_into(folder: &Path, place: &Path) -> Gateway {
    let bin = led_to(folder, place);
    Setup::new(bin.to_str().expect("a path")).workers(1).start(&respond("stdout"))
}

fn respond(telemetry: &str) -> String {
    format!(
        "telemetry: {{ access_log: {telemetry} }}\nroutes: [{{ match: \"/**\", to: {{ respond: 200 }} }}]"
    )
}

#[test]
fn standard_output_has_the_lines_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("output");
    let bin = led_to(folder.path(), &output);
    let gateway = Setup::new(bin.to_str().expect("a path")).start(&respond("stdout"));
    gateway.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    gateway.stop();
    let text = fs::read_to_string(&output).expect("the output");
    assert_eq!(text.lines().map(parsed).count(), 1, "{text}");
}

#[test]
fn without_the_key_nothing_is_logged() {
    let gateway = Setup::new(BIN).start("routes: [{ match: \"/**\", to: { respond: 200 } }]");
    gateway.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(gateway.process().lines().iter().all(|line| !line.starts_with('{')));
    gateway.stop();
}

#[test]
fn a_pipe_nobody_reads_stops_no_request_and_not_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipe, reader) = unread_pipe(folder.path());
    let mut gateway = answering_into(folder.path(), &pipe);
    gateway.announce("the access log was not taken whole");
    overflow(&gateway);
    let begun = Instant::now();
    gateway.stop();
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    drop(reader);
}

#[test]
fn a_full_disk_stops_no_request_and_is_told_once_in_a_while() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut gateway = answering_into(folder.path(), Path::new("/dev/full"));
    overflow(&gateway);
    check_warnings(&gateway, "No space left on device");
    gateway.announce("the access log");
    gateway.stop();
}

#[test]
fn a_pipe_whose_reader_left_stops_no_request_and_is_told_once_in_a_while() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipe, reader) = unread_pipe(folder.path());
    let mut gateway = answering_into(folder.path(), &pipe);
    drop(reader);
    overflow(&gateway);
    check_warnings(&gateway, "Broken pipe");
    gateway.announce("the access log");
    gateway.stop();
}

#[test]
fn a_file_that_was_moved_away_is_made_anew_and_none_of_its_lines_is_lost() {
    let (log, backend) = (LogFile::new(), RawBackend::answering(OK));
    let config = format!("{}\n{}", log.config(), everything_to(&[backend.address], ""));
    let gateway = Setup::new(BIN).start(&config);
    let moved = log.path().with_extension("old");
    let count = std::thread::scope(|scope| {
        let running = scope.spawn(|| load(&gateway, 400, Duration::from_secs(3)));
        await_true("the first lines", SOON, || fs::metadata(log.path()).is_ok_and(|file| file.len() > 0));
        fs::rename(log.path(), &moved).expect("move the log away");
        await_true("a new file", SOON, || log.path().exists());
        running.join().expect("the load")
    });
    gateway.stop();
    let (old, new) = (crate::read(&moved).len(), log.lines().len());
    assert!(old > 0 && new > 0);
    assert_eq!(old + new, count);
}

#[test]
fn every_request_that_was_answered_has_its_line_when_the_process_has_ended() {
    let (log, backend) = (LogFile::new(), RawBackend::answering(OK));
    let config = format!("{}\n{}", log.config(), everything_to(&[backend.address], ""));
    let gateway = Setup::new(BIN).start(&config);
    let count = load(&gateway, 1500, Duration::from_secs(1));
    gateway.stop();
    assert_eq!(log.lines().len(), count);
    assert!(fs::read(log.path()).expect("the log").ends_with(b"}\n"), "the last line is whole");
}

#[test]
fn files_are_rotated_at_their_size() {
    let (log, backend) = (LogFile::new(), RawBackend::answering(OK));
    let config = format!(
        "telemetry: {{ access_log: {{ to: \"{}\", rotate: {{ size: 64KiB, keep: 2 }} }} }}\n{}",
        log.path().display(),
        everything_to(&[backend.address], "")
    );
    let gateway = Setup::new(BIN).start(&config);
    load(&gateway, 1000, Duration::from_secs(1));
    gateway.stop();
    let old = |number: u32| log.path().with_extension(format!("log.{number}"));
    for path in [log.path(), old(1), old(2)] {
        assert!(fs::metadata(&path).expect("a file").len() <= 64 << 10, "{}", path.display());
        assert!(!crate::read(&path).is_empty());
    }
    assert!(!old(3).exists());
}

/// What `validate` finds nothing wrong with is served.
#[test]
fn a_folder_that_is_not_there_is_made() {
    let backend = RawBackend::answering(OK);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("logs/of/today/access.log");
    let config = format!(
        "telemetry: {{ access_log: \"{}\" }}\n{}",
        path.display(),
        everything_to(&[backend.address], "")
    );
    let gateway = Setup::new(BIN).start(&config);
    assert_eq!(gateway.ask("GET / HTTP/1.0\r\n\r\n").status(), 200);
    let mode = fs::metadata(folder.path().join("logs/of/today")).expect("a folder").permissions().mode();
    assert_eq!(mode & 0o027, 0, "nobody else may look into it");
    gateway.stop();
    assert!(!crate::read(&path).is_empty());
}

#[test]
fn a_place_that_cannot_be_written_is_told_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tidegate.yaml");
    let start = |place: &str| {
        let listen = "version: 1\nlisten: { http: \"127.0.0.1:0\" }\nadmin: \"127.0.0.1:0\"\n";
        fs::write(&file, format!("{listen}{}\n", respond(place))).expect("write the configuration");
        let [said, validated] = ["run", "validate"].map(|command| {
            process::run(Command::new(BIN).args([command, "-c", "tidegate.yaml"]).current_dir(folder.path()))
        });
        assert_eq!(said, validated, "both judge alike");
        said
    };
    fs::write(folder.path().join("no"), "").expect("make a file");
    let missing = start("no/such/folder.log");
    assert_eq!(missing.code, Some(2));
    let expected = "tidegate.yaml:4:26: the access log cannot be written to `no/such/folder.log`: \
                    Not a directory (os error 20)\n\
                    \x20 4 | telemetry: { access_log: no/such/folder.log }\n\
                    \x20   |                          ^^^^^^^^^^^^^^^^^^ its folder is a file: name another\n";
    assert_eq!(missing.stderr, expected);
    let is_folder = start("./");
    assert!(is_folder.stderr.contains("name a file in it"), "{}", is_folder.stderr);
}
