//! Trust: from the bytes of a bundle to `VerifiedTerms`, and from those to grants.
//!
//! ```text
//! layout → Described → Signed → Fresh → Logged → Certified → VerifiedTerms     (verify/*)
//! VerifiedTerms + policies → Grants | Refusal                                  (policies)
//! ```
//!
//! Every stage is a type of its own that only the stage before can become, and pure: bytes, a
//! trust file, what the host knows ([`revocation::Knowledge`]) and a time go in.
//!
//! | module | what it is for |
//! |---|---|
//! | [`layout`] | an OCI image layout: blobs by digest, manifests, referrers |
//! | [`describe`] | the canonical JSON descriptions: service, terms |
//! | [`flow`] | the declared flow: states, and the actions enabled in each |
//! | [`properties`] | what a flow promises to buyers; shortest paths that refute it |
//! | [`envelope`] | DSSE envelopes with in-toto statements: who signed what |
//! | [`bundle`] | making a bundle: what `semper-sign` does |
//! | [`capability`] | interfaces that a component may import, and the worlds that have them |
//! | [`certificate`] | what evaluators say: certificates, their scope, delegations |
//! | [`revocation`] | signed lists of what no longer holds; what a host knows of them |
//! | [`limits`] | limits of the sandbox: defaults, ceilings |
//! | [`trustfile`] | whom a buyer believes for what |
//! | `evaluator` | consumer organisations in it, with the roots that vouch for them |
//! | [`lookalike`] | names that look like others |
//! | [`verify`] | the stages, and [`verify::VerifiedTerms`], the only type from which a deal can be opened |
//! | [`policies`] | the buyer's Cedar policies |
//! | [`policy`] | [`policy::Grants`]: what a service so certified may do |
//!
//! How it works: `docs/trust.md`. Source: seed 1 §III.A (secure downloading).
#![forbid(unsafe_code)]

pub mod bundle;
pub mod capability;
pub mod certificate;
pub mod describe;
pub mod envelope;
mod evaluator;
pub mod flow;
mod json;
pub mod layout;
pub mod limits;
pub mod lookalike;
pub mod policies;
pub mod policy;
pub mod properties;
pub mod revocation;
pub mod third_party;
pub mod trustfile;
pub mod verify;

pub use describe::{ServiceDescription, TermsDescription};
pub use flow::Flow;
pub use layout::{Layout, LayoutError};
pub use limits::{Limit, Limits};
pub use policy::{Capability, Grants, Refusal};
pub use revocation::Knowledge;
pub use trustfile::TrustFile;
pub use verify::{TrustError, VerifiedTerms};
