//! Blame is a finding: whatever fails on this side of a deal (the TINGUIN, its disk, this program)
//! pauses the deal or leaves it in doubt, and names nobody. It goes on when the trouble is over.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::probe;
use semper_archive::DealState;
use semper_base::DealId;
use semper_tinguin_protocol::Cause;
use semper_workbench::trouble::{Fault, Trouble};
use semper_workbench::{Options, Workbench};

const SCRIPT: &str = "ask\nwithdraw";

fn troubled(fault: Fault) -> (Workbench, Trouble) {
    let trouble = Trouble::default();
    trouble.begin(fault);
    (Workbench::new(Options { trouble: trouble.clone(), ..Options::default() }), trouble)
}

/// Nobody is named, nothing has ended, and nothing is kept as evidence against anybody.
fn names_nobody(bench: &Workbench, id: DealId, words: &str) {
    let row = bench.until(id, |row| row.note.contains(words));
    assert_eq!(row.state, DealState::Running, "{}", row.note);
    for blame in ["the service is at fault", "the other side is at fault", "has crashed"] {
        assert!(!row.note.contains(blame), "{}", row.note);
    }
    assert_eq!(bench.reason(id), None, "{}", row.note);
}

#[test]
fn a_tinguin_that_is_away_busy_or_in_trouble_delays_a_deal_and_blames_nobody() {
    for fault in [Fault::Away, Fault::NotDone(Cause::Busy), Fault::NotDone(Cause::Trouble)] {
        let (bench, trouble) = troubled(fault);
        let id = bench.open(&bench.terms(&probe(SCRIPT)));
        names_nobody(&bench, id, "it is tried again");

        trouble.end();

        let row = bench.ended(id);
        assert_eq!(row.state, DealState::Withdrawn, "{fault:?}: {}", row.note);
    }
}

#[test]
fn what_a_tinguin_never_does_leaves_a_deal_in_doubt_until_somebody_has_looked() {
    for cause in [Cause::Rule, Cause::Malformed] {
        let (bench, trouble) = troubled(Fault::NotDone(cause));
        let id = bench.open(&bench.terms(&probe(SCRIPT)));
        names_nobody(&bench, id, "stopped: the TINGUIN refuses: it was not done");

        trouble.end();
        let bench = bench.restart();

        let row = bench.ended(id);
        assert_eq!(row.state, DealState::Withdrawn, "{cause:?}: {}", row.note);
    }
}

#[test]
fn a_panic_costs_one_activation_and_is_counted() {
    let (bench, trouble) = troubled(Fault::Panic);
    let id = bench.open(&bench.terms(&probe(SCRIPT)));
    names_nobody(&bench, id, "stopped: this host has failed: it has panicked");
    assert_eq!(bench.keeper.panics(), 1);
    // The worker that it happened to runs other deals.
    trouble.end();
    let others: Vec<_> = (0..16).map(|_| bench.open(&bench.terms(&probe(SCRIPT)))).collect();
    for other in others {
        assert_eq!(bench.ended(other).state, DealState::Withdrawn);
    }
    assert!(bench.keeper.health().iter().all(|it| it.state.is_well()));

    let bench = bench.restart();

    let row = bench.ended(id);
    assert_eq!(row.state, DealState::Withdrawn, "{}", row.note);
}

#[test]
fn a_service_is_at_fault_by_its_own_call_and_the_incident_names_it() {
    let bench = Workbench::new(Options::default());

    let (id, row) = bench.run(&probe("note hello\ntrap"));

    assert_eq!(row.state, DealState::Failed, "{}", row.note);
    let evidence = bench.host.archive().evidence(Some(id)).unwrap();
    let incident = evidence.iter().find(|it| it.kind == "incident").unwrap();
    let incident: semper_runtime::stop::Incident =
        semper_base::cbor::decode(&incident.bytes, 4096).unwrap();
    assert_eq!(incident.code, "trap");
    assert_eq!(incident.call, Some(incident.records), "the call after the last record");
    assert_eq!(incident.message, None);
    // The guest's own words, marked as such.
    let words = "the service's last words: “";
    assert!(incident.what.contains(words), "{}", incident.what);
    assert!(incident.what.contains("as the script says"), "{}", incident.what);
}
