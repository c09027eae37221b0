//! Opening a deal: both sign one agreement, or neither is bound.
//!
//! ```text
//! buyer                                   merchant
//! Asking ── HELLO ─────────────────────▶  Signing
//! Signing ◀───────────── AGREE (signed) ── Offered
//! Confirming ── AGREED (signed) ────────▶  Open
//! Open ◀──────────────────────── accepted
//! ```
//!
//! Every message may be lost or repeated: each side answers a repetition with what it has
//! stored. The buyer is bound from its own signature on; the merchant from when that
//! signature reaches it. Until `countersign_by` either may let it lapse.

use semper_base::{DealId, Timestamp};
use semper_items::{Agreement, Hello};
use serde::{Deserialize, Serialize};

/// A signature's bytes: opaque here, verified at the border by the driver.
pub type Token = Vec<u8>;

/// Why an opening failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The merchant does not sell under these terms (any more).
    #[error("the merchant does not offer the terms {0}")]
    UnknownTerms(String),
    /// No way to pay in common.
    #[error("no way to pay in common: the buyer has {buyer}; the merchant takes {terms}")]
    NoPayment {
        /// The buyer's ways, in words.
        buyer: String,
        /// The merchant's, in words.
        terms: String,
    },
    /// The agreement that came back is not built on the HELLO that was sent.
    #[error("the agreement that came back is not about the deal that was asked for")]
    OtherHello,
    /// A term of the agreement that the buyer cannot accept.
    #[error("the agreement is not acceptable: {0}")]
    Terms(String),
    /// The person, or a rule of hers, said no.
    #[error("declined: {0}")]
    Declined(String),
    /// The certificate behind a signature does not count.
    #[error("{0}")]
    Certificate(String),
    /// Nobody countersigned in time.
    #[error("the agreement was not countersigned in time")]
    Expired,
    /// The clocks of the two are too far apart.
    #[error("the clocks differ too much: the buyer's says {buyer}, the merchant's {merchant}")]
    Clock {
        /// The buyer's time.
        buyer: String,
        /// The merchant's time.
        merchant: String,
    },
}

/// The states of a buyer's opening.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Buyer {
    /// HELLO is out; AGREE is waited for.
    Asking(Hello),
    /// The merchant has signed; the person is being asked.
    Signing(Agreement, Token),
    /// Both have signed; the merchant has not said that it knows.
    Confirming(Agreement, Token, Token),
    /// The deal is open.
    Open(Agreement, Token, Token),
    /// It came to nothing.
    Refused(Refusal),
}

/// The states of a merchant's opening.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merchant {
    /// A HELLO has come; our signature is being made.
    Signing(Agreement),
    /// AGREE is out; AGREED is waited for.
    Offered(Agreement, Token),
    /// The deal is open.
    Open(Agreement, Token, Token),
    /// It came to nothing.
    Refused(Refusal),
}

/// An event of either side's opening.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "events live for one step")]
pub enum Event {
    /// The peer's signed agreement, verified: AGREE at the buyer, AGREED at the merchant.
    Received(Agreement, Token),
    /// Our own signature has been made.
    Signed(Token),
    /// Our side will not sign.
    Declined(String),
    /// The merchant says that the deal is open.
    Accepted(DealId),
    /// The peer has refused, for this reason.
    Refused(Refusal),
    /// Time has passed, or the host has started again: send again or give up.
    Tick,
}

/// An effect that the driver must carry out, in the order of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Store the new state.
    Persist,
    /// Send HELLO to the merchant.
    SendHello(Hello),
    /// Send AGREE, our signed agreement, to the buyer.
    SendAgree(Token),
    /// Send AGREED, our signature, to the merchant.
    SendAgreed(DealId, Token),
    /// Tell the buyer that the deal is open.
    SendAccepted(DealId),
    /// Have our side sign this.
    Sign(Agreement),
    /// The deal is open: start its service.
    Opened(DealId),
    /// Tell the person, and the peer if it waits.
    Refuse(Refusal),
}

impl Buyer {
    /// An opening that begins: HELLO is stored, then sent.
    pub fn start(hello: Hello) -> (Self, Vec<Effect>) {
        (Self::Asking(hello.clone()), vec![Effect::Persist, Effect::SendHello(hello)])
    }

