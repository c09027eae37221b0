//! Locks and payments.

use semper_base::SigningKey;
use semper_exchange::bank::{Claim, ClaimRequest, Fence, Refund, Release, order_for};
use semper_exchange::crypto::Signed;
use semper_exchange::message::{Accept, Token};
use semper_exchange::originator::State as Originating;
use semper_exchange::responder::State as Responding;
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_exchange::verdict::Decision;
use semper_exchange::{End, Event, Message, Mode, Protocol, Role, party};
use semper_exchange_tests::services::FUNDS;
use semper_exchange_tests::{Kind, Services as _};
use semper_ledger::Hold;

use crate::{PRICE, Scene, accepted, decision, delivered};

fn claim(scene: &Scene, payer: Role, claim: Claim<Standard>) -> ClaimRequest<Standard> {
    ClaimRequest {
        exchange: scene.subject(),
        leaf: party::money_leaf(&scene.agreed, payer).unwrap(),
        third_party: scene.agreed.third_party.sign,
        claim,
    }
}

/// Case 10: what was fenced is never paid.
#[test]
fn money_that_comes_after_an_abort_is_refused_by_the_bank() {
    let fenced = Kind::Money(PRICE, vec![Mode::Fenced]);
    let scene = Scene::new(&[Kind::Statement], &[fenced]);
    assert_eq!(scene.agreed.protocol, Protocol::Ge);
    let mut run = scene.run();
    run.happens(Role::Originator, Event::Start);
    run.happens(Role::Originator, Event::Cancel);
    assert_eq!(run.end(Role::Originator), Some(End::Aborted));

    run.deliver();

    assert_eq!(run.end(Role::Responder), Some(End::Aborted));
    assert_eq!(scene.local.balance(&scene.responder.account), FUNDS);
    assert_eq!(scene.local.balance(&scene.originator.account), FUNDS);
}

/// Case 12: a verdict takes back both payments, or neither.
#[test]
fn an_abort_of_two_payments_takes_both_back() {
    let reversible = || Kind::Money(PRICE, vec![Mode::Reversible]);
    let scene = Scene::new(&[reversible()], &[reversible()]);
    assert_eq!(scene.agreed.protocol, Protocol::Rr);
    let mut run = scene.run();
    delivered(&mut run);
    run.post.clear();
    // Both have paid; the responder does not take it, and has everything undone.
    let promise = run.originator.kept.promise.clone().unwrap();
    let abort = scene.request(Role::Responder, true, &promise, None);
    let answer = scene.local.ask(&abort).unwrap();
    assert!(matches!(decision(&answer), Decision::Abort { .. }));

    run.happens(Role::Originator, Event::TimeUp);
    run.happens(Role::Responder, Event::TimeUp);

    assert_eq!(run.ends(), (Some(End::Aborted), Some(End::Aborted)));
    assert_eq!(scene.local.balance(&scene.originator.account), FUNDS);
    assert_eq!(scene.local.balance(&scene.responder.account), FUNDS);
    scene.local.ledger.audit(scene.local.now()).unwrap();
}

/// Cases 19 and 28: short, for another payee, another third party, another exchange, forged.
#[test]
fn a_lock_that_is_not_the_agreed_one_is_no_promise() {
    type Change = fn(&mut semper_exchange::bank::Order<Standard>);
    let changes: [(&str, Change); 4] = [
        ("short", |order| {
            order.until = semper_base::Timestamp::now().after(std::time::Duration::from_secs(60))
        }),
        ("another payee", |_| {}),
        ("less", |order| order.amount = semper_base::Amount::new(1, order.amount.currency())),
        ("another third party", |order| order.third_party = SigningKey::generate().public()),
    ];
    for (name, change) in changes {
        let scene = Scene::receipt();
        let mut run = scene.run();
        run.happens(Role::Originator, Event::Start);
        let promise = run.originator.kept.promise.clone().unwrap();
        let mut order = order_for(&scene.agreed, Role::Responder).unwrap();
        change(&mut order);
        if name == "another payee" {
            order.payee = scene.responder.account.clone();
        }
        let account = scene.local.account("Somebody");
        let Some(Ok(fact)) = scene.local.hold(&account, &order) else { panic!("{name}") };
        let tokens = vec![Token::Fact(Box::new(fact))];
        let accept = scene.sign(Role::Responder, Accept { promise: promise.digest(), tokens });

        run.happens(Role::Originator, Event::Message(Message::Accept(accept.clone())));

        assert_eq!(run.originator.state, Originating::Offered, "{name}");
        let resolve = scene.request(Role::Responder, false, &promise, Some(&accept));
        assert_eq!(
            crate::rejection(&scene.local, &resolve),
            semper_exchange::verdict::Rejection::BadToken,
            "{name}"
        );
    }
    // A receipt of another exchange, and one that another bank has signed.
    let other = Scene::receipt();
    let mut run = other.run();
    let (_, foreign) = accepted(&mut run);
    let scene = Scene::receipt();
    let mut run = scene.run();
    let (promise, own) = accepted(&mut run);
    run.post.clear();
    let Token::Fact(fact) = &own.body().tokens[0] else { panic!() };
    let forger = Keys::new(SigningKey::generate(), NoGoods);
    let forged = Signed::new(&forger, scene.subject(), fact.body().clone()).unwrap();
    for token in [foreign.body().tokens[0].clone(), Token::Fact(Box::new(forged))] {
        let body = Accept { promise: promise.digest(), tokens: vec![token] };
        let accept = scene.sign(Role::Responder, body);
        run.happens(Role::Originator, Event::Message(Message::Accept(accept)));
        assert_eq!(run.originator.state, Originating::Offered);
    }
}

