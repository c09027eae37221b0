//! The archive as a bank statement, with a hundred thousand entries in it.

use std::error::Error;
use std::time::{Duration, Instant};

use semper_archive::{Archive, DealRow, DealState, Direction, EvidenceRow, Filter, Write};
use semper_base::{DealId, Digest, SigningKey, Timestamp, cose};
use semper_items::statement::{Offer, PaymentConfirmation};
use semper_items::{Content, Kind, Side, Statement, signed};

type Outcome = Result<(), Box<dyn Error>>;

/// Entries in the archive.
const ENTRIES: u64 = 100_000;
/// Entries of one deal.
const OF_A_DEAL: u64 = 4;
/// How often each look is taken.
const LOOKS: u64 = 200;
/// 2024-01-01, about; the entries fill three years from then on.
const START: u64 = 1_704_067_200_000;
const APART: u64 = 3 * 365 * 86_400_000 / ENTRIES;
const PEERS: [&str; 8] = [
    "Otto Versand",
    "Buchladen Süd",
    "Gärtnerei Blum",
    "Fahrrad Kunz",
    "Weinhaus Rau",
    "Papier Lang",
    "Schuh Berger",
    "Radio Stein",
];
const GOODS: [&str; 6] =
    ["woollen scarf", "bicycle lamp", "garden chair", "writing paper", "red wine", "radio"];

pub fn run() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("archive.sqlite");
    let archive = Archive::open_file(&file)?;
    let start = Instant::now();
    fill(&archive)?;
    let each = start.elapsed() / u32::try_from(ENTRIES)?;
    super::note("an entry stored with its evidence, 1,000 in a commit", &format!("{each:.1?}"));
    looks(&archive)?;
    drop(archive);
    opened(&file)
}

/// Every look that a face takes, at changing places.
fn looks(archive: &Archive) -> Outcome {
    let all = Filter::default();
    let page = |filter: &Filter, before: Option<i64>| archive.entries(filter, before, 50).map(drop);
    let words = |words: &str| Filter { words: words.into(), ..Filter::default() };
    figure("first page of 50", |_| page(&all, None))?;
    figure("a page of 50 anywhere", |at| page(&all, Some(place(at))))?;
    figure("with one of eight, anywhere", |at| {
        let with = vec![PEERS[index(at, PEERS.len())].to_owned()];
        page(&Filter { with, ..all.clone() }, Some(place(at)))
    })?;
    figure("paid out, in one month", |at| {
        let from = Timestamp::from_millis(START + at % 35 * 31 * 86_400_000).ok();
        let until = from.map(|it| it.after(Duration::from_secs(30 * 86_400)));
        let direction = Some(Direction::Out);
        page(&Filter { from, until, direction, ..all.clone() }, None)
    })?;
    figure("of a rare state (1 deal in 500)", |_| {
        page(&Filter { state: Some(DealState::Failed), ..all.clone() }, None)
    })?;
    figure("of a state that there is not", |_| {
        page(&Filter { state: Some(DealState::Disputed), ..all.clone() }, None)
    })?;
    figure("search: a word in a sixth of the entries", |at| {
        page(&words(GOODS[index(at, GOODS.len())]), None)
    })?;
    figure("search: two words that stand together seldom", |at| {
        page(&words(&format!("{} {}", PEERS[index(at, 8)], GOODS[index(at / 8, 6)])), None)
    })?;
    figure("search: one deal by its first digits", |at| {
        page(&words(&deal(at * 117 % (ENTRIES / OF_A_DEAL)).hex()[..10]), None)
    })?;
    figure("search: the beginning of every word, older half", |at| {
        page(&words("o"), Some(place(at) / 2 + 1))
    })?;
    figure("totals of all three years", |_| archive.totals(&all).map(drop))?;
    figure("totals with one of eight", |at| {
        let with = vec![PEERS[index(at, PEERS.len())].to_owned()];
        archive.totals(&Filter { with, ..all.clone() }).map(drop)
    })
}

