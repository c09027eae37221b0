//! The resident host of a buyer's home: what it costs while a thousand deals sleep in it, and a
//! purchase through it beside one by a host of the command's own.

use std::error::Error;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use semper_host_protocol::protocol::{self, VERSION};
use semper_host_protocol::{Hello, Reply, Request, SOCKET, Said};
use semper_testkit::{Binaries, Market, MarketOptions, Published, Running};

use crate::waiting::RECEIVE;
use crate::{note, row};

type Outcome = Result<(), Box<dyn Error>>;

/// Deals that sleep.
const SLEEPING: usize = 1_000;
/// Of them at once while they are opened.
const AT_ONCE: usize = 16;
/// For how long an idle host is watched.
const WATCHED: Duration = Duration::from_secs(60);
/// Purchases that are compared.
const PURCHASES: u32 = 12;

pub fn run(binaries: &Binaries) -> Outcome {
    let folder = tempfile::tempdir()?;
    let options =
        MarketOptions { articles: 2_000, funds: "90000.00 EUR".into(), ..MarketOptions::default() };
    let mut market = Market::build(folder.path(), binaries, &options, &|_| {})?;
    purchases(&market)?;
    // A service whose both halves wait for a message, and never get one.
    let texts = binaries.repository.join("tests/market/conformance/v1.2");
    let file = folder.path().join("receive.wasm");
    std::fs::write(&file, wat::parse_str(RECEIVE)?)?;
    market.publish("sleeping", &Published { texts: &texts, buyer: &file, seller: &file })?;
    sleeping(&market)
}

/// Purchases one after the other: with a host of their own, and through the resident one.
fn purchases(market: &Market) -> Outcome {
    let buy = |alone: &str| -> Result<Duration, Box<dyn Error>> {
        let begun = Instant::now();
        let status = Command::new(&market.binaries.semper)
            .args(["buy", "--home", "anna", &market.merchant_url()])
            .env("SEMPER_ALONE", alone)
            .current_dir(&market.folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if !status.success() {
            return Err("a purchase has failed".into());
        }
        Ok(begun.elapsed())
    };
    let mut alone = Vec::new();
    for _ in 0..PURCHASES {
        alone.push(buy("1")?);
    }
    let first = buy("0")?;
    let mut resident = Vec::new();
    for _ in 0..PURCHASES {
        resident.push(buy("0")?);
    }
    alone.sort();
    resident.sort();
    let (alone, resident) = (alone[alone.len() / 2], resident[resident.len() / 2]);
    row("`semper buy` through the resident host, beside `--alone` (medians)", resident, alone);
    row("the first one, which starts the host", first, alone);
    market.semper(&["run", "--home", "anna", "--end"])?;
    Ok(())
}

/// A host in which a thousand deals sleep, and the same host without any.
fn sleeping(market: &Market) -> Outcome {
    let home = market.folder.join("anna");
    let arguments = ["run", "--home", "anna"];
    let start = || Running::start(&market.folder, "host", &market.binaries.semper, &arguments, &[]);
    let mut host = start()?;
    host.ready(|| home.join(SOCKET).exists())?;
    let (without, _) = watched(&host);
    open(market, &home)?;
    // Those that have just fallen asleep are still linked for as long as a poll is held.
    let asleep = || -> Result<bool, Box<dyn Error>> {
        let said = market.semper(&["run", "--home", "anna", "--status", "--json"])?.json();
        Ok(said["busy"] == 0 && said["asleep"] == SLEEPING)
    };
    while !asleep()? {
        std::thread::sleep(Duration::from_millis(500));
    }
    let (with, memory) = watched(&host);
    host.signal("TERM");
    host.wait(Duration::from_secs(20));
    let begun = Instant::now();
    let mut again = start()?;
    again.ready(|| home.join(SOCKET).exists())?;
    note(
        &format!("start of a host with {SLEEPING} sleeping deals"),
        &format!("{:.1?}", begun.elapsed()),
    );
    while !asleep()? {
        std::thread::sleep(Duration::from_millis(500));
    }
    let (after, memory_after) = watched(&again);
    let shown =
        |used: Duration| format!("{:.2?} of processor time in {} s", used, WATCHED.as_secs());
    note("an idle host without deals", &shown(without));
    note(&format!("with {SLEEPING} sleeping deals, which it has opened"), &shown(with));
    note("its memory", &format!("{:.1} MiB", mebibytes(memory)));
    note(&format!("with {SLEEPING} sleeping deals, after a restart"), &shown(after));
    note("its memory", &format!("{:.1} MiB", mebibytes(memory_after)));
    Ok(())
}

/// Opens the deals that are to sleep.
fn open(market: &Market, home: &Path) -> Outcome {
    let left = Arc::new(Mutex::new(SLEEPING));
    let workers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (left, home, merchant) =
                (Arc::clone(&left), home.to_owned(), market.merchant_url());
            std::thread::spawn(move || {
                loop {
                    let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
                    let Some(less) = left.checked_sub(1) else { return Ok(()) };
                    *left = less;
                    drop(left);
                    opened(&home, &merchant)?;
                }
            })
        })
        .collect();
    for worker in workers {
        let done: Result<(), String> = worker.join().map_err(|_| "a thread has panicked")?;
        done?;
    }
    Ok(())
}

/// Begins a purchase, and goes away once the deal is open.
fn opened(home: &Path, merchant: &str) -> Result<(), String> {
    let wrong = |error: std::io::Error| error.to_string();
    let mut stream = UnixStream::connect(home.join(SOCKET)).map_err(wrong)?;
    protocol::write(&mut stream, &Hello { version: VERSION }).map_err(wrong)?;
    let request = Request::Buy { merchant: merchant.to_owned(), terms: None, link: None };
    protocol::write(&mut stream, &request).map_err(wrong)?;
    loop {
        match protocol::read::<Reply>(&mut stream).map_err(wrong)? {
            Some(Reply::Said(Said::Opened(_))) => return Ok(()),
            Some(Reply::Welcome(_) | Reply::Said(_)) => {}
            other => return Err(format!("{other:?}")),
        }
    }
}

/// How much processor time a process takes while it is watched, and its memory then.
fn watched(process: &Running) -> (Duration, u64) {
    let before = used(process.id());
    std::thread::sleep(WATCHED);
    (used(process.id()).saturating_sub(before), process.memory())
}

/// The processor time that a process has taken, to the nanosecond as the scheduler counts it.
fn used(process: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let nanos = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
