//! What others than the two sides say: a corrupt third party, and another exchange.

use semper_base::Digest;
use semper_exchange::crypto::Signed;
use semper_exchange::manager::Secret;
use semper_exchange::message::{Accept, Deliver, Delivery, Promise, Token};
use semper_exchange::third;
use semper_exchange::verdict::{
    Abort, Answer, Asked, Decided, Decision, Replacement, Request, Resolve, Submitted, Verdict,
    Wish,
};
use semper_exchange::{Agreed, Fraud, Item, Leaf, Message, Protocol, Role};

use super::{S, sign};
use crate::symbolic::{Hand, Who, digest};
use crate::world::{Cheat, Config, World, key};

/// Things of another exchange, brought into this one, and the other way round.
pub(super) fn replays(world: &World, config: &Config, role: Role, moves: &mut Vec<Cheat>) {
    let honest = role.other();
    let agreement = &config.setup.agreement;
    let at = world.date.time();
    let elsewhere = digest("another exchange", &0);
    // An abort of an older exchange, by the honest third party, at the honest side's wish.
    let third = Hand { who: Who::ThirdParty };
    let asker = Hand { who: Who::Originator };
    let asked = sign(&asker, elsewhere, Abort { promise: Digest::ZERO, role: Role::Originator });
    let asked = Asked::Abort(Role::Originator, asked.detached());
    let decision = Decision::Abort { asked, facts: Vec::new() };
    let verdict = sign(&third, elsewhere, Verdict { decision, at });
    let decided = Decided { verdict, promise: None, accept: None, replacements: Vec::new() };
    moves.push(Cheat::Answer(honest, Answer::Decided(Box::new(decided))));
    let own = Hand { who: key(role) };
    let escrowed = |secrets: &[Secret<S>]| -> Vec<Delivery<S>> {
        let key = |it: &Secret<S>| match it {
            Secret::Shares { escrowed, .. } => Delivery::Key(*escrowed),
            Secret::Nothing => Delivery::Before,
        };
        secrets.iter().map(key).collect()
    };
    // A delivery of another exchange.
    if role == Role::Originator && !world.net.keys().any(|it| it.0 == 3) {
        let items = escrowed(&config.setup.originator);
        let body = Deliver { accept: elsewhere, items };
        moves.push(Cheat::Send(Message::Deliver(sign(&own, elsewhere, body))));
    }
    // The honest originator's escrow, in an exchange that we make with ourselves.
    if role != Role::Responder || world.leaked || !config.corrupt.has_honest_third_party() {
        return;
    }
    for message in world.net.values() {
        let Message::Promise(promise) = message else { continue };
        let mut exchange = (**agreement).clone();
        exchange.originator.sign = Who::Accomplice;
        exchange.originator.seal = Who::Accomplice;
        exchange.nonces[0] = elsewhere;
        let statement = digest("anything", &0);
        let item = Item::Statement { statement, signer: Who::Responder, affidavit: true };
        exchange.from_responder = vec![Leaf { path: "0".into(), item }];
        let statements =
            exchange.from_originator.iter().any(|leaf| !matches!(leaf.item, Item::Information(_)));
        let Ok(ours) = Agreed::new(exchange) else { continue };
        if statements || ours.protocol != Protocol::Gg {
            continue;
        }
        let (them, us) = (Hand { who: Who::Accomplice }, Hand { who: Who::Responder });
        let subject = ours.subject();
        let body = Promise { agreement: ours, tokens: promise.body().tokens.clone() };
        let promise = sign(&them, subject, body);
        let accept = Accept { promise: promise.digest(), tokens: vec![Token::Nothing] };
        let accept = sign(&us, subject, accept);
        let resolve = Resolve {
            promise: promise.digest(),
            accept: Some(accept.digest()),
            role: Role::Responder,
        };
        let wish = Wish::Resolve(sign(&us, subject, resolve));
        moves.push(Cheat::Oracle(Request { wish, promise, accept: Some(accept) }));
    }
}

