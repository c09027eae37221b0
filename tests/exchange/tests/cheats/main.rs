//! Cheats against honest parties that are processes of their own, with a real bank and a real third
//! party between them: each cheat fails, or it is convicted by what both have; the honest side loses
//! nothing and is never blamed.
//!
//! | file | what is in it |
//! |---|---|
//! | `tricks` | what a side does to its messages, and asks of others |
//! | `peer` | the side that does it |
//! | `lies` | what a third party answers that lies |
//! | `hosts` | what the shipped buyer's host says of such a third party |
//!
//! Each trick is tried under two protocols; with `SEMPER_CHEATS=all` under each.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod hosts;
mod lies;
mod peer;
mod tricks;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use semper_base::{Timestamp, cbor};
use semper_exchange::judge::{Evidence, Got, judge};
use semper_exchange::standard::Standard;
use semper_exchange::{Mode, Role};
use semper_exchange_tests::Kind;
use semper_exchange_tests::town::{Setup, Town, name};
use semper_testkit::Running;

use peer::Peer;
use tricks::{At, Trick};

const TRADER: &str = env!("CARGO_BIN_EXE_trader");
const PRICE: i64 = 2_500;

/// What is exchanged for what: a cell for each protocol in which a third party is asked.
fn cells() -> Vec<(Vec<Kind>, Vec<Kind>)> {
    let money = |mode| vec![Kind::Money(PRICE, vec![mode])];
    let text = || b"chapter and verse; ".repeat(1_000);
    vec![
        (vec![Kind::Statement], money(Mode::Hold)),
        (vec![Kind::Information(text())], money(Mode::Hold)),
        (vec![Kind::Statement], vec![Kind::Statement]),
        (vec![Kind::Statement], money(Mode::Fenced)),
        (vec![Kind::Information(text())], money(Mode::Reversible)),
        (money(Mode::Reversible), money(Mode::Reversible)),
        (vec![Kind::Information(text())], vec![Kind::Information(text())]),
    ]
}

/// How an honest side's process has ended, and what it has kept.
struct Ended {
    end: String,
    evidence: Evidence<Standard>,
}

impl Ended {
    /// Whether it has what it was promised.
    fn is_good(&self) -> bool {
        ["Done", "Completed"].contains(&self.end.as_str())
    }
}

/// Waits for an honest side's end; the cheat goes on meanwhile, and a moment longer.
fn ended(setup: &Setup, mut running: Running, peer: &mut Peer<'_>) -> Result<Ended, String> {
    let until = Instant::now() + Duration::from_secs(30);
    while !running.has_ended() {
        peer.go_on();
        if Instant::now() > until {
            return Err(format!("it does not end: {}", running.log_text()));
        }
    }
    for _ in 0..60 {
        peer.go_on();
    }
    let log = running.log_text();
    if running.wait(Duration::from_millis(50)) != Some(0) {
        return Err(format!("it has failed: {log}"));
    }
    let honest = if setup.folder.join("anna.json").exists() { "anna" } else { "otto" };
    let bytes = std::fs::read(setup.folder.join(format!("{honest}.evidence"))).unwrap();
    let evidence = cbor::decode(&bytes, 16 << 20).unwrap();
    Ok(Ended { end: log.lines().last().unwrap_or_default().to_owned(), evidence })
}

/// Whether the cheat is convicted; an error if the honest side is harmed or blamed.
fn cheat(town: &mut Town, cell: usize, role: Role, trick: Trick) -> Result<bool, String> {
    let honest = role.other();
    let (gives, wants) = cells().swap_remove(cell);
    let before = town.balance(honest);
    let setup = town.setup(&gives, &wants);
    let places = town.places(name(honest), 0);
    let outbox = setup.box_of("to", role);
    let running = town.run_to(&setup, honest, &places, &outbox, &[]);
    let mut peer = Peer::new(town, &setup, role, Some(trick));
    peer.start();
    let ended = ended(&setup, running, &mut peer)?;

    let alone = judge(&ended.evidence, Timestamp::now());
    let both = judge(&peer.beside(ended.evidence.clone()), Timestamp::now());
    let blamed = |finding: &semper_exchange::judge::Finding| {
        finding.blame.iter().any(|it| it.culprit() != Some(role))
    };
    if blamed(&alone) || blamed(&both) {
        return Err(format!("somebody honest is blamed: {alone:?} {both:?}"));
    }
    let (has, gave) = match honest {
        Role::Originator => (&alone.from_responder, &both.from_originator),
        Role::Responder => (&alone.from_originator, &both.from_responder),
    };
    let mut wrong = Vec::new();
    // A verdict may still be on its way to the bank.
    let until = Instant::now() + Duration::from_secs(5);
    while !ended.is_good()
        && cents(&town.balance(honest)) < cents(&before)
        && Instant::now() < until
    {
        std::thread::sleep(Duration::from_millis(50));
    }
    let after = town.balance(honest);
    if ended.is_good() {
        if has.contains(&Got::Unproven) {
            wrong.push("it cannot show what it has");
        }
    } else if ["Aborted", "Expired"].contains(&ended.end.as_str()) {
        if cents(&after) < cents(&before) {
            wrong.push("its money is gone");
        }
        // A receipt for money that came back is nobody's loss but the cheat's.
        if gave.iter().any(|it| *it != Got::Unproven) && has.contains(&Got::Unproven) {
            wrong.push("the cheat has what it gave nothing for");
        }
    } else {
        wrong.push("it has ended in another way");
    }
    let convicted = !both.blame.is_empty();
    if trick == Trick::Twice(At::Promise) && !convicted && !peer.sent.is_empty() {
        wrong.push("two promises of one exchange convict nobody");
    }
    match wrong.is_empty() {
        true => Ok(convicted),
        false => Err(format!("{wrong:?}: {} {before} {after}\n{alone:?}\n{both:?}", ended.end)),
    }
}

fn cents(words: &str) -> i64 {
    let digits: String = words.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn whoever_cheats_fails_or_is_convicted_and_the_honest_side_loses_nothing() {
    let all = std::env::var("SEMPER_CHEATS").is_ok_and(|it| it == "all");
    let count = cells().len();
    let mut tries = VecDeque::new();
    for role in [Role::Originator, Role::Responder] {
        for (index, trick) in Trick::all().into_iter().enumerate() {
            for cell in 0..count {
                // Every protocol has its turn, with tricks of both kinds.
                if all || cell == index % count || cell == (index * 3 + 1) % count {
                    tries.push_back((role, trick, cell));
                }
            }
        }
    }
    let (number, queue) = (tries.len(), Mutex::new(tries));
    let (wrong, convicted) = (Mutex::new(Vec::new()), Mutex::new(0));
    // Most of the time somebody waits for somebody.
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                let mut town = Town::new(TRADER, None);
                loop {
                    let Some((role, trick, cell)) = queue.lock().unwrap().pop_front() else {
                        break;
                    };
                    let what = format!("the {} in cell {cell}: {trick:?}", role.name());
                    match cheat(&mut town, cell, role, trick) {
                        Ok(true) => *convicted.lock().unwrap() += 1,
                        Ok(false) => {}
                        Err(why) => wrong.lock().unwrap().push(format!("{what}: {why}")),
                    }
                }
            });
        }
    });
    let (wrong, convicted) = (wrong.into_inner().unwrap(), convicted.into_inner().unwrap());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    println!("{number} tries: {convicted} convicted, {} come to nothing", number - convicted);
    assert!(convicted > 0);
}
