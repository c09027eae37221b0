//! Every command of both programs, with arguments as people and attackers give them: nothing, unknown
//! options, files that are not there, that are something else, texts that a terminal would obey.
//!
//! Whatever is given, a command ends by itself with 0, 1 or 2, says one thing that is wrong, shows no
//! character that a terminal obeys, and never falls over.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::binaries;

/// Longer than any command takes that has nothing to wait for.
const HANG: Duration = Duration::from_secs(60);
/// Characters of an error, at most: a screen, not a book.
const MOST: usize = 4_000;

/// How a command has ended.
struct Ended {
    code: Option<i32>,
    out: Vec<u8>,
    err: String,
}

/// Runs a command without a terminal, in this folder.
fn run(program: &Path, folder: &Path, arguments: &[String]) -> Ended {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env_remove("SEMPER_HOME")
        .env("HOME", folder)
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(folder.join(".out")).unwrap())
        .stderr(std::fs::File::create(folder.join(".err")).unwrap())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        if begun.elapsed() > HANG {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    Ended { code, out: read(".out"), err: String::from_utf8_lossy(&read(".err")).into_owned() }
}

/// The commands below one, by its help.
fn below(text: &str) -> Vec<String> {
    let Some((_, after)) = text.split_once("Commands:\n") else { return Vec::new() };
    let lines = after.lines().take_while(|line| !line.is_empty());
    let named = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = named.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Every command that does something, as its words, with the line that says how it is used.
fn commands(program: &Path, folder: &Path) -> Vec<(Vec<String>, String)> {
    let (mut open, mut found) = (vec![Vec::<String>::new()], Vec::new());
    while let Some(words) = open.pop() {
        let arguments: Vec<String> = words.iter().cloned().chain(["--help".into()]).collect();
        let help = String::from_utf8(run(program, folder, &arguments).out).unwrap();
        let below = below(&help);
        if below.is_empty() {
            let usage = help.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap();
            // Who names no home has one all the same; named, it may be anything.
            let home = "--home <HOME>";
            let more = help.contains(home) && !usage.contains(home);
            found.push((words, format!("{usage} {}", if more { home } else { "" })));
        } else {
            open.extend(below.into_iter().map(|name| [words.clone(), vec![name]].concat()));
        }
    }
    found
}

/// What a command must be given, by its usage: the options' names, and empty for what has none.
fn wanted(usage: &str) -> Vec<String> {
    let mut wanted = Vec::new();
    let mut words = usage.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let option = word.trim_start_matches('<');
        if let Some(name) = option.strip_prefix("--")
            && words.peek().is_some_and(|it| it.starts_with('<'))
        {
            wanted.push(format!("--{name}"));
            words.next();
        } else if word.starts_with('<') && !word.starts_with("<--") {
            wanted.push(String::new());
        }
    }
    wanted
}

/// All that a command wants, each with the same value.
fn given(words: &[String], wanted: &[String], value: &str) -> Vec<String> {
    let mut arguments = words.to_vec();
    for name in wanted {
        if !name.is_empty() {
            arguments.push(name.clone());
        }
        arguments.push(value.to_owned());
    }
    arguments
}

/// What people and attackers write where something else is wanted. Nothing of it names a place
/// outside of the folder in which the command runs.
fn values() -> Vec<String> {
    vec![
        String::new(),
        " ".into(),
        "no/such/folder/file".into(),
        // A folder, a picture, and a text of somebody else's.
        "folder".into(),
        "picture.png".into(),
        "notes.txt".into(),
        "empty".into(),
        "https://localhost:1/".into(),
        "http://localhost:1".into(),
        "-1".into(),
        "99999999999999999999999999".into(),
        "EUR".into(),
        // What a terminal would obey, and what turns a line round.
        "\u{1b}[2J\u{1b}[31mhello\u{7}".into(),
        "evil\u{202e}txt\nerror: nothing is wrong".into(),
        "x".repeat(20_000),
    ]
}

fn furnish(folder: &Path) {
    std::fs::create_dir(folder.join("folder")).unwrap();
    std::fs::write(folder.join("picture.png"), [0x89, b'P', b'N', b'G', 0, 255, 254, 7]).unwrap();
    std::fs::write(folder.join("notes.txt"), "milk, bread\n\u{1b}[31mbutter\n").unwrap();
    std::fs::write(folder.join("empty"), "").unwrap();
}

/// What is wrong with how a command has ended, if anything is.
fn faults(ended: &Ended) -> Vec<String> {
    let mut faults = Vec::new();
    match ended.code {
        Some(0..=2) => {}
        Some(code) => faults.push(format!("it ends with {code}")),
        None => faults.push("it does not end, or was killed".into()),
    }
    if ended.err.contains("panicked") {
        faults.push("it falls over".into());
    }
    let obeyed = |c: char| c != '\n' && c != '\t' && semper_base::text::is_hidden(c);
    if let Some(c) = ended.err.chars().find(|c| obeyed(*c)) {
        faults.push(format!("its error shows U+{:04X}", u32::from(c)));
    }
    if ended.err.chars().count() > MOST {
        faults.push(format!("its error has {} characters", ended.err.chars().count()));
    }
    if ended.code != Some(0) {
        let errors = ended.err.lines().filter(|line| line.starts_with("error")).count();
        if errors != 1 {
            faults.push(format!("it says {errors} errors"));
        }
    }
    faults
}

/// Walks through a program; everything that is wrong, and how often something was tried.
fn walk(program: &Path, least: usize) -> (Vec<String>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let commands = commands(program, folder.path());
    assert!(commands.len() >= least, "only {} commands", commands.len());
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for (words, usage) in commands {
        let wanted = wanted(&usage);
        let mut all: Vec<Vec<String>> = vec![
            words.clone(),
            [words.clone(), vec!["--no-such-option".into()]].concat(),
            [words.clone(), vec!["--help=\u{1b}[31m".into()]].concat(),
        ];
        if !wanted.is_empty() {
            all.extend(values().iter().map(|value| given(&words, &wanted, value)));
        }
        for arguments in all {
            // Each in a folder of its own: what one makes is not there for the next.
            let place = tempfile::tempdir().unwrap();
            furnish(place.path());
            let ended = run(program, place.path(), &arguments);
            tried += 1;
            let shown: Vec<String> =
                arguments.iter().map(|it| semper_base::text::shown(it, 30)).collect();
            let begins: String = ended.err.chars().take(300).collect();
            let faults = faults(&ended).into_iter();
            wrong.extend(faults.map(|it| format!("{}: {it}\n    {begins:?}", shown.join(" "))));
        }
    }
    (wrong, tried)
}

#[test]
fn no_argument_makes_a_command_of_semper_fall_over_hang_or_write_to_the_terminal() {
    let (wrong, tried) = walk(&binaries().semper, 25);
    assert!(tried > 400, "only {tried} were tried");
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_argument_makes_a_command_of_semper_sign_fall_over_hang_or_write_to_the_terminal() {
    let (wrong, tried) = walk(&binaries().sign, 25);
    assert!(tried > 400, "only {tried} were tried");
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    // As in `semper --help | true`.
    for (program, arguments) in [
        (binaries().semper, vec!["--help"]),
        (binaries().semper, vec!["trust", "--help"]),
        (binaries().sign, vec!["--help"]),
        (binaries().sign, vec!["completions", "bash"]),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = Command::new(&program)
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        assert!(said.is_empty(), "{arguments:?}: {said}");
    }
}
