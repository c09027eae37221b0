//! A stage: both components of a service against each other, or against a forger, with a
//! scripted world around them — for consumer organisations that examine services. It is no part of
//! a host: no bank that is played ships in one.
//!
//! The components run in the same runtime, through the same calls, journal and flow monitor as
//! on a host; only what those reach is played: persons, the bank, the merchant's shop, the
//! clock, the way between. Nothing is stored, nobody is paid.
//!
//! | module | what it is for |
//! |---|---|
//! | `world` | what calls reach |
//! | `exchange` | fair exchanges |
//! | `shop` | the merchant's own affairs, with somebody who looks on |

#![forbid(unsafe_code)]

mod exchange;
mod shop;
mod world;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use semper_archive::JournalRow;
use semper_base::cert::{Authority, CertError, Revocation, Roots, Verifier};
use semper_base::{Certificate, DealId, Digest, Role, SealSecret, SigningKey, Timestamp};
use semper_items::agreement::{Attributes, DealKeys, Hello};
use semper_items::statement::{Content, PaymentOrder};
use semper_items::{Agreement, Container, Header, Item, Message, Side, SignedStatement, Statement};
use semper_tinguin_protocol::Answer;
use semper_tinguin_protocol::screen::Question;
use semper_trust::VerifiedTerms;
use serde_bytes::ByteBuf;

use semper_runtime::Deal;
use semper_runtime::business::Business;
use semper_runtime::context::Context;
use semper_runtime::journal::Journal;
use semper_runtime::stop::{Pause, Stop, Waiting};
use semper_runtime::{Lane, Runtime, World};

pub use shop::Shopped;

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
    /// How long the person has taken over her last answer or signature, in ms.
    fn pondered(&mut self) -> u64 {
        0
    }
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
    /// The component has told the person where the deal stands.
    Progress(String),
    /// The component has written a line of its log, or of output.
    Logged(String),
    /// The component has asked something of the merchant's own affairs.
    Shopped(Shopped),
}

/// Certified keys of the parties on a stage; made once, they serve many deals.
pub struct Cast {
    verifier: Verifier,
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
    /// A cast whose seller bears the terms' merchant's name. Its keys are worth nothing anywhere
    /// else, so they follow from the names: the same deal has the same id on every stage.
    pub fn new(terms: &VerifiedTerms, begins: Timestamp) -> Result<Self, CertError> {
        let secret = |who: &str, name: &str, what: &str| {
            let parts = [b"semper/stage/key/v1", who.as_bytes(), name.as_bytes(), what.as_bytes()];
            *Digest::of_parts(&parts).as_bytes()
        };
        let key =
            |who: &str, name: &str, what: &str| SigningKey::from_seed(&secret(who, name, what));
        let authority = Authority::new("Stage CA", key("authority", "", "sign"), begins)?;
        let until = begins.after(std::time::Duration::from_millis(LASTS * 2));
        let player = |name: &str, role: Role| -> Result<Player, CertError> {
            let who = format!("{role:?}");
            let sign = key(&who, name, "sign");
            let leaf = authority.issue(name, &sign.public(), role, &[], begins, until)?;
            Ok(Player {
                name: name.to_owned(),
                chain: vec![leaf],
                key: sign,
                deal: key(&who, name, "deal"),
                seal: SealSecret::from_seed(&secret(&who, name, "seal")),
            })
        };
        Ok(Self {
            buyer: player("Stage Buyer", Role::Buyer)?,
            seller: player(&terms.terms().merchant, Role::Merchant)?,
            bank: player(BANK, Role::Bank)?,
            verifier: Roots::new(vec![authority.certificate.clone()]).asking(Revocation::STAGE),
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
    deal: Arc<Deal>,
    side: Side,
    inner: Arc<Mutex<Inner>>,
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
        let deal = Arc::new(Deal {
            id: agreement.id(),
            side,
            agreement,
            terms: Arc::clone(terms),
            opened: cast.begins,
        });
        let (cast, own) = (Arc::clone(cast), Arc::clone(&deal));
        let inner = Arc::new(Mutex::new(inner));
        let stage = Arc::new(Stage { cast, deal: own, side, inner, business });
        let flow = terms.flow().start.clone();
        Self { stage, deal, rows: Vec::new(), flow }
    }

    /// Runs the component until it ends, waits or is stopped.
    pub fn play(&mut self, runtime: &Runtime) -> Result<Played, Stop> {
        let ready = runtime.ready(&self.deal.terms, self.deal.side)?;
        loop {
            let limits = self.deal.grants().limits;
            let journal = Journal::on_stage(self.deal.id, self.rows.clone(), limits)?;
            let world = Arc::clone(&self.stage) as Arc<dyn World>;
            let context = Context::new(world, Arc::clone(&self.deal), journal)?;
            let (mut context, outcome) = runtime.run(&ready, context, Lane::Slow);
            let kept = context.journal.take_kept();
            self.flow = context.monitor.state().to_owned();
            match outcome {
                Err(Stop::Pause(Pause::Checkpoint)) => {
                    // The next run begins with the checkpoint's record.
                    self.rows = kept.into_iter().last().into_iter().collect();
                }
                outcome => {
                    self.rows.extend(kept);
                    return Ok(match outcome {
                        Ok(said) => Played::Ended(said),
                        Err(Stop::Pause(Pause::Wait(waiting))) => Played::Waits(*waiting),
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

    /// The clock of this side: its person may have taken her time.
    pub fn now(&self) -> Timestamp {
        self.stage.lock().now
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
