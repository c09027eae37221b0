//! The packages as people meet them: installed on a clean Debian, a marketplace set up, something bought,
//! upgraded while a deal runs, removed and purged; nobody's data is touched.
//!
//! Whatever listens does so in a network, and whatever runs is a process, of the trial's own namespaces:
//! nothing of it is left when it ends.

use std::path::Path;
use std::time::{Duration, Instant};

use semper_testkit::market::BUYER_RULES;
use serde_json::Value;

use super::market::{MERCHANT, Market, SERVICE};
use super::packages::Packages;
use super::root::Root;
use super::stage::{self, Stage, said, text};
use super::{Made, step};
use crate::{build, checks};

/// Commands that show whether a program that is needed is there, and its Debian package.
const PROGRAMS: [(&[&str], &str); 4] = [
    (&["mmdebstrap", "--version"], "mmdebstrap"),
    (&["skopeo", "--version"], "skopeo"),
    (&["umoci", "--version"], "umoci"),
    (&["ip", "-V"], "iproute2"),
];
/// What the upgrade's version ends in; it counts as newer.
const NEWER: &str = "-2~upgrade";
/// Only what hangs takes so long.
const HANG: Duration = Duration::from_secs(120);

/// Tries everything that was made.
pub fn run(made: &Made) -> Result<(), String> {
    checks::install(&PROGRAMS)?;
    let folder = tempfile::Builder::new().prefix("semper-dist-").tempdir();
    let folder = folder.map_err(|error| format!("no temporary folder: {error}"))?;
    step("the same commit makes the same files");
    let again = folder.path().join("again");
    std::fs::create_dir(&again).map_err(|error| error.to_string())?;
    super::image::make(&made.stage, &Packages::make(&made.stage, &again, None)?, &again)?;
    let sums = [&made.out, &again].map(|it| text(&it.join("SHA256SUMS")));
    said(Path::new("diff"), &sums.each_ref().map(String::as_str))?;
    image(&made.stage, &made.out, folder.path())?;
    archive(&made.stage, &made.out, folder.path())?;

    step("the packages of an upgrade");
    let upgrade = folder.path().join("upgrade");
    std::fs::create_dir(&upgrade).map_err(|error| error.to_string())?;
    let newer = format!("{}{NEWER}", made.stage.version);
    Packages::make(&made.stage, &upgrade, Some(&newer))?;

    step("a clean Debian (a minute)");
    let root = Root::make(&folder.path().join("root"), &made.packages)?;
    let at = root.file(SERVICE);
    std::fs::create_dir_all(&at).map_err(|error| error.to_string())?;
    let guests = build::guests()?;
    let descriptions = build::repository().join("guest-services/mail-order/terms");
    for from in ["mail_order_buyer.wasm", "mail_order_seller.wasm"].map(|it| guests.join(it)) {
        said(Path::new("cp"), &[&text(&from), &text(&at)])?;
    }
    said(Path::new("cp"), &["-r", &format!("{}/.", descriptions.display()), &text(&at)])?;
    step("installed: semper, semper-server, semper-sign");
    let files = made.packages.all().map(text);
    root.dpkg(&[&["--install"], &files.each_ref().map(String::as_str)[..]].concat())?;

    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let (own, root, upgrade) = (text(&own), text(&root.0), text(&upgrade));
    let namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child"];
    let mut arguments = namespaces.to_vec();
    arguments.extend([own.as_str(), "dist-inside", &root, &upgrade]);
    // Not without what cargo has told: the repository is found by it.
    let status = std::process::Command::new("unshare").args(&arguments).status();
    let status = status.map_err(|error| format!("unshare: {error}"))?;
    if status.success() { Ok(()) } else { Err("the trial of the packages has failed".into()) }
}

