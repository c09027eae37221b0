//! Strangers attack the servers of a marketplace while an honest buyer buys: her purchase
//! completes, the servers stay small, and what they keep for strangers stays within the bounds that
//! `docs/limits.md` names.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{client, market, small};
use semper_testkit::attack::{Attack, Target};
use semper_testkit::process::{Running, free_port};
use semper_testkit::{Market, market};

/// Longer than anything here takes; only a hang gets this far.
const HANG: Duration = Duration::from_secs(120);
/// What an attack may add to a server's memory.
const MEMORY: u64 = 128 * 1024 * 1024;
/// What strangers may have stored in a minute, in a home (`docs/limits.md`), and what a store's log
/// takes beside it before it is copied.
const DISK: u64 = 8 * 1024 * 1024;
const STORE_LOG: u64 = 8 * 1024 * 1024;

/// A marketplace beside whose servers one shows a large file.
fn with_files() -> (Market, tempfile::TempDir, Running, Target) {
    let (market, folder) = market(&small());
    std::fs::create_dir(market.folder.join("public")).unwrap();
    let large = std::fs::File::create(market.folder.join("public/large")).unwrap();
    large.set_len(64 * 1024 * 1024).unwrap();
    let port = free_port().unwrap();
    let config = format!(
        "listen = \"127.0.0.1:{port}\"\n[tls]\ncertificate = \"otto-tls.pem\"\n\
         key = \"otto-tls.key\"\n[files]\nfolder = \"public\"\n"
    );
    std::fs::write(market.folder.join("files.toml"), config).unwrap();
    let files = market::serve(&market.folder, &market.binaries, "files", port, &[]).unwrap();
    let target = Target::of(&market, port, "large").unwrap();
    (market, folder, files, target)
}

fn size(path: &Path) -> u64 {
    if path.is_file() {
        return path.metadata().map_or(0, |it| it.len());
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|it| size(&it.path())).sum()
}

/// The server that an attack is against, and the home in which it stores.
fn victim<'a>(attack: Attack, market: &'a Market, files: &'a Running) -> (&'a Running, &'a str) {
    match attack {
        Attack::SlowReaders => (files, "public"),
        Attack::Lists => (&market.ca, "ca"),
        Attack::Fences => (&market.bank, "bank"),
        Attack::Cases => (&market.third, "third"),
        _ => (&market.merchant, "otto"),
    }
}

#[test]
fn an_honest_buyer_buys_while_strangers_attack() {
    let (market, _folder, files, target) = with_files();
    let url = market.merchant_url();
    let buy = || market.semper(&["buy", "--home", "anna", &url]).unwrap();
    // What the first purchase makes is there afterwards.
    let first = buy();
    assert_eq!(first.code, 0, "{}", first.err);

    for attack in Attack::ALL {
        let (server, home) = victim(attack, &market, &files);
        let folder = market.folder.join(home);
        let (memory, disk, begun) = (server.memory(), size(&folder), Instant::now());
        let (most, over) = (AtomicU64::new(memory), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    most.fetch_max(server.memory(), Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
            let held = attack.hold(&target);
            let enough = match attack {
                Attack::SlowReaders => 100,
                Attack::Lists | Attack::Fences | Attack::Cases | Attack::Openings => 50,
                _ => 900,
            };
            let reached = held.reach(enough, HANG);
            let bought = buy();
            over.store(true, Ordering::Relaxed);
            let log = server.log_text();
            assert!(reached, "{}: only {} times\n{log}", attack.name(), held.count());
            assert_eq!(bought.code, 0, "{}: {}\n{log}", attack.name(), bought.err);
        });

        let grown = most.load(Ordering::Relaxed).saturating_sub(memory);
        assert!(grown <= MEMORY, "{}: {} MiB", attack.name(), grown / 1024 / 1024);
        // A busy machine takes longer for it, and each minute that has begun counts.
        let allowed = STORE_LOG + DISK * (begun.elapsed().as_secs() / 60 + 2);
        let grown = size(&folder).saturating_sub(disk);
        assert!(grown <= allowed, "{}: {} KiB on the disk", attack.name(), grown / 1024);
    }

    // Those who were refused are counted, and the log has said so, not once for each.
    let metrics = client(&market).get(&format!("{url}/metrics"), 1024 * 1024).unwrap();
    let metrics = String::from_utf8(metrics.body).unwrap();
    let refused = metrics.lines().filter(|it| it.starts_with("semper_refusals_total{")).count();
    assert!(refused > 0, "{metrics}");
    let log = market.merchant.log_text();
    assert!(log.contains("refused or cut off"), "{log}");
    assert!(log.lines().count() < 2_000, "{} lines", log.lines().count());
}

#[test]
fn whoever_keeps_a_server_waiting_is_cut_off() {
    let (mut market, _folder) = market(&small());
    // Places for all of them: nobody has to make room before the time is over.
    let short = "header-seconds = 2\nbody-seconds = 2\nhandshake-seconds = 2\nidle-seconds = 2\n\
                 connections = 2000\nconnects-per-address = 1000\nhandshakes = 2000";
    market.limit_merchant(short).unwrap();
    let target = Target::of(&market, market.ports[2], "none").unwrap();

    for attack in [Attack::HalfHandshakes, Attack::Idle, Attack::HalfHeads, Attack::HalfBodies] {
        // All places of the strangers are taken once, and then again by those who were cut off.
        let held = attack.hold(&target);
        assert!(held.reach(3_000, HANG), "{}: {}", attack.name(), held.count());
    }

    let url = market.merchant_url();
    let health = client(&market).get(&format!("{url}/healthz"), 1_000).unwrap();
    assert_eq!(health.status, 200);
    let metrics = client(&market).get(&format!("{url}/metrics"), 1024 * 1024).unwrap();
    let metrics = String::from_utf8(metrics.body).unwrap();
    for reason in ["handshake-time", "header-time", "body-time"] {
        let counted = format!("semper_refusals_total{{reason=\"{reason}\"}} ");
        assert!(metrics.contains(&counted), "{reason}: {metrics}");
    }
}
