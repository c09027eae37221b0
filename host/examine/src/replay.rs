//! Re-executing a deal's journal: a readable account of what its component did, and whether
//! what was signed follows from certified code and journal. It needs no host and no keys: an
//! arbiter does it on another machine (`evidence::Export` with its private parts).

use std::sync::Arc;

use semper_archive::chain::MAX_PART;
use semper_archive::{DealState, JournalRow};
use semper_base::text::counted;
use semper_base::{Digest, ExchangeId, Timestamp, cbor};
use semper_exchange::package::{MAX_TALK, Talk};
use semper_items::message::MAX_MESSAGE;
use semper_items::{Item, Statement};
use serde::Serialize;

use semper_runtime::Deal;
use semper_runtime::context::Context;
use semper_runtime::exchange::{CONSENT, END_OF_EXCHANGE, Outcome};
use semper_runtime::journal::{self, Class, Journal, Traced};
use semper_runtime::stop::{Doubt, Pause, Stop};
use semper_runtime::{END, Lane, Runtime, World};

use crate::record::{Record, Recorded};

/// Characters of a value in an account.
const SHOWN: usize = 120;

/// One call of a component, as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The record's number.
    pub seq: u64,
    /// The run: 1, and one more after each checkpoint.
    pub run: usize,
    /// What kind of record it is.
    pub class: Class,
    /// The function.
    pub function: String,
    /// What was asked.
    pub asked: String,
    /// What was answered; empty in an intent.
    pub answered: String,
}

/// What re-executing a journal has shown.
#[derive(Debug)]
pub struct Replayed {
    /// Every call, in order; empty if nobody wanted them.
    pub steps: Vec<Step>,
    /// Calls answered.
    pub records: u64,
    /// Messages that the component sent.
    pub sent: u64,
    /// Messages that it took.
    pub received: u64,
    /// The flow's state at the end.
    pub flow: String,
    /// How it ended: as the deal did, or where the journal ends; a fault names the call, the
    /// record or the message.
    pub end: End,
    /// Signed bytes that the person gave out on the way.
    pub signed: Vec<Digest>,
    /// Exchanges that the person agreed to.
    pub agreed: Vec<Digest>,
}

/// How a re-execution ended.
#[derive(Debug)]
pub enum End {
    /// The component returned.
    Returned(DealState, String),
    /// The journal ends in the middle: the deal is not over, or was ended from outside.
    Open,
    /// It stopped as it would have on a host.
    Stopped(Stop),
}

/// Runs a deal's component on its journal, over all its runs. With `account` every call is
/// described.
pub fn re_execute(
    runtime: &Runtime,
    deal: &Arc<Deal>,
    rows: &[JournalRow],
    recorded: Recorded,
    account: bool,
) -> Result<Replayed, Stop> {
    let ready = runtime.ready(&deal.terms, deal.side)?;
    let world = Arc::new(Record { recorded: Arc::new(recorded), deal: Arc::clone(deal) });
    let heard = Arc::new(std::sync::Mutex::new(Heard::default()));
    let mut replayed = Replayed {
        steps: Vec::new(),
        records: 0,
        sent: 0,
        received: 0,
        flow: deal.terms.service().flow.start.clone(),
        end: End::Open,
        signed: Vec::new(),
        agreed: Vec::new(),
    };
    for (index, run) in journal::runs(rows).into_iter().enumerate() {
        let hearing = Arc::clone(&heard);
        let trace = Box::new(move |traced: Traced<'_>| {
            let mut heard = hearing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            heard.hear(&traced, index + 1, account);
        });
        let journal = Journal::re_execute(deal.id, run, deal.grants().limits, trace)?;
        let context =
            Context::new(Arc::clone(&world) as Arc<dyn World>, Arc::clone(deal), journal)?;
        let (context, outcome) = runtime.run(&ready, context, Lane::Slow);
        (replayed.sent, replayed.received) = (context.sent, context.received);
        replayed.flow = context.monitor.state().to_owned();
        let outcome = outcome.and_then(|said| context.ended(said)).map_err(|it| context.shown(it));
        replayed.end = match outcome {
            Err(Stop::Pause(Pause::Checkpoint)) => continue,
            Err(Stop::Pause(Pause::RecordEnds)) => End::Open,
            Ok((state, note)) => End::Returned(state, note),
            Err(stop) => End::Stopped(stop),
        };
        // The component was done before its journal: what follows, it never asked.
        let asked = context.journal.len();
        if let (End::Returned(..), Some(row)) =
            (&replayed.end, rows.iter().find(|row| row.seq >= asked))
        {
            replayed.end = End::Stopped(
                Doubt::Diverged {
                    call: row.seq,
                    function: "(nothing)".into(),
                    journal: Digest::of(&row.record),
                    component: Digest::ZERO,
                }
                .into(),
            );
        }
        break;
    }
    let mut heard = heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    replayed.steps = std::mem::take(&mut heard.steps);
    replayed.signed = std::mem::take(&mut heard.signed);
    replayed.agreed = std::mem::take(&mut heard.agreed);
    replayed.records = heard.records;
    Ok(replayed)
}

