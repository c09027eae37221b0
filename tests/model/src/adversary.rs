//! Whoever cheats: signs anything with its own keys, sees everything, does anything in any order.

use semper_base::Digest;
use semper_exchange::bank::{Claim, Refund, Release, Waiver, order_for};
use semper_exchange::crypto::{Crypto as _, Signed};
use semper_exchange::manager::{Manager as _, Place, Secret};
use semper_exchange::message::{Accept, Deliver, Delivery, Promise, Settle, Token};
use semper_exchange::third::{self, Case};
use semper_exchange::verdict::{
    Abort, Answer, Asked, Complaint, Decided, Decision, Deposit, Replacement, Request, Resolve,
    Submitted, Verdict, Wish,
};
use semper_exchange::{Agreed, Fraud, Half, Item, Leaf, Message, Protocol, Role};
use semper_ledger::Hold;

use crate::symbolic::{Hand, Symbolic, Who, digest, no_proof, proof};
use crate::world::{Cheat, Config, World, key, rank};

type S = Symbolic;

/// Everything that the corrupt can do now that may change something.
pub fn moves(world: &World, config: &Config) -> Vec<Cheat> {
    let mut moves = Vec::new();
    for role in [Role::Originator, Role::Responder] {
        if !config.corrupt.is_honest(role) {
            let hand = Hand { who: key(role) };
            let mut cheater = Cheater { world, config, role, hand, moves: &mut moves };
            cheater.bank();
            match role {
                Role::Originator => cheater.originator(),
                Role::Responder => cheater.responder(),
            }
            replays(world, config, role, &mut moves);
            if !config.corrupt.has_honest_third_party() {
                third_party(world, config, role.other(), &mut moves);
            }
        }
    }
    moves
}

struct Cheater<'a> {
    world: &'a World,
    config: &'a Config,
    role: Role,
    hand: Hand,
    moves: &'a mut Vec<Cheat>,
}

/// Signs; symbols are never away.
fn sign<B: semper_exchange::Body>(hand: &Hand, subject: Digest, body: B) -> Signed<S, B> {
    Signed::new(hand, subject, body).unwrap_or_else(|_| unreachable!("symbols are never away"))
}

