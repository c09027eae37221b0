//! What evidence says by itself: who signed what, when, by whom certified. It needs roots that are
//! believed, and no home.
//!
//! Certificates are looked at as of the time that a statement gives, since nothing else in it says
//! when it was signed. Nobody is asked whether one was withdrawn since: evidence counts as of when it
//! was made, and whoever took it then has asked.

use std::collections::BTreeSet;

use semper_archive::EvidenceRow;
use semper_base::cert::Verifier;
use semper_base::cose::Signatory;
use semper_base::{Amount, DealId, Digest, Timestamp, cbor, cose};
use semper_exchange::Role;
use semper_exchange::judge::{Evidence, Got, judge};
use semper_exchange::obtained::{By, Stated};
use semper_exchange::package::deal_name;
use semper_exchange::standard::Standard;
use semper_items::agreement::{MAX_SIGNED, Way};
use semper_items::statement::{By as Maker, Kind};
use semper_items::{Agreement, Side, SignedAgreement, SignedStatement, Statement};
use serde::Serialize;

use crate::evidence::Findings;

/// A piece of evidence: its kind, and its bytes as they were signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// `agreement`, `order`, `exchange` …
    pub kind: String,
    /// A COSE_Sign1 structure; a statement that was signed in an exchange; an exchange's evidence.
    pub bytes: Vec<u8>,
}

impl From<&EvidenceRow> for Piece {
    fn from(row: &EvidenceRow) -> Self {
        Self { kind: row.kind.clone(), bytes: row.bytes.clone() }
    }
}

/// Something that somebody has signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attestation {
    /// `agreement`, `order` …
    pub kind: String,
    /// What it is, in one sentence.
    pub what: String,
    /// When it was made, as its signer says.
    pub made: Timestamp,
    /// The signer's certified name.
    pub signer: String,
    /// The authority that certified the name.
    pub certified_by: String,
    /// By which key it is signed.
    pub by: Hand,
    /// What it says.
    #[serde(skip)]
    pub statement: Option<Statement>,
    /// The statement's name: the digest by which others refer to it.
    #[serde(skip)]
    pub digest: Digest,
    /// Which of the pieces it is.
    #[serde(skip)]
    pub piece: usize,
}

/// By which key something is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hand {
    /// By the certified key.
    Certificate,
    /// In an exchange, by the deal's key, which stands in the agreement under its certified signature.
    DealKey,
    /// By the third party of an exchange, in the signer's stead.
    Affidavit,
}

impl Hand {
    /// The words for it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Certificate => "by its certified key",
            Self::DealKey => "by its key of this deal, which stands in the agreement",
            Self::Affidavit => "by the third party's affidavit in its stead",
        }
    }
}

/// A payment that an exchange shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Paid {
    /// How much.
    pub amount: Amount,
    /// The side that has paid.
    pub payer: Side,
    /// The account that was paid.
    pub payee: String,
    /// Which of the pieces shows it.
    #[serde(skip)]
    pub piece: usize,
}

/// What pieces of evidence of one deal say.
#[derive(Clone, Debug)]
pub struct Attested {
    /// The deal's agreement, which both sides have signed.
    pub agreement: Agreement,
    /// Everything signed, in the order in which it was made.
    pub signed: Vec<Attestation>,
    /// Payments in exchanges.
    pub paid: Vec<Paid>,
    /// What holds and what does not.
    pub found: Findings,
}

impl Attested {
    /// The deal.
    pub fn deal(&self) -> DealId {
        self.agreement.id()
    }

    /// The payment system that the agreement names, or the payment module where it names none.
    pub fn system(&self) -> String {
        let way = self.agreement.payment.parse::<Way>();
        way.map(|way| way.system.unwrap_or(way.module)).unwrap_or_default()
    }

    /// The statements by the digests by which they refer to one another.
    pub fn known(&self) -> Vec<(Digest, Statement)> {
        let all = self.signed.iter();
        all.filter_map(|it| Some((it.digest, it.statement.clone()?))).collect()
    }
}

