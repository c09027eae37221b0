//! A stage as a component's world: the same calls as on a host, and everything that they reach is
//! played.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use semper_archive::Write;
use semper_base::cert::Verifier;
use semper_base::{Digest, Timestamp, cbor};
use semper_exchange::crypto::Signed;
use semper_exchange::negotiation::{Refusal, Reject};
use semper_exchange::package::{Talk, deal_name};
use semper_exchange::standard::Standard;
use semper_items::statement::{Content, PaymentConfirmation, PaymentOrder};
use semper_items::{Container, Header, Item, Message, SignedMessage, SignedStatement, Statement};
use semper_payment::Intent;
use semper_runtime::business::Business;
use semper_runtime::exchange::{Begun, Outcome, Till, ToDraw, draw_up};
use semper_runtime::handles::Accepted;
use semper_runtime::journal::{Call, Journal};
use semper_runtime::stop::{Doubt, Stop, Waiting};
use semper_runtime::verified::confirmed_payment;
use semper_runtime::world::{Came, Done, Paid, Wanted, World};
use semper_tinguin_protocol::Answer;
use semper_tinguin_protocol::screen::Question;
use semper_trust::trustfile::ExchangeRules;

use super::shop::Watched;
use super::{BANK, Inner, Seen, Stage};

impl Stage {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The peer's message of that number, if it has been delivered.
    fn received(&self, seq: u64) -> Option<Vec<u8>> {
        let index = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.lock().received.get(index).cloned()
    }

    pub(super) fn own_account(&self) -> String {
        format!("acct:{}", self.side.name())
    }

    fn answer(&self, question: &Question) -> Answer {
        let mut inner = self.lock();
        let answer = inner.script.answer(question);
        inner.ponder();
        inner.seen.push(Seen::Asked(question.clone(), answer.clone()));
        answer
    }

    /// Signs a statement as the bank.
    pub(super) fn by_the_bank(&self, content: Content) -> Result<Vec<u8>, Stop> {
        let statement = Statement { deal: self.deal.id, made: self.now(), content };
        let bank = &self.cast.bank;
        SignedStatement::sign(&statement, &bank.key, bank.chain.clone()).map_err(Stop::broken)
    }
}

impl Inner {
    /// The person has taken her time.
    pub(super) fn ponder(&mut self) {
        self.now = self.now.after(Duration::from_millis(self.script.pondered()));
    }
}

impl World for Stage {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    fn verifier(&self) -> &Verifier {
        &self.cast.verifier
    }

    fn message(&self, seq: u64, _digest: Digest) -> Result<SignedMessage, Stop> {
        let from = self.deal.side.other();
        let wrong = |why: String| Stop::from(Doubt::Message { from, seq, why });
        let bytes = self.received(seq).ok_or_else(|| wrong("it is missing".into()))?;
        SignedMessage::verify(&bytes, self.deal.id, from, &self.deal.agreement.keys(from).sign)
            .map_err(|error| wrong(error.to_string()))
    }

    fn open(&self, _sealed: &[u8]) -> Result<Result<Vec<u8>, String>, Stop> {
        Ok(Err("it is sealed".into()))
    }

    fn account(&self, _journal: &Journal) -> Result<String, Stop> {
        Ok(self.own_account())
    }

    fn payment_order(&self, _journal: &Journal, intent: &Intent) -> Result<PaymentOrder, Stop> {
        Ok(PaymentOrder {
            bank: BANK.into(),
            from: self.own_account(),
            to: intent.payee.clone(),
            amount: intent.amount,
            purpose: intent.purpose,
            reference: intent.reference,
        })
    }

    fn post(&self, item: &Item, call: Call, made: Timestamp) -> Result<Vec<Write>, Stop> {
        let mut inner = self.lock();
        let previous = inner.sent.last().and_then(|it| Message::unverified(it));
        let header = Header {
            deal: self.deal.id,
            from: self.side,
            seq: inner.sent.len() as u64 + 1,
            previous: previous.map_or(Digest::ZERO, |it| it.digest()),
            journal: call.head,
            made,
        };
        inner.seen.push(Seen::Sent(item.clone()));
        let message = Message { header, container: Container::of(item.clone()) };
        inner.sent.push(message.sign(&self.cast.player(self.side).deal));
        Ok(Vec::new())
    }

    fn detail(&self, key: &str, granted: bool) -> Result<Option<String>, Stop> {
        let mut inner = self.lock();
        inner.seen.push(Seen::Detail(key.to_owned()));
        Ok(inner.script.detail(key).filter(|_| granted))
    }

    fn business(&self) -> Result<Option<Arc<dyn Business>>, Stop> {
        let watched = |shop: &Arc<dyn Business>| -> Arc<dyn Business> {
            Arc::new(Watched { shop: Arc::clone(shop), inner: Arc::clone(&self.inner) })
        };
        Ok(self.business.as_ref().map(watched))
    }

