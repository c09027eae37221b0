//! A fair exchange in the TINGUIN: shown from the very agreement, asked once, and then signed for
//! that one exchange and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::{Anna, anna};
use semper_base::{Amount, DealId, Digest, SealSecret, SigningKey, Timestamp, cbor};
use semper_exchange::agreement::LOCK_MARGIN_MS;
use semper_exchange::bank::order_for;
use semper_exchange::crypto::{Body, Crypto as _, Named};
use semper_exchange::message::{Accept, Deliver, Promise};
use semper_exchange::package::{Enclosed, clauses, deal_name, path};
use semper_exchange::standard::{Signature, Standard};
use semper_exchange::verdict::Abort;
use semper_exchange::{
    Agreed, Exchange, Fairness, Item, Leaf, Mode, Money, Party, Protocol, Role, ThirdParty,
};
use semper_items::statement::{Content, HoldOrder, Receipt, Statement};
use semper_items::{DealKeys, SignedStatement};
use semper_tinguin_protocol::protocol::ExchangeQuestion;
use semper_tinguin_protocol::{Cause, Failure, Reply, Request, Screen};

const PRICE: i64 = 4_488;

/// A receipt for Anna's money: she answers, and pays.
struct Scene {
    anna: Anna,
    deal: DealId,
    keys: DealKeys,
    order: Digest,
}

type Answered = Result<Reply, Failure>;

fn scene() -> Scene {
    let anna = anna();
    let agreement = anna.agreement();
    let deal = anna.open_deal();
    anna.seen.0.lock().unwrap().clear();
    Scene {
        keys: *agreement.keys(semper_items::Side::Buyer),
        deal,
        order: Digest::of(b"an order"),
        anna,
    }
}

/// The other side of the deal that `Anna::agreement` makes.
fn otto() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

impl Scene {
    fn price(&self) -> Amount {
        Amount::new(PRICE, "EUR".parse().unwrap())
    }

    fn receipt(&self) -> Statement {
        let receipt =
            Receipt { order: self.order, payment: Digest::of(b"it"), amount: self.price() };
        Statement { deal: self.deal, made: self.anna.now, content: Content::Receipt(receipt) }
    }

    /// What is enclosed: Otto's receipt, Anna's money.
    fn enclosed(&self) -> (Vec<Enclosed>, Vec<Enclosed>) {
        let receipt = Enclosed::Statement(self.receipt().encode().unwrap().into());
        (vec![receipt], vec![Enclosed::Money(self.order)])
    }

    fn exchange(&self) -> Exchange<Standard> {
        let (receipt, money) = self.enclosed();
        let Enclosed::Statement(bytes) = &receipt[0] else { unreachable!() };
        let statement = Digest::of(bytes);
        let later = |hours: u64| self.anna.now.after(Duration::from_secs(hours * 3_600));
        let seal = SealSecret::from_seed(&[9; 32]).public();
        let third = SigningKey::from_seed(&[7; 32]).public();
        let paid = Money {
            module: "purse".into(),
            mode: Mode::Hold,
            amount: self.price(),
            payee: "acct:otto".into(),
            bank: SigningKey::from_seed(&[8; 32]).public(),
        };
        Exchange {
            version: 1,
            protocol: Protocol::Gg,
            fairness: Fairness::Strong,
            deal: deal_name(self.deal),
            originator: Party { sign: otto().public(), seal },
            responder: Party { sign: self.keys.sign, seal: self.keys.seal },
            third_party: ThirdParty { origin: "third.example".into(), sign: third, seal },
            from_originator: vec![Leaf {
                path: path(0, &receipt[0]),
                item: Item::Statement { statement, signer: otto().public(), affidavit: true },
            }],
            from_responder: vec![Leaf { path: path(0, &money[0]), item: Item::Money(paid) }],
            nonces: [Digest::of(b"one"), Digest::of(b"other")],
            accept_by: later(24),
            close_by: later(48),
            dispute_ms: 0,
            lock_until: later(48).after(Duration::from_millis(LOCK_MARGIN_MS)),
            clauses: clauses(),
            transcript: Digest::of(b"negotiated"),
            fee: None,
        }
    }

    /// The same the other way round: Anna promises first.
    fn turned(&self) -> (Exchange<Standard>, (Vec<Enclosed>, Vec<Enclosed>)) {
        let mut exchange = self.exchange();
        std::mem::swap(&mut exchange.originator, &mut exchange.responder);
        std::mem::swap(&mut exchange.from_originator, &mut exchange.from_responder);
        let (receipt, money) = self.enclosed();
        (exchange, (money, receipt))
    }

