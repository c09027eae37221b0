//! What is made of the packages' files: an OCI image layout of the servers' side, a plain archive, and
//! the digests of everything. No daemon is needed.

use std::fs;
use std::path::{Path, PathBuf};

use super::packages::Packages;
use super::stage::{Stage, said, text, write};
use super::step;
use crate::build;

/// What the image has of Debian beside our own packages: the C library that programs are linked with.
const BASE: [&str; 2] = ["libc6", "libgcc-s1"];
/// The image's user, as number: containers know no names of ours.
const USER: &str = "65532";

/// Makes all of it in a folder.
pub fn make(stage: &Stage, packages: &Packages, out: &Path) -> Result<(), String> {
    archive(stage, packages, out)?;
    image(stage, packages, out)?;
    digests(out)
}

/// `semper-VERSION-x86_64-linux.tar.xz`, with `bin` and `share`.
fn archive(stage: &Stage, packages: &Packages, out: &Path) -> Result<(), String> {
    step("a plain archive");
    let name = format!("semper-{}-{}-linux", stage.version, std::env::consts::ARCH);
    let work = fresh(&stage.folder.join("archive"))?;
    Packages::unpack(&packages.all(), &work)?;
    fs::rename(work.join("usr"), work.join(&name)).map_err(|error| error.to_string())?;
    let date = format!("--mtime=@{}", stage.epoch);
    let (file, work) = (text(&out.join(format!("{name}.tar.xz"))), text(&work));
    // Two threads make the same bytes wherever they run; as many as there are would not.
    let xz = "--use-compress-program=xz --threads=2";
    let mut arguments = vec!["--create", xz, "--sort=name", "--format=gnu", &date];
    arguments.extend(["--owner=0", "--group=0", "--numeric-owner", "--file", &file]);
    arguments.extend(["--directory", &work, &name]);
    build::run("tar", &arguments)?;
    println!("{file}");
    Ok(())
}

/// `image`: an OCI image layout with one image, `semper:VERSION`. Its first layer is Debian's C library, its
/// second one the packages `semper` (without the window and what is for people) and `semper-server`.
fn image(stage: &Stage, packages: &Packages, out: &Path) -> Result<(), String> {
    step("an OCI image layout of the servers' side");
    let work = fresh(&stage.folder.join("image"))?;
    let base = work.join("base");
    for package in BASE.map(str::to_owned).into_iter().chain([licences()?]) {
        Packages::unpack(&[&downloaded(&package, &work)?], &base)?;
    }
    for (link, to) in [("lib", "usr/lib"), ("lib64", "usr/lib64")] {
        // Where programs look for their loader; newer packages have everything below usr.
        if !base.join(link).exists() {
            std::os::unix::fs::symlink(to, base.join(link)).map_err(|error| error.to_string())?;
        }
    }
    let own = work.join("own");
    Packages::unpack(&[&packages.semper, &packages.server], &own)?;
    strip_to_server(&own)?;
    for folder in [&base, &own] {
        date(folder, &stage.epoch)?;
    }
    let layout = out.join("image");
    if layout.exists() {
        fs::remove_dir_all(&layout).map_err(|error| error.to_string())?;
    }
    Umoci { layout: text(&layout), tag: &stage.version, date: rfc3339(stage)? }
        .make(&base, &own)?;
    println!("{}", layout.display());
    Ok(())
}

/// The package that has the licence of `libgcc-s1`; its name has the compiler's version in it.
fn licences() -> Result<String, String> {
    let query = ["--show", "--showformat=${Depends}", "libgcc-s1"];
    let depends = said(Path::new("dpkg-query"), &query)?;
    let depends = String::from_utf8_lossy(&depends).into_owned();
    let found = depends.split([',', ' ']).find(|it| it.starts_with("gcc-"));
    found.map(str::to_owned).ok_or_else(|| format!("no package of gcc's in “{depends}”"))
}

/// umoci at work on one image.
struct Umoci<'a> {
    layout: String,
    tag: &'a str,
    date: String,
}

impl Umoci<'_> {
    fn make(&self, base: &Path, own: &Path) -> Result<(), String> {
        let image = format!("{}:{}", self.layout, self.tag);
        said(Path::new("umoci"), &["init", "--layout", &self.layout])?;
        said(Path::new("umoci"), &["new", "--image", &image])?;
        for (folder, what) in [(base, "Debian's C library"), (own, "semper")] {
            let folder = text(folder);
            self.with_history(&["insert", "--image", &image], what, &[&folder, "/"])?;
        }
        let arch = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let volume = "/var/lib/semper";
        let settings = [
            ["--architecture", arch],
            ["--os", "linux"],
            ["--created", &self.date],
            ["--author", "semper"],
            ["--config.user", USER],
            ["--config.workingdir", volume],
            ["--config.volume", volume],
            ["--config.entrypoint", "/usr/bin/semper"],
            ["--config.entrypoint", "serve"],
            ["--config.cmd", "/etc/semper/server.toml"],
            ["--config.stopsignal", "SIGTERM"],
            ["--config.label", "org.opencontainers.image.licenses=Apache-2.0"],
        ];
        self.with_history(&["config", "--image", &image], "settings", &settings.concat())?;
        said(Path::new("umoci"), &["gc", "--layout", &self.layout]).map(drop)
    }

    fn with_history(&self, command: &[&str], what: &str, rest: &[&str]) -> Result<(), String> {
        let history = ["--history.created", &self.date, "--history.created_by", what];
        let history = [&history[..], &["--history.author", "semper"]].concat();
        said(Path::new("umoci"), &[command, &history, rest].concat()).map(drop)
    }
}

