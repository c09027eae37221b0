//! The exchange agreement: items, parties, protocol and dates, fixed before anything is
//! promised. Its digest is the exchange's identity, and every signature names it.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use semper_base::{Digest, ExchangeId, Timestamp};
use semper_items::{Generates, Mode, Properties};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::crypto::Crypto;
use crate::fee::Fee;
use crate::item::{Item, Leaf, MAX_LEAVES, MAX_TEXT, Role};

/// The version of everything here.
pub const VERSION: u8 = 1;
/// The time by which a lock must outlive the exchange's close and dispute window.
pub const LOCK_MARGIN_MS: u64 = 24 * 60 * 60 * 1000;
/// How long after the locks' end an exchange that nobody has ended is closed: by every clock that
/// is right the money has fallen back by then, and there was time to hear of it.
pub const CLOSED_AFTER_MS: u64 = 60 * 60 * 1000;

/// The protocols, most liked first (`docs/exchange.md`, “The protocols”).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Both packages can be generated; the responder's verifiably.
    Gg,
    /// The originator's is generateable verifiably; the responder pays what can be fenced.
    Ge,
    /// As before, but unverifiably, and the payment can be taken back.
    Ger,
    /// Two payments that can both be taken back.
    Rr,
    /// Information for money under a hash lock: no third party at all.
    Hl,
    /// Both deposit with the third party.
    Inline,
    /// Both generateable, neither verifiably: weak fairness.
    Wg,
}

impl Protocol {
    /// All, most liked first.
    pub const ALL: [Self; 7] =
        [Self::Gg, Self::Ge, Self::Ger, Self::Rr, Self::Hl, Self::Inline, Self::Wg];

    /// How fair an exchange under this protocol is to an honest party.
    pub const fn fairness(self) -> Fairness {
        match self {
            Self::Wg => Fairness::Weak,
            _ => Fairness::Strong,
        }
    }

    /// Whether a side's package promises enough for this protocol.
    pub fn suits(self, from: Role, properties: Properties) -> bool {
        use crate::Excludes::No;
        let Properties { generates, excludes, revocable } = properties;
        let ends = excludes != No;
        match (self, from) {
            (Self::Gg | Self::Ger, Role::Originator) | (Self::Wg, _) => {
                generates >= Generates::Unverifiably
            }
            (Self::Gg, Role::Responder) | (Self::Ge, Role::Originator) => {
                generates == Generates::Verifiably
            }
            (Self::Ge, Role::Responder) => ends,
            (Self::Ger, Role::Responder) | (Self::Rr, _) => ends && revocable,
            // These look at the leaves themselves.
            (Self::Hl | Self::Inline, _) => true,
        }
    }

    /// The way in which a leg's money is paid, if this protocol pays it rather than holds it.
    pub const fn pays(self, from: Role) -> bool {
        match self {
            Self::Ge | Self::Ger => matches!(from, Role::Responder),
            Self::Rr => true,
            _ => false,
        }
    }

    /// Whether the third party has to ask banks before it decides: money is paid, not held.
    pub const fn asks_banks(self) -> bool {
        self.pays(Role::Originator) || self.pays(Role::Responder)
    }

    /// Whether an item can be exchanged from a side; information, with or without the third
    /// party's certificate of its escrow.
    pub fn exchanges<C: Crypto>(self, from: Role, item: &Item<C>, certified: bool) -> bool {
        match (item, self) {
            (Item::Money(money), _) => self.takes(from, money.mode),
            (Item::Information(_), Self::Hl) => from == Role::Originator,
            (Item::Statement { .. }, Self::Hl) => false,
            (_, Self::Inline) => true,
            _ => self.suits(from, item.properties(certified)),
        }
    }

    /// Whether money of this mode can be used for a leg.
    pub const fn takes(self, from: Role, mode: Mode) -> bool {
        match self {
            Self::Hl => matches!((from, mode), (Role::Responder, Mode::HashLock)),
            Self::Ge if self.pays(from) => matches!(mode, Mode::Fenced),
            _ if self.pays(from) => matches!(mode, Mode::Reversible),
            _ => matches!(mode, Mode::Hold),
        }
    }
}

/// The certainty of an honest party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fairness {
    /// It may be left with proof that it was cheated, and nothing else.
    Weak,
    /// It gets what it was promised, or the other side gets nothing.
    Strong,
}

/// A side of an exchange. Its keys are pinned here, and never looked up later.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Party<C: Crypto> {
    /// Signs everything of this exchange.
    pub sign: C::Key,
    /// Shares are sealed to it.
    pub seal: C::SealKey,
}

