//! The world of a component: everything that its calls can reach, as one trait.
//!
//! Three implement it: a running host (`semper-commerce`), the record of a deal
//! (`semper-examine`), and the stage of those who examine services (`semper-stage`). The runtime
//! knows none of them. A world belongs to one side of one deal.
//!
//! On re-execution the journal answers every call that has been made; so a record needs no more
//! than the messages and the authorities. What it does not implement ends the re-execution:
//! that is where the journal ends.

use std::sync::Arc;

use semper_archive::Write;
use semper_base::cert::Verifier;
use semper_base::{Digest, Timestamp, keys};
use semper_exchange::crypto::Signed;
use semper_exchange::negotiation::{Refusal, Reject};
use semper_exchange::package::Talk;
use semper_exchange::standard::Standard;
use semper_items::statement::PaymentOrder;
use semper_items::{Item, Message, SignedMessage, Statement};
use semper_payment::Intent;
use semper_tinguin_protocol::Answer;
use semper_tinguin_protocol::screen::Question;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::business::Business;
use crate::exchange::{Begun, Outcome, Till, ToDraw};
use crate::handles::{Accepted, Received};
use crate::journal::{Call, Journal};
use crate::stop::{Pause, Stop};

/// The kind of the information by which a host tells its peer that its side of the deal has
/// failed. No flow enables it: it is the host's own.
pub const END: &str = "semper/end";

/// What a call has come to, and what is stored in the same commit as its journal record.
pub type Done<T> = Result<(T, Vec<Write>), Stop>;

/// What a component waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The other side's next message.
    pub message: bool,
    /// A date.
    pub until: Option<Timestamp>,
    /// An answer of the person.
    pub question: Option<Question>,
    /// The key under which the question is put: the call's.
    #[serde(skip)]
    pub key: Option<Digest>,
}

/// What came first.
#[derive(Clone, Debug)]
pub enum Came {
    /// The other side's next message, by its digest.
    Message(Digest),
    /// The date.
    Time(Timestamp),
    /// The answer.
    Answer(Answer),
    /// The person leaves the deal, for this reason.
    Cancelled(String),
}

/// What a payment has come to, as the journal keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Paid {
    /// It is made: the payment system's confirmation.
    Confirmed(ByteBuf),
    /// The account does not hold enough.
    NoFunds,
    /// The payment system refuses, with its words.
    Refused(String),
}

/// Everything that the calls of one side's component can reach.
///
/// Methods that return [`Done`] have an effect, or wait: what they give back beside the result
/// is stored with the call's record. `next` is the number of the other side's next message, and
/// `key` the call's: whatever a world lets others see must be the same when it is asked again
/// under the same key.
#[allow(unused_variables, reason = "what a record does not have is where it ends")]
pub trait World: Send + Sync + std::fmt::Debug {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Believes the parties of this deal and their banks: the same ones in every run.
    fn verifier(&self) -> &Verifier;

    /// A message of the peer's by its number; it must be the one with this digest.
    fn message(&self, seq: u64, digest: Digest) -> Result<SignedMessage, Stop>;

    /// Opens what was sealed to this side's deal key. `Err` inside is why it cannot be opened by
    /// anybody; a stop says that it cannot be opened now.
    fn open(&self, sealed: &[u8]) -> Result<Result<Vec<u8>, String>, Stop>;

    /// The account that payments to this side go to; `journal` stands before the call in which
    /// the person is asked to sign a statement with it.
    fn account(&self, journal: &Journal) -> Result<String, Stop>;

    /// The payment order for an intent; `journal` as above.
    fn payment_order(&self, journal: &Journal, intent: &Intent) -> Result<PaymentOrder, Stop>;

    /// Makes our next message of an item.
    fn post(&self, item: &Item, call: Call, at: Timestamp) -> Result<Vec<Write>, Stop> {
        Err(Pause::RecordEnds.into())
    }

    /// A message of ours has its number, and is stored; `fresh` if it was made just now.
    fn posted(
        &self,
        seq: u64,
        item: &Item,
        call: Call,
        at: Timestamp,
        fresh: bool,
    ) -> Result<(), Stop> {
        Ok(())
    }

