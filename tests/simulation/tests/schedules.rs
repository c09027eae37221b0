//! Seeded schedules of faults: the deal completes, and nothing happens twice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;

use semper_simulation::world::mail_order;
use semper_simulation::{Report, run};

/// Schedules of a run: SEMPER_SCHEDULES of them, beginning with SEMPER_SEED.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    let first = number("SEMPER_SEED").unwrap_or(1);
    first..first + number("SEMPER_SCHEDULES").unwrap_or(100)
}

fn flow() -> semper_trust::Flow {
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let repository = manifest.ancestors().nth(2).unwrap();
    let file = repository.join("tests/trust/unfair/service.toml");
    mail_order(&std::fs::read_to_string(file).unwrap())
}

#[test]
fn every_schedule_ends_with_one_purchase() {
    let flow = flow();
    let (mut kills, mut full, mut jumps, mut wrong) = (0, 0, 0, Vec::new());
    let seeds = seeds();
    let count = seeds.clone().count();
    for seed in seeds {
        match run(seed, &flow) {
            Ok(report) => {
                kills += report.faults[0];
                full += report.faults[1];
                jumps += report.faults[2];
            }
            Err(why) => wrong.push(format!("SEMPER_SEED={seed} SEMPER_SCHEDULES=1: {why}")),
        }
    }
    println!("{count} schedules: {kills} kills, {full} full disks, {jumps} jumps of a clock");
    assert_eq!(wrong, Vec::<String>::new());
    // A schedule without faults proves nothing.
    assert!(count < 50 || (kills > 100 && full > 50 && jumps > 20), "too calm");
}

#[test]
fn a_seed_gives_the_same_run_again() {
    let flow = flow();
    for seed in [3, 14, 15, 92] {
        let first: Report = run(seed, &flow).unwrap();
        assert_eq!(run(seed, &flow).unwrap(), first, "seed {seed}");
    }
}
