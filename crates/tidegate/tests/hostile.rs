//! Configuration files made to hurt, given to the real program: each is refused with a message of readable length, in
//! bounded memory. How long it takes, and many more such files, are held by the tests of `config`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BIN: &str = env!("CARGO_BIN_EXE_tidegate");
/// The longest a file may be.
const LIMIT: usize = 10 << 20;
/// The text, its tokens, and half a million nodes: 180 MiB for the worst of these (2026-11-24), with room above.
const MEMORY_KIB_MAX: u64 = 512 << 10;
/// A release build takes less than a second; this one is slower, and not alone on its machine.
const TIME_MAX: Duration = Duration::from_secs(60);
/// A hundred problems with their lines.
const MESSAGE_BYTES_MAX: usize = 100 << 10;

fn cases() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let lines =
        |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>().into_bytes();
    let mut bytes = Vec::with_capacity(LIMIT);
    let mut state = 20_261_124u64;
    while bytes.len() < LIMIT {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    let bomb =
        lines(20, &|i| format!("b{i}: &b{i} [{}]\n", vec![format!("*b{}", i.max(1) - 1); 9].join(",")));
    let wrong = lines(100_000, &|i| format!("  s{i:05}: x\n"));
    vec![
        ("random bytes", bytes, "is not UTF-8 text"),
        ("too large", vec![b'a'; LIMIT + 1], "is larger than 10 MiB"),
        ("one word", vec![b'a'; LIMIT], "expected a map"),
        (
            "lists 10,000 deep",
            ["a: ", &"[".repeat(10_000)].concat().into_bytes(),
            "nested deeper than 64 levels",
        ),
        ("an alias bomb", bomb, "an alias (`*name`) has no use here"),
        ("a million keys", lines(1_000_000, &|i| format!("{i:x}:\n")), "more than 500,000 keys and values"),
        ("100,000 problems", [&b"services:\n"[..], &wrong].concat(), "more"),
        ("a list in brackets", [&b"["[..], &b"a,".repeat(LIMIT / 3)].concat(), "more than 500,000"),
        ("nothing", Vec::new(), "the file is empty"),
        ("zeros", vec![0; LIMIT], ""),
    ]
}

#[test]
fn hostile_files_are_refused_in_bounded_memory() {
    let folder = tempfile::tempdir().expect("make a folder");
    for (name, bytes, said) in cases() {
        let file = folder.path().join("tidegate.yaml");
        std::fs::write(&file, bytes).expect("write the file");
        let (code, message, peak_kib) = validated(&file);
        let shown: String = message.chars().take(300).collect();
        assert_eq!(code, Some(2), "{name}: {shown}");
        assert!(message.contains(said) && message.len() > 20, "{name}: {shown}");
        assert!(message.len() < MESSAGE_BYTES_MAX, "{name}: {} bytes are said", message.len());
        assert!(peak_kib < MEMORY_KIB_MAX, "{name}: {peak_kib} KiB at the most");
        println!("{name}: {peak_kib} KiB");
    }
}

/// The exit code, what was said, and the most memory the process has held, as it was seen last before the end.
fn validated(file: &Path) -> (Option<i32>, String, u64) {
    let said = file.with_extension("said");
    let stderr = std::fs::File::create(&said).expect("make a file for what is said");
    let mut command = Command::new(BIN);
    command
        .arg("validate")
        .arg(file)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr);
    let mut child = command.spawn().expect("start the program");
    let (begun, mut peak_kib) = (Instant::now(), 0);
    loop {
        peak_kib = peak_kib.max(peak_of(&child).unwrap_or(0));
        if let Some(status) = child.try_wait().expect("wait for the program") {
            let message = std::fs::read_to_string(&said).expect("read what was said");
            return (status.code(), message, peak_kib);
        }
        if begun.elapsed() > TIME_MAX {
            let _ = child.kill();
            let _ = child.wait();
            panic!("still at it after {TIME_MAX:?}");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// `VmHWM` only grows, so that a look shortly before the end sees the most there was.
fn peak_of(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}
