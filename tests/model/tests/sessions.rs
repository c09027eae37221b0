//! One exchange under every protocol, explored to the end: honest, with either side cheating,
//! with a corrupt third party and either side; with crashes, losses, repetitions, reordering.

use semper_exchange::{Protocol, Role};
use semper_model::{Config, Corrupt, Kind, Session, Setup};
use stateright::{Checker as _, Model as _};

/// Protocol, what the originator gives, what the responder gives.
type Cell = (Protocol, &'static [Kind], &'static [Kind]);

/// The cells that are explored: protocol, what the originator gives, what the responder gives.
const CELLS: [Cell; 18] = [
    (Protocol::Gg, &[Kind::Statement], &[Kind::Money]),
    (Protocol::Gg, &[Kind::Information], &[Kind::Money]),
    (Protocol::Gg, &[Kind::False], &[Kind::Money]),
    (Protocol::Gg, &[Kind::Statement], &[Kind::Statement]),
    (Protocol::Gg, &[Kind::Information], &[Kind::Statement]),
    (Protocol::Gg, &[Kind::Money], &[Kind::Money]),
    (Protocol::Gg, &[Kind::Information], &[Kind::Certified]),
    (Protocol::Gg, &[Kind::Statement, Kind::Information], &[Kind::Money, Kind::Statement]),
    (Protocol::Ge, &[Kind::Statement], &[Kind::Money]),
    (Protocol::Ge, &[Kind::Certified], &[Kind::Money]),
    (Protocol::Ger, &[Kind::Information], &[Kind::Money]),
    (Protocol::Rr, &[Kind::Money], &[Kind::Money]),
    (Protocol::Hl, &[Kind::Information], &[Kind::Money]),
    (Protocol::Ge, &[Kind::Money], &[Kind::Money]),
    (Protocol::Inline, &[Kind::Information], &[Kind::Information]),
    (Protocol::Inline, &[Kind::Statement], &[Kind::Money]),
    (Protocol::Inline, &[Kind::Money, Kind::Statement], &[Kind::Information]),
    (Protocol::Wg, &[Kind::Information], &[Kind::Information]),
];

const CORRUPT: [Corrupt; 5] = [
    Corrupt::Nobody,
    Corrupt::Side(Role::Originator),
    Corrupt::Side(Role::Responder),
    Corrupt::ThirdPartyAnd(Role::Originator),
    Corrupt::ThirdPartyAnd(Role::Responder),
];

fn explore(config: Config, name: &str) -> usize {
    let checker = Session(config).checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    println!("{name}: {} states", checker.unique_state_count());
    checker.unique_state_count()
}

/// Whoever is honest does not sell what is not what it says.
fn makes_sense(gives: &[Kind], corrupt: Corrupt) -> bool {
    !gives.contains(&Kind::False) || !corrupt.is_honest(Role::Originator)
}

#[test]
fn every_protocol_is_fair_whoever_cheats() {
    let mut states = 0;
    for (protocol, gives, wants) in CELLS {
        for corrupt in CORRUPT.into_iter().filter(|it| makes_sense(gives, *it)) {
            let setup = Setup::new(protocol, gives, wants, 0);
            let config = Config { corrupt, ..Config::of(setup) };
            let name = format!("{protocol:?} {gives:?} for {wants:?}, {corrupt:?} cheats");
            states += explore(config, &name);
        }
    }
    assert!(states > 1_000, "{states}");
}

#[test]
fn a_crash_between_any_two_effects_is_no_more_than_a_lost_message() {
    for (protocol, gives, wants) in CELLS {
        if !makes_sense(gives, Corrupt::Nobody) {
            continue;
        }
        let setup = Setup::new(protocol, gives, wants, 0);
        let config = Config { crashes: true, ..Config::of(setup) };
        explore(config, &format!("{protocol:?} {gives:?} for {wants:?}, with crashes"));
    }
}

#[test]
fn nobody_who_is_patient_needs_the_third_party() {
    for (protocol, gives, wants) in CELLS {
        if !makes_sense(gives, Corrupt::Nobody) || protocol == Protocol::Inline {
            continue;
        }
        let setup = Setup::new(protocol, gives, wants, 0);
        let config = Config { patient: true, ..Config::of(setup) };
        explore(config, &format!("{protocol:?} {gives:?} for {wants:?}, patiently"));
    }
}

#[test]
fn what_comes_late_is_not_accepted() {
    for (protocol, gives, wants) in CELLS {
        let corrupt = Corrupt::Side(Role::Originator);
        let setup = Setup::new(protocol, gives, wants, 0);
        let config = Config { corrupt, late: true, ..Config::of(setup) };
        explore(config, &format!("{protocol:?} {gives:?} for {wants:?}, late"));
    }
}
