//! Files from elsewhere: receipts, and exported deals. What in them is signed is verified; what in
//! them is not signed must follow from what is.
//!
//! A receipt is drawn anew from the evidence in it, and the whole file is compared. So a changed
//! amount, name or date in its text is found, and so is anything that was added. A file that another
//! program has saved again is found to be changed, too: its evidence can still be checked by itself.

use semper_archive::EvidenceRow;
use semper_archive::chain::{MAX_PART, Record, next_head};
use semper_base::cert::Verifier;
use semper_base::text::{counted, shown};
use semper_base::{DealId, Digest, Mend, Timestamp, cbor};
use semper_items::agreement::NoSide;
use semper_items::{Side, SignedMessage};
use serde::{Deserialize, Serialize};

use super::{FORMAT, Receipt, decoded, html};
use crate::attest::{Attestation, Attested, Paid, Piece, attest};
use crate::evidence::{self, Findings, open_up};

/// Largest file that is read, in bytes.
pub const MAX_FILE: u64 = 256 << 20;

/// Why a file cannot be checked at all.
#[derive(Debug, thiserror::Error, Mend)]
#[mend(input)]
pub enum FileError {
    /// Neither a receipt nor an export.
    #[error("this is neither a receipt nor an exported deal: {0}")]
    #[mend("make one with semper archive receipt or semper archive export")]
    Form(String),
    /// A receipt whose evidence cannot be found.
    #[error("no evidence can be found in this {0}")]
    #[mend(
        "another program may have saved it again: ask for the file as it was made, or take the attachment evidence.json out of it and check that"
    )]
    NoEvidence(&'static str),
}

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A receipt for browsers.
    Html,
    /// A receipt for printing.
    Pdf,
    /// The evidence of a receipt, by itself.
    Evidence,
    /// An exported deal.
    Export,
}

impl Form {
    /// The words for it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Html => "receipt (HTML)",
            Self::Pdf => "receipt (PDF)",
            Self::Evidence => "evidence of a receipt",
            Self::Export => "exported deal",
        }
    }
}

/// What a file says, and what of it holds.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// What kind of file it is.
    pub form: Form,
    /// The deal that it is about.
    pub deal: Option<DealId>,
    /// Everything signed, in the order in which it was made.
    pub signed: Vec<Attestation>,
    /// Payments in exchanges.
    pub paid: Vec<Paid>,
    /// What holds and what does not.
    #[serde(flatten)]
    pub found: Findings,
}

#[derive(Deserialize)]
struct Named {
    format: String,
}

#[derive(Deserialize)]
struct Carried {
    evidence: Vec<Carrying>,
}

#[derive(Deserialize)]
struct Carrying {
    kind: String,
    cose: String,
}

#[derive(Deserialize)]
struct Exported {
    deal: ExportedDeal,
    evidence: Vec<ExportedPiece>,
    messages: Vec<(u64, String, String)>,
    journal: Vec<String>,
}

#[derive(Deserialize)]
struct ExportedDeal {
    id: DealId,
    side: String,
    peer: String,
}

#[derive(Deserialize)]
struct ExportedPiece {
    kind: String,
    summary: String,
    signer: String,
    stored: Timestamp,
    cose: String,
    signed_bytes: String,
    signature: String,
    chain: Vec<String>,
    key: Option<String>,
}

/// Checks a file by the roots that are believed.
///
/// # Errors
/// It is no such file. What does not hold in one that is, is among the findings.
pub fn check(bytes: &[u8], verifier: &Verifier) -> Result<Checked, FileError> {
    if bytes.starts_with(b"%PDF") {
        let json = attachment(bytes).ok_or(FileError::NoEvidence("PDF"))?;
        return receipt(Form::Pdf, json, bytes, verifier);
    }
    if bytes.iter().find(|it| !it.is_ascii_whitespace()) == Some(&b'<') {
        let page = str::from_utf8(bytes).ok();
        let json = page.and_then(|it| it.split_once(html::BEGINS)?.1.split_once(html::ENDS));
        let json = json.ok_or(FileError::NoEvidence("page"))?.0;
        return receipt(Form::Html, json.as_bytes(), bytes, verifier);
    }
    let form = |error: serde_json::Error| FileError::Form(error.to_string());
    match serde_json::from_slice::<Named>(bytes).map_err(form)?.format.as_str() {
        FORMAT => receipt(Form::Evidence, bytes, bytes, verifier),
        evidence::FORMAT => exported(&serde_json::from_slice(bytes).map_err(form)?, verifier),
        other => Err(FileError::Form(format!("format “{}”", shown(other, 60)))),
    }
}

