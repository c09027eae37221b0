//! The TINGUIN signs what it shows, asks once, and knows its user.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{anna, time};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;
use semper_base::{Amount, DealId, Digest, Role, cbor};
use semper_items::statement::*;
use semper_items::{
    Container, Header, Item, Message, Side, SignedAgreement, SignedStatement, Statement,
};
use semper_tinguin::keystore::{Keystore, KeystoreError};
use semper_tinguin::screen::Question;
use semper_tinguin::scripted::Scripted;
use semper_tinguin::terminal::{Input, draw, press};
use semper_tinguin::{Answer, Face, Frame, Reply, Request, Screen};

fn order(deal: DealId, offer: Digest) -> Statement {
    let ship_to = Address {
        name: "Anna Berg".into(),
        street: "Lindenweg 4".into(),
        postcode: "22765".into(),
        city: "Hamburg".into(),
        country: "DE".into(),
    };
    let total: Amount = "44.88 EUR".parse().unwrap();
    Statement {
        deal,
        made: time(1_790_000_000_000),
        content: Content::Order(Order { offer, total, ship_to }),
    }
}

fn offer(deal: DealId) -> Statement {
    let line = Line {
        article: "A0000001".into(),
        title: "woollen scarf".into(),
        variant: "(L, red)".into(),
        quantity: 2,
        unit: "19.99 EUR".parse().unwrap(),
    };
    let offer = Offer {
        number: "A-1".into(),
        lines: vec![line],
        delivery: "4.90 EUR".parse().unwrap(),
        total: "44.88 EUR".parse().unwrap(),
        delivery_days: 3,
        valid_until: time(1_800_000_000_000),
        account: "acct:0123456789abcdef".into(),
    };
    Statement { deal, made: time(1_790_000_000_000), content: Content::Offer(offer) }
}

#[test]
fn an_agreement_is_signed_with_the_certified_name_after_it_was_shown() {
    let anna = anna();
    let agreement = anna.agreement();

    let reply = anna.sign_agreement(&agreement).unwrap();

    let Reply::Signed(bytes) = reply else { panic!("{reply:?}") };
    let signed = SignedAgreement::verify(&bytes, Side::Buyer, &anna.roots, anna.now).unwrap();
    assert_eq!(signed.agreement, agreement);
    let frames = anna.seen.0.lock().unwrap();
    assert_eq!(frames[0].user, "Anna Berg");
    assert_eq!(frames[0].phrase, "two owls");
    assert_eq!(frames[0].service, "mail-order 1.0.0 — certified by Verbraucherbund");
}

#[test]
fn an_agreement_with_other_keys_or_another_name_is_not_even_shown() {
    let anna = anna();
    let mut agreement = anna.agreement();
    agreement.hello.keys = agreement.keys;
    assert!(anna.sign_agreement(&agreement).is_err());
    let mut agreement = anna.agreement();
    agreement.hello.buyer = "Somebody Else".into();
    assert!(anna.sign_agreement(&agreement).is_err());
    assert!(anna.seen.0.lock().unwrap().is_empty());
}

#[test]
fn a_question_is_put_once_and_another_under_its_id_is_refused() {
    let anna = anna();
    let deal = anna.open_deal();
    let sign = |statement: &Statement| {
        anna.service.answer(Request::SignStatement {
            id: Digest::of(b"call 7"),
            statement: cbor::encode(statement).into(),
            refers: vec![],
        })
    };
    let statement = order(deal, Digest::of(b"offer"));

    let first = sign(&statement).unwrap();
    let again = sign(&statement).unwrap();

    assert_eq!(first, again);
    assert_eq!(anna.seen.0.lock().unwrap().len(), 2, "the agreement and the order, once each");
    let other = order(deal, Digest::of(b"another offer"));
    let (what, _) = sign(&other).unwrap_err();
    assert!(what.contains("asked before, in other words"), "{what}");
    let Reply::Signed(bytes) = first else { panic!() };
    SignedStatement::verify(&bytes, &anna.roots, Role::Buyer, anna.now).unwrap();
    drop(anna.folder);
}

