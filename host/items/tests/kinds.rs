//! A walk through the table of statement kinds. A kind without an entry or a record does not
//! compile, since `Kind` and `Content` are made of the table; what an entry says is held against
//! the kind's example here, and so is a kind that is added later.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use semper_base::{Amount, Currency, DealId, Digest, Mend as _, Timestamp, cbor};
use semper_items::Statement;
use semper_items::statement::{
    Binds, By, Content, HoldKind, HoldOrder, Kind, Order, Row, Says, Sum, Value,
};

fn statement(content: Content) -> Statement {
    let made = Timestamp::from_millis(1_790_000_000_000).unwrap();
    Statement { deal: DealId::new(Digest::of(b"deal")), made, content }
}

/// The statement and its name.
fn named(content: Content) -> (Digest, Statement) {
    let statement = statement(content);
    (Digest::of(&statement.encode().unwrap()), statement)
}

#[test]
fn a_kind_has_one_name_and_is_found_by_it() {
    let mut names = BTreeSet::new();
    for kind in Kind::ALL {
        let name = kind.name();
        assert!(names.insert(name), "two kinds are called {name}");
        assert_eq!(name.parse(), Ok(*kind));
        assert_eq!(kind.to_string(), name);
        // Flows, checkpoints and statements write it by serde: in one form with the table's.
        assert_eq!(cbor::encode(kind), cbor::encode(&name), "{name}");
        // A map of one, and the name is its key.
        let begins = [vec![0xa1], cbor::encode(&name)].concat();
        assert!(cbor::encode(&kind.example()).starts_with(&begins), "{name}");
    }
    let error = "invoice".parse::<Kind>().unwrap_err();
    assert_eq!(error.to_string(), "“invoice” is no kind of statement");
    assert!(error.mend().contains("shipping-note"));
}

#[test]
fn an_example_is_of_its_kind_and_makes_sense() {
    for kind in Kind::ALL {
        let content = kind.example();
        assert_eq!(content.kind(), *kind);
        let statement = statement(content);
        let bytes = statement.encode().unwrap();
        assert_eq!(Statement::decode(&bytes).unwrap(), statement);
    }
}

#[test]
fn every_kind_says_something_to_the_person_who_signs_it() {
    for kind in Kind::ALL {
        let content = kind.example();
        assert!(!content.title("Otto").is_empty(), "{kind}");
        assert!(content.means().ends_with('.'), "{kind}: a sentence");
        assert!(statement(content.clone()).summary().contains(kind.name()), "{kind}");
        assert!(!content.rows().is_empty(), "{kind}");
        for (label, words) in content.drawn(&[]) {
            assert!(!label.is_empty() && !words.is_empty(), "{kind}: “{label}”, “{words}”");
        }
    }
}

#[test]
fn a_kind_refers_to_kinds_above_it_and_names_a_statement_for_each() {
    let another = Digest::of(b"another");
    for (at, kind) in Kind::ALL.iter().enumerate() {
        let refers = kind.entry().refers;
        for other in refers {
            assert!(Kind::ALL[..at].contains(other), "a {kind} comes before the {other} it names");
        }
        let mut content = kind.example();
        let kinds: Vec<Kind> = content.refers().into_iter().map(|it| it.0).collect();
        assert_eq!(kinds, refers, "{kind}");
        // Changed one by one, each is the one that is named in its place.
        for changed in 0..refers.len() {
            let mut named = content.refers_mut();
            assert_eq!(named.len(), refers.len(), "{kind}");
            *named[changed] = another;
            let others = content.refers().into_iter().map(|it| it.1);
            let seen: Vec<bool> = others.map(|it| it == another).collect();
            let upto: Vec<bool> = (0..refers.len()).map(|it| it <= changed).collect();
            assert_eq!(seen, upto, "{kind}");
        }
        for row in kind.example().rows() {
            if let Value::Statement(digest) | Value::Accepted(_, digest) = row.value {
                let names = kind.example().refers().iter().any(|it| it.1 == digest);
                assert!(names, "{kind}: “{}” shows a statement that it does not name", row.label);
            }
        }
    }
}

