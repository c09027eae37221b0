//! Checking what a deal left behind, and exporting it as one file.
//!
//! An export is a JSON document: for every signed structure the bytes that the signature
//! covers, the signature, and the signer's certificates, so that openssl alone can check it
//! (the README shows how), and the journal with the messages that commit to it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semper_archive::{Archive, ArchiveError, DealRow, EvidenceRow};
use semper_base::cbor;
use semper_base::cert::Verifier;
use semper_base::cose::{self, Signatory};
use semper_base::text::counted;
use semper_base::{Digest, Role, Timestamp};
use semper_exchange::crypto::{Body as _, Crypto as _, Named};
use semper_exchange::item::ItemSignature;
use semper_exchange::judge as exchange;
use semper_exchange::obtained::{By, Stated};
use semper_exchange::package::deal_name;
use semper_exchange::standard::{self, Standard};
use semper_items::{Agreement, Kind, Message, Side, SignedAgreement, SignedStatement, Statement};
use semper_trust::Layout;
use serde::{Deserialize, Serialize};

use semper_runtime::journal;
use semper_runtime::stop::Incident;

/// Names the format of exports.
pub const FORMAT: &str = "semper-evidence-v1";

/// What checking a deal has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// What was checked and found right, one sentence each.
    pub right: Vec<String>,
    /// What is wrong.
    pub wrong: Vec<String>,
}

/// A signed structure, opened up for anybody's tools.
#[derive(Clone, Debug, Serialize)]
pub struct Exported {
    /// `agreement`, `order` …
    pub kind: String,
    /// One sentence.
    pub summary: String,
    /// Who signed.
    pub signer: String,
    /// When it was stored here.
    pub stored: Timestamp,
    /// The COSE_Sign1 structure, base64; of an exchange, what exchange.cddl describes.
    pub cose: String,
    /// The bytes that the signature covers, base64.
    pub signed_bytes: String,
    /// The signature, base64.
    pub signature: String,
    /// The signer's chain, PEM, leaf first; empty for deal keys.
    pub chain: Vec<String>,
    /// What was signed with a deal's key, in an exchange: the key, PEM. It stands in the deal's
    /// agreement, which both have signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A deal's evidence in one file.
#[derive(Clone, Debug, Serialize)]
pub struct Export {
    /// Names the format.
    pub format: &'static str,
    /// The deal.
    pub deal: DealRow,
    /// Every signed structure.
    pub evidence: Vec<Exported>,
    /// Messages of both sides: number, direction, COSE_Sign1 in base64.
    pub messages: Vec<(u64, String, String)>,
    /// The public records of the journal, base64, in order.
    pub journal: Vec<String>,
    /// What lets somebody else run the component on the journal, if the party opens it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened: Option<Opened>,
}

/// The private parts of a deal, opened to an arbiter: they hold what the person was asked and
/// answered, searches and addresses among it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// Request and result of each journal record, base64.
    pub calls: Vec<(String, String)>,
    /// The bundle of the terms: file name to content, base64.
    pub bundle: BTreeMap<String, String>,
}

/// Checks everything that the archive holds of a deal.
pub fn verify(
    archive: &Archive,
    verifier: &Verifier,
    row: &DealRow,
) -> Result<Findings, ArchiveError> {
    let mut found = Findings::default();
    check_agreement(row, &mut found);
    for item in archive.evidence(Some(row.id))? {
        check_evidence(verifier, row, &item, &mut found);
    }
    // A deal may be running meanwhile: what it sends after this line is left for the next look.
    let sent = archive.last_message(row.id, true)?.map_or(0, |it| it.0);
    let heads = match journal::verify_chain(&archive.journal(row.id)?) {
        Ok(heads) => {
            let records = counted(heads.len(), "record", "records");
            found.right.push(format!("journal: {records}, one chain"));
            heads
        }
        Err(stop) => {
            found.wrong.push(stop.to_string());
            Vec::new()
        }
    };
    check_messages(archive, row, (true, sent), &heads, &mut found)?;
    check_messages(archive, row, (false, u64::MAX), &heads, &mut found)?;
    Ok(found)
}

fn check_agreement(row: &DealRow, found: &mut Findings) {
    match Agreement::decode(&row.agreement) {
        Ok(agreement) if agreement.id() == row.id => {
            found.right.push("the deal's id is the digest of its agreement".into());
        }
        _ => found.wrong.push("the deal's id is not the digest of its agreement".into()),
    }
}

