//! Fair exchanges of a running host: whose keys sign and open in them, and how they lie in the
//! archive. What components give and want becomes wishes in [`semper_runtime::exchange`]; the
//! machines are driven by [`crate::host`], whatever becomes of the component that began them.

mod holder;
mod stored;

pub(crate) use holder::{DealHolder, is_final};
pub(crate) use stored::{Stored, outcome};