#[test]
fn an_amount_is_where_the_table_says_and_is_shown() {
    for kind in Kind::ALL {
        let content = kind.example();
        let entry = kind.entry();
        let Some(amount) = content.amount() else {
            assert_eq!(entry.amount, Sum::Nothing, "{kind}");
            continue;
        };
        let shown = content.rows().iter().any(|row| row.value == Value::Amount(amount));
        assert!(shown, "{kind}: {amount} is in no row");
        match entry.amount {
            Sum::Nothing => panic!("a {kind} is about money, and the table says that it is not"),
            Sum::Own => assert!(!entry.amount.is_of(Some(*kind))),
            Sum::Of(kinds) => {
                assert!(!kinds.is_empty() && !entry.amount.is_of(None), "{kind}");
                for other in kinds {
                    let about = other.example().amount().is_some();
                    assert!(about, "a {kind} has the amount of a {other}, which has none");
                }
            }
        }
    }
}

#[test]
fn what_a_kind_binds_to_and_what_it_says_go_together() {
    for kind in Kind::ALL {
        let entry = kind.entry();
        // It promises something, or says that something has happened.
        let promises = entry.binds != Binds::Nothing;
        assert_eq!(promises, entry.says == Says::Nothing, "{kind}");
        // Whoever is bound to deliver or pay says how much that is.
        assert!(!promises || kind.example().amount().is_some(), "{kind}");
        // Nobody's signature but a party's own can be replaced in a deal's exchange.
        assert_eq!(entry.affidavit, entry.by.is_service(), "{kind}");
        assert_eq!(entry.binds == Binds::Spend, entry.by == By::Payer, "{kind}");
        // An offer names its end and the account; nothing else binds until a date by itself.
        let ends = kind.example().valid_until().is_some();
        assert_eq!(ends, entry.binds == Binds::Deliver, "{kind}");
        assert_eq!(kind.example().payee().is_some(), entry.binds == Binds::Deliver, "{kind}");
    }
    for binds in Binds::ALL {
        assert_eq!(Kind::binding(binds).next(), Some(binds.kind()));
    }
    // Words of flows name these two.
    assert_eq!((Binds::Deliver.kind(), Binds::Pay.kind()), (Kind::Offer, Kind::Order));
}

#[test]
fn an_order_shows_the_offer_that_it_accepts_and_no_other_statement_for_it() {
    let (offered, offer) = named(Kind::Offer.example());
    let (received, receipt) = named(Kind::Receipt.example());
    let order = |offer| {
        let Content::Order(order) = Kind::Order.example() else { panic!("it is an order") };
        Content::Order(Order { offer, ..order })
    };
    let known = [(offered, offer), (received, receipt)];
    let labels = |content: Content| -> Vec<String> {
        content.drawn(&known).into_iter().map(|row| row.0).collect()
    };

    let whole = labels(order(offered));
    assert_eq!(
        whole,
        [
            "offer",
            "2 × woollen scarf (L, red)",
            "delivery",
            "total",
            "valid until",
            "to pay",
            "deliver to"
        ]
    );
    // A receipt in the offer's place is told by its summary, and none of its rows are taken.
    assert_eq!(labels(order(received)), ["offer", "to pay", "deliver to"]);
    let unknown = order(Digest::of(b"never seen")).drawn(&known);
    assert!(unknown[0].1.ends_with("— UNKNOWN TO YOUR HOST"), "{unknown:?}");
}

#[test]
fn a_delivery_within_one_day_is_said_as_a_person_says_it() {
    for (days, words) in [(1, "4.90 EUR, within 1 day"), (2, "4.90 EUR, within 2 days")] {
        let cost = Amount::new(490, Currency::EUR);
        let row = Row::new("delivery", Value::Delivery { cost, days });
        assert_eq!(row.drawn(&[]), [("delivery".to_owned(), words.to_owned())]);
    }
}

#[test]
fn every_kind_as_a_person_sees_it() {
    let mut text = String::new();
    let mut show = |content: Content| {
        let statement = statement(content);
        let content = &statement.content;
        text += &format!("# {}\n{}\n", statement.summary(), content.title("Otto"));
        for (label, words) in content.drawn(&[]) {
            text += &format!("  {label}: {words}\n");
        }
        text += &format!("{}\n\n", content.means());
    };
    for kind in Kind::ALL {
        show(kind.example());
    }
    for kind in [HoldKind::Provisional, HoldKind::Final] {
        let Content::HoldOrder(order) = Kind::HoldOrder.example() else { panic!("it is one") };
        show(Content::HoldOrder(HoldOrder { kind, ..order }));
    }
    insta::assert_snapshot!(text);
}