fn check_evidence(verifier: &Verifier, row: &DealRow, item: &EvidenceRow, found: &mut Findings) {
    let what = format!("{} by {}", item.kind, item.signer);
    if Digest::of(&item.bytes) != item.digest {
        return found.wrong.push(format!("{what}: the stored bytes have been changed"));
    }
    let outcome = match item.kind.as_str() {
        "agreement" => [Side::Buyer, Side::Seller]
            .into_iter()
            .find_map(|side| SignedAgreement::verify(&item.bytes, side, verifier, item.stored).ok())
            .filter(|signed| signed.agreement.id() == row.id)
            .map(|signed| signed.signer.name)
            .ok_or_else(|| "not a signed agreement of this deal".to_owned()),
        "incident" => {
            return match cbor::decode::<Incident>(&item.bytes, item.bytes.len()) {
                Ok(incident) if incident.deal == row.id => {
                    found.right.push(format!("incident noted here: {}", incident.code));
                }
                _ => found.wrong.push("an incident that is not of this deal".into()),
            };
        }
        "exchange" => return check_exchange(row, item, found),
        // What it is, the exchange's evidence says: its key is there, and the root of what it opens.
        "information" => return found.right.push(format!("{what}: as it came")),
        "fork" => return found.right.push(format!("{what}: kept as evidence of cheating")),
        kind => statement_signer(verifier, row, kind, item),
    };
    match outcome {
        Ok(name) if name == item.signer => found.right.push(format!("{what}: signature and chain")),
        Ok(name) => found.wrong.push(format!("{what}: signed by {name}")),
        Err(why) => found.wrong.push(format!("{what}: {why}")),
    }
}

/// The evidence of an exchange, as the judge finds.
fn check_exchange(row: &DealRow, item: &EvidenceRow, found: &mut Findings) {
    let evidence = cbor::decode::<exchange::Evidence<Standard>>(&item.bytes, item.bytes.len());
    match evidence {
        Ok(evidence) if evidence.agreement.deal == deal_name(row.id) => {
            let finding = exchange::judge(&evidence, item.stored);
            let id = evidence.agreement.id();
            found.right.push(format!("{id}: {}", finding.summary()));
        }
        _ => found.wrong.push("the evidence of an exchange that is not of this deal".into()),
    }
}

/// The name behind a statement that was signed in an exchange, if it is one.
fn exchanged(row: &DealRow, item: &EvidenceRow) -> Option<Result<String, String>> {
    let stated: Stated = cbor::decode(&item.bytes, item.bytes.len()).ok()?;
    Some(stated.verify().map_err(|error| error.to_string()).and_then(|(statement, key)| {
        let agreement = Agreement::decode(&row.agreement).map_err(|error| error.to_string())?;
        let side = [Side::Buyer, Side::Seller]
            .into_iter()
            .find(|side| agreement.keys(*side).sign == key)
            .ok_or("signed by a key that is neither side's")?;
        if statement.deal != row.id || statement.content.kind().name() != item.kind {
            return Err("it is another statement, or of another deal".into());
        }
        Ok(agreement.name(side).to_owned())
    }))
}

/// The statement in a piece of evidence, if it is one whose signature counts.
pub fn statement(verifier: &Verifier, item: &EvidenceRow) -> Option<Statement> {
    if let Ok(stated) = cbor::decode::<Stated>(&item.bytes, item.bytes.len()) {
        return Some(stated.verify().ok()?.0);
    }
    let roles = item.kind.parse::<Kind>().ok()?.entry().by.roles();
    let signed = SignedStatement::verify_as(&item.bytes, verifier, roles, item.stored).ok()?;
    Some(signed.statement().clone())
}

