//! A case as it lies in the store: whole while its messages are needed, and only its verdict when
//! they never will be. Whoever is given such a verdict has asked with the messages.

use semper_base::cbor;
use semper_exchange::standard::Standard;
use semper_exchange::third::{Case, Pending, Stored, is_bare};
use semper_exchange::verdict::Verdict;
use serde::{Deserialize, Serialize};

use super::MAX_CASE;
use super::cases::{CasesError, Row};

/// A verdict, and the one that may follow it.
pub(super) type Verdicts<'a> = (&'a Verdict<Standard>, Option<&'a Verdict<Standard>>);

/// A stored case. What is whole has the form of [`Case`], as it always had.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Kept {
    /// Not decided yet.
    Pending(Box<Pending<Standard>>),
    /// Decided, with what it was decided from.
    Decided(Box<Stored<Standard>>),
    /// Decided, and nothing else is needed: [`is_bare`].
    Bare(Box<Verdict<Standard>>),
}

impl Kept {
    /// What is stored of a case; `lodge` if payment systems must still be shown its verdict.
    pub fn encode(case: &Case<Standard>, lodge: bool) -> Vec<u8> {
        match case {
            Case::Decided(stored)
                if !lodge && stored.after.is_none() && is_bare(&stored.verdict) =>
            {
                cbor::encode(&Self::Bare(Box::new(stored.verdict.clone())))
            }
            case => cbor::encode(case),
        }
    }

    /// Reads a row.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn decode(row: &Row) -> Result<Self, CasesError> {
        cbor::decode(&row.bytes, MAX_CASE).map_err(|error| CasesError(error.to_string()))
    }

    /// Its verdict, and the one that may follow it; none if it is not decided.
    pub fn verdicts(&self) -> Option<Verdicts<'_>> {
        match self {
            Self::Pending(_) => None,
            Self::Decided(stored) => Some((&stored.verdict, stored.after.as_ref())),
            Self::Bare(verdict) => Some((verdict, None)),
        }
    }

    /// The case, if it is whole.
    pub fn case(self) -> Option<Case<Standard>> {
        match self {
            Self::Pending(pending) => Some(Case::Pending(pending)),
            Self::Decided(stored) => Some(Case::Decided(stored)),
            Self::Bare(_) => None,
        }
    }
}
