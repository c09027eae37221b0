//! Packages in a deal's own words: what a leaf of an exchange stands for, and what two sides say
//! to one another before there is an agreement.
//!
//! A third party sees digests only. The two sides see what is behind them: beside each leaf
//! travels an [`Enclosed`], and [`read`] holds the two together, so that nobody reads one thing
//! and exchanges another. Statements name their deal, and an exchange names its deal by
//! [`deal_name`] only: whoever does not know the deal can guess none of them from its digest.

use semper_base::{Amount, DealId, Digest, Timestamp};
use semper_items::Kind;
use semper_items::limits;
use semper_items::statement::Statement;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::crypto::Signed;
use crate::information;
use crate::item::{Information, Item, Money};
use crate::negotiation::{Counter, Offered, Propose, Reject, Select};
use crate::standard::Standard;

/// The words that both agree to beside the items: the effect of an affidavit, the receipt.
pub const CLAUSES: &str = include_str!("../clauses.en.md");
/// Bytes of what is said before an exchange, at most: what a message of a deal can carry.
pub const MAX_TALK: usize = 400 * 1024;
/// For how long a proposal stands, in ms.
pub const ANSWER_MS: u64 = 24 * 60 * 60 * 1000;
/// For how long after that the third party can be asked, in ms.
pub const CLOSE_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// The digest of [`CLAUSES`].
pub fn clauses() -> Digest {
    Digest::of(CLAUSES.as_bytes())
}

/// The name of a deal in an exchange: says nothing to whoever does not know the deal.
pub fn deal_name(deal: DealId) -> Digest {
    Digest::of_parts(&[b"semper/exchange/deal/v1", deal.digest().as_bytes()])
}

/// The text or ciphertext behind a leaf, which the agreement names by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Enclosed {
    /// The statement whose signature is given, canonical.
    Statement(ByteBuf),
    /// The purpose of the money: the digest of an order.
    Money(Digest),
    /// Information, with its ciphertext.
    Information {
        /// Which kind, as the flow names it.
        kind: String,
        /// The encrypted chunks. Whoever is only to decide needs none.
        sealed: ByteBuf,
    },
}

impl Enclosed {
    /// Without what is encrypted: enough to decide by.
    #[must_use]
    pub fn without_content(self) -> Self {
        match self {
            Self::Information { kind, .. } => Self::Information { kind, sealed: ByteBuf::new() },
            other => other,
        }
    }
}

/// A wish for an item of the other side, which says itself how it gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Wanted {
    /// A signed statement of this kind.
    Statement(Kind),
    /// So much money, for this.
    Money(Amount, Digest),
    /// Information of this kind.
    Information(String),
}

/// The talk before an exchange, in messages of the deal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Talk {
    /// N1: the proposer's wishes and what it wants.
    Propose {
        /// The signed proposal: items, roles, believed third parties, protocols, dates.
        propose: Signed<Standard, Propose<Standard>>,
        /// The enclosures for its leaves, in order.
        enclosed: Vec<Enclosed>,
        /// The items wanted in return.
        wants: Vec<Wanted>,
    },
    /// N2: the answerer's wishes and the agreement that follows.
    Select {
        /// The signed answer, with the digest of the agreement that follows.
        select: Signed<Standard, Select<Standard>>,
        /// The enclosures for its leaves, in order.
        enclosed: Vec<Enclosed>,
    },
    /// "Not so, but perhaps like this": the answerer's wishes, for another proposal of the same items.
    Counter {
        /// The signed counter.
        counter: Signed<Standard, Counter<Standard>>,
    },
    /// "So be it", by the proposer: both persons have decided, and both hosts begin.
    Conclude {
        /// The digest of the exchange that begins.
        exchange: Digest,
    },
    /// "No": to a proposal, or, by the proposer, to what its answer makes of it.
    Reject {
        /// The signed refusal.
        reject: Signed<Standard, Reject>,
        /// The words of whoever refuses, for the other side's person.
        words: String,
    },
}

