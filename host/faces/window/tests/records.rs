//! Records of a real home: pages, searches, and an archive that appears while the window is open.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use semper_archive::{Archive, DealRow, EvidenceRow, Home, Write};
use semper_base::{DealId, Digest, Timestamp};
use semper_face_window::records::archive::OfHome;
use semper_face_window::records::{Find, PAGE, Records as _};
use semper_items::Side;

fn at(minutes: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + minutes * 60_000).unwrap()
}

fn deal() -> DealId {
    DealId::new(Digest::of(b"deal"))
}

fn words(words: &str) -> Find {
    Find { words: words.into(), ..Find::default() }
}

fn evidence(number: usize, summary: &str) -> Write {
    Write::Evidence(EvidenceRow {
        number: 0,
        deal: Some(deal()),
        kind: "offer".into(),
        digest: Digest::of(&number.to_be_bytes()),
        signer: "Otto Versand".into(),
        summary: summary.into(),
        stored: at(number as u64),
        bytes: vec![1; 40],
    })
}

#[test]
fn a_home_without_an_archive_gets_one_while_the_window_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anna");
    let home = Home::create(&path).unwrap();
    home.write("semper.toml", b"user = \"Anna\"\nphrase = \"owls\"\n").unwrap();
    let records = OfHome::at(home.path().to_owned());
    assert_eq!(records.entries(&Find::default(), 0).unwrap().all, 0);
    assert_eq!(records.accounts().unwrap(), Vec::new());

    let archive = Archive::open(&home).unwrap();
    let names = ("Otto Versand", "https://localhost:8442");
    let row = DealRow::opened(deal(), Side::Buyer, names, Digest::of(b"t"), vec![0], at(0));
    archive.commit(vec![Write::NewDeal(Box::new(row))]).unwrap();
    let many = (0..450).map(|number| evidence(number, &format!("a scarf, number {number}")));
    archive.commit(many.collect()).unwrap();
    archive.commit(vec![evidence(450, "100% wool"), evidence(451, "100 of wool")]).unwrap();

    let first = records.entries(&Find::default(), 0).unwrap();
    assert_eq!((first.all, first.rows.len()), (452, PAGE));
    assert_eq!(&*first.rows[0].summary, "100 of wool");
    let last = records.entries(&Find::default(), 2 * PAGE).unwrap();
    assert_eq!((last.rows.len(), &*last.rows[51].summary), (52, "a scarf, number 0"));

    // Words are looked for, or their beginnings; signs between them are none.
    let found = records.entries(&words("100% woo"), 0).unwrap();
    assert_eq!((found.all, &*found.rows[0].summary), (2, "100 of wool"));
    let found = records.entries(&words("NUMBER 44"), 0).unwrap();
    assert_eq!(found.all, 11);
    assert_eq!(records.entries(&words("silk"), 0).unwrap().all, 0);
    let last = records.entries(&words("scarf"), 2 * PAGE).unwrap();
    assert_eq!((last.all, &*last.rows[49].summary), (450, "a scarf, number 0"));

    let choices = records.choices().unwrap();
    assert_eq!(
        (choices.with, choices.months),
        (vec!["Otto Versand".into()], vec!["2026-09".into()])
    );
    let month = |it: &str| Find { month: Some(it.into()), ..Find::default() };
    assert_eq!(records.entries(&month("2026-09"), 0).unwrap().all, 452);
    assert_eq!(records.entries(&month("2026-10"), 0).unwrap().all, 0);
    let with = |it: &str| Find { with: Some(it.into()), ..Find::default() };
    assert_eq!(records.entries(&with("Otto Versand"), 0).unwrap().all, 452);
    assert_eq!(records.entries(&with("Otto"), 0).unwrap().all, 0);
    assert_eq!(records.totals(&Find::default()).unwrap(), Vec::new());
    let story = records.story(deal()).unwrap();
    assert_eq!((story.len(), &*story[0].summary), (452, "a scarf, number 0"));
    assert!(story.iter().all(|it| it.digest.is_some()));

    let deals = records.deals(0).unwrap();
    assert_eq!((deals.all, &*deals.rows[0].peer), (1, "Otto Versand"));
}