/// What entries cost when the archive is opened, and what an older home pays once.
fn opened(file: &std::path::Path) -> Outcome {
    let start = Instant::now();
    drop(Archive::open_file(file)?);
    super::note(
        "100,000 entries: opened, with SQLite's check of the whole file",
        &format!("{:.1?}", start.elapsed()),
    );
    let old = rusqlite::Connection::open(file)?;
    old.execute_batch(
        "DROP TABLE moved; DROP TABLE entries; DROP TABLE entries_words; PRAGMA user_version = 5;",
    )?;
    drop(old);
    let archive = Archive::open_file(file)?;
    let (start, mut after, mut steps) = (Instant::now(), 0, Vec::new());
    loop {
        let step = Instant::now();
        let Some(come_to) = archive.fill_entries(after)? else { break };
        after = come_to;
        steps.push(step.elapsed());
    }
    steps.sort();
    let longest = steps.last().copied().unwrap_or_default();
    let words =
        format!("{:.1?} in all, {} steps, the longest {longest:.1?}", start.elapsed(), steps.len());
    super::note("100,000 entries made for an older home", &words);
    Ok(())
}

fn figure<E: Error + 'static>(name: &str, mut look: impl FnMut(u64) -> Result<(), E>) -> Outcome {
    let mut times = Vec::new();
    for at in 0..LOOKS {
        let start = Instant::now();
        look(at)?;
        times.push(start.elapsed());
    }
    times.sort();
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    super::note(&format!("100,000 entries: {name}"), &format!("p50 {p50:.1?}, p99 {p99:.1?}"));
    Ok(())
}

/// Somewhere in the archive.
fn place(at: u64) -> i64 {
    (at * 7_919 % ENTRIES).cast_signed() + 2
}

fn index(at: u64, of: usize) -> usize {
    usize::try_from(at).unwrap_or_default() % of
}

fn deal(number: u64) -> DealId {
    DealId::new(Digest::of(&number.to_be_bytes()))
}

/// Deals of four entries: an offer, and three payments of which one comes back.
fn fill(archive: &Archive) -> Outcome {
    let key = SigningKey::generate();
    let mut writes = Vec::new();
    for number in 0..ENTRIES / OF_A_DEAL {
        let (id, peer) = (deal(number), PEERS[index(number, PEERS.len())]);
        let side = if number % 10 == 0 { Side::Seller } else { Side::Buyer };
        let at = Timestamp::from_millis(START + number * OF_A_DEAL * APART)?;
        let row = DealRow::opened(id, side, (peer, ""), Digest::of(b"terms"), vec![1], at);
        writes.push(Write::NewDeal(Box::new(row)));
        for step in 0..OF_A_DEAL {
            let made = Timestamp::from_millis(at.millis() + step * APART)?;
            let statement = Statement { deal: id, made, content: content(number, step) };
            writes.push(Write::Evidence(evidence(&key, &statement)?));
        }
        let state = if number % 500 == 0 { DealState::Failed } else { DealState::Completed };
        writes.push(Write::Deal { id, state, note: "over".into(), at });
        if writes.len() > 1_400 {
            archive.commit(std::mem::take(&mut writes))?;
        }
    }
    Ok(archive.commit(writes)?)
}

fn content(number: u64, step: u64) -> Content {
    match (step, Kind::Offer.example(), Kind::PaymentConfirmation.example()) {
        (0, Content::Offer(mut offer), _) => {
            offer.lines[0].title = GOODS[index(number / 8, GOODS.len())].into();
            offer.number = format!("A-{number}");
            Content::Offer(Offer { ..offer })
        }
        (_, _, Content::PaymentConfirmation(paid)) => {
            let purpose = Digest::of_parts(&[&number.to_be_bytes(), &step.to_be_bytes()]);
            Content::PaymentConfirmation(PaymentConfirmation { purpose, ..paid })
        }
        (_, other, _) => other,
    }
}

fn evidence(key: &SigningKey, statement: &Statement) -> Result<EvidenceRow, Box<dyn Error>> {
    let signatory = cose::Signatory::Key(key.public().id());
    let bytes = cose::sign(key, &signatory, signed::DOMAIN, &statement.encode()?);
    Ok(EvidenceRow {
        number: 0,
        deal: Some(statement.deal),
        kind: statement.content.kind().name().into(),
        digest: Digest::of(&bytes),
        signer: "Sparbank".into(),
        summary: statement.summary(),
        stored: statement.made,
        bytes,
    })
}
