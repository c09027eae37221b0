//! What a keeper promises: ends, caught panics, health.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use semper_keeper::{Bell, Keeper, Spawn as _, State, Turn};

/// Longer than anything here takes; only a hang gets this far.
const HANG: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(3_600);

#[test]
fn a_loop_that_panics_is_counted_and_goes_on() {
    let keeper = Keeper::new("test");
    let (said, heard) = mpsc::channel();
    let turns = AtomicU32::new(0);
    let turn = move |_: &semper_keeper::Post| {
        if turns.fetch_add(1, Ordering::SeqCst) == 0 {
            panic!("the first turn fails");
        }
        said.send(()).unwrap();
        Turn::End
    };

    keeper.keep("loop", &Bell::new(), Box::new(turn));

    heard.recv_timeout(HANG).unwrap();
    assert_eq!(keeper.panics(), 1);
    assert!(keeper.join(HANG).is_empty());
}

#[test]
fn whoever_cannot_get_on_says_so_and_is_named() {
    let keeper = Keeper::new("bank").child("ledger");
    let (said, heard) = mpsc::channel();
    let turn = move |post: &semper_keeper::Post| {
        post.ill("the disk is full");
        said.send(()).unwrap();
        Turn::Wait(LONG)
    };

    keeper.keep("writer", &Bell::new(), Box::new(turn));
    heard.recv_timeout(HANG).unwrap();

    let health = keeper.health();
    assert_eq!(health.len(), 1);
    assert_eq!(health[0].name, "bank/ledger/writer");
    assert_eq!(health[0].state, State::Ill("the disk is full".into()));
}

#[test]
fn work_that_takes_longer_than_it_may_is_ill() {
    let keeper = Keeper::new("test");
    let (go, wait) = mpsc::channel::<()>();
    let job = keeper.job("slow", move |post| {
        post.within(Duration::ZERO, "asking the bank", || wait.recv_timeout(HANG))
    });

    let begun = Instant::now();
    let ill = loop {
        let health = keeper.health();
        if let Some(State::Ill(why)) = health.first().map(|it| it.state.clone()) {
            break why;
        }
        assert!(begun.elapsed() < HANG);
    };
    go.send(()).unwrap();

    assert!(ill.starts_with("asking the bank for"), "{ill}");
    assert!(job.join().unwrap().is_ok());
    assert!(keeper.health().is_empty());
}

#[test]
fn an_end_reaches_children_sleepers_and_tasks() {
    let keeper = Keeper::new("test");
    let child = keeper.child("part");
    child.keep("sleeper", &Bell::new(), Box::new(|_| Turn::Wait(LONG)));
    let paused = child.job("paused", |post| post.ending().pause(LONG));
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    runtime.block_on(async { child.task("task", std::future::pending()) });

    keeper.end();

    assert_eq!(keeper.join(HANG), Vec::<String>::new());
    assert!(!paused.join().unwrap());
    assert!(keeper.child("late").ending().is_over());
}

#[test]
fn a_piece_of_work_that_panics_harms_nobody_else() {
    let keeper = Keeper::new("test");
    let job = keeper.job("job", |_| -> u32 { panic!("number {}", 7) });
    let caught = keeper.caught("here", || -> u32 { panic!("and here") });

    assert_eq!(job.join().unwrap_err().words, "number 7");
    assert_eq!(caught.unwrap_err().words, "and here");
    assert_eq!(keeper.panics(), 2);
}

#[test]
fn of_two_rings_none_is_missed() {
    let keeper = Keeper::new("test");
    let (bell, done) = (Bell::new(), Arc::new(AtomicU32::new(0)));
    let work = Arc::new(AtomicU32::new(0));
    for _ in 0..2 {
        let (work, done) = (Arc::clone(&work), Arc::clone(&done));
        let turn = move |_: &semper_keeper::Post| match work.fetch_update(
            Ordering::SeqCst,
            Ordering::SeqCst,
            |it| it.checked_sub(1),
        ) {
            Ok(_) => {
                done.fetch_add(1, Ordering::SeqCst);
                Turn::Again
            }
            Err(_) => Turn::Wait(LONG),
        };
        keeper.keep("worker", &bell, Box::new(turn));
    }

    for _ in 0..1_000 {
        work.fetch_add(1, Ordering::SeqCst);
        bell.ring();
    }

    let begun = Instant::now();
    while done.load(Ordering::SeqCst) < 1_000 {
        assert!(begun.elapsed() < HANG, "{} of 1000", done.load(Ordering::SeqCst));
        std::thread::yield_now();
    }
    keeper.end();
    assert!(keeper.join(HANG).is_empty());
}
