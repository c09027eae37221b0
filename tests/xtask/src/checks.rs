//! Everything that must pass.

use std::process::Command;

use crate::build::{self, GUESTS};
use crate::costs::Costs;
use crate::{dist, fuzz, languages, strangers};

/// Everything; with a filter, only the tests whose names contain it. What each step and each suite
/// has cost is printed at the end, whatever comes of it.
pub fn run(filter: &[&str]) -> Result<(), String> {
    let mut costs = Costs::default();
    let done = steps(&mut costs, filter);
    costs.print();
    done
}

fn steps(costs: &mut Costs, filter: &[&str]) -> Result<(), String> {
    if filter.is_empty() {
        costs.step("formatter", || build::run("cargo", &["fmt", "--all", "--check"]))?;
        costs.step("guests", || build::guests().map(drop))?;
        costs.step("clippy", clippy)?;
        costs.step("licences, duplicates, sources", deny)?;
        costs.step("documentation", document)?;
    } else {
        costs.step("guests", || build::guests().map(drop))?;
    }
    // Binaries and tests in one build, so that nothing is compiled twice with other features. `cargo
    // test --no-run` would leave out the binaries of packages without tests of their own, and the
    // tests would run with whatever an earlier build has left.
    costs.step("building tests and binaries", || {
        let mut arguments = vec!["build", "--workspace", "--all-targets", "--quiet"];
        arguments.extend(excluded());
        build::run("cargo", &arguments)
    })?;
    costs.step("tools of others", packages)?;
    costs.step("the window's program", window_program)?;
    if filter.is_empty() {
        costs.step("the window", window)?;
        costs.step("units, desktop files, manual pages", dist::check)?;
    }
    costs.step("services in other languages", || languages::all().map(drop))?;
    costs.step("Python libraries of others", || strangers::all().map(drop))?;
    // Whoever mends something wants to know of everything that is broken.
    let mut arguments = vec!["test", "--workspace", "--no-fail-fast"];
    arguments.extend(excluded());
    arguments.extend(filter);
    costs.suites("tests", &arguments)?;
    if filter.is_empty() {
        let mut arguments = vec!["test", "--workspace"];
        arguments.extend(excluded());
        arguments.extend(["--features", "semper-model/mutations", "--test", "mutations"]);
        costs.suites("rules left out of fair exchange, one by one", &arguments)?;
        costs.step("fuzzing", || fuzz::run(FUZZED))?;
    }
    Ok(())
}

/// Seconds that each fuzz target gets in the test command.
const FUZZED: u64 = 5;

/// What takes too long for every change: many more schedules, random components, fuzzing.
pub fn nightly() -> Result<(), String> {
    build::all()?;
    let more = [
        ("SEMPER_SCHEDULES", "1000", "semper-simulation", "seeds"),
        ("SEMPER_EXCHANGE_SCHEDULES", "1000", "semper-exchange-tests", "schedules"),
        ("SEMPER_CHEATS", "all", "semper-exchange-tests", "cheats"),
        ("SEMPER_PROCESS_SCHEDULES", "100", "semper-market-tests", "schedules"),
        ("SEMPER_POINTS", "1", "semper-market-tests", "faults"),
        ("SEMPER_SMITH", "10000", "semper-hostile-tests", "smith"),
        ("SEMPER_SESSIONS", "2", "semper-model", "two"),
        ("SEMPER_TROUBLE", "2", "semper-model", "whole"),
    ];
    for (variable, count, package, test) in more {
        step(&format!("{package}: {test}, {variable}={count}"));
        let status = build::command("cargo")
            .args(["test", "--package", package, "--test", test, "--", "--nocapture"])
            .env(variable, count)
            .status()
            .map_err(|error| format!("cargo: {error}"))?;
        if !status.success() {
            return Err(format!("{package}: {test}: {status}"));
        }
    }
    step("services in JavaScript and Python, as their authors make them");
    let authors =
        ["test", "--package", "semper-market-tests", "--test", "author", "--", "--ignored"];
    build::run("cargo", &authors)?;
    step("a purchase through the window, on a display of its own");
    packages()?;
    window_program()?;
    let example = ["run", "--package", "semper-testkit", "--example", "window_purchase"];
    build::run("cargo", &example)?;
    step("packages: installed, used, upgraded while a deal runs, removed");
    dist::run(&["--test"])?;
    fuzz::run(600)
}

/// The window's package.
const WINDOW: &str = "semper-face-window";

