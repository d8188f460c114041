//! `tidegate key`: makes a key for a consumer of `api_key`, and tells a key from what only looks like one. The key itself
//! is shown once, on standard output; files keep its digest.

use serde_json::json;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tidegate_core::identity::{Consumer, is_scope};
use tidegate_core::problem::{Problem, quote};
use tidegate_core::settings::Word;
use tidegate_policies::auth::api_key::key::{self, Digest};
use tidegate_policies::auth::api_key::{Day, SCOPE_HINT};

use super::say::{self, Form};

/// Longest line that is read where a key should be.
const LINE_BYTES_MAX: u64 = 4096;

/// What a new key is for.
pub(super) struct Wish {
    pub(super) consumer: String,
    pub(super) scopes: Vec<String>,
    pub(super) expires: Option<String>,
    pub(super) prefix: String,
    pub(super) file: Option<PathBuf>,
}

/// Makes a key, and writes its entry into the file, or to standard error for whoever puts it there.
pub(super) fn new(wish: &Wish, form: Form) -> ExitCode {
    match made(wish) {
        Ok((key, id, entry)) => {
            if wish.file.is_none() {
                eprint!("The entry for the file of keys:\n{entry}");
            }
            say::result(&match form {
                Form::Text => key,
                Form::Json => say::pretty(&json!({ "key": key, "id": id, "consumer": wish.consumer })),
            })
        }
        Err(problem) => say::unusable(&problem.into()),
    }
}

/// Tells whether a text has the form of a key: not whether somebody has it. Without a text, the first line of standard
/// input: what stands in a command's line is seen by others on the machine, and kept by shells.
pub(super) fn check(text: Option<&str>, form: Form) -> ExitCode {
    let mut line = String::new();
    let text = match text.filter(|text| *text != "-") {
        Some(text) => text,
        None => {
            let read = std::io::stdin().lock().take(LINE_BYTES_MAX).read_line(&mut line);
            if let Err(error) = read {
                return say::unusable(&Problem::new(format!("cannot read standard input: {error}")).into());
            }
            line.trim()
        }
    };
    let is_key = key::is_key(text);
    let said = match (form, is_key) {
        (Form::Json, _) => {
            say::pretty(&json!({ "is_key": is_key, "id": is_key.then(|| id_of(&Digest::of(text))) }))
        }
        (Form::Text, true) => format!("a key, with the id {}", id_of(&Digest::of(text))),
        (Form::Text, false) => String::from("not a key: a letter is wrong, or something is missing"),
    };
    if is_key { say::result(&said) } else { say::no(&said) }
}

/// A key, its id, and its entry as a line of YAML.
fn made(wish: &Wish) -> Result<(String, String, String), Problem> {
    if Consumer::new(&wish.consumer).is_none() {
        let problem = Problem::new(format!("{} is not the name of a consumer", quote(&wish.consumer)));
        return Err(problem.hint("visible ASCII, 255 characters at most"));
    }
    if let Some(scope) = wish.scopes.iter().find(|scope| !is_scope(scope)) {
        return Err(Problem::new(format!("{} is not a scope", quote(scope))).hint(SCOPE_HINT));
    }
    if let Some(day) = &wish.expires {
        Day::parse(day).map_err(|fault| fault.of_text(day))?;
    }
    let key = key::make(&wish.prefix).map_err(Problem::new)?;
    let digest = Digest::of(&key);
    let id = id_of(&digest);
    // JSON's strings are YAML's too.
    let text = |text: &str| json!(text).to_string();
    let mut entry = format!(
        "  - {{ id: {}, consumer: {}, hash: {}",
        text(&id),
        text(&wish.consumer),
        text(&digest.show())
    );
    if !wish.scopes.is_empty() {
        let _ = write!(entry, ", scopes: {}", json!(wish.scopes));
    }
    if let Some(day) = &wish.expires {
        let _ = write!(entry, ", expires: {}", text(day));
    }
    entry += " }\n";
    if let Some(file) = &wish.file {
        append(file, &entry)?;
    }
    Ok((key, id, entry))
}

/// What a key is called: the beginning of its digest, which tells nothing of the key.
fn id_of(digest: &Digest) -> String {
    digest.show().trim_start_matches("sha256:").chars().take(8).collect()
}

/// Adds an entry to a file of keys, or begins one.
fn append(file: &Path, entry: &str) -> Result<(), Problem> {
    let cannot = |error: std::io::Error| Problem::new(format!("cannot write {}: {error}", file.display()));
    let there = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(cannot(error)),
    };
    let is_list = there.lines().any(|line| line.trim_end() == "keys:");
    let begin = match (there.trim().is_empty(), is_list) {
        (true, _) => "keys:\n",
        (false, true) if there.ends_with('\n') => "",
        (false, true) => "\n",
        (false, false) => {
            let reason = format!("{} has no line `keys:` with a list under it", file.display());
            return Err(Problem::new(reason).hint("leave `--file` out, and put the entry where it belongs"));
        }
    };
    let mut open = OpenOptions::new().create(true).append(true).open(file).map_err(cannot)?;
    open.write_all(format!("{begin}{entry}").as_bytes()).map_err(cannot)
}