/// A package of Debian, from the registry that this machine's apt knows; kept beside the build.
fn downloaded(package: &str, work: &Path) -> Result<PathBuf, String> {
    let folder = fresh(&work.join("downloaded").join(package))?;
    let done = build::command("apt-get")
        .args(["--quiet", "--option", "APT::Sandbox::User=root", "download", package])
        .current_dir(&folder)
        .output()
        .map_err(|error| format!("apt-get: {error}"))?;
    let found = fs::read_dir(&folder).map_err(|error| error.to_string())?;
    let found = found.filter_map(Result::ok).map(|it| it.path()).find(|it| it.is_file());
    found.ok_or_else(|| {
        let err = String::from_utf8_lossy(&done.stderr);
        format!("{package} cannot be had: {err}\n  try  apt-get update, or look at apt's sources")
    })
}

/// What a server in a container has no use for: the window, units, pages, completions. Adds its folders.
fn strip_to_server(root: &Path) -> Result<(), String> {
    for name in [
        "usr/bin/semper-window",
        "usr/lib",
        "usr/share/applications",
        "usr/share/bash-completion",
        "usr/share/fish",
        "usr/share/icons",
        "usr/share/man",
        "usr/share/zsh",
    ] {
        let path = root.join(name);
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    for (folder, mode) in [("etc/semper", "0755"), ("var/lib/semper", "0700")] {
        let path = text(&root.join(folder));
        build::run("install", &["-d", "-m", mode, &path])?;
        if mode == "0700" {
            build::run("chown", &[&format!("{USER}:{USER}"), &path])?;
        }
    }
    let users = format!(
        "root:x:0:0:root:/:/sbin/nologin\nsemper:x:{USER}:{USER}::/var/lib/semper:/sbin/nologin\n"
    );
    write(&root.join("etc/passwd"), users.as_bytes())?;
    write(&root.join("etc/group"), format!("root:x:0:\nsemper:x:{USER}:\n").as_bytes())
}

/// Gives everything below a folder one date.
fn date(folder: &Path, epoch: &str) -> Result<(), String> {
    let date = format!("--date=@{epoch}");
    let find = [&text(folder), "-depth", "-exec", "touch", "--no-dereference", &date, "{}", "+"];
    said(Path::new("find"), &find).map(drop)
}

fn rfc3339(stage: &Stage) -> Result<String, String> {
    let at = format!("@{}", stage.epoch);
    let date = said(Path::new("date"), &["--utc", "--date", &at, "+%Y-%m-%dT%H:%M:%SZ"])?;
    Ok(String::from_utf8_lossy(&date).trim().to_owned())
}

/// `SHA256SUMS`, of every file; an image says its own digests.
fn digests(out: &Path) -> Result<(), String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(out).map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_file() && (name.ends_with(".deb") || name.ends_with(".tar.xz")) {
            names.push(name);
        }
    }
    names.push("image/index.json".to_owned());
    names.sort();
    let output = build::command("sha256sum").args(&names).current_dir(out).output();
    let output = output.map_err(|error| format!("sha256sum: {error}"))?;
    write(&out.join("SHA256SUMS"), &output.stdout)
}

/// Says how large everything is, as BENCHMARKS.md has it.
pub fn sizes(out: &Path) -> Result<(), String> {
    step("sizes");
    let mut entries: Vec<PathBuf> = fs::read_dir(out)
        .map_err(|error| error.to_string())?
        .filter_map(|it| Some(it.ok()?.path()))
        .collect();
    entries.sort();
    for path in entries {
        println!("{:8.1} MiB  {}", mebibytes(&path)?, path.display());
    }
    Ok(())
}

#[allow(clippy::float_arithmetic, reason = "a figure for people")]
fn mebibytes(path: &Path) -> Result<f64, String> {
    let bytes = said(Path::new("du"), &["--bytes", "--summarize", &text(path)])?;
    let bytes = String::from_utf8_lossy(&bytes);
    let bytes: f64 = bytes.split_whitespace().next().and_then(|it| it.parse().ok()).unwrap_or(0.0);
    Ok(bytes / 1_048_576.0)
}

/// An empty folder.
fn fresh(folder: &Path) -> Result<PathBuf, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed)?;
    }
    fs::create_dir_all(folder).map_err(failed)?;
    Ok(folder.to_owned())
}
