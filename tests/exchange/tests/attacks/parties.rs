//! Messages that lie, come late, or belong elsewhere.

use semper_base::Timestamp;
use semper_exchange::judge::{Blame, judge};
use semper_exchange::message::{Accept, Delivery, Promise, Token};
use semper_exchange::originator::State as Originating;
use semper_exchange::responder::State as Responding;
use semper_exchange::{Effect, End, Event, Message, Role};
use semper_exchange_tests::services::FUNDS;
use semper_exchange_tests::{Kind, Services as _};

use crate::{PRICE, Scene, accepted, decision, delivered, hold};

/// Cases 1 and 5.
#[test]
fn an_originator_that_has_delivered_stores_it_first_and_never_asks_for_an_abort() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    accepted(&mut run);
    let (_, message) = run.post.pop_front().unwrap();
    let now = Timestamp::now();
    let keys = &scene.originator.keys;

    let stepped = run.originator.clone().step(Event::Message(message), now, keys).unwrap();
    assert_eq!(stepped.1, [Effect::Persist, Effect::Sign], "stored before it is signed");
    let (waiting, effects) = stepped.0.step(Event::TimeUp, now, keys).unwrap();
    assert_eq!(
        (waiting.state, effects.len()),
        (Originating::Delivering, 0),
        "perhaps it is signed"
    );
    let stepped = waiting.step(Event::Sign, now, keys).unwrap();
    assert_eq!(stepped.1.first(), Some(&Effect::Persist), "stored before it is sent");
    assert_eq!(stepped.0.state, Originating::Delivered);

    let (later, effects) = stepped.0.step(Event::TimeUp, now, keys).unwrap();
    assert_eq!(later.state, Originating::Resolving);
    assert!(effects.iter().any(|it| matches!(it, Effect::Ask(_))));
}

/// Case 1, by a cheat: the buyer keeps the receipt and its money, and can show why.
#[test]
fn an_originator_that_delivers_and_aborts_all_the_same_harms_itself() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    delivered(&mut run);
    let promise = run.originator.kept.promise.clone().unwrap();
    let abort = scene.request(Role::Originator, true, &promise, None);
    scene.local.ask(&abort).unwrap();

    run.post.clear();
    run.happens(Role::Responder, Event::TimeUp);
    assert_eq!(run.end(Role::Responder), Some(End::Aborted));
    run.happens(Role::Responder, Event::Resend);
    assert_eq!(scene.local.balance(&scene.responder.account), FUNDS);

    let mut evidence = run.evidence();
    evidence.requests.push(abort);
    let finding = judge(&evidence, Timestamp::now());
    assert!(finding.blame.contains(&Blame::AbortedAndDelivered), "{finding:?}");
}

/// Case 7.
#[test]
fn items_of_one_exchange_are_not_taken_for_another() {
    let one = Scene::receipt();
    let mut elsewhere = one.run();
    let foreign = delivered(&mut elsewhere);
    let other = Scene::receipt();
    let mut run = other.run();
    accepted(&mut run);

    run.happens(Role::Responder, Event::Message(Message::Deliver(foreign)));

    assert_eq!(run.responder.state, Responding::Accepted);
    assert!(run.responder.kept.deliver.is_none());
}

/// Case 8.
#[test]
fn a_responder_gives_nothing_with_its_promise() {
    let scene = Scene::new(&[Kind::Statement], &[Kind::Statement]);
    let mut run = scene.run();
    let (_, accept) = accepted(&mut run);
    assert_eq!(accept.body().tokens, [Token::Nothing]);
    assert_eq!(run.post.len(), 1, "nothing but X2 is out");
}

/// Case 9 and 22: the window in which the originator alone chooses is as long as the
/// responder's patience.
#[test]
fn a_responder_that_waits_in_vain_asks_the_third_party() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    accepted(&mut run);
    run.post.clear();

    run.happens(Role::Responder, Event::TimeUp);

    assert_eq!(run.end(Role::Responder), Some(End::Completed));
    run.happens(Role::Originator, Event::TimeUp);
    assert_eq!(run.end(Role::Originator), Some(End::Completed));
    assert_eq!(scene.local.balance(&scene.originator.account), FUNDS + PRICE);
}

/// Case 16.
#[test]
fn a_responder_with_two_acceptances_has_one_exchange_and_is_found_out() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    let (promise, accept) = accepted(&mut run);
    let again = Accept { promise: promise.digest(), tokens: vec![Token::Nothing] };
    let again = scene.sign(Role::Responder, again);

    let first = scene.request(Role::Responder, false, &promise, Some(&accept));
    let answer = scene.local.ask(&first).unwrap();
    let second = scene.request(Role::Responder, false, &promise, Some(&again));
    assert_eq!(answer, scene.local.ask(&second).unwrap(), "one verdict");

    let mut evidence = run.evidence();
    evidence.accepts.push(again);
    assert!(judge(&evidence, Timestamp::now()).blame.contains(&Blame::TwoAcceptances));
}

