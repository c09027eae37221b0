//! Drawing up proposals and answers, and reading the other side's.

use semper_base::{DealId, Digest, Timestamp, keys};
use semper_exchange::crypto::{Crypto as _, Half, Holder, HolderError, Signed};
use semper_exchange::information;
use semper_exchange::item::{Information, Item, Money};
use semper_exchange::manager::Secret;
use semper_exchange::negotiation::{self, Offered, Propose, Refusal, Select, Wishes};
use semper_exchange::package::{self, Enclosed, Part, Talk, Wanted, clauses, deal_name};
use semper_exchange::standard::{Share, Standard};
use semper_exchange::{Agreed, Fees, Party, Protocol, Role};
use semper_items::DealKeys;
use semper_items::statement::{Content, Statement};
use semper_trust::trustfile::{BelievedThirdParty, ExchangeRules};
use serde_bytes::ByteBuf;

use super::{Countered, Give, Till, ToDraw};
use crate::flow::Moved;
use crate::handles::Deal;
use crate::stop::{Cause, Needed, Stop, Verdict};

/// Draws up a proposal, or the answer to one, by what this side believes and how it pays.
///
/// # Errors
/// The service wants what makes no sense, or the keys are away.
pub fn draw_up(
    deal: &Deal,
    to_draw: &ToDraw<'_>,
    third_parties: &[BelievedThirdParty],
    rules: &ExchangeRules,
    holder: &impl Holder<Standard>,
) -> Result<Result<Talk, Refusal>, Stop> {
    let terms = Terms {
        deal: deal.id,
        keys: deal.agreement.keys(deal.side),
        third_parties,
        rules,
        till: to_draw.till.as_ref(),
        payee: to_draw.payee.clone(),
    };
    let is_information = |it: &Part| matches!(it, Part::Information { .. });
    let informs = to_draw.wants.iter().any(|it| matches!(it, Wanted::Information(_)))
        || to_draw.answers.is_some_and(|(_, parts)| parts.iter().any(is_information));
    // A proposal begins with what we like best; whoever answers says all that we are ready for.
    let first = to_draw.answers.is_none() && to_draw.counter.is_none();
    let drawing = Drawing::new(&terms, to_draw.gives, (informs, first), to_draw.at, holder);
    let drawing = drawing.map_err(|error| match error {
        NotDrawn::Service(what) => Stop::service(what),
        // The agreement names a payment module that this home had when the deal was opened.
        NotDrawn::CannotPay => Stop::broken("this home has no account to pay from any more"),
        NotDrawn::Away(error) => away(&error),
    })?;
    let counter = to_draw.counter;
    let talk = match to_draw.answers {
        None => drawing.propose(to_draw.wants.to_vec(), counter, holder),
        Some((propose, _)) => drawing.answer(propose, counter, holder),
    };
    talk.map_err(|error| away(&error))
}

/// The keys of an exchange are the TINGUIN's.
fn away(error: &HolderError) -> Stop {
    Stop::away(Needed::Tinguin, error)
}

/// What an exchange of a deal is drawn up by: nothing of it is a component's to choose.
struct Terms<'a> {
    /// The deal.
    deal: DealId,
    /// Our keys in it.
    keys: &'a DealKeys,
    /// Third parties that we believe, most liked first.
    third_parties: &'a [BelievedThirdParty],
    /// What exchanges must be like.
    rules: &'a ExchangeRules,
    /// How we pay; needed when we do.
    till: Option<&'a Till>,
    /// The account that is paid.
    payee: Option<String>,
}

impl Terms<'_> {
    /// Whether every third party that we would name asks our bank about payments. What is paid
    /// rather than held depends on that: who decides must hear whether it was paid.
    fn bank_is_asked(&self) -> bool {
        let asks = |it: &BelievedThirdParty, bank: &String| it.banks.contains(bank);
        self.till.is_some_and(|till| self.third_parties.iter().all(|it| asks(it, &till.system)))
    }

    /// What the third parties take, and how we share it; `first` as in [`Drawing::new`].
    fn fees(&self, first: bool) -> Option<Fees> {
        let takes: Vec<_> = self.third_parties.iter().map(|it| it.fee).collect();
        let most = if first { 1 } else { usize::MAX };
        let shares = || self.rules.fees.iter().take(most).copied().collect();
        takes.iter().any(Option::is_some).then(|| Fees { takes, shares: shares() })
    }

    /// The protocols that we follow.
    fn protocols(&self) -> Vec<Protocol> {
        let asked = self.bank_is_asked();
        let fits = |it: &Protocol| {
            self.rules.protocols.contains(it)
                && it.fairness() >= self.rules.fairness
                && (asked || !it.asks_banks())
        };
        Protocol::ALL.into_iter().filter(fits).collect()
    }
}