/// What is heard of the calls.
#[derive(Default)]
struct Heard {
    steps: Vec<Step>,
    signed: Vec<Digest>,
    agreed: Vec<Digest>,
    records: u64,
}

impl Heard {
    fn hear(&mut self, traced: &Traced<'_>, run: usize, account: bool) {
        self.records += 1;
        let record = traced.record;
        if record.class == Class::Done && record.function.starts_with("tinguin/consent.") {
            let signed = cbor::decode::<Result<serde_bytes::ByteBuf, String>>(
                traced.result,
                2 * 1024 * 1024,
            );
            if let Ok(Ok(bytes)) = signed {
                self.signed.push(Digest::of(&bytes));
            }
        }
        if (record.class, record.function.as_str()) == (Class::Done, CONSENT)
            && let Ok(Ok(())) = cbor::decode::<Result<(), String>>(traced.result, 64 * 1024)
        {
            self.agreed.extend(cbor::decode::<Digest>(traced.request, 64));
        }
        if account {
            self.steps.push(Step {
                seq: record.seq,
                run,
                class: record.class,
                function: record.function.clone(),
                asked: asked(&record.function, traced.request),
                answered: answered(record.class, &record.function, traced.result),
            });
        }
    }
}

/// What a call asked, in words where it is something signed or sent.
fn asked(function: &str, request: &[u8]) -> String {
    if function.starts_with("tinguin/consent.")
        && let Ok(statement) = Statement::decode(request)
    {
        return semper_tinguin_protocol::screen::summary(&statement);
    }
    if function == CONSENT
        && let Ok(subject) = cbor::decode::<Digest>(request, 64)
    {
        return format!("{}", ExchangeId::new(subject));
    }
    if (function.ends_with(".send") || function.starts_with("exchange/exchange."))
        && let Ok(item) = cbor::decode::<Item>(request, MAX_MESSAGE)
    {
        return describe(&item);
    }
    match request {
        // CBOR's null: a call without arguments.
        [0xf6] => String::new(),
        _ => cbor::diagnostic(request, SHOWN),
    }
}

fn answered(class: Class, function: &str, result: &[u8]) -> String {
    match (class, function) {
        (Class::Intent | Class::Checkpoint, _) => String::new(),
        (_, "tinguin/consent.sign" | "tinguin/consent.pay") => {
            match cbor::decode::<Result<serde_bytes::ByteBuf, String>>(result, 2 * 1024 * 1024) {
                Ok(Ok(_)) => "signed".into(),
                Ok(Err(why)) => format!("declined: {why}"),
                Err(_) => "not readable".into(),
            }
        }
        (_, "now") => match cbor::decode::<Timestamp>(result, 16) {
            Ok(at) => at.to_string(),
            Err(_) => "not readable".into(),
        },
        (_, CONSENT) => match cbor::decode::<Result<(), String>>(result, 64 * 1024) {
            Ok(Ok(())) => "agreed to".into(),
            Ok(Err(why)) => format!("declined: {why}"),
            Err(_) => "not readable".into(),
        },
        (_, END_OF_EXCHANGE) => match cbor::decode::<(Outcome, Timestamp)>(result, MAX_PART) {
            Ok((outcome, _)) => outcome.words(),
            Err(_) => "not readable".into(),
        },
        (_, "transfer/payments.pay") => match result.first() {
            Some(0xa1) => "confirmed by the bank".into(),
            _ => cbor::diagnostic(result, SHOWN),
        },
        _ => match result {
            [0xf6] => "done".into(),
            _ => cbor::diagnostic(result, SHOWN),
        },
    }
}

fn describe(item: &Item) -> String {
    match item {
        Item::Information { kind, body } if kind == END => {
            format!("the end: {}", String::from_utf8_lossy(body))
        }
        Item::Information { kind, body } => {
            format!("information “{kind}”, {}", counted(body.len(), "byte", "bytes"))
        }
        Item::Statement(bytes) => {
            let payload = semper_base::cose::parse(bytes, "statement", bytes.len())
                .ok()
                .and_then(|parsed| Statement::decode(parsed.peek()).ok());
            payload.map_or_else(
                || "a statement".into(),
                |statement| semper_tinguin_protocol::screen::summary(&statement),
            )
        }
        Item::Money(_) => "the payment's confirmation".into(),
        Item::Exchange(bytes) => match cbor::decode::<Talk>(bytes, MAX_TALK) {
            Ok(talk) => talk.words(),
            Err(_) => "something about an exchange that cannot be read".into(),
        },
    }
}
