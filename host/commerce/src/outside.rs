//! What a component's calls reach: a running host, or the record of a deal that is re-executed.
//!
//! On replay nothing has an effect, so a record needs no more than the messages that were
//! received, the authorities that vouch for their signers, and, for checking, those sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use semper_archive::Write;
use semper_base::cert::Roots;
use semper_base::{DealId, Digest, KeyId, Role, Timestamp};
use semper_items::message::MAX_MESSAGE;
use semper_items::statement::{Content, PaymentOrder};
use semper_items::{
    Container, Header, Item, Keys, Message, SignedMessage, SignedStatement, Statement,
};
use semper_payment::Intent;

use crate::context::{Deal, PaymentHandle, Received, message_of_peer, statement_of_peer};
use crate::host::{END, Host};
use crate::journal::Journal;
use crate::stage::Stage;
use crate::stop::Stop;

/// What calls reach.
#[derive(Clone, Debug)]
pub enum Outside {
    /// A running host.
    Host(Arc<Host>),
    /// What is left of a deal.
    Recorded(Arc<Recorded>),
    /// A scripted world, for examining services.
    Stage(Arc<Stage>),
}

/// The messages of a deal, as its archive or its export has them.
#[derive(Debug)]
pub struct Recorded {
    /// The authorities that vouch for parties and banks.
    pub roots: Roots,
    /// Messages received, by number: the signed bytes.
    pub received: BTreeMap<u64, Vec<u8>>,
    /// Messages sent, by number: the signed bytes.
    pub sent: BTreeMap<u64, Vec<u8>>,
}

impl Recorded {
    /// Whether the message that the component makes is the one that was sent.
    pub(crate) fn check_sent(
        &self,
        deal: &Deal,
        seq: u64,
        item: Item,
        journal: Digest,
        made: Timestamp,
    ) -> Result<(), Stop> {
        let wrong =
            |why: &str| Err(Stop::Message { from: deal.side.name(), seq, why: why.to_owned() });
        let Some(bytes) = self.sent.get(&seq) else { return wrong("it is missing") };
        let previous = match seq {
            1 => Digest::ZERO,
            _ => self.sent_message(deal, seq - 1)?.digest,
        };
        let header = Header { deal: deal.id, from: deal.side, seq, previous, journal, made };
        let expected = Message { header, container: Container::of(item) };
        let sent = self.sent_message(deal, seq)?;
        if sent.message.header.journal != journal {
            return wrong("it commits to another journal");
        }
        if sent.message != expected || bytes.is_empty() {
            return wrong("it is not what the component makes of the journal");
        }
        Ok(())
    }

    fn sent_message(&self, deal: &Deal, seq: u64) -> Result<SignedMessage, Stop> {
        let from = deal.side.name();
        let wrong = |why: String| Stop::Message { from, seq, why };
        let bytes = self.sent.get(&seq).ok_or_else(|| wrong("it is missing".into()))?;
        let key = deal.agreement.keys(deal.side).sign;
        SignedMessage::verify(bytes, deal.id, deal.side, &key)
            .map_err(|error| wrong(error.to_string()))
    }
}

impl Outside {
    /// The running host; on re-execution the journal has ended where one is needed.
    pub fn host(&self) -> Result<&Arc<Host>, Stop> {
        match self {
            Self::Host(host) => Ok(host),
            Self::Recorded(_) | Self::Stage(_) => Err(Stop::JournalEnds),
        }
    }

    /// What time it is.
    pub fn clock(&self) -> Timestamp {
        match self {
            Self::Stage(stage) => stage.now(),
            _ => Timestamp::now(),
        }
    }

    /// The authorities that vouch for parties.
    pub fn roots(&self) -> &Roots {
        match self {
            Self::Host(host) => host.roots(),
            Self::Recorded(record) => &record.roots,
            Self::Stage(stage) => stage.roots(),
        }
    }