/// What is drawn up.
struct Drawing {
    /// What we wish.
    wishes: Wishes<Standard>,
    /// What stands behind what we give.
    enclosed: Vec<Enclosed>,
}

/// Why nothing can be drawn up.
enum NotDrawn {
    /// The service wants what makes no sense.
    Service(String),
    /// There is money to be paid, and no way to pay.
    CannotPay,
    /// The keys are away.
    Away(HolderError),
}

impl From<HolderError> for NotDrawn {
    fn from(away: HolderError) -> Self {
        Self::Away(away)
    }
}

impl Drawing {
    /// What we give, as wishes. `peers_information` says whether the other side gives any: then
    /// money that we give stays open to dispute for a while. `first` says that nobody has said
    /// anything yet.
    fn new(
        terms: &Terms<'_>,
        gives: &[Give],
        (peers_information, first): (bool, bool),
        at: Timestamp,
        holder: &impl Holder<Standard>,
    ) -> Result<Self, NotDrawn> {
        let nonce = Digest::from_bytes(keys::random());
        let mut offered = Vec::with_capacity(gives.len());
        let mut enclosed = Vec::with_capacity(gives.len());
        let mut dispute_ms = 0;
        for (index, give) in gives.iter().enumerate() {
            if let (Give::Money(amount, _), true) = (give, peers_information) {
                dispute_ms = terms.rules.dispute_ms(*amount);
            }
            let (ways, behind) = leaf(terms, give, nonce, index, at, holder)?;
            let path = package::path(index, &behind);
            offered.push(Offered { path, ways, certified: false });
            enclosed.push(behind);
        }
        let pays = gives.iter().any(|it| matches!(it, Give::Money(..)));
        // Whoever pays answers: the money is locked only when the other side has promised.
        let roles = match pays {
            true => vec![Role::Responder, Role::Originator],
            false => vec![Role::Originator, Role::Responder],
        };
        let (accept_by, close_by) = package::dates(at);
        let named = |it: &BelievedThirdParty| it.named.clone();
        let wishes = Wishes {
            deal: deal_name(terms.deal),
            party: Party { sign: terms.keys.sign, seal: terms.keys.seal },
            gives: offered,
            roles,
            third_parties: terms.third_parties.iter().map(named).collect(),
            fairness: terms.rules.fairness,
            protocols: terms.protocols(),
            accept_by,
            close_by,
            dispute_ms,
            clauses: clauses(),
            nonce,
            fees: terms.fees(first),
        };
        Ok(Self { wishes, enclosed })
    }

    /// N1.
    fn propose(
        self,
        wants: Vec<Wanted>,
        counter: Option<&Countered>,
        holder: &impl Holder<Standard>,
    ) -> Result<Result<Talk, Refusal>, HolderError> {
        let deal = self.wishes.deal;
        if let Some(counter) = counter {
            // As far as we go, and still nothing would follow.
            let meets = negotiation::meets(&self.wishes, &counter.body().wishes);
            if let Err(refusal) = meets {
                return Ok(Err(refusal));
            }
        }
        let answers = counter.map(Signed::digest);
        let propose = Signed::new(holder, deal, Propose { wishes: self.wishes, answers })?;
        Ok(Ok(Talk::Propose { propose, enclosed: self.enclosed, wants }))
    }

    /// N2, and what follows from both; or a counter, or why nothing does.
    fn answer(
        self,
        propose: &Signed<Standard, Propose<Standard>>,
        before: Option<&Countered>,
        holder: &impl Holder<Standard>,
    ) -> Result<Result<Talk, Refusal>, HolderError> {
        let deal = self.wishes.deal;
        let refusal = match negotiation::answer(propose, self.wishes.clone()) {
            Ok((select, _)) => {
                let select: Signed<Standard, Select<Standard>> = Signed::new(holder, deal, select)?;
                return Ok(Ok(Talk::Select { select, enclosed: self.enclosed }));
            }
            Err(refusal) => refusal,
        };
        let before = before.map(Signed::body);
        let counter = negotiation::counter(propose, self.wishes, &refusal, before);
        Ok(match counter {
            Some(counter) => Ok(Talk::Counter { counter: Signed::new(holder, deal, counter)? }),
            None => Err(refusal),
        })
    }
}

