//! The message channel of a deal: gapless, chained, idempotent.
//!
//! `seq` is gapless per sender. A repeated message is acknowledged again and changes nothing;
//! a later one than expected is refused with the number that is missing; a second message
//! with a number already taken is a *fork*: evidence of cheating, and the end of the deal.

use semper_base::Digest;
use serde::{Deserialize, Serialize};

/// A message, as far as the channel needs to know it. Production uses
/// [`semper_items::SignedMessage`]; the model checker a toy.
pub trait Numbered {
    /// The sender's number for it.
    fn seq(&self) -> u64;
    /// The digest of the sender's previous message.
    fn previous(&self) -> Digest;
    /// The digest of the message itself.
    fn digest(&self) -> Digest;
}

impl Numbered for semper_items::SignedMessage {
    fn seq(&self) -> u64 {
        self.message.header.seq
    }

    fn previous(&self) -> Digest {
        self.message.header.previous
    }

    fn digest(&self) -> Digest {
        self.digest
    }
}

/// One direction's end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// The number of the newest message; 0 when there is none.
    pub last: u64,
    /// Its digest; zero when there is none.
    pub head: Digest,
}

impl Chain {
    /// No message yet.
    pub const START: Self = Self { last: 0, head: Digest::ZERO };
}

/// The state of one party's end of a deal's channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// The end of the chain that was sent.
    pub sent: Chain,
    /// Up to which number the peer has stored it.
    pub acknowledged: u64,
    /// The end of the chain that was received.
    pub received: Chain,
    /// Set by a fork; nothing is sent or accepted any more.
    pub forked: bool,
}

/// An event of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<M> {
    /// Our own next message has been made and signed.
    Submit(M),
    /// A verified message of the peer; with the digest of the stored one of that number, if
    /// that number was received before.
    Receive(M, Option<Digest>),
    /// The peer has stored our messages up to this number.
    Acknowledge(u64),
}

/// An effect that the driver must carry out, in the order of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect<M> {
    /// Store the state, and the message as sent, in one commit.
    PersistSent(M),
    /// Store the state, and the message as received, in one commit.
    PersistReceived(M),
    /// Store the state alone.
    PersistState,
    /// Store both messages of one number as evidence of a fork, and end the deal.
    PersistFork(M),
    /// Send it, until it is acknowledged.
    Send(M),
    /// Tell the peer that everything up to this number is stored.
    Acknowledge(u64),
    /// Give the message to the deal.
    Deliver(M),
    /// Tell the peer why not.
    Refuse(Refusal),
}

/// Why a message is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// Messages before it are missing.
    #[error("message {got} came before message {expected}: send from {expected} on")]
    Gap {
        /// The number of the message that came.
        got: u64,
        /// The number that is due.
        expected: u64,
    },
    /// It does not follow the message before it.
    #[error("message {seq} does not continue the chain of the messages before it")]
    Broken {
        /// The number of the message that came.
        seq: u64,
    },
    /// A different message of this number was received before.
    #[error("message {seq} is a second one of that number: the deal has ended")]
    Fork {
        /// The number that two messages have.
        seq: u64,
    },
    /// The peer acknowledges what was never sent.
    #[error("message {seq} was acknowledged but never sent")]
    NeverSent {
        /// The number that was acknowledged.
        seq: u64,
    },
    /// Our own message is not the next one.
    #[error("message {got} is not the next to be sent, which is {expected}")]
    NotNext {
        /// The number of the message that was submitted.
        got: u64,
        /// The number that is due.
        expected: u64,
    },
}

impl Default for Channel {
    fn default() -> Self {
        Self { sent: Chain::START, acknowledged: 0, received: Chain::START, forked: false }
    }
}

impl Channel {
    /// The number of the next message to send.
    pub const fn next(&self) -> u64 {
        self.sent.last + 1
    }

    /// One step. The state given back counts only once its persist effect is done.
    pub fn step<M: Numbered + Clone>(mut self, event: Event<M>) -> (Self, Vec<Effect<M>>) {
        match event {
            Event::Submit(message) => self.submit(message),
            Event::Receive(message, stored) => self.receive(message, stored),
            Event::Acknowledge(seq) if seq > self.sent.last => {
                (self, vec![Effect::Refuse(Refusal::NeverSent { seq })])
            }
            Event::Acknowledge(seq) if seq <= self.acknowledged => (self, Vec::new()),
            Event::Acknowledge(seq) => {
                self.acknowledged = seq;
                (self, vec![Effect::PersistState])
            }
        }
    }

    fn submit<M: Numbered + Clone>(mut self, message: M) -> (Self, Vec<Effect<M>>) {
        let expected = self.next();
        if self.forked {
            return (self, vec![Effect::Refuse(Refusal::Fork { seq: message.seq() })]);
        }
        if message.seq() != expected || message.previous() != self.sent.head {
            let refusal = Refusal::NotNext { got: message.seq(), expected };
            return (self, vec![Effect::Refuse(refusal)]);
        }
        self.sent = Chain { last: expected, head: message.digest() };
        (self, vec![Effect::PersistSent(message.clone()), Effect::Send(message)])
    }

    fn receive<M: Numbered + Clone>(
        mut self,
        message: M,
        stored: Option<Digest>,
    ) -> (Self, Vec<Effect<M>>) {
        let seq = message.seq();
        let expected = self.received.last + 1;
        if self.forked {
            return (self, vec![Effect::Refuse(Refusal::Fork { seq })]);
        }
        if seq > expected || seq == 0 {
            return (self, vec![Effect::Refuse(Refusal::Gap { got: seq, expected })]);
        }
        if seq < expected {
            if stored == Some(message.digest()) {
                return (self, vec![Effect::Acknowledge(self.received.last)]);
            }
            self.forked = true;
            let refuse = Effect::Refuse(Refusal::Fork { seq });
            return (self, vec![Effect::PersistFork(message), refuse]);
        }
        if message.previous() != self.received.head {
            return (self, vec![Effect::Refuse(Refusal::Broken { seq })]);
        }
        self.received = Chain { last: seq, head: message.digest() };
        let persist = Effect::PersistReceived(message.clone());
        (self, vec![persist, Effect::Acknowledge(seq), Effect::Deliver(message)])
    }
}
