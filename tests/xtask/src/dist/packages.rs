//! Debian packages, by `cargo deb` from the metadata in the manifests of `semper` and `semper-sign`.

use std::path::{Path, PathBuf};

use super::stage::{self, Stage, text};
use super::step;
use crate::build;

/// The packages that were made.
pub struct Packages {
    /// `semper`: the program, and the window.
    pub semper: PathBuf,
    /// `semper-server`: units, examples, the servers' user.
    pub server: PathBuf,
    /// `semper-sign`: the tool of authors, merchants and organisations.
    pub sign: PathBuf,
}

impl Packages {
    /// Makes them in a folder, of what is on the stage; with another version than the workspace's, if one
    /// is given.
    pub fn make(stage: &Stage, out: &Path, version: Option<&str>) -> Result<Self, String> {
        let tool = build::tool("cargo-deb", "--version")?;
        step("Debian packages");
        let made = |package: &str, variant: &[&str]| -> Result<PathBuf, String> {
            let out = text(out);
            // It is built and stripped already.
            let mut arguments = vec!["--package", package, "--no-build", "--no-strip", "--quiet"];
            arguments.extend(["--output", &out]);
            arguments.extend(variant);
            arguments.extend(version.iter().flat_map(|it| ["--deb-version", it]));
            let done = build::command(&tool)
                .args(&arguments)
                .env("SOURCE_DATE_EPOCH", &stage.epoch)
                .output()
                .map_err(|error| format!("cargo-deb: {error}"))?;
            let err = String::from_utf8_lossy(&done.stderr);
            if !done.status.success() {
                return Err(format!("cargo-deb {}: {}\n{err}", arguments.join(" "), done.status));
            }
            let file = String::from_utf8_lossy(&done.stdout);
            let file = file.lines().last().unwrap_or_default().trim().to_owned();
            println!("{file}");
            Ok(PathBuf::from(file))
        };
        Ok(Self {
            semper: made("semper", &[])?,
            server: made("semper", &["--variant", "server"])?,
            sign: made("semper-sign", &[])?,
        })
    }

    /// All of them.
    pub fn all(&self) -> [&Path; 3] {
        [&self.semper, &self.server, &self.sign]
    }

    /// What they need of Debian; of several that would do the last one, which is the smallest.
    pub fn needed(&self) -> Result<Vec<String>, String> {
        let mut needed = Vec::new();
        for package in self.all() {
            let field = ["--field", &text(package), "Depends"];
            let depends = stage::said(Path::new("dpkg-deb"), &field)?;
            let depends = String::from_utf8_lossy(&depends).into_owned();
            let last = |one: &str| one.rsplit('|').next().unwrap_or_default().trim().to_owned();
            let names = depends.split(',').map(last);
            needed.extend(names.filter_map(|it| it.split(' ').next().map(str::to_owned)));
        }
        needed.retain(|it| !it.is_empty() && !it.starts_with("semper"));
        needed.sort();
        needed.dedup();
        Ok(needed)
    }

    /// Has lintian look at them, as far as its rules are for packages outside Debian.
    pub fn examine(&self) -> Result<(), String> {
        step("what lintian says of them");
        let files = self.all().map(text);
        let mut arguments = vec!["--fail-on", "error,warning", "--tag-display-limit", "0"];
        let without = SUPPRESSED.join(",");
        arguments.extend(["--allow-root", "--suppress-tags", &without]);
        arguments.extend(files.iter().map(String::as_str));
        build::run("lintian", &arguments)?;
        println!("nothing");
        Ok(())
    }

    /// Unpacks some of them into one folder.
    pub fn unpack(packages: &[&Path], folder: &Path) -> Result<(), String> {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        for package in packages {
            stage::said(Path::new("dpkg-deb"), &["--extract", &text(package), &text(folder)])?;
        }
        Ok(())
    }
}

/// What lintian asks of packages in Debian alone, or asks wrongly here.
const SUPPRESSED: [&str; 2] = [
    // deb-systemd-invoke knows no patterns, by which the instances of a template are named.
    "maintainer-script-calls-systemctl",
    // There is no bug in Debian's tracker that these packages close.
    "initial-upload-closes-no-bugs",
];
