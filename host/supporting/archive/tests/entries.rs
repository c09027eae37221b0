//! The archive as a bank statement: what is found, in which order, and what it adds up to.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use rusqlite::Connection;
use semper_archive::{Archive, DealRow, DealState, Direction, EvidenceRow, Filter, Write};
use semper_base::{Amount, DealId, Digest, SigningKey, Timestamp, cose};
use semper_items::statement::{Offer, PaymentConfirmation};
use semper_items::{Content, Kind, Side, Statement, signed};
use tempfile::TempDir;

const DAY: u64 = 24 * 60 * 60 * 1000;
/// 2026-01-01, about.
const START: u64 = 1_767_225_600_000;

fn at(day: u64) -> Timestamp {
    Timestamp::from_millis(START + day * DAY).unwrap()
}

fn deal(name: &str, peer: &str, side: Side) -> DealRow {
    let id = DealId::new(Digest::of(name.as_bytes()));
    DealRow::opened(id, side, (peer, "https://localhost"), Digest::of(b"terms"), vec![1], at(0))
}

/// A statement as evidence, signed by somebody.
fn evidence(deal: DealId, content: Content, day: u64, signer: &str) -> Write {
    let made = at(day);
    let kind = content.kind().name().to_owned();
    let statement = Statement { deal, made, content };
    let key = SigningKey::generate();
    let signatory = cose::Signatory::Key(key.public().id());
    let bytes = cose::sign(&key, &signatory, signed::DOMAIN, &statement.encode().unwrap());
    Write::Evidence(EvidenceRow {
        number: 0,
        deal: Some(deal),
        kind,
        digest: Digest::of(&bytes),
        signer: signer.into(),
        summary: statement.summary(),
        stored: made,
        bytes,
    })
}

fn paid(deal: DealId, amount: &str, day: u64, bank: &str) -> Write {
    let Content::PaymentConfirmation(example) = Kind::PaymentConfirmation.example() else {
        unreachable!("the example is of its kind")
    };
    let amount: Amount = amount.parse().unwrap();
    let purpose = Digest::of(format!("{deal} {amount} {day}").as_bytes());
    let confirmation = PaymentConfirmation { amount, purpose, ..example };
    evidence(deal, Content::PaymentConfirmation(confirmation), day, bank)
}

fn offered(deal: DealId, title: &str, day: u64) -> Write {
    let Content::Offer(mut offer) = Kind::Offer.example() else {
        unreachable!("the example is of its kind")
    };
    offer.lines[0].title = title.into();
    evidence(deal, Content::Offer(Offer { ..offer }), day, "Otto Versand")
}

/// A year of shopping with two merchants, and one sale.
fn a_year() -> (Archive, [DealRow; 3], TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open_file(&folder.path().join("archive.sqlite")).unwrap();
    let deals = [
        deal("scarf", "Otto Versand", Side::Buyer),
        deal("books", "Buchladen Süd", Side::Buyer),
        deal("sale", "Clara Käuferin", Side::Seller),
    ];
    for row in &deals {
        archive.commit(vec![Write::NewDeal(Box::new(row.clone()))]).unwrap();
    }
    let [scarf, books, sale] = deals.each_ref().map(|row| row.id);
    archive
        .commit(vec![
            offered(scarf, "woollen scarf", 5),
            paid(scarf, "19.99 EUR", 6, "Sparbank"),
            offered(books, "Ein Buch über Käse", 40),
            paid(books, "500 JPY", 41, "Sparbank"),
            paid(sale, "7.01 EUR", 42, "Volksbank"),
            paid(scarf, "0.02 EUR", 43, "Sparbank"),
        ])
        .unwrap();
    (archive, deals, folder)
}

/// The numbers of the entries that a filter lets through.
fn found(archive: &Archive, filter: &Filter) -> Vec<i64> {
    archive.entries(filter, None, 100).unwrap().entries.iter().map(|it| it.number).collect()
}

