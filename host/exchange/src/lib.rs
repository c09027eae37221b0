//! Fair exchange: both get what they were promised, or neither gets anything.
//!
//! Optimistic: two honest parties need four messages and no third party. Generic: whatever is
//! exchanged, the protocol follows from what the items promise. Asynchronous: nobody has to be
//! in time for fairness, only to ask the third party once before the exchange's close.
//!
//! Everything here is pure: `step(state, event) -> (state, effects)`, generic over a small trait
//! of cryptography. The same code runs in the host, in the third party, and under the model
//! checker with symbols in place of signatures.
//!
//! | module | what it is for |
//! |---|---|
//! | [`item`] | what is exchanged: signatures, information, money; packages |
//! | [`agreement`] | what both agree on before anything is promised; the protocols |
//! | [`fee`] | what a third party takes for deciding, and which side owes it |
//! | [`negotiation`] | finding that: options of both, and a public deterministic choice |
//! | [`message`] | the four messages and what they carry |
//! | [`originator`], [`responder`] | the two parties' machines |
//! | [`machine`], [`party`] | what the two share: the machine's common part; events, effects, folding over a package |
//! | [`third`] | the third party's machine |
//! | [`verdict`] | requests, verdicts with their basis, replacements |
//! | [`dates`] | which dates count: for parties, banks and judge alike |
//! | [`manager`] | what each kind of item does at each step |
//! | [`package`] | what a leaf stands for in its deal; what is said before an agreement |
//! | [`published`] | the third party's public log: lines about verdicts, changes of its key |
//! | [`obtained`] | what an exchange has given, in a form that stands by itself |
//! | [`bank`] | what an exchange and a payment system say to each other |
//! | [`information`] | encrypted in chunks, opened later, fraud shown by one chunk |
//! | [`judge`] | evidence in, finding out: for parties, third party and arbiter alike |
//! | [`crypto`], [`standard`] | what the machines need; and its instance with Ed25519 and HPKE |
//! | [`mutation`] | rules that a test can leave out |
//!
//! How it works: `docs/exchange.md`. Sources: seed 2 §3.4; Asokan, Shoup, Waidner 1998 and its
//! analyses.
#![forbid(unsafe_code)]

pub mod agreement;
pub mod bank;
pub mod crypto;
pub mod dates;
pub mod driven;
pub mod fee;
pub mod fence;
pub mod information;
pub mod item;
pub mod judge;
pub mod machine;
pub mod manager;
pub mod message;
pub mod mutation;
pub mod negotiation;
pub mod obtained;
pub mod originator;
pub mod package;
pub mod party;
pub mod published;
pub mod responder;
pub mod standard;
pub mod third;
pub mod verdict;

pub use agreement::{Agreed, AgreementError, Exchange, Fairness, Party, Protocol, ThirdParty};
pub use crypto::{Body, Crypto, Detached, Half, Holder, HolderError, Named, Signed};
pub use driven::Driven;
pub use fee::{Debtor, Fee, Fees, Share};
pub use item::{Fraud, Information, Item, Leaf, Money, Role};
pub use message::Message;
pub use originator::Originator;
pub use party::{Effect, End, Event};
pub use responder::Responder;
pub use semper_items::{Excludes, Generates, Mode, Properties};
