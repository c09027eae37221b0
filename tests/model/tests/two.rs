//! Two exchanges of the same parties at once. The small ones are explored in the test command;
//! `SEMPER_SESSIONS=2` explores those with a cheat as well (minutes).

use semper_exchange::{Protocol, Role};
use semper_model::{Config, Corrupt, Kind, Setup, Two};
use stateright::{Checker as _, Model as _};

type Cell = (Protocol, &'static [Kind], &'static [Kind]);

fn explore((protocol, gives, wants): Cell, corrupt: Corrupt) {
    let config =
        |session| Config { corrupt, ..Config::of(Setup::new(protocol, gives, wants, session)) };
    let checker = Two::new(config(0), config(1)).checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    println!("two of {protocol:?} {gives:?} for {wants:?}, {corrupt:?} cheats: {states} states");
    assert!(states > 500, "{states}");
}

#[test]
fn two_exchanges_at_once_do_not_meet() {
    explore((Protocol::Gg, &[Kind::Statement], &[Kind::Statement]), Corrupt::Nobody);
    explore(
        (Protocol::Gg, &[Kind::Statement], &[Kind::Statement]),
        Corrupt::Side(Role::Originator),
    );
    explore((Protocol::Gg, &[Kind::Statement], &[Kind::Statement]), Corrupt::Side(Role::Responder));
}

#[test]
fn two_exchanges_at_once_do_not_meet_whoever_cheats_with_money_and_information() {
    let cells: &[Cell] = match std::env::var("SEMPER_SESSIONS").as_deref() {
        Ok("2") => &[
            (Protocol::Gg, &[Kind::Statement], &[Kind::Money]),
            (Protocol::Gg, &[Kind::Information], &[Kind::Statement]),
            (Protocol::Ge, &[Kind::Statement], &[Kind::Money]),
            (Protocol::Gg, &[Kind::Money], &[Kind::Statement]),
        ],
        _ => &[(Protocol::Ge, &[Kind::Statement], &[Kind::Money])],
    };
    for cell in cells {
        for role in [Role::Originator, Role::Responder] {
            // What the test command explores is small.
            if cells.len() == 1 && role == Role::Responder {
                continue;
            }
            explore(*cell, Corrupt::Side(role));
        }
    }
}
