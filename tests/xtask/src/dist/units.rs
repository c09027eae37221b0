//! What of the packages is cheap to check, in every run of the tests: units, desktop files, a page and
//! completions for every command.

use std::fs;
use std::path::Path;

use super::stage::{papers, text};
use crate::{build, checks};

/// Commands that show whether a program that is needed is there, and its Debian package.
const PROGRAMS: [(&[&str], &str); 2] = [
    (&["systemd-analyze", "--version"], "systemd"),
    (&["desktop-file-validate", "--help"], "desktop-file-utils"),
];
/// Exposure that a system unit may have, in tenths: below this.
const EXPOSURE: &str = "29";

/// Checks all of it, with the binaries of the debug build.
pub fn check() -> Result<(), String> {
    checks::install(&PROGRAMS)?;
    let (packaging, debug) = (packaging(), build::target()?.join("debug"));
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    units(&packaging.join("units"), &debug.join("semper"), folder.path())?;
    let desktop = packaging.join("desktop");
    for file in ["semper-window.desktop", "semper-open.desktop"] {
        build::run("desktop-file-validate", &[&text(&desktop.join(file))])?;
    }
    for program in ["semper", "semper-sign"] {
        let papers_at = folder.path().join(program);
        papers(&debug.join(program), &papers_at)?;
        every_command(&debug.join(program), program, &papers_at)?;
    }
    println!("units, desktop files, pages and completions are right");
    Ok(())
}

/// Where what is packaged stands.
pub fn packaging() -> std::path::PathBuf {
    build::repository().join("host/semper/packaging")
}

/// Has systemd read the units, with the program that was built in the place of the installed one, and
/// say how much each service could do.
fn units(from: &Path, program: &Path, folder: &Path) -> Result<(), String> {
    for entry in fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let unit = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let unit = unit.replace("/usr/bin/semper", &text(program));
        let to = folder.join(path.file_name().unwrap_or_default());
        fs::write(to, unit).map_err(|error| error.to_string())?;
    }
    for name in ["semper-server@otto.service", "semper-tinguin@otto.service"] {
        let unit = text(&folder.join(name));
        analyzed(&["verify", "--man=no", "--recursive-errors=no", &unit], folder)?;
        let offline = ["security", "--offline=true", "--threshold", EXPOSURE, "--no-pager", &unit];
        analyzed(&offline, folder)?;
    }
    let unit = text(&folder.join("semper.service"));
    analyzed(&["verify", "--user", "--man=no", "--recursive-errors=no", &unit], folder)
}

fn analyzed(arguments: &[&str], runtime: &Path) -> Result<(), String> {
    let output = build::command("systemd-analyze")
        .args(arguments)
        // A manager of users' units wants one; there may be none where tests run.
        .env("XDG_RUNTIME_DIR", runtime)
        .output()
        .map_err(|error| format!("systemd-analyze: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // What it finds of other units of this machine is not ours to mend.
    let wrong = arguments[0] == "verify" && said.lines().any(|line| line.contains("semper"));
    if output.status.success() && !wrong {
        return Ok(());
    }
    Err(format!("systemd-analyze {}: {}\n{said}", arguments.join(" "), output.status))
}

/// Every command has a page, and the completions of every shell know its name.
fn every_command(program: &Path, name: &str, papers: &Path) -> Result<(), String> {
    let scripts: Vec<String> = [("bash", name.to_owned()), ("fish", format!("{name}.fish"))]
        .into_iter()
        .chain([("zsh", format!("_{name}"))])
        .map(|(shell, file)| fs::read_to_string(papers.join(shell).join(file)))
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{name}: completions: {error}"))?;
    let (mut open, mut count) = (vec![Vec::new()], 0);
    while let Some(words) = open.pop() {
        let words: Vec<String> = words;
        let page = [&[name.to_owned()], &words[..]].concat().join("-") + ".1";
        let text = fs::read_to_string(papers.join("man").join(&page));
        if !text.is_ok_and(|it| it.contains(".SH SYNOPSIS")) {
            return Err(format!("there is no manual page {page}"));
        }
        if let Some(last) = words.last()
            && let Some(script) = scripts.iter().find(|it| !it.contains(last.as_str()))
        {
            let first = script.lines().next().unwrap_or_default();
            return Err(format!("“{last}” is not in the completions that begin with “{first}”"));
        }
        count += 1;
        open.extend(below(program, &words)?.into_iter().map(|it| [&words[..], &[it]].concat()));
    }
    if count < 20 { Err(format!("{name} has only {count} commands?")) } else { Ok(()) }
}

/// The commands below one, by its help.
fn below(program: &Path, words: &[String]) -> Result<Vec<String>, String> {
    let output = build::command(program).args(words).arg("--help").output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some((_, after)) = help.split_once("Commands:\n") else { return Ok(Vec::new()) };
    let lines = after.lines().take_while(|line| !line.is_empty());
    let named = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = named.filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| *name != "help").map(str::to_owned).collect())
}
