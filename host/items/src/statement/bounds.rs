//! Bounds of a statement's fields: what a record checks of its texts and amounts.

use semper_base::cbor::CborError;
use semper_base::{Amount, AmountError, Mend};

use crate::limits;

/// Why a statement makes no sense in itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Mend)]
#[mend("the service that made this statement must be mended by its author")]
pub enum ContentError {
    /// Not the canonical encoding of a statement.
    #[error("not a statement: {0}")]
    Cbor(#[from] CborError),
    /// A field is out of its bounds.
    #[error("the statement's {field} {fault}")]
    Field {
        /// The field's name, in words.
        field: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// Amounts that do not add.
    #[error("the statement's amounts do not add: {0}")]
    Amount(#[from] AmountError),
    /// The offer's total is not the sum of its lines and delivery.
    #[error("the offer says {said} in total, but its lines and delivery make {sum}")]
    Total {
        /// As stated.
        said: Amount,
        /// As computed.
        sum: Amount,
    },
}

/// A short text that says something.
pub(super) fn text(field: &'static str, text: &str) -> Result<(), ContentError> {
    bounded(field, text, 1, limits::TEXT)
}

/// A text of so many characters, all of which a person sees as they are.
pub(super) fn bounded(
    field: &'static str,
    text: &str,
    least: usize,
    most: usize,
) -> Result<(), ContentError> {
    let count = text.chars().count();
    let fault = if count < least {
        "is empty".to_owned()
    } else if count > most {
        format!("has {count} characters where {most} are allowed")
    } else if text.chars().any(|c| c.is_control() || is_bidi(c)) {
        // Controls and direction marks could make a person read another text than is signed.
        "holds control or direction characters".to_owned()
    } else {
        return Ok(());
    };
    Err(ContentError::Field { field, fault })
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// An amount of more than nothing.
pub(super) fn positive(field: &'static str, amount: Amount) -> Result<(), ContentError> {
    if amount.minor() > 0 {
        return Ok(());
    }
    Err(ContentError::Field { field, fault: format!("must be more than nothing, not {amount}") })
}

/// An amount of nothing or more.
pub(super) fn not_negative(field: &'static str, amount: Amount) -> Result<(), ContentError> {
    if amount.minor() >= 0 {
        return Ok(());
    }
    Err(ContentError::Field { field, fault: format!("must not be negative, but is {amount}") })
}
