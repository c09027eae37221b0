//! Fair exchange: what comes to a third party, to a bank, to a party, to the judge. What decodes
//! encodes to the same bytes, and no machine panics over it, whatever it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use semper_base::{DealId, Digest, SigningKey, Timestamp, cbor};
use semper_exchange::bank::{Claim, ClaimRequest, authorise, order_for};
use semper_exchange::judge::{Evidence, judge};
use semper_exchange::negotiation;
use semper_exchange::obtained::Stated;
use semper_exchange::package::{self, MAX_TALK, Talk, Wanted};
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_exchange::third::{self, Case, Event};
use semper_exchange::verdict::{Answer, Request};
use semper_exchange::{Agreed, Message, Originator, Responder, Role, party};

const MOST: usize = 256 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let now = Timestamp::from_millis(1_790_000_000_000).expect("a time");
    let keys = Keys::new(SigningKey::from_seed(&[7; 32]), NoGoods);
    if let Ok(request) = cbor::decode::<Request<Standard>>(bytes, MOST) {
        assert_eq!(cbor::encode(&request), bytes);
        // As the third party that it names, whose keys are others: opening fails, nothing panics.
        let agreement = request.promise.body().agreement.clone();
        let own = agreement.third_party.sign;
        let stepped = third::step(None, Event::Requested(request.clone()), &own, now, &keys);
        if let Ok((Some(case), _)) = stepped {
            let again =
                third::step(Some(case.clone()), Event::Requested(request), &own, now, &keys);
            // What is decided stays decided.
            if let (Case::Decided(one), Ok((Some(Case::Decided(other)), _))) = (&case, again) {
                assert_eq!(one.verdict, other.verdict);
            }
        }
    }
    if let Ok(answer) = cbor::decode::<Answer<Standard>>(bytes, MOST) {
        assert_eq!(cbor::encode(&answer), bytes);
        if let Answer::Decided(decided) = &answer
            && let Some(promise) = &decided.promise
        {
            let agreement = promise.body().agreement.clone();
            let machine = Originator::new(agreement.clone(), Vec::new());
            let _ = machine.step(party::Event::Answer(answer.clone()), now, &keys);
            let machine = Responder::new(agreement, Vec::new());
            let _ = machine.step(party::Event::Answer(answer.clone()), now, &keys);
        }
    }
    if let Ok(message) = cbor::decode::<Message<Standard>>(bytes, MOST)
        && let Message::Promise(promise) = &message
    {
        let machine = Responder::new(promise.body().agreement.clone(), Vec::new());
        let _ = machine.step(party::Event::Message(message.clone()), now, &keys);
    }
    if let Ok(request) = cbor::decode::<ClaimRequest<Standard>>(bytes, MOST) {
        assert_eq!(cbor::encode(&request), bytes);
    }
    if let Ok(agreement) = cbor::decode::<Agreed<Standard>>(bytes, MOST) {
        for role in [Role::Originator, Role::Responder] {
            if let Some(order) = order_for(&agreement, role) {
                let _ = authorise(&order, &Claim::Look, now);
            }
        }
    }
    if let Ok(stated) = cbor::decode::<Stated>(bytes, MOST) {
        assert_eq!(cbor::encode(&stated), bytes);
        let _ = stated.verify();
    }
    if let Ok(talk) = cbor::decode::<Talk>(bytes, MAX_TALK) {
        assert_eq!(cbor::encode(&talk), bytes);
        talked(&talk);
    }
    if let Ok(evidence) = cbor::decode::<Evidence<Standard>>(bytes, MOST) {
        assert_eq!(cbor::encode(&evidence), bytes);
        let (one, other) = (judge(&evidence, now), judge(&evidence, now));
        assert_eq!(one, other, "one finding for everybody");
    }
});

/// What is said before an exchange, by somebody who says anything.
fn talked(talk: &Talk) {
    let _ = talk.words();
    let (wishes, enclosed) = match talk {
        Talk::Propose { propose, enclosed, .. } => (&propose.body().wishes, enclosed),
        Talk::Select { select, enclosed } => (&select.body().wishes, enclosed),
        Talk::Counter { .. } | Talk::Conclude { .. } | Talk::Reject { .. } => return,
    };
    let deal = DealId::new(Digest::ZERO);
    let signer = &wishes.party.sign;
    if let Ok(parts) = package::read_wishes(&wishes.gives, enclosed, deal, signer) {
        let _ = package::satisfies(&parts, &[Wanted::Information("x".into())]);
    }
    let _ = negotiation::select(wishes, wishes, Digest::ZERO);
}
