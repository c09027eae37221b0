//! Exchanges to explore: who gives what under which protocol.

use semper_base::{Amount, Currency, Digest, Timestamp};
use semper_exchange::agreement::{CLOSED_AFTER_MS, LOCK_MARGIN_MS, VERSION};
use semper_exchange::crypto::Signed;
use semper_exchange::item::EscrowCertificate;
use semper_exchange::manager::Secret;
use semper_exchange::{
    Agreed, Crypto as _, Exchange, Half, Information, Item, Leaf, Mode, Money, Party, Protocol,
    Role, ThirdParty,
};

use crate::symbolic::{Hand, Symbolic, Who, digest, false_description};

/// What somebody gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A signature.
    Statement,
    /// Information, escrowed.
    Information,
    /// Information whose escrow the third party has certified.
    Certified,
    /// Information that is not what it says.
    False,
    /// Money, in the mode that the protocol wants.
    Money,
}

/// When it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Date {
    /// In time for everything.
    Early,
    /// After the last acceptance.
    Late,
    /// After the last date of all.
    Closed,
}

const ACCEPT_BY: u64 = 1_000;
const CLOSE_BY: u64 = 1_000_000;
const DISPUTE: u64 = 100_000;

impl Date {
    /// As a time.
    pub fn time(self) -> Timestamp {
        let millis = match self {
            Self::Early => 10,
            Self::Late => ACCEPT_BY + 10,
            Self::Closed => CLOSE_BY + DISPUTE + LOCK_MARGIN_MS + CLOSED_AFTER_MS + 10,
        };
        at(millis)
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap_or_else(|_| unreachable!("a small number"))
}

/// An exchange to explore.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Setup {
    /// What is agreed.
    pub agreement: Agreed<Symbolic>,
    /// The originator's secrets.
    pub originator: Vec<Secret<Symbolic>>,
    /// The responder's.
    pub responder: Vec<Secret<Symbolic>>,
}

/// The money of every leaf.
pub fn price() -> Amount {
    Amount::new(500, euro())
}

fn euro() -> Currency {
    "EUR".parse().unwrap_or_else(|_| unreachable!("a currency"))
}

impl Setup {
    /// An exchange of these packages; `session` makes two of them different.
    pub fn new(protocol: Protocol, gives: &[Kind], wants: &[Kind], session: u8) -> Self {
        Self::with_third_party(protocol, gives, wants, session, Who::ThirdParty)
    }

    /// As before, with another third party.
    pub fn with_third_party(
        protocol: Protocol,
        gives: &[Kind],
        wants: &[Kind],
        session: u8,
        third_party: Who,
    ) -> Self {
        let leg = |from: Role, kinds: &[Kind]| -> (Vec<Leaf<Symbolic>>, Vec<Secret<Symbolic>>) {
            let leaves = kinds.iter().enumerate();
            leaves.map(|(index, kind)| leaf(protocol, from, index, *kind, session)).unzip()
        };
        let (from_originator, originator) = leg(Role::Originator, gives);
        let (from_responder, responder) = leg(Role::Responder, wants);
        let nonce = |who: &str| digest(who, &session);
        let exchange = Exchange {
            version: VERSION,
            protocol,
            fairness: protocol.fairness(),
            deal: digest("deal", &0),
            originator: Party { sign: Who::Originator, seal: Who::Originator },
            responder: Party { sign: Who::Responder, seal: Who::Responder },
            third_party: ThirdParty {
                origin: "third.example".into(),
                sign: third_party,
                seal: third_party,
            },
            from_originator,
            from_responder,
            nonces: [nonce("nO"), nonce("nR")],
            accept_by: at(ACCEPT_BY),
            close_by: at(CLOSE_BY),
            dispute_ms: DISPUTE,
            lock_until: at(CLOSE_BY + DISPUTE + LOCK_MARGIN_MS),
            clauses: Digest::ZERO,
            transcript: digest("transcript", &session),
            fee: None,
        };
        let agreement = Agreed::new(exchange).unwrap_or_else(|error| unreachable!("{error}"));
        Self { agreement, originator, responder }
    }
}

fn leaf(
    protocol: Protocol,
    from: Role,
    index: usize,
    kind: Kind,
    session: u8,
) -> (Leaf<Symbolic>, Secret<Symbolic>) {
    let signer = match from {
        Role::Originator => Who::Originator,
        Role::Responder => Who::Responder,
    };
    let place = u8::try_from(index).unwrap_or(u8::MAX);
    let side = u8::from(from == Role::Responder);
    let (item, secret) = match kind {
        Kind::Statement => {
            let statement = digest("statement", &(from, index));
            let affidavit = protocol != Protocol::Inline;
            (Item::Statement { statement, signer, affidavit }, Secret::Nothing)
        }
        Kind::Money => {
            let mode = [Mode::Hold, Mode::Fenced, Mode::Reversible, Mode::HashLock]
                .into_iter()
                .find(|mode| protocol.takes(from, *mode))
                .unwrap_or(Mode::Plain);
            let payee = format!("{:?}", from.other());
            let money =
                Money { module: "purse".into(), mode, amount: price(), payee, bank: Who::Bank };
            (Item::Money(money), Secret::Nothing)
        }
        Kind::Information | Kind::Certified | Kind::False => {
            let (escrowed, peers) =
                (10 * session + 4 * side + 2 * place, 10 * session + 4 * side + 2 * place + 1);
            let salt = digest("salt", &(session, from, index));
            let description = match kind {
                Kind::False => false_description(),
                _ => digest("description", &(from, index)),
            };
            let info = Information {
                description,
                cipher: digest("cipher", &(session, from, index)),
                length: 100,
                content: None,
                salt,
                escrowed: Symbolic::commitment(Half::Escrowed, &salt, &escrowed),
                peers: Symbolic::commitment(Half::Peers, &salt, &peers),
            };
            let seeds = (
                digest("seed", &(session, from, index, 0)),
                digest("seed", &(session, from, index, 1)),
            );
            let certificate = (kind == Kind::Certified).then(|| {
                let bound = info.escrowed;
                let body = EscrowCertificate {
                    cipher: info.cipher,
                    content: None,
                    escrowed: bound,
                    escrow: Symbolic::seal(
                        &Who::ThirdParty,
                        Half::Escrowed,
                        &bound,
                        &escrowed,
                        &seeds.0,
                    ),
                };
                let third = Hand { who: Who::ThirdParty };
                let signed = Signed::new(&third, bound, body);
                Box::new(signed.unwrap_or_else(|_| unreachable!("symbols are never away")))
            });
            (Item::Information(info), Secret::Shares { escrowed, peers, seeds, certificate })
        }
    };
    (Leaf { path: index.to_string(), item }, secret)
}
