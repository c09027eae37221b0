//! Readers that go away: `semper-sign … | true` and `semper … | true` end quietly, whatever the
//! command.

use std::process::{Command, Stdio};

use semper_distribution::{Fetcher, Options, Place};
use semper_testkit::Binaries;
use semper_trust_tests::World;

/// Runs a command whose output nobody reads, with its messages or without them; its exit code.
fn unread(folder: &std::path::Path, program: &std::path::Path, arguments: &[&str], both: bool) {
    let (reader, out) = std::io::pipe().unwrap();
    drop(reader);
    let (reader, err) = std::io::pipe().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(out).stderr(err);
    let mut child = command.spawn().unwrap();
    // The child alone holds the ends that are written to.
    drop(command);
    let said = match both {
        true => {
            drop(reader);
            String::new()
        }
        false => std::io::read_to_string(reader).unwrap(),
    };
    let status = child.wait().unwrap();
    let code = status.code().unwrap_or(-1);
    assert!((0..=2).contains(&code), "{}: {status}", arguments.join(" "));
    assert!(!said.contains("panicked"), "{}: {said}", arguments.join(" "));
}

#[test]
fn every_command_ends_quietly_when_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let binaries = Binaries::beside().unwrap();
    let nobody = Fetcher::new(semper_net::Believed::nobody(), Options::default());
    let bundle: Place = folder.path().join("bundle").display().to_string().parse().unwrap();
    semper_distribution::push(&World::new().bundle(), &bundle, &nobody, &()).unwrap();

    let subcommands = |program: &std::path::Path| -> Vec<String> {
        let help = Command::new(program).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let commands = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
        let names = commands.lines().filter_map(|it| it.strip_prefix("  "));
        names.filter_map(|it| it.split(' ').find(|it| !it.is_empty()).map(str::to_owned)).collect()
    };
    for (program, least) in [(&binaries.sign, 25), (&binaries.semper, 12)] {
        let all = subcommands(program);
        assert!(all.len() >= least, "{all:?}");
        for both in [false, true] {
            for command in &all {
                // Its help; and what it says when it is called wrongly.
                unread(folder.path(), program, &[command, "--help"], both);
                unread(folder.path(), program, &[command], both);
            }
            unread(folder.path(), program, &["--version"], both);
        }
    }
    for both in [false, true] {
        let sign = |arguments: &[&str]| unread(folder.path(), &binaries.sign, arguments, both);
        for command in ["digest", "inspect", "check"] {
            sign(&[command, "--bundle", "bundle"]);
            sign(&[command, "--bundle", "bundle", "--json"]);
        }
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            sign(&["completions", shell]);
        }
        sign(&["diff", "--old", "bundle", "--new", "bundle"]);
        sign(&["draw", "--bundle", "bundle", "--out", "flow.svg"]);
        sign(&["copy", "bundle", "copy.tar"]);
        sign(&["pull", "nowhere", "--out", "copy.tar"]);
        sign(&["organisation", "--name", "Somebody", "--out", if both { "a" } else { "b" }]);
        sign(&["man", "--out", "man"]);
        let semper = |arguments: &[&str]| unread(folder.path(), &binaries.semper, arguments, both);
        let home = if both { "ca-1" } else { "ca-2" };
        semper(&["ca", "init", "--home", home, "--name", "Market CA", "--server", "localhost"]);
        semper(&["ca", "invite", "--home", home, "--name", "Anna", "--role", "buyer"]);
        semper(&["ca", "invite", "--home", home, "--name", "Otto", "--role", "merchant", "--json"]);
        semper(&["log-init", "--home", &format!("log-{home}"), "--origin", "log.example/x"]);
        semper(&["archive", "list", "--home", home]);
        semper(&["deals", "--home", home]);
        semper(&["serve", "--check", "nowhere.toml"]);
    }
}
