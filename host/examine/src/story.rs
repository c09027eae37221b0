//! A deal as a story: who signed what and when, and what is owed by it, in plain words.
//!
//! It is told from what is stored, and nothing is guessed: each sentence stands on a piece of
//! evidence, whose number it has. What is owed follows from the table of kinds: who has bound
//! himself, who has said that he has what he was promised, and where the money is.

use semper_archive::{Archive, ArchiveError, DealRow, DealState, Direction, EvidenceRow, Filter};
use semper_base::cert::Verifier;
use semper_base::{Amount, Digest, Timestamp};
use semper_items::statement::{Binds, Says};
use semper_items::{Side, Statement};
use serde::Serialize;

use crate::evidence;

/// A deal as a story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Story {
    /// What happened, in order.
    pub told: Vec<Told>,
    /// What is owed now, one sentence each.
    pub owed: Vec<String>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The number of its evidence.
    pub number: i64,
    /// When: as its signer says, or when it was stored here.
    pub at: Timestamp,
    /// Who did what, in a sentence.
    pub what: String,
    /// What it says, label by label.
    pub says: Vec<Said>,
}

/// One thing that a statement says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Its label.
    pub label: String,
    /// What stands beside it.
    pub value: String,
}

/// A statement of a deal, and who signed it.
struct Made {
    signer: String,
    digest: Digest,
    statement: Statement,
}

/// Tells the story of a deal, as of a time. Statements are read if their signatures count.
///
/// # Errors
/// When the archive cannot be read.
pub fn tell(
    archive: &Archive,
    verifier: &Verifier,
    row: &DealRow,
    now: Timestamp,
) -> Result<Story, ArchiveError> {
    let items = archive.evidence(Some(row.id))?;
    let read: Vec<Option<Made>> = items.iter().map(|item| made(verifier, item)).collect();
    let known: Vec<(Digest, Statement)> =
        read.iter().flatten().map(|it| (it.digest, it.statement.clone())).collect();
    let told = items.iter().zip(&read).map(|(item, made)| one(row, item, made.as_ref(), &known));
    let mut told: Vec<Told> = told.collect();
    told.sort_by_key(|it| (it.at, it.number));
    let filter = Filter { deal: Some(row.id), ..Filter::default() };
    let moved = archive.entries(&filter, None, semper_archive::entries::MOST)?.entries;
    let moved = moved.into_iter().flat_map(|it| it.moved).map(|it| {
        let payer = if it.direction == Direction::Out { row.side } else { row.side.other() };
        (payer, it.amount)
    });
    let made: Vec<Made> = read.into_iter().flatten().collect();
    let owed = owed(row, &made, &moved.collect::<Vec<_>>(), now);
    Ok(Story { told, owed })
}

fn made(verifier: &Verifier, item: &EvidenceRow) -> Option<Made> {
    let statement = evidence::statement(verifier, item)?;
    let digest = Digest::of(&statement.encode().ok()?);
    Some(Made { signer: item.signer.clone(), digest, statement })
}

fn one(
    row: &DealRow,
    item: &EvidenceRow,
    made: Option<&Made>,
    known: &[(Digest, Statement)],
) -> Told {
    let (number, signer) = (item.number, item.signer.as_str());
    let Some(Made { statement, .. }) = made else {
        let what = match item.kind.as_str() {
            "agreement" => format!("{signer} agreed to deal under these terms."),
            "exchange" => format!("The exchange ended: {}.", item.summary),
            "information" => format!("{signer} gave information: {}.", item.summary),
            "incident" => format!("The deal failed here: {}.", item.summary),
            "fork" => {
                format!("{signer} sent two different messages under one number: {}.", item.summary)
            }
            kind => format!("{signer} signed a {kind} that cannot be verified: {}.", item.summary),
        };
        return Told { number, at: item.stored, what, says: Vec::new() };
    };
    let content = &statement.content;
    let kind = content.kind();
    let what = match (kind.binds(), kind.says()) {
        (Binds::Deliver, _) => format!("{signer} made an offer, and is bound by it to deliver"),
        (Binds::Pay, _) => format!("{signer} ordered"),
        (Binds::Spend, _) => format!("{signer} gave the bank an order about the money, a {kind}"),
        (_, Says::Moved) => format!("{signer} confirmed to have moved the money"),
        (_, Says::Received) => format!("{signer} confirmed to have the money"),
        (_, Says::Sent) => format!("{signer} said that the goods are on their way"),
        (_, Says::Done) => format!("{signer} confirmed to have what was promised"),
        (_, Says::Left) => format!("{signer} left the deal"),
        _ => format!("{signer} signed a {kind}"),
    };
    let amount = content.amount().map(|it| format!(": {it}")).unwrap_or_default();
    let says = content.drawn(known).into_iter().map(|(label, value)| Said { label, value });
    let at = if row.opened > statement.made { item.stored } else { statement.made };
    Told { number, at, what: format!("{what}{amount}."), says: says.collect() }
}

/// What is owed, as far as what was signed says.
fn owed(row: &DealRow, made: &[Made], moved: &[(Side, Amount)], now: Timestamp) -> Vec<String> {
    let owes = |side: Side, what: String| match side == row.side {
        true => format!("We owe {what} to {}.", row.peer),
        false => format!("{} owes us {what}.", row.peer),
    };
    let says = |what: Says| made.iter().any(|it| it.statement.content.kind().says() == what);
    let ordered = made.iter().find(|it| it.statement.content.kind().binds() == Binds::Pay);
    let mut owed = Vec::new();
    match (row.state, ordered) {
        (DealState::Completed, _) => {
            return vec!["Nothing is owed: the deal ended as its terms intend.".into()];
        }
        (_, None) => {
            let offers = made.iter().filter_map(|it| {
                let content = &it.statement.content;
                let until = content.valid_until().filter(|until| *until > now)?;
                (content.kind().binds() == Binds::Deliver && !says(Says::Left)).then(|| {
                    let amount =
                        content.amount().map(|it| format!(" for {it}")).unwrap_or_default();
                    format!(
                        "{} is bound to deliver{amount} to whoever orders by {until}.",
                        it.signer
                    )
                })
            });
            owed.extend(offers.filter(|_| row.state == DealState::Running));
        }
        (_, Some(order)) => {
            let amount = order.statement.content.amount();
            let paid = moved.iter().any(|it| it.0 == Side::Buyer) || says(Says::Received);
            if !paid && let Some(amount) = amount {
                owed.push(owes(Side::Buyer, amount.to_string()));
            }
            if paid && !says(Says::Received) {
                owed.push(owes(Side::Seller, "a receipt".into()));
            }
            if paid && !says(Says::Sent) && !says(Says::Done) {
                owed.push(owes(Side::Seller, "what was paid for".into()));
            }
            if paid && says(Says::Sent) && !says(Says::Done) {
                owed.push(
                    "The goods are on their way; nobody has confirmed that they arrived.".into(),
                );
            }
        }
    }
    if owed.is_empty() {
        owed.push("Nothing is owed by what was signed here.".into());
    }
    owed
}
