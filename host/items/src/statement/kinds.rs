//! The table of statement kinds: what every layer may ask about a kind stands here, once.
//!
//! | who asks | for what |
//! |---|---|
//! | flows and their properties (`trust`) | what binds to deliver or to pay, what says that money or goods came, whose amount is whose |
//! | the flow monitor (`runtime`) | references, amounts, what money can be for, until when an offer stands |
//! | screens and the archive's lines (`tinguin-protocol`, `commerce`) | title, rows, meaning, summary, amount |
//! | exchanges and conversions (`runtime`) | which kinds services make, where an affidavit may stand for a signature |
//! | evidence (`examine`) | in which role a kind's signer is certified |
//! | the bench and its judges (`semper-sign`) | all of these |
//!
//! To add a kind: write its record with a [`Declaration`] in a file beside this one, give it an
//! entry below, and describe its structure in `items.cddl`. A kind that services make also needs
//! a variant in WIT and its conversion in the host. The tests walk through the table with every
//! kind's example and name what is missing.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use semper_base::Mend;
use serde::{Deserialize, Serialize};

use super::declaration::Declaration;
use super::{
    Binds, By, Completion, Entry, HoldOrder, Offer, Order, PaymentConfirmation, PaymentOrder,
    Receipt, Says, ShippingNote, Sum, Withdrawal,
};

/// Makes [`Content`] and [`Kind`] of the entries, so that neither can have what the other lacks,
/// and neither a kind without an entry and a declaration.
macro_rules! table {
    ($($(#[$doc:meta])+ $kind:ident { $($fact:tt)+ })+) => {
        /// What is declared: a record of one of the kinds.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub enum Content {
            $($(#[$doc])+ $kind($kind),)+
        }

        /// The kind of a statement, by which grants and flows name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Kind {
            $($(#[$doc])+ $kind,)+
        }

        impl Kind {
            /// Every kind, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// What the table says of it.
            pub const fn entry(self) -> &'static Entry {
                match self {
                    $(Self::$kind => &Entry { $($fact)+ },)+
                }
            }

            /// Content of this kind that makes sense: for tests, which walk through the table,
            /// and for whoever wants to see one.
            pub fn example(self) -> Content {
                match self {
                    $(Self::$kind => Content::$kind($kind::example()),)+
                }
            }
        }

        impl Content {
            /// Its kind.
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)+
                }
            }

            pub(super) fn record(&self) -> &dyn Declaration {
                match self {
                    $(Self::$kind(record) => record,)+
                }
            }

            pub(super) fn record_mut(&mut self) -> &mut dyn Declaration {
                match self {
                    $(Self::$kind(record) => record,)+
                }
            }
        }
    };
}

// Seed 2 §2.1 and §4.1 name offer, order, payment, receipt and delivery.
table! {
    /// The merchant binds itself to these goods at this price until a date.
    Offer {
        name: "offer",
        by: By::Seller,
        refers: &[],
        amount: Sum::Own,
        binds: Binds::Deliver,
        says: Says::Nothing,
        affidavit: true,
    }
    /// The buyer accepts an offer.
    Order {
        name: "order",
        by: By::Buyer,
        refers: &[Kind::Offer],
        amount: Sum::Of(&[Kind::Offer]),
        binds: Binds::Pay,
        says: Says::Nothing,
        affidavit: true,
    }
    /// The payer tells its bank to pay.
    PaymentOrder {
        name: "payment-order",
        by: By::Payer,
        refers: &[Kind::Order],
        amount: Sum::Of(&[Kind::Order, Kind::Offer]),
        binds: Binds::Spend,
        says: Says::Nothing,
        affidavit: false,
    }
    /// The payer tells its bank to hold or pay money under the conditions of a fair exchange.
    HoldOrder {
        name: "hold-order",
        by: By::Payer,
        refers: &[],
        amount: Sum::Of(&[Kind::Order, Kind::Offer]),
        binds: Binds::Spend,
        says: Says::Nothing,
        affidavit: false,
    }
    /// The bank says that it has paid.
    PaymentConfirmation {
        name: "payment-confirmation",
        by: By::Bank,
        refers: &[Kind::PaymentOrder, Kind::Order],
        amount: Sum::Of(&[Kind::PaymentOrder]),
        binds: Binds::Nothing,
        says: Says::Moved,
        affidavit: false,
    }
    /// The merchant has received the money.
    Receipt {
        name: "receipt",
        by: By::Seller,
        refers: &[Kind::Order, Kind::PaymentConfirmation],
        amount: Sum::Of(&[Kind::Order, Kind::Offer]),
        binds: Binds::Nothing,
        says: Says::Received,
        affidavit: true,
    }
    /// The merchant has handed over the goods.
    ShippingNote {
        name: "shipping-note",
        by: By::Seller,
        refers: &[Kind::Order],
        amount: Sum::Nothing,
        binds: Binds::Nothing,
        says: Says::Sent,
        affidavit: true,
    }
    /// The buyer has what was ordered; the deal is done.
    Completion {
        name: "completion",
        by: By::Buyer,
        refers: &[Kind::Order],
        amount: Sum::Nothing,
        binds: Binds::Nothing,
        says: Says::Done,
        affidavit: true,
    }
    /// Either side leaves before the order binds.
    Withdrawal {
        name: "withdrawal",
        by: By::Either,
        refers: &[],
        amount: Sum::Nothing,
        binds: Binds::Nothing,
        says: Says::Left,
        affidavit: true,
    }
}

impl Kind {
    /// The name as flows and grants write it.
    pub const fn name(self) -> &'static str {
        self.entry().name
    }

    /// What it binds its signer to.
    pub const fn binds(self) -> Binds {
        self.entry().binds
    }

    /// What its signer says has happened.
    pub const fn says(self) -> Says {
        self.entry().says
    }

    /// The kinds that bind to the same.
    pub fn binding(binds: Binds) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |kind| kind.binds() == binds)
    }

    /// The kinds of statements that services make.
    pub fn of_services() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|kind| kind.entry().by.is_service())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no kind's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Mend)]
#[error("“{0}” is no kind of statement")]
#[mend("there are {}", names().join(", "))]
pub struct UnknownKind(pub String);

fn names() -> Vec<&'static str> {
    Kind::ALL.iter().map(|kind| kind.name()).collect()
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let mut kinds = Self::ALL.iter().copied();
        kinds.find(|kind| kind.name() == name).ok_or_else(|| UnknownKind(name.to_owned()))
    }
}
