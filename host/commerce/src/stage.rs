//! A stage: both components of a service against each other, or against a forger, with a
//! scripted world around them — for consumer organisations that examine services.
//!
//! The components run in the same runtime, through the same calls, journal and flow monitor as
//! on a host; only what those reach is played: persons, the bank, the merchant's shop, the
//! clock, the way between. Nothing is stored, nobody is paid.

mod exchange;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use semper_archive::JournalRow;
use semper_base::cert::{Authority, CertError, Roots};
use semper_base::{Certificate, DealId, Digest, Role, SealSecret, SigningKey, Timestamp, keys};
use semper_items::agreement::{Attributes, DealKeys, Hello};
use semper_items::statement::{Content, PaymentConfirmation, PaymentOrder};
use semper_items::{
    Agreement, Container, Header, Item, Message, Side, SignedMessage, SignedStatement, Statement,
};
use semper_payment::Intent;
use semper_tinguin::Answer;
use semper_tinguin::screen::Question;
use semper_trust::VerifiedTerms;
use serde_bytes::ByteBuf;

use crate::business::Business;
use crate::context::{Context, Deal, PaymentHandle};
use crate::host::Wanted;
use crate::journal::Journal;
use crate::outside::Outside;
use crate::runtime::{Lane, Runtime};
use crate::stop::{Stop, Waiting};

/// The name of the bank on a stage.
const BANK: &str = "Stage Bank";
/// How long a deal on a stage may last by its own clock, in ms.
const LASTS: u64 = 400 * 86_400_000;

/// What the world answers a component; one for each side.
pub trait Script: Send {
    /// A question to the person.
    fn answer(&mut self, question: &Question) -> Answer;
    /// Whether the person signs; why not.
    fn consent(&mut self, statement: &Statement) -> Result<(), String>;
    /// Whether the bank carries a payment out; `None` for no funds, or what it says.
    fn pay(&mut self, order: &PaymentOrder) -> Result<(), Option<String>>;
    /// A detail that the person tells merchants.
    fn detail(&mut self, key: &str) -> Option<String>;
    /// Whether the person wants to leave now, and why.
    fn leaves(&mut self) -> Option<String>;
}

/// What happened on a stage, as the world saw it.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A question, and what was answered.
    Asked(Question, Answer),
    /// A statement was put to the person; whether it was signed.
    Consent(Box<Statement>, Result<(), String>),
    /// A detail of the person was read.
    Detail(String),
    /// Money left.
    Paid(PaymentOrder),
    /// The bank did not pay.
    Unpaid,
    /// An item was sent.
    Sent(Item),
    /// Information was given in an exchange.
    Given(String),
    /// An item was handed to the component.
    Received(u64),
    /// The person wanted to leave, and the component was told.
    Leaving(String),
}

/// Certified keys of the parties on a stage; made once, they serve many deals.
pub struct Cast {
    roots: Roots,
    buyer: Player,
    seller: Player,
    bank: Player,
    begins: Timestamp,
    /// What both sides of a deal know of its exchanges.
    table: Mutex<Table>,
}

/// What is on the table between the two sides.
#[derive(Default)]
struct Table {
    decisions: HashMap<Digest, exchange::Decisions>,
    plain: HashMap<(DealId, Side, String), ByteBuf>,
}

struct Player {
    name: String,
    key: SigningKey,
    chain: Vec<Certificate>,
    deal: SigningKey,
    seal: SealSecret,
}

