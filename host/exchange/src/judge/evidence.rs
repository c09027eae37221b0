//! The evidence that is laid before the judge: everything that either side, the third party or a
//! bank has signed about one exchange. It is stored and handed on as one file.

use std::collections::HashSet;
use std::hash::Hash;

use semper_base::Digest;
use semper_items::Hold;
use serde::{Deserialize, Serialize};

use crate::agreement::Agreed;
use crate::bank::Fact;
use crate::crypto::{Crypto, Signed};
use crate::item::{Money, Role};
use crate::manager::{Place, Secret};
use crate::message::{Accept, Deliver, Promise, Settle, Token};
use crate::party::Kept;
use crate::verdict::{Answer, Decided, Decision, Request};

/// Everything signed that anybody lays before the judge.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Evidence<C: Crypto> {
    /// The agreement: it names keys, items and dates.
    pub agreement: Agreed<C>,
    /// Promises of the originator (X1); two different ones convict it.
    pub promises: Vec<Signed<C, Promise<C>>>,
    /// Acceptances of the responder (X2).
    pub accepts: Vec<Signed<C, Accept<C>>>,
    /// Deliveries of the originator (X3).
    pub delivers: Vec<Signed<C, Deliver<C>>>,
    /// Settlements of the responder (X4).
    pub settles: Vec<Signed<C, Settle<C>>>,
    /// Requests to the third party.
    pub requests: Vec<Request<C>>,
    /// The third party's answers: notes of receipt, verdicts, rejections.
    pub answers: Vec<Answer<C>>,
    /// The payment systems' signed facts.
    pub facts: Vec<Signed<C, Fact<C>>>,
    /// Rebuttals by which an accused originator clears itself.
    pub rebuttals: Vec<Rebuttal<C>>,
}

/// The share and seed of an escrow: sealed again, they give the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Rebuttal<C: Crypto> {
    /// The side whose escrow was called bad.
    pub from: Role,
    /// The number of the leaf in that side's leg.
    pub leaf: u32,
    /// The share that was sealed to the third party.
    pub share: C::Share,
    /// The seed by which it was sealed: the same bytes come out again.
    pub seed: Digest,
}

impl<C: Crypto> Evidence<C> {
    /// Nothing but the agreement.
    pub const fn of(agreement: Agreed<C>) -> Self {
        Self {
            agreement,
            promises: Vec::new(),
            accepts: Vec::new(),
            delivers: Vec::new(),
            settles: Vec::new(),
            requests: Vec::new(),
            answers: Vec::new(),
            facts: Vec::new(),
            rebuttals: Vec::new(),
        }
    }

    /// Adds what a party has kept.
    #[must_use]
    pub fn with(mut self, kept: &Kept<C>) -> Self {
        self.promises.extend(kept.promise.clone());
        self.accepts.extend(kept.accept.clone());
        self.delivers.extend(kept.deliver.clone());
        self.settles.extend(kept.settle.clone());
        self.requests.extend(kept.request.clone());
        self.answers.extend(kept.answers.iter().cloned());
        self.facts.extend(kept.facts.iter().cloned());
        self
    }

    /// Adds how one's own escrow was made, if a verdict calls it bad; otherwise it stays a secret,
    /// since it opens the information.
    pub fn rebut(&mut self, from: Role, secrets: &[Secret<C>]) {
        let accused: Vec<u32> = self
            .decided()
            .filter_map(|it| match &it.verdict.body().decision {
                Decision::Fault { culprit, leaf, complaint: None, .. } if *culprit == from => {
                    Some(*leaf)
                }
                _ => None,
            })
            .collect();
        for leaf in accused {
            let secret = usize::try_from(leaf).ok().and_then(|it| secrets.get(it));
            let Some(Secret::Shares { escrowed, seeds, .. }) = secret else { continue };
            let (share, seed) = (escrowed.clone(), seeds.0);
            self.rebuttals.push(Rebuttal { from, leaf, share, seed });
        }
    }

    /// All facts of payment systems, also those inside of promises and acceptances: where a payment
    /// is made before the acceptance, its payee has the fact there alone.
    pub(super) fn facts(&self) -> impl Iterator<Item = &Signed<C, Fact<C>>> {
        let roles = [Role::Originator, Role::Responder].into_iter();
        let told = roles.flat_map(|role| self.tokens(role)).flatten();
        let told = told.filter_map(|token| match token {
            Token::Fact(fact) => Some(&**fact),
            _ => None,
        });
        self.facts.iter().chain(told)
    }

    /// Whether its payment system says that money has gone to its payee.
    pub(super) fn is_released(&self, place: Place<'_, C>, money: &Money<C>) -> bool {
        self.facts().any(|fact| {
            money.is_about(place, fact) && fact.body().hold == Hold::Released(money.amount)
        })
    }

    /// Adds other evidence of the same exchange.
    pub(super) fn merge(&mut self, other: Self) {
        self.promises.extend(other.promises);
        self.accepts.extend(other.accepts);
        self.delivers.extend(other.delivers);
        self.settles.extend(other.settles);
        self.requests.extend(other.requests);
        self.answers.extend(other.answers);
        self.facts.extend(other.facts);
        self.rebuttals.extend(other.rebuttals);
    }

    /// What is there twice is there once.
    pub(super) fn once(&mut self) {
        once(&mut self.promises);
        once(&mut self.accepts);
        once(&mut self.delivers);
        once(&mut self.settles);
        once(&mut self.requests);
        once(&mut self.answers);
        once(&mut self.facts);
        once(&mut self.rebuttals);
    }

    /// The tokens of each promise that this side has signed.
    pub(super) fn tokens(&self, role: Role) -> impl Iterator<Item = &[Token<C>]> {
        let (subject, key) = (self.agreement.subject(), self.agreement.party(role).sign);
        let promises = self.promises().filter(move |it| {
            role == Role::Originator
                && it.body().agreement.subject() == subject
                && it.is_by(&key, subject)
        });
        let accepts =
            self.accepts().filter(move |it| role == Role::Responder && it.is_by(&key, subject));
        let promises = promises.map(|it| it.body().tokens.as_slice());
        promises.chain(accepts.map(|it| it.body().tokens.as_slice()))
    }

    /// All promises, also those inside of answers.
    pub(super) fn promises(&self) -> impl Iterator<Item = &Signed<C, Promise<C>>> {
        let answered = self.decided().filter_map(|it| it.promise.as_ref());
        let asked = self.requests.iter().map(|it| &it.promise);
        self.promises.iter().chain(answered).chain(asked)
    }

    pub(super) fn accepts(&self) -> impl Iterator<Item = &Signed<C, Accept<C>>> {
        let answered = self.decided().filter_map(|it| it.accept.as_ref());
        let asked = self.requests.iter().filter_map(|it| it.accept.as_ref());
        self.accepts.iter().chain(answered).chain(asked)
    }

    pub(super) fn decided(&self) -> impl Iterator<Item = &Decided<C>> {
        self.answers.iter().filter_map(|answer| match answer {
            Answer::Decided(decided) => Some(&**decided),
            _ => None,
        })
    }
}

fn once<T: Clone + Eq + Hash>(all: &mut Vec<T>) {
    let mut seen = HashSet::new();
    all.retain(|it| seen.insert(it.clone()));
}
