//! Information: escrows that hold something else, contents that are something else, complaints
//! that show nothing, and lengths that lie.

use semper_base::{Digest, Timestamp};
use semper_exchange::crypto::{Crypto as _, Signed};
use semper_exchange::information::{self, CHUNK, Hashes, InformationError, Proof, TAG};
use semper_exchange::judge::{Blame, judge};
use semper_exchange::manager::Secret;
use semper_exchange::message::{Accept, Promise, Token};
use semper_exchange::originator::State as Originating;
use semper_exchange::responder::State as Responding;
use semper_exchange::standard::{Share, Standard};
use semper_exchange::verdict::{Complaint, Decision, Rejection, Request, Resolve, Wish};
use semper_exchange::{Agreed, End, Event, Fraud, Half, Item, Leaf, Message, Mode, Role};
use semper_exchange_tests::goods::prepare;
use semper_exchange_tests::services::FUNDS;
use semper_exchange_tests::{Kind, Local, Services as _};

use crate::{PRICE, Scene, accepted, decision, delivered, hold, is_decided, rejection, verdict};

fn text() -> Vec<u8> {
    b"what the buyer wants to read; ".repeat(2_000)
}

/// A promise whose escrow holds something else than was committed to.
fn falsified(scene: &Scene, bound: Option<Digest>) -> Signed<Standard, Promise<Standard>> {
    let agreement = scene.agreed.clone();
    let third = agreement.third_party.seal;
    let mut tokens = Vec::new();
    for (index, secret) in scene.originator.secrets.iter().enumerate() {
        let Secret::Shares { escrowed, peers, seeds, .. } = secret else {
            tokens.push(Token::Nothing);
            continue;
        };
        let leaf = agreement.leaf(Role::Originator, index);
        let peer = agreement.responder.seal;
        let share = Standard::seal(&peer, Half::Peers, &leaf, peers, &seeds.1);
        let held = if bound.is_some() { escrowed.clone() } else { Share::random() };
        let bound = bound.unwrap_or(leaf);
        let escrow = Standard::seal(&third, Half::Escrowed, &bound, &held, &seeds.0);
        tokens.push(Token::Escrow { escrow, share });
    }
    scene.sign(Role::Originator, Promise { agreement, tokens })
}

/// Cases 3 and 31.
#[test]
fn a_bad_escrow_completes_nothing_and_no_other_item_of_the_package_is_released() {
    let gives = [Kind::Statement, Kind::Information(text())];
    let scene = Scene::new(&gives, &[hold()]);
    let mut run = scene.run();
    let promise = falsified(&scene, None);
    run.happens(Role::Responder, Event::Message(Message::Promise(promise.clone())));
    assert_eq!(run.responder.state, Responding::Accepted, "it cannot be told from outside");
    let accept = run.responder.kept.accept.clone().unwrap();

    let resolve = scene.request(Role::Originator, false, &promise, Some(&accept));
    let answer = scene.local.ask(&resolve).unwrap();

    assert!(matches!(
        decision(&answer),
        Decision::Fault { culprit: Role::Originator, fraud: Fraud::Key, leaf: 1, .. }
    ));
    assert!(verdict(&answer).replacements.is_empty());
    run.post.clear();
    run.happens(Role::Responder, Event::TimeUp);
    assert_eq!(run.end(Role::Responder), Some(End::Aborted));
    assert_eq!(scene.local.balance(&scene.responder.account), FUNDS);
}

/// Cases 4 and 11.
#[test]
fn a_promise_that_only_the_third_party_can_tell_is_not_enough_where_it_must_be_verifiable() {
    // As the responder of GG.
    let scene = Scene::new(&[Kind::Information(text())], &[Kind::Certified(text())]);
    let mut run = scene.run();
    let (promise, accept) = accepted(&mut run);
    run.post.clear();
    let Token::Certified { share, .. } = &accept.body().tokens[0] else { panic!() };
    let leaf = scene.agreed.leaf(Role::Responder, 0);
    let third = scene.agreed.third_party.seal;
    let escrow = Standard::seal(&third, Half::Escrowed, &leaf, &Share::random(), &Digest::ZERO);
    let tokens = vec![Token::Escrow { escrow, share: share.clone() }];
    let accept = scene.sign(Role::Responder, Accept { promise: promise.digest(), tokens });
    run.happens(Role::Originator, Event::Message(Message::Accept(accept)));
    assert_eq!(run.originator.state, Originating::Offered);

    // Under GE nobody pays for it.
    let fenced = Kind::Money(PRICE, vec![Mode::Fenced]);
    let scene = Scene::new(&[Kind::Certified(text())], &[fenced]);
    let mut run = scene.run();
    let promise = falsified(&scene, None);
    run.happens(Role::Responder, Event::Message(Message::Promise(promise)));
    assert_eq!(run.responder.state, Responding::Idle);
    assert_eq!(scene.local.balance(&scene.responder.account), FUNDS);
}