#[test]
fn what_an_order_refers_to_is_shown_from_its_own_bytes() {
    let anna = anna();
    let deal = anna.open_deal();
    let offer = cbor::encode(&offer(deal));
    let show = |refers: Vec<Vec<u8>>, id: &[u8]| {
        let request = Request::SignStatement {
            id: Digest::of(id),
            statement: cbor::encode(&order(deal, Digest::of(&offer))).into(),
            refers: refers.into_iter().map(Into::into).collect(),
        };
        anna.service.answer(request).unwrap();
        let frames = anna.seen.0.lock().unwrap();
        let Screen::Consent(consent) = &frames.last().unwrap().screen else { panic!() };
        consent.rows.iter().map(|(a, b)| format!("{a}: {b}\n")).collect::<String>()
    };

    let with = show(vec![offer.clone()], b"with");
    let without = show(vec![], b"without");

    assert!(with.contains("2 × woollen scarf (L, red): 19.99 EUR each"), "{with}");
    assert!(without.contains("UNKNOWN TO YOUR HOST"), "{without}");
}

#[test]
fn nothing_is_signed_for_a_deal_that_was_not_opened_here_or_for_the_other_side() {
    let anna = anna();
    let strange = DealId::new(Digest::of(b"strange"));
    let statement = cbor::encode(&order(strange, Digest::of(b"offer")));
    let id = Digest::of(b"q");
    let request = Request::SignStatement { id, statement: statement.into(), refers: vec![] };
    let (what, _) = anna.service.answer(request).unwrap_err();
    assert!(what.contains("you have not opened"), "{what}");

    let deal = anna.open_deal();
    let message = |from| {
        let header = Header {
            deal,
            from,
            seq: 1,
            previous: Digest::ZERO,
            journal: Digest::ZERO,
            made: anna.now,
        };
        let container = Container::of(Item::Money(vec![1].into()));
        Request::SignMessage(cbor::encode(&Message { header, container }).into())
    };
    assert!(anna.service.answer(message(Side::Buyer)).is_ok());
    assert!(anna.service.answer(message(Side::Seller)).is_err());
    assert!(anna.service.answer(Request::SignMessage(vec![1, 2, 3].into())).is_err());
}

#[test]
fn a_key_store_opens_with_its_pass_phrase_alone() {
    let (keys, text) = Keystore::create("correct horse battery").unwrap();

    let again = Keystore::open(&text, "correct horse battery").unwrap();

    assert_eq!(keys.identity().public(), again.identity().public());
    let wrong = Keystore::open(&text, "correct horse batterz").unwrap_err();
    assert_eq!(wrong, KeystoreError::PassPhrase);
    assert_eq!(Keystore::create("short").unwrap_err(), KeystoreError::Short);
    let greedy = text.replace("\"memory_kib\": 65536", "\"memory_kib\": 4000000000");
    assert!(matches!(Keystore::open(&greedy, "x"), Err(KeystoreError::Damaged(_))));
    assert!(!text.contains("correct"));
}

#[test]
fn standing_consents_hold_within_their_limits_and_decline_the_rest() {
    let rules = "[[rule]]\ntopic = \"order\"\nmost = \"50.00 EUR\"\ntimes = 1\nanswer = \"yes\"\n";
    let face = Scripted::new(rules, Box::new(std::io::sink())).unwrap();
    let frame = |amount: &str| Frame {
        user: "Anna".into(),
        phrase: "owls".into(),
        peer: "Otto".into(),
        service: String::new(),
        status: String::new(),
        screen: Screen::Consent(semper_tinguin::screen::Consent {
            topic: "order".into(),
            title: "Order".into(),
            rows: vec![],
            means: String::new(),
            amount: Some(amount.parse().unwrap()),
            digest: Digest::ZERO,
        }),
    };

    assert!(matches!(face.ask(&frame("50.01 EUR"), &|| false), Answer::No(_)));
    assert!(matches!(face.ask(&frame("5 JPY"), &|| false), Answer::No(_)));
    assert_eq!(face.ask(&frame("50.00 EUR"), &|| false), Answer::Yes);
    assert!(matches!(face.ask(&frame("1.00 EUR"), &|| false), Answer::No(_)), "once is once");
    for wrong in
        ["[[rule]]\ntopic = \"x\"", "[[rule]]\ntopic = \"x\"\nanswer = \"maybe\"", "rule = 1"]
    {
        assert!(Scripted::new(wrong, Box::new(std::io::sink())).is_err(), "{wrong}");
    }
}

