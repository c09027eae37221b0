//! The figures of BENCHMARKS.md: each compares us with the bare thing in one run and prints both
//! and the ratio. `cargo xtask bench` builds for release and runs this.
//!
//! | module | what it measures |
//! |---|---|
//! | `archive` | pages, search and totals of 100,000 entries |
//! | `author` | from `semper-sign new` to the first deal on the stage |
//! | `journal` | a journaled call and a plain one; group commit and one commit each |
//! | `catalogue` | search at 13,000 and 1,000,000 articles |
//! | `deals` | whole purchases, memory of running deals |
//! | `resident` | a purchase through the resident host; a thousand deals that sleep in it |
//! | `person` | the first use; a purchase with the keys on a second device, and in a token |
//! | `waiting` | activations, 100,000 waiting deals |
//! | `trust` | verification, policies, logs, from a click to a running component, pulling |
//! | `exchange` | a purchase beside its signatures; verdicts beside the store's commits |
//! | `interference` | honest deals beside hostile ones |
//! | `attacks` | an honest buyer while strangers attack the servers |
#![forbid(unsafe_code)]
#![allow(clippy::float_arithmetic, reason = "figures, not money")]

mod archive;
mod attacks;
mod author;
mod catalogue;
mod deals;
mod exchange;
mod interference;
mod journal;
mod person;
mod resident;
mod trust;
mod waiting;

use std::time::{Duration, Instant};

use semper_testkit::Binaries;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("| figure | ours | bare | ratio |\n|---|---|---|---|");
    // All of them, or those that are named.
    let named: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|it| it == name);
    if wanted("journal") {
        journal::run()?;
    }
    if wanted("waiting") {
        waiting::run()?;
    }
    if wanted("interference") {
        interference::run()?;
    }
    if wanted("trust") {
        trust::run()?;
    }
    if wanted("exchange") {
        exchange::run()?;
    }
    if wanted("catalogue") {
        catalogue::run()?;
    }
    if wanted("archive") {
        archive::run()?;
    }
    if wanted("attacks") {
        attacks::run(&Binaries::beside()?)?;
    }
    if wanted("deals") {
        deals::run(&Binaries::beside()?)?;
    }
    if wanted("resident") {
        resident::run(&Binaries::beside()?)?;
    }
    if wanted("person") {
        person::run(&Binaries::beside()?)?;
    }
    if wanted("author") {
        author::run(&Binaries::beside()?)?;
    }
    Ok(())
}

/// A row of the table: two durations and how they compare.
pub fn row(figure: &str, ours: Duration, bare: Duration) {
    let ratio = ours.as_secs_f64() / bare.as_secs_f64().max(1e-9);
    println!("| {figure} | {ours:.1?} | {bare:.1?} | {ratio:.1} |");
}

/// A row with a figure that has no bare counterpart.
pub fn note(figure: &str, value: &str) {
    println!("| {figure} | {value} | | |");
}

/// How long one of `count` takes on average.
pub fn each(count: u32, mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        work();
    }
    start.elapsed() / count
}
