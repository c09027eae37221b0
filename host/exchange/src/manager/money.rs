//! Money: held or paid by a payment system, whose signed facts are the tokens. It is here when
//! the payment system says so.

use semper_items::Hold;
use semper_items::Mode;

use super::{Manager, Place, Plan, Received, Secret, Worth};
use crate::agreement::Protocol;
use crate::bank::{Claim, Fact, Release, Waiver};
use crate::crypto::{Crypto, Holder, HolderError, Signed};
use crate::item::{Fraud, Money, Role};
use crate::message::{Delivery, Token};
use crate::mutation::{Rule, leaves_out};
use crate::verdict::{Decided, Replacement};

impl<C: Crypto> Money<C> {
    /// Whether a fact is this payment system's word about this leaf.
    pub fn is_about(&self, place: Place<'_, C>, fact: &Signed<C, Fact<C>>) -> bool {
        fact.body().leaf == place.name() && fact.is_by(&self.bank, place.subject())
    }

    /// Whether the payment system says that the money is held, or paid, as agreed.
    fn is_as_agreed(&self, place: Place<'_, C>, fact: &Signed<C, Fact<C>>) -> bool {
        let order = crate::bank::order_for(place.agreement, place.from);
        let ordered = order.map(|it| C::digest(<crate::bank::Order<C> as crate::Body>::KIND, &it));
        let held = match (self.mode, fact.body().hold) {
            (Mode::Hold | Mode::HashLock, Hold::Held(terms))
            | (Mode::Reversible, Hold::Provisional { terms, .. }) => {
                let lasts = terms.until >= place.agreement.lock_until;
                terms.amount == self.amount && (lasts || leaves_out(Rule::LockOutlives))
            }
            (Mode::Reversible | Mode::Fenced | Mode::Plain, Hold::Released(amount)) => {
                amount == self.amount
            }
            _ => false,
        };
        let same = (fact.body().order == ordered && ordered.is_some())
            || leaves_out(Rule::LockOutlives)
            || leaves_out(Rule::LockAsAgreed);
        held && same && self.is_about(place, fact)
    }

    fn fact<'a>(
        &self,
        place: Place<'_, C>,
        facts: &'a [Signed<C, Fact<C>>],
    ) -> Option<&'a Signed<C, Fact<C>>> {
        facts.iter().find(|fact| self.is_as_agreed(place, fact))
    }
}

impl<C: Crypto> Manager<C> for Money<C> {
    fn promise(
        &self,
        place: Place<'_, C>,
        _: &Secret<C>,
        facts: &[Signed<C, Fact<C>>],
    ) -> Token<C> {
        match self.fact(place, facts) {
            Some(fact) => Token::Fact(Box::new(fact.clone())),
            None => Token::Nothing,
        }
    }

    fn evident(&self, place: Place<'_, C>, token: &Token<C>) -> Worth {
        // The originator pays its leg of two payments only after the responder has.
        let later = place.agreement.protocol == Protocol::Rr && place.from == Role::Originator;
        match token {
            Token::Nothing if later => Worth::Good,
            Token::Fact(fact) if self.is_as_agreed(place, fact) => Worth::Good,
            _ => Worth::Bad,
        }
    }

    fn deliver(
        &self,
        place: Place<'_, C>,
        _: &Secret<C>,
        facts: &[Signed<C, Fact<C>>],
        holder: &impl Holder<C>,
    ) -> Result<Delivery<C>, HolderError> {
        let leaf = place.name();
        Ok(match (place.agreement.protocol, self.mode) {
            (Protocol::Rr, _) => match self.fact(place, facts) {
                Some(fact) => {
                    let waiver = Signed::new(holder, place.subject(), Waiver { leaf })?;
                    Delivery::Waiver(Box::new(fact.clone()), waiver)
                }
                None => Delivery::Before,
            },
            (_, Mode::Hold) => {
                Delivery::Release(Signed::new(holder, place.subject(), Release { leaf })?)
            }
            _ => Delivery::Before,
        })
    }

    fn accept(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        item: &Delivery<C>,
        _: &impl Holder<C>,
    ) -> Result<Received<C>, HolderError> {
        let payer = &place.agreement.party(place.from).sign;
        Ok(match item {
            Delivery::Release(release)
                if self.mode == Mode::Hold
                    && release.body().leaf == place.name()
                    && release.is_by(payer, place.subject()) =>
            {
                Received::Claim(Claim::Release(release.clone()))
            }
            Delivery::Waiver(fact, waiver)
                if self.is_as_agreed(place, fact)
                    && waiver.body().leaf == place.name()
                    && waiver.is_by(payer, place.subject()) =>
            {
                Received::Claim(Claim::Waiver(waiver.clone()))
            }
            Delivery::Before
                if place.agreement.protocol.pays(place.from)
                    && place.agreement.protocol != Protocol::Rr =>
            {
                match self.evident(place, token) {
                    Worth::Good => Received::Here,
                    _ => Received::Bad,
                }
            }
            Delivery::Before if self.mode == Mode::HashLock => Received::Here,
            _ => Received::Bad,
        })
    }

    fn can_generate(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        _: &impl Holder<C>,
    ) -> Result<Result<Plan<C>, Fraud>, HolderError> {
        let good = self.evident(place, token) == Worth::Good;
        Ok(if good { Ok(Plan::Verdict) } else { Err(Fraud::Key) })
    }

    fn accept_replacement(
        &self,
        _: Place<'_, C>,
        _: &Token<C>,
        replacement: &Replacement<C>,
        decided: &Decided<C>,
        _: &impl Holder<C>,
    ) -> Result<Received<C>, HolderError> {
        Ok(match replacement {
            Replacement::Verdict => {
                Received::Claim(Claim::Verdict(Box::new(decided.verdict.clone())))
            }
            _ => Received::Bad,
        })
    }
}
