//! Every `golden/NAME.yaml` is refused with exactly the text of `golden/NAME.txt`.
//! `TIDEGATE_BLESS=1` writes the texts anew; read the difference before committing it.

mod members;

use std::fs;
use std::path::Path;
use tidegate_config::{Families, from_text};

#[test]
fn wrong_files_are_refused_with_exactly_these_words() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let is_blessing = std::env::var_os("TIDEGATE_BLESS").is_some();
    let families = Families::new(members::POLICIES, members::BALANCERS);
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        count += 1;
        let text = fs::read_to_string(&path).unwrap();
        let said = match from_text("tidegate.yaml", &text, &folder, &families) {
            Ok(config) if !config.warnings.is_empty() => format!("accepted with\n{}", config.warnings),
            Ok(_) => String::from("accepted"),
            Err(problems) => problems.to_string(),
        } + "\n";
        let golden = path.with_extension("txt");
        if is_blessing {
            fs::write(&golden, &said).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if said != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- said\n{said}", path.display()));
        }
        assert!(!said.contains("hunter2"), "{} shows a secret", path.display());
    }
    assert!(count >= 40, "only {count} golden files");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
