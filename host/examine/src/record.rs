//! The record of a deal as a component's world: the messages that were received, those that were
//! sent, and the authorities. Everything else the journal answers; where it ends, the
//! re-execution ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use semper_base::cert::Verifier;
use semper_base::{Digest, Timestamp};
use semper_items::statement::{Content, PaymentOrder};
use semper_items::{Container, Header, Item, Message, SignedMessage, Statement};
use semper_payment::Intent;
use semper_runtime::Deal;
use semper_runtime::journal::{Call, Journal};
use semper_runtime::stop::{Doubt, Stop};
use semper_runtime::verified::message_of_peer;
use semper_runtime::world::World;

/// The messages of a deal, as its archive or its export has them.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Believes the parties and banks.
    pub verifier: Verifier,
    /// Messages received, by number: the signed bytes.
    pub received: BTreeMap<u64, Vec<u8>>,
    /// Messages sent, by number: the signed bytes.
    pub sent: BTreeMap<u64, Vec<u8>>,
}

/// The record of one deal.
#[derive(Debug)]
pub(crate) struct Record {
    pub recorded: Arc<Recorded>,
    pub deal: Arc<Deal>,
}

impl Record {
    fn sent_message(&self, seq: u64) -> Result<SignedMessage, Stop> {
        let from = self.deal.side;
        let wrong = |why: String| Stop::from(Doubt::Message { from, seq, why });
        let bytes = self.recorded.sent.get(&seq).ok_or_else(|| wrong("it is missing".into()))?;
        let key = self.deal.agreement.keys(from).sign;
        SignedMessage::verify(bytes, self.deal.id, from, &key)
            .map_err(|error| wrong(error.to_string()))
    }
}

impl World for Record {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn verifier(&self) -> &Verifier {
        &self.recorded.verifier
    }

    fn message(&self, seq: u64, digest: Digest) -> Result<SignedMessage, Stop> {
        let from = self.deal.side.other();
        let missing = || Doubt::Message { from, seq, why: "it is missing".into() };
        let bytes = self.recorded.received.get(&seq).ok_or_else(missing)?;
        message_of_peer(&self.deal, seq, bytes, digest)
    }

    fn open(&self, _sealed: &[u8]) -> Result<Result<Vec<u8>, String>, Stop> {
        Ok(Err("it is sealed".into()))
    }

    fn account(&self, journal: &Journal) -> Result<String, Stop> {
        let asked = journaled(journal);
        let payee = asked.as_ref().and_then(|it| it.content.payee());
        Ok(payee.unwrap_or_default().to_owned())
    }

    fn payment_order(&self, journal: &Journal, intent: &Intent) -> Result<PaymentOrder, Stop> {
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

    /// Whether the message that the component makes is the one that was sent.
    fn posted(
        &self,
        seq: u64,
        item: &Item,
        call: Call,
        made: Timestamp,
        _fresh: bool,
    ) -> Result<(), Stop> {
        let (deal, from) = (&self.deal, self.deal.side);
        let wrong = |why: &str| Err(Doubt::Message { from, seq, why: why.to_owned() }.into());
        let previous = match seq {
            1 => Digest::ZERO,
            _ => self.sent_message(seq - 1)?.digest,
        };
        let journal = call.head;
        let header = Header { deal: deal.id, from: deal.side, seq, previous, journal, made };
        let expected = Message { header, container: Container::of(item.clone()) };
        let sent = self.sent_message(seq)?;
        if sent.message.header.journal != journal {
            return wrong("it commits to another journal");
        }
        if sent.message != expected {
            return wrong("it is not what the component makes of the journal");
        }
        Ok(())
    }
}

/// The statement that the journal says was put to the person next.
fn journaled(journal: &Journal) -> Option<Statement> {
    // The time that it was made at is read before it.
    journal.upcoming(2).find_map(|bytes| Statement::decode(bytes).ok())
}
