//! One fault at a time, at every point of an exchange: the purchase is completed all the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use semper_simulation::faults::{Accident, DISK, Planned};
use semper_simulation::{Outcome, Trade, run_abandoned, run_planned};

/// The parties' computers.
const BOTH: [&str; 2] = ["anna", "otto"];

/// Steps that the buyer stores in an exchange that the third party has to end.
const BUYERS: u32 = 4;

/// How often a computer comes to a point in a purchase in which nothing goes wrong.
fn counts(trade: Trade, points: &[&'static str]) -> Vec<(&'static str, &'static str, u32)> {
    let (report, faults) = run_planned(trade, &[]).unwrap();
    assert_eq!(report.outcome, Outcome::Completed);
    let of = |computer| points.iter().map(move |point| (computer, *point));
    let all = BOTH.into_iter().flat_map(of);
    all.map(|(computer, point)| (computer, point, faults.count(computer, point))).collect()
}

/// The same accident at each of these points, once; every purchase must be completed, unless
/// somebody is absent: then it may come to nothing, on both sides.
fn at_each(trade: Trade, points: &[&'static str], what: Accident) {
    let mut tried = 0;
    let mut wrong = Vec::new();
    for (computer, point, count) in counts(trade, points) {
        for number in 1..=count {
            let planned = Planned { computer, point, number, what };
            tried += 1;
            match run_planned(trade, &[planned]) {
                Ok((report, _)) if report.outcome == Outcome::Completed => {}
                Ok(_) if what == Accident::Absence => {}
                Ok((report, _)) => wrong.push(format!("{planned:?}: {:?}", report.outcome)),
                Err(why) => wrong.push(format!("{planned:?}: {why}")),
            }
        }
    }
    assert!(tried > 0, "there is no such point");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_host_that_dies_before_or_after_it_stores_a_step_of_an_exchange_goes_on_with_it() {
    at_each(Trade::MailOrder, &["exchange.before", "exchange.after"], Accident::Kill);
}

#[test]
fn a_host_that_is_back_before_its_tinguin_begins_its_exchange_once_the_tinguin_answers() {
    at_each(Trade::MailOrder, &["exchange.before"], Accident::PowerCut);
}

#[test]
fn a_host_that_has_died_over_its_tinguins_signature_has_it_signed_again_however_late() {
    at_each(Trade::MailOrder, &["exchange.before", "exchange.after"], Accident::Absence);
    // Nor does the buyer say its promise again: it has died, too, and has gone to the third party.
    let absent = counts(Trade::MailOrder, &["exchange.before"]);
    let (computer, point, count) = absent[1];
    for number in 1..=count {
        let absent = Planned { computer, point, number, what: Accident::Absence };
        for number in 1..=BUYERS {
            let point = "exchange.after";
            let dies = Planned { computer: "anna", point, number, what: Accident::Kill };
            let ended = run_planned(Trade::MailOrder, &[absent, dies]);
            ended.unwrap_or_else(|why| panic!("{absent:?} {dies:?}: {why}"));
        }
    }
}

#[test]
fn without_a_third_party_for_ever_both_sides_close_at_the_last_date_and_the_money_is_back() {
    let mut gone = 0;
    let all = counts(Trade::MailOrder, &["exchange.after"]);
    for (computer, point, count) in all {
        for number in 1..=count {
            let absent = Planned { computer, point, number, what: Accident::Absence };
            let report = run_abandoned(Trade::MailOrder, &[absent]);
            let report = report.unwrap_or_else(|why| panic!("{absent:?}: {why}"));
            gone += u32::from(report.outcome == Outcome::Withdrawn);
        }
    }
    assert!(gone > 0, "each was completed without a third party");
}

#[test]
fn whatever_an_exchange_asks_of_others_is_asked_again_when_asking_has_panicked() {
    let points = ["exchange.send", "exchange.sent", "exchange.hold", "exchange.held"];
    at_each(Trade::MailOrder, &points, Accident::Panic);
    at_each(Trade::MailOrder, &["exchange.before", "exchange.after"], Accident::Panic);
}

#[test]
fn a_disk_that_is_full_for_two_writes_loses_nothing() {
    at_each(Trade::MailOrder, &[DISK], Accident::Full);
}
