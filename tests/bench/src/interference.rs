//! Honest deals beside hostile ones: how long a step of an honest deal takes.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use semper_archive::DealState;
use semper_base::DealId;
use semper_testkit::Binaries;
use semper_trust::VerifiedTerms;
use semper_workbench::{Offered, Options, Workbench};

/// Deals of each kind.
const DEALS: usize = 64;
/// Honest deals at work at once.
const AT_ONCE: usize = 4;
/// Steps of each honest deal that are measured.
const STEPS: usize = 20;

pub fn run() -> Result<(), Box<dyn Error>> {
    let bench =
        Workbench::new(Options { workers: 64, grace: Duration::ZERO, ..Options::default() });
    let probe = std::fs::read(Binaries::beside()?.guests.join("probe.wasm"))?;
    let honest = Offered::new(&probe).script(&"receive\n".repeat(3 * STEPS));
    let terms = bench.terms(&honest);
    let before = measured(&bench, &terms);

    // Hostile deals, each replaced by the next when it has failed.
    let scripts = [
        "spin",
        "grow",
        "deep 0",
        "notes 700",
        "now 20000",
        "log 100000 1000",
        "big 250000\nagain",
        "trap",
    ];
    let hostile: Vec<_> =
        scripts.iter().map(|script| bench.terms(&Offered::new(&probe).script(script))).collect();
    let stop = AtomicBool::new(false);
    let (during, attacks) = std::thread::scope(|scope| {
        let attackers: Vec<_> = (0..8)
            .map(|first| {
                let (bench, hostile, stop) = (&bench, &hostile, &stop);
                scope.spawn(move || attack(bench, hostile, first, stop))
            })
            .collect();
        std::thread::sleep(Duration::from_secs(2));
        let during = measured(&bench, &terms);
        stop.store(true, Ordering::SeqCst);
        let attacks: usize = attackers.into_iter().map(|it| it.join().unwrap_or(0)).sum();
        (during, attacks)
    });
    let figure = format!(
        "p99 of a step of {DEALS} honest deals, beside {DEALS} hostile ones vs alone (target: 2)"
    );
    super::row(&figure, p(&during, 99), p(&before, 99));
    super::row("p50 of the same", p(&during, 50), p(&before, 50));
    super::note("hostile deals that failed meanwhile", &attacks.to_string());
    Ok(())
}

/// Keeps eight hostile deals going; how many have failed.
fn attack(
    bench: &Workbench,
    hostile: &[Arc<VerifiedTerms>],
    first: usize,
    stop: &AtomicBool,
) -> usize {
    let mut going: Vec<DealId> = Vec::new();
    let (mut next, mut failed) = (first, 0);
    while !stop.load(Ordering::SeqCst) {
        while going.len() < DEALS / 8 {
            going.push(bench.open(&hostile[next % hostile.len()]));
            next += 1;
        }
        going.retain(|id| bench.row(*id).state == DealState::Running);
        failed = next - first - going.len();
        // A person opens deals, not a component: those that failed are replaced now and then.
        std::thread::sleep(Duration::from_millis(500));
    }
    failed
}

/// New honest deals, some of them at work at once; how long each of their steps took.
fn measured(bench: &Workbench, terms: &VerifiedTerms) -> Vec<Duration> {
    let deals: Vec<DealId> = (0..DEALS).map(|_| bench.open(terms)).collect();
    for id in &deals {
        bench.asleep(*id);
    }
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let parts: Vec<_> = deals
            .chunks(DEALS / AT_ONCE)
            .map(|part| {
                scope.spawn(move || {
                    // The first steps are for warming up.
                    steps(bench, part, 0);
                    steps(bench, part, STEPS)
                })
            })
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
    });
    times.sort();
    times
}

/// A note to each deal and the answer to it, again and again; how long each took.
fn steps(bench: &Workbench, deals: &[DealId], from: usize) -> Vec<Duration> {
    let mut times = Vec::new();
    for step in from..from + STEPS {
        for id in deals {
            let start = Instant::now();
            bench.note(*id, "on");
            let sent = || bench.host.archive().last_message(*id, true).ok().flatten();
            while sent().map_or(0, |it| it.0) < step as u64 + 1 {
                if start.elapsed() > Duration::from_secs(60) {
                    return times;
                }
                std::thread::sleep(Duration::from_micros(100));
            }
            times.push(start.elapsed());
        }
    }
    times
}

fn p(times: &[Duration], percent: usize) -> Duration {
    times.get(times.len() * percent / 100).copied().unwrap_or_default()
}
