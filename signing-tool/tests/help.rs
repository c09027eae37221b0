//! Every command of `semper-sign` says what it is for, with an example, and exits well.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

/// What a command says about itself.
fn help(words: &[String]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_semper-sign")).args(words).arg("--help").output().unwrap();
    assert!(output.status.success(), "{words:?} --help: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The commands below one, by its help.
fn commands(text: &str) -> Vec<String> {
    let Some((_, after)) = text.split_once("Commands:\n") else { return Vec::new() };
    let lines = after.lines().take_while(|line| !line.is_empty());
    let named = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = named.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_has_help_with_an_example() {
    let (mut open, mut seen) = (vec![Vec::new()], 0);
    while let Some(words) = open.pop() {
        let text = help(&words);
        let below = commands(&text);
        if below.is_empty() {
            seen += 1;
            assert!(text.contains("Example"), "{words:?} --help has no example:\n{text}");
        }
        open.extend(below.into_iter().map(|name| [words.clone(), vec![name]].concat()));
    }
    assert!(seen >= 20, "only {seen} commands");
}

#[test]
fn a_wrong_word_is_refused_with_what_there_is() {
    let output = Command::new(env!("CARGO_BIN_EXE_semper-sign")).arg("purchase").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("purchase") && said.contains("--help"), "{said}");
}
