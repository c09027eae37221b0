//! The third party attacked by the sides, and the sides by the third party.

use semper_base::{Digest, SigningKey, Timestamp};
use semper_exchange::crypto::Signed;
use semper_exchange::judge::{Blame, Rebuttal, judge};
use semper_exchange::manager::Secret;
use semper_exchange::standard::{Keys, NoGoods};
use semper_exchange::third::{self, DECIDE_MS};
use semper_exchange::verdict::{Abort, Answer, Asked, Decided, Decision, Rejection, Verdict};
use semper_exchange::{End, Event, Fraud, Role};
use semper_exchange_tests::{Kind, Local, Services as _};

use crate::{Scene, accepted, decision, delivered, hold, is_decided, rejection};

/// Cases 2 and 21.
#[test]
fn abort_and_resolve_in_any_order_and_number_get_one_verdict() {
    for abort_first in [true, false] {
        let scene = Scene::receipt();
        let mut run = scene.run();
        let (promise, accept) = accepted(&mut run);
        let abort = scene.request(Role::Originator, true, &promise, None);
        let resolve = scene.request(Role::Responder, false, &promise, Some(&accept));
        let (one, other) = if abort_first { (&abort, &resolve) } else { (&resolve, &abort) };

        let first = scene.local.ask(one).unwrap();
        for _ in 0..3 {
            let (again, opposite) =
                (scene.local.ask(one).unwrap(), scene.local.ask(other).unwrap());
            assert_eq!(first, again, "the same bytes for ever");
            let (a, b) = (crate::verdict(&first), crate::verdict(&opposite));
            assert_eq!(a.verdict, b.verdict, "one verdict for both");
        }
        assert_eq!(matches!(decision(&first), Decision::Abort { .. }), abort_first);
    }
}

/// Case 6.
#[test]
fn an_abort_of_another_exchange_ends_nothing() {
    let old = Scene::receipt();
    let mut before = old.run();
    let (promise, _) = accepted(&mut before);
    let abort = old.local.ask(&old.request(Role::Originator, true, &promise, None)).unwrap();
    let scene = Scene::receipt();
    let mut run = scene.run();
    delivered(&mut run);
    run.post.clear();
    let (next, _) = run
        .originator
        .clone()
        .step(Event::TimeUp, Timestamp::now(), &scene.originator.keys)
        .unwrap();

    let (after, _) =
        next.clone().step(Event::Answer(abort), Timestamp::now(), &scene.originator.keys).unwrap();

    assert_eq!(after, next);
}

/// Case 13: an abort that nobody has asked for.
#[test]
fn an_abort_without_the_request_for_it_convicts_the_third_party() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    delivered(&mut run);
    run.post.clear();
    let keys = &scene.originator.keys;
    let now = Timestamp::now();
    let (resolving, _) = run.originator.clone().step(Event::TimeUp, now, keys).unwrap();

    let nobody = Keys::new(SigningKey::generate(), NoGoods);
    let made_up = Abort { promise: Digest::ZERO, role: Role::Originator };
    let made_up: Signed<_, Abort> = Signed::new(&nobody, scene.subject(), made_up).unwrap();
    let asked = Asked::Abort(Role::Originator, made_up.detached());
    let decision = Decision::Abort { asked, facts: Vec::new() };
    let verdict = Signed::new(&scene.local.third, scene.subject(), Verdict { decision, at: now });
    let decided = Decided {
        verdict: verdict.unwrap(),
        promise: None,
        accept: None,
        replacements: Vec::new(),
    };
    let answer = Answer::Decided(Box::new(decided));
    let (after, _) = resolving.step(Event::Answer(answer), now, keys).unwrap();

    assert_eq!(after.end(), Some(End::ThirdPartyFault));
    let evidence = semper_exchange::judge::Evidence::of(scene.agreed.clone()).with(&after.kept);
    assert!(judge(&evidence, now).blame.contains(&Blame::Baseless));
}

/// Cases 14 and 15: a store that lost a verdict, or a third party that answers each side
/// differently; both verdicts are signed.
#[test]
fn two_verdicts_of_one_exchange_convict_the_third_party() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    let (promise, accept) = accepted(&mut run);
    let resolve = scene.request(Role::Responder, false, &promise, Some(&accept));
    let completed = scene.local.ask(&resolve).unwrap();
    scene.local.cases.lock().unwrap().clear();
    let abort = scene.request(Role::Originator, true, &promise, None);
    let aborted = scene.local.ask(&abort).unwrap();
    assert_ne!(crate::verdict(&completed).verdict, crate::verdict(&aborted).verdict);

    let mut evidence = run.evidence();
    evidence.answers.extend([completed, aborted]);
    let finding = judge(&evidence, Timestamp::now());
    assert!(finding.blame.contains(&Blame::TwoVerdicts), "{finding:?}");
}

/// Case 18.
#[test]
fn a_third_party_decides_only_what_names_it_and_nobody_hears_another() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    let (promise, accept) = accepted(&mut run);
    let resolve = scene.request(Role::Responder, false, &promise, Some(&accept));
    let accomplice = Local::new();
    assert_eq!(rejection(&accomplice, &resolve), Rejection::NotMine);

    run.post.clear();
    let keys = &scene.responder.keys;
    let now = Timestamp::now();
    let (resolving, _) = run.responder.clone().step(Event::TimeUp, now, keys).unwrap();
    let genuine = scene.local.ask(&resolve).unwrap();
    let body = crate::verdict(&genuine).verdict.body().clone();
    let forged = Signed::new(&accomplice.third, scene.subject(), body).unwrap();
    let mut decided = crate::verdict(&genuine).clone();
    decided.verdict = forged;
    let answer = Answer::Decided(Box::new(decided));
    let (after, effects) = resolving.clone().step(Event::Answer(answer), now, keys).unwrap();
    assert_eq!((after, effects.len()), (resolving, 0));
}