    /// A message of the peer's, which must still be the one that was journaled.
    pub(crate) fn message(
        &self,
        deal: &Deal,
        seq: u64,
        digest: Digest,
    ) -> Result<SignedMessage, Stop> {
        let missing =
            || Stop::Message { from: deal.side.other().name(), seq, why: "it is missing".into() };
        match self {
            Self::Host(host) => {
                let row = host.archive().message(deal.id, false, seq)?.ok_or_else(missing)?;
                message_of_peer(deal, seq, &row.bytes, digest)
            }
            Self::Recorded(record) => {
                let bytes = record.received.get(&seq).ok_or_else(missing)?;
                message_of_peer(deal, seq, bytes, digest)
            }
            Self::Stage(stage) => stage.message(deal, seq),
        }
    }

    /// The item of a message, with signature, signer and deal checked; not yet the flow.
    pub(crate) fn unpack(
        &self,
        deal: &Deal,
        message: &SignedMessage,
        at: Timestamp,
    ) -> Result<Received, Stop> {
        match self.single_item(deal, message)? {
            Item::Information { kind, body } if kind == END => Err(Stop::PeerEnded(said(&body))),
            Item::Information { kind, body } => Ok(Received::Information(kind, body.into_vec())),
            Item::Statement(bytes) => statement_of_peer(self, deal, &bytes, at)
                .map(|signed| Received::Statement(Box::new(signed))),
            Item::Money(bytes) => self.payment(deal, &bytes, at).map(Received::Money),
        }
    }

    /// The one item of a message. Messages of this version carry one each.
    fn single_item(&self, deal: &Deal, message: &SignedMessage) -> Result<Item, Stop> {
        let keys = PeerKeys { outside: self, deal };
        let opened = message.message.container.open(&keys);
        let mut leaves = opened.map_err(|error| Stop::Peer(error.to_string()))?;
        match (leaves.pop(), leaves.len()) {
            (Some(leaf), 0) => Ok(leaf.item),
            (_, more) => Err(Stop::Peer(format!("a message with {} items", more + 1))),
        }
    }

    fn payment(&self, deal: &Deal, bytes: &[u8], at: Timestamp) -> Result<PaymentHandle, Stop> {
        let host = match self {
            Self::Host(host) => host,
            Self::Recorded(_) => return confirmed_payment(self.roots(), deal, bytes, at),
            Self::Stage(stage) => return stage.payment(deal, bytes, at),
        };
        let module = host.payments().module(&deal.agreement.payment);
        let module = module.map_err(|error| Stop::Service(error.to_string()))?;
        let confirmed =
            module.accept(bytes, deal.id, at).map_err(|error| Stop::Peer(error.to_string()))?;
        Ok(PaymentHandle {
            amount: confirmed.amount,
            digest: confirmed.digest,
            purpose: confirmed.purpose,
            signer: confirmed.signer,
            item: confirmed.item,
        })
    }

    /// What is acceptable of a message becomes evidence in the commit that takes it; what is
    /// not is found again when it is unpacked, and ends the deal.
    pub(crate) fn evidence(
        &self,
        deal: &Deal,
        seq: u64,
        digest: Digest,
        at: Timestamp,
    ) -> Vec<Write> {
        let Self::Host(host) = self else { return Vec::new() };
        self.message(deal, seq, digest)
            .and_then(|message| self.unpack(deal, &message, at))
            .map(|received| host.evidence_of_received(deal, &received, at))
            .unwrap_or_default()
    }

    /// The account that payments to us go to: the host's configuration, or what the journal
    /// says was asked to be signed.
    pub(crate) fn own_account(&self, deal: &Deal, journal: &Journal) -> Result<String, Stop> {
        match self {
            Self::Host(host) => {
                let module = host.payments().module(&deal.agreement.payment);
                let module = module.map_err(|error| Stop::Service(error.to_string()))?;
                Ok(module.account().to_owned())
            }
            Self::Recorded(_) => match journaled(journal).map(|it| it.content) {
                Some(Content::Offer(offer)) => Ok(offer.account),
                _ => Ok(String::new()),
            },
            Self::Stage(stage) => Ok(stage.account()),
        }
    }