impl Cast {
    /// A cast whose seller bears the terms' merchant's name.
    pub fn new(terms: &VerifiedTerms, begins: Timestamp) -> Result<Self, CertError> {
        let authority = Authority::new("Stage CA", SigningKey::generate(), begins)?;
        let until = begins.after(std::time::Duration::from_millis(LASTS * 2));
        let player = |name: &str, role: Role| -> Result<Player, CertError> {
            let key = SigningKey::generate();
            let leaf = authority.issue(name, &key.public(), role, &[], begins, until)?;
            Ok(Player {
                name: name.to_owned(),
                chain: vec![leaf],
                key,
                deal: SigningKey::generate(),
                seal: SealSecret::from_seed(&keys::random()),
            })
        };
        Ok(Self {
            buyer: player("Stage Buyer", Role::Buyer)?,
            seller: player(&terms.terms().merchant, Role::Merchant)?,
            bank: player(BANK, Role::Bank)?,
            roots: Roots::new(vec![authority.certificate.clone()]),
            begins,
            table: Mutex::default(),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn player(&self, side: Side) -> &Player {
        match side {
            Side::Buyer => &self.buyer,
            Side::Seller => &self.seller,
        }
    }

    fn agreement(&self, terms: &VerifiedTerms, seed: u64) -> Agreement {
        let keys = |it: &Player| DealKeys { sign: it.deal.public(), seal: it.seal.public() };
        let nonce = |what: &[u8]| Digest::of_parts(&[what, &seed.to_be_bytes()]);
        let after = |ms: u64| self.begins.after(std::time::Duration::from_millis(ms));
        Agreement {
            hello: Hello {
                nonce: nonce(b"buyer"),
                terms: terms.digest(),
                merchant: self.seller.name.clone(),
                buyer: self.buyer.name.clone(),
                keys: keys(&self.buyer),
                attributes: Attributes::default(),
                payment: terms.terms().payment.clone(),
                made: self.begins,
            },
            nonce: nonce(b"seller"),
            keys: keys(&self.seller),
            payment: terms.terms().payment.first().cloned().unwrap_or_default(),
            countersign_by: after(60_000),
            expires: after(LASTS),
        }
    }

    /// Signs a statement as one side.
    pub fn sign(&self, side: Side, statement: &Statement) -> Result<Vec<u8>, String> {
        let player = self.player(side);
        SignedStatement::sign(statement, &player.key, player.chain.clone())
            .map_err(|error| error.to_string())
    }
}

/// One side of a deal on stage.
pub struct Stage {
    cast: Arc<Cast>,
    side: Side,
    inner: Mutex<Inner>,
    business: Option<Arc<dyn Business>>,
}

struct Inner {
    script: Box<dyn Script>,
    now: Timestamp,
    received: Vec<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    seen: Vec<Seen>,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stage({})", self.side.name())
    }
}

/// How an activation on stage ended.
#[derive(Debug)]
pub enum Played {
    /// The component has returned, in a state of the flow that may be an end.
    Ended(Result<(), String>),
    /// It waits: for a message, a date.
    Waits(Waiting),
    /// It was stopped, as a host would stop it.
    Stopped(Stop),
}

/// A side of a deal on stage, with its component and its journal.
pub struct Part {
    stage: Arc<Stage>,
    deal: Arc<Deal>,
    rows: Vec<JournalRow>,
    flow: String,
}

impl Part {
    /// A side at the beginning of a deal.
    pub fn new(
        cast: &Arc<Cast>,
        terms: &Arc<VerifiedTerms>,
        side: Side,
        seed: u64,
        script: Box<dyn Script>,
        business: Option<Arc<dyn Business>>,
    ) -> Self {
        let agreement = cast.agreement(terms, seed);
        let inner = Inner {
            script,
            now: cast.begins,
            received: Vec::new(),
            sent: Vec::new(),
            seen: Vec::new(),
        };
        let deal = Deal {
            id: agreement.id(),
            side,
            agreement,
            terms: Arc::clone(terms),
            opened: cast.begins,
        };
        let stage = Stage { cast: Arc::clone(cast), side, inner: Mutex::new(inner), business };
        let flow = terms.flow().start.clone();
        Self { stage: Arc::new(stage), deal: Arc::new(deal), rows: Vec::new(), flow }
    }

    /// Runs the component until it ends, waits or is stopped.
    pub fn play(&mut self, runtime: &Runtime) -> Result<Played, Stop> {
        let ready = runtime.ready(&self.deal.terms, self.deal.side)?;
        loop {
            let limits = self.deal.grants().limits;
            let journal = Journal::on_stage(self.deal.id, self.rows.clone(), limits)?;
            let outside = Outside::Stage(Arc::clone(&self.stage));
            let context = Context::new(outside, Arc::clone(&self.deal), journal)?;
            let (mut context, outcome) = runtime.run(&ready, context, Lane::Slow);
            let kept = context.journal.take_kept();
            self.flow = context.monitor.state().to_owned();
            match outcome {
                Err(Stop::Checkpoint) => {
                    // The next run begins with the checkpoint's record.
                    self.rows = kept.into_iter().last().into_iter().collect();
                }
                outcome => {
                    self.rows.extend(kept);
                    return Ok(match outcome {
                        Ok(said) => Played::Ended(said),
                        Err(Stop::Wait(waiting)) => Played::Waits(waiting),
                        Err(stop) => Played::Stopped(stop),
                    });
                }
            }
        }
    }

    /// The flow's state, as this side sees it.
    pub fn flow(&self) -> &str {
        &self.flow
    }

    /// Sets the clock of this side.
    pub fn at(&self, now: Timestamp) {
        self.stage.lock().now = now;
    }

    /// Takes what was sent and not yet taken: items with their numbers.
    pub fn outbox(&self, after: usize) -> Vec<Vec<u8>> {
        self.stage.lock().sent.iter().skip(after).cloned().collect()
    }

    /// Puts a signed message of the other side before this one.
    pub fn deliver(&self, message: Vec<u8>) {
        self.stage.lock().received.push(message);
    }

    /// What has happened since the last time.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.stage.lock().seen)
    }

    /// The other side's message with another item in it, signed with that side's keys: what a
    /// forger who plays that side can say. Its number and chain are those of the messages that
    /// were delivered.
    pub fn forge(&self, item: Item) -> Vec<u8> {
        let other = self.deal.side.other();
        let inner = self.stage.lock();
        let previous = inner.received.last().and_then(|it| Message::unverified(it));
        let header = Header {
            deal: self.deal.id,
            from: other,
            seq: inner.received.len() as u64 + 1,
            previous: previous.map_or(Digest::ZERO, |it| it.digest()),
            journal: Digest::ZERO,
            made: inner.now,
        };
        let message = Message { header, container: Container::of(item) };
        message.sign(&self.stage.cast.player(other).deal)
    }

    /// Signs content as the other side, for this deal.
    pub fn sign_as_other(&self, content: Content) -> Result<Item, String> {
        let made = self.stage.lock().now;
        let statement = Statement { deal: self.deal.id, made, content };
        let bytes = self.stage.cast.sign(self.deal.side.other(), &statement)?;
        Ok(Item::Statement(bytes.into()))
    }
}

impl Stage {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn roots(&self) -> &Roots {
        &self.cast.roots
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.lock().now
    }

