//! Release binaries, stripped, with their manual pages and completions: in `release/dist` of the target
//! folder, where the packages take them from.

use std::fs;
use std::path::{Path, PathBuf};

use super::step;
use crate::build;

/// What was built.
pub struct Stage {
    /// The folder.
    pub folder: PathBuf,
    /// The version of the workspace.
    pub version: String,
    /// The second that everything is dated: the commit's.
    pub epoch: String,
}

/// Programs, their packages, and what they need.
const PROGRAMS: [(&str, &[&str]); 2] = [
    ("semper, semper-sign", &["--package", "semper", "--package", "semper-sign"]),
    ("semper-window", &["--package", "semper-face-window", "--features", "native"]),
];

/// Builds everything.
pub fn build() -> Result<Stage, String> {
    for (name, what) in PROGRAMS {
        step(&format!("{name}, built for release (some minutes if they are not there)"));
        build::run("cargo", &[&["build", "--release", "--locked"], what].concat())?;
    }
    let release = build::target()?.join("release");
    let stage = Stage { folder: release.join("dist"), version: version()?, epoch: epoch()? };
    if stage.folder.exists() {
        fs::remove_dir_all(&stage.folder).map_err(|error| error.to_string())?;
    }
    let bin = stage.folder.join("bin");
    fs::create_dir_all(&bin).map_err(|error| format!("{}: {error}", bin.display()))?;
    for program in ["semper", "semper-sign", "semper-window"] {
        let (from, to) = (text(&release.join(program)), text(&bin.join(program)));
        build::run("strip", &["--strip-all", "-o", &to, &from])?;
    }
    step("manual pages and completions");
    papers(&bin.join("semper"), &stage.folder.join("semper"))?;
    papers(&bin.join("semper-sign"), &stage.folder.join("semper-sign"))?;
    window(&bin.join("semper-window"), &stage.folder.join("semper"))?;
    for package in ["semper", "semper-sign"] {
        let man = stage.folder.join(package).join("man");
        build::run("gzip", &["--best", "--no-name", "--recursive", &text(&man)])?;
    }
    changelog(&stage)?;
    Ok(stage)
}

/// Shells, the folders of their completions, and the name that each wants the file to have.
const SHELLS: [(&str, &str, &str); 3] = [("bash", "", ""), ("fish", "", ".fish"), ("zsh", "_", "")];

/// Has a program write its pages and completions below a folder: `man`, `bash`, `fish`, `zsh`.
pub fn papers(program: &Path, folder: &Path) -> Result<(), String> {
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    said(program, &["man", "--out", &text(&folder.join("man"))])?;
    for (shell, before, after) in SHELLS {
        let script = said(program, &["completions", shell])?;
        let file = folder.join(shell).join(format!("{before}{name}{after}"));
        write(&file, &script)?;
    }
    Ok(())
}

/// The window's; one command, so one page, which its program writes beside the completions.
fn window(program: &Path, folder: &Path) -> Result<(), String> {
    let all = folder.join("window");
    said(program, &["--manual", &text(&all)])?;
    let places = [
        ("semper-window.1", "man/semper-window.1"),
        ("semper-window.bash", "bash/semper-window"),
        ("semper-window.fish", "fish/semper-window.fish"),
        ("_semper-window", "zsh/_semper-window"),
    ];
    for (from, to) in places {
        fs::rename(all.join(from), folder.join(to)).map_err(|error| format!("{from}: {error}"))?;
    }
    fs::remove_dir(&all).map_err(|error| format!("{}: {error}", all.display()))
}

/// Debian wants one with the package's own version; what has changed stands in the repository's.
fn changelog(stage: &Stage) -> Result<(), String> {
    let date = format!("@{}", stage.epoch);
    let date = said(Path::new("date"), &["--utc", "--rfc-email", "--date", &date])?;
    let date = String::from_utf8_lossy(&date).trim().to_owned();
    let words = format!(
        "semper ({}-1) unstable; urgency=medium\n\n  * What has changed stands in CHANGELOG.md of the \
         sources.\n\n -- semper <packages@semper.example>  {date}\n",
        stage.version
    );
    let file = stage.folder.join("changelog.Debian");
    write(&file, words.as_bytes())?;
    build::run("gzip", &["--best", "--no-name", &text(&file)])
}

/// The version that the workspace has.
fn version() -> Result<String, String> {
    let file = build::repository().join("Cargo.toml");
    let manifest =
        fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = \""));
    let version = line.and_then(|it| it.split('"').next());
    Ok(version.ok_or("the workspace has no version")?.to_owned())
}

/// What everything is dated, so that the same commit makes the same packages.
fn epoch() -> Result<String, String> {
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(epoch);
    }
    let epoch = said(Path::new("git"), &["log", "-1", "--format=%ct"])
        .map_err(|error| format!("{error}; set SOURCE_DATE_EPOCH where there is no git"))?;
    Ok(String::from_utf8_lossy(&epoch).trim().to_owned())
}

/// What a program prints, if it succeeds.
pub fn said(program: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = build::command(program).args(arguments).output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Err(format!("{} {}: {}\n{said}", program.display(), arguments.join(" "), output.status))
}

/// Writes a file, and the folders that it needs.
pub fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    fs::create_dir_all(file.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    fs::write(file, bytes).map_err(failed)
}

/// A path as an argument.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}