    fn ask_with(
        &self,
        exchange: &Exchange<Standard>,
        enclosed: (Vec<Enclosed>, Vec<Enclosed>),
    ) -> Answered {
        let question = ExchangeQuestion {
            agreement: cbor::encode(exchange).into(),
            enclosed,
            refers: Vec::new(),
            account: Some(("Test Bank".into(), "acct:anna".into())),
        };
        let id = Digest::of(&cbor::encode(&question));
        let (deal, exchange) = (self.deal, Box::new(question));
        self.anna.service.answer(Request::AgreeExchange { id, deal, exchange })
    }

    fn ask(&self, exchange: &Exchange<Standard>) -> Answered {
        self.ask_with(exchange, self.enclosed())
    }

    fn sign<B: Body>(&self, subject: Digest, body: &B) -> Answered {
        let (deal, kind, body) = (self.deal, B::KIND.to_owned(), cbor::encode(body).into());
        self.anna.service.answer(Request::SignExchange { deal, subject, kind, body })
    }

    /// The words with which something is refused.
    fn refused(&self, answer: Answered) -> String {
        answer.unwrap_err().what
    }
}

fn is_by<B: Body>(keys: &DealKeys, subject: Digest, body: &B, reply: &Reply) -> bool {
    let Reply::Signature(bytes) = reply else { panic!("{reply:?}") };
    let signature = Signature::from_bytes(bytes.as_slice().try_into().unwrap());
    let digest = Standard::digest(B::KIND, body);
    Standard::verify(&keys.sign, &Named { kind: B::KIND, subject, digest }, &signature)
}

#[test]
fn an_exchange_is_shown_from_its_agreement_with_how_fair_it_is_and_asked_once() {
    let scene = scene();
    let exchange = scene.exchange();

    assert!(matches!(scene.ask(&exchange).unwrap(), Reply::Done));
    assert!(matches!(scene.ask(&exchange).unwrap(), Reply::Done));

    let seen = scene.anna.seen.0.lock().unwrap();
    assert_eq!(seen.len(), 1, "the same question again gets the same answer");
    let Screen::Consent(consent) = &seen[0].screen else { panic!("{:?}", seen[0]) };
    assert_eq!(consent.topic, "exchange");
    assert_eq!(consent.amount, Some(scene.price()));
    assert_eq!(consent.digest, Agreed::new(exchange).unwrap().subject());
    assert_eq!(
        consent.title,
        "Fair exchange with Otto Versand: 44.88 EUR for a receipt over 44.88 EUR"
    );
    let row = |name: &str| {
        let row = consent.rows.iter().find(|it| it.0 == name);
        row.map(|it| it.1.clone()).unwrap_or_default()
    };
    assert!(row("fairness").starts_with("strong: you get what is promised here"));
    assert!(row("third party").starts_with("third.example"));
    assert_eq!(row("you pay"), "44.88 EUR");
    assert_eq!(row("from account"), "acct:anna at Test Bank");
    assert!(row("you get").contains("signed by Otto Versand"), "{}", row("you get"));
    assert!(consent.means.contains("or neither happens"), "{}", consent.means);
}

#[test]
fn weak_fairness_is_shown_as_such() {
    let scene = scene();
    let mut exchange = scene.exchange();
    exchange.fairness = Fairness::Weak;
    let lied = scene.refused(scene.ask(&exchange));
    assert!(lied.contains("does not guarantee what the agreement says"), "{lied}");
    exchange.protocol = Protocol::Wg;

    scene.ask(&exchange).unwrap();

    let seen = scene.anna.seen.0.lock().unwrap();
    let Screen::Consent(consent) = &seen[0].screen else { panic!("{:?}", seen[0]) };
    assert!(consent.means.contains("CAUTION: what you give may be lost"), "{}", consent.means);
}

#[test]
fn what_is_not_this_deals_or_not_what_is_said_is_never_shown() {
    let scene = scene();
    let good = scene.exchange();
    let mut other_deal = good.clone();
    other_deal.deal = Digest::of(b"another deal");
    let mut other_peer = good.clone();
    other_peer.originator.sign = SigningKey::from_seed(&[3; 32]).public();
    let mut other_keys = good.clone();
    other_keys.responder.sign = SigningKey::from_seed(&[4; 32]).public();
    for (exchange, words) in [
        (other_deal, "belongs to another deal"),
        (other_peer, "not with the other side of this deal"),
        (other_keys, "does not name your own keys"),
    ] {
        assert!(scene.refused(scene.ask(&exchange)).contains(words), "{words}");
    }
    // Another receipt behind the digest; money for something else; nothing behind it.
    let mut receipt = scene.receipt();
    receipt.made = Timestamp::from_millis(1).unwrap();
    let (honest, money) = scene.enclosed();
    let other = Enclosed::Statement(receipt.encode().unwrap().into());
    let for_other = Enclosed::Money(Digest::of(b"another order"));
    for (enclosed, words) in [
        ((vec![other], money.clone()), "another digest"),
        ((honest.clone(), vec![for_other]), "it stands elsewhere"),
        ((honest, Vec::new()), "come with 0 descriptions"),
    ] {
        assert!(scene.refused(scene.ask_with(&good, enclosed)).contains(words), "{words}");
    }
    assert!(scene.anna.seen.0.lock().unwrap().is_empty());
}

