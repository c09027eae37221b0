//! The rule of whoever holds an originator's keys: what delivers and what gives up exclude each
//! other, for ever, whatever the host has forgotten.
//!
//! The keys' memory is another than the host's, and either can be put back from a copy or lost
//! without the other. The machine counts on it: it stores what it is about to have signed, and a
//! “no” is an event ([`crate::Event::Denied`]).

use crate::agreement::Protocol;
use crate::bank::{Release, Waiver};
use crate::crypto::Body as _;
use crate::item::{ItemSignature, Role};
use crate::message::Deliver;
use crate::standard::Standard;
use crate::verdict::Abort;

/// What an originator has begun to do about an exchange: one of the two, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Its items are on their way.
    Delivering,
    /// It is to be aborted.
    Aborting,
}

impl Phase {
    /// What a signature under a body of this kind begins; `None` if it excludes nothing. With
    /// deposits an abort may follow a delivery: the third party has both packages, or neither.
    pub fn of(kind: &str, role: Role, protocol: Protocol) -> Option<Self> {
        if role != Role::Originator || protocol == Protocol::Inline {
            return None;
        }
        match kind {
            <Deliver<Standard> as crate::Body>::KIND
            | ItemSignature::KIND
            | Release::KIND
            | Waiver::KIND => Some(Self::Delivering),
            Abort::KIND => Some(Self::Aborting),
            _ => None,
        }
    }

    /// Whether it may be begun after this.
    pub fn may_follow(self, begun: Option<Self>) -> bool {
        begun.is_none_or(|it| it == self)
    }
}
