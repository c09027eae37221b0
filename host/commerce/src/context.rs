//! What a running component's calls act on: its deal, its journal, its handles.

use std::sync::Arc;
use std::time::Instant;

use semper_base::{Amount, DealId, Digest, Timestamp};
use semper_items::statement::{Content, PaymentOrder};
use semper_items::{Agreement, Item, Side, SignedMessage, SignedStatement, Statement};
use semper_trust::VerifiedTerms;
use serde::{Deserialize, Serialize};
use wasmtime::StoreLimits;
use wasmtime::component::ResourceTable;

use crate::flow::{Monitor, Moving};
use crate::host::Host;
use crate::journal::Journal;
use crate::stop::Stop;

/// A statement that a component holds.
#[derive(Debug, Clone)]
pub struct StatementHandle(pub SignedStatement);

/// A payment that a component holds.
#[derive(Debug, Clone)]
pub struct PaymentHandle {
    /// How much.
    pub amount: Amount,
    /// The confirmation's digest.
    pub digest: Digest,
    /// What for.
    pub purpose: Digest,
    /// Who confirmed it.
    pub signer: String,
    /// The confirmation itself.
    pub item: Vec<u8>,
}

/// A signed statement that has not been sent.
#[derive(Debug)]
pub struct ConsentHandle(pub SignedStatement);

/// A signed payment order that has not been carried out.
#[derive(Debug)]
pub struct PaymentConsentHandle {
    /// The signed order.
    pub signed: Vec<u8>,
    /// What it says.
    pub order: PaymentOrder,
}

/// What never changes about a deal.
#[derive(Debug)]
pub struct Deal {
    /// Its identifier.
    pub id: DealId,
    /// Which side we are.
    pub side: Side,
    /// What both signed.
    pub agreement: Agreement,
    /// The terms.
    pub terms: Arc<VerifiedTerms>,
    /// When it was opened here.
    pub opened: Timestamp,
}

/// The state of one activation.
pub struct Context {
    /// The host.
    pub host: Arc<Host>,
    /// The deal.
    pub deal: Arc<Deal>,
    /// Its journal.
    pub journal: Journal,
    /// Its flow.
    pub monitor: Monitor,
    /// Handles that the component holds.
    pub table: ResourceTable,
    /// Statements of this deal, encoded, for showing what a new one refers to.
    pub statements: Vec<SignedStatement>,
    /// The number of the last message given to the component.
    pub received: u64,
    /// Money that has left, of the grants' currency, in minor units.
    pub spent: i64,
    /// Limits of the store.
    pub limits: StoreLimits,
    /// When the component last called the host.
    pub last_call: Instant,
}

/// What is journaled of a received message: which, and when it was taken.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Taken {
    seq: u64,
    digest: Digest,
    at: Timestamp,
}

/// A received item, checked against signatures, deal and flow.
#[derive(Debug, Clone)]
pub enum Received {
    /// Information: kind and bytes.
    Information(String, Vec<u8>),
    /// A statement.
    Statement(Box<SignedStatement>),
    /// Money.
    Money(PaymentHandle),
}

impl Context {
    /// The context of a new activation: everything is rebuilt by replay.
    pub fn new(host: Arc<Host>, deal: Arc<Deal>) -> Result<Self, Stop> {
        let limits = deal.terms.grants().limits;
        let journal = Journal::load(host.archive(), deal.id, limits.records)?;
        let monitor = Monitor::new(deal.terms.service().flow.clone());
        Ok(Self {
            host,
            deal,
            journal,
            monitor,
            table: ResourceTable::new(),
            statements: Vec::new(),
            received: 0,
            spent: 0,
            limits: StoreLimits::default(),
            last_call: Instant::now(),
        })
    }

    /// The host's time, journaled.
    pub fn now(&mut self) -> Result<Timestamp, Stop> {
        self.journal.read("now", &(), || Ok(Timestamp::now()))
    }

    /// Sends an item in a message of its own and moves the flow on.
    pub fn send(
        &mut self,
        function: &str,
        item: Item,
        moving: Moving<'_>,
        consented: bool,
    ) -> Result<(), Stop> {
        let at = self.now()?;
        let side = self.deal.side;
        self.monitor.check(side, moving, consented, at)?;
        let (host, deal) = (Arc::clone(&self.host), Arc::clone(&self.deal));
        let fresh = !self.journal.is_replaying();
        self.journal.effect(function, &item, |call| {
            let writes = host.send(&deal, item.clone(), call.head, at)?;
            Ok(((), writes))
        })?;
        self.monitor.advance(side, moving, consented, at)?;
        if fresh {
            self.host.sent(&self.deal);
        }
        Ok(())
    }

    /// Sends a signed statement and keeps it for later reference.
    pub fn send_statement(&mut self, signed: SignedStatement) -> Result<(), Stop> {
        let item = Item::Statement(signed.bytes().to_vec().into());
        let moving = Moving::Statement(signed.statement(), signed.digest());
        self.send("transfer/statements.send", item, moving, true)?;
        self.statements.push(signed);
        Ok(())
    }

