//! Examining an exported deal on another machine: is every signed message what the certified
//! component makes of the journal? A changed journal, component or message is found and named.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semper_archive::JournalRow;
use semper_base::cert::Revocation;
use semper_base::text::counted;
use semper_base::{DealId, Digest, Mend, Timestamp};
use semper_exchange::judge::{Evidence, judge};
use semper_exchange::package::deal_name;
use semper_exchange::standard::Standard;
use semper_items::agreement::NoSide;
use semper_items::statement::{By, Kind};
use semper_items::{Agreement, Side, SignedAgreement, SignedMessage};
use semper_trust::layout::{LayoutError, Source};
use semper_trust::{Layout, TrustFile, VerifiedTerms};
use serde::Deserialize;

use semper_runtime::Deal;
use semper_runtime::world::farewell;
use semper_runtime::{Runtime, Stop, journal};

use crate::evidence::{FORMAT, Findings, Opened};
use crate::record::Recorded;
use crate::replay::{self, End, Replayed};

/// Largest file that is read, in bytes.
pub const MAX_FILE: u64 = 1 << 30;

/// Why a file cannot be examined at all.
#[derive(Debug, thiserror::Error, Mend)]
#[mend(input)]
pub enum ExportError {
    /// Not an export.
    #[error("this is no export of a deal: {0}")]
    #[mend("make one with semper archive export")]
    Form(String),
    /// Only the public parts are in it.
    #[error("the export holds only the public parts of the deal")]
    #[mend("have its owner make one with semper archive export --open")]
    NotOpened,
}

#[derive(Deserialize)]
struct File {
    format: String,
    deal: FileDeal,
    evidence: Vec<FileEvidence>,
    messages: Vec<(u64, String, String)>,
    journal: Vec<String>,
    opened: Option<Opened>,
}

#[derive(Deserialize)]
struct FileDeal {
    id: DealId,
    side: String,
    opened: Timestamp,
}

#[derive(Deserialize)]
struct FileEvidence {
    kind: String,
    signer: String,
    cose: String,
}

/// The bundle's files, as a source of a layout.
struct Files<'a>(&'a BTreeMap<String, String>);

impl Source for Files<'_> {
    fn read(&mut self, name: &str, most: usize) -> Result<Vec<u8>, LayoutError> {
        let text = self.0.get(name).ok_or_else(|| LayoutError::Missing(name.to_owned()))?;
        if text.len() / 4 * 3 > most.saturating_add(4) {
            return Err(LayoutError::TooLarge { name: name.to_owned(), most });
        }
        BASE64_STANDARD
            .decode(text)
            .map_err(|error| LayoutError::Io { name: name.to_owned(), detail: error.to_string() })
    }
}

/// An export that has been read.
struct Case {
    id: DealId,
    side: Side,
    at: Timestamp,
    agreement: Agreement,
    rows: Vec<JournalRow>,
    messages: BTreeMap<(bool, u64), Vec<u8>>,
    /// Signed statements of our side: kind and bytes.
    statements: Vec<(String, Vec<u8>)>,
    /// The evidence of exchanges.
    exchanges: Vec<Vec<u8>>,
}

