//! Waking a deal, and a hundred thousand that wait.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use semper_archive::{DealRow, Write};
use semper_base::{DealId, Digest, Timestamp};
use semper_items::{DealKeys, Side};
use semper_runtime::Lane;
use semper_testkit::Binaries;
use semper_trust::{Limit, Limits, VerifiedTerms};
use semper_workbench::{Offered, Options, Workbench};
use wasmtime::Store;
use wasmtime::component::{Component, Linker};

type Outcome = Result<(), Box<dyn Error>>;

/// Deals that wait.
const WAITING: usize = 100_000;

/// Waits for a message, and nothing else.
pub const RECEIVE: &str = r#"(component
    (import "semper:transfer/information@1.0.0" (instance $information
        (export "receive" (func (result (tuple string (list u8)))))))
    (core module $Libc
        (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
    (core instance $libc (instantiate $Libc))
    (core func $receive (canon lower (func $information "receive")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core module $M
        (import "host" "receive" (func $receive (param i32)))
        (func (export "run") (result i32)
            (loop $on (call $receive (i32.const 32)) (br $on)) unreachable))
    (core instance $i (instantiate $M
        (with "host" (instance (export "receive" (func $receive))))))
    (func $run (result (result (error string)))
        (canon lift (core func $i "run") (memory (core memory $libc "memory"))))
    (export "run" (func $run)))"#;

pub fn run() -> Outcome {
    let bench = Workbench::new(Options { grace: Duration::ZERO, ..Options::default() });
    let component = wat::parse_str(RECEIVE)?;
    let offered = Offered::new(&component);
    let terms = bench.terms(&offered);
    let id = bench.open(&terms);
    bench.asleep(id);
    activation(&bench, "a component of 0.5 KiB", id, &component)?;
    let probe = std::fs::read(Binaries::beside()?.guests.join("probe.wasm"))?;
    let id = bench.open(&bench.terms(&Offered::new(&probe).script("receive")));
    bench.asleep(id);
    let name = format!("a service in Rust of {} KiB", probe.len() / 1024);
    activation(&bench, &name, id, &probe)?;
    compiling(&bench)?;
    many(bench)
}

fn activation(bench: &Workbench, name: &str, id: DealId, component: &[u8]) -> Outcome {
    let engine = bench.host.runtime().engine();
    let component = Component::new(engine, component)?;
    let mut linker: Linker<()> = Linker::new(engine);
    linker.define_unknown_imports_as_traps(&component)?;
    let ready = linker.instantiate_pre(&component)?;
    let run = component.get_export_index(None, "run").ok_or("no run")?;
    // Both in turn, so that a noisy neighbour meets both.
    let (mut ours, mut bare) = (Duration::ZERO, Duration::ZERO);
    const ROUNDS: u32 = 40;
    for _ in 0..ROUNDS {
        bare += super::each(100, || {
            let mut store = Store::new(engine, ());
            let prepared = store.set_fuel(1_000_000_000).is_ok();
            store.set_epoch_deadline(1_000_000);
            let called = ready.instantiate(&mut store).and_then(|instance| {
                let run = instance.get_typed_func::<(), (Result<(), String>,)>(&mut store, &run)?;
                run.call(&mut store, ())
            });
            // It traps at its first call of the host: that far, both go the same way.
            std::hint::black_box((prepared, called.is_err()));
        });
        ours += super::each(100, || bench.host.activate(id, Lane::Fast));
    }
    let archive = bench.host.archive();
    let looks: [(&str, Duration); 3] = [
        ("row", super::each(2_000, || drop(std::hint::black_box(archive.deal(id))))),
        ("journal", super::each(2_000, || drop(std::hint::black_box(archive.journal_from(id, 0))))),
        (
            "message",
            super::each(2_000, || drop(std::hint::black_box(archive.message(id, false, 1)))),
        ),
    ];
    let looks: Vec<String> =
        looks.iter().map(|(what, time)| format!("{what} {time:.1?}")).collect();
    super::note("of that, looks into the archive", &looks.join(", "));
    let figure = format!(
        "activation of a waiting deal, empty journal, vs bare instantiate-and-call: {name} (target: 2)"
    );
    super::row(&figure, ours / ROUNDS, bare / ROUNDS);
    Ok(())
}

/// From bytes to code: a service in Rust, and in other languages; then from the cache.
fn compiling(bench: &Workbench) -> Outcome {
    let binaries = Binaries::beside()?;
    let rust = binaries.guests.join("mail_order_buyer.wasm");
    let files = [
        ("Rust", rust),
        ("JavaScript", binaries.languages.join("buyer-js.wasm")),
        ("Python", binaries.languages.join("buyer-py.wasm")),
    ];
    for (language, file) in files {
        let Ok(bytes) = std::fs::read(&file) else { continue };
        let mut offered = Offered::new(&bytes);
        let highest = Limits::ceiling();
        offered.limits = Limit::all().map(|limit| (limit, highest.get(limit))).collect();
        let terms = bench.terms(&offered);
        let side = Side::Buyer;
        let mut times = [Duration::ZERO; 2];
        for time in &mut times {
            let start = Instant::now();
            let fresh = bench.fresh_runtime();
            let opened = start.elapsed();
            let start = Instant::now();
            fresh.ready(&terms, side)?;
            *time = start.elapsed();
            std::hint::black_box(opened);
        }
        let figure = format!("a service in {language} ({} KiB) made ready", bytes.len() / 1024);
        super::note(
            &figure,
            &format!("compiled {:.1?}, from the cache {:.1?}", times[0], times[1]),
        );
    }
    Ok(())
}

/// A hundred thousand deals that wait in one host process.
fn many(bench: Workbench) -> Outcome {
    let component = wat::parse_str(RECEIVE)?;
    let offered = Offered::new(&component);
    let terms = bench.terms(&offered);
    let disk = disk(&bench);
    let start = Instant::now();
    let ids = insert(&bench, &terms)?;
    super::note("waiting deals inserted", &format!("{} in {:.1?}", ids.len(), start.elapsed()));

    // Every one of them is run once, waits, and leaves memory.
    let start = Instant::now();
    for id in &ids {
        bench.host.activate(*id, Lane::Fast);
    }
    let each = start.elapsed() / u32::try_from(ids.len())?;
    super::note("each run to its wait for the first time", &format!("{each:.1?}"));
    let each = (self::disk(&bench) - disk) / ids.len() as u64;
    super::note("disk per waiting deal without its signed agreements", &format!("{each} bytes"));
    let disk = self::disk(&bench);
    let whole: Vec<DealId> = (0..500).map(|_| bench.open(&terms)).collect();
    for id in &whole {
        bench.asleep(*id);
    }
    let each = (self::disk(&bench) - disk) / whole.len() as u64;
    super::note("disk per waiting deal, all of it (target: 4 KiB)", &format!("{each} bytes"));

    // A host that starts with them asleep, and holds them.
    let empty = crate::deals::resident();
    let start = Instant::now();
    let bench = bench.restart();
    super::note("a host starts with 100,000 waiting deals in", &format!("{:.1?}", start.elapsed()));
    std::thread::sleep(Duration::from_secs(2));
    let each = crate::deals::resident().saturating_sub(empty) / ids.len() as u64;
    super::note("resident memory per waiting deal (target: 2 KiB)", &format!("{each} bytes"));

    let mut times = Vec::new();
    for step in 0..1_000 {
        let id = ids[(step * 7_919) % ids.len()];
        let start = Instant::now();
        bench.note(id, "wake");
        // Its component has the message, and it waits for the next.
        while !bench.row(id).note.starts_with("waits for message 2") {
            std::thread::sleep(Duration::from_micros(50));
        }
        times.push(start.elapsed());
    }
    times.sort();
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    super::note(
        "waking one of 100,000 by a message, stored, taken and waiting again (target: p99 5 ms)",
        &format!("p50 {p50:.1?}, p99 {p99:.1?}"),
    );
    let each = crate::deals::resident().saturating_sub(empty) / ids.len() as u64;
    super::note("resident memory per waiting deal afterwards", &format!("{each} bytes"));
    Ok(())
}

fn disk(bench: &Workbench) -> u64 {
    if let Ok(connection) = rusqlite::Connection::open(bench.home.join("archive.sqlite")) {
        let all = "PRAGMA wal_checkpoint(TRUNCATE)";
        // What readers hold back stays in the log; the figure is then a little too small.
        let _ = connection.query_row(all, [], |_| Ok(()));
    }
    let size =
        |name: &str| bench.home.join(name).metadata().map(|meta| meta.len()).unwrap_or_default();
    size("archive.sqlite")
}

/// Stores deals as an opening does, but for the signed agreements, which one deal has like
/// another; many at once.
fn insert(bench: &Workbench, terms: &Arc<VerifiedTerms>) -> Result<Vec<DealId>, Box<dyn Error>> {
    let keys = bench.host.tinguin().deal_keys(Digest::ZERO)?;
    let mut ids = Vec::with_capacity(WAITING);
    for _ in 0..WAITING / 1_000 {
        let mut writes = Vec::new();
        for _ in 0..1_000 {
            let row = row(bench, terms, keys);
            ids.push(row.id);
            writes.push(Write::NewDeal(Box::new(row)));
        }
        bench.host.archive().commit(writes)?;
    }
    Ok(ids)
}

fn row(bench: &Workbench, terms: &VerifiedTerms, keys: DealKeys) -> DealRow {
    let nonce = Digest::from_bytes(semper_base::keys::random());
    let agreement = bench.agreement(terms.digest(), keys, nonce);
    let now = Timestamp::now();
    DealRow::opened(
        agreement.id(),
        Side::Buyer,
        ("Otto Versand", "https://127.0.0.1:1"),
        terms.digest(),
        agreement.encode(),
        now,
    )
}