/// Commands that show whether a program that tests need is there, and its Debian package.
const PROGRAMS: [(&[&str], &str); 20] = [
    (&["openssl", "version"], "openssl"),
    // Debian's python3 comes without what `venv` needs.
    (&["python3", "-c", "import ensurepip"], "python3-venv"),
    (&["npm", "--version"], "npm"),
    (&["docker-registry", "--help"], "docker-registry"),
    (&["skopeo", "--version"], "skopeo"),
    (&["chromium", "--version"], "chromium"),
    (&["htpasswd", "-nb", "a", "b"], "apache2-utils"),
    (&["tmux", "-V"], "tmux"),
    (&["softhsm2-util", "--version"], "softhsm2"),
    // What the window is built with, and nothing else.
    (&["pkg-config", "--version"], "pkg-config"),
    (&["pkg-config", "--exists", "wayland-client"], "libwayland-dev"),
    (&["sh", "-c", "/usr/lib/postgresql/*/bin/postgres --version"], "postgresql"),
    // What a window is shown and pressed by where there is no screen.
    (&["Xvfb", "-help"], "xvfb"),
    (&["sh", "-c", "command -v xdotool"], "xdotool"),
    (&["sh", "-c", "ls /usr/lib/*/dri/swrast_dri.so"], "libgl1-mesa-dri"),
    // And what it is read aloud by. Debian's own Python: another one does not find its libraries.
    (&["dbus-daemon", "--version"], "dbus-daemon"),
    (&["ls", "/usr/libexec/at-spi-bus-launcher"], "at-spi2-core"),
    (&["/usr/bin/python3", "-c", "import gi"], "python3-gi"),
    (&["sh", "-c", "ls /usr/lib/*/girepository-1.0/Atspi-2.0.typelib"], "gir1.2-atspi-2.0"),
    // How a link that is clicked finds its program.
    (&["xdg-mime", "--version"], "xdg-utils"),
];

fn packages() -> Result<(), String> {
    install(&PROGRAMS)
}

/// Installs the packages of programs that are missing.
pub fn install(programs: &[(&[&str], &'static str)]) -> Result<(), String> {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(probe, _)| {
            let answer = Command::new(probe[0]).args(&probe[1..]).output();
            !answer.is_ok_and(|output| output.status.success())
        })
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(", "));
    build::run("apt-get", &["update", "--quiet"])?;
    let mut arguments = vec!["install", "--yes", "--quiet"];
    arguments.extend(missing);
    build::run("apt-get", &arguments)
}

/// The figures of BENCHMARKS.md; all, or the parts that are named.
pub fn bench(parts: &[&str]) -> Result<(), String> {
    build::guests()?;
    let arguments = ["build", "--release", "--package", "semper", "--package", "semper-sign"];
    build::run("cargo", &arguments)?;
    let mut arguments = vec!["run", "--release", "--package", "semper-bench", "--"];
    arguments.extend(parts);
    build::run("cargo", &arguments)
}

fn step(text: &str) {
    println!("\n── {text}");
}

fn excluded() -> Vec<&'static str> {
    // What cannot be built for this machine: guests are for wasm alone. And the window: what it is
    // built with would have cargo build everything else in another way than for the binaries.
    let all = GUESTS.iter().copied().chain(["semper-guest", WINDOW]);
    all.flat_map(|name| ["--exclude", name]).collect()
}

fn clippy() -> Result<(), String> {
    let mut arguments = vec!["clippy", "--quiet", "--workspace", "--all-targets"];
    arguments.extend(excluded());
    arguments.extend(["--", "--deny", "warnings"]);
    build::run("cargo", &arguments)?;
    let mut arguments = vec!["clippy", "--quiet", "--release", "--target", "wasm32-wasip2"];
    arguments.extend(GUESTS.iter().flat_map(|guest| ["--package", guest]));
    arguments.extend(["--", "--deny", "warnings"]);
    build::run("cargo", &arguments)
}

/// The window's program, which tests open on displays of their own.
fn window_program() -> Result<(), String> {
    build::run("cargo", &["build", "--quiet", "--package", WINDOW, "--features", "native"])
}

/// The window, beside the workspace. What of it needs a display is compiled, and not run; all that is
/// drawn is tested.
fn window() -> Result<(), String> {
    build::run("cargo", &["test", "--quiet", "--package", WINDOW])?;
    let mut arguments = vec!["clippy", "--quiet", "--package", WINDOW];
    arguments.extend(["--features", "native", "--all-targets", "--", "--deny", "warnings"]);
    build::run("cargo", &arguments)
}

fn document() -> Result<(), String> {
    let mut arguments = vec!["doc", "--quiet", "--no-deps", "--workspace"];
    arguments.extend(excluded());
    let status = build::command("cargo")
        .args(&arguments)
        .env("RUSTDOCFLAGS", "--deny warnings")
        .status()
        .map_err(|error| format!("cargo doc: {error}"))?;
    if status.success() { Ok(()) } else { Err("the documentation has warnings".into()) }
}

/// `cargo deny`, installed beside the build when it is missing. Advisories are looked at where
/// their database can be had.
fn deny() -> Result<(), String> {
    let tool = build::tool("cargo-deny", "--version")?;
    let check = |what: &[&str]| {
        let mut arguments = vec!["--log-level", "error", "check"];
        arguments.extend(what);
        build::run(&tool.display().to_string(), &arguments)
    };
    check(&["licenses", "bans", "sources"])?;
    if check(&["advisories"]).is_err() {
        println!("advisories were not checked: their database cannot be had here, or it has a hit");
    }
    Ok(())
}