#[test]
fn nothing_is_signed_for_an_exchange_that_was_not_agreed_to() {
    let scene = scene();
    let agreed = Agreed::new(scene.exchange()).unwrap();
    let accept: Accept<Standard> = Accept { promise: Digest::of(b"X1"), tokens: Vec::new() };

    let refused = scene.refused(scene.sign(agreed.subject(), &accept));
    assert!(refused.contains("you have not agreed to this exchange"), "{refused}");

    scene.ask(&agreed).unwrap();
    let reply = scene.sign(agreed.subject(), &accept).unwrap();
    assert!(is_by(&scene.keys, agreed.subject(), &accept, &reply));
    // Nor for another one, by a promise of another agreement.
    let mut dearer = scene.exchange();
    dearer.transcript = Digest::of(b"another");
    let promise = Promise { agreement: Agreed::new(dearer).unwrap(), tokens: Vec::new() };
    let refused = scene.refused(scene.sign(agreed.subject(), &promise));
    assert!(refused.contains("something else than was agreed to"), "{refused}");
    // Nor what is no part of an exchange.
    let refused = scene.anna.service.answer(Request::SignExchange {
        deal: scene.deal,
        subject: agreed.subject(),
        kind: "verdict".into(),
        body: cbor::encode(&accept).into(),
    });
    assert!(scene.refused(refused).contains("is not part of an exchange"));
}

#[test]
fn an_originator_delivers_or_aborts_and_never_both() {
    for delivers in [true, false] {
        let scene = scene();
        let (exchange, enclosed) = scene.turned();
        let agreed = Agreed::new(exchange.clone()).unwrap();
        scene.ask_with(&exchange, enclosed).unwrap();
        let deliver: Deliver<Standard> = Deliver { accept: Digest::of(b"X2"), items: Vec::new() };
        let abort = Abort { promise: Digest::of(b"X1"), role: Role::Originator };
        let subject = agreed.subject();

        if delivers {
            scene.sign(subject, &deliver).unwrap();
            let refused = scene.sign(subject, &abort).unwrap_err();
            assert_eq!(refused.cause, Cause::Rule, "nobody has lied, and it stays refused");
            assert!(refused.what.contains("cannot be given up now"), "{refused}");
            scene.sign(subject, &deliver).unwrap();
        } else {
            scene.sign(subject, &abort).unwrap();
            let refused = scene.refused(scene.sign(subject, &deliver));
            assert!(refused.contains("nothing is delivered now"), "{refused}");
            scene.sign(subject, &abort).unwrap();
        }
    }
}

#[test]
fn only_the_payment_that_was_agreed_to_is_ordered() {
    let scene = scene();
    let exchange = scene.exchange();
    let agreed = Agreed::new(exchange.clone()).unwrap();
    let order = order_for(&agreed, Role::Responder).unwrap();
    let sign = |order: HoldOrder| {
        let content = Content::HoldOrder(order);
        let statement = Statement { deal: scene.deal, made: scene.anna.now, content };
        scene.anna.service.answer(Request::SignHold(cbor::encode(&statement).into()))
    };
    let honest = order.statement("Test Bank".into(), "acct:anna".into());
    assert!(scene.refused(sign(honest.clone())).contains("not agreed to this exchange"));
    scene.ask(&exchange).unwrap();

    let Reply::Signed(bytes) = sign(honest.clone()).unwrap() else { panic!("not signed") };
    let verifier = &scene.anna.verifier;
    SignedStatement::verify(&bytes, verifier, semper_base::Role::Buyer, scene.anna.now).unwrap();

    let mut dearer = honest.clone();
    dearer.amount = Amount::new(PRICE * 2, "EUR".parse().unwrap());
    let mut elsewhere = honest.clone();
    elsewhere.to = "acct:crook".into();
    let mut other_account = honest.clone();
    other_account.from = "acct:savings".into();
    let mut shorter = honest;
    shorter.until = scene.anna.now;
    for changed in [dearer, elsewhere, other_account, shorter] {
        let refused = scene.refused(sign(changed));
        assert!(refused.contains("not the payment that was agreed to"), "{refused}");
    }
}