/// Verifies pieces of evidence of one deal. Without an agreement that both sides have signed
/// nothing else can be told: then the error says why.
///
/// # Errors
/// There is no agreement, or one side's signature under it does not hold.
pub fn attest(pieces: &[Piece], verifier: &Verifier) -> Result<Attested, String> {
    let mut signed = Vec::new();
    let mut found = Findings::default();
    let agreement = agreement(pieces, verifier, &mut signed)?;
    let certified = [Side::Buyer, Side::Seller].map(|side| root_of(&signed, agreement.name(side)));
    let mut attested = Attested { agreement, signed, paid: Vec::new(), found: Findings::default() };
    for (index, piece) in pieces.iter().enumerate() {
        let outcome = match piece.kind.as_str() {
            "agreement" => match attested.signed.iter().any(|it| it.piece == index) {
                true => continue,
                false => Err("not the agreement that both sides have signed".to_owned()),
            },
            "exchange" => match exchange(index, &piece.bytes, &attested.agreement) {
                Ok((words, paid)) => {
                    attested.paid.extend(paid);
                    found.right.push(words);
                    continue;
                }
                Err(why) => Err(why),
            },
            // These are signed by nobody as statements are: what they are is for whoever kept them.
            "information" | "incident" | "fork" => continue,
            _ => statement(index, piece, verifier, &attested.agreement, &certified),
        };
        match outcome {
            Ok(it) => attested.signed.push(it),
            Err(why) => found.wrong.push(format!("{}: {why}", piece.kind)),
        }
    }
    attested.signed.sort_by_key(|it| (it.made, it.piece));
    let holds = attested.signed.iter().map(|it| {
        let (kind, signer, root) = (&it.kind, &it.signer, &it.certified_by);
        let (made, hand) = (it.made, it.by.words());
        format!("{kind}: signed by {signer}, {hand}; certified by {root}; made {made}")
    });
    attested.found.right = holds.chain(found.right).collect();
    attested.found.wrong = found.wrong;
    Ok(attested)
}

fn root_of(signed: &[Attestation], name: &str) -> String {
    signed.iter().find(|it| it.signer == name).map(|it| it.certified_by.clone()).unwrap_or_default()
}

/// The agreement, signed by both sides.
fn agreement(
    pieces: &[Piece],
    verifier: &Verifier,
    signed: &mut Vec<Attestation>,
) -> Result<Agreement, String> {
    let mut all = BTreeSet::new();
    let mut agreed = None;
    for side in [Side::Buyer, Side::Seller] {
        let mut why = "it is not there".to_owned();
        let mut one = None;
        for (index, piece) in pieces.iter().enumerate().filter(|it| it.1.kind == "agreement") {
            let Some((agreement, by)) = peeked(&piece.bytes) else {
                why = "it cannot be read".into();
                continue;
            };
            // The other side's is no answer to whether this side has signed.
            if by != agreement.name(side) {
                continue;
            }
            let made = agreement.hello.made;
            match SignedAgreement::verify(&piece.bytes, side, verifier, made) {
                Ok(it) => one = Some((index, made, it)),
                Err(error) => why = error.to_string(),
            }
        }
        let (piece, made, it) =
            one.ok_or_else(|| format!("agreement: no signature of the {side} that holds: {why}"))?;
        all.insert(it.agreement.id());
        signed.push(Attestation {
            kind: "agreement".into(),
            what: format!(
                "agreement of {} with {}",
                it.agreement.name(Side::Buyer),
                it.agreement.name(Side::Seller)
            ),
            made,
            signer: it.signer.name,
            certified_by: it.signer.root,
            by: Hand::Certificate,
            statement: None,
            digest: *it.agreement.id().digest(),
            piece,
        });
        agreed = Some(it.agreement);
    }
    match (agreed, all.len()) {
        (Some(agreement), 1) => Ok(agreement),
        _ => Err("agreement: the two sides have signed different ones".into()),
    }
}

/// The agreement that somebody may have signed, and under which name; nothing of it is verified.
fn peeked(bytes: &[u8]) -> Option<(Agreement, String)> {
    let parsed = cose::parse(bytes, semper_items::agreement::DOMAIN, MAX_SIGNED).ok()?;
    let agreement = Agreement::decode(parsed.peek()).ok()?;
    match parsed.signatory() {
        Signatory::Chain(chain) => Some((agreement, chain.first()?.subject())),
        Signatory::Key(_) => None,
    }
}