fn leaf(
    terms: &Terms<'_>,
    give: &Give,
    nonce: Digest,
    index: usize,
    at: Timestamp,
    holder: &impl Holder<Standard>,
) -> Result<(Vec<Item<Standard>>, Enclosed), NotDrawn> {
    match give {
        Give::Statement(content) => {
            let statement = Statement { deal: terms.deal, made: at, content: (**content).clone() };
            let bytes = statement.encode().map_err(|error| NotDrawn::Service(error.to_string()))?;
            let affidavit = content.kind().entry().affidavit;
            let statement = Digest::of(&bytes);
            let item = Item::Statement { statement, signer: terms.keys.sign, affidavit };
            Ok((vec![item], Enclosed::Statement(bytes.into())))
        }
        Give::Money(amount, purpose) => {
            let till = terms.till.ok_or(NotDrawn::CannotPay)?;
            let no_offer = || NotDrawn::Service("there is no offer to pay for".into());
            let payee = terms.payee.as_ref().ok_or_else(no_offer)?;
            let way = |mode: &semper_exchange::Mode| {
                Item::Money(Money {
                    module: till.module.clone(),
                    mode: *mode,
                    amount: *amount,
                    payee: payee.clone(),
                    bank: till.key,
                })
            };
            Ok((till.modes.iter().map(way).collect(), Enclosed::Money(*purpose)))
        }
        Give::Information(kind, body) => {
            let (information, sealed) = information(kind, body, nonce, index, holder)?;
            let enclosed = Enclosed::Information { kind: kind.clone(), sealed };
            Ok((vec![Item::Information(information)], enclosed))
        }
    }
}

fn information(
    kind: &str,
    body: &[u8],
    nonce: Digest,
    index: usize,
    holder: &impl Holder<Standard>,
) -> Result<(Information, ByteBuf), HolderError> {
    let Secret::Shares { escrowed, peers, .. } = secret(nonce, index, holder)? else {
        return Err(HolderError::Away("there is no share".into()));
    };
    let salt = Digest::of_parts(&[b"semper/exchange/salt/v1", nonce.as_bytes(), &place(index)]);
    let mut sealed = Vec::new();
    let both = [escrowed.as_bytes(), peers.as_bytes()];
    let made = information::encrypt(body, &mut sealed, &salt, both)
        .map_err(|error| HolderError::Away(error.to_string()))?;
    let information = Information {
        description: package::describe(kind, &salt),
        cipher: made.cipher,
        length: made.length,
        content: None,
        salt,
        escrowed: Standard::commitment(Half::Escrowed, &salt, &escrowed),
        peers: Standard::commitment(Half::Peers, &salt, &peers),
    };
    Ok((information, sealed.into()))
}

const fn place(index: usize) -> [u8; 8] {
    (index as u64).to_be_bytes()
}

/// What the giver of a leaf keeps to itself: always the same for the same negotiation.
fn secret(
    nonce: Digest,
    index: usize,
    holder: &impl Holder<Standard>,
) -> Result<Secret<Standard>, HolderError> {
    let seed = |what: &[u8]| {
        let parts =
            [b"semper/exchange/secret/v1", nonce.as_bytes().as_slice(), &place(index), what];
        holder.seed(&Digest::of_parts(&parts))
    };
    let share = |what| seed(what).map(|it| Share::from_bytes(*it.as_bytes()));
    Ok(Secret::Shares {
        escrowed: share(b"escrowed")?,
        peers: share(b"peers")?,
        seeds: (seed(b"seed-escrowed")?, seed(b"seed-peers")?),
        certificate: None,
    })
}

/// The secrets of a side's leaves.
pub fn secrets(
    agreement: &Agreed<Standard>,
    from: Role,
    holder: &impl Holder<Standard>,
) -> Result<Vec<Secret<Standard>>, HolderError> {
    let nonce = match from {
        Role::Originator => agreement.nonces[0],
        Role::Responder => agreement.nonces[1],
    };
    let leaves = agreement.gives(from).iter().enumerate();
    leaves
        .map(|(index, leaf)| match leaf.item {
            Item::Information(_) => secret(nonce, index, holder),
            Item::Statement { .. } | Item::Money(_) => Ok(Secret::Nothing),
        })
        .collect()
}