    /// What is kept as evidence of something received.
    fn kept(&self, received: &Received, at: Timestamp) -> Vec<Write> {
        Vec::new()
    }

    /// Tells the person where the deal stands.
    fn progress(&self, text: String) {}

    /// A line of the component's log.
    fn logged(&self, text: &str) {}

    /// What the randomness of a component's language follows from; asked once, and journaled.
    fn randomness(&self) -> Digest {
        Digest::from_bytes(keys::random())
    }

    /// A detail that the person tells merchants, if it is granted.
    fn detail(&self, key: &str, granted: bool) -> Result<Option<String>, Stop> {
        Err(Pause::RecordEnds.into())
    }

    /// The merchant's own affairs, on the merchant's side.
    fn business(&self) -> Result<Option<Arc<dyn Business>>, Stop> {
        Err(Pause::RecordEnds.into())
    }

    /// Waits for the first of these.
    fn first_of(&self, next: u64, wanted: &Wanted) -> Done<Came> {
        Err(Pause::RecordEnds.into())
    }

    /// Puts a question to the person. Whoever leaves the deal answers every question so.
    fn ask(&self, next: u64, key: Digest, question: &Question) -> Done<Answer> {
        Err(Pause::RecordEnds.into())
    }

    /// Has the person sign a statement; `refers` are the deal's statements, to be shown beside.
    /// `Err` inside is why it is not signed.
    fn sign(
        &self,
        next: u64,
        key: Digest,
        statement: &Statement,
        refers: &[Vec<u8>],
    ) -> Done<Result<Vec<u8>, String>> {
        Err(Pause::RecordEnds.into())
    }

    /// Has the payment system carry a signed order out.
    fn pay(&self, signed: &[u8], order: &PaymentOrder, at: Timestamp) -> Done<Paid> {
        Err(Pause::RecordEnds.into())
    }

    /// Accepts a payment of the other side's: once, when it comes.
    fn accept(&self, item: &[u8], at: Timestamp) -> Result<Accepted, Stop> {
        Err(Pause::RecordEnds.into())
    }

    /// How this side pays and is paid in exchanges, if it can.
    fn till(&self, at: Timestamp) -> Result<Option<Till>, Stop> {
        Err(Pause::RecordEnds.into())
    }

    /// Signs a refusal with the deal's key.
    fn refuse(&self, reject: Reject) -> Result<Signed<Standard, Reject>, Stop> {
        Err(Pause::RecordEnds.into())
    }

    /// Draws up a proposal, or the answer to one.
    fn draw_up(&self, to_draw: &ToDraw<'_>) -> Result<Result<Talk, Refusal>, Stop> {
        Err(Pause::RecordEnds.into())
    }

    /// Has the person decide about an exchange. `Err` inside is why not.
    fn agree(
        &self,
        next: u64,
        key: Digest,
        begun: &Begun<'_>,
        refers: &[Vec<u8>],
        account: Option<(String, String)>,
    ) -> Done<Result<(), String>> {
        Err(Pause::RecordEnds.into())
    }

    /// What is stored of an exchange that begins.
    fn begin(&self, begun: &Begun<'_>) -> Result<Vec<Write>, Stop> {
        Err(Pause::RecordEnds.into())
    }

    /// An exchange has begun, and is stored.
    fn begun(&self, begun: &Begun<'_>) {}

    /// Waits for an exchange's end, and says what has come of it.
    fn exchanged(&self, begun: &Begun<'_>) -> Done<Outcome> {
        Err(Pause::RecordEnds.into())
    }
}

/// What a host says in its last word, if this message is one.
pub fn farewell(message: &[u8]) -> Option<String> {
    match Message::unverified(message)?.container.item()? {
        Item::Information { kind, body } if kind == END => Some(last_word(body)),
        _ => None,
    }
}

/// What the peer says at the end, cut to a sentence's length.
pub(crate) fn last_word(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(500).collect()
}