/// Case 23: an escrow brought into an exchange of the buyer's with itself opens for nobody.
#[test]
fn an_escrow_of_one_exchange_cannot_be_opened_in_another() {
    let scene = Scene::new(&[Kind::Information(text())], &[hold()]);
    let mut run = scene.run();
    let (promise, _) = accepted(&mut run);

    let accomplice = semper_exchange_tests::Trader::new(
        "a",
        "b",
        scene.local.bank.public(),
        &[Kind::Statement],
        &|_| unreachable!(),
    );
    let mut exchange = (*scene.agreed).clone();
    exchange.originator.sign = accomplice.keys.public();
    exchange.originator.seal = accomplice.keys.seal_public();
    let signer = scene.responder.keys.public();
    let item = Item::Statement { statement: Digest::ZERO, signer, affidavit: true };
    exchange.from_responder = vec![Leaf { path: "0".into(), item }];
    let ours = Agreed::new(exchange).unwrap();
    let subject = ours.subject();
    let body = Promise { agreement: ours, tokens: promise.body().tokens.clone() };
    let promise: Signed<Standard, _> = Signed::new(&accomplice.keys, subject, body).unwrap();
    let accept = Accept { promise: promise.digest(), tokens: vec![Token::Nothing] };
    let accept: Signed<Standard, _> = Signed::new(&scene.responder.keys, subject, accept).unwrap();
    let body =
        Resolve { promise: promise.digest(), accept: Some(accept.digest()), role: Role::Responder };
    let wish = Wish::Resolve(Signed::new(&scene.responder.keys, subject, body).unwrap());
    let answer = scene.local.ask(&Request { wish, promise, accept: Some(accept) }).unwrap();

    assert!(matches!(decision(&answer), Decision::Fault { .. }), "nothing is opened");
    assert!(verdict(&answer).replacements.is_empty());
}

fn deceived(dispute_ms: u64) -> Scene {
    let promised = text();
    let mut delivered = promised.clone();
    delivered[CHUNK + 5] ^= 1;
    let gives = [Kind::False(delivered, promised.clone())];
    let scene = Scene::in_place(Local::new(), &gives, &[hold()], dispute_ms);
    scene.responder.keys.goods().knows(&promised);
    scene
}

/// Case 29, when the originator delivers.
#[test]
fn information_that_is_not_what_was_described_is_not_paid_for() {
    let scene = deceived(0);
    let mut run = scene.run();
    run.happens(Role::Originator, Event::Start);
    run.deliver();

    assert_eq!(run.end(Role::Responder), Some(End::Aborted));
    assert_eq!(scene.local.balance(&scene.responder.account), FUNDS);
    run.happens(Role::Originator, Event::TimeUp);
    let finding = judge(&run.evidence(), Timestamp::now());
    assert!(finding.blame.contains(&Blame::Fraud(Role::Originator, Fraud::Content)), "{finding:?}");
}

/// Case 29, when the originator has the third party complete it first.
#[test]
fn a_completion_can_be_complained_about_within_its_window_and_not_after() {
    for (waits, end, balance) in
        [(0, End::Aborted, FUNDS), (3_600_000, End::Disputed, FUNDS - PRICE)]
    {
        let scene = deceived(3_600_000);
        let mut run = scene.run();
        let (promise, accept) = accepted(&mut run);
        run.post.clear();
        let resolve = scene.request(Role::Originator, false, &promise, Some(&accept));
        let answer = scene.local.ask(&resolve).unwrap();
        assert!(matches!(decision(&answer), Decision::Complete { .. }));

        scene.local.wait(waits);
        run.happens(Role::Responder, Event::TimeUp);

        assert_eq!(run.end(Role::Responder), Some(end));
        assert_eq!(scene.local.balance(&scene.responder.account), balance);
        // The money has not moved before, whoever has the verdict.
        let claim =
            semper_exchange::bank::Claim::Verdict(Box::new(verdict(&answer).verdict.clone()));
        let request = semper_exchange::bank::ClaimRequest {
            exchange: scene.subject(),
            leaf: semper_exchange::party::money_leaf(&scene.agreed, Role::Responder).unwrap(),
            third_party: scene.agreed.third_party.sign,
            claim,
        };
        scene.local.claim(&request).unwrap();
        let paid = scene.local.balance(&scene.originator.account) > FUNDS;
        assert_eq!(paid, end == End::Disputed);
        let finding = judge(&run.evidence(), Timestamp::now());
        assert!(finding.blame.contains(&Blame::Fraud(Role::Originator, Fraud::Content)));
    }
}