    pub(crate) fn business(&self) -> Option<&Arc<dyn Business>> {
        self.business.as_ref()
    }

    /// The peer's message of that number, if it has been delivered.
    pub(crate) fn received(&self, seq: u64) -> Option<Vec<u8>> {
        let index = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.lock().received.get(index).cloned()
    }

    /// What comes first of what is waited for; [`Stop::Wait`] if nothing is there.
    pub(crate) fn first_of(&self, next: u64, wanted: &Wanted) -> Result<First, Stop> {
        let there = self.received(next);
        let mut inner = self.lock();
        if let (true, Some(bytes)) = (wanted.message, there) {
            inner.seen.push(Seen::Received(next));
            let digest = Message::unverified(&bytes).map_or(Digest::ZERO, |it| it.digest());
            return Ok(First::Message(digest));
        }
        if let Some(reason) = inner.script.leaves() {
            inner.seen.push(Seen::Leaving(reason.clone()));
            return Ok(First::Cancelled(reason));
        }
        if let Some(until) = wanted.until.filter(|until| *until <= inner.now) {
            return Ok(First::Time(until));
        }
        if let Some(question) = &wanted.question {
            let answer = inner.script.answer(question);
            inner.seen.push(Seen::Asked(question.clone(), answer.clone()));
            return Ok(First::Answer(answer));
        }
        let message = wanted.message.then_some(next);
        Err(Stop::Wait(Waiting {
            what: "the other side".into(),
            message,
            until: wanted.until,
            question: None,
        }))
    }