/// What a corrupt third party answers an honest side: everything that it can sign.
pub(super) fn third_party(world: &World, config: &Config, to: Role, moves: &mut Vec<Cheat>) {
    // Two are enough to contradict each other.
    if world.issued.len() >= 2 {
        return;
    }
    let hand = Hand { who: Who::ThirdParty };
    let agreement = &config.setup.agreement;
    let subject = agreement.subject();
    let at = world.date.time();
    let promises: Vec<_> = world
        .net
        .values()
        .filter_map(|it| match it {
            Message::Promise(promise) => Some(promise.clone()),
            _ => None,
        })
        .chain(world.asked.values().map(|it| it.promise.clone()))
        .collect();
    let accepts: Vec<_> = world
        .net
        .values()
        .filter_map(|it| match it {
            Message::Accept(accept) => Some(accept.clone()),
            _ => None,
        })
        .chain(world.asked.values().filter_map(|it| it.accept.clone()))
        .collect();
    let mut notes = Vec::new();
    let mut issue = |decision: Decision<S>,
                     promise: Option<&Signed<S, Promise<S>>>,
                     accept: Option<&Signed<S, Accept<S>>>| {
        let verdict = sign(&hand, subject, Verdict { decision, at });
        let mut replacements: Vec<Replacement<S>> = Vec::new();
        if let (Decision::Complete { .. }, Some(promise)) = (&verdict.body().decision, promise) {
            let stored = third::Stored {
                verdict: verdict.body().clone(),
                promise: promise.clone(),
                accept: accept.cloned(),
                deposits: (None, None),
                after: None,
            };
            if let Ok(Answer::Decided(decided)) = third::answer(&stored, to, &hand) {
                replacements = decided.replacements;
            }
        }
        let (promise, accept) = (promise.cloned(), accept.cloned());
        let decided = Decided { verdict, promise, accept, replacements };
        moves.push(Cheat::Answer(to, Answer::Decided(Box::new(decided))));
    };
    // An abort that rests on nothing: a request that nobody has made.
    let made_up = sign(&hand, subject, Abort { promise: Digest::ZERO, role: Role::Originator });
    let asked = Asked::Abort(Role::Originator, made_up.detached());
    issue(Decision::Abort { asked, facts: Vec::new() }, None, None);
    // The corrupt originator's accomplice can sign a real one.
    if !config.corrupt.is_honest(Role::Originator) {
        let own = Hand { who: Who::Originator };
        let real = sign(&own, subject, Abort { promise: Digest::ZERO, role: Role::Originator });
        let asked = Asked::Abort(Role::Originator, real.detached());
        issue(Decision::Abort { asked, facts: Vec::new() }, None, None);
    }
    for request in world.asked.values() {
        let asked = match &request.wish {
            Wish::Abort(it) => Asked::Abort(it.body().role, it.detached()),
            // Somebody's wish to complete, taken for one to abort.
            Wish::Resolve(it) => Asked::Abort(it.body().role, it.detached()),
            _ => continue,
        };
        issue(Decision::Abort { asked, facts: Vec::new() }, Some(&request.promise), None);
    }
    let from = at.after(std::time::Duration::from_millis(agreement.dispute_ms));
    let deadline = at.after(std::time::Duration::from_millis(third::DECIDE_MS));
    for request in world.asked.values() {
        let body = Submitted { request: request.wish.digest(), at, decide_by: deadline };
        notes.push(Answer::Submitted(sign(&hand, subject, body)));
    }
    for promise in &promises {
        let mut candidates: Vec<Signed<S, Accept<S>>> = accepts.clone();
        if !config.corrupt.is_honest(Role::Responder) {
            let own = Hand { who: Who::Responder };
            let tokens = vec![Token::Nothing; agreement.from_responder.len()];
            candidates.push(sign(&own, subject, Accept { promise: promise.digest(), tokens }));
        }
        for accept in &candidates {
            let (one, other) = (promise.detached(), Some(accept.detached()));
            issue(
                Decision::Complete {
                    promise: one.clone(),
                    accept: other.clone(),
                    facts: Vec::new(),
                    from,
                },
                Some(promise),
                Some(accept),
            );
            let fault = Decision::Fault {
                culprit: Role::Originator,
                fraud: Fraud::Key,
                leaf: 0,
                promise: one,
                accept: other,
                complaint: None,
                after: None,
            };
            issue(fault, Some(promise), Some(accept));
        }
    }
    moves.extend(notes.into_iter().map(|note| Cheat::Answer(to, note)));
}