/// A statement of this deal, by whoever makes statements of its kind.
fn statement(
    index: usize,
    piece: &Piece,
    verifier: &Verifier,
    agreement: &Agreement,
    certified: &[String; 2],
) -> Result<Attestation, String> {
    let (statement, digest, signer, root, by) = match exchanged(piece, agreement)? {
        Some((statement, digest, side, by)) => {
            let root = certified[usize::from(side == Side::Seller)].clone();
            (statement, digest, agreement.name(side).to_owned(), root, by)
        }
        None => {
            let kind: Kind = piece
                .kind
                .parse()
                .map_err(|it: semper_items::statement::UnknownKind| it.to_string())?;
            let made = SignedStatement::peek(&piece.bytes).map_err(|it| it.to_string())?.0.made;
            let roles = kind.entry().by.roles();
            let signed = SignedStatement::verify_as(&piece.bytes, verifier, roles, made)
                .map_err(|it| it.to_string())?;
            let signer = signed.signer().clone();
            let (statement, digest) = (signed.statement().clone(), signed.digest());
            (statement, digest, signer.name, signer.root, Hand::Certificate)
        }
    };
    let kind = statement.content.kind();
    if kind.name() != piece.kind {
        return Err(format!("it is of the kind {kind}"));
    }
    if statement.deal != agreement.id() {
        return Err("it belongs to another deal".into());
    }
    let (buyer, seller) = (agreement.name(Side::Buyer), agreement.name(Side::Seller));
    let system = agreement.payment.parse::<Way>().ok().and_then(|way| way.system);
    let may = match kind.entry().by {
        Maker::Seller => signer == seller,
        Maker::Buyer => signer == buyer,
        Maker::Either | Maker::Payer => signer == seller || signer == buyer,
        Maker::Bank => system.is_none_or(|system| signer == system),
    };
    if !may {
        return Err(format!("it is signed by {signer}, who does not make it in this deal"));
    }
    let (kind, what, made) = (piece.kind.clone(), statement.summary(), statement.made);
    let certified_by = root;
    let statement = Some(statement);
    Ok(Attestation { kind, what, made, signer, certified_by, by, statement, digest, piece: index })
}

type Exchanged = (Statement, Digest, Side, Hand);

/// The statement, if it was signed in an exchange.
fn exchanged(piece: &Piece, agreement: &Agreement) -> Result<Option<Exchanged>, String> {
    let Ok(stated) = cbor::decode::<Stated>(&piece.bytes, piece.bytes.len()) else {
        return Ok(None);
    };
    let (statement, key) = stated.verify().map_err(|it| it.to_string())?;
    let mut sides = [Side::Buyer, Side::Seller].into_iter();
    let side = sides.find(|side| agreement.keys(*side).sign == key);
    let side = side.ok_or("it is signed by a key that is neither side's")?;
    let by = match stated.by {
        By::Hand(_) => Hand::DealKey,
        By::Affidavit(_) => Hand::Affidavit,
    };
    Ok(Some((statement, Digest::of(&stated.statement), side, by)))
}

/// What the evidence of an exchange shows: in words, and the payments in it. It is judged as of the
/// last date on which it could be completed, so that everybody finds the same at any time.
fn exchange(
    piece: usize,
    bytes: &[u8],
    agreement: &Agreement,
) -> Result<(String, Vec<Paid>), String> {
    let evidence: Evidence<Standard> =
        cbor::decode(bytes, bytes.len()).map_err(|it| it.to_string())?;
    let agreed = &evidence.agreement;
    let side = |role: Role| {
        let key = agreed.party(role).sign;
        [Side::Buyer, Side::Seller].into_iter().find(|side| agreement.keys(*side).sign == key)
    };
    let sides = (side(Role::Originator), side(Role::Responder));
    let (Some(originator), Some(responder)) = sides else {
        return Err("it is between other keys than this deal's".into());
    };
    if agreed.deal != deal_name(agreement.id()) || originator == responder {
        return Err("it is of another deal".into());
    }
    let finding = judge(&evidence, agreed.close_by);
    let legs = [
        (Role::Originator, originator, &finding.from_originator),
        (Role::Responder, responder, &finding.from_responder),
    ];
    let mut paid = Vec::new();
    for (role, payer, got) in legs {
        for (leaf, got) in agreed.gives(role).iter().zip(got) {
            if let (Some(money), true) = (leaf.item.money(), *got != Got::Unproven) {
                let (amount, payee) = (money.amount, money.payee.clone());
                paid.push(Paid { amount, payer, payee, piece });
            }
        }
    }
    Ok((format!("{}: {}", agreed.id(), finding.summary()), paid))
}