fn statement_signer(
    verifier: &Verifier,
    row: &DealRow,
    kind: &str,
    item: &EvidenceRow,
) -> Result<String, String> {
    let parties: &[Role] = &[Role::Buyer, Role::Merchant];
    let roles = kind.parse::<Kind>().map_or(parties, |kind| kind.entry().by.roles());
    if let Some(declared) = exchanged(row, item) {
        return declared;
    }
    let mut why = String::new();
    for role in roles {
        match SignedStatement::verify(&item.bytes, verifier, *role, item.stored)
            .and_then(|signed| signed.of_deal(row.id))
        {
            Ok(signed) if signed.statement().content.kind().name() == kind => {
                return Ok(signed.signer().name.clone());
            }
            Ok(signed) => why = format!("it is a {}", signed.statement().content.kind().name()),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

/// Numbers without gaps, each message naming the one before, and, for our own, a journal head
/// that our journal has.
fn check_messages(
    archive: &Archive,
    row: &DealRow,
    (sent, upto): (bool, u64),
    heads: &[Digest],
    found: &mut Findings,
) -> Result<(), ArchiveError> {
    let whose = if sent { "sent" } else { "received" };
    let (mut last, mut previous) = (0, Digest::ZERO);
    for message in archive.all_messages(row.id, sent)?.into_iter().filter(|it| it.seq <= upto) {
        let Some(parsed) = Message::unverified(&message.bytes) else {
            found.wrong.push(format!("message {} {whose}: damaged", message.seq));
            return Ok(());
        };
        let header = &parsed.header;
        let chained = header.seq == last + 1
            && header.previous == previous
            && header.deal == row.id
            && parsed.digest() == message.digest;
        // Before its first call a component can fail: the journal is empty then.
        let empty = heads.is_empty() && header.journal == Digest::ZERO;
        let known = empty || heads.contains(&header.journal);
        if !chained || (sent && !known) {
            found.wrong.push(format!("message {} {whose}: not in its chain", message.seq));
            return Ok(());
        }
        (last, previous) = (header.seq, message.digest);
    }
    found.right.push(format!("messages {whose}: {last}, one chain"));
    Ok(())
}

/// Everything of a deal in one document; with the bundle of its terms, the private parts of
/// its journal are opened in it.
pub fn export(
    archive: &Archive,
    row: DealRow,
    bundle: Option<&Layout>,
) -> Result<Export, ArchiveError> {
    let evidence = archive.evidence(Some(row.id))?.into_iter().filter_map(open_up).collect();
    let mut messages = Vec::new();
    for (sent, way) in [(true, "sent"), (false, "received")] {
        let all = archive.all_messages(row.id, sent)?;
        let encoded =
            all.iter().map(|it| (it.seq, way.to_owned(), BASE64_STANDARD.encode(&it.bytes)));
        messages.extend(encoded);
    }
    let records = archive.journal(row.id)?;
    let journal = records.iter().map(|it| BASE64_STANDARD.encode(&it.record)).collect();
    let opened = bundle.map(|layout| Opened {
        calls: records
            .iter()
            .map(|it| (BASE64_STANDARD.encode(&it.request), BASE64_STANDARD.encode(&it.result)))
            .collect(),
        bundle: layout
            .files()
            .into_iter()
            .map(|(name, bytes)| (name, BASE64_STANDARD.encode(bytes)))
            .collect(),
    });
    Ok(Export { format: FORMAT, deal: row, evidence, messages, journal, opened })
}

pub(crate) fn open_up(item: EvidenceRow) -> Option<Exported> {
    if let Some((signed_bytes, signature, key)) = by_deal_key(&item) {
        return Some(Exported {
            kind: item.kind,
            summary: item.summary,
            signer: item.signer,
            stored: item.stored,
            cose: BASE64_STANDARD.encode(&item.bytes),
            signed_bytes: BASE64_STANDARD.encode(signed_bytes),
            signature: BASE64_STANDARD.encode(signature),
            chain: Vec::new(),
            key,
        });
    }
    let domain = match item.kind.as_str() {
        "agreement" => semper_items::agreement::DOMAIN,
        "fork" => semper_items::message::DOMAIN,
        _ => semper_items::signed::DOMAIN,
    };
    let parsed = cose::parse(&item.bytes, domain, item.bytes.len()).ok()?;
    let chain = match parsed.signatory() {
        Signatory::Chain(chain) => chain.iter().map(semper_base::Certificate::to_pem).collect(),
        Signatory::Key(_) => Vec::new(),
    };
    Some(Exported {
        kind: item.kind,
        summary: item.summary,
        signer: item.signer,
        stored: item.stored,
        cose: BASE64_STANDARD.encode(&item.bytes),
        signed_bytes: BASE64_STANDARD.encode(parsed.signed_bytes()),
        signature: BASE64_STANDARD.encode(parsed.signature()),
        chain,
        key: None,
    })
}

/// The bytes that were signed with a deal's key, the signature and the key; of an exchange's
/// evidence, and of what the third party attests, nothing that one signature covers.
fn by_deal_key(item: &EvidenceRow) -> Option<(Vec<u8>, Vec<u8>, Option<String>)> {
    if matches!(item.kind.as_str(), "exchange" | "information") {
        return Some((Vec::new(), Vec::new(), None));
    }
    let stated: Stated = cbor::decode(&item.bytes, item.bytes.len()).ok()?;
    let By::Hand(signature) = &stated.by else { return Some((Vec::new(), Vec::new(), None)) };
    let (_, key) = stated.verify().ok()?;
    let leaf = stated.agreement.leaf(stated.from, usize::try_from(stated.index).ok()?);
    let body = ItemSignature { leaf, statement: Digest::of(&stated.statement) };
    let digest = Standard::digest(ItemSignature::KIND, &body);
    let subject = stated.agreement.subject();
    let named = standard::message(&Named { kind: ItemSignature::KIND, subject, digest });
    Some((named, signature.as_bytes().to_vec(), Some(key.to_pem())))
}
