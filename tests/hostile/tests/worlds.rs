//! Worlds that this host does not serve, and interfaces that no world has any more: refused by
//! name, with what to do about it, before anything runs; a deal that began under them ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::probe;
use common::wat::importing;
use semper_archive::DealState;
use semper_base::Mend as _;
use semper_workbench::{Offered, Options, Workbench};

#[test]
fn a_component_that_imports_a_version_that_is_served_no_more_is_refused_by_name() {
    let bench = Workbench::new(Options::default());
    for certified in [true, false] {
        let mut offered = Offered::new(&importing("semper:deal/deal@1.0.0"));
        offered.certified = certified;

        let (id, row) = bench.run(&offered);

        let note = "the service imports “semper:deal/deal@1.0.0”, which its world, version 1.2.0, \
                    does not have";
        assert_eq!((row.state, row.note.as_str()), (DealState::Failed, note));
        assert_eq!(bench.reason(id).as_deref(), Some("refused"));
        assert!(bench.host.archive().journal(id).unwrap().is_empty());
    }
}

#[test]
fn terms_of_a_world_that_is_not_served_are_refused_with_what_to_do_about_it() {
    let bench = Workbench::new(Options::default());
    for (world, mend) in [
        ("1.0.0", "its author must build the service for world 1.2.0"),
        ("1.1.0", "its author must build the service for world 1.2.0"),
        ("1.10.0", "a newer semper may serve it"),
        ("9.0.0", "a newer semper may serve it"),
        ("of cats", "its author must build the service for world 1.2.0"),
    ] {
        let mut offered = probe("note hello");
        offered.world = world.into();

        let refusal = bench.verify(&offered).unwrap_err();

        assert_eq!(refusal.to_string(), not_served(world));
        assert!(refusal.mend().starts_with(mend), "{world}: {}", refusal.mend());
    }
}

#[test]
fn a_deal_that_began_under_a_world_that_is_served_no_more_ends_and_the_person_is_told() {
    let bench = Workbench::new(Options::default());
    let mut offered = probe("note hello\nwithdraw");
    offered.world = "1.1.0".into();
    let id = bench.open_left(&offered);
    // Another deal of the same home goes on.
    let (_, other) = bench.run(&probe("note hello\nwithdraw"));
    assert_eq!(other.state, DealState::Withdrawn, "{}", other.note);

    let row = bench.ended(id);

    assert_eq!((row.state, row.note.clone()), (DealState::Failed, not_served("1.1.0")));
    assert_eq!(bench.reason(id).as_deref(), Some("refused"));
    assert!(bench.host.archive().journal(id).unwrap().is_empty());
    let told = std::fs::read_to_string(bench.home.join("transcript.jsonl")).unwrap();
    assert!(told.contains("what you can do: its author must build the service"), "{told}");
    // What it has signed stays, and stays verifiable.
    let verifier = bench.host.verifier();
    let found = semper_examine::evidence::verify(bench.host.archive(), &verifier, &row);
    assert_eq!(found.unwrap().wrong, Vec::<String>::new());
}

fn not_served(world: &str) -> String {
    format!(
        "the service is written for world semper:commerce@{world}, which this host does not \
         serve; it serves 1.2.0"
    )
}
