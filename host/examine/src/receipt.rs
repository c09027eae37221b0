//! Receipts: a deal on paper, carrying the evidence that it was drawn from.
//!
//! A receipt is drawn from verified evidence alone. Every word of it follows from the signed bytes:
//! no time of printing, no number, no note of the home that prints it. So whoever reads the file
//! takes the evidence out, verifies it, draws the receipt anew, and compares the files byte by byte
//! ([`mod@file`]). What was changed in either is found.
//!
//! | module | what it is for |
//! |---|---|
//! | `html` | a page for browsers: evidence as data that nothing runs |
//! | `pdf` | pages for printing: evidence as an attachment |
//! | [`mod@file`] | reading receipts and exported deals, and checking them |
//!
//! The drawing belongs to the format. A later version that draws otherwise is another format, and
//! this one stays.

pub mod file;
mod html;
mod pdf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semper_archive::{Archive, ArchiveError, DealRow, EvidenceRow};
use semper_base::cert::Verifier;
use semper_base::text::{self, Text};
use semper_base::{DealId, Digest, Mend, Timestamp};
use semper_items::statement::Says;
use semper_items::{Kind, Side};
use serde::Serialize;

use crate::attest::{Attested, Piece, attest};
use crate::evidence::{Exported, open_up};

/// Names the format.
pub const FORMAT: &str = "semper-receipt-v1";
/// Bytes of a receipt's evidence, at most.
const MAX_EVIDENCE: usize = 16 << 20;
/// Characters of one value on a receipt.
const SHOWN: usize = 2_000;

/// Why no receipt can be made.
#[derive(Debug, thiserror::Error, Mend)]
pub enum ReceiptError {
    /// The archive.
    #[error(transparent)]
    #[mend(from)]
    Archive(#[from] ArchiveError),
    /// The evidence does not hold.
    #[error("the evidence does not hold: {0}")]
    #[mend("semper archive verify says what is wrong; export the deal and have it examined")]
    Wrong(String),
    /// Something that no receipt can show.
    #[error("number {0} is no signed statement of this deal")]
    #[mend("name an agreement, an offer, an order, a receipt; semper archive show has the numbers")]
    NoStatement(i64),
    /// More than a person wants to print.
    #[error("the deal's evidence has {0} bytes, more than a receipt carries")]
    #[mend("print single statements by their numbers, or use semper archive export")]
    TooLarge(usize),
}

/// A receipt: what it shows, and the evidence that shows it.
#[derive(Debug)]
pub struct Receipt {
    pieces: Vec<Piece>,
    attested: Attested,
    page: Page,
}

/// What a receipt shows, whatever draws it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The heading of all.
    pub title: String,
    /// The parts, one below the other.
    pub parts: Vec<Part>,
}

/// A part of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its heading.
    pub heading: String,
    /// Its rows: label and value.
    pub rows: Vec<(String, String)>,
}

/// The evidence as it stands in the file.
#[derive(Serialize)]
struct Carried<'a> {
    format: &'a str,
    deal: DealId,
    evidence: Vec<Exported>,
}

impl Receipt {
    /// The receipt of a deal; of one statement and those that it refers to, if its number is given.
    ///
    /// # Errors
    /// The evidence does not hold, or there is nothing to show.
    pub fn of_deal(
        archive: &Archive,
        verifier: &Verifier,
        deal: &DealRow,
        number: Option<i64>,
    ) -> Result<Self, ReceiptError> {
        let rows = archive.evidence(Some(deal.id))?;
        let left_out = ["information", "incident", "fork"];
        let rows: Vec<EvidenceRow> =
            rows.into_iter().filter(|it| !left_out.contains(&it.kind.as_str())).collect();
        let pieces: Vec<Piece> = rows.iter().map(Piece::from).collect();
        let Some(number) = number else { return Self::draw(pieces, verifier) };
        let chosen = rows.iter().position(|it| it.number == number);
        let chosen = chosen.filter(|at| pieces[*at].kind != "exchange");
        let chosen = chosen.ok_or(ReceiptError::NoStatement(number))?;
        let attested = attest(&pieces, verifier).map_err(ReceiptError::Wrong)?;
        let wanted = with_referred(&attested, chosen);
        let part = |(at, piece): (usize, Piece)| {
            (piece.kind == "agreement" || wanted.contains(&at)).then_some(piece)
        };
        Self::draw(pieces.into_iter().enumerate().filter_map(part).collect(), verifier)
    }

    /// Draws what the evidence shows.
    ///
    /// # Errors
    /// It does not hold: nothing is drawn of what nobody has signed.
    pub fn draw(mut pieces: Vec<Piece>, verifier: &Verifier) -> Result<Self, ReceiptError> {
        let bytes = pieces.iter().map(|it| it.bytes.len()).sum();
        if bytes > MAX_EVIDENCE {
            return Err(ReceiptError::TooLarge(bytes));
        }
        // The agreement first: the recipe with openssl checks the first piece by its chain.
        pieces.sort_by_key(|it| it.kind != "agreement");
        let attested = attest(&pieces, verifier).map_err(ReceiptError::Wrong)?;
        if let Some(wrong) = attested.found.wrong.first() {
            return Err(ReceiptError::Wrong(wrong.clone()));
        }
        let page = page(&attested);
        Ok(Self { pieces, attested, page })
    }

    /// What it shows.
    pub const fn page(&self) -> &Page {
        &self.page
    }

    /// What its evidence says.
    pub const fn attested(&self) -> &Attested {
        &self.attested
    }

