//! Exchanges between processes: two traders, a bank and a third party, each of its own, over TLS
//! and files; killed at every boundary, silent, away.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod postgres;

use std::fs;

use semper_base::{Digest, cbor};
use semper_exchange::{Mode, Protocol, Role};
use semper_exchange_tests::Kind;
use semper_exchange_tests::town::{Setup, Town};
use semper_roles::third_party::Logged;
use semper_tlog::tree;

const PRICE: i64 = 2_500;

const TRADER: &str = env!("CARGO_BIN_EXE_trader");

/// Runs both sides to their ends; a side that is killed is started again.
fn run(town: &Town, setup: &Setup, crash: Option<(Role, &str)>) -> Ends {
    let env = |role: Role| match crash {
        Some((killed, point)) if killed == role => vec![("SEMPER_CRASH", point)],
        _ => Vec::new(),
    };
    let roles = [Role::Originator, Role::Responder];
    let running = roles.map(|role| town.start(setup, role, &env(role)));
    let mut killed = false;
    let ends = running.into_iter().zip(roles).map(|(child, role)| {
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            return end(&output);
        }
        assert!(output.status.code().is_none(), "{}", String::from_utf8_lossy(&output.stderr));
        killed = true;
        let again = town.start(setup, role, &[]).wait_with_output().unwrap();
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
        end(&again)
    });
    let ends: Vec<String> = ends.collect();
    Ends { originator: ends[0].clone(), responder: ends[1].clone(), killed }
}

#[derive(Debug)]
struct Ends {
    originator: String,
    responder: String,
    killed: bool,
}

impl Ends {
    fn are_done(&self) -> bool {
        let done = |it: &str| it == "Done" || it == "Completed";
        done(&self.originator) && done(&self.responder)
    }

    fn are_undone(&self) -> bool {
        self.originator == "Aborted" && self.responder == "Aborted"
    }
}