impl Talk {
    /// One sentence about it, for people who look on.
    pub fn words(&self) -> String {
        match self {
            Self::Propose { enclosed, wants, .. } => {
                let wants: Vec<String> = wants.iter().map(Wanted::words).collect();
                format!("proposes to exchange {} for {}", all(enclosed), wants.join(" and "))
            }
            Self::Select { enclosed, .. } => format!("agrees, and gives {}", all(enclosed)),
            Self::Counter { counter } => {
                format!("would exchange otherwise, since {}", counter.body().why)
            }
            Self::Conclude { .. } => "concludes: the exchange begins".into(),
            Self::Reject { words, .. } => format!("does not exchange: {words}"),
        }
    }
}

fn all(enclosed: &[Enclosed]) -> String {
    let one = |it: &Enclosed| match it {
        Enclosed::Statement(bytes) => match Statement::decode(bytes) {
            Ok(statement) => format!("a {}", statement.content.kind().name()),
            Err(_) => "a statement that cannot be read".into(),
        },
        Enclosed::Money(_) => "money".into(),
        Enclosed::Information { kind, .. } => format!("information “{kind}”"),
    };
    enclosed.iter().map(one).collect::<Vec<_>>().join(" and ")
}

impl Wanted {
    fn words(&self) -> String {
        match self {
            Self::Statement(kind) => format!("a {}", kind.name()),
            Self::Money(amount, _) => amount.to_string(),
            Self::Information(kind) => format!("information “{kind}”"),
        }
    }
}

/// A leaf in a deal's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A signature under this statement.
    Statement {
        /// The statement whose signature is given.
        statement: Box<Statement>,
        /// The digest that the leaf names.
        digest: Digest,
    },
    /// A payment.
    Money {
        /// How much, by which module, to whom.
        money: Box<Money<Standard>>,
        /// The order's digest: the purpose of the money.
        purpose: Digest,
    },
    /// Information of some kind, encrypted.
    Information {
        /// The kind, as the flow names it.
        kind: String,
        /// The roots, commitments and length that are agreed on.
        information: Box<Information>,
    },
}

/// Why a package is not what it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// Not as many enclosures as leaves.
    #[error("{leaves} items come with {enclosed} descriptions")]
    Count {
        /// The number of leaves.
        leaves: usize,
        /// The number of enclosures.
        enclosed: usize,
    },
    /// What is enclosed is not what the leaf says.
    #[error("item {path} is not what is said of it: {why}")]
    Other {
        /// The path of the leaf.
        path: String,
        /// The difference, in words.
        why: String,
    },
}

/// The path of a leaf: its number, and for money what it is for, so that both sign that, too.
pub fn path(index: usize, enclosed: &Enclosed) -> String {
    match enclosed {
        Enclosed::Money(purpose) => format!("{index}/{}", purpose.hex()),
        Enclosed::Statement(_) | Enclosed::Information { .. } => index.to_string(),
    }
}

/// The digest of an information's kind, salted: a third party cannot tell it.
pub fn describe(kind: &str, salt: &Digest) -> Digest {
    Digest::of_parts(&[b"semper/exchange/kind/v1", salt.as_bytes(), kind.as_bytes()])
}

/// The items that wishes give, each in the way that its giver likes most.
///
/// # Errors
/// As [`read`].
pub fn read_wishes(
    gives: &[Offered<Standard>],
    enclosed: &[Enclosed],
    deal: DealId,
    signer: &semper_base::PublicKey,
) -> Result<Vec<Part>, PackageError> {
    let leaves: Vec<_> =
        gives.iter().filter_map(|it| Some((it.path.as_str(), it.ways.first()?))).collect();
    read(leaves.into_iter(), enclosed, deal, signer)
}

