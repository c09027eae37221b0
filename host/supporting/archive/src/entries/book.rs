//! What an entry knows beside its evidence: the money in it, the words to search by.
//!
//! It is read from the evidence's own bytes. Whoever stored them had verified them, and whoever
//! wants to know again verifies the evidence; this only reads. For new evidence the reading is
//! done by whoever commits it, so that the writer's thread has only rows to write. Evidence of
//! before entries were kept is read in steps of [`STEP`], each one transaction.

use rusqlite::{Connection, OptionalExtension as _, params};
use semper_base::{Amount, Digest, PublicKey, cbor, cose};
use semper_exchange::Role;
use semper_exchange::judge::{Evidence, Got, judge};
use semper_exchange::obtained::Stated;
use semper_exchange::standard::Standard;
use semper_items::agreement::Way;
use semper_items::statement::Says;
use semper_items::{Agreement, Side, Statement, limits, signed};

use super::Direction;
use crate::rows::EvidenceRow;

/// Pieces of old evidence that one transaction reads.
pub(crate) const STEP: usize = 500;
/// Bytes of words that one entry is searched by, at most.
const WORDS: usize = 8 * 1024;

/// What is read from a piece of evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Booked {
    /// What it is about.
    about: Option<Amount>,
    /// Money that has moved: how much, and who paid.
    moved: Vec<(Amount, Payer)>,
    /// What it says, for searching.
    words: String,
}

/// Who paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Payer {
    /// The buyer: payments outside of exchanges go to the account that the offer names.
    Buyer,
    /// The side that has this key in the deal.
    Key(PublicKey),
}

impl Booked {
    /// Reads a piece of evidence. What cannot be read has no money and no words of its own.
    pub(crate) fn read(row: &EvidenceRow) -> Self {
        let mut booked = match row.kind.as_str() {
            "agreement" | "incident" | "fork" | "information" | "letter" => Self::default(),
            "exchange" => exchange(row).unwrap_or_default(),
            _ => statement(&row.bytes).map(|it| Self::stated(&it)).unwrap_or_default(),
        };
        if booked.words.len() > WORDS {
            let end = (0..=WORDS).rev().find(|at| booked.words.is_char_boundary(*at));
            booked.words.truncate(end.unwrap_or_default());
        }
        booked
    }

    fn stated(statement: &Statement) -> Self {
        let content = &statement.content;
        let about = content.amount();
        let moves = content.kind().entry().says == Says::Moved;
        let moved = about.filter(|_| moves).map(|it| (it, Payer::Buyer)).into_iter().collect();
        let rows = content.drawn(&[]).into_iter().map(|(label, value)| format!("{label} {value}"));
        Self { about, moved, words: rows.collect::<Vec<_>>().join("\n") }
    }
}

/// The statement in a piece of evidence: signed by itself, or in an exchange.
fn statement(bytes: &[u8]) -> Option<Statement> {
    if let Ok(parsed) = cose::parse(bytes, signed::DOMAIN, limits::SIGNED_STATEMENT) {
        return Statement::decode(parsed.peek()).ok();
    }
    let stated: Stated = cbor::decode(bytes, bytes.len()).ok()?;
    Statement::decode(&stated.statement).ok()
}

/// The money of an exchange: it has moved where a judge finds that it has.
fn exchange(row: &EvidenceRow) -> Option<Booked> {
    let evidence: Evidence<Standard> = cbor::decode(&row.bytes, row.bytes.len()).ok()?;
    let finding = judge(&evidence, row.stored);
    let agreement = &evidence.agreement;
    let mut booked = Booked::default();
    for (role, got) in
        [(Role::Originator, &finding.from_originator), (Role::Responder, &finding.from_responder)]
    {
        let money = agreement.gives(role).iter().zip(got);
        for (money, got) in money.filter_map(|(leaf, got)| Some((leaf.item.money()?, got))) {
            booked.about = booked.about.or(Some(money.amount));
            if *got != Got::Unproven {
                booked.moved.push((money.amount, Payer::Key(agreement.party(role).sign)));
            }
        }
    }
    Some(booked)
}

/// What an entry takes from its deal.
struct OfDeal {
    peer: String,
    state: String,
    side: Option<Side>,
    agreement: Vec<u8>,
}

