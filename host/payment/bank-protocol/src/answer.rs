//! An HTTP answer of a bank, read.

use crate::BankRefusal;

/// What has come of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done; the answer in the request's own form ([`crate::Request::answer_type`]).
    Done(Vec<u8>),
    /// The bank refuses, and will refuse again.
    Refused(BankRefusal),
    /// No answer to the request: it may be asked again.
    Away {
        /// The HTTP status.
        status: u16,
        /// What the bank says about it, if anything.
        refusal: Option<BankRefusal>,
    },
}

impl Answer {
    /// Reads an answer. A bank refuses with 4xx and JSON; anything else that is not 200 is a
    /// passing fault.
    pub fn of(status: u16, body: Vec<u8>) -> Self {
        if status == 200 {
            return Self::Done(body);
        }
        match (status, serde_json::from_slice(&body).ok()) {
            (400..=499, Some(refusal)) => Self::Refused(refusal),
            (_, refusal) => Self::Away { status, refusal },
        }
    }
}
