//! Every screen that a TINGUIN's constructors can make. Names of others are written in Greek letters.

use std::time::Duration;

use semper_base::cert::Authority;
use semper_base::{Amount, Currency, Digest, SealSecret, SigningKey};
use semper_exchange::agreement::VERSION;
use semper_exchange::package::Part;
use semper_exchange::standard::Standard;
use semper_exchange::{
    Agreed, Debtor, Exchange, Fee, Information, Item, Leaf, Mode, Money, Party, Protocol, Role,
    ThirdParty,
};
use semper_items::agreement::{Attributes, DealKeys, Hello};
use semper_items::statement::{Content, HoldKind};
use semper_items::{Agreement, Kind, Side, Statement};
use semper_tinguin_protocol::pairing::{Pairing, Scope};
use semper_tinguin_protocol::protocol::DealContext;
use semper_tinguin_protocol::screen::exchange::{self, Exchanged};
use semper_tinguin_protocol::screen::{self, Consent};

use crate::common::{amount, at, deal_id};

pub const PEER: &str = "Ὄττο Μύλλερ";
const DAY: Duration = Duration::from_secs(86_400);
/// What a host can warn of before a deal or a pairing.
const WARNINGS: [&str; 8] = [
    "“Ὄττο” looks like “Ὄττω”, whom you know, and is another",
    "“Ὄττο” differs from “Ὄττα”, whom you know, by 1 letter",
    "“Ὄττο” differs from “Ὄτταα”, whom you know, by 2 letters",
    "“Ὄττο” mixes letters of several scripts",
    "“Ὄττο” has characters that cannot be seen",
    "“Ὄττο” is the name of somebody whom you know",
    "the revocation list of “Ἀρχή” is overdue since 2026-03-05T08:09:10.000Z",
    "the revocation list of “Ἀρχή” is overdue",
];

fn statement(kind: Kind) -> (Digest, Statement) {
    let statement = Statement { deal: deal_id(1), made: at(0), content: kind.example() };
    (Digest::of(kind.name().as_bytes()), statement)
}

/// Every kind of statement, with those that it refers to and without, and what others have filled in.
pub fn statements() -> Vec<Consent> {
    let known: Vec<_> = Kind::ALL.iter().map(|it| statement(*it)).collect();
    let filled = [
        ("Ὠνή", "ζήτησις: ἔρια (the last of 3 answers)"),
        ("applications", "4 more answers to other questions"),
        ("a link", "ζήτησις: ἔρια"),
    ];
    let filled = filled.map(|(by, said)| (by.to_owned(), said.to_owned()));
    let mut all = Vec::new();
    for (digest, statement) in &known {
        let mut alone = screen::statement(statement, *digest, PEER, &[]);
        alone.rows.extend(screen::filled(&filled));
        all.push(alone);
        for (kind, to) in statement.content.refers() {
            let other = known.iter().find(|it| it.1.content.kind() == kind).unwrap().1.clone();
            all.push(screen::statement(statement, *digest, PEER, &[(to, other)]));
        }
    }
    for kind in [HoldKind::Lock, HoldKind::Provisional, HoldKind::Final] {
        let (digest, mut statement) = statement(Kind::HoldOrder);
        let Content::HoldOrder(order) = &mut statement.content else { unreachable!() };
        order.kind = kind;
        all.push(screen::statement(&statement, digest, PEER, &[]));
    }
    all
}

fn keys(seed: u8) -> DealKeys {
    let sign = SigningKey::from_seed(&[seed; 32]).public();
    DealKeys { sign, seal: SealSecret::from_seed(&[seed; 32]).public() }
}

/// The opening of a deal: with somebody known or new, certified or not, warned of or not.
pub fn agreements() -> Vec<Consent> {
    let mut all = Vec::new();
    for (side, certified, known, confidential) in [
        (Side::Buyer, true, false, true),
        (Side::Buyer, false, true, false),
        (Side::Seller, true, false, true),
    ] {
        let hello = Hello {
            nonce: Digest::of(b"fresh"),
            terms: Digest::of(b"terms"),
            merchant: PEER.into(),
            buyer: PEER.into(),
            keys: keys(1),
            attributes: Attributes { confidential, non_repudiable: true },
            payment: vec!["purse".into()],
            made: at(0),
        };
        let agreement = Agreement {
            hello,
            nonce: Digest::of(b"theirs"),
            keys: keys(2),
            payment: if known { "purse@Τράπεζα" } else { "purse" }.into(),
            countersign_by: at(1),
            expires: at(30),
        };
        let context = DealContext {
            service: "ὑπηρεσία 1.0.0".into(),
            certified_by: if certified { vec!["Ὀργάνωσις".into()] } else { Vec::new() },
            known,
            warnings: WARNINGS.map(str::to_owned).to_vec(),
            begun_by: Some("Ὠνή".into()),
        };
        all.push(screen::agreement(&agreement, side, &context));
    }
    all
}

