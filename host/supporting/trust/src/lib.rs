//! Trust: from the bytes of a bundle to `VerifiedTerms`, and from those to grants.
//!
//! ```text
//! bytes → layout → descriptions → signatures → certificates that count → VerifiedTerms
//! VerifiedTerms + trust file → Grants | Refusal
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | [`layout`] | an OCI image layout: blobs by digest, manifests, referrers |
//! | [`describe`] | the canonical JSON descriptions: service, terms |
//! | [`flow`] | the declared flow: states, and the actions enabled in each |
//! | [`envelope`] | DSSE envelopes with in-toto statements: who signed what |
//! | [`bundle`] | making a bundle: what `semper-sign` does |
//! | [`limits`] | limits of the sandbox: defaults, ceilings |
//! | [`trustfile`] | whom a buyer believes for what |
//! | [`verify`] | [`verify::VerifiedTerms`], the only type from which a deal can be opened |
//! | [`policy`] | [`policy::Grants`]: what a service so certified may do |
//!
//! Source: seed 1 §III.A (secure downloading), `design/terms-and-trust.md`.
#![forbid(unsafe_code)]

pub mod bundle;
pub mod describe;
pub mod envelope;
pub mod flow;
pub mod layout;
pub mod limits;
pub mod policy;
pub mod trustfile;
pub mod verify;

pub use describe::{ServiceDescription, TermsDescription};
pub use flow::Flow;
pub use layout::{Layout, LayoutError};
pub use limits::{Limit, Limits};
pub use policy::{Capability, Grants, Refusal};
pub use trustfile::TrustFile;
pub use verify::{TrustError, VerifiedTerms};
