//! What the table says of a kind: the words that its entries are written in.

use semper_base::Role;

use super::Kind;

/// What the table says of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name as flows, grants, rules of consent and archives write it.
    pub name: &'static str,
    /// Who makes it.
    pub by: By,
    /// The kinds of the statements that it names by digest, in the order of
    /// [`Content::refers`](super::Content::refers).
    pub refers: &'static [Kind],
    /// Whether it is about money, and whose amount that must be.
    pub amount: Sum,
    /// What its signer is bound to by it.
    pub binds: Binds,
    /// What its signer says has happened.
    pub says: Says,
    /// Whether in an exchange the third party's affidavit may take the signature's place.
    pub affidavit: bool,
}

/// Who makes statements of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The seller's service, with the seller's consent.
    Seller,
    /// The buyer's service, with the buyer's consent.
    Buyer,
    /// Either side's service, with that side's consent.
    Either,
    /// The host of whoever pays, with that person's consent; a service never sees it.
    Payer,
    /// A bank.
    Bank,
}

impl By {
    /// Whether services make such statements: these travel in flows, and only these have a
    /// form in WIT.
    pub const fn is_service(self) -> bool {
        matches!(self, Self::Seller | Self::Buyer | Self::Either)
    }

    /// Roles, one of which the signer's certificate must name. Which side says what in a deal
    /// is for its flow.
    pub const fn roles(self) -> &'static [Role] {
        match self {
            Self::Seller | Self::Buyer | Self::Either | Self::Payer => {
                &[Role::Buyer, Role::Merchant]
            }
            Self::Bank => &[Role::Bank],
        }
    }
}

/// Whether a kind is about money, and whose amount that must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// It is not about money.
    Nothing,
    /// It names a price of its own.
    Own,
    /// It repeats the amount of an earlier statement of one of these kinds.
    Of(&'static [Kind]),
}

impl Sum {
    /// Whether a flow that bounds the amount by that kind's makes it as it must be.
    pub fn is_of(self, kind: Option<Kind>) -> bool {
        matches!((self, kind), (Self::Of(kinds), Some(kind)) if kinds.contains(&kind))
    }
}

/// What a statement binds its signer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Binds {
    /// To nothing.
    Nothing,
    /// To deliver, at a price, until a date.
    Deliver,
    /// To pay.
    Pay,
    /// To a payment that the bank makes at once.
    Spend,
}

impl Binds {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Deliver, Self::Pay, Self::Spend];

    /// The first kind of the table that binds so: the one that messages to people name.
    ///
    /// # Panics
    /// If the table had no such kind, and a test holds that it has; in a constant it would not
    /// compile.
    pub const fn kind(self) -> Kind {
        let mut at = 0;
        while at < Kind::ALL.len() {
            if Kind::ALL[at].entry().binds as u8 == self as u8 {
                return Kind::ALL[at];
            }
            at += 1;
        }
        panic!("no kind of statement binds so")
    }
}

/// What a statement says has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Says {
    /// Nothing: it promises or orders something.
    Nothing,
    /// The bank has moved money.
    Moved,
    /// The signer has the money.
    Received,
    /// The goods are on their way.
    Sent,
    /// The signer has what it was promised.
    Done,
    /// The signer leaves the deal.
    Left,
}

impl Says {
    /// Whether somebody who has paid has something in hand for it.
    pub const fn answers_payment(self) -> bool {
        matches!(self, Self::Received | Self::Sent)
    }
}
