//! `include`: which files are read, what may stand in them, and where messages say that something is wrong.

mod members;

use std::fs;
use std::path::PathBuf;

use tidegate_config::{Config, Families, load, load_from};
use tidegate_core::problem::Problems;

const FAMILIES: Families<'static> = Families::new(members::POLICIES, members::BALANCERS);

/// A folder with these files, gone when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, files: &[(&str, &str)]) -> Folder {
        let path = std::env::temp_dir().join(format!("tidegate-include-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let folder = Folder(path);
        for (file, text) in files {
            folder.write(file, text);
        }
        folder
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn load(&self) -> Result<Config, Problems> {
        load(&self.0.join("main.yaml"), &FAMILIES)
    }

    /// Everything that is said, with the folder left out.
    fn problems(&self) -> String {
        let said = self.load().err().map_or_else(String::new, |problems| problems.to_string());
        said.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn main_with(include: &str, more: &str) -> String {
    format!("version: 1\ninclude: {include}\nlisten: {{ http: \"127.0.0.1:0\" }}\n{more}")
}

fn service(name: &str) -> String {
    format!("services:\n  {name}: \"10.0.0.1:80\"\nroutes:\n  - {{ match: /{name}, to: {name} }}\n")
}

fn names(config: &Config) -> (Vec<&str>, Vec<&str>) {
    (
        config.services.iter().map(|row| row.name.as_str()).collect(),
        config.routes.iter().map(|route| &*route.name).collect(),
    )
}

#[test]
fn services_and_routes_of_all_files_are_one_configuration() {
    let folder =
        Folder::with("all", &[("services/b.yaml", &service("b")), ("services/a.yaml", &service("a"))]);
    folder.write("services/.draft.yaml", "not: [yaml");
    folder.write("services/readme.md", "# not YAML: [");
    folder.write("services/empty.yaml", "# nobody's yet\n");
    folder.write("services/deep/c.yaml", service("c"));
    let own = "services: { own: \"10.0.0.9:80\" }\nroutes: [{ match: /, to: b }, { match: /own, to: own }]\n";
    let cases = [
        ("[services/*.yaml]", own, vec!["own", "a", "b"], vec!["/", "/own", "/a", "/b"]),
        ("services/?.yaml", own, vec!["own", "a", "b"], vec!["/", "/own", "/a", "/b"]),
        ("[services/b.yaml, \"*/a*\", services/*/c.yaml]", "", vec!["b", "a", "c"], vec!["/b", "/a", "/c"]),
        ("[services/b.yaml, ./services/b.yaml, \"s*/b.yaml\"]", "", vec!["b"], vec!["/b"]),
        ("[none/*.yaml, services/*.yml]", "", vec![], vec![]),
        ("\"*.yaml\"", "", vec![], vec![]),
        ("[]", "", vec![], vec![]),
    ];
    for (include, more, services, routes) in cases {
        folder.write("main.yaml", main_with(include, more));
        let config = folder.load().unwrap_or_else(|problems| panic!("{include}: {problems}"));
        assert_eq!(names(&config), (services, routes), "{include}");
    }
    // From the folder of an absolute pattern too.
    folder.write("main.yaml", main_with(&format!("\"{}/services/*.yaml\"", folder.0.display()), ""));
    assert_eq!(names(&folder.load().unwrap()).0, ["a", "b"]);
}

#[test]
fn paths_start_at_the_folder_of_the_file_they_stand_in() {
    let folder = Folder::with("paths", &[("team/address", "10.0.0.7:80\n")]);
    folder.write("main.yaml", main_with("team/a.yaml", ""));
    folder
        .write("team/a.yaml", "services: { a: { backends: [\"${file:address}\", \"unix:run/a.sock\"] } }\n");
    let config = folder.load().unwrap_or_else(|problems| panic!("{problems}"));
    let backends: Vec<String> =
        config.services.iter().next().unwrap().value.backends.iter().map(|b| b.site.to_string()).collect();
    assert_eq!(backends, ["10.0.0.7:80".to_owned(), format!("unix:{}/team/run/a.sock", folder.0.display())]);
}

#[test]
fn everything_that_was_read_is_listed() {
    let folder = Folder::with("listed", &[("word", "last"), ("s/a.yaml", &service("a")), ("t/x/r.yaml", "")]);
    let path = |name: &str| folder.0.join(name);
    let own = "services: { own: { backends: \"10.0.0.9:80\", balance: \"${file:word}\" } }\n";
    folder.write("main.yaml", main_with("[s/*.yaml, s/a.yaml, none/*.yaml, t/*/r.yaml]", own));
    let config = folder.load().unwrap_or_else(|problems| panic!("{problems}"));
    let files = ["main.yaml", "s/a.yaml", "t/x/r.yaml", "word"].map(path);
    let folders = ["s", "none", "t", "t/x"].map(path);
    assert_eq!((&config.sources.files[..], &config.sources.folders[..]), (&files[..], &folders[..]));

    folder.write("s/a.yaml", "servcies: {}");
    let (result, sources) = load_from(&path("main.yaml"), &FAMILIES);
    let is_same = sources.files == config.sources.files && sources.folders == config.sources.folders;
    assert!(result.is_err() && is_same, "also when they cannot be used");
    let (result, sources) = load_from(&path("missing.yaml"), &FAMILIES);
    assert_eq!((result.is_err(), sources.files), (true, vec![path("missing.yaml")]));
    fs::remove_file(path("s/a.yaml")).unwrap();
    folder.write("main.yaml", main_with("[s/a.yaml]", ""));
    let (result, sources) = load_from(&path("main.yaml"), &FAMILIES);
    assert_eq!((result.is_err(), sources.files), (true, vec![path("main.yaml"), path("s/a.yaml")]));
}

/// One problem and what it says.
fn check(name: &str, include: &str, files: &[(&str, &str)], said: &str) {
    let folder = Folder::with(name, files);
    folder.write(
        "main.yaml",
        main_with(
            include,
            "services:\n  own: \"10.0.0.9:80\"\nroutes:\n  - { match: /own, to: own, name: own }\n",
        ),
    );
    assert_eq!(folder.problems(), said, "{name}");
}

#[test]
fn what_has_no_place_in_an_included_file_is_refused_there() {
    check(
        "keys",
        "s/*.yaml",
        &[("s/a.yaml", "version: 1\nlisten: {}\ninclude: b.yaml\nservcies: {}\nextra: 1\n")],
        "s/a.yaml:1:1: `version` has no place in an included file\n  1 | version: 1\n    | ^^^^^^^ only `services` and `routes` may stand here: write it in the file that includes this one\n\n\
         s/a.yaml:2:1: `listen` has no place in an included file\n  2 | listen: {}\n    | ^^^^^^ only `services` and `routes` may stand here: write it in the file that includes this one\n\n\
         s/a.yaml:3:1: an included file cannot include others\n  3 | include: b.yaml\n    | ^^^^^^^ name them in the `include` of the file that includes this one\n\n\
         s/a.yaml:4:1: unknown key `servcies`\n  4 | servcies: {}\n    | ^^^^^^^^ did you mean `services`?\n\n\
         s/a.yaml:5:1: unknown key `extra`\n  5 | extra: 1\n    | ^^^^^ known in an included file: `services`, `routes`",
    );
    check(
        "kinds",
        "[s/a.yaml, s/b.yaml]",
        &[("s/a.yaml", "- a\n"), ("s/b.yaml", "services: [a]\nroutes:\n")],
        "s/a.yaml:1:1: expected a map with the keys `services`, `routes`, found a list\n  1 | - a\n    | ^\n\n\
         s/b.yaml:1:11: expected a map, found a list\n  1 | services: [a]\n    |           ^\n\n\
         s/b.yaml:2:7: expected a list, found nothing\n  2 | routes:\n    |       ^ write a value, or remove the key to have the default",
    );
}

#[test]
fn a_name_belongs_to_one_file_and_both_places_are_told() {
    check(
        "twice",
        "s/*.yaml",
        &[
            ("s/a.yaml", "services:\n  own: \"10.0.0.1:80\"\n  x: \"10.0.0.1:80\"\n"),
            (
                "s/b.yaml",
                "services: { x: \"10.0.0.2:80\" }\nroutes:\n  - { match: /own, to: x }\n  - { match: /b, to: x, name: own }\n  - { match: /b, to: x }\n",
            ),
        ],
        "s/a.yaml:2:3: the service `own` is defined in main.yaml:5:3 already\n  2 |   own: \"10.0.0.1:80\"\n    |   ^^^ a name belongs to one file: remove it here or there, or rename it\n\n\
         s/b.yaml:1:13: the service `x` is defined in s/a.yaml:3:3 already\n  1 | services: { x: \"10.0.0.2:80\" }\n    |             ^ a name belongs to one file: remove it here or there, or rename it\n\n\
         s/b.yaml:3:14: the route of main.yaml:7:14 takes the same requests\n  3 |   - { match: /own, to: x }\n    |              ^^^^ this one would never be reached\n\n\
         s/b.yaml:4:31: the route of main.yaml:7:35 is called `own` already\n  4 |   - { match: /b, to: x, name: own }\n    |                               ^^^\n\n\
         s/b.yaml:5:14: the route of line 4 takes the same requests\n  5 |   - { match: /b, to: x }\n    |              ^^ this one would never be reached",
    );
}

#[test]
fn a_file_that_is_named_and_not_there_is_refused() {
    let at = |text: &str| format!("  2 | include: {text}\n    |          {}", "^".repeat(text.len()));
    check(
        "missing",
        "s/a.yaml",
        &[],
        &format!(
            "main.yaml:2:10: cannot include `s/a.yaml`: there is no such file\n{} a relative path starts at the folder of this file",
            at("s/a.yaml")
        ),
    );
    check(
        "folder",
        "s",
        &[("s/a.yaml", "")],
        &format!(
            "main.yaml:2:10: cannot include `s`: is a folder\n{} name the files in it, as in `services/*.yaml`",
            at("s")
        ),
    );
    check(
        "itself",
        "main.yaml",
        &[],
        &format!("main.yaml:2:10: the file includes itself\n{}", at("main.yaml")),
    );
    check(
        "stars",
        "s/**/a.yaml",
        &[],
        &format!(
            "main.yaml:2:10: `**` has no meaning here\n{} write `*` for each level of folders, as in `teams/*/*.yaml`",
            at("s/**/a.yaml")
        ),
    );
    let folder = Folder::with("kind", &[("main.yaml", &main_with("{ a: b }", ""))]);
    assert!(
        folder.problems().starts_with("main.yaml:2:10: expected a list, found a map"),
        "{}",
        folder.problems()
    );
}

#[test]
fn a_file_that_is_no_text_or_too_much_is_refused_by_name() {
    let folder = Folder::with("much", &[("main.yaml", &main_with("s/*.yaml", ""))]);
    folder.write("s/a.yaml", b"services: {}\n# caf\xe9\n");
    std::os::unix::fs::symlink("nowhere", folder.0.join("s/b.yaml")).unwrap();
    let said = folder.problems();
    assert!(said.contains("cannot include `s/a.yaml`: line 2 is not UTF-8 text"), "{said}");
    assert!(said.contains("cannot include `s/b.yaml`: there is no such file"), "{said}");
    fs::remove_file(folder.0.join("s/b.yaml")).unwrap();

    let comment = format!("# {}\n", "x".repeat(6 << 20));
    for name in ["a", "b", "c"] {
        folder.write(&format!("s/{name}.yaml"), &comment);
    }
    let said = folder.problems();
    assert!(said.starts_with("s/b.yaml: with this the files together are larger than 10 MiB"), "{said}");

    for number in 0..1001 {
        folder.write(&format!("many/{number}.yaml"), "");
    }
    folder.write("main.yaml", main_with("many/*", ""));
    let said = folder.problems();
    assert!(said.starts_with("main.yaml:2:10: more than 1000 files are included"), "{said}");
}

#[test]
fn another_version_is_told_before_anything_is_included() {
    let folder = Folder::with("version", &[("main.yaml", "version: 2\ninclude: none.yaml\n")]);
    let said = folder.problems();
    assert!(said.starts_with("main.yaml:1:10: `2` is not a version") && !said.contains("none"), "{said}");
}
