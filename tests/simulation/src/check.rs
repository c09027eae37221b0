//! What must hold at the end of a run: everything has happened once, both archives verify and say
//! the same, the bank's books are whole, and nobody is named who is honest.

use std::path::Path;

use semper_archive::{Archive, DealRow, DealState, MessageRow};
use semper_base::{Digest, Timestamp, cbor};
use semper_exchange::judge::{Evidence, judge};
use semper_exchange::standard::Standard;
use semper_items::Message;
use semper_ledger::{AccountId, Ledger};
use semper_roles::bank::LEDGER;
use semper_runtime::journal;

use crate::template::{FUNDS, Template, Trade};

/// Bytes of evidence at most.
const MOST: usize = 16 * 1024 * 1024;

/// How a purchase has ended on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is completed, and paid once.
    Completed,
    /// It came to nothing, and nothing was paid.
    Withdrawn,
}

/// Checks a run; how it ended, and what the components did.
pub fn check(
    folder: &Path,
    trade: Trade,
    archives: &[Archive; 2],
) -> Result<(Outcome, Digest), String> {
    let [anna, otto] = archives;
    let rows = [newest(anna)?, newest(otto)?];
    if rows[0].id != rows[1].id {
        return Err("the two sides have different deals".into());
    }
    let mut told = Vec::new();
    let buyer = one_side("anna", anna, &rows[0], &mut told)?;
    let seller = one_side("otto", otto, &rows[1], &mut told)?;
    let states = (rows[0].state, rows[1].state);
    let outcome = match states {
        (DealState::Completed, DealState::Completed) => Outcome::Completed,
        (DealState::Withdrawn, DealState::Withdrawn) => Outcome::Withdrawn,
        (buyer, seller) => {
            let (said, why) = (&rows[0].note, &rows[1].note);
            let (buyer, seller) = (buyer.name(), seller.name());
            return Err(format!(
                "the buyer's deal is {buyer}: {said}; the seller's {seller}: {why}"
            ));
        }
    };
    let arrived = |sent: &[Digest], got: &[Digest]| match outcome {
        Outcome::Completed => sent == got,
        // Whoever has left the deal hears no more of it.
        Outcome::Withdrawn => sent.starts_with(got),
    };
    if !arrived(&buyer.sent, &seller.got) || !arrived(&seller.sent, &buyer.got) {
        return Err("one side has received something else than the other has sent".into());
    }
    books(folder, outcome, trade)?;
    Ok((outcome, Digest::of(&told)))
}

/// A party's newest deal.
fn newest(archive: &Archive) -> Result<DealRow, String> {
    let deals = archive.deals().map_err(|error| error.to_string())?;
    deals.into_iter().next().ok_or_else(|| "there is no deal".into())
}

/// What one side has sent and received.
struct Said {
    sent: Vec<Digest>,
    got: Vec<Digest>,
}

fn one_side(
    name: &str,
    archive: &Archive,
    row: &DealRow,
    told: &mut Vec<u8>,
) -> Result<Said, String> {
    let text = |error: &dyn std::fmt::Display| format!("{name}: {error}");
    let journal = archive.journal(row.id).map_err(|error| text(&error))?;
    let heads = journal::verify_chain(&journal).map_err(|error| text(&error))?;
    let sent = archive.all_messages(row.id, true).map_err(|error| text(&error))?;
    let got = archive.all_messages(row.id, false).map_err(|error| text(&error))?;
    let mut previous = Digest::ZERO;
    for (number, row) in sent.iter().enumerate() {
        let message = Message::unverified(&row.bytes).ok_or("a message is not one")?;
        let header = &message.header;
        let whole = header.seq == number as u64 + 1
            && header.previous == previous
            && heads.contains(&header.journal);
        if !whole {
            return Err(format!("{name}: message {} is not chained", header.seq));
        }
        previous = row.digest;
    }
    for evidence in archive.evidence(Some(row.id)).map_err(|error| text(&error))? {
        match evidence.kind.as_str() {
            "incident" => return Err(format!("{name} has an incident: {}", evidence.summary)),
            "fork" => return Err(format!("{name} has a fork: {}", evidence.summary)),
            "exchange" => {
                let given: Evidence<Standard> =
                    cbor::decode(&evidence.bytes, MOST).map_err(|error| text(&error))?;
                let finding = judge(&given, evidence.stored);
                if !finding.blame.is_empty() {
                    return Err(format!("{name}'s evidence blames somebody: {finding:?}"));
                }
            }
            _ => {}
        }
    }
    // A journal is the same in every run of a seed, but for what follows from fresh keys.
    for row in &journal {
        let record: journal::Record =
            cbor::decode(&row.record, 4096).map_err(|error| text(&error))?;
        told.extend_from_slice(record.function.as_bytes());
    }
    told.extend_from_slice(row.state.name().as_bytes());
    let digests = |rows: &[MessageRow]| rows.iter().map(|it| it.digest).collect();
    Ok(Said { sent: digests(&sent), got: digests(&got) })
}

/// The bank's books, and the merchant's parcels.
fn books(folder: &Path, outcome: Outcome, trade: Trade) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| format!("the bank: {error}");
    let ledger = Ledger::open(&folder.join("bank").join(LEDGER)).map_err(|error| text(&error))?;
    ledger
        .audit(Timestamp::from_secs(0).map_err(|error| text(&error))?)
        .map_err(|error| text(&error))?;
    let [anna, otto] = &Template::get().accounts;
    let balance =
        |id: &AccountId| ledger.account(id).map(|it| it.balance.minor()).map_err(|it| text(&it));
    let (paid, received) = (FUNDS - balance(anna)?, balance(otto)?);
    let credits = ledger.entries(otto, 50).map_err(|error| text(&error))?.len();
    let right = match outcome {
        Outcome::Completed => paid > 0 && credits == 1,
        Outcome::Withdrawn => paid == 0 && credits == 0,
    };
    if paid != received || !right {
        return Err(format!("{outcome:?}, {paid} paid, {received} received in {credits} entries"));
    }
    let parcels = parcels(&folder.join("otto/catalogue.sqlite"))?;
    let wanted = i64::from(outcome == Outcome::Completed && trade != Trade::Report);
    if parcels != wanted {
        return Err(format!("{outcome:?}, and {parcels} parcels were sent"));
    }
    Ok(())
}

fn parcels(catalogue: &Path) -> Result<i64, String> {
    let connection = rusqlite::Connection::open(catalogue).map_err(|error| error.to_string())?;
    let count = connection.query_row("SELECT count(*) FROM parcels", [], |row| row.get(0));
    count.map_err(|error| error.to_string())
}
