//! Seeded schedules of faults: every purchase ends, nothing happens twice, nobody honest is blamed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use semper_base::Timestamp;
use semper_simulation::faults::{Fault, KINDS};
use semper_simulation::template::begins;
use semper_simulation::{Outcome, Report, Trade, is_patient, run};

/// Schedules of a run: SEMPER_SCHEDULES of them, beginning with SEMPER_SEED.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    let first = number("SEMPER_SEED").unwrap_or(1);
    first..first + number("SEMPER_SCHEDULES").unwrap_or(usual)
}

fn all_end(trade: Trade, usual: u64) {
    let (mut faults, mut completed, mut wrong) = ([0; KINDS], 0, Vec::new());
    let seeds = seeds(usual);
    let count = seeds.end - seeds.start;
    for seed in seeds {
        match run(seed, trade) {
            Ok(report) => {
                if std::env::var_os("SEMPER_SEED").is_some() {
                    println!("{seed}: {report:?}");
                }
                completed += u64::from(report.outcome == Outcome::Completed);
                if report.outcome != Outcome::Completed && is_patient(seed) {
                    wrong.push(format!("SEMPER_SEED={seed} SEMPER_SCHEDULES=1: given up"));
                }
                for (sum, more) in faults.iter_mut().zip(report.faults) {
                    *sum += more;
                }
            }
            Err(why) => wrong.push(format!("SEMPER_SEED={seed} SEMPER_SCHEDULES=1: {why}")),
        }
    }
    println!("{trade:?}: {count} schedules, {completed} completed, faults {faults:?}");
    assert_eq!(wrong, Vec::<String>::new(), "{trade:?}");
    // A schedule without faults proves nothing.
    let enough = |fault: Fault, least: u64| u64::from(faults[fault as usize]) * 50 > count * least;
    let calm = !(enough(Fault::Kill, 50)
        && enough(Fault::Full, 20)
        && enough(Fault::Jump, 10)
        && enough(Fault::Lost, 50)
        && enough(Fault::Repeated, 50)
        && enough(Fault::Away, 20));
    assert!(count < 50 || !calm, "too calm: {faults:?}");
}

#[test]
fn every_mail_order_by_transfers_ends_with_one_purchase() {
    all_end(Trade::Transfers, 100);
}

#[test]
fn every_mail_order_by_fair_exchange_ends_with_one_purchase() {
    all_end(Trade::MailOrder, 100);
}

#[test]
fn every_report_is_exchanged_for_its_money_once() {
    all_end(Trade::Report, 50);
}

#[test]
fn whatever_the_time_of_day_certificates_and_lists_hold_while_a_run_lasts() {
    let midnight = 1_790_000_000_000 / 86_400_000 * 86_400_000;
    for minute in 0..24 * 60 {
        let made = Timestamp::from_millis(midnight + minute * 60_000).unwrap();
        let began = begins(made).unwrap();
        assert_eq!(began.millis() % 86_400_000, 0);
        // Clocks are wrong by up to two hours, and a run takes half an hour at most.
        assert!(began.millis() > made.after(Duration::from_secs(2 * 3_600)).millis(), "{made}");
        let longest = began.after(Duration::from_secs(2 * 3_600 + 1_800));
        assert!(longest.millis() < made.after(Duration::from_secs(48 * 3_600)).millis(), "{made}");
    }
}

#[test]
fn a_seed_gives_the_same_run_again() {
    for (seed, trade) in [(3, Trade::MailOrder), (14, Trade::Transfers), (15, Trade::Report)] {
        let first: Report = run(seed, trade).unwrap();
        assert_eq!(run(seed, trade).unwrap(), first, "seed {seed}");
    }
}
