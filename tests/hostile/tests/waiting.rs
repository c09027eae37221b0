//! Deals that wait: for the first of several, across checkpoints and restarts, until the person
//! leaves. A waiting deal has left memory; whatever it waits for wakes it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::{Duration, Instant};

use common::probe;
use semper_archive::DealState;
use semper_items::Item;
use semper_workbench::{Options, Workbench};

/// Rules of a person who thinks for a while.
fn slow(ms: u32) -> Options {
    let rules = format!(
        "[[rule]]\ntopic = \"probe\"\nchoose = \"two\"\nafter_ms = {ms}\n\
         [[rule]]\ntopic = \"form\"\nfields = {{}}\nafter_ms = {ms}\n\
         [[rule]]\ntopic = \"*\"\nanswer = \"yes\"\n"
    );
    Options { rules, ..Options::default() }
}

#[test]
fn the_first_of_several_ends_a_wait() {
    let bench = Workbench::new(slow(300));
    let script = "
        first message 60000
        first message 50
        first 60000 ask
        first 50 ask
        withdraw";
    let id = bench.open(&bench.terms(&probe(script)));
    let row = bench.asleep(id);
    assert!(row.note.starts_with("waits for message 1 of the other side, or 2"), "{}", row.note);

    bench.note(id, "hello");
    let row = bench.ended(id);

    assert_eq!(row.state, DealState::Withdrawn, "{}", row.note);
    assert_eq!(bench.notes(id), ["got hello", "time", "answer 1", "time"]);
}

#[test]
fn a_date_wakes_a_deal_that_has_left_memory_and_so_does_an_answer() {
    let bench = Workbench::new(slow(400));
    let timed = bench.open(&bench.terms(&probe("first 700\nwithdraw")));
    let asking = bench.open(&bench.terms(&probe("ask\nwithdraw")));
    let row = bench.asleep(timed);
    assert!(row.waits.until.is_some() && row.note.starts_with("waits for 2"), "{}", row.note);
    let row = bench.asleep(asking);
    assert_eq!(row.note, "waits for your decision, in the TINGUIN");
    assert!(row.waits.question.is_some());

    assert_eq!(bench.ended(timed).state, DealState::Withdrawn);
    assert_eq!(bench.notes(timed), ["time"]);
    assert_eq!(bench.ended(asking).state, DealState::Withdrawn);
    assert_eq!(bench.notes(asking), ["answer 1"]);
}

#[test]
fn what_waits_is_woken_by_the_next_host_too() {
    let bench = Workbench::new(slow(100));
    let terms = bench.terms(&probe("first message 60000\nfirst 1500\nask\nwithdraw"));
    let ids: Vec<_> = (0..20).map(|_| bench.open(&terms)).collect();
    for id in &ids {
        bench.asleep(*id);
    }
    // Nothing is run again at a start that is asleep.
    let bench = bench.restart();
    for id in &ids {
        assert!(bench.row(*id).waits.asleep);
        bench.note(*id, "hello");
    }
    for id in &ids {
        bench.until(*id, |row| row.note.starts_with("waits for 2"));
    }
    let bench = bench.restart();
    for id in &ids {
        assert_eq!(bench.ended(*id).state, DealState::Withdrawn, "{}", bench.row(*id).note);
        assert_eq!(bench.notes(*id), ["got hello", "time", "answer 1"]);
    }
}

#[test]
fn a_host_that_ends_while_a_deal_waits_for_a_decision_says_nothing_about_the_tinguin() {
    let bench = Workbench::new(slow(60_000));
    let id = bench.open(&bench.terms(&probe("ask\nwithdraw")));
    let before = bench.asleep(id);

    bench.keeper.end();

    // The TINGUIN holds a watch for twenty seconds; the host gives it up.
    assert_eq!(bench.keeper.join(Duration::from_secs(10)), Vec::<String>::new());
    let after = bench.row(id);
    assert_eq!((after.note, after.changed), (before.note, before.changed));
}

#[test]
fn a_checkpoint_begins_a_new_run_with_a_state_and_an_empty_journal() {
    let bench = Workbench::new(Options::default());
    let script = "
        state
        receive
        checkpoint apples
        state
        receive
        checkpoint pears and plums
        state
        order
        receive";
    let id = bench.open(&bench.terms(&probe(script)));
    bench.asleep(id);
    bench.note(id, "one");
    bench.until(id, |row| row.note.contains("message 2"));
    let begins = bench.row(id).waits.begins;
    assert!(begins > 0, "the second run has begun");
    assert!(bench.host.archive().journal_from(id, begins).unwrap().len() < 10);

    // The flow's state, the channel and what was stated live on; an offer is still there to
    // be ordered by its digest, but the probe holds no handle to it any more.
    let bench = bench.restart();
    bench.note(id, "two");
    let row = bench.ended(id);

    assert_eq!(row.note, "the service gave up: there is no offer");
    let notes = ["no state", "got one", "3 apples", "got two", "6 pears and plums"];
    assert_eq!(bench.notes(id), notes);
    let verifier = bench.host.verifier();
    let found = semper_examine::evidence::verify(bench.host.archive(), &verifier, &row);
    let found = found.unwrap();
    assert_eq!(found.wrong, Vec::<String>::new());
}