    /// Waits for the next message and takes it out of its container.
    pub fn receive(&mut self) -> Result<Received, Stop> {
        let next = self.received + 1;
        let (host, deal) = (Arc::clone(&self.host), Arc::clone(&self.deal));
        let taken: Taken = self.journal.wait("transfer/inbox.receive", &(), |_| {
            let row = host.await_message(deal.id, next)?;
            let at = Timestamp::now();
            // What is acceptable becomes evidence in the same commit; what is not is found
            // again below, and ends the deal.
            let evidence = host
                .message(&deal, next, row.digest)
                .and_then(|message| unpack(&host, &deal, &message, at))
                .map(|received| host.evidence_of_received(&deal, &received, at))
                .unwrap_or_default();
            Ok((Taken { seq: next, digest: row.digest, at }, evidence))
        })?;
        self.received = next;
        let message = self.host.message(&self.deal, taken.seq, taken.digest)?;
        let received = unpack(&self.host, &self.deal, &message, taken.at)?;
        let peer = self.deal.side.other();
        let moving = match &received {
            Received::Information(kind, _) => Moving::Information(kind),
            Received::Statement(signed) => Moving::Statement(signed.statement(), signed.digest()),
            Received::Money(payment) => Moving::Money(payment.amount, payment.purpose),
        };
        self.monitor.advance(peer, moving, true, taken.at)?;
        if let Received::Statement(signed) = &received {
            self.statements.push(SignedStatement::clone(signed));
        }
        Ok(received)
    }

    /// Has our side sign a statement; the flow must enable it now. `Err` inside is the
    /// person's refusal.
    pub fn sign(&mut self, content: Content) -> Result<Result<SignedStatement, String>, Stop> {
        let made = self.now()?;
        let statement = Statement { deal: self.deal.id, made, content };
        let payload = statement.encode().map_err(|error| Stop::Service(error.to_string()))?;
        let moving = Moving::Statement(&statement, Digest::of(&payload));
        self.monitor.check(self.deal.side, moving, true, made)?;
        let signed = self.ask_to_sign("tinguin/consent.sign", &statement)?;
        let chain = |bytes: &[u8]| -> Result<SignedStatement, Stop> {
            let role = self.deal.side.role();
            SignedStatement::verify(bytes, self.host.roots(), role, made)
                .map_err(|error| Stop::Service(format!("our own signature: {error}")))
        };
        match signed {
            Ok(bytes) => Ok(Ok(chain(&bytes)?)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Puts a statement to the person, with those that it refers to.
    pub fn ask_to_sign(
        &mut self,
        function: &str,
        statement: &Statement,
    ) -> Result<Result<Vec<u8>, String>, Stop> {
        let host = Arc::clone(&self.host);
        let refers = self.statements.iter().map(|it| semper_base::cbor::encode(it.statement()));
        let refers: Vec<Vec<u8>> = refers.collect();
        // An effect, though nothing has happened before the yes: the question is put once.
        self.journal
            .effect(function, statement, |call| {
                let answer = host.tinguin().sign_statement(call.key, statement, refers);
                let signed = match answer {
                    Ok(bytes) => Ok(serde_bytes::ByteBuf::from(bytes)),
                    Err(semper_tinguin::ClientError::Declined(why)) => Err(why),
                    Err(other) => return Err(other.into()),
                };
                let writes = match &signed {
                    Ok(bytes) => host.evidence_of(statement, bytes),
                    Err(_) => Vec::new(),
                };
                Ok((signed, writes))
            })
            .map(|signed: Result<serde_bytes::ByteBuf, String>| signed.map(|it| it.into_vec()))
    }
}

/// The item of a message, with signature, signer and deal checked; not yet the flow.
fn unpack(
    host: &Host,
    deal: &Deal,
    message: &SignedMessage,
    at: Timestamp,
) -> Result<Received, Stop> {
    match host.single_item(deal, message)? {
        Item::Information { kind, body } => Ok(Received::Information(kind, body.into_vec())),
        Item::Statement(bytes) => peer_statement(host, deal, &bytes, at)
            .map(|signed| Received::Statement(Box::new(signed))),
        Item::Money(bytes) => {
            let module = host.payments().module(&deal.agreement.payment);
            let module = module.map_err(|error| Stop::Service(error.to_string()))?;
            let confirmed = module
                .accept(&bytes, deal.id, at)
                .map_err(|error| Stop::Peer(error.to_string()))?;
            Ok(Received::Money(PaymentHandle {
                amount: confirmed.amount,
                digest: confirmed.digest,
                purpose: confirmed.purpose,
                signer: confirmed.signer,
                item: confirmed.item,
            }))
        }
    }
}

/// A statement that the peer signed under its name in the agreement, for this deal.
fn peer_statement(
    host: &Host,
    deal: &Deal,
    bytes: &[u8],
    at: Timestamp,
) -> Result<SignedStatement, Stop> {
    let side = deal.side.other();
    let fault = |why: String| Stop::Peer(why);
    let signed = SignedStatement::verify(bytes, host.roots(), side.role(), at)
        .and_then(|signed| signed.of_deal(deal.id))
        .map_err(|error| fault(error.to_string()))?;
    let want = deal.agreement.name(side);
    if signed.signer().name != want {
        return Err(fault(format!("a statement by “{}”, not by “{want}”", signed.signer().name)));
    }
    Ok(signed)
}
