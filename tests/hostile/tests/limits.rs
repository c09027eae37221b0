//! Limits: what a service asks for, what a certificate lowers, how far the buyer's trust file
//! lets them be raised.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::probe;
use semper_archive::DealState;
use semper_base::Mend as _;
use semper_trust::Limit;
use semper_workbench::{Options, Workbench};

#[test]
fn a_certified_service_gets_what_it_asks_for_within_the_ceilings() {
    let ceilings = [(Limit::Records, 30_000), (Limit::Memory, 8 << 20)].into();
    let bench = Workbench::new(Options { ceilings, ..Options::default() });
    let script = "now 20000\nwithdraw";

    // By default there is room for 10,000 records.
    let (id, row) = bench.run(&probe(script));
    assert_eq!(
        (row.state, bench.reason(id).as_deref()),
        (DealState::Failed, Some("limit/records"))
    );

    // Asked for within the ceiling, it gets more; the ceiling lowers what nobody asked for.
    let mut asks = probe(script);
    asks.limits.insert(Limit::Records, 25_000);
    let terms = bench.terms(&asks);
    assert_eq!(terms.grants().limits.get(Limit::Records), 25_000);
    assert_eq!(terms.grants().limits.get(Limit::Memory), 8 << 20);
    let id = bench.open(&terms);
    assert_eq!(bench.ended(id).state, DealState::Withdrawn);

    // The certificate may bound it again.
    asks.certified_limits.insert(Limit::Records, 15_000);
    assert_eq!(bench.terms(&asks).grants().limits.get(Limit::Records), 15_000);

    // Beyond the ceiling the terms are refused, with the line that would allow them.
    asks.limits.insert(Limit::Records, 30_001);
    let refusal = bench.verify(&asks).unwrap_err();
    let what = "the service wants 30001 journal records; at most 30000 are granted";
    assert_eq!(refusal.to_string(), what);
    assert!(refusal.mend().contains("records = 30001 under [limits]"), "{}", refusal.mend());
}

#[test]
fn an_uncertified_service_gets_the_usual_and_no_more() {
    let ceilings = [(Limit::Records, 30_000)].into();
    let bench = Workbench::new(Options { ceilings, ..Options::default() });
    let mut offered = probe("note hello");
    offered.certified = false;
    assert_eq!(bench.verify(&offered).unwrap().grants().limits.get(Limit::Records), 10_000);
    offered.limits.insert(Limit::Records, 10_001);
    assert!(bench.verify(&offered).is_err());
}