/// Case 17.
#[test]
fn an_old_promise_begins_nothing() {
    let old = Scene::receipt();
    let mut before = old.run();
    let (promise, _) = accepted(&mut before);
    let now = Scene::receipt();
    let mut run = now.run();

    run.happens(Role::Responder, Event::Message(Message::Promise(promise)));

    assert_eq!(run.responder.state, Responding::Idle);
}

/// Case 20.
#[test]
fn a_promise_that_comes_late_is_not_accepted() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    run.happens(Role::Originator, Event::Start);
    let (_, message) = run.post.pop_front().unwrap();
    let late = scene.agreed.accept_by.after(std::time::Duration::from_millis(1));

    let keys = &scene.responder.keys;
    let (next, effects) = run.responder.clone().step(Event::Message(message), late, keys).unwrap();

    assert_eq!(next.state, Responding::Idle);
    assert!(effects.is_empty());
}

/// Case 25: which promise counts is what the acceptance names.
#[test]
fn an_originator_with_two_promises_is_held_to_the_accepted_one() {
    let scene = Scene::new(&[Kind::Information(b"a text".to_vec())], &[hold()]);
    let mut run = scene.run();
    let (promise, accept) = accepted(&mut run);
    let mut body: Promise<_> = promise.body().clone();
    body.tokens = vec![Token::Nothing];
    let other = scene.sign(Role::Originator, body);

    let shown = scene.request(Role::Originator, false, &other, Some(&accept));
    let why = crate::rejection(&scene.local, &shown);
    assert_eq!(why, semper_exchange::verdict::Rejection::Malformed);

    let mut evidence = run.evidence();
    evidence.promises.push(other);
    assert!(judge(&evidence, Timestamp::now()).blame.contains(&Blame::TwoPromises));
}

/// Case 26.
#[test]
fn ones_own_words_reflected_are_nothing() {
    let scene = Scene::new(&[Kind::Statement], &[Kind::Statement]);
    let mut run = scene.run();
    let (promise, accept) = accepted(&mut run);
    let mirrored = scene.sign(Role::Originator, accept.body().clone());
    run.post.clear();

    run.happens(Role::Originator, Event::Message(Message::Accept(mirrored)));
    run.happens(Role::Originator, Event::Message(Message::Promise(promise)));

    assert_eq!(run.originator.state, Originating::Offered);
}

/// Case 38: received means final at the ledger.
#[test]
fn whoever_aborts_releases_and_takes_both_locks_back_gets_nothing() {
    let scene = Scene::new(&[hold()], &[hold()]);
    let mut run = scene.run();
    let deliver = delivered(&mut run);
    run.post.clear();
    // The cheat aborts, and takes its own lock back, before its release is redeemed.
    let promise = run.originator.kept.promise.clone().unwrap();
    let abort = scene.request(Role::Originator, true, &promise, None);
    let answer = scene.local.ask(&abort).unwrap();
    assert!(matches!(decision(&answer), semper_exchange::verdict::Decision::Abort { .. }));
    let verdict = crate::verdict(&answer).verdict.clone();
    let leaf = semper_exchange::party::money_leaf(&scene.agreed, Role::Originator).unwrap();
    let claim = semper_exchange::bank::ClaimRequest {
        exchange: scene.subject(),
        leaf,
        third_party: scene.agreed.third_party.sign,
        claim: semper_exchange::bank::Claim::Verdict(Box::new(verdict)),
    };
    scene.local.claim(&claim).unwrap();

    run.happens(Role::Responder, Event::Message(Message::Deliver(deliver)));

    assert!(run.responder.kept.settle.is_none(), "nothing is given for it");
    assert_eq!(run.end(Role::Responder), Some(End::Aborted));
    assert_eq!(scene.local.balance(&scene.responder.account), FUNDS);
    assert_eq!(scene.local.balance(&scene.originator.account), FUNDS);
}

/// A delivery of something else than was promised is no delivery.
#[test]
fn another_signature_another_release_another_kind_of_item_are_nothing() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    let (_, accept) = accepted(&mut run);
    let wrong = semper_exchange::standard::Signature::from_bytes([7; 64]);
    for items in [
        vec![],
        vec![Delivery::Before],
        vec![Delivery::Signature(wrong)],
        vec![Delivery::Signature(wrong), Delivery::Before],
    ] {
        let body = semper_exchange::message::Deliver { accept: accept.digest(), items };
        let deliver = scene.sign(Role::Originator, body);
        run.happens(Role::Responder, Event::Message(Message::Deliver(deliver)));
        assert_eq!(run.responder.state, Responding::Accepted);
    }
}