/// The evidence of exchanges in an exported deal, each as [`Evidence`] encodes it. Nothing is verified:
/// the judge does that.
///
/// # Errors
/// When it is no export.
pub fn exchanges(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ExportError> {
    let form = |error: &dyn std::fmt::Display| ExportError::Form(error.to_string());
    let file: File = serde_json::from_slice(bytes).map_err(|error| form(&error))?;
    if file.format != FORMAT {
        return Err(ExportError::Form(format!("format “{}”", file.format)));
    }
    let all = file.evidence.iter().filter(|it| it.kind == "exchange");
    all.map(|it| BASE64_STANDARD.decode(&it.cose).map_err(|error| form(&error))).collect()
}

/// Examines an exported deal by one's own trust file: what is right, what is wrong, and the
/// account of the component's calls.
pub fn examine(
    bytes: &[u8],
    trust: &TrustFile,
    runtime: &Runtime,
) -> Result<(Findings, Option<Replayed>), ExportError> {
    let file: File =
        serde_json::from_slice(bytes).map_err(|error| ExportError::Form(error.to_string()))?;
    if file.format != FORMAT {
        return Err(ExportError::Form(format!("format “{}”", file.format)));
    }
    let opened = file.opened.as_ref().ok_or(ExportError::NotOpened)?;
    let mut found = Findings::default();
    let Some(case) = read(&file, opened, trust, &mut found)? else { return Ok((found, None)) };
    let Some(terms) = terms(&case, opened, trust, &mut found) else { return Ok((found, None)) };
    match journal::verify_chain(&case.rows) {
        Ok(heads) => {
            let records = counted(heads.len(), "record", "records");
            found.right.push(format!("journal: {records}, one chain"));
        }
        Err(stop) => {
            found.wrong.push(stop.to_string());
            return Ok((found, None));
        }
    }
    if !messages(&case, &mut found) {
        return Ok((found, None));
    }
    let replayed = re_execute(&case, terms, trust, runtime, &mut found);
    Ok((found, replayed))
}

fn base64(text: &str) -> Result<Vec<u8>, ExportError> {
    BASE64_STANDARD.decode(text).map_err(|error| ExportError::Form(error.to_string()))
}

/// Everything in the file, and the agreement that both sides signed.
fn read(
    file: &File,
    opened: &Opened,
    trust: &TrustFile,
    found: &mut Findings,
) -> Result<Option<Case>, ExportError> {
    let side: Side =
        file.deal.side.parse().map_err(|error: NoSide| ExportError::Form(error.to_string()))?;
    let (id, at) = (file.deal.id, file.deal.opened);
    if opened.calls.len() != file.journal.len() {
        found.wrong.push(format!(
            "the journal has {}, and {} can be read",
            counted(file.journal.len(), "record", "records"),
            opened.calls.len()
        ));
        return Ok(None);
    }
    let mut rows = Vec::new();
    for (seq, (record, (request, result))) in file.journal.iter().zip(&opened.calls).enumerate() {
        let (record, request, result) = (base64(record)?, base64(request)?, base64(result)?);
        rows.push(JournalRow { deal: id, seq: seq as u64, record, request, result });
    }
    let mut messages = BTreeMap::new();
    for (seq, way, bytes) in &file.messages {
        messages.insert((way == "sent", *seq), base64(bytes)?);
    }
    let mut agreements = Vec::new();
    let mut statements = Vec::new();
    let mut exchanges = Vec::new();
    for item in &file.evidence {
        let bytes = base64(&item.cose)?;
        match item.kind.as_str() {
            "agreement" => agreements.push(bytes),
            "fork" | "incident" => {}
            "exchange" => exchanges.push(bytes),
            kind => statements.push((kind.to_owned(), item.signer.clone(), bytes)),
        }
    }
    let Some(agreement) = agreement(id, at, &agreements, trust, found) else { return Ok(None) };
    let ours = agreement.name(side).to_owned();
    let statements = statements
        .into_iter()
        .filter(|(kind, signer, _)| *signer == ours && !is_banks(kind))
        .map(|(kind, _, bytes)| (kind, bytes))
        .collect();
    Ok(Some(Case { id, side, at, agreement, rows, messages, statements, exchanges }))
}

/// Whether statements of a kind are a bank's: no component makes them.
fn is_banks(kind: &str) -> bool {
    kind.parse::<Kind>().is_ok_and(|kind| kind.entry().by == By::Bank)
}

fn agreement(
    id: DealId,
    at: Timestamp,
    signed: &[Vec<u8>],
    trust: &TrustFile,
    found: &mut Findings,
) -> Option<Agreement> {
    let verifier = trust.authorities.asking(Revocation::EVIDENCE);
    let mut agreement = None;
    for side in [Side::Buyer, Side::Seller] {
        let verified = signed.iter().find_map(|bytes| {
            let signed = SignedAgreement::verify(bytes, side, &verifier, at).ok()?;
            (signed.agreement.id() == id).then_some(signed)
        });
        match verified {
            Some(signed) => {
                found.right.push(format!(
                    "agreement: signed by the {}, {}",
                    side.name(),
                    signed.signer.name
                ));
                agreement = Some(signed.agreement);
            }
            None => {
                found.wrong.push(format!("agreement: no valid signature of the {}", side.name()));
                return None;
            }
        }
    }
    agreement
}

/// The terms that the agreement names, verified as of the deal's opening.
fn terms(
    case: &Case,
    opened: &Opened,
    trust: &TrustFile,
    found: &mut Findings,
) -> Option<Arc<VerifiedTerms>> {
    let verified =
        Layout::read(Files(&opened.bundle)).map_err(|error| error.to_string()).and_then(|layout| {
            VerifiedTerms::verify(&layout, trust, None, case.at).map_err(|error| error.to_string())
        });
    let terms = match verified {
        Ok(terms) => terms,
        Err(why) => {
            found.wrong.push(format!("terms and components: {why}"));
            return None;
        }
    };
    if terms.digest() != case.agreement.hello.terms {
        found.wrong.push("terms: they are not those that were agreed on".into());
        return None;
    }
    let service = terms.service();
    found.right.push(format!(
        "service: {} {} by {}, the components that were agreed on",
        service.name, service.version, service.author
    ));
    match terms.certified_by() {
        by if by.is_empty() => {
            found.wrong.push("service: nobody whom you believe has certified it".into());
        }
        by => found.right.push(format!("certified by {}", by.join(", "))),
    }
    Some(Arc::new(terms))
}

/// Both directions: signed by the deal's keys, numbered, chained. Whether they are whole.
fn messages(case: &Case, found: &mut Findings) -> bool {
    for sent in [true, false] {
        let from = if sent { case.side } else { case.side.other() };
        let key = case.agreement.keys(from).sign;
        let (mut last, mut previous) = (0, Digest::ZERO);
        for ((_, seq), bytes) in case.messages.range((sent, 0)..=(sent, u64::MAX)) {
            let wrong = match SignedMessage::verify(bytes, case.id, from, &key) {
                Err(error) => Some(error.to_string()),
                Ok(signed) => {
                    let header = &signed.message.header;
                    let chained =
                        header.seq == *seq && *seq == last + 1 && header.previous == previous;
                    previous = signed.digest;
                    (!chained).then(|| "not in its chain".to_owned())
                }
            };
            if let Some(why) = wrong {
                found.wrong.push(format!("message {seq} of the {}: {why}", from.name()));
                return false;
            }
            last = *seq;
        }
        found.right.push(format!("messages of the {}: {last}, one chain", from.name()));
    }
    true
}

fn re_execute(
    case: &Case,
    terms: Arc<VerifiedTerms>,
    trust: &TrustFile,
    runtime: &Runtime,
    found: &mut Findings,
) -> Option<Replayed> {
    let of = |sent: bool| -> BTreeMap<u64, Vec<u8>> {
        let range = case.messages.range((sent, 0)..=(sent, u64::MAX));
        range.map(|((_, seq), bytes)| (*seq, bytes.clone())).collect()
    };
    let recorded = Recorded {
        verifier: trust.authorities.asking(Revocation::EVIDENCE),
        received: of(false),
        sent: of(true),
    };
    let deal = Arc::new(Deal {
        id: case.id,
        side: case.side,
        agreement: case.agreement.clone(),
        terms,
        opened: case.at,
    });
    let replayed = match replay::re_execute(runtime, &deal, &case.rows, recorded, true) {
        Ok(replayed) => replayed,
        Err(stop) => {
            found.wrong.push(format!("the component cannot be run: {stop}"));
            return None;
        }
    };
    match &replayed.end {
        End::Stopped(stop @ Stop::Doubt(_)) => {
            found.wrong.push(stop.to_string());
            return Some(replayed);
        }
        End::Stopped(stop) => found.right.push(format!("the component stops as it did: {stop}")),
        End::Returned(state, note) => {
            found.right.push(format!("the component ends the deal as {}: {note}", state.name()));
        }
        End::Open => found.right.push(format!(
            "the component has come to the journal's end, in state “{}”",
            replayed.flow
        )),
    }
    follows(case, &replayed, found);
    Some(replayed)
}

/// Whether everything that this side signed came out of the component.
fn follows(case: &Case, replayed: &Replayed, found: &mut Findings) {
    let beyond = case.messages.range((true, replayed.sent + 1)..=(true, u64::MAX));
    for ((_, seq), bytes) in beyond {
        // The last word of a host whose component has failed is the host's own.
        if farewell(bytes).is_some() && !case.messages.contains_key(&(true, seq + 1)) {
            found.right.push(format!("message {seq} is the host's word that the deal has failed"));
        } else {
            found.wrong.push(format!("message {seq} was sent, but the component did not make it"));
        }
    }
    let messages = counted(replayed.sent, "message", "messages");
    found.right.push(format!("{messages} sent, every one made by the component from its journal"));
    for bytes in &case.exchanges {
        exchanged(case, bytes, replayed, found);
    }
    for (kind, bytes) in &case.statements {
        if replayed.signed.contains(&Digest::of(bytes)) {
            found.right.push(format!("{kind}: asked for by the component and signed"));
        } else {
            found.wrong.push(format!("{kind}: signed, but the component did not ask for it"));
        }
    }
}

/// Whether an exchange is one that the component has asked for, and what a judge finds of it.
fn exchanged(case: &Case, bytes: &[u8], replayed: &Replayed, found: &mut Findings) {
    let Ok(evidence) = semper_base::cbor::decode::<Evidence<Standard>>(bytes, bytes.len()) else {
        return found.wrong.push("the evidence of an exchange cannot be read".into());
    };
    let (id, subject) = (evidence.agreement.id(), evidence.agreement.subject());
    if evidence.agreement.deal != deal_name(case.id) || !replayed.agreed.contains(&subject) {
        return found
            .wrong
            .push(format!("{id}: carried out, but the component did not ask for it"));
    }
    let finding = judge(&evidence, Timestamp::now());
    let why = finding.summary();
    found.right.push(format!("exchange: asked for by the component and agreed to; {why}"));
}

/// The deal of an archive, for re-executing it where it happened.
pub fn of_archive(
    runtime: &Runtime,
    archive: &semper_archive::Archive,
    trust: &TrustFile,
    deal: &Arc<Deal>,
) -> Result<Replayed, Stop> {
    let of = |sent| -> Result<BTreeMap<u64, Vec<u8>>, Stop> {
        let all = archive.all_messages(deal.id, sent)?;
        Ok(all.into_iter().map(|row| (row.seq, row.bytes)).collect())
    };
    let (received, sent) = (of(false)?, of(true)?);
    let recorded =
        Recorded { verifier: trust.authorities.asking(Revocation::EVIDENCE), received, sent };
    replay::re_execute(runtime, deal, &archive.journal(deal.id)?, recorded, true)
}
