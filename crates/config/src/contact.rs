//! Where the gateway that runs a file is found, and what opens its API, as far as the file says so: for those who ask the
//! gateway itself, and must not care what else is wrong with a file that it may have read long ago.

use crate::admin::Token;
use crate::config::usual_admin;
use crate::interpolate::Filling;
use crate::sources;
use crate::yaml;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_core::node::Node;
use tidegate_core::problem::{Problem, Problems, Source};
use tidegate_core::secret::Secret;
use tidegate_core::settings::Setting;
use tidegate_core::units::Bind;

/// What a file says of its gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Where the admin listener is; `None` if that cannot be read.
    pub bind: Option<Bind>,
    /// The token that is set, if one is and can be read.
    pub token: Option<Secret<Token>>,
    /// The state folder.
    pub state: PathBuf,
}

/// The keys that are looked at.
const ADMIN: &str = "admin";
const STATE: &str = "state";

impl Contact {
    /// Of a file, whatever else is wrong with it.
    ///
    /// Errors: there is no such file, or it cannot be read. Does blocking I/O.
    pub fn of(path: &Path) -> Result<Contact, Problem> {
        let text = sources::read(path)
            .map_err(|fault| Problem::new(format!("{}: {}", path.display(), fault.reason())))?;
        Ok(Contact::read(path, &text))
    }

    /// Of the text of a file, whatever else is wrong with it.
    pub fn read(path: &Path, text: &str) -> Contact {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let source = |text: &str| Source::new(path.display().to_string(), &folder, text);
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // A text that is no YAML anywhere is read in parts: what is wrong is rarely in these.
        let root = tree(&source(text)).or_else(|| tree(&source(&blocks(text))));
        let entry = |key: &str| root.as_ref().and_then(|root| root.entry(key)).map(|entry| &entry.value);
        let (admin, state) = (entry(ADMIN), entry(STATE));
        let state: Option<PathBuf> =
            state.and_then(|state| whole(state.entry("dir").map_or(state, |dir| &dir.value)));
        Contact {
            bind: match admin {
                None => Some(usual_admin()),
                Some(admin) => bind(admin),
            },
            token: admin.and_then(|admin| admin.entry("token")).and_then(|entry| whole(&entry.value)),
            state: state.unwrap_or_else(|| folder.join("state")),
        }
    }
}

fn bind(admin: &Node) -> Option<Bind> {
    match (admin.scalar(), admin.entry("bind")) {
        (Some(_), _) => whole(admin),
        (None, Some(entry)) => whole(&entry.value),
        (None, None) => admin.entries().map(|_| usual_admin()),
    }
}

/// A value, if there is nothing wrong with it.
fn whole<T: Setting>(node: &Node) -> Option<T> {
    let mut node = node.clone();
    let variables = |name: &str| std::env::var(name).ok();
    let mut problems = Problems::default();
    Filling::new(&variables).fill(&mut node, &mut problems);
    let value = T::read(&node, &mut problems);
    problems.is_empty().then_some(value)
}

fn tree(source: &Arc<Source>) -> Option<Node> {
    yaml::parse(source, &mut 0, &mut Problems::default())
}

/// The lines of the keys that are looked at, each with what is indented below it.
fn blocks(text: &str) -> String {
    let is_wanted =
        |line: &str| line.split_once(':').is_some_and(|(key, _)| matches!(key.trim_end(), ADMIN | STATE));
    let mut kept = String::new();
    let mut is_inside = false;
    for line in text.lines() {
        if line.starts_with(|c: char| !c.is_whitespace() && c != '#') {
            is_inside = is_wanted(line);
        }
        if is_inside {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<String>, Option<String>, String) {
        let contact = Contact::read(Path::new("/etc/tidegate/tidegate.yaml"), text);
        let token = contact.token.map(|token| token.reveal().as_str().to_owned());
        (contact.bind.map(|bind| bind.to_string()), token, contact.state.display().to_string())
    }

    #[test]
    fn mistakes_elsewhere_do_not_matter() {
        let check = |text: &str, bind: Option<&str>, token: Option<&str>, state: &str| {
            let expected = (bind.map(str::to_owned), token.map(str::to_owned), state.to_owned());
            assert_eq!(read(text), expected, "{text}");
        };
        let beside = "/etc/tidegate/state";
        let usual = Some("127.0.0.1:9900");
        check("version: 1", usual, None, beside);
        check("", usual, None, beside);
        check(
            "version: 2\nrotes: []\nadmin: \"127.0.0.1:7\"\nstate: /var/s\n",
            Some("127.0.0.1:7"),
            None,
            "/var/s",
        );
        check(
            "admin: { bind: \"[::1]:7\", token: a-token-of-its-own, hots: [] }\nstate: { dir: s, shard: 1 }",
            Some("[::1]:7"),
            Some("a-token-of-its-own"),
            "/etc/tidegate/s",
        );
        check("admin: { token: a-token-of-its-own }", usual, Some("a-token-of-its-own"), beside);
        // No YAML at all, before and behind.
        let torn = "listen: { http: [\nadmin:\n  # here\n  bind: unix:/run/a.sock\n\n  token: a-token-of-its-own\nroutes: ]\n \"\n";
        check(torn, Some("unix:/run/a.sock"), Some("a-token-of-its-own"), beside);
        // What it says of the admin listener itself cannot be read.
        check("admin: nowhere\n", None, None, beside);
        check(
            "admin: { bind: nowhere, token: a-token-of-its-own }\n",
            None,
            Some("a-token-of-its-own"),
            beside,
        );
        check("admin: { bind: \"${NO_SUCH_VARIABLE_OF_OURS}\" }\n", None, None, beside);
        check("admin: [1]\n", None, None, beside);
    }
}
