//! A server from outside: health, panics, roles that hang, and its end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::Running;

#[test]
fn twenty_held_polls_are_answered_at_once_when_the_server_ends() {
    let server = Running::start();
    let polls: Vec<_> = (0..20).map(|_| server.ask("/first-clerk/hold")).collect();
    server.until("/first-clerk/held", |_, text| text == "20");

    let took = server.end();

    for poll in polls {
        assert_eq!(poll.join().unwrap(), (204, String::new()));
    }
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_server_at_which_nothing_happens_ends_at_once() {
    let server = Running::start();
    server.get("/healthz");

    let took = server.end();

    // The longest of all waits at the end: only one that is waited for in vain gets this far.
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_request_under_way_is_finished_before_the_server_ends() {
    let server = Running::start();
    let asked = server.ask("/first-clerk/finish");
    server.until("/first-clerk/held", |_, text| text == "1");

    server.end();

    assert_eq!(asked.join().unwrap(), (200, "finished".into()));
}

#[test]
fn whoever_has_connected_and_asks_nothing_does_not_keep_a_server_from_ending() {
    let server = Running::start();
    let port = server.port();
    let _silent = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    server.get("/healthz");

    let took = server.end();

    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn health_names_the_thread_that_is_ill() {
    let server = Running::start();
    assert_eq!(server.get("/healthz"), (200, "ok\n".into()));

    let file = server.place.file("first/ill");
    std::fs::write(&file, "").unwrap();
    let text = server.until("/healthz", |status, _| status == 503);
    assert_eq!(text, "office/first-clerk/scribe: the ink is dry\n");
    let (status, json) = server.get("/healthz?json");
    assert_eq!(status, 503);
    assert_eq!(server.get_json("/healthz"), (status, json.clone()));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["well"], false);
    let parts = json["parts"].as_array().unwrap();
    let find = |name: &str| parts.iter().find(|it| it["name"] == name).unwrap().clone();
    let ill = find("office/first-clerk/scribe");
    assert_eq!((&ill["state"], &ill["why"]), (&"ill".into(), &"the ink is dry".into()));
    assert_eq!(find("office/second-clerk/scribe")["state"], "well");
    assert_eq!(find("office/second-clerk/requests")["state"], "well");
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.contains("\nsemper_ill 1\n"), "{metrics}");

    std::fs::remove_file(file).unwrap();
    server.until("/healthz", |status, text| (status, text) == (200, "ok\n"));
    server.end();
}

#[test]
fn a_panic_costs_one_request_and_is_counted() {
    let server = Running::start();
    // On the same connection, beside both.
    let beside = server.ask("/second-clerk/finish");
    server.until("/second-clerk/held", |_, text| text == "1");

    assert_eq!(server.get("/first-clerk/panic").0, 500);
    assert_eq!(server.get("/first-clerk/panic-at-work").0, 500);

    assert_eq!(beside.join().unwrap(), (200, "finished".into()));
    assert_eq!(server.get("/first-clerk/work"), (200, "done".into()));
    assert_eq!(server.get("/healthz"), (200, "ok\n".into()));
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.contains("\nsemper_panics_total 2\n"), "{metrics}");
    let failed = "{role=\"first-clerk\",action=\"panic\",outcome=\"failed\"} 1";
    assert!(metrics.contains(failed), "{metrics}");
    server.end();
}

#[test]
fn a_role_that_hangs_leaves_the_others_their_threads() {
    let server = Running::start();
    let busy = server.place.file("first/busy");
    std::fs::write(&busy, "").unwrap();

    // More than all the threads that the process has for what blocks.
    let hang: Vec<_> = (0..300).map(|_| server.ask("/first-clerk/work")).collect();

    for _ in 0..100 {
        assert_eq!(server.get("/second-clerk/work"), (200, "done".into()));
    }
    let text = server.until("/healthz", |status, _| status == 503);
    assert!(text.starts_with("office/first-clerk/requests: all 24 places are taken for"), "{text}");
    assert_eq!(server.get("/second-clerk/work"), (200, "done".into()));

    // Those who found no place have been sent away; the others get their answers.
    std::fs::remove_file(busy).unwrap();
    let answers: Vec<u16> = hang.into_iter().map(|it| it.join().unwrap().0).collect();
    assert!(answers.iter().all(|it| [200, 503].contains(it)), "{answers:?}");
    assert!(answers.iter().filter(|it| **it == 200).count() >= 24, "{answers:?}");
    server.until("/healthz", |status, _| status == 200);
    server.end();
}