/// Holds leaves (path and item) and what stands behind them together. `signer` is the key of
/// whoever gives them, `deal` the deal that statements must belong to.
///
/// # Errors
/// Names the leaf that is something else.
pub fn read<'a>(
    leaves: impl ExactSizeIterator<Item = (&'a str, &'a Item<Standard>)>,
    enclosed: &[Enclosed],
    deal: DealId,
    signer: &semper_base::PublicKey,
) -> Result<Vec<Part>, PackageError> {
    if leaves.len() != enclosed.len() {
        return Err(PackageError::Count { leaves: leaves.len(), enclosed: enclosed.len() });
    }
    let both = leaves.zip(enclosed).enumerate();
    both.map(|(index, ((at, item), enclosed))| {
        let other = |why: &str| PackageError::Other { path: at.to_owned(), why: why.to_owned() };
        if at != path(index, enclosed) {
            return Err(other("it stands elsewhere"));
        }
        part(item, enclosed, deal, signer).map_err(|why| other(&why))
    })
    .collect()
}

fn part(
    item: &Item<Standard>,
    enclosed: &Enclosed,
    deal: DealId,
    signer: &semper_base::PublicKey,
) -> Result<Part, String> {
    match (item, enclosed) {
        (Item::Statement { statement: digest, signer: by, .. }, Enclosed::Statement(bytes)) => {
            if Digest::of(bytes) != *digest {
                return Err("the statement has another digest".into());
            }
            if by != signer {
                return Err("somebody else signs it".into());
            }
            let statement = Statement::decode(bytes).map_err(|error| error.to_string())?;
            if statement.deal != deal {
                return Err("it belongs to another deal".into());
            }
            Ok(Part::Statement { statement: Box::new(statement), digest: *digest })
        }
        (Item::Money(money), Enclosed::Money(purpose)) => {
            Ok(Part::Money { money: Box::new(money.clone()), purpose: *purpose })
        }
        (Item::Information(information), Enclosed::Information { kind, sealed }) => {
            if kind.chars().count() > limits::TEXT
                || information.description != describe(kind, &information.salt)
            {
                return Err("its description is another".into());
            }
            let root = || information::root(sealed.as_slice(), information.length);
            if !sealed.is_empty() && !root().is_ok_and(|root| root == information.cipher) {
                return Err("the encrypted information is another".into());
            }
            let (kind, information) = (kind.clone(), Box::new(information.clone()));
            Ok(Part::Information { kind, information })
        }
        _ => Err("it is of another kind".into()),
    }
}

/// Whether what somebody gives is what was wanted, one by one.
pub fn satisfies(parts: &[Part], wants: &[Wanted]) -> bool {
    let one = |(part, wanted): (&Part, &Wanted)| match (part, wanted) {
        (Part::Statement { statement, .. }, Wanted::Statement(kind)) => {
            statement.content.kind() == *kind
        }
        (Part::Money { money, purpose }, Wanted::Money(amount, what_for)) => {
            money.amount == *amount && purpose == what_for
        }
        (Part::Information { kind, .. }, Wanted::Information(wanted)) => kind == wanted,
        _ => false,
    };
    parts.len() == wants.len() && parts.iter().zip(wants).all(one)
}

/// Whether two proposals give the same, one by one: statements and money to the letter, information
/// by kind and length, since it is encrypted anew each time.
pub fn gives_the_same(one: &[Part], other: &[Part]) -> bool {
    let same = |(one, other): (&Part, &Part)| match (one, other) {
        (
            Part::Information { kind, information },
            Part::Information { kind: k, information: i },
        ) => kind == k && information.length == i.length,
        (one, other) => one == other,
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

/// When a proposal made now has to be answered, and when its exchange is closed.
pub fn dates(now: Timestamp) -> (Timestamp, Timestamp) {
    let later = |ms| now.after(std::time::Duration::from_millis(ms));
    (later(ANSWER_MS), later(ANSWER_MS + CLOSE_MS))
}