/// Nobody but those whom a hold names moves its money.
#[test]
fn releases_refunds_and_fences_of_others_move_nothing() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    accepted(&mut run);
    let leaf = party::money_leaf(&scene.agreed, Role::Responder).unwrap();
    let stranger = Keys::new(SigningKey::generate(), NoGoods);
    let subject = scene.subject();
    let by_stranger = |claim_: Claim<Standard>| claim(&scene, Role::Responder, claim_);
    let attempts = [
        // The payee releases to itself; the payer takes it back.
        Claim::Release(scene.sign(Role::Originator, Release { leaf })),
        Claim::Refund(scene.sign(Role::Responder, Refund { leaf })),
        Claim::Release(Signed::new(&stranger, subject, Release { leaf }).unwrap()),
        Claim::Fence(Signed::new(&stranger, subject, Fence { leaf }).unwrap(), stranger.public()),
    ];
    for attempt in attempts {
        assert!(scene.local.claim(&by_stranger(attempt)).is_none());
    }
    let fact = scene.local.claim(&by_stranger(Claim::Look)).unwrap();
    assert!(matches!(fact.body().hold, Hold::Held(_)));
    assert_eq!(scene.local.balance(&scene.responder.account), FUNDS - PRICE);
}

/// A fence under one third party's name does not stop payments under another's.
#[test]
fn a_stranger_cannot_fence_what_it_does_not_decide() {
    let fenced = Kind::Money(PRICE, vec![Mode::Fenced]);
    let scene = Scene::new(&[Kind::Statement], &[fenced]);
    let stranger = Keys::new(SigningKey::generate(), NoGoods);
    let leaf = party::money_leaf(&scene.agreed, Role::Responder).unwrap();
    let fence = Signed::new(&stranger, scene.subject(), Fence { leaf }).unwrap();
    let mut request = claim(&scene, Role::Responder, Claim::Fence(fence, stranger.public()));
    assert!(scene.local.claim(&request).is_none(), "in the name of the agreed third party");
    request.third_party = stranger.public();
    assert!(scene.local.claim(&request).is_some(), "in its own name it may");

    let mut run = scene.run();
    assert_eq!(run.to_the_end(), (Some(End::Done), Some(End::Done)));
}

/// A lock that expires falls back to its payer by the bank's clock, and to nobody else.
#[test]
fn an_expired_lock_is_the_payers_again() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    accepted(&mut run);
    scene.local.wait(10 * 24 * 3600 * 1000);
    let release = Release { leaf: party::money_leaf(&scene.agreed, Role::Responder).unwrap() };
    let release = Claim::Release(scene.sign(Role::Responder, release));

    let fact = scene.local.claim(&claim(&scene, Role::Responder, release)).unwrap();

    assert!(matches!(fact.body().hold, Hold::Refunded(_)));
    assert_eq!(scene.local.balance(&scene.responder.account), FUNDS);
    scene.local.ledger.audit(scene.local.now()).unwrap();
}

/// Whoever has not the money is refused, and nothing is promised by it.
#[test]
fn a_responder_without_funds_leaves_before_it_promises() {
    let scene = Scene::new(&[Kind::Statement], &[Kind::Money(10 * FUNDS, vec![Mode::Hold])]);
    let mut run = scene.run();
    run.happens(Role::Originator, Event::Start);
    run.deliver();
    assert_eq!(run.responder.state, Responding::Over(End::Aborted));
    run.happens(Role::Originator, Event::Cancel);
    assert_eq!(run.end(Role::Originator), Some(End::Aborted));
}