#[test]
fn entries_come_newest_first_page_by_page() {
    let (archive, deals, _folder) = a_year();
    let all = Filter::default();

    let first = archive.entries(&all, None, 4).unwrap();
    let second = archive.entries(&all, first.before, 4).unwrap();

    let numbers =
        |page: &semper_archive::Page| page.entries.iter().map(|it| it.number).collect::<Vec<_>>();
    assert_eq!((numbers(&first), first.before), (vec![6, 5, 4, 3], Some(3)));
    assert_eq!((numbers(&second), second.before), (vec![2, 1], None));
    let paid = &first.entries[1];
    assert_eq!((paid.with.as_str(), paid.deal), ("Clara Käuferin", Some(deals[2].id)));
    assert_eq!(paid.moved[0].direction, Direction::In);
    assert_eq!(paid.moved[0].amount.to_string(), "7.01 EUR");
    assert_eq!(paid.moved[0].system, "Volksbank");
    // An offer is about money, and moves none.
    assert_eq!(first.entries[3].about.unwrap().to_string(), "44.88 EUR");
    assert!(first.entries[3].moved.is_empty());
}

#[test]
fn every_filter_narrows_down_and_they_go_together() {
    let (archive, [scarf, ..], _folder) = a_year();
    let all = Filter::default();
    let finds = |filter: Filter| found(&archive, &filter);

    assert_eq!(finds(Filter { words: "SCARF".into(), ..all.clone() }), [1]);
    assert_eq!(finds(Filter { words: "buch kase".into(), ..all.clone() }), [3]);
    assert_eq!(finds(Filter { words: "sparb 19.99".into(), ..all.clone() }), [2]);
    assert_eq!(finds(Filter { words: "\"*".into(), ..all.clone() }), Vec::<i64>::new());
    assert_eq!(finds(Filter { with: vec!["Otto Versand".into()], ..all.clone() }), [6, 2, 1]);
    assert_eq!(finds(Filter { kinds: vec!["offer".into()], ..all.clone() }), [3, 1]);
    assert_eq!(finds(Filter { currency: "JPY".parse().ok(), ..all.clone() }), [4]);
    assert_eq!(finds(Filter { direction: Some(Direction::In), ..all.clone() }), [5]);
    assert_eq!(finds(Filter { direction: Some(Direction::Out), ..all.clone() }), [6, 4, 2]);
    assert_eq!(finds(Filter { from: Some(at(6)), until: Some(at(41)), ..all.clone() }), [3, 2]);
    assert_eq!(finds(Filter { deal: Some(scarf.id), ..all.clone() }), [6, 2, 1]);
    let together = Filter {
        words: "sparbank".into(),
        direction: Some(Direction::Out),
        from: Some(at(10)),
        currency: "EUR".parse().ok(),
        ..all
    };
    assert_eq!(finds(together), [6]);
}

#[test]
fn entries_follow_where_their_deal_stands() {
    let (archive, [scarf, books, _], _folder) = a_year();
    let state = |state| Filter { state: Some(state), ..Filter::default() };
    assert_eq!(found(&archive, &state(DealState::Completed)), Vec::<i64>::new());

    let (note, at) = ("as the terms intend".to_owned(), at(50));
    let ends = Write::Deal { id: scarf.id, state: DealState::Completed, note, at };
    archive.commit(vec![ends]).unwrap();

    assert_eq!(found(&archive, &state(DealState::Completed)), [6, 2, 1]);
    assert_eq!(found(&archive, &state(DealState::Running)), [5, 4, 3]);
    // What comes after the end is of an ended deal, too.
    archive.commit(vec![offered(scarf.id, "late", 51)]).unwrap();
    assert_eq!(found(&archive, &state(DealState::Completed)), [7, 6, 2, 1]);
    assert!(
        archive.entries(&Filter { deal: Some(books.id), ..Filter::default() }, None, 9).is_ok()
    );
}

#[test]
fn totals_are_exact_by_month_currency_and_payment_system() {
    let (archive, [scarf, ..], _folder) = a_year();
    let most = format!("{}.{:02} EUR", i64::MAX / 100, i64::MAX % 100);
    archive
        .commit(vec![paid(scarf.id, &most, 44, "Sparbank"), paid(scarf.id, &most, 45, "Sparbank")])
        .unwrap();

    let totals = archive.totals(&Filter::default()).unwrap();

    let told: Vec<String> = totals
        .iter()
        .map(|it| {
            let (paid_in, out) = (it.paid_in, it.paid_out);
            format!("{} {}: {paid_in} in, {out} out, {}", it.month, it.system, it.payments)
        })
        .collect();
    assert_eq!(
        told,
        [
            // Twice the largest amount there is, and two cents.
            "2026-02 Sparbank: 0.00 EUR in, 184467440737095516.16 EUR out, 3",
            "2026-02 Volksbank: 7.01 EUR in, 0.00 EUR out, 1",
            "2026-02 Sparbank: 0 JPY in, 500 JPY out, 1",
            "2026-01 Sparbank: 0.00 EUR in, 19.99 EUR out, 1",
        ]
    );
    let january = Filter { until: Some(at(31)), words: "sparbank".into(), ..Filter::default() };
    let january = archive.totals(&january).unwrap();
    assert_eq!((january.len(), january[0].paid_out.minor), (1, 1999));
    let sales = Filter { direction: Some(Direction::In), ..Filter::default() };
    assert_eq!(archive.totals(&sales).unwrap().len(), 1);
}

