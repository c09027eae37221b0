//! How far a deal has come in the flow that its terms declare: what was done, and what is left.
//!
//! It follows from what a home keeps: the terms, the journal, the messages. No host has to run for it,
//! and no component: so the window and `semper archive show` say the same.
//!
//! | module | what it is for |
//! |---|---|
//! | `walk` | the way through the flow that the journal tells |
//! | `ahead` | the way from there to the end that the terms intend |
#![forbid(unsafe_code)]

mod ahead;
mod walk;

use semper_archive::home::TERMS;
use semper_archive::{Archive, ArchiveError, DealRow, Home};
use semper_items::Side;
use semper_trust::layout::Layout;
use semper_trust::verify::Described;
use serde::Serialize;

pub use walk::steps;

/// How far a deal has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Steps {
    /// What was done, in order.
    pub done: Vec<Step>,
    /// What is left, if everything goes as the terms intend: the shortest way.
    pub left: Vec<Step>,
}

/// A step of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Who does it; of an exchange, who proposes it.
    pub by: Side,
    /// What it is: `offer`, `payment`, `exchange of receipt for payment`.
    pub what: String,
    /// Whether it was done, or no way to the end that the terms intend goes without it. Of one that is
    /// left and for which this does not hold, another may come in its place.
    pub needed: bool,
}

/// How far a deal has come, by the terms that its home keeps; `None` where these or its journal do not
/// say.
///
/// # Errors
/// When the archive cannot be read.
pub fn of_home(
    home: &Home,
    archive: &Archive,
    row: &DealRow,
) -> Result<Option<Steps>, ArchiveError> {
    let name = format!("{TERMS}/{}", row.terms.hex());
    if !home.has(&name) {
        return Ok(None);
    }
    // Without them nothing is said of steps; everything else stands by itself.
    let Ok(folder) = home.folder(&name) else { return Ok(None) };
    let Ok(layout) = Layout::read(&folder) else { return Ok(None) };
    let Ok(described) = Described::parse(&layout) else { return Ok(None) };
    // The folder's name is the digest of what lies in it, or it says nothing.
    if described.terms_digest != row.terms {
        return Ok(None);
    }
    steps(archive, row, &described.service.flow)
}
