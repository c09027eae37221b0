//! What a component's calls reach: a running host, or the record of a deal that is re-executed.
//!
//! On replay nothing has an effect, so a record needs no more than the messages that were
//! received, the authorities that vouch for their signers, and, for checking, those sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use semper_archive::Write;
use semper_base::cert::Roots;
use semper_base::{DealId, Digest, KeyId, Role, Timestamp};
use semper_exchange::crypto::{Away, Holder, Signed};
use semper_exchange::negotiation::{Propose, Refusal, Reject};
use semper_exchange::package::{MAX_TALK, Part, Talk, Wanted, deal_name};
use semper_exchange::standard::Standard;
use semper_exchange::{Mode, ThirdParty};
use semper_items::message::MAX_MESSAGE;
use semper_items::statement::{Content, PaymentOrder};
use semper_items::{
    Container, Header, Item, Keys, Message, SignedMessage, SignedStatement, Statement,
};
use semper_payment::{Intent, PaymentError};
use semper_trust::trustfile::ExchangeRules;

use crate::context::{Deal, PaymentHandle, Received};
use crate::exchange::{DealHolder, Drawing, Give, NotDrawn, Terms, Till};
use crate::host::{END, Host};
use crate::journal::Journal;
use crate::stage::Stage;
use crate::stop::Stop;
use crate::verified::{message_of_peer, statement_of_peer};

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
            Item::Exchange(bytes) => {
                let talk = semper_base::cbor::decode(&bytes, MAX_TALK);
                let talk = talk.map_err(|error| Stop::Peer(format!("about an exchange: {error}")));
                Ok(Received::Talk(Box::new(talk?)))
            }
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
            Self::Recorded(_) => {
                let asked = journaled(journal);
                let payee = asked.as_ref().and_then(|it| it.content.payee());
                Ok(payee.unwrap_or_default().to_owned())
            }
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

/// What exchanges need of the world; on re-execution the journal has all of it.
impl Outside {
    /// How we pay and are paid in this deal, if we can.
    pub(crate) fn till(&self, deal: &Deal, at: Timestamp) -> Result<Option<Till>, Stop> {
        if let Self::Stage(stage) = self {
            return Ok(Some(stage.till(deal)));
        }
        let payments = self.host()?.payments();
        let Ok(module) = payments.module(&deal.agreement.payment) else { return Ok(None) };
        let key = module.system_key(at).map_err(|error| match error {
            PaymentError::Away(what) => Stop::Later { what, after: Duration::from_secs(1) },
            other => Stop::Service(other.to_string()),
        })?;
        // What promises nothing cannot be exchanged.
        let modes = module.modes().iter().copied().filter(|mode| *mode != Mode::Plain).collect();
        Ok(Some(Till {
            module: module.name().to_owned(),
            modes,
            system: module.system().to_owned(),
            key,
            account: module.account().to_owned(),
        }))
    }

    /// Signs a refusal with the deal's key.
    pub(crate) fn sign_talk(
        &self,
        deal: &Deal,
        reject: Reject,
    ) -> Result<Signed<Standard, Reject>, Stop> {
        let name = deal_name(deal.id);
        let signed = match self {
            Self::Stage(stage) => Signed::new(&stage.holder(), name, reject),
            _ => {
                let host = self.host()?;
                Signed::new(&DealHolder::new(host.tinguin(), deal.id, &[]), name, reject)
            }
        };
        signed.map_err(|error| away(&error))
    }

    /// Draws up a proposal, or the answer to one.
    pub(crate) fn draw_up(
        &self,
        deal: &Deal,
        asked: &Asked<'_>,
    ) -> Result<Result<Talk, Refusal>, Stop> {
        match self {
            Self::Stage(stage) => {
                stage.keep_plain(deal, asked.gives);
                let (third_parties, rules) = (vec![stage.third_party()], ExchangeRules::default());
                draw_up(deal, asked, third_parties, rules, &stage.holder())
            }
            _ => {
                let host = self.host()?;
                let (third_parties, rules) = host.exchange_rules();
                let holder = DealHolder::new(host.tinguin(), deal.id, &[]);
                draw_up(deal, asked, third_parties, rules, &holder)
            }
        }
    }
}

/// N1, signed.
type Proposal = Signed<Standard, Propose<Standard>>;

/// What is to be drawn up.
pub(crate) struct Asked<'a> {
    /// What we give.
    pub gives: &'a [Give],
    /// What we want, in a proposal.
    pub wants: &'a [Wanted],
    /// The proposal that is answered, and what it gives.
    pub answers: Option<(&'a Proposal, &'a [Part])>,
    /// How we pay.
    pub till: Option<Till>,
    /// Whom.
    pub payee: Option<String>,
    /// When.
    pub at: Timestamp,
}

fn draw_up(
    deal: &Deal,
    asked: &Asked<'_>,
    third_parties: Vec<ThirdParty<Standard>>,
    rules: ExchangeRules,
    holder: &impl Holder<Standard>,
) -> Result<Result<Talk, Refusal>, Stop> {
    let terms = Terms {
        deal: deal.id,
        keys: deal.agreement.keys(deal.side),
        third_parties,
        rules,
        till: asked.till.clone(),
        payee: asked.payee.clone(),
    };
    let is_information = |it: &Part| matches!(it, Part::Information { .. });
    let informs = asked.wants.iter().any(|it| matches!(it, Wanted::Information(_)))
        || asked.answers.is_some_and(|(_, parts)| parts.iter().any(is_information));
    let drawing = Drawing::new(&terms, asked.gives, informs, asked.at, holder);
    let drawing = drawing.map_err(|error| match error {
        NotDrawn::Service(what) => Stop::Service(what),
        NotDrawn::Away(error) => away(&error),
    })?;
    let talk = match asked.answers {
        None => drawing.propose(asked.wants.to_vec(), holder).map(Ok),
        Some((propose, _)) => drawing.answer(propose, holder),
    };
    talk.map_err(|error| away(&error))
}

fn away(error: &Away) -> Stop {
    Stop::Later { what: error.to_string(), after: Duration::from_secs(1) }
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
