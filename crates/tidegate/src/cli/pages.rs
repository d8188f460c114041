//! The pages of docs/reference, made of the declarations that the program itself reads: keys, commands, schema. A
//! test holds that the files are these; `make reference` writes them.

use clap::{Arg, Command};
use std::fmt::Write;
use std::path::Path;

use super::tests::commands;
use crate::families;

const CONFIGURATION: &str = "\
# Every key of the configuration

Made of the declarations the program reads the file by; `make reference` writes this page anew.

- A file is YAML or JSON. What has one main value may be written as that value alone, its *short form*; where that value
  is a list, as the list: `services: { api: [\"10.0.0.1:8080\"] }`.
- `${VAR}`, `${VAR:-default}` and `${file:path}` are filled in inside of values; a missing one is an error, and `$${`
  is a literal `${`. What came from there is never shown.
- Relative paths start at the folder of the file.
- Times are `250ms`, `10s`, `5m`, `1h`, `30d`, `1y`; sizes `1KiB`, `64MiB`; shares `20%`; rates `100/s`, `100/min`.
- An unknown key, a bad value or a name that is defined nowhere is an error; `tidegate validate` tells all at once.
- `NAME` stands for a name of yours: small letters, digits and `-`, beginning with a letter, at most 63.

";

const COMMANDS: &str = "\
# Every command

Made of the declarations the program reads its command line by; `make reference` writes this page anew.

Results go to standard output, as JSON with `--json`; everything else goes to standard error. `NO_COLOR` is kept, and
colour is used on a terminal alone. [Exit codes](../guide/exit-codes.md) are the same for every command: 0 fine, 1 the
answer is no, 2 misuse or a configuration that cannot be used.

";

/// Every page: its name and its text.
fn pages() -> [(&'static str, String); 3] {
    let configuration =
        CONFIGURATION.to_owned() + tidegate_config::reference(&families::ALL).trim_end() + "\n";
    let mut text = COMMANDS.to_owned();
    for (name, command) in commands().into_iter().skip(1) {
        section(&name, &command, &mut text);
    }
    let schema = tidegate_config::schema(&families::ALL).trim_end().to_owned() + "\n";
    [
        ("configuration.md", configuration),
        ("cli.md", text.trim_end().to_owned() + "\n"),
        ("tidegate.schema.json", schema),
    ]
}

fn section(name: &str, command: &Command, out: &mut String) {
    let said = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    writeln!(out, "## `tidegate {name}`\n\n{}\n\n```\n{usage}\n```\n", sentence(&said)).unwrap_or_default();
    let arguments: Vec<&Arg> =
        command.get_arguments().filter(|argument| argument.get_id() != "help").collect();
    if !arguments.is_empty() {
        out.push_str("| | | default |\n|---|---|---|\n");
        for argument in arguments {
            let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string);
            let default = argument.get_default_values().iter().map(|value| value.to_string_lossy());
            let default = match default.collect::<Vec<_>>().join(", ") {
                shown if shown.is_empty() || shown == "false" => shown.replace("false", ""),
                shown => format!("`{shown}`"),
            };
            let (spelling, help) = (spelling(argument), help.unwrap_or_default());
            writeln!(out, "| `{spelling}` | {help} | {default} |").unwrap_or_default();
        }
        out.push('\n');
    }
    if let Some(examples) = command.get_after_help().map(ToString::to_string) {
        let examples = examples.replacen("Examples:\n", "", 1).replacen("Example:\n", "", 1);
        let lines: Vec<&str> = examples.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
        writeln!(out, "```\n{}\n```\n", lines.join("\n")).unwrap_or_default();
    }
}

/// The first line of a help text has no final dot; in running text it is a sentence.
fn sentence(help: &str) -> String {
    match help.split_once('\n') {
        Some((first, rest)) => format!("{first}.\n{rest}"),
        None => format!("{help}."),
    }
}

/// How an argument is typed: `-c, --config FILE`.
fn spelling(argument: &Arg) -> String {
    let value =
        argument.get_value_names().unwrap_or_default().iter().map(|name| name.as_str()).collect::<Vec<_>>();
    if argument.is_positional() {
        return value.join(" ");
    }
    let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let long = argument.get_long().map(|long| format!("--{long}")).unwrap_or_default();
    match argument.get_action().takes_values() {
        true => format!("{short}{long} {}", value.join(" ")),
        false => format!("{short}{long}"),
    }
}

#[test]
fn reference_pages_are_made_of_the_declarations() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let is_blessing = std::env::var_os("TIDEGATE_BLESS").is_some();
    let mut stale = Vec::new();
    for (name, text) in pages() {
        let path = folder.join(name);
        if is_blessing {
            std::fs::write(&path, &text).expect("write a page");
        }
        if std::fs::read_to_string(&path).unwrap_or_default() != text {
            stale.push(name);
        }
    }
    assert!(
        stale.is_empty(),
        "{stale:?} of docs/reference are stale: run `make reference` and commit what it wrote"
    );
}
