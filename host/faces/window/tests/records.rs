//! Records of a real home: pages, searches, and an archive that appears while the window is open.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use semper_archive::{Archive, DealRow, EvidenceRow, Home, Write};
use semper_base::{DealId, Digest, Timestamp};
use semper_face_window::records::archive::OfHome;
use semper_face_window::records::{PAGE, Records as _};
use semper_items::Side;

fn at(minutes: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + minutes * 60_000).unwrap()
}

fn deal() -> DealId {
    DealId::new(Digest::of(b"deal"))
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
    assert_eq!(records.entries("", 0).unwrap().all, 0);
    assert_eq!(records.accounts().unwrap(), Vec::new());

    let archive = Archive::open(&home).unwrap();
    let names = ("Otto Versand", "https://localhost:8442");
    let row = DealRow::opened(deal(), Side::Buyer, names, Digest::of(b"t"), vec![0], at(0));
    archive.commit(vec![Write::NewDeal(Box::new(row))]).unwrap();
    let many = (0..450).map(|number| evidence(number, &format!("a scarf, number {number}")));
    archive.commit(many.collect()).unwrap();
    archive.commit(vec![evidence(450, "100% wool"), evidence(451, "100 of wool")]).unwrap();

    let first = records.entries("", 0).unwrap();
    assert_eq!((first.all, first.rows.len()), (452, PAGE));
    assert_eq!(&*first.rows[0].summary, "100 of wool");
    let last = records.entries("", 2 * PAGE).unwrap();
    assert_eq!((last.rows.len(), &*last.rows[51].summary), (52, "a scarf, number 0"));

    // A sign that means something to the store means itself here.
    let found = records.entries("100%", 0).unwrap();
    assert_eq!((found.all, &*found.rows[0].summary), (1, "100% wool"));
    assert_eq!(records.entries("SCARF, number 44", 0).unwrap().all, 11);
    assert_eq!(records.story(deal()).unwrap().len(), 452);

    let deals = records.deals(0).unwrap();
    assert_eq!((deals.all, &*deals.rows[0].peer), (1, "Otto Versand"));
}