    fn progress(&self, text: String) {
        self.lock().seen.push(Seen::Progress(text));
    }

    fn logged(&self, text: &str) {
        self.lock().seen.push(Seen::Logged(text.to_owned()));
    }

    fn randomness(&self) -> Digest {
        let nonce = self.deal.agreement.hello.nonce;
        let side = self.side.name().as_bytes();
        Digest::of_parts(&[b"semper/stage/random/v1", nonce.as_bytes(), side])
    }

    fn first_of(&self, next: u64, wanted: &Wanted) -> Done<Came> {
        let there = self.received(next);
        let mut inner = self.lock();
        if let (true, Some(bytes)) = (wanted.message, there) {
            inner.seen.push(Seen::Received(next));
            let digest = Message::unverified(&bytes).map_or(Digest::ZERO, |it| it.digest());
            return Ok((Came::Message(digest), Vec::new()));
        }
        if let Some(reason) = inner.script.leaves() {
            inner.seen.push(Seen::Leaving(reason.clone()));
            return Ok((Came::Cancelled(reason), Vec::new()));
        }
        if let Some(until) = wanted.until.filter(|until| *until <= inner.now) {
            return Ok((Came::Time(until.max(inner.now)), Vec::new()));
        }
        drop(inner);
        if let Some(question) = &wanted.question {
            return Ok((Came::Answer(self.answer(question)), Vec::new()));
        }
        Err(Stop::wait(Waiting {
            what: "the other side".into(),
            message: wanted.message.then_some(next),
            wants_message: wanted.message,
            until: wanted.until,
            question: None,
            exchange: None,
        }))
    }

    fn ask(&self, _next: u64, _key: Digest, question: &Question) -> Done<Answer> {
        Ok((self.answer(question), Vec::new()))
    }

    fn sign(
        &self,
        _next: u64,
        _key: Digest,
        statement: &Statement,
        _refers: &[Vec<u8>],
    ) -> Done<Result<Vec<u8>, String>> {
        let mut inner = self.lock();
        let said = inner.script.consent(statement);
        inner.ponder();
        inner.seen.push(Seen::Consent(Box::new(statement.clone()), said.clone()));
        drop(inner);
        let signed = match said {
            Ok(()) => Ok(self.cast.sign(self.side, statement).map_err(Stop::broken)?),
            Err(why) => Err(why),
        };
        Ok((signed, Vec::new()))
    }

    fn pay(&self, _signed: &[u8], order: &PaymentOrder, _at: Timestamp) -> Done<Paid> {
        let mut inner = self.lock();
        if let Err(why) = inner.script.pay(order) {
            inner.seen.push(Seen::Unpaid);
            return Ok((why.map_or(Paid::NoFunds, Paid::Refused), Vec::new()));
        }
        inner.seen.push(Seen::Paid(order.clone()));
        drop(inner);
        let confirmed = self.by_the_bank(Content::PaymentConfirmation(PaymentConfirmation {
            from: order.from.clone(),
            to: order.to.clone(),
            amount: order.amount,
            purpose: order.purpose,
            payment_order: Digest::of(&cbor::encode(order)),
            entry: 1,
        }))?;
        Ok((Paid::Confirmed(confirmed.into()), Vec::new()))
    }

    fn accept(&self, item: &[u8], at: Timestamp) -> Result<Accepted, Stop> {
        confirmed_payment(self, &self.deal, item, at)
    }

    fn till(&self, _at: Timestamp) -> Result<Option<Till>, Stop> {
        Ok(Some(self.own_till()))
    }

    fn refuse(&self, reject: Reject) -> Result<Signed<Standard, Reject>, Stop> {
        Signed::new(&self.holder(), deal_name(self.deal.id), reject).map_err(Stop::broken)
    }

    fn draw_up(&self, to_draw: &ToDraw<'_>) -> Result<Result<Talk, Refusal>, Stop> {
        self.keep_plain(to_draw.gives);
        let rules = ExchangeRules::default();
        draw_up(&self.deal, to_draw, &[self.third_party()], &rules, &self.holder())
    }

    fn agree(
        &self,
        _next: u64,
        _key: Digest,
        begun: &Begun<'_>,
        _refers: &[Vec<u8>],
        _account: Option<(String, String)>,
    ) -> Done<Result<(), String>> {
        Ok((self.decides(begun), Vec::new()))
    }

    fn begin(&self, _begun: &Begun<'_>) -> Result<Vec<Write>, Stop> {
        Ok(Vec::new())
    }

    fn begun(&self, begun: &Begun<'_>) {
        self.goes_on(begun, true);
    }

    fn exchanged(&self, begun: &Begun<'_>) -> Done<Outcome> {
        Ok((self.outcome(begun)?, Vec::new()))
    }
}
