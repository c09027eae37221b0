//! Seeded schedules over real processes: buyer, merchant, bank and TINGUINs killed at points
//! drawn from the seed, disks that are full, clocks that jump. `SEMPER_SEED` and
//! `SEMPER_PROCESS_SCHEDULES` choose which, and how many; a failure prints its seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::{books, market, small};
use semper_testkit::{Market, Part, Running};

/// Numbers that follow from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most
    }

    /// What a process is started with: a kill ahead, a clock that is wrong, a disk with little
    /// room, or nothing.
    fn fate(&mut self, market: &Market, home: &str, points: u64) -> Vec<(&'static str, String)> {
        let mut env = Vec::new();
        if self.below(3) > 0 {
            env.push(("SEMPER_CRASH", (1 + self.below(points)).to_string()));
        }
        if self.below(3) == 0 {
            let ms = i64::try_from(self.below(240_000)).unwrap() - 120_000;
            env.push(("SEMPER_CLOCK", ms.to_string()));
        }
        let archive = market.folder.join(home).join("archive.sqlite");
        if self.below(4) == 0
            && let Ok(meta) = archive.metadata()
        {
            env.push(("SEMPER_DISK", (meta.len() / 4096 + 2 + self.below(30)).to_string()));
        }
        env
    }
}

fn borrowed<'a>(env: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    env.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// Starts `semper buy`, or goes on with what was begun.
fn buyer(market: &Market, begun: bool, env: &[(&str, &str)]) -> Running {
    let url = market.merchant_url();
    let buy = ["buy", "--home", "anna", url.as_str()];
    let resume = ["deals", "--home", "anna", "--resume"];
    let arguments: &[&str] = if begun { &resume } else { &buy };
    Running::start(&market.folder, "buyer", &market.binaries.semper, arguments, env).unwrap()
}

/// How many deals there are, and how many of them are completed.
fn deals(market: &Market, home: &str) -> (usize, usize) {
    let all = market.semper(&["deals", "--home", home, "--json"]).unwrap().json();
    let all = all.as_array().cloned().unwrap_or_default();
    (all.len(), all.iter().filter(|it| it["state"] == "completed").count())
}

/// One schedule: a few rounds in which everything may go wrong, then calm.
fn schedule(market: &mut Market, seed: u64) {
    let mut dice = Dice(seed);
    let (before, _) = deals(market, "anna");
    let mut begun = false;
    for _ in 0..4 {
        for (part, home, points) in [
            (Part::Merchant, "otto", 80),
            (Part::Bank, "bank", 4),
            (Part::MerchantTinguin, "none", 10),
            (Part::BuyerTinguin, "none", 24),
        ] {
            if dice.below(2) == 0 {
                let env = dice.fate(market, home, points);
                // It may die while it starts.
                let _ = market.restart(part, &borrowed(&env));
            }
        }
        let env = dice.fate(market, "anna", 130);
        let mut running = buyer(market, begun, &borrowed(&env));
        let patience = Duration::from_millis(500 + dice.below(2_500));
        running.wait(patience);
        running.kill();
        begun = begun || deals(market, "anna").0 > before;
    }
    for part in [Part::Bank, Part::MerchantTinguin, Part::BuyerTinguin, Part::Merchant] {
        market.restart(part, &[]).unwrap();
    }
    let mut running = buyer(market, begun, &[]);
    let code = running.wait(Duration::from_secs(60));
    assert_eq!(code, Some(0), "seed {seed}: {}", running.log_text());
}

#[test]
fn whatever_happens_to_the_processes_each_deal_is_carried_out_once() {
    let number = |name: &str| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    let first = number("SEMPER_SEED").unwrap_or(1);
    let count = number("SEMPER_PROCESS_SCHEDULES").unwrap_or(6);
    let (mut market, _folder) = market(&small());
    for seed in first..first + count {
        schedule(&mut market, seed);
        // Every deal that was begun is completed, on both sides; each was paid and sent once.
        let until = std::time::Instant::now() + Duration::from_secs(30);
        let (all, completed) = loop {
            let ((all, completed), (theirs, ended)) =
                (deals(&market, "anna"), deals(&market, "otto"));
            if (all == completed && theirs == ended) || std::time::Instant::now() > until {
                break (all, completed);
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        assert_eq!(all, completed, "seed {seed}");
        let now = books(&market);
        let count = i64::try_from(all).unwrap();
        assert_eq!((now.payments, now.parcels, now.sum), (count, count, 0), "seed {seed}");
        for home in ["anna", "otto"] {
            let verified = market.semper(&["archive", "verify", "--home", home]).unwrap();
            assert_eq!(verified.code, 0, "seed {seed}, {home}: {}{}", verified.out, verified.err);
        }
    }
}
