//! The last configuration that was taken, kept in the state folder as the texts of its files, so that a gateway can
//! start from it when the files themselves have been spoilt. What `${…}` stands for is not in it: it is filled in again.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_config::Config;
use tidegate_core::problem::Problem;
use tidegate_telemetry::say;

use super::Changes;
use crate::state;

/// Its name in the state folder.
const FILE: &str = "last-good.json";
/// The version of its form.
const FORM: u64 = 1;

/// Keeps the configuration that is in use. A failure is told and changes nothing else.
pub(super) async fn keep(changes: &Changes, config: &Config) {
    if let Changes::Never = changes {
        return;
    }
    let (texts, folder) = (config.sources.texts.clone(), config.state.dir.clone());
    let kept =
        move || Kept(texts.iter().map(|text| (text.path.clone(), text.source.text().into())).collect());
    let written = tokio::task::spawn_blocking(move || write(&folder, &kept())).await;
    if let Ok(Err(error)) = written {
        say::warn("the configuration could not be kept as the last good one", &[("error", &error)]);
    }
}

/// Paths and texts of a configuration's own file and of those it includes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kept(pub(crate) Vec<(PathBuf, Arc<str>)>);

impl Kept {
    fn checksum(&self) -> String {
        let mut hash = Sha256::new();
        for (path, text) in &self.0 {
            for part in [path.as_os_str().as_encoded_bytes(), text.as_bytes()] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn write(folder: &Path, kept: &Kept) -> std::io::Result<()> {
    let file =
        |(path, text): &(PathBuf, Arc<str>)| json!({ "path": path.to_string_lossy(), "text": &**text });
    let files: Vec<Value> = kept.0.iter().map(file).collect();
    let json = json!({ "form": FORM, "files": files, "sha256": kept.checksum() });
    // Under another name first: whoever reads it never finds half of one.
    let draft = folder.join(format!("{FILE}.new"));
    let mut file = state::fresh(&draft)?;
    file.write_all(json.to_string().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&draft, folder.join(FILE))
}

/// What was kept in a state folder.
pub(crate) fn last_good(folder: &Path) -> Result<Kept, Problem> {
    let path = folder.join(FILE);
    let problem = |reason: String| {
        Problem::new(format!("{}: {reason}", path.display()))
            .hint("start without `--last-good`, from the configuration file")
    };
    let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            problem("no configuration has been kept here yet: a gateway keeps the last one it took".into())
        }
        _ => problem(error.to_string()),
    })?;
    read(&text).ok_or_else(|| problem("is damaged".into()))
}

/// `None` unless every byte is as it was written.
fn read(text: &str) -> Option<Kept> {
    let json: Value = serde_json::from_str(text).ok()?;
    let file = |file: &Value| Some((file.get("path")?.as_str()?.into(), file.get("text")?.as_str()?.into()));
    let kept = Kept(json.get("files")?.as_array()?.iter().map(file).collect::<Option<_>>()?);
    let is_whole = json.get("form")?.as_u64()? == FORM && kept.checksum() == json.get("sha256")?.as_str()?;
    is_whole.then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_back_or_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(last_good(folder.path()).unwrap_err().reason.contains("no configuration has been kept"));
        let file = |path: &str, text: &str| (path.into(), text.into());
        let own = file("/etc/tidegate.yaml", "version: 1\n# \"ü\"\n");
        let kept = Kept(vec![own, file("/etc/services/a.yaml", "services: {}\n")]);
        write(folder.path(), &kept).unwrap();
        assert_eq!(last_good(folder.path()).unwrap(), kept);
        let file = folder.path().join(FILE);
        let text = std::fs::read_to_string(&file).unwrap();
        for spoilt in
            [text.replace("version: 1", "version: 2"), text[..text.len() / 2].to_owned(), String::new()]
        {
            std::fs::write(&file, spoilt).unwrap();
            assert!(last_good(folder.path()).unwrap_err().reason.ends_with("is damaged"));
        }
    }
}
