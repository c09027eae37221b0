//! How far a deal has come in its declared flow: what was done, and what is left on the shortest
//! way to the end that its terms intend. It follows from the journal and the messages, as far as
//! those are stored; where it does not, nothing is said.

use std::collections::{BTreeMap, VecDeque};

use semper_archive::chain::{Class, MAX_PART, Record};
use semper_archive::{Archive, ArchiveError, DealRow, JournalRow};
use semper_base::{Digest, Timestamp, cbor, cose};
use semper_items::message::MAX_MESSAGE;
use semper_items::{Item, Message, Side, Statement, limits, signed};
use semper_runtime::exchange::{END_OF_EXCHANGE, Outcome};
use semper_runtime::handles::Accepted;
use semper_trust::Flow;
use semper_trust::flow::{End, ItemKind};
use serde::{Deserialize, Serialize};

/// How far a deal has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Steps {
    /// What was done, in order.
    pub done: Vec<Step>,
    /// What is left, if everything goes as the terms intend.
    pub left: Vec<Step>,
}

/// A step of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Who does it; of an exchange, who proposes it.
    pub by: Side,
    /// What it is: `offer`, `payment`, `exchange of receipt for payment`.
    pub what: String,
}

/// How far a deal has come; `None` where its journal does not say.
///
/// # Errors
/// When the archive cannot be read.
pub fn steps(archive: &Archive, row: &DealRow, flow: &Flow) -> Result<Option<Steps>, ArchiveError> {
    let received: BTreeMap<u64, Vec<u8>> = archive
        .all_messages(row.id, false)?
        .into_iter()
        .map(|message| (message.seq, message.bytes))
        .collect();
    let (mut state, mut done) = (flow.start.clone(), Vec::new());
    for call in archive.journal(row.id)? {
        let Ok(record) = cbor::decode::<Record>(&call.record, MAX_PART) else { return Ok(None) };
        let moved = moved(row.side, &record, &call, &received);
        let Some((by, item)) = moved else { continue };
        let actions = flow.states.get(&state).map(|it| it.actions.as_slice()).unwrap_or_default();
        let exchange = |it: &ItemKind| matches!(it, ItemKind::Exchange { .. });
        let mut fitting = actions.iter().filter(|action| match by {
            Some(side) => action.by == side && action.item == item,
            None => exchange(&action.item),
        });
        match (fitting.next(), fitting.next()) {
            (Some(action), None) => {
                done.push(Step { by: action.by, what: action.item.name() });
                state.clone_from(&action.to);
            }
            // The host's own words move no flow; of two exchanges the journal says too little.
            (None, _) if matches!(&item, ItemKind::Information(kind) if kind.starts_with("semper/")) =>
                {}
            _ => return Ok(None),
        }
    }
    let left = if row.state.is_final() { Vec::new() } else { shortest(flow, &state) };
    Ok(Some(Steps { done, left }))
}

/// What has moved by a call, and by whom; of an exchange the flow says by whom.
fn moved(
    side: Side,
    record: &Record,
    call: &JournalRow,
    received: &BTreeMap<u64, Vec<u8>>,
) -> Option<(Option<Side>, ItemKind)> {
    let function = record.function.as_str();
    match (record.class, function) {
        (Class::Done, function) if function.ends_with(".send") => {
            let item: Item = cbor::decode(&call.request, MAX_MESSAGE).ok()?;
            Some((Some(side), kind(&item)?))
        }
        (Class::Wait, "transfer/inbox.receive" | "deal/waiting.first-of") => {
            let taken = taken(function, &call.result)?;
            let message = Message::unverified(received.get(&taken.seq)?)?;
            Some((Some(side.other()), kind(message.container.item()?)?))
        }
        (Class::Wait, END_OF_EXCHANGE) => {
            let ended: (Outcome, Timestamp) = cbor::decode(&call.result, MAX_PART).ok()?;
            let both = ItemKind::Exchange { gives: Vec::new(), wants: Vec::new() };
            matches!(ended.0, Outcome::Got(_)).then_some((None, both))
        }
        _ => None,
    }
}

/// What a wait for a message has come to, as the journal keeps it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Taken {
    seq: u64,
    digest: Digest,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    money: Option<Result<Accepted, String>>,
}

/// What a wait for the first of several things has come to.
#[derive(Serialize, Deserialize)]
enum Ended {
    Message(Taken),
    Time(Timestamp),
    Answer(u32),
    Cancelled(String),
}

/// The message that a wait has come to, if it is one.
fn taken(function: &str, result: &[u8]) -> Option<Taken> {
    match function {
        "transfer/inbox.receive" => cbor::decode(result, MAX_PART).ok(),
        _ => match cbor::decode(result, MAX_PART).ok()? {
            Ended::Message(taken) => Some(taken),
            _ => None,
        },
    }
}

/// The item as flows name it; nothing of talk before an exchange.
fn kind(item: &Item) -> Option<ItemKind> {
    Some(match item {
        Item::Money(_) => ItemKind::Money,
        Item::Information { kind, .. } => ItemKind::Information(kind.clone()),
        Item::Statement(bytes) => {
            let parsed = cose::parse(bytes, signed::DOMAIN, limits::SIGNED_STATEMENT).ok()?;
            ItemKind::Statement(Statement::decode(parsed.peek()).ok()?.content.kind())
        }
        Item::Exchange(_) => return None,
    })
}

/// The shortest way from a state to an end that the terms intend.
fn shortest(flow: &Flow, from: &str) -> Vec<Step> {
    let mut ways = VecDeque::from([(from.to_owned(), Vec::<Step>::new())]);
    let mut seen = vec![from.to_owned()];
    while let Some((name, way)) = ways.pop_front() {
        let Some(state) = flow.states.get(&name) else { continue };
        if state.end == Some(End::Completed) {
            return way;
        }
        for action in &state.actions {
            if seen.contains(&action.to) {
                continue;
            }
            seen.push(action.to.clone());
            let step = Step { by: action.by, what: action.item.name() };
            let on = way.iter().cloned().chain([step]).collect();
            ways.push_back((action.to.clone(), on));
        }
    }
    Vec::new()
}
