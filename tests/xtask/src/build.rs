//! The wasm target, the guests, the host's binaries.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use semper_testkit::Binaries;

/// What the guests are built for.
const TARGET: &str = "wasm32-wasip2";
/// The guests.
pub const GUESTS: [&str; 9] = [
    "barter-buyer",
    "barter-seller",
    "mail-order-buyer",
    "mail-order-seller",
    "market-report-buyer",
    "market-report-seller",
    "probe",
    "unfair-buyer",
    "unfair-seller",
];

/// The repository's folder. Asked at run time: with a shared target folder this program may
/// have been built in another clone.
pub fn repository() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| ".".into(), PathBuf::from);
    own.ancestors().nth(2).unwrap_or(&own).to_owned()
}

/// A command in the repository, as a person would type it there. Without this, what cargo has told
/// *this* program about its package would be passed on, and crates whose build scripts look at it
/// (ring, and whatever needs it) would be built anew by each turn from `cargo xtask` to `cargo`.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let own = |name: &str| {
        name.starts_with("CARGO_PKG_")
            || name.starts_with("CARGO_MANIFEST_")
            || ["CARGO_CRATE_NAME", "CARGO_BIN_NAME", "CARGO_PRIMARY_PACKAGE"].contains(&name)
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(own)) {
        command.env_remove(name);
    }
    command.current_dir(repository());
    command
}

/// Runs a command in the repository; its output is the person's to see.
pub fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let status =
        command(program).args(arguments).status().map_err(|error| format!("{program}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{program} {}: {status}", arguments.join(" ")))
}

/// Where cargo puts what it builds.
pub fn target() -> Result<PathBuf, String> {
    let output = command("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    let value: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let folder =
        value["target_directory"].as_str().ok_or("cargo metadata names no target folder")?;
    Ok(PathBuf::from(folder))
}

/// A cargo tool, installed beside the build when it is missing; `probe` is an argument that it
/// answers with success.
pub fn tool(name: &str, probe: &str) -> Result<PathBuf, String> {
    let works = |tool: &PathBuf| {
        let probe = if probe.starts_with('-') { vec![probe] } else { vec![probe, "--help"] };
        Command::new(tool).args(probe).output().is_ok_and(|output| output.status.success())
    };
    let root = target()?.join("tools");
    let own = root.join("bin").join(name);
    for candidate in [PathBuf::from(name), own.clone()] {
        if works(&candidate) {
            return Ok(candidate);
        }
    }
    println!("installing {name} (once; a few minutes)");
    let root = root.display().to_string();
    run("cargo", &["install", "--quiet", "--locked", "--root", &root, name])?;
    Ok(own)
}

/// Adds the target if it is missing, builds the guests; the folder with the components.
pub fn guests() -> Result<PathBuf, String> {
    let installed = command("rustup")
        .args(["target", "list", "--installed"])
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).contains(TARGET))
        .unwrap_or(false);
    if !installed {
        run("rustup", &["target", "add", TARGET])?;
    }
    let mut arguments = vec!["build", "--quiet", "--release", "--target", TARGET];
    arguments.extend(GUESTS.iter().flat_map(|guest| ["--package", guest]));
    run("cargo", &arguments)?;
    Ok(target()?.join(TARGET).join("release"))
}

/// Builds guests and host.
pub fn all() -> Result<Binaries, String> {
    let guests = guests()?;
    run("cargo", &["build", "--package", "semper", "--package", "semper-sign"])?;
    let debug = target()?.join("debug");
    Ok(Binaries {
        semper: debug.join("semper"),
        sign: debug.join("semper-sign"),
        guests,
        languages: target()?.join("languages"),
        repository: repository(),
    })
}

/// Prints the interfaces that each guest imports.
pub fn print_imports(guests: &Path) -> Result<(), String> {
    for guest in GUESTS {
        let file = guests.join(format!("{}.wasm", guest.replace('-', "_")));
        let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        println!("{guest}: {} bytes", bytes.len());
        for import in imports(&bytes) {
            println!("  {import}");
        }
    }
    Ok(())
}

/// Names like `package:name/interface@1.0.0` in a component. For looking; what counts is the
/// host's own reading (`semper-sign inspect`).
fn imports(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut names: Vec<String> = ["semper:", "wasi:"]
        .iter()
        .flat_map(|prefix| text.match_indices(prefix))
        .filter_map(|(at, _)| {
            let name: String = text[at..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || ":/@.-".contains(*c))
                .collect();
            // Texts stand one after the other: a name ends with its version's three numbers.
            let (start, version) = name.split_once('@')?;
            let numbers: Vec<&str> = version.splitn(4, '.').take(3).collect();
            let [major, minor, patch] = numbers.as_slice() else { return None };
            let patch: String = patch.chars().take_while(char::is_ascii_digit).collect();
            start.contains('/').then(|| format!("{start}@{major}.{minor}.{patch}"))
        })
        .collect();
    names.sort();
    names.dedup();
    names
}