fn end(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn money(mode: Mode) -> Kind {
    Kind::Money(PRICE, vec![mode])
}

fn document() -> Kind {
    Kind::Information(b"chapter and verse; ".repeat(3_000))
}

#[test]
fn every_kind_of_exchange_works_between_processes() {
    let mut town = Town::new(TRADER, None);
    let cells: [(Vec<Kind>, Vec<Kind>, Protocol); 8] = [
        (vec![Kind::Statement], vec![Kind::Statement], Protocol::Gg),
        (vec![Kind::Statement], vec![money(Mode::Hold)], Protocol::Gg),
        (vec![document()], vec![money(Mode::Hold)], Protocol::Gg),
        (vec![document(), Kind::Statement], vec![money(Mode::Hold), Kind::Statement], Protocol::Gg),
        (vec![Kind::Statement], vec![money(Mode::Fenced)], Protocol::Ge),
        (vec![money(Mode::Reversible)], vec![money(Mode::Reversible)], Protocol::Rr),
        (vec![document()], vec![money(Mode::HashLock)], Protocol::Hl),
        (vec![document()], vec![document()], Protocol::Inline),
    ];
    for (gives, wants, protocol) in cells {
        let setup = town.setup(&gives, &wants);
        assert_eq!(setup.agreed.protocol, protocol);
        let ends = run(&town, &setup, None);
        assert!(ends.are_done(), "{protocol:?}: {ends:?}");
        let judged = town.judge(&setup, Role::Responder, false);
        assert!(judged.code == 0 || protocol == Protocol::Hl, "{}{}", judged.out, judged.err);
    }
    // Three of them were paid for, two payments crossed.
    let paid = 5 * PRICE;
    assert_eq!(
        town.balance(Role::Originator),
        format!("{}.{:02} EUR", 1000 + paid / 100, paid % 100)
    );
    assert_eq!(
        town.balance(Role::Responder),
        format!("{}.{:02} EUR", 1000 - paid / 100, paid % 100)
    );
}

#[test]
fn a_side_killed_at_any_boundary_ends_as_fairly_as_if_messages_had_been_lost() {
    let mut town = Town::new(TRADER, None);
    let cells: [(Vec<Kind>, Vec<Kind>); 3] = [
        (vec![Kind::Statement], vec![money(Mode::Hold)]),
        (vec![Kind::Statement], vec![money(Mode::Fenced)]),
        (vec![money(Mode::Hold)], vec![money(Mode::Hold)]),
    ];
    let mut kills = 0;
    for (gives, wants) in cells {
        for role in [Role::Originator, Role::Responder] {
            for point in 1.. {
                let setup = town.setup(&gives, &wants);
                let ends = run(&town, &setup, Some((role, &point.to_string())));
                let fair = ends.are_done() || ends.are_undone();
                assert!(fair, "{} killed at {point}: {ends:?}", role.name());
                if !ends.killed {
                    break;
                }
                kills += 1;
            }
        }
    }
    assert!(kills >= 20, "{kills}");
}

#[test]
fn bank_and_third_party_killed_before_and_after_they_store_lose_and_repeat_nothing() {
    let mut town = Town::new(TRADER, None);
    for point in ["bank.before:1", "bank.after:1", "bank.before:2", "bank.after:2"] {
        town.trusted.bank.kill();
        town.trusted.start_bank(&[("SEMPER_CRASH", point)]).unwrap();
        let setup = town.setup(&[Kind::Statement], &[money(Mode::Hold)]);
        let roles = [Role::Originator, Role::Responder];
        let running = roles.map(|role| town.start(&setup, role, &[]));
        assert!(town.trusted.bank.wait(std::time::Duration::from_secs(20)).is_some(), "{point}");
        town.trusted.start_bank(&[]).unwrap();
        let ends = running.map(|child| end(&child.wait_with_output().unwrap()));
        let done = ends.iter().all(|it| it == "Done" || it == "Completed");
        let undone = ends.iter().all(|it| it == "Aborted");
        assert!(done || undone, "{point}: {ends:?}");
    }
    for point in ["verdict.before:1", "verdict.after:1"] {
        town.trusted.third[0].kill();
        town.trusted.start_third(0, &[("SEMPER_CRASH", point)]).unwrap();
        let setup = town.setup(&[Kind::Statement], &[money(Mode::Hold)]);
        // The originator never comes; the responder asks nobody. The originator alone aborts.
        let alone = town.start(&setup, Role::Originator, &[]);
        let waited = town.trusted.third[0].wait(std::time::Duration::from_secs(20));
        assert!(waited.is_some(), "{point}");
        town.trusted.start_third(0, &[]).unwrap();
        assert_eq!(end(&alone.wait_with_output().unwrap()), "Aborted", "{point}");
    }
}

#[test]
fn whoever_is_left_alone_is_helped_by_the_third_party_whose_verdict_is_public() {
    let mut town = Town::new(TRADER, None);
    let setup = town.setup(&[document()], &[money(Mode::Hold)]);
    // The originator delivers nothing: it dies once its promise is out.
    let killed = town.start(&setup, Role::Originator, &[("SEMPER_CRASH", "trader.sent:1")]);
    let alone = town.start(&setup, Role::Responder, &[]);
    assert!(!killed.wait_with_output().unwrap().status.success());
    let alone = alone.wait_with_output().unwrap();
    let logged = fs::read_to_string(town.folder.path().join("third-0.log")).unwrap();
    assert_eq!(end(&alone), "Completed", "{logged}");

    let log = town.folder.path().join("third/verdicts/public");
    let vkey = fs::read_to_string(town.folder.path().join("third/verdicts/log.vkey")).unwrap();
    let vkey: semper_tlog::VerifierKey = vkey.trim().parse().unwrap();
    let entries = eventually(|| {
        let note = semper_tlog::Note::parse(&fs::read(log.join("checkpoint")).ok()?).ok()?;
        let head = semper_tlog::Checkpoint::verify(&note, &vkey).unwrap();
        let file = log.join(tree::entries_path(0, usize::try_from(head.size).ok()?));
        tree::entries(&fs::read(file).ok()?)
    });
    let found = entries.iter().any(|entry| {
        let line: Logged = cbor::decode(entry, 1_024).unwrap();
        line.exchange == setup.agreed.subject() && line.verdict != Digest::ZERO
    });
    assert!(found, "the verdict stands in the public log");
    // The log says that there is a verdict, and nothing of what it is about.
    for entry in &entries {
        assert!(entry.len() < 120);
    }

    let judged = town.judge(&setup, Role::Responder, false);
    assert!(judged.out.contains("the third party has completed the exchange"), "{}", judged.out);
}

/// What becomes true within a while.
fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..200 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("it does not come about");
}

#[test]
fn a_third_party_that_is_away_for_a_while_delays_and_harms_nobody() {
    let mut town = Town::new(TRADER, None);
    town.trusted.third[0].kill();
    // `named` needs it once; the traders then meet while it is away.
    town.trusted.start_third(0, &[]).unwrap();
    let setup = town.setup(&[Kind::Statement], &[money(Mode::Hold)]);
    town.trusted.third[0].kill();
    let alone = town.start(&setup, Role::Originator, &[]);
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    town.trusted.start_third(0, &[]).unwrap();
    assert_eq!(end(&alone.wait_with_output().unwrap()), "Aborted");
}

#[test]
fn what_is_no_request_is_refused_by_name() {
    let mut town = Town::new(TRADER, None);
    let remote = town.remote("anna", 0);
    let setup = town.setup(&[Kind::Statement], &[money(Mode::Hold)]);
    for (body, status) in [
        (Vec::new(), 400),
        (b"what?".to_vec(), 400),
        (cbor::encode(&setup.agreed), 400),
        (vec![0x9f; 300_000], 400),
    ] {
        let (got, answer) = remote.post_raw(body);
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(got, status, "{text}");
        assert!(text.contains("error") && text.contains("mend"), "{text}");
    }
    let file = town.folder.path().join("garbage");
    fs::write(&file, b"no evidence").unwrap();
    let judged = town.trusted.semper(&["judge", "garbage"]).unwrap();
    assert_eq!(judged.code, 2);
    assert!(judged.err.contains("garbage"), "{}", judged.err);
    let judged = town.trusted.semper(&["judge", "garbage", "--at", "yesterday"]).unwrap();
    assert_eq!(judged.code, 2);
}
