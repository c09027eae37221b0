//! Exchanges on a stage: both persons decide, and then both have what they were promised, or
//! neither has anything. What the hosts' machines do about it is examined elsewhere.

use semper_base::{Amount, Digest, SigningKey, cbor};
use semper_exchange::crypto::{Body, Crypto as _, Half, Holder, HolderError, Named};
use semper_exchange::information::Proof;
use semper_exchange::item::Information;
use semper_exchange::package::Part;
use semper_exchange::standard::{self, Sealed, Share, Signature, Standard};
use semper_exchange::{End, Mode, ThirdParty};
use semper_items::Item;
use semper_items::statement::{Content, PaymentConfirmation, PaymentOrder, Statement};
use serde_bytes::ByteBuf;

use semper_runtime::World as _;
use semper_runtime::exchange::{Begun, Give, Got, Outcome, Till, receipt_names};
use semper_runtime::stop::{Stop, Waiting};
use semper_trust::trustfile::BelievedThirdParty;

use super::{BANK, Seen, Stage};

/// What each side has decided about an exchange: the buyer, the seller.
pub(super) type Decisions = [Option<bool>; 2];

impl Stage {
    pub(super) fn own_till(&self) -> Till {
        Till {
            module: self.deal.agreement.payment.clone(),
            modes: vec![Mode::Hold],
            system: BANK.into(),
            key: self.cast.bank.key.public(),
            account: self.own_account(),
        }
    }