    pub(crate) fn answer(&self, question: &Question) -> Answer {
        let mut inner = self.lock();
        let answer = inner.script.answer(question);
        inner.seen.push(Seen::Asked(question.clone(), answer.clone()));
        answer
    }

    /// The person's signature, or why there is none.
    pub(crate) fn consent(&self, statement: &Statement) -> Result<Result<Vec<u8>, String>, Stop> {
        let mut inner = self.lock();
        let said = inner.script.consent(statement);
        inner.seen.push(Seen::Consent(Box::new(statement.clone()), said.clone()));
        drop(inner);
        match said {
            Ok(()) => self.cast.sign(self.side, statement).map(Ok).map_err(Stop::Service),
            Err(why) => Ok(Err(why)),
        }
    }

    pub(crate) fn detail(&self, key: &str) -> Option<String> {
        let mut inner = self.lock();
        inner.seen.push(Seen::Detail(key.to_owned()));
        inner.script.detail(key)
    }

    /// Makes and posts our next message.
    pub(crate) fn send(&self, deal: &Deal, item: Item, journal: Digest, made: Timestamp) {
        let mut inner = self.lock();
        let previous = inner.sent.last().and_then(|it| Message::unverified(it));
        let header = Header {
            deal: deal.id,
            from: self.side,
            seq: inner.sent.len() as u64 + 1,
            previous: previous.map_or(Digest::ZERO, |it| it.digest()),
            journal,
            made,
        };
        inner.seen.push(Seen::Sent(item.clone()));
        let message = Message { header, container: Container::of(item) };
        inner.sent.push(message.sign(&self.cast.player(self.side).deal));
    }

    pub(crate) fn account(&self) -> String {
        format!("acct:{}", self.side.name())
    }

    pub(crate) fn payment_order(&self, intent: &Intent) -> PaymentOrder {
        PaymentOrder {
            bank: BANK.into(),
            from: self.account(),
            to: intent.payee.clone(),
            amount: intent.amount,
            purpose: intent.purpose,
            reference: intent.reference,
        }
    }

    /// Pays, or says that it does not: the bank's confirmation.
    pub(crate) fn pay(
        &self,
        deal: &Deal,
        order: &PaymentOrder,
    ) -> Result<Result<Vec<u8>, Option<String>>, Stop> {
        let mut inner = self.lock();
        if let Err(why) = inner.script.pay(order) {
            inner.seen.push(Seen::Unpaid);
            return Ok(Err(why));
        }
        inner.seen.push(Seen::Paid(order.clone()));
        let content = Content::PaymentConfirmation(PaymentConfirmation {
            from: order.from.clone(),
            to: order.to.clone(),
            amount: order.amount,
            purpose: order.purpose,
            payment_order: Digest::of(&semper_base::cbor::encode(order)),
            entry: 1,
        });
        let statement = Statement { deal: deal.id, made: inner.now, content };
        let bank = &self.cast.bank;
        SignedStatement::sign(&statement, &bank.key, bank.chain.clone())
            .map(Ok)
            .map_err(|error| Stop::Service(error.to_string()))
    }

    /// A payment of the other side's, as the bank confirms it.
    pub(crate) fn payment(
        &self,
        deal: &Deal,
        bytes: &[u8],
        at: Timestamp,
    ) -> Result<PaymentHandle, Stop> {
        crate::outside::confirmed_payment(self.roots(), deal, bytes, at)
    }

    /// A message as it was delivered.
    pub(crate) fn message(&self, deal: &Deal, seq: u64) -> Result<SignedMessage, Stop> {
        let from = deal.side.other();
        let wrong = |why: String| Stop::Message { from: from.name(), seq, why };
        let bytes = self.received(seq).ok_or_else(|| wrong("it is missing".into()))?;
        SignedMessage::verify(&bytes, deal.id, from, &deal.agreement.keys(from).sign)
            .map_err(|error| wrong(error.to_string()))
    }
}

/// What came first on a stage.
pub(crate) enum First {
    Message(Digest),
    Time(Timestamp),
    Answer(Answer),
    Cancelled(String),
}