/// The third party, likewise.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct ThirdParty<C: Crypto> {
    /// Where it is reached, and the name that its log signs by.
    pub origin: String,
    /// Its key for verdicts, affidavits and openings.
    pub sign: C::Key,
    /// Shares are escrowed to it.
    pub seal: C::SealKey,
}

/// The exchange agreement (EA).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Exchange<C: Crypto> {
    /// The version of these structures: always [`VERSION`].
    pub version: u8,
    /// The protocol that both follow.
    pub protocol: Protocol,
    /// The fairness that it guarantees: shown to both persons, under both signatures.
    pub fairness: Fairness,
    /// The deal's name: a digest that says nothing to a third party.
    pub deal: Digest,
    /// The side that promises first.
    pub originator: Party<C>,
    /// The side that answers.
    pub responder: Party<C>,
    /// The third party that both trust to decide.
    pub third_party: ThirdParty<C>,
    /// The originator's leg.
    pub from_originator: Vec<Leaf<C>>,
    /// The responder's leg.
    pub from_responder: Vec<Leaf<C>>,
    /// Fresh ones of the originator and the responder.
    pub nonces: [Digest; 2],
    /// The responder promises nothing after it.
    pub accept_by: Timestamp,
    /// The third party completes nothing after it.
    pub close_by: Timestamp,
    /// For how long after a verdict money can still be stopped by a complaint, in ms.
    pub dispute_ms: u64,
    /// Locks last until then at least.
    pub lock_until: Timestamp,
    /// The digest of the words that both agreed to: what an affidavit counts for, which law,
    /// which arbiter.
    pub clauses: Digest,
    /// The digest of the whole negotiation, so that nobody can have left an option out of it.
    pub transcript: Digest,
    /// What the third party takes if it decides; nothing if it takes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Fee>,
}

/// Why an exchange agreement cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgreementError {
    /// Another version.
    #[error("version {0} of exchanges is not known here")]
    Version(u8),
    /// A side that gives nothing, or too much.
    #[error("the {} gives {leaves} items; 1 to {MAX_LEAVES} can be exchanged", .role.name())]
    Leaves {
        /// The side whose leg it is.
        role: Role,
        /// The number of its leaves.
        leaves: usize,
    },
    /// A text that is too long, or a path that is there twice.
    #[error("item {0} has a path that is too long or there twice")]
    Path(String),
    /// An amount that is nothing, or too many payments.
    #[error("item {0}: a package has one payment, of more than nothing")]
    Payment(String),
    /// The protocol does not give what is promised for these packages.
    #[error("{protocol:?} cannot exchange item {path}")]
    Protocol {
        /// The protocol that was agreed on.
        protocol: Protocol,
        /// The path of the leaf that it cannot exchange.
        path: String,
    },
    /// The fairness class is not the protocol's.
    #[error("{0:?} does not guarantee what the agreement says")]
    Fairness(Protocol),
    /// The dates do not follow one another.
    #[error("the dates do not follow one another: accept, close, dispute, lock")]
    Dates,
    /// A third party's name that is too long.
    #[error("the third party's name is longer than {MAX_TEXT} bytes")]
    Origin,
    /// The same key on several sides.
    #[error("the parties must have keys of their own")]
    Keys,
    /// A fee of nothing, or less.
    #[error("the third party's fee is not more than nothing")]
    Fee,
}

impl<C: Crypto> Exchange<C> {
    /// The leg of a side.
    pub fn gives(&self, role: Role) -> &[Leaf<C>] {
        match role {
            Role::Originator => &self.from_originator,
            Role::Responder => &self.from_responder,
        }
    }

    /// The keys of one side.
    pub const fn party(&self, role: Role) -> &Party<C> {
        match role {
            Role::Originator => &self.originator,
            Role::Responder => &self.responder,
        }
    }

    /// Whether everything in it fits together; both sides and the third party look.
    ///
    /// # Errors
    /// Names what does not.
    pub fn check(&self) -> Result<(), AgreementError> {
        if self.version != VERSION {
            return Err(AgreementError::Version(self.version));
        }
        if self.fairness != self.protocol.fairness() {
            return Err(AgreementError::Fairness(self.protocol));
        }
        if self.third_party.origin.len() > MAX_TEXT {
            return Err(AgreementError::Origin);
        }
        let keys = [self.originator.sign, self.responder.sign, self.third_party.sign];
        if keys[0] == keys[1] || keys[1] == keys[2] || keys[0] == keys[2] {
            return Err(AgreementError::Keys);
        }
        if self.fee.is_some_and(|it| it.amount.minor() <= 0) {
            return Err(AgreementError::Fee);
        }
        let lock = self.close_by.millis().checked_add(self.dispute_ms);
        let lock = lock.and_then(|it| it.checked_add(LOCK_MARGIN_MS));
        if self.accept_by >= self.close_by || lock.is_none_or(|it| self.lock_until.millis() < it) {
            return Err(AgreementError::Dates);
        }
        self.check_leg(Role::Originator)?;
        self.check_leg(Role::Responder)
    }