/// What the other side's wishes say that it gives, if they are this deal's, with that side's keys;
/// `till` is ours, for money that comes to us.
fn read(
    wishes: &Wishes<Standard>,
    enclosed: &[Enclosed],
    deal: DealId,
    keys: &DealKeys,
    till: Option<&Till>,
) -> Result<Vec<Part>, Unfit> {
    if wishes.deal != deal_name(deal)
        || wishes.party != (Party { sign: keys.sign, seal: keys.seal })
    {
        return Err("it belongs to another deal, or names other keys".into());
    }
    for offered in &wishes.gives {
        // Ways of one item differ in nothing but how money is paid.
        let same = |one: &Item<Standard>, other: &Item<Standard>| match (one, other) {
            (Item::Money(one), Item::Money(other)) => {
                let mode = one.mode;
                *one == Money { mode, ..other.clone() }
            }
            (one, other) => one == other,
        };
        let first = offered.ways.first().ok_or("an item can be given in no way")?;
        if !offered.ways.iter().all(|way| same(first, way)) {
            return Err("an item is one thing in one way, and another in another".into());
        }
        if let Item::Money(money) = first {
            let Some(till) = till else { return Err(Unfit::Unpayable("we take no money".into())) };
            if money.module != till.module {
                return Err(Unfit::Unpayable(format!("{} and {}", money.module, till.module)));
            }
            if money.bank != till.key {
                return Err(Unfit::Unpayable(format!("not by {}", till.system)));
            }
            // Our account stands in the offer, which the other side has accepted.
            if money.payee != till.account {
                return Err("the money does not come to our account".into());
            }
        }
    }
    package::read_wishes(&wishes.gives, enclosed, deal, &keys.sign)
        .map_err(|error| Unfit::Peer(error.to_string()))
}

/// Why a proposal or an answer cannot be taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// What the other side has signed is wrong in itself.
    Peer(String),
    /// The two sides' payment systems do not fit, which neither could know of the other.
    Unpayable(String),
}

impl Unfit {
    /// How the deal ends with it.
    pub(crate) fn stop(self, what: &str) -> Stop {
        match self {
            Self::Peer(why) => Stop::peer(format!("{what}: {why}")),
            Self::Unpayable(why) => Verdict::new(Cause::Unpayable(why)).into(),
        }
    }
}

impl From<&str> for Unfit {
    fn from(why: &str) -> Self {
        Self::Peer(why.to_owned())
    }
}

/// What a proposal gives.
pub(crate) fn proposed(
    propose: &Signed<Standard, Propose<Standard>>,
    enclosed: &[Enclosed],
    deal: DealId,
    keys: &DealKeys,
    till: Option<&Till>,
) -> Result<Vec<Part>, Unfit> {
    if !propose.is_by(&keys.sign, deal_name(deal)) {
        return Err("the proposal is not signed by the other side's key".into());
    }
    read(&propose.body().wishes, enclosed, deal, keys, till)
}

/// What follows from a proposal and its answer, and what the answer gives.
pub(crate) fn answered(
    propose: &Signed<Standard, Propose<Standard>>,
    select: &Signed<Standard, Select<Standard>>,
    enclosed: &[Enclosed],
    deal: DealId,
    keys: &DealKeys,
    till: Option<&Till>,
) -> Result<(Agreed<Standard>, Vec<Part>), Unfit> {
    let agreement = negotiation::agree(propose, select);
    let agreement = agreement.map_err(|error| Unfit::Peer(error.to_string()))?;
    let parts = read(&select.body().wishes, enclosed, deal, keys, till)?;
    Ok((agreement, parts))
}

/// Parts as the flow sees them.
pub(crate) fn moved(parts: &[Part]) -> Vec<Moved> {
    let one = |part: &Part| match part {
        Part::Statement { statement, digest } => Moved::Statement(statement.clone(), *digest),
        Part::Money { money, purpose } => Moved::Money(money.amount, *purpose),
        Part::Information { kind, .. } => Moved::Information(kind.clone()),
    };
    parts.iter().map(one).collect()
}

/// What is wanted, as the flow sees it.
pub(crate) fn wanted(wants: &[Wanted]) -> Vec<Moved> {
    let one = |wanted: &Wanted| match wanted {
        Wanted::Statement(kind) => Moved::Kind(*kind),
        Wanted::Money(amount, purpose) => Moved::Money(*amount, *purpose),
        Wanted::Information(kind) => Moved::Information(kind.clone()),
    };
    wants.iter().map(one).collect()
}

/// What a receipt names for a payment in the same exchange, which has no confirmation yet: one
/// payment per order.
pub fn receipt_names(deal: DealId, order: &Digest) -> Digest {
    Digest::of_parts(&[b"semper/payment/v1", deal.digest().as_bytes(), order.as_bytes()])
}

/// Whether the parts' statements name what they must: used on both sides.
pub(crate) fn receipts_match(parts: &[Part], deal: DealId, others: &[Part]) -> bool {
    let paid = |order: &Digest| {
        others.iter().any(|it| matches!(it, Part::Money { purpose, .. } if purpose == order))
    };
    parts.iter().all(|part| match part {
        Part::Statement { statement, .. } => match &statement.content {
            Content::Receipt(receipt) if paid(&receipt.order) => {
                receipt.payment == receipt_names(deal, &receipt.order)
            }
            _ => true,
        },
        _ => true,
    })
}