    /// As a page for browsers.
    pub fn html(&self) -> String {
        html::draw(&self.page, &self.json())
    }

    /// As pages for printing.
    pub fn pdf(&self) -> Vec<u8> {
        pdf::draw(&self.page, &self.json())
    }

    /// The evidence, as the files carry it: nothing in it but what is signed, and what follows
    /// from that.
    fn json(&self) -> String {
        let evidence =
            self.pieces.iter().enumerate().filter_map(|(at, piece)| self.exported(at, piece));
        let carried =
            Carried { format: FORMAT, deal: self.attested.deal(), evidence: evidence.collect() };
        let json = serde_json::to_string(&carried).unwrap_or_default();
        // Data in a page of HTML ends where a tag ends; nothing in it may look like one.
        let json = text::json(&json);
        json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
    }

    fn exported(&self, at: usize, piece: &Piece) -> Option<Exported> {
        let signed = self.attested.signed.iter().find(|it| it.piece == at);
        let (signer, summary, stored) = match signed {
            Some(it) => (it.signer.clone(), it.what.clone(), it.made),
            None => (String::new(), piece.kind.clone(), self.attested.agreement.hello.made),
        };
        open_up(EvidenceRow {
            number: 0,
            deal: Some(self.attested.deal()),
            kind: piece.kind.clone(),
            digest: Digest::of(&piece.bytes),
            signer,
            summary,
            stored,
            bytes: piece.bytes.clone(),
        })
    }
}

/// The pieces that a statement stands on: those that it refers to, and so on.
fn with_referred(attested: &Attested, chosen: usize) -> Vec<usize> {
    let mut wanted = vec![chosen];
    let mut next = 0;
    while let Some(at) = wanted.get(next).copied() {
        next += 1;
        let signed = attested.signed.iter().find(|it| it.piece == at);
        let content = signed.and_then(|it| it.statement.as_ref()).map(|it| &it.content);
        for (_, digest) in content.map(|it| it.refers()).unwrap_or_default() {
            let other = attested.signed.iter().find(|it| it.digest == digest).map(|it| it.piece);
            wanted.extend(other.filter(|it| !wanted.contains(it)));
        }
    }
    wanted
}

/// The page of verified evidence.
fn page(attested: &Attested) -> Page {
    let agreement = &attested.agreement;
    let received = |it: &Kind| it.says() == Says::Received;
    let kinds =
        || attested.signed.iter().filter_map(|it| Some(it.statement.as_ref()?.content.kind()));
    let title = match kinds().any(|it| received(&it)) {
        true => "Receipt",
        false => "Record of a deal, without a receipt",
    };
    let mut parts = vec![Part {
        heading: "Deal".into(),
        rows: vec![
            ("number".into(), agreement.id().hex()),
            ("buyer".into(), party(attested, Side::Buyer)),
            ("seller".into(), party(attested, Side::Seller)),
            ("opened".into(), day(agreement.hello.made)),
            (
                "paid by".into(),
                attested.agreement.payment.parse().map_or_else(
                    |_| agreement.payment.clone(),
                    |way: semper_items::agreement::Way| way.words(),
                ),
            ),
            ("terms".into(), agreement.hello.terms.to_string()),
        ],
    }];
    let known = attested.known();
    for signed in &attested.signed {
        let Some(statement) = &signed.statement else { continue };
        let mut rows = vec![
            ("signed by".to_owned(), signed.signer.clone()),
            ("".to_owned(), format!("{}; certified by {}", signed.by.words(), signed.certified_by)),
            ("made".to_owned(), signed.made.to_string()),
        ];
        rows.extend(statement.content.drawn(&known));
        parts.push(Part { heading: capital(&signed.kind.replace('-', " ")), rows });
    }
    for paid in &attested.paid {
        let (payer, payee) = (agreement.name(paid.payer), agreement.name(paid.payer.other()));
        let rows = vec![
            ("amount".to_owned(), paid.amount.to_string()),
            ("from".to_owned(), payer.to_owned()),
            ("to".to_owned(), format!("{payee}, account {}", paid.payee)),
            (
                "by".to_owned(),
                format!("{}, in a fair exchange that both sides have signed", attested.system()),
            ),
        ];
        parts.push(Part { heading: "Payment".into(), rows });
    }
    let check = vec![
        (
            "".to_owned(),
            "Drawn from the evidence that this file carries. To check it, words and signatures:"
                .to_owned(),
        ),
        ("".to_owned(), "semper archive verify FILE --authority root.pem".to_owned()),
    ];
    parts.push(Part { heading: "How to check this".into(), rows: check });
    for part in &mut parts {
        part.rows
            .iter_mut()
            .for_each(|(label, value)| (*label, *value) = (shown(label), shown(value)));
    }
    Page { title: title.into(), parts }
}

fn party(attested: &Attested, side: Side) -> String {
    let name = attested.agreement.name(side);
    let signed = attested.signed.iter().find(|it| it.kind == "agreement" && it.signer == name);
    let root = signed.map(|it| it.certified_by.as_str()).unwrap_or_default();
    format!("{name}, certified by {root}")
}

fn day(at: Timestamp) -> String {
    at.to_string()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|it| it.to_uppercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}

/// A text as a person may read it, of a length that a page holds.
fn shown(text: &str) -> String {
    let text = Text::from(text);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

/// The bytes behind base64.
fn decoded(text: &str) -> Result<Vec<u8>, String> {
    BASE64_STANDARD.decode(text).map_err(|error| error.to_string())
}