#[test]
fn a_home_of_before_gets_its_entries_in_steps_and_one_that_is_killed_goes_on() {
    let (archive, [scarf, ..], folder) = a_year();
    let many = (0..1_200).map(|number| paid(scarf.id, &format!("{number}.50 EUR"), 60, "Sparbank"));
    archive.commit(many.collect()).unwrap();
    let (page, totals) =
        (archive.entries(&Filter::default(), None, 1_000), archive.totals(&Filter::default()));
    drop(archive);
    let file = folder.path().join("archive.sqlite");
    let old = Connection::open(&file).unwrap();
    old.execute_batch(
        "DROP TABLE proposed; DROP TABLE proposals; DROP TABLE applications; DROP TABLE moved; \
         DROP TABLE entries; DROP TABLE entries_words; PRAGMA user_version = 5;",
    )
    .unwrap();
    drop(old);

    let archive = Archive::open_file(&file).unwrap();
    assert!(!archive.has_all_entries().unwrap());
    let first = archive.fill_entries(0).unwrap();
    assert_eq!(first, Some(500));
    drop(archive);
    // Whatever was done stays done, and what is committed meanwhile has its entry already.
    let archive = Archive::open_file(&file).unwrap();
    archive.commit(vec![offered(scarf.id, "meanwhile", 70)]).unwrap();
    let mut after = 0;
    while let Some(come_to) = archive.fill_entries(after).unwrap() {
        after = come_to;
    }

    assert!(archive.has_all_entries().unwrap());
    let again = archive.entries(&Filter::default(), Some(1_207), 1_000).unwrap();
    assert_eq!(again, page.unwrap());
    assert_eq!(archive.totals(&Filter::default()).unwrap(), totals.unwrap());
}

#[test]
fn hostile_texts_are_entries_like_others() {
    let (archive, [scarf, ..], _folder) = a_year();
    for (number, text) in [
        "\u{202e}<script>alert(1)</script>\u{0}\u{1b}[2J".to_owned(),
        "x".repeat(100_000),
        "'; DROP TABLE entries; --".to_owned(),
        "\u{5d0}\u{5d1} مرحبا".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let bytes = vec![u8::try_from(number).unwrap(); 10];
        let row = EvidenceRow {
            number: 0,
            deal: Some(scarf.id),
            kind: text.clone(),
            digest: Digest::of(&bytes),
            signer: text.clone(),
            summary: text.clone(),
            stored: at(80),
            bytes,
        };
        archive.commit(vec![Write::Evidence(row)]).unwrap();
        let page = archive.entries(&Filter::default(), None, 1).unwrap();
        assert_eq!(page.entries[0].what, text);
    }
    let filter = Filter { words: "מרחבא مرحبا".into(), ..Filter::default() };
    assert_eq!(found(&archive, &filter), Vec::<i64>::new());
    let filter = Filter { words: "\u{5d0}\u{5d1}".into(), ..Filter::default() };
    assert_eq!(found(&archive, &filter), [10]);
}

#[test]
fn any_page_is_gone_to_by_the_number_with_which_it_begins() {
    let (archive, _, _folder) = a_year();
    for words in ["", "scarf", "nothing has this in it"] {
        let filter = Filter { words: words.into(), ..Filter::default() };
        let all = archive.entries(&filter, None, 1_000).unwrap().entries;
        let (count, starts) = archive.starts(&filter, 2).unwrap();
        assert_eq!((count, starts.len()), (all.len(), all.len().div_ceil(2)));
        for (start, page) in starts.iter().zip(all.chunks(2)) {
            assert_eq!(archive.entries(&filter, Some(start + 1), 2).unwrap().entries, page);
        }
    }
    let all = archive.entries(&Filter::default(), None, 1_000).unwrap().entries;
    let stored = all.iter().map(|it| it.stored);
    assert_eq!(archive.span().unwrap(), stored.clone().min().zip(stored.max()));
}
