//! `semper:tinguin`: questions and decisions.

use std::sync::Arc;

use semper_items::statement::{Content, Statement};
use semper_payment::Intent;
use semper_tinguin_protocol::Answer;
use semper_tinguin_protocol::screen::Question;
use wasmtime::component::Resource;

use super::convert::{amount_in, content_in, digest_in};
use super::v1_2::semper::items::types as items;
use super::v1_2::semper::tinguin::{consent, display};
use crate::context::Context;
use crate::exchange::receipt_names;
use crate::flow::Moving;
use crate::handles::{ConsentHandle, PaymentConsentHandle};
use crate::stop::{Cause, Stop, Verdict};

impl Context {
    /// Puts a question to the person; it is put once. A person who leaves the deal answers
    /// every question so.
    fn ask(&mut self, function: &str, question: Question) -> Result<Answer, Stop> {
        if let Some(fault) = question.fault() {
            return Err(Stop::service(fault));
        }
        let (world, next) = (Arc::clone(&self.world), self.received + 1);
        let answer = self.journal.wait(function, &question, |key| world.ask(next, key, &question));
        self.calls += 1;
        answer
    }
}

impl display::Host for Context {
    fn inform(&mut self, topic: String, says: String) -> wasmtime::Result<()> {
        self.ask("tinguin/display.inform", Question::Inform { topic, says })?;
        Ok(())
    }

    fn choose(
        &mut self,
        topic: String,
        says: String,
        options: Vec<String>,
    ) -> wasmtime::Result<Result<u32, display::Declined>> {
        let count = options.len();
        match self.ask("tinguin/display.choose", Question::Choose { topic, says, options })? {
            Answer::Choice(index) if (index as usize) < count => Ok(Ok(index)),
            _ => Ok(Err(display::Declined::Leave)),
        }
    }

    fn form(
        &mut self,
        topic: String,
        says: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<Result<Vec<String>, display::Declined>> {
        let count = fields.len();
        match self.ask("tinguin/display.form", Question::Form { topic, says, fields })? {
            Answer::Fields(filled) if filled.len() == count => Ok(Ok(filled)),
            _ => Ok(Err(display::Declined::Leave)),
        }
    }

    fn progress(&mut self, text: String) -> wasmtime::Result<()> {
        self.log(text.len())?;
        if !self.journal.is_replaying() {
            let text: String = text.chars().take(200).collect();
            self.world.progress(text);
        }
        self.calls += 1;
        Ok(())
    }
}

impl consent::Host for Context {
    fn sign(
        &mut self,
        content: items::Content,
    ) -> wasmtime::Result<Result<Resource<ConsentHandle>, String>> {
        let account = match &content {
            items::Content::Offer(_) => self.world.account(&self.journal)?,
            _ => String::new(),
        };
        let signed = Context::sign(self, content_in(content, &account)?)?;
        self.calls += 1;
        match signed {
            Ok(signed) => Ok(Ok(self.hold(ConsentHandle(signed))?)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn pay(
        &mut self,
        amount: items::Amount,
        order: String,
    ) -> wasmtime::Result<Result<Resource<PaymentConsentHandle>, String>> {
        let handle = self.consent_to_pay(&amount, &order)?;
        self.calls += 1;
        match handle {
            Ok(handle) => Ok(Ok(self.hold(handle)?)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}

impl Context {
    /// Asks the person to pay for this deal's order, to the account that the offer names; grants
    /// and flow are asked first, so that nobody is asked in vain.
    fn consent_to_pay(
        &mut self,
        amount: &items::Amount,
        order: &str,
    ) -> Result<Result<PaymentConsentHandle, String>, Stop> {
        let amount = amount_in(amount)?;
        let purpose = digest_in(order)?;
        if let Err(why) = self.permitted(amount, amount.minor())? {
            return Ok(Err(why));
        }
        let not_ordered = |why| Stop::from(Verdict::new(Cause::NotOrdered(why)));
        let payee = self.payee().ok_or_else(|| not_ordered("there is no offer to pay for"))?;
        if !self.monitor.owed(&purpose) {
            return Err(not_ordered("only this deal's order can be paid for"));
        }
        let made = self.now()?;
        self.enabled(self.deal.side, Moving::Money(amount, purpose), made)?;
        // One payment per order: a receipt can name it before it is made.
        let reference = receipt_names(self.deal.id, &purpose);
        let intent = Intent { deal: self.deal.id, amount, payee, purpose, reference };
        let order = self.world.payment_order(&self.journal, &intent)?;
        let content = Content::PaymentOrder(order.clone());
        let statement = Statement { deal: self.deal.id, made, content };
        let signed = self.ask_to_sign("tinguin/consent.pay", &statement)?;
        Ok(signed.map(|signed| PaymentConsentHandle { signed, order }))
    }
}

impl consent::HostConsent for Context {
    fn drop(&mut self, this: Resource<ConsentHandle>) -> wasmtime::Result<()> {
        self.release(this)?;
        Ok(())
    }
}

impl consent::HostPaymentConsent for Context {
    fn drop(&mut self, this: Resource<PaymentConsentHandle>) -> wasmtime::Result<()> {
        self.release(this)?;
        Ok(())
    }
}
