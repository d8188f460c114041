//! The last configuration that was taken, kept in the state folder as the text of its file, so that a gateway can
//! start from it when the file itself has been spoilt. What `${…}` stands for is not in it: it is filled in again.

use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};
use tidegate_config::Config;
use tidegate_core::problem::Problem;
use tidegate_telemetry::say;

use super::Changes;

/// Its name in the state folder.
const FILE: &str = "last-good.json";
/// The version of its form.
const FORM: u64 = 1;

/// Keeps the configuration that is in use. A failure is told and changes nothing else.
pub(super) async fn keep(changes: &Changes, config: &Config) {
    let Changes::File(path) = changes else { return };
    let (source, path, folder) = (config.source.clone(), path.clone(), config.state.dir.clone());
    let written =
        tokio::task::spawn_blocking(move || write(&folder, &Kept { path, text: source.text().into() })).await;
    if let Ok(Err(error)) = written {
        say::warn("the configuration could not be kept as the last good one", &[("error", &error)]);
    }
}

/// A configuration file as it was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Where it lay.
    pub(crate) path: PathBuf,
    /// What was in it.
    pub(crate) text: std::sync::Arc<str>,
}

impl Kept {
    fn checksum(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.path.as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update(self.text.as_bytes());
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn write(folder: &Path, kept: &Kept) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = std::path::absolute(&kept.path)?;
    let kept = Kept { path, text: kept.text.clone() };
    let json = serde_json::json!({
        "form": FORM, "path": kept.path.to_string_lossy(), "text": &*kept.text, "sha256": kept.checksum(),
    });
    // Under another name first: whoever reads it never finds half of one.
    let draft = folder.join(format!("{FILE}.new"));
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
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
    let damaged = || problem("is damaged".into());
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|_| damaged())?;
    let field = |name: &str| json.get(name).and_then(|value| value.as_str()).ok_or_else(damaged);
    let kept = Kept { path: field("path")?.into(), text: field("text")?.into() };
    match json.get("form").and_then(serde_json::Value::as_u64) == Some(FORM)
        && kept.checksum() == field("sha256")?
    {
        true => Ok(kept),
        false => Err(damaged()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_back_or_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(last_good(folder.path()).unwrap_err().reason.contains("no configuration has been kept"));
        let kept = Kept { path: "/etc/tidegate.yaml".into(), text: "version: 1\n# \"ü\"\n".into() };
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