/// The attachment of a PDF as we write it.
fn attachment(bytes: &[u8]) -> Option<&[u8]> {
    let find = |all: &[u8], what: &[u8]| all.windows(what.len()).position(|it| it == what);
    let begins = format!("{{\"format\":\"{FORMAT}\"");
    let rest = bytes.get(find(bytes, begins.as_bytes())?..)?;
    rest.get(..find(rest, b"\nendstream")?)
}

fn receipt(
    form: Form,
    json: &[u8],
    file: &[u8],
    verifier: &Verifier,
) -> Result<Checked, FileError> {
    let carried: Carried =
        serde_json::from_slice(json).map_err(|error| FileError::Form(error.to_string()))?;
    let pieces = pieces(carried.evidence.iter().map(|it| (&it.kind, &it.cose)))?;
    let attested = match attest(&pieces, verifier) {
        Ok(attested) => attested,
        Err(why) => return Ok(nothing(form, why)),
    };
    let mut checked = of(form, attested);
    if !checked.found.wrong.is_empty() {
        return Ok(checked);
    }
    let drawn = Receipt::draw(pieces, verifier).map(|receipt| match form {
        Form::Html => receipt.html().into_bytes(),
        Form::Pdf => receipt.pdf(),
        _ => receipt.json().into_bytes(),
    });
    match drawn {
        Ok(drawn) if drawn == file => checked.found.right.push(match form {
            Form::Html | Form::Pdf => {
                "the receipt: drawn anew from the evidence, it is this file to the last byte".into()
            }
            _ => "nothing stands beside the evidence but what follows from it".into(),
        }),
        Ok(drawn) => checked.found.wrong.push(difference(&drawn, file)),
        Err(error) => checked.found.wrong.push(error.to_string()),
    }
    Ok(checked)
}

/// Where a file stops being what its evidence says, in words.
fn difference(drawn: &[u8], file: &[u8]) -> String {
    let lines = |bytes: &[u8]| -> Vec<String> {
        bytes.split(|it| *it == b'\n').map(|it| String::from_utf8_lossy(it).into_owned()).collect()
    };
    let (drawn, file) = (lines(drawn), lines(file));
    let at = drawn.iter().zip(&file).position(|(one, other)| one != other);
    let at = at.unwrap_or(drawn.len().min(file.len()));
    let line = |all: &[String]| {
        all.get(at).map_or("nothing".to_owned(), |it| format!("“{}”", shown(it.trim(), 160)))
    };
    format!(
        "the receipt is not what its evidence says: line {} is {} in the file, and {} by the evidence",
        at + 1,
        line(&file),
        line(&drawn)
    )
}

fn exported(file: &Exported, verifier: &Verifier) -> Result<Checked, FileError> {
    let pieces = pieces(file.evidence.iter().map(|it| (&it.kind, &it.cose)))?;
    let attested = match attest(&pieces, verifier) {
        Ok(attested) => attested,
        Err(why) => return Ok(nothing(Form::Export, why)),
    };
    let mut wrong = Vec::new();
    let side: Side =
        file.deal.side.parse().map_err(|error: NoSide| FileError::Form(error.to_string()))?;
    if attested.deal() != file.deal.id {
        wrong.push("the deal's number is not the digest of its agreement".to_owned());
    }
    let peer = attested.agreement.name(side.other());
    if peer != file.deal.peer {
        wrong
            .push(format!("the agreement is with {peer}, not with {}", shown(&file.deal.peer, 60)));
    }
    for (at, item) in file.evidence.iter().enumerate() {
        wrong.extend(opened_up(&attested, at, item, &pieces[at]));
    }
    let mut right = Vec::new();
    match messages(file, side, &attested) {
        Ok(words) => right.extend(words),
        Err(why) => wrong.push(why),
    }
    match journal(&file.journal) {
        Ok(words) => right.push(words),
        Err(why) => wrong.push(why),
    }
    let mut checked = of(Form::Export, attested);
    checked.found.right.extend(right);
    checked.found.wrong.extend(wrong);
    Ok(checked)
}