/// Case 30.
#[test]
fn a_complaint_that_shows_nothing_stops_nothing() {
    let scene = Scene::new(&[Kind::Information(text())], &[hold()]);
    let mut run = scene.run();
    delivered(&mut run);
    let promise = run.originator.kept.promise.clone().unwrap();
    let accept = run.originator.kept.accept.clone().unwrap();
    let Secret::Shares { escrowed, peers, .. } = &scene.originator.secrets[0] else { panic!() };
    let sealed = &scene.originator.sealed[0].sealed;
    let first = sealed[..CHUNK + TAG].to_vec();
    let honest = Proof { index: 0, chunk: first.clone().into(), cipher: Vec::new(), content: None };
    let mut changed = honest.clone();
    changed.chunk[3] ^= 1;
    let mut claimed = honest.clone();
    claimed.content = Some((Digest::of(b"anything"), Vec::new()));
    for (shares, proof) in [
        ((escrowed.clone(), peers.clone()), honest.clone()),
        ((escrowed.clone(), peers.clone()), changed),
        ((escrowed.clone(), peers.clone()), claimed),
        ((Share::random(), peers.clone()), honest),
    ] {
        let of = Role::Originator;
        let body = Complaint { promise: promise.digest(), of, leaf: 0, shares, proof };
        let wish = Wish::Complain(Box::new(scene.sign(Role::Responder, body)));
        let request = Request { wish, promise: promise.clone(), accept: Some(accept.clone()) };
        assert_eq!(rejection(&scene.local, &request), Rejection::FalseComplaint);
        assert!(!is_decided(&scene.local, &scene.subject()));
    }
    run.deliver();
    assert_eq!(run.ends(), (Some(End::Done), Some(End::Done)));
}

/// Case 39: what is longer, shorter, or rearranged is not what was agreed on.
#[test]
fn lengths_that_lie_and_trees_that_are_bent_are_found() {
    let plain = text();
    let prepared = prepare(&plain, None);
    let shares = [prepared.shares.0.as_bytes(), prepared.shares.1.as_bytes()];
    let open = |sealed: &[u8], leaf| {
        let mut out = Vec::new();
        information::open(sealed, &mut out, leaf, shares, None).map(|()| out)
    };
    assert_eq!(open(&prepared.sealed, &prepared.leaf).unwrap(), plain);

    let mut longer = prepared.sealed.clone();
    longer.push(0);
    let shorter = &prepared.sealed[..prepared.sealed.len() - 1];
    let mut swapped = prepared.sealed.clone();
    let (one, other) = swapped.split_at_mut(CHUNK + TAG);
    one.swap_with_slice(&mut other[..CHUNK + TAG]);
    for wrong in [longer.as_slice(), shorter, &swapped, &[]] {
        let opened = open(wrong, &prepared.leaf);
        assert!(matches!(opened, Err(InformationError::OtherCipher)), "{opened:?}");
        assert!(
            information::root(wrong, prepared.leaf.length).is_err()
                || information::root(wrong, prepared.leaf.length).unwrap() != prepared.leaf.cipher
        );
    }
    // A length beyond all bounds is refused before anything is read.
    let mut bomb = prepared.leaf.clone();
    bomb.length = u64::MAX;
    assert!(matches!(open(&prepared.sealed, &bomb), Err(InformationError::TooLong)));

    // An agreement on more chunks than the catalogue knows is found before anything is opened.
    let short = Hashes::of(&plain[..CHUNK]);
    let mut longer = prepared.leaf.clone();
    longer.content = Some(short.root());
    let mut out = Vec::new();
    let opened = information::open(&prepared.sealed[..], &mut out, &longer, shares, Some(&short));
    assert!(matches!(opened, Err(InformationError::OtherHashes)), "{opened:?}");

    // An inner node is no leaf: one chunk that spells two hashes has another root.
    let (a, b) = (vec![1; CHUNK], vec![2; CHUNK]);
    let both = Hashes::of(&[a.clone(), b.clone()].concat()).root();
    let leaf = |bytes: &[u8]| *Hashes::of(bytes).root().as_bytes();
    let node = [&[1][..], &leaf(&a), &leaf(&b)].concat();
    assert_ne!(Hashes::of(&node).root(), both);
}
