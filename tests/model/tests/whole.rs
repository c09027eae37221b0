//! Whole parties, explored: machine, store, keys and driver of each side, which die and come back
//! by themselves, while errands get lost and somebody cheats.

use semper_exchange::{Protocol, Role};
use semper_model::{Config, Corrupt, Kind, Parties, Setup, Trouble};
use stateright::{Checker as _, Model as _};

/// Protocol, what the originator gives, what the responder gives.
type Cell = (Protocol, &'static [Kind], &'static [Kind]);

const CELLS: [Cell; 9] = [
    (Protocol::Gg, &[Kind::Statement], &[Kind::Money]),
    (Protocol::Gg, &[Kind::Statement], &[Kind::Statement]),
    (Protocol::Gg, &[Kind::Information], &[Kind::Money]),
    (Protocol::Gg, &[Kind::Money], &[Kind::Money]),
    (Protocol::Ge, &[Kind::Statement], &[Kind::Money]),
    (Protocol::Ger, &[Kind::Information], &[Kind::Money]),
    (Protocol::Rr, &[Kind::Money], &[Kind::Money]),
    (Protocol::Inline, &[Kind::Statement], &[Kind::Money]),
    (Protocol::Wg, &[Kind::Information], &[Kind::Information]),
];

const NONE: Trouble = Trouble { deaths: 0, losses: 0, abandons: false, puts_back: false };

fn explore(config: Config, trouble: Trouble, name: &str) {
    let checker = Parties(config, trouble).checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    println!("{name}: {} states", checker.unique_state_count());
}

fn cells(trouble: Trouble, corrupt: Corrupt, what: &str) {
    for (protocol, gives, wants) in CELLS {
        let config = Config { corrupt, ..Config::of(Setup::new(protocol, gives, wants, 0)) };
        explore(config, trouble, &format!("{protocol:?} {gives:?} for {wants:?}, {what}"));
    }
}

#[test]
fn whoever_dies_at_any_point_ends_fairly_once_everything_is_back() {
    // Deaths and losses of one run: one of each takes half a minute, two of each much longer.
    let most = std::env::var("SEMPER_TROUBLE").ok().and_then(|it| it.parse().ok()).unwrap_or(1);
    let trouble = Trouble { deaths: most, losses: most, ..NONE };
    cells(trouble, Corrupt::Nobody, &format!("deaths and losses up to {most}"));
}

#[test]
fn without_a_third_party_for_ever_all_end_by_the_last_date() {
    cells(Trouble { abandons: true, ..NONE }, Corrupt::Nobody, "no third party any more");
}

#[test]
fn a_store_that_is_put_back_makes_nobody_a_cheat() {
    let cell = |gives, wants| Config::of(Setup::new(Protocol::Gg, gives, wants, 0));
    let trouble = Trouble { puts_back: true, ..NONE };
    explore(cell(&[Kind::Statement], &[Kind::Money]), trouble, "put back, statement for money");
    explore(cell(&[Kind::Statement], &[Kind::Statement]), trouble, "put back, two statements");
    explore(cell(&[Kind::Information], &[Kind::Money]), trouble, "put back, information for money");
}

#[test]
fn whoever_cheats_gains_nothing_by_the_others_deaths() {
    for role in [Role::Originator, Role::Responder] {
        let setup = Setup::new(Protocol::Gg, &[Kind::Statement], &[Kind::Money], 0);
        let config = Config { corrupt: Corrupt::Side(role), ..Config::of(setup) };
        explore(config, Trouble { deaths: 1, ..NONE }, &format!("{role:?} cheats, one death"));
    }
}
