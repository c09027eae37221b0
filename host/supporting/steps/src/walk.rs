//! The way through a flow that a deal has gone. It follows from the journal and the messages, as far as
//! those are stored; where it does not, nothing is said.

use std::collections::BTreeMap;

use ciborium::Value;

use semper_archive::chain::{Class, END_OF_EXCHANGE, MAX_PART, Record};
use semper_archive::{Archive, ArchiveError, DealRow, JournalRow};
use semper_base::{Digest, Timestamp, cbor, cose};
use semper_items::message::MAX_MESSAGE;
use semper_items::{Item, Message, Side, Statement, limits, signed};
use semper_trust::Flow;
use semper_trust::flow::ItemKind;
use serde::{Deserialize, Serialize};

use crate::{Step, Steps, ahead};

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
                done.push(Step { by: action.by, what: action.item.name(), needed: true });
                state.clone_from(&action.to);
            }
            // The host's own words move no flow; of two exchanges the journal says too little.
            (None, _) if matches!(&item, ItemKind::Information(kind) if kind.starts_with("semper/")) =>
                {}
            _ => return Ok(None),
        }
    }
    let left = if row.state.is_final() { Vec::new() } else { ahead::left(flow, &state) };
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
            let ended: (Value, Timestamp) = cbor::decode(&call.result, MAX_PART).ok()?;
            let both = ItemKind::Exchange { gives: Vec::new(), wants: Vec::new() };
            has_come(&ended.0).then_some((None, both))
        }
        _ => None,
    }
}

/// Whether an exchange has come to what was agreed. The journal names that, and keeps beside it what
/// has come, which no step depends on.
fn has_come(outcome: &Value) -> bool {
    let named = outcome.as_map().and_then(|it| it.first());
    named.is_some_and(|(name, _)| name.as_text() == Some("got"))
}

/// What a wait for a message has come to, as the journal keeps it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Taken {
    seq: u64,
    digest: Digest,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    money: Option<Value>,
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
