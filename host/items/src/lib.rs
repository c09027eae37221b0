//! Business items: what is transferred and exchanged in a deal.
//!
//! | module | what it is for |
//! |---|---|
//! | [`statement`] | what a party declares and signs: offer, order, receipt …; the one table of their kinds |
//! | [`signed`] | a statement with a verified signature: [`SignedStatement`] |
//! | [`container`] | the tree that items travel in; inner nodes carry security attributes |
//! | [`agreement`] | what both hosts sign to open a deal; its hash is the deal id |
//! | [`message`] | header and container: what travels in a deal |
//! | [`hold`] | money under a condition: the life of one hold |
//! | [`properties`] | what a payment, or any item, can promise to the exchange layer |
//! | [`limits`] | every bound of this layer, in one place |
//!
//! `items.cddl` beside this crate says what every structure is in CBOR (RFC 8610); a test
//! holds the two together. Source: seed 1 §III.B, seed 2 §3.3.
#![forbid(unsafe_code)]

pub mod agreement;
pub mod container;
pub mod hold;
pub mod limits;
pub mod message;
pub mod properties;
pub mod signed;
pub mod statement;

pub use agreement::{
    Agreement, AgreementError, Attributes, DealKeys, Hello, Side, SignedAgreement,
};
pub use container::{Container, Item, Keys, Node, OpenError, Opened, Plan};
pub use hold::Hold;
pub use message::{Header, Message, MessageError, SignedMessage};
pub use properties::{Excludes, Generates, Mode, Properties};
pub use signed::{SignedStatement, StatementError};
pub use statement::{Address, Content, Kind, Line, Statement};

/// The CDDL description of every structure of this crate.
pub const CDDL: &str = include_str!("../items.cddl");