/// Letting an application in, and opening a link.
pub fn from_outside() -> Vec<Consent> {
    let replaces = "it takes the place of the application of this name, which you let in on \
                    2026-03-05T08:09:10.000Z";
    let asks = Pairing {
        name: "Ὠνή".into(),
        may: Scope::ALL.to_vec(),
        code: "329611".into(),
        origin: Some("https://list.example".into()),
        cautions: WARNINGS.into_iter().chain([replaces]).map(str::to_owned).collect(),
    };
    let fills = [("ζήτησις".to_owned(), "ἔρια".to_owned())];
    let digest = Digest::of(b"asked");
    let authority = Authority::new("Ἀρχή", SigningKey::from_seed(&[3; 32]), at(0)).unwrap();
    let root = &authority.certificate;
    vec![
        screen::pairing(&asks, digest),
        screen::link("https://shop.example", &fills, digest),
        screen::certificate(Some(root), root, digest),
        screen::replacement("Ἄννα", digest),
    ]
}

fn party(seed: u8) -> Party<Standard> {
    let DealKeys { sign, seal } = keys(seed);
    Party { sign, seal }
}

fn money(mode: Mode) -> Money<Standard> {
    Money {
        module: "purse".into(),
        mode,
        amount: amount("44.88 EUR"),
        payee: "acct:2".into(),
        bank: keys(7).sign,
    }
}

fn information() -> Information {
    let [description, cipher, salt, escrowed, peers] = [Digest::of(b"information"); 5];
    Information { description, cipher, length: 4_096, content: None, salt, escrowed, peers }
}

/// What a leaf of an agreement can be.
fn items() -> Vec<Item<Standard>> {
    let signer = keys(1).sign;
    let statement = Item::Statement { statement: Digest::of(b"s"), signer, affidavit: true };
    let modes = [Mode::Hold, Mode::HashLock, Mode::Reversible, Mode::Fenced, Mode::Plain];
    let money = modes.map(|it| Item::Money(money(it)));
    [statement, Item::Information(information())].into_iter().chain(money).collect()
}

/// An agreement by this protocol, whatever is exchanged by it.
fn agreed(protocol: Protocol, fee: Option<Fee>) -> Agreed<Standard> {
    let leaf = |item: &Item<Standard>| vec![Leaf { path: "a".into(), item: item.clone() }];
    let all = items();
    let pairs = all.iter().flat_map(|one| all.iter().map(move |other| (one, other)));
    let mut made = pairs.filter_map(|(one, other)| {
        let exchange = Exchange {
            version: VERSION,
            protocol,
            fairness: protocol.fairness(),
            deal: Digest::of(b"deal"),
            originator: party(1),
            responder: party(2),
            third_party: ThirdParty {
                origin: "third.example".into(),
                sign: keys(3).sign,
                seal: keys(3).seal,
            },
            from_originator: leaf(one),
            from_responder: leaf(other),
            nonces: [Digest::of(b"one"), Digest::of(b"other")],
            accept_by: at(1),
            close_by: at(2),
            dispute_ms: 0,
            lock_until: at(2).after(DAY * 3),
            clauses: Digest::of(b"clauses"),
            transcript: Digest::of(b"talk"),
            fee,
        };
        Agreed::new(exchange).ok()
    });
    made.next().unwrap_or_else(|| panic!("nothing can be exchanged by {protocol:?}"))
}

fn consent(agreement: &Agreed<Standard>, us: Role, gives: &[Part], gets: &[Part]) -> Consent {
    let refers = [];
    let account = "acct:1 at Τράπεζα";
    exchange::consent(&Exchanged {
        agreement,
        us,
        peer: PEER,
        gives,
        gets,
        refers: &refers,
        account,
    })
}

fn of_kind(kind: Kind) -> Part {
    let (digest, statement) = statement(kind);
    Part::Statement { statement: Box::new(statement), digest }
}

fn paid(mode: Mode) -> Part {
    Part::Money { money: Box::new(money(mode)), purpose: Digest::of(b"order") }
}

fn told() -> Part {
    Part::Information { kind: "ἀγορά".into(), information: Box::new(information()) }
}

/// Every protocol, every way of paying, every kind of thing on either side, every way to owe the fee.
pub fn exchanges() -> Vec<Consent> {
    let protocols = [
        Protocol::Gg,
        Protocol::Ge,
        Protocol::Ger,
        Protocol::Rr,
        Protocol::Hl,
        Protocol::Inline,
        Protocol::Wg,
    ];
    let receipt = || vec![of_kind(Kind::Receipt)];
    let mut all: Vec<Consent> = protocols
        .into_iter()
        .map(|it| consent(&agreed(it, None), Role::Originator, &[paid(Mode::Hold)], &receipt()))
        .collect();
    let usual = agreed(Protocol::Gg, None);
    for mode in [Mode::Hold, Mode::HashLock, Mode::Reversible, Mode::Fenced, Mode::Plain] {
        all.push(consent(&usual, Role::Originator, &[paid(mode)], &receipt()));
        all.push(consent(&usual, Role::Responder, &receipt(), &[paid(mode)]));
    }
    for kind in Kind::ALL {
        all.push(consent(&usual, Role::Originator, &[of_kind(*kind)], &[told()]));
        all.push(consent(&usual, Role::Originator, &[told()], &[of_kind(*kind), paid(Mode::Hold)]));
    }
    for owed_by in [Debtor::Originator, Debtor::Responder, Debtor::Both] {
        let fee = Some(Fee { amount: Amount::new(250, Currency::EUR), owed_by });
        for protocol in [Protocol::Gg, Protocol::Inline] {
            let agreement = agreed(protocol, fee);
            for us in [Role::Originator, Role::Responder] {
                all.push(consent(&agreement, us, &[paid(Mode::Hold)], &receipt()));
            }
        }
    }
    all
}
