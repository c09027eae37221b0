//! The model of fair exchange: explores it, leaves every rule out in turn, and writes what it
//! found into BENCHMARKS.md, between two marks.

use std::process::Stdio;

use crate::build;

const BEGIN: &str = "<!-- written by cargo xtask model -->";
const END: &str = "<!-- end of what cargo xtask model writes -->";

/// Runs it all; `two` also explores two exchanges at once with a cheat (minutes).
pub fn run(two: bool) -> Result<(), String> {
    let sessions = lines(&["--test", "sessions"], false)?;
    let pairs = lines(&["--test", "two"], two)?;
    let whole = lines(&["--test", "whole"], false)?;
    let mutations = lines(&["--features", "mutations", "--test", "mutations"], false)?;
    let states = |from: &[String]| -> Vec<(String, u64)> {
        let parse = |line: &String| {
            let (name, rest) = line.rsplit_once(": ")?;
            Some((name.to_owned(), rest.strip_suffix(" states")?.parse().ok()?))
        };
        from.iter().filter_map(parse).collect()
    };
    let mut text = format!("{BEGIN}\n\n| explored | states |\n|---|---|\n");
    let all = states(&sessions);
    let sum: u64 = all.iter().map(|it| it.1).sum();
    let largest = all.iter().max_by_key(|it| it.1);
    text += &format!("| one exchange: {} configurations, all of them | {sum} |\n", all.len());
    if let Some((name, count)) = largest {
        text += &format!("| the largest of them: {name} | {count} |\n");
    }
    for (name, count) in states(&pairs) {
        text += &format!("| {name} | {count} |\n");
    }
    for (name, count) in states(&whole) {
        text += &format!("| whole parties: {name} | {count} |\n");
    }
    text += "\nWith one rule left out, the model must find what the rule is for:\n\n";
    for line in mutations.iter().filter(|line| line.starts_with('|')) {
        text += &format!("{line}\n");
    }
    text += &format!("\n{END}");
    let file = build::repository().join("BENCHMARKS.md");
    let old = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let (Some(begin), Some(end)) = (old.find(BEGIN), old.find(END)) else {
        return Err(format!("BENCHMARKS.md has lost its marks: {BEGIN}"));
    };
    let new = format!("{}{text}{}", &old[..begin], &old[end + END.len()..]);
    std::fs::write(&file, new).map_err(|error| error.to_string())?;
    println!("written to {}", file.display());
    Ok(())
}

/// What a test of the model prints.
fn lines(arguments: &[&str], two: bool) -> Result<Vec<String>, String> {
    let mut command = build::command("cargo");
    command.args(["test", "--package", "semper-model"]).args(arguments);
    command.args(["--", "--nocapture", "--test-threads", "1"]);
    command.stderr(Stdio::inherit());
    if two {
        command.env("SEMPER_SESSIONS", "2");
    }
    let output = command.output().map_err(|error| format!("cargo: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{text}");
    if !output.status.success() {
        return Err(format!("the model: {}", output.status));
    }
    // Without threads the harness writes a test's name before its first line.
    let whole = |line: &str| {
        let line = line.rsplit_once(" ... ").map_or(line, |it| it.1);
        line.to_owned()
    };
    Ok(text.lines().map(whole).collect())
}
