//! Statements and containers: what makes sense, what is refused, what the CDDL says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use semper_base::{Amount, DealId, Digest, KeyId, SealSecret, SigningKey, Timestamp, cbor};
use semper_items::statement::*;
use semper_items::{Container, Item, Keys, Node, Plan, Statement, limits};

fn eur(minor: i64) -> Amount {
    Amount::new(minor, semper_base::Currency::EUR)
}

fn offer() -> Offer {
    let Content::Offer(offer) = Kind::Offer.example() else { panic!("it is an offer") };
    offer
}

fn statement(content: Content) -> Statement {
    let made = Timestamp::from_millis(1_790_000_000_000).unwrap();
    Statement { deal: DealId::new(Digest::of(b"deal")), made, content }
}

#[test]
fn every_statement_is_what_the_cddl_says() {
    for kind in Kind::ALL {
        let name = kind.name();
        let bytes = statement(kind.example()).encode().unwrap();
        cddl_cat::validate_cbor_bytes("statement", semper_items::CDDL, &bytes)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let item = Item::Information { kind: "query".into(), body: vec![1, 2].into() };
    let container = Container {
        root: Node::Receipted(Box::new(Node::Branch(vec![
            Node::Leaf(item),
            Node::Leaf(Item::Money(vec![1].into())),
            Node::Signed(vec![2].into()),
            Node::Sealed { to: KeyId::new(Digest::of(b"key")), sealed: vec![3].into() },
        ]))),
    };
    let bytes = cbor::encode(&container);
    cddl_cat::validate_cbor_bytes("container", semper_items::CDDL, &bytes).unwrap();
    // The check can fail: a statement is no container.
    let bytes = statement(Content::Offer(offer())).encode().unwrap();
    assert!(cddl_cat::validate_cbor_bytes("container", semper_items::CDDL, &bytes).is_err());
}

#[test]
fn an_offer_whose_total_is_not_its_sum_is_no_offer() {
    let wrong = Offer { total: eur(4487), ..offer() };

    let error = statement(Content::Offer(wrong)).encode().unwrap_err();

    assert_eq!(
        error.to_string(),
        "the offer says 44.87 EUR in total, but its lines and delivery make 44.88 EUR"
    );
}

#[test]
fn statements_out_of_bounds_are_refused_on_both_sides_of_the_wire() {
    let line = offer().lines[0].clone();
    let with_line = |line: Line| Offer { lines: vec![line], ..offer() };
    let wrong = [
        Offer { lines: Vec::new(), ..offer() },
        Offer { lines: vec![line.clone(); limits::LINES + 1], ..offer() },
        Offer { number: String::new(), ..offer() },
        Offer { number: "x".repeat(limits::TEXT + 1), ..offer() },
        Offer { number: "right\u{202e}left".into(), ..offer() },
        Offer { delivery: eur(-1), ..offer() },
        with_line(Line { quantity: 0, ..line.clone() }),
        with_line(Line { unit: eur(0), ..line.clone() }),
        with_line(Line { unit: eur(i64::MAX), ..line }),
    ];
    for offer in wrong {
        let statement = statement(Content::Offer(offer));
        assert!(statement.encode().is_err(), "{statement:?}");
        // Encoded by somebody else's host.
        assert!(Statement::decode(&cbor::encode(&statement)).is_err());
    }
}

/// Keys of one party, for packing and opening.
struct Ring {
    sign: SigningKey,
    seal: SealSecret,
}

impl Ring {
    fn new(seed: u8) -> Self {
        Self { sign: SigningKey::from_seed(&[seed; 32]), seal: SealSecret::from_seed(&[seed; 32]) }
    }
}

impl Keys for Ring {
    fn sign(&self, subtree: &[u8]) -> Result<Vec<u8>, String> {
        let signatory = semper_base::cose::Signatory::Key(self.sign.public().id());
        Ok(semper_base::cose::sign(&self.sign, &signatory, "container", subtree))
    }

    fn verify(&self, signed: &[u8]) -> Result<(Vec<u8>, KeyId), String> {
        let parsed = semper_base::cose::parse(signed, "container", limits::CONTAINER)
            .map_err(|error| error.to_string())?;
        let key = Ring::new(1).sign.public();
        Ok((parsed.verify_key(&key).map_err(|error| error.to_string())?, key.id()))
    }

    fn open(&self, to: KeyId, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let info = semper_items::container::SEAL_INFO;
        self.seal.open(info, to.digest().as_bytes(), sealed).map_err(|error| error.to_string())
    }
}

fn information(text: &str) -> Plan {
    Plan::Leaf(Item::Information { kind: "note".into(), body: text.as_bytes().to_vec().into() })
}

#[test]
fn a_container_opens_from_the_top_down_and_says_what_protected_each_leaf() {
    let (sender, receiver) = (Ring::new(1), Ring::new(2));
    let to = KeyId::new(Digest::of(b"receiver"));
    let secret = Plan::Seal(receiver.seal.public(), to, Box::new(information("secret")));
    let plan = Plan::Branch(vec![
        information("open"),
        Plan::Sign(Box::new(Plan::Receipt(Box::new(secret)))),
    ]);

    let container = Container::pack(&plan, &sender).unwrap();
    let leaves = container.open(&receiver).unwrap();

    let seen: Vec<_> = leaves
        .iter()
        .map(|it| (it.path.as_str(), it.signers.len(), it.sealed, it.receipt))
        .collect();
    assert_eq!(seen, [("/0", 0, false, false), ("/1/0/0/0", 1, true, true)]);
    // A stranger gets nothing at all, and hears where it stopped.
    let error = container.open(&Ring::new(3)).unwrap_err();
    assert_eq!(error.path, "/1/0/0");
}

#[test]
fn deep_and_wide_containers_are_refused() {
    let mut deep = information("x");
    for _ in 0..limits::DEPTH {
        deep = Plan::Receipt(Box::new(deep));
    }
    assert!(Container::pack(&deep, &Ring::new(1)).is_err());

    let leaf = Node::Leaf(Item::Money(vec![1].into()));
    let wide = Container { root: Node::Branch(vec![leaf; limits::LEAVES + 1]) };
    assert!(wide.open(&Ring::new(1)).unwrap_err().to_string().contains("more than 64 leaves"));
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Statement::decode(&bytes);
        let _ = Container::decode(&bytes);
        let _ = semper_items::Message::decode(&bytes);
        let _ = semper_items::Agreement::decode(&bytes);
    }

    #[test]
    fn statements_decode_to_themselves(quantity in 1_u32..100, unit in 1_i64..100_000, title in "[A-Za-z ]{1,40}") {
        let mut offer = offer();
        offer.lines[0].quantity = quantity;
        offer.lines[0].unit = eur(unit);
        offer.lines[0].title = title;
        offer.total = eur(i64::from(quantity) * unit + 490);
        let statement = statement(Content::Offer(offer));
        let bytes = statement.encode().unwrap();
        prop_assert_eq!(Statement::decode(&bytes).unwrap(), statement);
    }
}