/// What stands beside the signed bytes for the tools of others must be what is in them.
fn opened_up(
    attested: &Attested,
    at: usize,
    item: &ExportedPiece,
    piece: &Piece,
) -> Option<String> {
    let own = open_up(EvidenceRow {
        number: 0,
        deal: Some(attested.deal()),
        kind: item.kind.clone(),
        digest: Digest::of(&piece.bytes),
        signer: item.signer.clone(),
        summary: item.summary.clone(),
        stored: item.stored,
        bytes: piece.bytes.clone(),
    });
    let same = own.is_some_and(|own| {
        own.signed_bytes == item.signed_bytes
            && own.signature == item.signature
            && own.chain == item.chain
            && own.key == item.key
    });
    let kind = shown(&item.kind, 40);
    if !same {
        return Some(format!("{kind}: what is given for openssl is not what was signed"));
    }
    let signed = attested.signed.iter().find(|it| it.piece == at)?;
    (signed.signer != item.signer)
        .then(|| format!("{kind}: signed by {}, not by {}", signed.signer, shown(&item.signer, 60)))
}

/// The messages of both sides: signed by the deal's keys, numbered, each naming the one before.
fn messages(file: &Exported, side: Side, attested: &Attested) -> Result<Vec<String>, String> {
    let mut right = Vec::new();
    for (from, way) in [(side, "sent"), (side.other(), "received")] {
        let key = attested.agreement.keys(from).sign;
        let (mut last, mut previous) = (0, Digest::ZERO);
        for (seq, _, bytes) in file.messages.iter().filter(|it| it.1 == way) {
            let signed = SignedMessage::verify(&decoded(bytes)?, attested.deal(), from, &key);
            let signed = signed.map_err(|error| format!("message {seq} of the {from}: {error}"))?;
            let header = &signed.message.header;
            if header.seq != *seq || *seq != last + 1 || header.previous != previous {
                return Err(format!("message {seq} of the {from}: not in its chain"));
            }
            (last, previous) = (*seq, signed.digest);
        }
        right.push(format!("messages of the {from}: {last}, one chain"));
    }
    Ok(right)
}

/// The public records of the journal: each names the head before it.
fn journal(records: &[String]) -> Result<String, String> {
    let mut head = Digest::ZERO;
    for (seq, text) in records.iter().enumerate() {
        let damaged = || format!("the journal is damaged at record {seq}");
        let bytes = decoded(text)?;
        let record: Record = cbor::decode(&bytes, MAX_PART).map_err(|_| damaged())?;
        if record.previous != head || record.seq != seq as u64 {
            return Err(damaged());
        }
        head = next_head(&head, &bytes);
    }
    Ok(format!("journal: {}, one chain", counted(records.len(), "record", "records")))
}

fn pieces<'a>(
    all: impl Iterator<Item = (&'a String, &'a String)>,
) -> Result<Vec<Piece>, FileError> {
    let piece = |(kind, cose): (&String, &String)| {
        let bytes = decoded(cose).map_err(FileError::Form)?;
        Ok(Piece { kind: kind.clone(), bytes })
    };
    all.map(piece).collect()
}

fn of(form: Form, attested: Attested) -> Checked {
    let deal = Some(attested.deal());
    let Attested { signed, paid, found, .. } = attested;
    Checked { form, deal, signed, paid, found }
}

fn nothing(form: Form, why: String) -> Checked {
    let found = Findings { right: Vec::new(), wrong: vec![why] };
    Checked { form, deal: None, signed: Vec::new(), paid: Vec::new(), found }
}