impl Cheater<'_> {
    fn agreement(&self) -> &Agreed<S> {
        &self.config.setup.agreement
    }

    fn subject(&self) -> Digest {
        self.agreement().subject()
    }

    fn secrets(&self) -> &[Secret<S>] {
        match self.role {
            Role::Originator => &self.config.setup.originator,
            Role::Responder => &self.config.setup.responder,
        }
    }

    fn send(&mut self, message: Message<S>) {
        // Two of a kind are enough to contradict each other.
        let rank = rank(&message);
        let alike = self.world.net.keys().filter(|it| it.0 == rank.0).count();
        if alike < 2 && !self.world.net.contains_key(&rank) {
            self.moves.push(Cheat::Send(message));
        }
    }

    fn ask(
        &mut self,
        wish: Wish<S>,
        promise: &Signed<S, Promise<S>>,
        accept: Option<&Signed<S, Accept<S>>>,
    ) {
        if self.config.corrupt.has_honest_third_party() {
            let request = Request { wish, promise: promise.clone(), accept: accept.cloned() };
            self.moves.push(Cheat::Ask(request));
        }
    }

    /// Our tokens: as they should be, and as they should not.
    fn tokens(&self) -> Vec<Vec<Token<S>>> {
        let agreement = self.agreement();
        let third = agreement.third_party.sign;
        let mut good = Vec::new();
        let mut bad = Vec::new();
        let mut moved = Vec::new();
        for (index, leaf) in agreement.gives(self.role).iter().enumerate() {
            let place = Place { agreement, from: self.role, index };
            let secret = self.secrets().get(index).unwrap_or(&Secret::Nothing);
            let mut facts = Vec::new();
            if let Item::Money(_) = &leaf.item {
                let mut bank = self.world.bank.clone();
                let name = (place.name(), agreement.subject());
                let now = self.world.date.time();
                facts.extend(bank.claim(third, name, &Claim::Look, now));
            }
            let token = leaf.item.promise(place, secret, &facts);
            bad.push(match (&token, secret) {
                (Token::Escrow { share, .. }, _) => {
                    let escrow = S::seal(&third, Half::Escrowed, &place.name(), &99, &Digest::ZERO);
                    Token::Escrow { escrow, share: share.clone() }
                }
                // Without the certificate it is only escrowed, and falsely.
                (Token::Certified { share, .. }, _) => {
                    let escrow = S::seal(&third, Half::Escrowed, &place.name(), &99, &Digest::ZERO);
                    Token::Escrow { escrow, share: share.clone() }
                }
                (Token::Fact(_), _) => Token::Nothing,
                (other, _) => other.clone(),
            });
            moved.push(match (&token, secret) {
                (Token::Escrow { share, .. }, Secret::Shares { escrowed, .. }) => {
                    let escrow = S::seal(
                        &third,
                        Half::Escrowed,
                        &digest("elsewhere", &0),
                        escrowed,
                        &Digest::ZERO,
                    );
                    Token::Escrow { escrow, share: share.clone() }
                }
                (other, _) => other.clone(),
            });
            good.push(token);
        }
        let mut all = vec![good];
        for more in [bad, moved] {
            if !all.contains(&more) {
                all.push(more);
            }
        }
        all
    }

    fn items(&self) -> Vec<Delivery<S>> {
        let agreement = self.agreement();
        let leaves = agreement.gives(self.role).iter().enumerate();
        leaves
            .map(|(index, leaf)| {
                let place = Place { agreement, from: self.role, index };
                let secret = self.secrets().get(index).unwrap_or(&Secret::Nothing);
                let mut facts = Vec::new();
                if let Item::Money(_) = &leaf.item {
                    let mut bank = self.world.bank.clone();
                    let third = agreement.third_party.sign;
                    let name = (place.name(), agreement.subject());
                    let now = self.world.date.time();
                    facts.extend(bank.claim(third, name, &Claim::Look, now));
                }
                let given = leaf.item.deliver(place, secret, &facts, &self.hand);
                given.unwrap_or(Delivery::Before)
            })
            .collect()
    }

    fn originator(&mut self) {
        let subject = self.subject();
        let mut promises: Vec<Signed<S, Promise<S>>> = Vec::new();
        for tokens in self.tokens() {
            let body = Promise { agreement: self.agreement().clone(), tokens };
            promises.push(sign(&self.hand, subject, body));
        }
        for message in self.world.net.values() {
            if let Message::Promise(promise) = message
                && !promises.contains(promise)
            {
                promises.push(promise.clone());
            }
        }
        let accepts: Vec<Signed<S, Accept<S>>> = self
            .world
            .net
            .values()
            .filter_map(|it| match it {
                Message::Accept(accept) => Some(accept.clone()),
                _ => None,
            })
            .collect();
        for promise in &promises {
            self.send(Message::Promise(promise.clone()));
            let abort = Abort { promise: promise.digest(), role: Role::Originator };
            let abort = Wish::Abort(sign(&self.hand, subject, abort));
            self.ask(abort, promise, None);
            for accept in accepts.iter().map(Some).chain([None]) {
                let resolve = Resolve {
                    promise: promise.digest(),
                    accept: accept.map(Signed::digest),
                    role: Role::Originator,
                };
                let resolve = Wish::Resolve(sign(&self.hand, subject, resolve));
                self.ask(resolve, promise, accept);
            }
        }
        for accept in &accepts {
            let items = self.items();
            let deliver = Deliver { accept: accept.digest(), items: items.clone() };
            self.send(Message::Deliver(sign(&self.hand, subject, deliver)));
            // A reflection: the responder's own words back at it, under our key.
            let mirrored = sign(&self.hand, subject, accept.body().clone());
            self.send(Message::Accept(mirrored));
            if self.agreement().protocol == Protocol::Inline {
                let body = Deposit { accept: accept.digest(), role: Role::Originator, items };
                for promise in &promises {
                    let deposit = Wish::Deposit(sign(&self.hand, subject, body.clone()));
                    self.ask(deposit, promise, Some(accept));
                }
            }
        }
    }

    fn responder(&mut self) {
        let subject = self.subject();
        let promises: Vec<Signed<S, Promise<S>>> = self
            .world
            .net
            .values()
            .filter_map(|it| match it {
                Message::Promise(promise) => Some(promise.clone()),
                _ => None,
            })
            .collect();
        for promise in &promises {
            let abort = Abort { promise: promise.digest(), role: Role::Responder };
            let abort = Wish::Abort(sign(&self.hand, subject, abort));
            self.ask(abort, promise, None);
            let mut accepts = Vec::new();
            for tokens in self.tokens() {
                let body = Accept { promise: promise.digest(), tokens };
                accepts.push(sign(&self.hand, subject, body));
            }
            // One that answers another promise.
            let mut elsewhere = accepts[0].body().clone();
            elsewhere.promise = digest("elsewhere", &1);
            self.send(Message::Accept(sign(&self.hand, subject, elsewhere)));
            for accept in accepts.iter().map(Some).chain([None]) {
                let resolve = Resolve {
                    promise: promise.digest(),
                    accept: accept.map(Signed::digest),
                    role: Role::Responder,
                };
                let resolve = Wish::Resolve(sign(&self.hand, subject, resolve));
                self.ask(resolve, promise, accept);
            }
            for accept in &accepts {
                self.send(Message::Accept(accept.clone()));
                self.complain(promise, accept);
                if self.agreement().protocol == Protocol::Inline {
                    let items = self.items();
                    let body = Deposit { accept: accept.digest(), role: Role::Responder, items };
                    let deposit = Wish::Deposit(sign(&self.hand, subject, body));
                    self.ask(deposit, promise, Some(accept));
                }
            }
        }
        for message in self.world.net.values() {
            if let Message::Deliver(deliver) = message {
                let settle = Settle { deliver: deliver.digest(), items: self.items() };
                self.send(Message::Settle(sign(&self.hand, subject, settle)));
            }
        }
    }

    /// Complains about information that is good, or is not.
    fn complain(&mut self, promise: &Signed<S, Promise<S>>, accept: &Signed<S, Accept<S>>) {
        let subject = self.subject();
        for (index, leaf) in self.agreement().clone().from_originator.iter().enumerate() {
            let Item::Information(_) = &leaf.item else { continue };
            let Some(Secret::Shares { escrowed, peers, .. }) =
                self.config.setup.originator.get(index)
            else {
                continue;
            };
            let leaf = u32::try_from(index).unwrap_or(0);
            for proof in [proof(), no_proof()] {
                let shares = (*escrowed, *peers);
                let body = Complaint { promise: promise.digest(), leaf, shares, proof };
                let wish = Wish::Complain(Box::new(sign(&self.hand, subject, body)));
                self.ask(wish, promise, Some(accept));
            }
        }
    }

    /// What we order and claim at the bank.
    fn bank(&mut self) {
        let agreement = self.agreement().clone();
        let subject = agreement.subject();
        if let Some(order) = order_for(&agreement, self.role) {
            let mut short = order.clone();
            short.until = crate::setup::Date::Late.time();
            let mut other = order.clone();
            other.payee = "ourselves".into();
            let mut strange = order.clone();
            strange.third_party = Who::Accomplice;
            let third = agreement.third_party.sign;
            if self.world.bank.row(third, order.leaf).is_none() {
                self.moves.push(Cheat::Hold(order));
                if self.config.corrupt.has_honest_third_party() {
                    self.moves.extend([short, other].map(Cheat::Hold));
                }
            }
            if self.config.mutated {
                self.moves.push(Cheat::Hold(strange));
            }
        }
        for payer in [Role::Originator, Role::Responder] {
            let Some((index, _)) = agreement.money(payer) else { continue };
            let leaf = agreement.leaf(payer, index);
            let row = self.world.bank.row(agreement.third_party.sign, leaf);
            if row.is_none_or(|row| !matches!(row.hold, Hold::Held(_) | Hold::Provisional { .. })) {
                continue;
            }
            let mut claims = Vec::new();
            if payer == self.role {
                claims.push(Claim::Release(sign(&self.hand, subject, Release { leaf })));
                claims.push(Claim::Waiver(sign(&self.hand, subject, Waiver { leaf })));
                claims.push(Claim::Refund(sign(&self.hand, subject, Refund { leaf })));
            } else {
                claims.push(Claim::Refund(sign(&self.hand, subject, Refund { leaf })));
                claims.push(Claim::Release(sign(&self.hand, subject, Release { leaf })));
            }
            claims.extend(self.overheard());
            for secret in self.secrets() {
                if let Secret::Shares { escrowed, .. } = secret {
                    claims.push(Claim::Open(*escrowed));
                }
            }
            claims.extend(self.verdicts().into_iter().map(|it| Claim::Verdict(Box::new(it))));
            self.moves.extend(claims.into_iter().map(|claim| Cheat::Claim(payer, claim)));
        }
    }

    /// Releases and waivers that the honest have sent.
    fn overheard(&self) -> Vec<Claim<S>> {
        let mut claims = Vec::new();
        for message in self.world.net.values() {
            let items = match message {
                Message::Deliver(it) => &it.body().items,
                Message::Settle(it) => &it.body().items,
                _ => continue,
            };
            for item in items {
                match item {
                    Delivery::Release(it) => claims.push(Claim::Release(it.clone())),
                    Delivery::Waiver(_, it) => claims.push(Claim::Waiver(it.clone())),
                    _ => {}
                }
            }
        }
        claims
    }

    /// Verdicts that we can have.
    fn verdicts(&self) -> Vec<Signed<S, Verdict<S>>> {
        let mut all: Vec<_> = self.world.issued.values().cloned().collect();
        if let Some(Case::Decided(stored)) = &self.world.case {
            let hand = self.config.hand(Who::ThirdParty);
            for role in [Role::Originator, Role::Responder] {
                if let Ok(Answer::Decided(decided)) = third::answer(stored, role, &hand) {
                    all.push(decided.verdict);
                }
            }
        }
        all
    }
}

/// Things of another exchange, brought into this one, and the other way round.
fn replays(world: &World, config: &Config, role: Role, moves: &mut Vec<Cheat>) {
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
fn third_party(world: &World, config: &Config, to: Role, moves: &mut Vec<Cheat>) {
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
