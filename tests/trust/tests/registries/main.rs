//! Registries, servers and surroundings as they are found: busy, old, behind proxies, cut off in
//! the middle, certified by others. A bundle comes through whole, or it is said what is wrong;
//! nothing that others have attached is lost, and nobody is shown somebody else's password.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cache;
mod layouts;
mod lists;
mod logins;
mod pipes;
mod proxies;
mod roots;
mod uploads;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use semper_base::Mend as _;
use semper_distribution::MoveError;
use semper_testkit::Binaries;
use semper_testkit::process::Output;

/// Whether an error says this, and its mend that.
#[track_caller]
fn says(error: &MoveError, what: &str, mend: &str) {
    let (text, help) = (error.to_string(), error.mend());
    assert!(text.contains(what), "“{text}” does not say “{what}”");
    assert!(help.contains(mend), "the mend of “{text}” is “{help}”, without “{mend}”");
}

/// Runs `semper-sign` in a folder, in surroundings of its own: no proxy, no docker, no system
/// roots but those that the test names.
fn sign(folder: &Path, env: &[(&str, &str)], arguments: &[&str]) -> Output {
    of_own(folder, &Binaries::beside().unwrap().sign, env, arguments)
}

/// Runs a program in such surroundings.
fn of_own(folder: &Path, program: &Path, env: &[(&str, &str)], arguments: &[&str]) -> Output {
    let done = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Output {
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let mut file = std::fs::File::create(folder.join(name)).unwrap();
    file.write_all(bytes.as_ref()).unwrap();
}

/// Runs another program.
fn run(folder: &Path, program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}
