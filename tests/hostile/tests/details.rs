//! What a service is told of the person by default, and whether she agrees to advertising.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::probe;
use semper_archive::{DealState, Write};
use semper_workbench::{Options, Workbench};

#[test]
fn advertising_is_no_unless_the_person_has_said_yes() {
    let bench = Workbench::new(Options::default());
    let set = |key: &str, value: &str| Write::Preference(key.into(), value.into());
    bench.host.archive().commit(vec![set("street", "Lindenweg 4")]).unwrap();
    let asks = || {
        let script = "preference advertising\npreference street\nwithdraw";
        let id = bench.open(&bench.terms(&probe(script)));
        let row = bench.ended(id);
        assert_eq!(row.state, DealState::Withdrawn, "{}", row.note);
        bench.notes(id)
    };

    assert_eq!(asks(), ["no", "Lindenweg 4"]);
    bench.host.archive().commit(vec![set("advertising", "yes")]).unwrap();
    assert_eq!(asks(), ["yes", "Lindenweg 4"]);
}