#[test]
fn a_service_that_lives_long_stays_within_its_journal_by_checkpoints() {
    let bench = Workbench::new(Options::default());
    let limits = [(semper_trust::Limit::Records, 60)].into();
    let mut offered =
        probe("now 20\nnote n\ncheckpoint x\nnow 20\nnote n\ncheckpoint y\nnow 20\nwithdraw");
    offered.certified_limits = limits;
    let (id, row) = bench.run(&offered);
    assert_eq!(row.state, DealState::Withdrawn, "{}", row.note);

    // Without checkpoints the same work does not fit.
    let mut long = probe("now 20\nnote n\nnow 20\nnote n\nnow 20\nwithdraw");
    long.certified_limits = [(semper_trust::Limit::Records, 60)].into();
    let (other, row) = bench.run(&long);
    assert_eq!(row.note, "the service has gone over its limit of 60 journal records");
    assert_eq!(bench.reason(other).as_deref(), Some("limit/records"));
    assert!(bench.host.archive().journal(id).unwrap().len() > 60);
}

#[test]
fn the_person_leaves_at_any_wait_and_the_service_tidies_up() {
    let bench = Workbench::new(slow(60_000));
    let cases = [
        // A wait that can be told.
        ("first message\nwithdraw", "withdrawn", "cancelled: too dear"),
        ("first message 600000 ask\nwithdraw", "withdrawn", "cancelled: too dear"),
        // A question: it is as if she had answered that she leaves.
        ("ask\nwithdraw", "withdrawn", "left"),
        ("fields 3\nwithdraw", "withdrawn", "left"),
    ];
    for (script, state, note) in cases {
        let id = bench.open(&bench.terms(&probe(script)));
        let row = bench.asleep(id);
        assert_eq!(row.state, DealState::Running, "{script}: {}", row.note);
        bench.cancel(id, "too dear");
        let row = bench.ended(id);
        assert_eq!(row.state.name(), state, "{script}: {}", row.note);
        assert_eq!(bench.notes(id), [note], "{script}");
        assert_eq!(bench.row(id).waits.cancel, None);
    }
    // A plain wait for a message cannot be told: the host ends the deal, and the
    // other side hears of it.
    let id = bench.open(&bench.terms(&probe("receive\nwithdraw")));
    bench.asleep(id);
    bench.cancel(id, "too dear");
    let row = bench.ended(id);
    assert_eq!(
        (row.state, row.note.as_str()),
        (DealState::Failed, "cancelled by the person: too dear")
    );
    assert_eq!(bench.reason(id).as_deref(), Some("cancelled"));
    let last = bench.host.archive().messages(id, true, 0).unwrap().pop().unwrap();
    let message = semper_items::Message::unverified(&last.bytes).unwrap();
    let Some(Item::Information { kind, body }) = message.container.item() else { panic!() };
    assert_eq!((kind.as_str(), body.as_ref()), ("semper/end", row.note.as_bytes()));
}

#[test]
fn a_side_that_hears_of_the_others_end_ends_too_whatever_it_waits_for() {
    let bench = Workbench::new(slow(60_000));
    for script in ["receive", "first message", "first 600000", "ask", "fields 2"] {
        let id = bench.open(&bench.terms(&probe(script)));
        bench.asleep(id);
        let body = b"the service has crashed".to_vec().into();
        bench.says(id, Item::Information { kind: "semper/end".into(), body }).unwrap();
        let row = bench.ended(id);
        let note = "the other side has ended the deal: the service has crashed";
        assert_eq!((row.state, row.note.as_str()), (DealState::Failed, note), "{script}");
    }
}

#[test]
fn workers_are_free_while_a_thousand_deals_wait() {
    let bench = Workbench::new(Options { workers: 2, grace: Duration::ZERO, ..slow(60_000) });
    let waits = bench.terms(&probe("first message 600000\nreceive"));
    let ids: Vec<_> = (0..1000).map(|_| bench.open(&waits)).collect();
    let asks = bench.open(&bench.terms(&probe("ask")));
    for id in &ids {
        bench.asleep(*id);
    }
    assert!(bench.asleep(asks).waits.question.is_some());
    let metrics = bench.host.runtime().engine().pooling_allocator_metrics().unwrap();
    assert_eq!(metrics.component_instances(), 0, "no component is in memory");

    let start = Instant::now();
    bench.note(ids[500], "you");
    bench.until(ids[500], |row| row.waits.asleep && row.note.contains("message 2"));
    assert_eq!(bench.notes(ids[500]), ["got you"]);
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(bench.row(ids[499]).waits.asleep && bench.row(asks).waits.asleep);
}