/// Case 27.
#[test]
fn only_the_originator_may_abort_and_only_with_its_own_signature() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    let (promise, accept) = accepted(&mut run);
    let by_responder = scene.request(Role::Responder, true, &promise, None);
    assert_eq!(rejection(&scene.local, &by_responder), Rejection::NotYours);
    let stranger = Keys::new(SigningKey::generate(), NoGoods);
    let mut forged = scene.request(Role::Originator, true, &promise, None);
    let body = Abort { promise: promise.digest(), role: Role::Originator };
    forged.wish = semper_exchange::verdict::Wish::Abort(
        Signed::new(&stranger, scene.subject(), body).unwrap(),
    );
    assert_eq!(rejection(&scene.local, &forged), Rejection::Malformed);
    assert!(!is_decided(&scene.local, &scene.subject()));

    let resolve = scene.request(Role::Responder, false, &promise, Some(&accept));
    let answer = scene.local.ask(&resolve).unwrap();
    assert!(matches!(decision(&answer), Decision::Complete { .. }));
}

/// Case 35.
#[test]
fn an_originator_called_a_cheat_shows_its_seed_and_is_cleared() {
    let scene = Scene::new(&[Kind::Information(b"a text".to_vec())], &[hold()]);
    let mut run = scene.run();
    let (promise, accept) = accepted(&mut run);
    let decision = Decision::Fault {
        culprit: Role::Originator,
        fraud: Fraud::Key,
        leaf: 0,
        promise: promise.detached(),
        accept: Some(accept.detached()),
        complaint: None,
        after: None,
    };
    let at = Timestamp::now();
    let verdict = Signed::new(&scene.local.third, scene.subject(), Verdict { decision, at });
    let decided = Decided {
        verdict: verdict.unwrap(),
        promise: Some(promise),
        accept: Some(accept),
        replacements: Vec::new(),
    };
    let mut evidence = run.evidence();
    evidence.answers.push(Answer::Decided(Box::new(decided)));
    assert!(judge(&evidence, at).blame.is_empty(), "the third party is believed until then");

    let Secret::Shares { escrowed, seeds, .. } = &scene.originator.secrets[0] else { panic!() };
    let (from, share) = (Role::Originator, escrowed.clone());
    evidence.rebuttals.push(Rebuttal { from, leaf: 0, share, seed: seeds.0 });
    let finding = judge(&evidence, at);
    assert_eq!(finding.blame, [Blame::FalseFault]);
}

/// Case 36.
#[test]
fn a_request_that_is_never_decided_is_held_against_the_third_party_alone() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    let (promise, accept) = accepted(&mut run);
    let resolve = scene.request(Role::Responder, false, &promise, Some(&accept));
    let now = Timestamp::now();
    let note = third::submitted(&resolve, now, &scene.local.third).unwrap();
    let mut evidence = run.evidence();
    evidence.answers.push(note);

    let in_time = now.after(std::time::Duration::from_millis(DECIDE_MS));
    let in_time = in_time.after(semper_exchange::dates::TOLERANCE);
    assert!(judge(&evidence, in_time).blame.is_empty());
    let late = in_time.after(std::time::Duration::from_millis(1));
    assert_eq!(judge(&evidence, late).blame, [Blame::Silence]);
}

/// Nobody asked in time: nothing is completed any more, and nobody is blamed.
#[test]
fn after_the_close_nothing_is_completed() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    let (promise, accept) = accepted(&mut run);
    scene.local.wait(8 * 24 * 3600 * 1000);
    let resolve = scene.request(Role::Responder, false, &promise, Some(&accept));

    let answer = scene.local.ask(&resolve).unwrap();

    assert!(matches!(decision(&answer), Decision::Expired { .. }));
    run.post.clear();
    run.happens(Role::Responder, Event::TimeUp);
    assert_eq!(run.end(Role::Responder), Some(End::Expired));
    let finding = judge(&run.evidence(), scene.local.now());
    assert!(finding.blame.is_empty());
}

/// What is paid by a hash lock needs no verdict, also not one that it is too late for: nothing
/// that the third party could sign would have a basis, and the judge would hold it against it.
#[test]
fn for_a_hash_lock_the_third_party_signs_nothing_neither_in_time_nor_late() {
    let lock = Kind::Money(crate::PRICE, vec![semper_exchange::Mode::HashLock]);
    let scene = Scene::new(&[Kind::Information(b"a text".to_vec())], &[lock]);
    assert_eq!(scene.agreed.protocol, semper_exchange::Protocol::Hl);
    let mut run = scene.run();
    let (promise, accept) = accepted(&mut run);
    let resolve = scene.request(Role::Responder, false, &promise, Some(&accept));

    assert_eq!(rejection(&scene.local, &resolve), Rejection::NotYours);
    scene.local.wait(8 * 24 * 3600 * 1000);
    assert_eq!(rejection(&scene.local, &resolve), Rejection::NotYours);
    assert!(!is_decided(&scene.local, &scene.subject()));
}
