//! Exchanges on a stage: both persons decide, and then both have what they were promised, or
//! neither has anything. What the hosts' machines do about it is examined elsewhere.

use semper_base::{Digest, cbor};
use semper_exchange::package::Part;
use semper_exchange::standard::Standard;
use semper_exchange::{End, Mode, ThirdParty};
use semper_items::statement::{Content, PaymentConfirmation, PaymentOrder, Statement};
use semper_items::{Item, SignedStatement};
use serde_bytes::ByteBuf;

use super::{BANK, Seen, Stage};
use crate::calls::exchange::Begun;
use crate::context::Deal;
use crate::exchange::{Give, Got, Outcome, StageHolder, Till, receipt_names};
use crate::stop::{Stop, Waiting};

/// What each side has decided about an exchange: the buyer, the seller.
pub(super) type Decisions = [Option<bool>; 2];

impl Stage {
    pub(crate) fn till(&self, deal: &Deal) -> Till {
        Till {
            module: deal.agreement.payment.clone(),
            modes: vec![Mode::Hold],
            system: BANK.into(),
            key: self.cast.bank.key.public(),
            account: self.account(),
        }
    }

    pub(crate) fn holder(&self) -> StageHolder<'_> {
        StageHolder(&self.cast.player(self.side).deal)
    }

    /// The third party of every exchange on a stage; nobody asks it.
    pub(crate) fn third_party(&self) -> ThirdParty<Standard> {
        let sign = self.cast.bank.deal.public();
        ThirdParty { origin: "stage.example".into(), sign, seal: self.cast.bank.seal.public() }
    }

    /// Information that we give: the other side gets it when both have decided.
    pub(crate) fn keep_plain(&self, deal: &Deal, gives: &[Give]) {
        let mut table = self.cast.table();
        for give in gives {
            if let Give::Information(kind, body) = give {
                table.plain.insert((deal.id, self.side, kind.clone()), body.clone());
            }
        }
    }

    fn index(&self) -> usize {
        usize::from(self.side == semper_items::Side::Seller)
    }

    fn order(&self, deal: &Deal, part: &Part) -> Option<PaymentOrder> {
        let Part::Money { money, purpose } = part else { return None };
        Some(PaymentOrder {
            bank: BANK.into(),
            from: self.account(),
            to: money.payee.clone(),
            amount: money.amount,
            purpose: *purpose,
            reference: receipt_names(deal.id, purpose),
        })
    }

    /// The person's decision; why not.
    pub(crate) fn agree(&self, deal: &Deal, begun: &Begun<'_>) -> Result<(), String> {
        let mut said = Ok(());
        let mut paid = true;
        for part in &begun.ours.parts {
            let statement = match (part, self.order(deal, part)) {
                (Part::Statement { statement, .. }, _) => (**statement).clone(),
                (_, Some(order)) => {
                    let content = Content::PaymentOrder(order);
                    Statement { deal: deal.id, made: self.now(), content }
                }
                _ => continue,
            };
            let mut inner = self.lock();
            let one = inner.script.consent(&statement);
            inner.seen.push(Seen::Consent(Box::new(statement), one.clone()));
            said = said.and(one);
        }
        if said.is_ok() {
            for order in begun.ours.parts.iter().filter_map(|part| self.order(deal, part)) {
                let mut inner = self.lock();
                if inner.script.pay(&order).is_err() {
                    inner.seen.push(Seen::Unpaid);
                    paid = false;
                }
            }
        }
        if said.is_err() || !paid {
            self.decide(begun, false);
        }
        said
    }

    /// Our side begins to carry it out; it does not if there is not enough money.
    pub(crate) fn begin(&self, begun: &Begun<'_>) {
        self.decide(begun, true);
    }

    /// The first decision stands.
    fn decide(&self, begun: &Begun<'_>, goes_on: bool) {
        let mut table = self.cast.table();
        let decisions = table.decisions.entry(begun.agreement.subject()).or_default();
        decisions[self.index()].get_or_insert(goes_on);
    }

    /// How it has ended; [`Stop::Wait`] while the other side has not decided.
    pub(crate) fn carried_out(&self, deal: &Deal, begun: &Begun<'_>) -> Result<Outcome, Stop> {
        let decisions = {
            let table = self.cast.table();
            table.decisions.get(&begun.agreement.subject()).copied().unwrap_or_default()
        };
        let until = begun.agreement.accept_by;
        match decisions {
            [Some(true), Some(true)] => self.exchanged(deal, begun),
            [Some(false), _] | [_, Some(false)] => Ok(Outcome::Undone(End::Aborted)),
            _ if self.now() >= until => Ok(Outcome::Undone(End::Aborted)),
            _ => {
                let what = "the other side's decision".to_owned();
                Err(Stop::Wait(Waiting { what, until: Some(until), ..Waiting::default() }))
            }
        }
    }

    fn exchanged(&self, deal: &Deal, begun: &Begun<'_>) -> Result<Outcome, Stop> {
        for part in &begun.ours.parts {
            let seen = match (part, self.order(deal, part)) {
                (Part::Statement { statement, .. }, _) => {
                    let signed = self.cast.sign(self.side, statement).map_err(Stop::Service)?;
                    Seen::Sent(Item::Statement(signed.into()))
                }
                (_, Some(order)) => Seen::Paid(order),
                (Part::Information { kind, .. }, None) => Seen::Given(kind.clone()),
                _ => continue,
            };
            self.lock().seen.push(seen);
        }
        let got = begun.theirs.parts.iter().map(|part| self.got(deal, part));
        Ok(Outcome::Got(got.collect::<Result<_, _>>()?))
    }

    fn got(&self, deal: &Deal, part: &Part) -> Result<Got, Stop> {
        let other = self.side.other();
        Ok(match part {
            Part::Statement { statement, .. } => {
                let signed = self.cast.sign(other, statement).map_err(Stop::Service)?;
                Got::Signed(signed.into())
            }
            Part::Money { money, purpose } => {
                let fact = self.confirmation(deal, money.amount, &money.payee, *purpose)?;
                Got::Money { amount: money.amount, purpose: *purpose, fact: fact.into() }
            }
            Part::Information { kind, .. } => {
                let table = self.cast.table();
                let plain = table.plain.get(&(deal.id, other, kind.clone())).cloned();
                Got::Information(kind.clone(), plain.unwrap_or_else(ByteBuf::new))
            }
        })
    }

    fn confirmation(
        &self,
        deal: &Deal,
        amount: semper_base::Amount,
        to: &str,
        purpose: Digest,
    ) -> Result<Vec<u8>, Stop> {
        let content = Content::PaymentConfirmation(PaymentConfirmation {
            from: format!("acct:{}", self.side.other().name()),
            to: to.to_owned(),
            amount,
            purpose,
            payment_order: Digest::of(&cbor::encode(&(amount, purpose))),
            entry: 1,
        });
        let statement = Statement { deal: deal.id, made: self.now(), content };
        let bank = &self.cast.bank;
        SignedStatement::sign(&statement, &bank.key, bank.chain.clone())
            .map_err(|error| Stop::Service(error.to_string()))
    }
}