    fn check_leg(&self, role: Role) -> Result<(), AgreementError> {
        let leaves = self.gives(role);
        if leaves.is_empty() || leaves.len() > MAX_LEAVES {
            return Err(AgreementError::Leaves { role, leaves: leaves.len() });
        }
        let mut payments = 0;
        for (index, leaf) in leaves.iter().enumerate() {
            let twice = leaves.iter().take(index).any(|it| it.path == leaf.path);
            if twice || leaf.path.len() > MAX_TEXT {
                return Err(AgreementError::Path(leaf.path.clone()));
            }
            if let Some(money) = leaf.item.money() {
                payments += 1;
                let text = money.payee.len().max(money.module.len());
                if payments > 1 || money.amount.minor() <= 0 || text > MAX_TEXT {
                    return Err(AgreementError::Payment(leaf.path.clone()));
                }
            }
            let alone = self.protocol != Protocol::Hl || leaves.len() == 1;
            if !alone || !self.protocol.exchanges(role, &leaf.item, true) {
                let (protocol, path) = (self.protocol, leaf.path.clone());
                return Err(AgreementError::Protocol { protocol, path });
            }
        }
        Ok(())
    }

    /// Whether information from this side needs a certificate of its escrow.
    pub fn needs_certificate(&self, role: Role) -> bool {
        let uncertified =
            Properties { generates: Generates::Unverifiably, ..Properties::default() };
        let deposit = matches!(self.protocol, Protocol::Hl | Protocol::Inline);
        !deposit && !self.protocol.suits(role, uncertified)
    }
}

/// An agreement that has been checked, with its identity.
#[derive(Clone, Debug)]
pub struct Agreed<C: Crypto> {
    exchange: Arc<Exchange<C>>,
    id: ExchangeId,
}

impl<C: Crypto> Agreed<C> {
    /// Checks an agreement.
    ///
    /// # Errors
    /// Names what does not fit.
    pub fn new(exchange: Exchange<C>) -> Result<Self, AgreementError> {
        exchange.check()?;
        let id = ExchangeId::new(C::digest("exchange", &exchange));
        Ok(Self { exchange: Arc::new(exchange), id })
    }

    /// The exchange's identity: the digest of the agreement.
    pub const fn id(&self) -> ExchangeId {
        self.id
    }

    /// The digest that signatures of this exchange name.
    pub const fn subject(&self) -> Digest {
        *self.id.digest()
    }

    /// When it closes by itself, if nobody has ended it: a while after the locks' end.
    pub fn closed_at(&self) -> Timestamp {
        self.lock_until.after(Duration::from_millis(CLOSED_AFTER_MS))
    }

    /// The name of a leaf, which locks, escrows and affidavits are bound to.
    pub fn leaf(&self, from: Role, index: usize) -> Digest {
        let path = self.gives(from).get(index).map(|leaf| leaf.path.as_str());
        leaf_name::<C>(self.subject(), from, path.unwrap_or_default())
    }

    /// The money that a side gives: its leaf and index.
    pub fn money(&self, from: Role) -> Option<(usize, &crate::item::Money<C>)> {
        let leaves = self.gives(from).iter().enumerate();
        leaves.filter_map(|(index, leaf)| Some((index, leaf.item.money()?))).next()
    }
}

/// The name of the leaf at this path in this exchange.
pub fn leaf_name<C: Crypto>(exchange: Digest, from: Role, path: &str) -> Digest {
    C::digest("leaf", &(exchange, from, path))
}

impl<C: Crypto> Deref for Agreed<C> {
    type Target = Exchange<C>;

    fn deref(&self) -> &Exchange<C> {
        &self.exchange
    }
}

impl<C: Crypto> PartialEq for Agreed<C> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<C: Crypto> Eq for Agreed<C> {}

impl<C: Crypto> std::hash::Hash for Agreed<C> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl<C: Crypto> Serialize for Agreed<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.exchange.serialize(serializer)
    }
}

impl<'de, C: Crypto> Deserialize<'de> for Agreed<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Exchange::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
