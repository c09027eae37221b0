//! Encodings, keys, and the negotiation.

use semper_base::{Digest, PublicKey, Timestamp, cbor};
use semper_exchange::crypto::Signed;
use semper_exchange::message::{Accept, Promise};
use semper_exchange::negotiation::{self, Propose, Refusal, Select};
use semper_exchange::standard::Standard;
use semper_exchange::verdict::{Request, Verdict};
use semper_exchange::{Agreed, AgreementError, Event, Fairness, Message, Mode, Protocol, Role};
use semper_exchange_tests::{Kind, Services as _};

use crate::{PRICE, Scene, accepted, hold};

const MOST: usize = 256 * 1024;

/// Case 32.
#[test]
fn every_structure_has_one_encoding_and_no_byte_of_it_may_change() {
    let scene = Scene::receipt();
    let mut run = scene.run();
    let (promise, accept) = accepted(&mut run);
    let request = scene.request(Role::Responder, false, &promise, Some(&accept));
    let answer = scene.local.ask(&request).unwrap();

    let bytes = cbor::encode(&request);
    assert_eq!(cbor::decode::<Request<Standard>>(&bytes, MOST).unwrap(), request);
    let answered = cbor::encode(&answer);
    let read: semper_exchange::verdict::Answer<Standard> = cbor::decode(&answered, MOST).unwrap();
    assert_eq!(read, answer);

    let mut trailing = bytes.clone();
    trailing.push(0);
    assert!(cbor::decode::<Request<Standard>>(&trailing, MOST).is_err());
    assert!(cbor::decode::<Request<Standard>>(&bytes[..bytes.len() - 1], MOST).is_err());
    // Any change of any byte is no request, or one that is not accepted.
    for place in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[place] ^= 0x41;
        let Ok(read) = cbor::decode::<Request<Standard>>(&changed, MOST) else { continue };
        let here = scene.local.cases.lock().unwrap().len();
        let answer = scene.local.ask(&read).unwrap();
        let refused = matches!(answer, semper_exchange::verdict::Answer::Rejected(_));
        assert!(refused, "byte {place} changes nothing");
        assert_eq!(here, scene.local.cases.lock().unwrap().len());
    }
}

#[test]
fn keys_of_small_order_are_no_keys() {
    let mut zero = [0; 32];
    assert!(PublicKey::from_bytes(zero).is_err());
    zero[0] = 1;
    assert!(PublicKey::from_bytes(zero).is_err());
    let mut encoded = cbor::encode(&Scene::receipt().agreed);
    let here = encoded.windows(5).position(|it| it == b"\x64sign").unwrap() + 7;
    encoded[here..here + 32].copy_from_slice(&zero);
    assert!(cbor::decode::<Agreed<Standard>>(&encoded, MOST).is_err());
}

/// What cannot be an agreement is none, whoever has signed it.
#[test]
fn an_agreement_that_does_not_fit_together_is_refused_by_name() {
    let scene = Scene::receipt();
    let whole = (*scene.agreed).clone();
    let broken = |change: &dyn Fn(&mut semper_exchange::Exchange<Standard>)| {
        let mut exchange = whole.clone();
        change(&mut exchange);
        Agreed::new(exchange).unwrap_err()
    };
    assert!(matches!(broken(&|it| it.version = 2), AgreementError::Version(2)));
    assert!(matches!(broken(&|it| it.from_responder.clear()), AgreementError::Leaves { .. }));
    assert!(matches!(broken(&|it| it.lock_until = it.close_by), AgreementError::Dates));
    assert!(matches!(broken(&|it| it.accept_by = it.close_by), AgreementError::Dates));
    assert!(matches!(broken(&|it| it.dispute_ms = u64::MAX), AgreementError::Dates));
    assert!(matches!(
        broken(&|it| it.fairness = Fairness::Weak),
        AgreementError::Fairness(Protocol::Gg)
    ));
    assert!(matches!(broken(&|it| it.third_party.sign = it.originator.sign), AgreementError::Keys));
    let twice = broken(&|it| it.from_responder.push(it.from_responder[0].clone()));
    assert!(matches!(twice, AgreementError::Path(_)));
    let two = broken(&|it| {
        let mut more = it.from_responder[0].clone();
        more.path = "1".into();
        it.from_responder.push(more);
    });
    assert!(matches!(two, AgreementError::Payment(_)));
    assert!(matches!(
        broken(&|it| it.protocol = Protocol::Ge),
        AgreementError::Protocol { protocol: Protocol::Ge, .. }
    ));
}