/// Stores the entry of a piece of evidence that has this number.
pub(crate) fn store(
    connection: &Connection,
    number: i64,
    row: &EvidenceRow,
    booked: &Booked,
) -> rusqlite::Result<()> {
    let deal = match &row.deal {
        Some(id) => of_deal(connection, id.digest().as_bytes())?,
        None => None,
    };
    let moved = deal.as_ref().map(|deal| directed(deal, row, booked)).unwrap_or_default();
    let ways = moved.iter().fold(0, |ways, it| ways | it.0.bit());
    let (peer, state) = deal.as_ref().map_or(("", ""), |it| (&it.peer, &it.state));
    connection
        .prepare_cached("INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            number,
            row.stored.millis() as i64,
            peer,
            row.kind,
            state,
            booked.about.map(Amount::minor),
            booked.about.map(|it| it.currency().code().to_owned()),
            ways,
        ])?;
    let month = row.stored.date().chars().take(7).collect::<String>();
    for (direction, amount, system) in moved {
        let sql = "INSERT INTO moved VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (currency, minor) = (amount.currency(), amount.minor());
        let way = direction.bit();
        let values = params![number, month, currency.code(), system, way, minor];
        connection.prepare_cached(sql)?.execute(values)?;
    }
    let id = row.deal.map(|it| it.hex()).unwrap_or_default();
    let words =
        format!("{id}\n{peer}\n{}\n{}\n{}\n{}", row.kind, row.signer, row.summary, booked.words);
    let sql = "INSERT INTO entries_words (rowid, words) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![number, words]).map(drop)
}

fn of_deal(connection: &Connection, id: &[u8; 32]) -> rusqlite::Result<Option<OfDeal>> {
    let sql = "SELECT peer, state, side, agreement FROM deals WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        let side: String = row.get(2)?;
        let (peer, state, agreement) = (row.get(0)?, row.get(1)?, row.get(3)?);
        Ok(OfDeal { peer, state, side: side.parse().ok(), agreement })
    };
    connection.prepare_cached(sql)?.query_row([id], read).optional()
}

/// Which way each payment went for us, and by which payment system.
fn directed(deal: &OfDeal, row: &EvidenceRow, booked: &Booked) -> Vec<(Direction, Amount, String)> {
    let (Some(side), false) = (deal.side, booked.moved.is_empty()) else { return Vec::new() };
    let agreement = Agreement::decode(&deal.agreement).ok();
    // In an exchange the payment system signs by a key; the deal's agreement says whose it is.
    let named = agreement.as_ref().and_then(|it| it.payment.parse::<Way>().ok());
    let named = named.map(|way| way.system.unwrap_or(way.module)).unwrap_or_default();
    let directed = booked.moved.iter().filter_map(|(amount, payer)| {
        let (payer, system) = match payer {
            Payer::Buyer => (Side::Buyer, row.signer.clone()),
            Payer::Key(key) => {
                let sides = [Side::Buyer, Side::Seller].into_iter();
                let mut sides = sides.filter(|it| {
                    agreement.as_ref().is_some_and(|agreed| agreed.keys(*it).sign == *key)
                });
                (sides.next()?, named.clone())
            }
        };
        let direction = if payer == side { Direction::Out } else { Direction::In };
        Some((direction, *amount, system))
    });
    directed.collect()
}

/// Makes entries of evidence that has none, after this number; the number that it has come to, or
/// `None` if there is no more.
pub(crate) fn fill(connection: &Connection, after: i64) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT number, deal, kind, digest, signer, summary, stored, bytes FROM evidence v
               WHERE number > ?1 AND NOT EXISTS (SELECT 1 FROM entries WHERE number = v.number)
               ORDER BY number LIMIT ?2";
    let mut last = None;
    let rows: Vec<EvidenceRow> = {
        let mut statement = connection.prepare_cached(sql)?;
        statement
            .query_map(params![after, STEP as i64], crate::store::evidence_row)?
            .collect::<Result<_, _>>()?
    };
    for row in rows {
        store(connection, row.number, &row, &Booked::read(&row))?;
        last = Some(row.number);
    }
    Ok(last)
}

/// Keeps entries in step with where their deal stands; deals that have ended stay so.
pub(crate) fn ended(connection: &Connection, deal: &Digest, state: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE entries SET state = ?2
               WHERE number IN (SELECT number FROM evidence WHERE deal = ?1)";
    connection.prepare_cached(sql)?.execute(params![deal.as_bytes(), state]).map(drop)
}
