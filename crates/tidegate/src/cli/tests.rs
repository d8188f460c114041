//! What the command line says of itself: help texts that fit a terminal, examples that work.

use super::Cli;
use clap::{Command, CommandFactory, Parser};

/// Every command, the program itself first, with the help texts it has.
pub(super) fn commands() -> Vec<(String, Command)> {
    let mut program = Cli::command();
    program.build();
    let names: Vec<String> = program
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
        .map(|command| command.get_name().to_owned())
        .collect();
    let mut all: Vec<(String, Command)> = vec![("tidegate".into(), program.clone())];
    for name in names {
        let command = program.find_subcommand(&name).expect("it was just listed").clone();
        all.push((name, command));
    }
    all
}

#[test]
fn help_fits_a_terminal_of_80_columns_and_shows_examples() {
    for (name, mut command) in commands() {
        for text in [command.render_help().to_string(), command.render_long_help().to_string()] {
            let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(wide.is_empty(), "{name}: {wide:#?}");
            assert!(text.contains("\nExample"), "{name} shows no example:\n{text}");
        }
    }
}

#[test]
fn every_option_and_command_says_what_it_does_without_a_final_dot() {
    for (name, command) in commands() {
        for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(!help.is_empty() && !help.ends_with('.'), "{name} {}: {help:?}", argument.get_id());
        }
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty(), "{name} says nothing");
        assert!(name == "tidegate" || !about.ends_with('.'), "{name}: {about:?}");
    }
}

/// What is typed in an example: the words from `tidegate` on, up to a comment, a redirection or a bracket.
fn typed(line: &str) -> Option<Vec<String>> {
    let from = line.find("tidegate ")?;
    let whole = &line[from..];
    let end = ["   ", " > ", ")"].iter().filter_map(|mark| whole.find(mark)).min().unwrap_or(whole.len());
    // Outside of quotes, at even places, spaces part words; inside they do not.
    let mut words = Vec::new();
    for (place, text) in whole[..end].split('\'').enumerate() {
        match place % 2 {
            0 => words.extend(text.split_whitespace().map(str::to_owned)),
            _ => words.push(text.to_owned()),
        }
    }
    Some(words)
}

#[test]
fn every_example_is_taken() {
    let mut count = 0;
    for (name, command) in commands() {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in after.lines().filter(|line| line.starts_with("  ")) {
            let Some(words) = typed(line) else { continue };
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{name}: {words:?}: {error}");
            }
            assert!(name == "tidegate" || words[1] == name, "{name} shows an example of {}", words[1]);
            count += 1;
        }
    }
    assert!(count >= 15, "only {count} examples");
}