    /// The payment order for an intent: the payment module's, or on re-execution one with the
    /// payer and bank that the journal names.
    pub(crate) fn payment_order(
        &self,
        deal: &Deal,
        journal: &Journal,
        intent: &Intent,
    ) -> Result<PaymentOrder, Stop> {
        match self {
            Self::Host(host) => {
                let module = host.payments().module(&deal.agreement.payment);
                let module = module.map_err(|error| Stop::Service(error.to_string()))?;
                Ok(module.order(intent))
            }
            Self::Stage(stage) => Ok(stage.payment_order(intent)),
            Self::Recorded(_) => {
                let (bank, from) = match journaled(journal).map(|it| it.content) {
                    Some(Content::PaymentOrder(order)) => (order.bank, order.from),
                    _ => (String::new(), String::new()),
                };
                Ok(PaymentOrder {
                    bank,
                    from,
                    to: intent.payee.clone(),
                    amount: intent.amount,
                    purpose: intent.purpose,
                    reference: intent.reference,
                })
            }
        }
    }
}

/// A payment confirmed by a bank that the authorities vouch for. Whose account it went to
/// is in the evidence; the account's owner checked it when it came.
pub(crate) fn confirmed_payment(
    roots: &Roots,
    deal: &Deal,
    bytes: &[u8],
    at: Timestamp,
) -> Result<PaymentHandle, Stop> {
    let signed = SignedStatement::verify(bytes, roots, Role::Bank, at)
        .and_then(|signed| signed.of_deal(deal.id))
        .map_err(|error| Stop::Peer(error.to_string()))?;
    let Content::PaymentConfirmation(done) = &signed.statement().content else {
        return Err(Stop::Peer("it is no payment".into()));
    };
    Ok(PaymentHandle {
        amount: done.amount,
        digest: signed.digest(),
        purpose: done.purpose,
        signer: signed.signer().name.clone(),
        item: bytes.to_vec(),
    })
}

/// The statement that the journal says was put to the person next.
fn journaled(journal: &Journal) -> Option<Statement> {
    // The time that it was made at is read before it.
    journal.upcoming(2).find_map(|bytes| Statement::decode(bytes).ok())
}

/// What a host says in its last word, if this message is one.
pub(crate) fn farewell(message: &[u8]) -> Option<String> {
    match Message::unverified(message)?.container.item()? {
        Item::Information { kind, body } if kind == END => Some(said(body)),
        _ => None,
    }
}

/// What the peer says at the end, cut to a sentence's length.
fn said(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(500).collect()
}

/// The keys with which a container inside a message is opened: the deal's.
struct PeerKeys<'a> {
    outside: &'a Outside,
    deal: &'a Deal,
}

impl Keys for PeerKeys<'_> {
    fn sign(&self, _subtree: &[u8]) -> Result<Vec<u8>, String> {
        Err("the deal's key signs messages, not subtrees".into())
    }

    fn verify(&self, signed: &[u8]) -> Result<(Vec<u8>, KeyId), String> {
        let key = self.deal.agreement.keys(self.deal.side.other()).sign;
        let parsed = semper_base::cose::parse(signed, "container", MAX_MESSAGE)
            .map_err(|error| error.to_string())?;
        let payload = parsed.verify_key(&key).map_err(|error| error.to_string())?;
        Ok((payload, key.id()))
    }

    fn open(&self, _to: KeyId, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let host = self.outside.host().map_err(|_| "it is sealed".to_owned())?;
        let deal: DealId = self.deal.id;
        host.tinguin().open(deal, sealed).map_err(|error| error.to_string())
    }
}
