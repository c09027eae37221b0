//! What each step of the test command costs, and each suite of tests: printed at its end, so that
//! whoever adds one sees what it adds.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::build;

/// Suites that are listed, the dearest first.
const LISTED: usize = 15;

/// What has been paid so far.
#[derive(Debug, Default)]
pub struct Costs {
    steps: Vec<(String, Duration)>,
    suites: Vec<(String, Duration)>,
}

impl Costs {
    /// Does a step, and notes what it has cost.
    pub fn step(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        println!("\n── {name}");
        let begun = Instant::now();
        let done = work();
        self.steps.push((name.to_owned(), begun.elapsed()));
        done
    }

    /// Runs `cargo test` with these arguments, and notes what each suite has cost.
    pub fn suites(&mut self, name: &str, arguments: &[&str]) -> Result<(), String> {
        let mut suites = Vec::new();
        let done = self.step(name, || {
            // The suite's name comes on standard error and its result on the other: in one stream
            // they stay in order.
            let mut child = build::command("sh")
                .args(["-c", "exec cargo \"$@\" 2>&1", "cargo"])
                .args(arguments)
                .stdout(Stdio::piped())
                .spawn()
                .map_err(|error| format!("cargo: {error}"))?;
            let output = child.stdout.take().ok_or("cargo has no output")?;
            let mut running: Option<(String, Instant)> = None;
            for line in BufReader::new(output).lines() {
                let line = line.map_err(|error| format!("cargo: {error}"))?;
                println!("{line}");
                if let Some(suite) = suite(&line) {
                    running = Some((suite, Instant::now()));
                }
                if line.starts_with("test result: ")
                    && let Some((suite, begun)) = running.take()
                {
                    suites.push((suite, begun.elapsed()));
                }
            }
            let status = child.wait().map_err(|error| format!("cargo: {error}"))?;
            if status.success() { Ok(()) } else { Err(format!("{name}: {status}")) }
        });
        self.suites.extend(suites);
        done
    }

    /// Prints all of it.
    pub fn print(&self) {
        let all: Duration = self.steps.iter().map(|it| it.1).sum();
        println!("\n── what it has cost: {} s", all.as_secs());
        for (name, cost) in &self.steps {
            println!("{:6} s  {name}", cost.as_secs());
        }
        let mut suites: Vec<_> = self.suites.iter().collect();
        suites.sort_by_key(|it| std::cmp::Reverse(it.1));
        for (name, cost) in suites.into_iter().take(LISTED) {
            println!("{:6.1} s  of it, {name}", cost.as_secs_f32());
        }
    }
}

/// The suite that cargo says it runs: the name of its program, or the crate whose examples they are.
fn suite(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(examples) = line.strip_prefix("Doc-tests ") {
        return Some(format!("examples of {examples}"));
    }
    let (source, program) = line.strip_prefix("Running ")?.split_once(" (")?;
    let program = program.trim_end_matches(')').rsplit('/').next()?;
    let program = program.rsplit_once('-').map_or(program, |it| it.0);
    Some(match source.strip_prefix("unittests ") {
        Some(_) => format!("{program}, within its crate"),
        None => program.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::suite;

    #[test]
    fn suites_are_named_as_people_know_them() {
        let line = "     Running tests/crashes.rs (target/debug/deps/crashes-0f3a)";
        assert_eq!(suite(line).as_deref(), Some("crashes"));
        let line = "     Running unittests src/lib.rs (target/debug/deps/semper_base-0f3a)";
        assert_eq!(suite(line).as_deref(), Some("semper_base, within its crate"));
        assert_eq!(suite("   Doc-tests semper_base").as_deref(), Some("examples of semper_base"));
        assert_eq!(suite("test a ... ok"), None);
    }
}