/// The part that runs in namespaces of its own, in a root where the packages are installed.
pub fn inside(root: &str, upgrade: &str) -> Result<(), String> {
    let root = Root(root.into());
    said(Path::new("ip"), &["link", "set", "lo", "up"])?;
    for (kind, place) in [("proc", "/proc"), ("tmpfs", "/run"), ("tmpfs", "/tmp")] {
        said(Path::new("mount"), &["-t", kind, kind, &text(&root.file(place))])?;
    }
    step("a marketplace, by the installed programs, units and examples");
    let mut market = Market::build(&root, &|it| println!("  {it}"))?;

    step("the first purchase");
    market.anna(&format!("semper buy {MERCHANT}"))?;
    completed(&market, 1)?;

    step("upgraded, while a deal waits for the buyer's decision");
    upgraded(&root, &mut market, upgrade)?;

    step("removed and purged; what people and servers keep is as it was");
    market.end()?;
    removed(&root)?;
    step("installed again: everything is there");
    let packages = packages_in(upgrade)?;
    root.dpkg(
        &[&["--install"], &packages.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat(),
    )?;
    let anna = |lines: &str| root.sh("anna", "/home/anna", lines);
    anna("semper archive verify")?;
    if states(&anna("semper deals --json")?)? != ["completed", "completed"] {
        return Err("the deals are not what they were".into());
    }
    println!("\nthe packages install, sell, upgrade and go, and nobody's data is touched");
    Ok(())
}

/// A deal is open, the packages are upgraded, everybody goes on with the new programs.
fn upgraded(root: &Root, market: &mut Market<'_>, upgrade: &str) -> Result<(), String> {
    let order = "topic  = \"order\"\n";
    let slow = BUYER_RULES.replace(order, &format!("{order}after_ms = 600000\n"));
    market.start_buyer_tinguin(&slow)?;
    let words = ["semper", "buy", MERCHANT];
    let mut buying = root.start("buying", "anna", "/home/anna", &[], &words)?;
    until("a deal that waits for the buyer's decision", || {
        market.anna("semper deals").is_ok_and(|it| it.contains("your decision"))
    })?;

    let packages = packages_in(upgrade)?;
    root.dpkg(
        &[&["--install"], &packages.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat(),
    )?;
    let version = root.dpkg(&["--status", "semper"])?;
    if !version.contains(NEWER) {
        return Err(format!("semper was not upgraded:\n{version}"));
    }
    market.restart()?;
    // The host that runs is still the old one: the new command looks at it and ends it.
    let status = market.anna("semper run --status --json")?;
    if !status.contains("\"process\"") {
        return Err(format!("the old host does not answer the new command: {status}"));
    }
    if let Some(mut host) = market.host() {
        market.anna("semper run --end")?;
        if host.wait(HANG) != Some(0) {
            return Err(format!("the old host does not end:\n{}", host.log_text()));
        }
    }
    market.start_host()?;
    market.start_buyer_tinguin(BUYER_RULES)?;
    until("the deal goes on", || completed(market, 2).is_ok())?;
    // The command that was waiting was told that its host ends and nothing is lost; or it went on to the
    // next host, and was told that the deal is completed.
    let (code, told) = (buying.wait(HANG), buying.log_text());
    let is_right = match code {
        Some(0) => told.contains("is completed"),
        Some(1) => told.contains("nothing is lost"),
        _ => false,
    };
    if !is_right {
        return Err(format!("semper buy ended with {code:?}:\n{told}"));
    }
    market.anna("semper archive verify")?;
    let audit = "semper bank audit --home /var/lib/semper/bank/home";
    root.sh("semper", "/var/lib/semper", audit).map(drop)
}

/// The packages go, and nothing else does.
fn removed(root: &Root) -> Result<(), String> {
    let kept = "find /var/lib/semper /etc/semper /home/anna -type f -exec sha256sum {} + | sort;\
                find /var/lib/semper /etc/semper /home/anna -printf '%p %u %m\\n' | sort";
    let before = root.sh("root", "/", kept)?;
    if before.lines().count() < 100 {
        return Err(format!("there ought to be more to keep:\n{before}"));
    }
    for how in ["--remove", "--purge"] {
        root.dpkg(&[how, "semper-server", "semper-sign", "semper"])?;
        let after = root.sh("root", "/", kept)?;
        if after != before {
            return Err(format!("dpkg {how} has changed what is kept:\n{before}\nnow:\n{after}"));
        }
    }
    let left = "find /usr /etc /var/lib/dpkg/info -name '*semper*' -not -path '/etc/semper*'";
    let left = root.sh("root", "/", left)?;
    if left.is_empty() { Ok(()) } else { Err(format!("what is left of the packages:\n{left}")) }
}

fn packages_in(folder: &str) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{folder}: {error}"))?;
    Ok(entries.filter_map(|it| Some(text(&it.ok()?.path()))).collect())
}

/// Whether the buyer has so many deals, and all are completed.
fn completed(market: &Market<'_>, count: usize) -> Result<(), String> {
    let states = states(&market.anna("semper deals --json")?)?;
    if states.len() == count && states.iter().all(|it| it == "completed") {
        return Ok(());
    }
    Err(format!("deals are {states:?}"))
}

fn states(deals: &str) -> Result<Vec<String>, String> {
    let deals: Value = serde_json::from_str(deals).map_err(|error| format!("{error}: {deals}"))?;
    let deals = deals.as_array().cloned().unwrap_or_default();
    Ok(deals.iter().map(|it| it["state"].as_str().unwrap_or_default().to_owned()).collect())
}

fn until(what: &str, done: impl Fn() -> bool) -> Result<(), String> {
    let begun = Instant::now();
    while !done() {
        if begun.elapsed() > HANG {
            return Err(format!("it takes too long: {what}"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Another program reads the image, and the server in it starts without anything beside it.
fn image(stage: &Stage, out: &Path, folder: &Path) -> Result<(), String> {
    step("the image, by skopeo and unpacked by umoci");
    let image = format!("{}:{}", out.join("image").display(), stage.version);
    let inspected = said(Path::new("skopeo"), &["inspect", &format!("oci:{image}")])?;
    let seen: Value = serde_json::from_slice(&inspected).map_err(|error| error.to_string())?;
    if seen["Layers"].as_array().map(Vec::len) != Some(2) || seen["Os"] != "linux" {
        return Err(format!("skopeo sees another image: {seen}"));
    }
    let bundle = folder.join("image");
    said(Path::new("umoci"), &["unpack", "--image", &image, &text(&bundle)])?;
    let root = text(&bundle.join("rootfs"));
    let config = "listen = \"127.0.0.1:8443\"\n";
    stage::write(&bundle.join("rootfs/etc/semper/server.toml"), config.as_bytes())?;
    let inside = |words: &[&str]| {
        let user = ["--userspec=65532:65532", &root];
        build::command("chroot").args(user).args(words).output().map_err(|it| it.to_string())
    };
    let version = inside(&["/usr/bin/semper", "--version"])?;
    if !version.status.success() {
        return Err(format!("semper in the image: {}", String::from_utf8_lossy(&version.stderr)));
    }
    // Its configuration is asked for as it is everywhere.
    let served = inside(&["/usr/bin/semper", "serve", "/etc/semper/server.toml"])?;
    let err = String::from_utf8_lossy(&served.stderr);
    if served.status.code() == Some(2) && err.contains("server.toml") {
        return Ok(());
    }
    Err(format!("semper serve in the image: {}\n{err}", served.status))
}

/// The archive is whole, and its programs run from where it is unpacked.
fn archive(stage: &Stage, out: &Path, folder: &Path) -> Result<(), String> {
    step("the plain archive, and the digests");
    let there = ["--chdir", &text(out), "sha256sum", "--check", "--quiet", "SHA256SUMS"];
    said(Path::new("env"), &there)?;
    let name = format!("semper-{}-{}-linux", stage.version, std::env::consts::ARCH);
    let file = text(&out.join(format!("{name}.tar.xz")));
    said(Path::new("tar"), &["--extract", "--file", &file, "--directory", &text(folder)])?;
    for program in ["semper", "semper-sign", "semper-window"] {
        said(&folder.join(&name).join("bin").join(program), &["--version"])?;
    }
    Ok(())
}