    pub(super) fn holder(&self) -> StageHolder<'_> {
        StageHolder(&self.cast.player(self.side).deal)
    }

    /// The third party of every exchange on a stage; nobody asks it.
    pub(super) fn third_party(&self) -> BelievedThirdParty {
        let (sign, seal) = (self.cast.bank.deal.public(), self.cast.bank.seal.public());
        let named = ThirdParty { origin: "stage.example".into(), sign, seal };
        BelievedThirdParty {
            named,
            address: "https://stage.example".into(),
            banks: vec![BANK.into()],
            fee: None,
        }
    }

    /// Information that we give: the other side gets it when both have decided.
    pub(super) fn keep_plain(&self, gives: &[Give]) {
        let mut table = self.cast.table();
        for give in gives {
            if let Give::Information(kind, body) = give {
                table.plain.insert((self.deal.id, self.side, kind.clone()), body.clone());
            }
        }
    }

    fn index(&self) -> usize {
        usize::from(self.side == semper_items::Side::Seller)
    }

    fn order(&self, part: &Part) -> Option<PaymentOrder> {
        let Part::Money { money, purpose } = part else { return None };
        Some(PaymentOrder {
            bank: BANK.into(),
            from: self.own_account(),
            to: money.payee.clone(),
            amount: money.amount,
            purpose: *purpose,
            reference: receipt_names(self.deal.id, purpose),
        })
    }

    /// The person's decision; why not.
    pub(super) fn decides(&self, begun: &Begun<'_>) -> Result<(), String> {
        let mut said = Ok(());
        let mut paid = true;
        for part in &begun.ours.parts {
            let statement = match (part, self.order(part)) {
                (Part::Statement { statement, .. }, _) => (**statement).clone(),
                (_, Some(order)) => {
                    let content = Content::PaymentOrder(order);
                    Statement { deal: self.deal.id, made: self.now(), content }
                }
                _ => continue,
            };
            let mut inner = self.lock();
            let one = inner.script.consent(&statement);
            inner.ponder();
            inner.seen.push(Seen::Consent(Box::new(statement), one.clone()));
            said = said.and(one);
        }
        if said.is_ok() {
            for order in begun.ours.parts.iter().filter_map(|part| self.order(part)) {
                let mut inner = self.lock();
                if inner.script.pay(&order).is_err() {
                    inner.seen.push(Seen::Unpaid);
                    paid = false;
                }
            }
        }
        if said.is_err() || !paid {
            self.goes_on(begun, false);
        }
        said
    }

    /// Whether our side carries it out; it does not if there is not enough money. The first
    /// decision stands.
    pub(super) fn goes_on(&self, begun: &Begun<'_>, goes_on: bool) {
        let mut table = self.cast.table();
        let decisions = table.decisions.entry(begun.agreement.subject()).or_default();
        decisions[self.index()].get_or_insert(goes_on);
    }

    /// How it has ended; a wait while the other side has not decided.
    pub(super) fn outcome(&self, begun: &Begun<'_>) -> Result<Outcome, Stop> {
        let decisions = {
            let table = self.cast.table();
            table.decisions.get(&begun.agreement.subject()).copied().unwrap_or_default()
        };
        let until = begun.agreement.accept_by;
        match decisions {
            [Some(true), Some(true)] => self.carried_out(begun),
            [Some(false), _] | [_, Some(false)] => Ok(Outcome::Undone(End::Aborted)),
            _ if self.now() >= until => Ok(Outcome::Undone(End::Aborted)),
            _ => {
                let what = "the other side's decision".to_owned();
                Err(Stop::wait(Waiting { what, until: Some(until), ..Waiting::default() }))
            }
        }
    }

    fn carried_out(&self, begun: &Begun<'_>) -> Result<Outcome, Stop> {
        for part in &begun.ours.parts {
            let seen = match (part, self.order(part)) {
                (Part::Statement { statement, .. }, _) => {
                    let signed = self.cast.sign(self.side, statement).map_err(Stop::broken)?;
                    Seen::Sent(Item::Statement(signed.into()))
                }
                (_, Some(order)) => Seen::Paid(order),
                (Part::Information { kind, .. }, None) => Seen::Given(kind.clone()),
                _ => continue,
            };
            self.lock().seen.push(seen);
        }
        let got = begun.theirs.parts.iter().map(|part| self.got(part));
        Ok(Outcome::Got(got.collect::<Result<_, _>>()?))
    }

    fn got(&self, part: &Part) -> Result<Got, Stop> {
        let other = self.side.other();
        Ok(match part {
            Part::Statement { statement, .. } => {
                let signed = self.cast.sign(other, statement).map_err(Stop::broken)?;
                Got::Signed(signed.into())
            }
            Part::Money { money, purpose } => {
                let fact = self.confirmation(money.amount, &money.payee, *purpose)?;
                Got::Money { amount: money.amount, purpose: *purpose, fact: fact.into() }
            }
            Part::Information { kind, .. } => {
                let table = self.cast.table();
                let plain = table.plain.get(&(self.deal.id, other, kind.clone())).cloned();
                Got::Information(kind.clone(), plain.unwrap_or_else(ByteBuf::new))
            }
        })
    }

    fn confirmation(&self, amount: Amount, to: &str, purpose: Digest) -> Result<Vec<u8>, Stop> {
        self.by_the_bank(Content::PaymentConfirmation(PaymentConfirmation {
            from: format!("acct:{}", self.side.other().name()),
            to: to.to_owned(),
            amount,
            purpose,
            payment_order: Digest::of(&cbor::encode(&(amount, purpose))),
            entry: 1,
        }))
    }
}

/// A deal's key on a stage: nothing is opened there, and everybody is believed.
pub(super) struct StageHolder<'a>(&'a SigningKey);

impl Holder<Standard> for StageHolder<'_> {
    fn sign<B: Body>(&self, subject: Digest, body: &B) -> Result<Signature, HolderError> {
        let digest = Standard::digest(B::KIND, body);
        let named = standard::message(&Named { kind: B::KIND, subject, digest });
        Ok(Signature::from_bytes(self.0.sign(&named)))
    }

    fn open(&self, _: Half, _: &Digest, _: &Sealed) -> Result<Option<Share>, HolderError> {
        Ok(None)
    }

    fn seed(&self, purpose: &Digest) -> Result<Digest, HolderError> {
        let key = self.0.public();
        Ok(Digest::of_parts(&[b"semper/stage/v1", key.as_bytes(), purpose.as_bytes()]))
    }

    fn holds(&self, _: &Digest) -> bool {
        true
    }

    fn examine(&self, _: &Information, _: [&Share; 2]) -> Result<(), Proof> {
        Ok(())
    }
}
