//! An author's desk, and commands that are typed at it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use semper_testkit::process::{self, Output};
use serde_json::Value;
use tempfile::TempDir;

use super::common::binaries;

/// How long something may take that only a hang keeps from coming.
const PATIENCE: Duration = Duration::from_secs(120);

/// An author's desk: a temporary folder with a service in it.
pub struct Author {
    pub folder: TempDir,
    pub next: Vec<String>,
}

impl Author {
    pub fn new(language: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["new", "my-shop", "--language", language, "--json"];
        let made = process::run(folder.path(), &binaries().sign, &arguments).unwrap();
        assert_eq!(made.code, 0, "{}", made.err);
        let next = made.json()["next"].as_array().unwrap().clone();
        let next = next.iter().map(|it| it.as_str().unwrap().to_owned()).collect();
        Self { folder, next }
    }

    pub fn shop(&self) -> PathBuf {
        self.folder.path().join("my-shop")
    }

    pub fn sign(&self, arguments: &[&str]) -> Output {
        process::run(&self.shop(), &binaries().sign, arguments).unwrap()
    }

    pub fn done(&self, arguments: &[&str]) -> Output {
        let output = self.sign(arguments);
        assert_eq!(output.code, 0, "{}: {}{}", arguments.join(" "), output.out, output.err);
        output
    }

    pub fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.sign(&[arguments, &["--json"]].concat());
        assert!(output.code < 2, "{}: {}", arguments.join(" "), output.err);
        (output.code, output.json())
    }

    /// A file with something in it changed.
    pub fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.shop().join(file);
        let text = fs::read_to_string(&path).unwrap();
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{file} has no “{from}”");
        fs::write(path, changed).unwrap();
    }

    /// The tools of a language, as `cargo xtask languages` has installed them from its registry.
    pub fn borrow_tools(&self, language: &str, tools: &str) {
        let there = binaries().languages.join(language).join(tools);
        assert!(there.is_dir(), "cargo xtask languages installs {}", there.display());
        symlink(there, self.shop().join(tools)).unwrap();
    }

    /// What is wrong with a play, in the words for people: the failure and the mend.
    pub fn failure(&self, arguments: &[&str]) -> String {
        let output = self.sign(arguments);
        assert_eq!(output.code, 1, "{}{}", output.out, output.err);
        let (_, failed) = output.out.split_once("\nFAILED").unwrap();
        failed.to_owned()
    }
}

/// Types commands as a person does, with the programs on the path.
pub fn typed(folder: &Path, commands: &str) -> (bool, String) {
    let bin = binaries().sign.parent().unwrap().to_owned();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let port = free_ports(4);
    let shown = fs::File::create(folder.join("shown")).unwrap();
    let status = Command::new("timeout")
        .args(["--kill-after=5", "900", "bash", "-ec", commands])
        .current_dir(folder)
        .env("PATH", path)
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(shown.try_clone().unwrap())
        .stderr(shown)
        .status()
        .unwrap();
    (status.success(), fs::read_to_string(folder.join("shown")).unwrap())
}

/// The first of so many ports that are free one after the other.
fn free_ports(count: u16) -> u16 {
    loop {
        let first = process::free_port().unwrap();
        let all =
            (first..first + count).all(|it| std::net::TcpListener::bind(("127.0.0.1", it)).is_ok());
        if all {
            return first;
        }
    }
}

/// A command whose lines are heard as they come.
pub struct Heard {
    child: Child,
    lines: Receiver<String>,
}

impl Heard {
    pub fn of(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(binaries().sign)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let (out, errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let also = sender.clone();
        std::thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).try_for_each(|it| sender.send(it))
        });
        std::thread::spawn(move || {
            BufReader::new(errors).lines().map_while(Result::ok).try_for_each(|it| also.send(it))
        });
        Self { child, lines }
    }

    /// Waits for a line with these words.
    pub fn until(&self, words: &str) {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            if line.unwrap_or_else(|_| panic!("“{words}” was not said")).contains(words) {
                return;
            }
        }
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