/// Case 33: options left out on the way change the exchange, and nothing is promised.
#[test]
fn whoever_leaves_options_out_of_a_negotiation_gets_no_agreement() {
    let scene = Scene::receipt();
    let third = scene.local.named();
    let now = Timestamp::now();
    let wishes = scene.originator.wishes(Role::Originator, &third, now);
    let deal = wishes.deal;
    let sent: Signed<Standard, Propose<Standard>> = Signed::new(
        &scene.originator.keys,
        deal,
        Propose { wishes: wishes.clone(), answers: None },
    )
    .unwrap();
    // On the way, everything but weak fairness is struck out; the signature no longer fits.
    let mut weaker = wishes;
    weaker.protocols = vec![Protocol::Wg];
    let bytes = cbor::encode(&sent);
    let forged = cbor::encode(&Propose::<Standard> { wishes: weaker.clone(), answers: None });
    let own = cbor::encode(sent.body());
    let at = bytes.windows(own.len()).position(|it| it == own).unwrap();
    let spliced = [&bytes[..at], &forged, &bytes[at + own.len()..]].concat();
    let spliced: Signed<Standard, Propose<Standard>> = cbor::decode(&spliced, MOST).unwrap();
    let answerer = scene.responder.wishes(Role::Responder, &third, now);
    let refused = negotiation::answer(&spliced, answerer.clone()).unwrap_err();
    assert_eq!(refused, Refusal::Form);

    // An answer that concludes something else than follows is refused by the proposer.
    let (select, agreed) = negotiation::answer(&sent, answerer).unwrap();
    let lying = Select { exchange: Digest::of(b"another"), ..select.clone() };
    let lying = Signed::new(&scene.responder.keys, deal, lying).unwrap();
    assert_eq!(negotiation::agree(&sent, &lying).unwrap_err(), Refusal::Form);
    let honest = Signed::new(&scene.responder.keys, deal, select).unwrap();
    assert_eq!(negotiation::agree(&sent, &honest).unwrap().id(), agreed.id());
}

/// Case 24: bearer money promises nothing, so no protocol takes it.
#[test]
fn money_that_only_its_receiver_can_show_is_in_no_protocol() {
    for protocol in Protocol::ALL {
        for role in [Role::Originator, Role::Responder] {
            assert!(!protocol.takes(role, Mode::Plain), "{protocol:?}");
        }
    }
}

/// Case 37: what stands in one exchange stands in no other of the same trader's.
#[test]
fn two_exchanges_of_one_person_share_no_key() {
    let (one, other) = (Scene::receipt(), Scene::receipt());
    let bytes = |scene: &Scene| cbor::encode(&scene.agreed);
    let key = one.agreed.responder.sign;
    let found = bytes(&other).windows(32).any(|it| it == key.as_bytes());
    assert!(!found);
}

/// A signature is over kind, exchange and digest: none of them can be changed.
#[test]
fn a_signature_for_one_kind_of_message_is_none_for_another() {
    let scene = Scene::new(&[Kind::Statement], &[Kind::Statement]);
    let mut run = scene.run();
    let (_, accept) = accepted(&mut run);
    let (key, subject) = (scene.agreed.responder.sign, scene.subject());
    let detached = accept.detached();
    assert!(detached.is_by::<Accept<Standard>>(&key, subject));
    assert!(!detached.is_by::<Promise<Standard>>(&key, subject));
    assert!(!detached.is_by::<Verdict<Standard>>(&key, subject));
    assert!(!detached.is_by::<Accept<Standard>>(&key, Digest::ZERO));
    assert!(!detached.is_by::<Accept<Standard>>(&scene.agreed.originator.sign, subject));
}

/// Messages to a machine that does not expect them change nothing, however often they come.
#[test]
fn repeated_and_reordered_messages_change_nothing() {
    let scene = Scene::new(&[Kind::Statement], &[hold()]);
    let mut run = scene.run();
    run.happens(Role::Originator, Event::Start);
    run.deliver();
    let (originator, responder) = (run.originator.clone(), run.responder.clone());
    let kept = &responder.kept;
    let messages = [
        Message::Settle(kept.settle.clone().unwrap()),
        Message::Deliver(kept.deliver.clone().unwrap()),
        Message::Accept(kept.accept.clone().unwrap()),
        Message::Promise(kept.promise.clone().unwrap()),
    ];
    for message in messages.iter().cycle().take(12) {
        run.happens(Role::Originator, Event::Message(message.clone()));
        run.happens(Role::Responder, Event::Message(message.clone()));
    }
    assert_eq!((&run.originator, &run.responder), (&originator, &responder));
    assert!(!run.asked);
    let balance = scene.local.balance(&scene.originator.account);
    assert_eq!(balance, semper_exchange_tests::services::FUNDS + PRICE);
}
