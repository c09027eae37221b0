//! Seeded schedules from outside: real processes with a network between them that drops, delays,
//! repeats, reorders, cuts and falsifies; kills, stops, clocks apart, disks that fail. When everything
//! is back, both have what they were promised, or neither has anything; sums at the bank are zero;
//! archives verify; nothing is open; nobody is blamed, since nobody has lied.
//!
//! | file | what is in it |
//! |---|---|
//! | `traders` | every cell of the table, packages, both directions, between trader processes |
//! | `deals` | purchases between the shipped processes |
//! | `blows` | what hits processes and wires |
//! | `post` | carries traders' messages, or doesn't |
//! | `books` | looks into stores |
//! | `figures` | what came of it all, as a table |
//!
//! `SEMPER_SEED=17` runs one of them alone, `SEMPER_EXCHANGE_SCHEDULES=1000` so many; `SEMPER_SCHEDULE_TABLE`
//! names a file for the table. Each seed's world is set up once and shared with others of its kind; a
//! failure leaves it, and the next seed gets a new one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod blows;
mod books;
mod deals;
mod figures;
mod post;
mod traders;

use std::collections::VecDeque;
use std::sync::Mutex;

use figures::{End, Outcome};

/// What a seed is tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Traders, with one process of the third party.
    Traders,
    /// Traders, with two processes of the third party on one PostgreSQL.
    Shared,
    /// Purchases between the shipped processes.
    Deals,
}

impl Kind {
    const fn of(seed: u64) -> Self {
        match seed % 10 {
            0 | 3 | 6 => Self::Deals,
            9 => Self::Shared,
            _ => Self::Traders,
        }
    }
}

/// A place of a kind, with one schedule after the other.
enum Place {
    Traders(Box<traders::Place>),
    Deals(Box<deals::Place>),
}

impl Place {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Traders => Self::Traders(Box::new(traders::Place::new(false))),
            Kind::Shared => Self::Traders(Box::new(traders::Place::new(true))),
            Kind::Deals => Self::Deals(Box::new(deals::Place::new())),
        }
    }

    fn run(&mut self, seed: u64) -> Result<Outcome, String> {
        match self {
            Self::Traders(place) => place.run(seed),
            Self::Deals(place) => place.run(seed),
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seeds' outcomes, and what was wrong with which.
#[derive(Default)]
struct Results {
    outcomes: Vec<Outcome>,
    wrong: Vec<u64>,
}

fn work(kind: Kind, seeds: &Mutex<VecDeque<u64>>, results: &Mutex<Results>) {
    let mut place = None;
    loop {
        let Some(seed) = seeds.lock().unwrap().pop_front() else { break };
        let here = place.get_or_insert_with(|| Place::new(kind));
        let begun = std::time::Instant::now();
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| here.run(seed)));
        let told = told.unwrap_or_else(|_| Err("it has panicked; see above".into()));
        let took = begun.elapsed().as_secs_f32();
        match told {
            Ok(outcome) => {
                println!("seed {seed} ({kind:?}, {took:.1} s): {outcome:?}");
                if outcome.end == End::ByDate {
                    // Its bank has been in the future.
                    place = None;
                }
                results.lock().unwrap().outcomes.push(outcome);
            }
            Err(why) => {
                eprintln!(
                    "seed {seed} ({kind:?}, {took:.1} s) has failed; alone: SEMPER_SEED={seed} \
                     cargo test --package semper-exchange-tests --test schedules\n{why}"
                );
                place = None;
                results.lock().unwrap().wrong.push(seed);
            }
        }
    }
}

#[test]
fn whatever_happens_both_have_it_or_neither_and_nobody_is_blamed() {
    let seeds: Vec<u64> = match number("SEMPER_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("SEMPER_EXCHANGE_SCHEDULES").unwrap_or(40)).collect(),
    };
    let results = Mutex::new(Results::default());
    // Most of the time everybody waits for somebody: more of them than processors.
    let workers = [(Kind::Traders, 2), (Kind::Shared, 1), (Kind::Deals, 2)];
    let queues = workers.map(|(kind, _)| {
        let mine = seeds.iter().copied().filter(|seed| Kind::of(*seed) == kind);
        Mutex::new(mine.collect::<VecDeque<_>>())
    });
    std::thread::scope(|scope| {
        for ((kind, count), queue) in workers.iter().zip(&queues) {
            for _ in 0..*count {
                scope.spawn(|| work(*kind, queue, &results));
            }
        }
    });
    let Results { outcomes, mut wrong } = results.into_inner().unwrap();
    let table = figures::table(&outcomes);
    println!("{table}");
    if let Ok(file) = std::env::var("SEMPER_SCHEDULE_TABLE") {
        std::fs::write(file, table).unwrap();
    }
    wrong.sort_unstable();
    assert_eq!(wrong, Vec::<u64>::new(), "these seeds have failed; each is printed above");
    assert_eq!(outcomes.len(), seeds.len());
}