/// What a person sees, as text.
fn picture(frame: &Frame, input: &Input) -> String {
    let mut terminal = Terminal::new(TestBackend::new(84, 26)).unwrap();
    terminal.draw(|out| draw(out, frame, input)).unwrap();
    terminal.backend().to_string()
}

fn order_frame() -> Frame {
    let deal = DealId::new(Digest::of(b"deal"));
    let offer = offer(deal);
    let digest = Digest::of(&cbor::encode(&offer));
    let order = order(deal, digest);
    let consent = semper_tinguin::screen::statement(
        &order,
        Digest::of(&cbor::encode(&order)),
        "Otto Versand",
        &[(digest, offer)],
    );
    Frame {
        user: "Anna Berg".into(),
        phrase: "two owls in a pear tree".into(),
        peer: "Otto Versand".into(),
        service: "mail-order 1.0.0 — certified by Verbraucherbund".into(),
        status: "deciding whether to sign: Order from Otto Versand".into(),
        screen: Screen::Consent(consent),
    }
}

#[test]
fn the_terminal_shows_a_decision_from_the_signed_bytes() {
    insta::assert_snapshot!(picture(&order_frame(), &Input { read: true, ..Input::default() }));
}

#[test]
fn a_decision_longer_than_the_window_is_read_to_its_end_first() {
    let mut frame = order_frame();
    let Screen::Consent(consent) = &mut frame.screen else { panic!() };
    for number in 0..40 {
        consent.rows.push((format!("line {number}"), "19.99 EUR each".into()));
    }
    let window = ratatui::layout::Rect::new(0, 0, 84, 26);

    let top = picture(&frame, &Input::default());
    assert!(top.contains("▼ more below: Page Down"), "{top}");
    assert!(top.contains("Read to the end first"), "{top}");
    assert!(!top.contains("line 39"), "{top}");
    let depth = semper_tinguin::terminal::depth(&frame, &Input::default(), window);
    let bottom = picture(&frame, &Input { scroll: depth, read: true, ..Input::default() });
    assert!(bottom.contains("line 39") && bottom.contains("Type yes to sign"), "{bottom}");

    let mut hasty = Input { text: "yes".into(), ..Input::default() };
    assert_eq!(press(&frame.screen, &mut hasty, KeyCode::Enter), None);
}

#[test]
fn the_terminal_shows_a_services_words_as_the_services() {
    let question = Question::Choose {
        topic: "article".into(),
        says: "2 of 2 articles".into(),
        options: vec!["A1 · woollen scarf · 19.99 EUR".into(), "search again".into()],
    };
    let frame = Frame { screen: Screen::Question(question), ..order_frame() };

    insta::assert_snapshot!(picture(&frame, &Input { current: 1, ..Input::default() }));
}

#[test]
fn a_yes_has_to_be_typed_whole() {
    let screen = order_frame().screen;
    let mut input = Input { read: true, ..Input::default() };
    assert_eq!(press(&screen, &mut input, KeyCode::Enter), None);
    for letter in "ye".chars() {
        assert_eq!(press(&screen, &mut input, KeyCode::Char(letter)), None);
    }
    assert_eq!(press(&screen, &mut input, KeyCode::Enter), None, "ye is not yes");
    for letter in "yes".chars() {
        press(&screen, &mut input, KeyCode::Char(letter));
    }
    assert_eq!(press(&screen, &mut input, KeyCode::Enter), Some(Answer::Yes));
    assert_eq!(press(&screen, &mut input, KeyCode::Esc), Some(Answer::No(String::new())));
}
