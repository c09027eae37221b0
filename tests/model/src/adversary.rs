//! Whoever cheats: signs anything with its own keys, sees everything, does anything in any order.

mod others;

use semper_base::Digest;
use semper_exchange::bank::{Claim, Refund, Release, Waiver, order_for};
use semper_exchange::crypto::{Crypto as _, Signed};
use semper_exchange::manager::{Manager as _, Place, Secret};
use semper_exchange::message::{Accept, Deliver, Delivery, Promise, Settle, Token};
use semper_exchange::third::{self, Case};
use semper_exchange::verdict::{
    Abort, Answer, Complaint, Deposit, Request, Resolve, Verdict, Wish,
};
use semper_exchange::{Agreed, Half, Item, Message, Protocol, Role};
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
            others::replays(world, config, role, &mut moves);
            if !config.corrupt.has_honest_third_party() {
                others::third_party(world, config, role.other(), &mut moves);
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
                let of = Role::Originator;
                let body = Complaint { promise: promise.digest(), of, leaf, shares, proof };
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
