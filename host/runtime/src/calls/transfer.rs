//! `semper:transfer`: information, statements, payments, the inbox.

use std::sync::Arc;

use semper_base::Timestamp;
use semper_items::{Item, limits};
use semper_trust::Limit;
use wasmtime::component::Resource;

use super::convert::{amount_out, content_out};
use super::v1_2::semper::items::types as items;
use super::v1_2::semper::transfer::{inbox, information, payments, statements};
use crate::context::Context;
use crate::flow::Moving;
use crate::handles::{
    ConsentHandle, PaymentConsentHandle, PaymentHandle, Received, StatementHandle,
};
use crate::stop::Stop;
use crate::world::Paid;

impl information::Host for Context {
    fn send(&mut self, kind: String, body: Vec<u8>) -> wasmtime::Result<()> {
        self.calls += 1;
        if body.len() > limits::INFORMATION {
            let most = limits::INFORMATION as u64;
            return Err(Stop::limit(Limit::CallBytes, most).into());
        }
        let item = Item::Information { kind: kind.clone(), body: body.into() };
        self.send("transfer/information.send", item, Moving::Information(&kind), false)?;
        Ok(())
    }

    fn receive(&mut self) -> wasmtime::Result<(String, Vec<u8>)> {
        let received = Context::receive(self)?;
        self.calls += 1;
        match received {
            Received::Information(kind, body) => Ok((kind, body)),
            // The flow lets the other side do what it did.
            _ => {
                Err(Stop::service("it takes information alone where something else may come")
                    .into())
            }
        }
    }
}

impl statements::Host for Context {
    fn send(&mut self, by: Resource<ConsentHandle>) -> wasmtime::Result<Resource<StatementHandle>> {
        self.calls += 1;
        let ConsentHandle(signed) = self.release(by)?;
        self.send_statement(signed.clone())?;
        Ok(self.hold(StatementHandle(signed.into()))?)
    }
}

impl statements::HostStatement for Context {
    fn content(&mut self, this: Resource<StatementHandle>) -> wasmtime::Result<items::Content> {
        Ok(content_out(&self.held(&this)?.0.statement().content)?)
    }

    fn digest(&mut self, this: Resource<StatementHandle>) -> wasmtime::Result<String> {
        Ok(self.held(&this)?.0.digest().to_string())
    }

    fn signer(&mut self, this: Resource<StatementHandle>) -> wasmtime::Result<String> {
        Ok(self.held(&this)?.0.signer().to_owned())
    }

    fn made(&mut self, this: Resource<StatementHandle>) -> wasmtime::Result<u64> {
        Ok(self.held(&this)?.0.statement().made.millis())
    }

    fn drop(&mut self, this: Resource<StatementHandle>) -> wasmtime::Result<()> {
        self.release(this)?;
        Ok(())
    }
}

impl payments::Host for Context {
    fn pay(
        &mut self,
        by: Resource<PaymentConsentHandle>,
    ) -> wasmtime::Result<Result<Resource<PaymentHandle>, payments::PaymentError>> {
        self.calls += 1;
        let consent = self.release(by)?;
        let paid = self.pay_once(&consent)?;
        let bytes = match paid {
            Paid::NoFunds => return Ok(Err(payments::PaymentError::NoFunds)),
            Paid::Refused(words) => return Ok(Err(payments::PaymentError::Refused(words))),
            Paid::Confirmed(bytes) => bytes,
        };
        self.spent = self.spent.saturating_add(consent.order.amount.minor());
        let digest = confirmation_digest(&bytes)?;
        let order = &consent.order;
        let (signer, proof) = (order.bank.clone(), bytes.to_vec());
        let item = Item::Money(bytes);
        let moving = Moving::Money(order.amount, order.purpose);
        self.send("transfer/payments.send", item, moving, true)?;
        let (amount, purpose) = (order.amount, order.purpose);
        let handle = PaymentHandle { amount, digest, purpose, signer, item: proof };
        Ok(Ok(self.hold(handle)?))
    }
}

impl Context {
    /// Has the module carry the signed order out; the confirmation is evidence at once.
    fn pay_once(&mut self, consent: &PaymentConsentHandle) -> Result<Paid, Stop> {
        let (world, at) = (Arc::clone(&self.world), self.now()?);
        if let Err(why) = self.may_pay(consent, at)? {
            return Ok(Paid::Refused(why));
        }
        self.journal.effect("transfer/payments.pay", &consent.order, |_| {
            world.pay(&consent.signed, &consent.order, at)
        })
    }

    /// Looks once more whether the money may leave, now that it is about to: the flow has perhaps
    /// gone on since the person agreed, and other payments may have left. Money that left and then
    /// could not be told to the other side would be lost to both.
    /// `Err` inside is why the person's policies do not permit it.
    fn may_pay(
        &mut self,
        consent: &PaymentConsentHandle,
        at: Timestamp,
    ) -> Result<Result<(), String>, Stop> {
        let order = &consent.order;
        if let Err(why) = self.permitted(order.amount, order.amount.minor())? {
            return Ok(Err(why));
        }
        self.enabled(self.deal.side, Moving::Money(order.amount, order.purpose), at)?;
        self.may_post(at)?;
        Ok(Ok(()))
    }
}

/// The digest of the statement inside a confirmation that has been verified before.
fn confirmation_digest(bytes: &[u8]) -> Result<semper_base::Digest, Stop> {
    let domain = semper_items::signed::DOMAIN;
    let parsed = semper_base::cose::parse(bytes, domain, limits::SIGNED_STATEMENT)
        .map_err(|error| Stop::broken(format!("a confirmation that was accepted: {error}")))?;
    Ok(semper_base::Digest::of(parsed.peek()))
}

impl payments::HostPayment for Context {
    fn amount(&mut self, this: Resource<PaymentHandle>) -> wasmtime::Result<items::Amount> {
        Ok(amount_out(self.held(&this)?.amount))
    }

    fn digest(&mut self, this: Resource<PaymentHandle>) -> wasmtime::Result<String> {
        Ok(self.held(&this)?.digest.to_string())
    }

    fn purpose(&mut self, this: Resource<PaymentHandle>) -> wasmtime::Result<String> {
        Ok(self.held(&this)?.purpose.to_string())
    }

    fn drop(&mut self, this: Resource<PaymentHandle>) -> wasmtime::Result<()> {
        self.release(this)?;
        Ok(())
    }
}

impl inbox::Host for Context {
    fn receive(&mut self) -> wasmtime::Result<inbox::Received> {
        let received = Context::receive(self)?;
        self.calls += 1;
        self.hand_over(received)
    }
}

impl Context {
    /// What was received, as the component gets it.
    pub(super) fn hand_over(&mut self, received: Received) -> wasmtime::Result<inbox::Received> {
        Ok(match received {
            Received::Information(kind, body) => inbox::Received::Information((kind, body)),
            Received::Statement(signed) => {
                inbox::Received::Statement(self.hold(StatementHandle((*signed).into()))?)
            }
            Received::Money(payment) => inbox::Received::Payment(self.hold(payment)?),
            // Words about proposals that are not open any more are left out before.
            Received::Talk(_) => {
                let what =
                    "an exchange was proposed where the service does not listen for proposals";
                return Err(Stop::service(what).into());
            }
        })
    }
}