    /// One step; an event that does not fit the state changes nothing.
    pub fn step(self, event: Event, now: Timestamp) -> (Self, Vec<Effect>) {
        match (self, event) {
            (Self::Asking(hello), Event::Received(agreement, token)) => {
                if agreement.hello != hello {
                    return refuse(Self::Refused, Refusal::OtherHello);
                }
                if !hello.payment.contains(&agreement.payment) {
                    let why = format!("payment by “{}” was never offered", agreement.payment);
                    return refuse(Self::Refused, Refusal::Terms(why));
                }
                if now > agreement.countersign_by {
                    return refuse(Self::Refused, Refusal::Expired);
                }
                let sign = Effect::Sign(agreement.clone());
                (Self::Signing(agreement, token), vec![Effect::Persist, sign])
            }
            (Self::Asking(hello), Event::Tick) => {
                (Self::Asking(hello.clone()), vec![Effect::SendHello(hello)])
            }
            (Self::Signing(agreement, _), Event::Signed(_) | Event::Tick)
                if now > agreement.countersign_by =>
            {
                refuse(Self::Refused, Refusal::Expired)
            }
            (Self::Signing(agreement, theirs), Event::Signed(ours)) => {
                let id = agreement.id();
                let effects = vec![Effect::Persist, Effect::SendAgreed(id, ours.clone())];
                (Self::Confirming(agreement, theirs, ours), effects)
            }
            (Self::Signing(agreement, theirs), Event::Tick) => {
                let sign = Effect::Sign(agreement.clone());
                (Self::Signing(agreement, theirs), vec![sign])
            }
            (Self::Signing(..), Event::Declined(why)) => {
                refuse(Self::Refused, Refusal::Declined(why))
            }
            (Self::Confirming(agreement, theirs, ours), Event::Accepted(id))
                if id == agreement.id() =>
            {
                let effects = vec![Effect::Persist, Effect::Opened(id)];
                (Self::Open(agreement, theirs, ours), effects)
            }
            (Self::Confirming(agreement, theirs, ours), Event::Tick) => {
                let send = Effect::SendAgreed(agreement.id(), ours.clone());
                (Self::Confirming(agreement, theirs, ours), vec![send])
            }
            (Self::Asking(_) | Self::Signing(..) | Self::Confirming(..), Event::Refused(why)) => {
                refuse(Self::Refused, why)
            }
            (state, _) => (state, Vec::new()),
        }
    }
}

impl Merchant {
    /// Starts with an agreement drawn up for an acceptable HELLO.
    pub fn start(agreement: Agreement) -> (Self, Vec<Effect>) {
        (Self::Signing(agreement.clone()), vec![Effect::Persist, Effect::Sign(agreement)])
    }

    /// One step; an event that does not fit the state changes nothing.
    pub fn step(self, event: Event, now: Timestamp) -> (Self, Vec<Effect>) {
        match (self, event) {
            (Self::Signing(agreement), Event::Signed(ours)) => {
                let effects = vec![Effect::Persist, Effect::SendAgree(ours.clone())];
                (Self::Offered(agreement, ours), effects)
            }
            (Self::Signing(_), Event::Declined(why)) => {
                refuse(Self::Refused, Refusal::Declined(why))
            }
            (Self::Signing(agreement) | Self::Offered(agreement, _), Event::Tick)
                if now > agreement.countersign_by =>
            {
                refuse(Self::Refused, Refusal::Expired)
            }
            (Self::Signing(agreement), Event::Tick) => {
                (Self::Signing(agreement.clone()), vec![Effect::Sign(agreement)])
            }
            (Self::Offered(agreement, ours), Event::Tick) => {
                (Self::Offered(agreement, ours.clone()), vec![Effect::SendAgree(ours)])
            }
            (Self::Offered(agreement, ours), Event::Received(theirs, token)) => {
                if theirs != agreement {
                    return refuse(Self::Refused, Refusal::OtherHello);
                }
                if now > agreement.countersign_by {
                    return refuse(Self::Refused, Refusal::Expired);
                }
                let id = agreement.id();
                let effects = vec![Effect::Persist, Effect::Opened(id), Effect::SendAccepted(id)];
                (Self::Open(agreement, ours, token), effects)
            }
            // AGREED again: our acceptance was lost.
            (Self::Open(agreement, ours, token), Event::Received(theirs, _))
                if theirs == agreement =>
            {
                let accepted = Effect::SendAccepted(agreement.id());
                (Self::Open(agreement, ours, token), vec![accepted])
            }
            (Self::Refused(why), Event::Received(..) | Event::Tick) => {
                (Self::Refused(why.clone()), vec![Effect::Refuse(why)])
            }
            (state, _) => (state, Vec::new()),
        }
    }
}

fn refuse<S>(refused: impl Fn(Refusal) -> S, why: Refusal) -> (S, Vec<Effect>) {
    (refused(why.clone()), vec![Effect::Persist, Effect::Refuse(why)])
}
