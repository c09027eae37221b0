//! The merchant's half: draws an agreement up, signs it, and forgets what came to nothing.

use std::collections::HashMap;
use std::time::Duration;

use semper_archive::{ArchiveError, OpeningRow, Write};
use semper_base::cose::CoseError;
use semper_base::{DealId, Digest, Timestamp, cbor, keys};
use semper_items::agreement::AgreementError;
use semper_items::{Agreement, Hello, Side, SignedAgreement};
use semper_runtime::stop::{Needed, Stop};
use semper_transfer::opening::{Effect, Event, Merchant, Refusal};
use semper_trust::VerifiedTerms;

use super::{MAX_HELLO, MAX_STATE, OpeningError, damaged, sign};
use crate::host::Host;

/// How far the two clocks may be apart.
const SKEW_MS: u64 = 5 * 60 * 1000;
/// How long a merchant's signature waits for the buyer's.
const COUNTERSIGN: Duration = Duration::from_secs(15 * 60);
/// How long a deal may last.
const LIFETIME: Duration = Duration::from_secs(365 * 86_400);
/// How long an opening is kept after nobody can finish it any more: whoever comes too late is told
/// so, and a HELLO that comes again gets the answer that it had.
const KEPT: Duration = Duration::from_secs(15 * 60);
/// Openings that are looked at together.
const PAGE: u32 = 200;

impl Host {
    /// A HELLO has come: the merchant's signed agreement, or why not.
    pub fn answer_hello(
        &self,
        bytes: &[u8],
        current: &VerifiedTerms,
    ) -> Result<Vec<u8>, OpeningError> {
        let hello: Hello = cbor::decode(bytes, MAX_HELLO)?;
        let nonce = hello.nonce;
        let now = self.now();
        let row = match self.archive().opening(nonce)? {
            Some(row) => row,
            None => self.first_opening(hello, current, now)?,
        };
        // What was stored first is what everybody who says this HELLO gets, whoever else says it now.
        let (machine, effects) = self.merchant(&row)?.step(Event::Tick, now);
        self.drive_merchant(nonce, current, machine, effects)?.ok_or(OpeningError::Stuck)
    }

    /// Draws up and stores an opening, unless somebody else has been quicker; what is stored then.
    fn first_opening(
        &self,
        hello: Hello,
        current: &VerifiedTerms,
        now: Timestamp,
    ) -> Result<OpeningRow, OpeningError> {
        let nonce = hello.nonce;
        let (machine, _) = Merchant::start(self.draw_up(hello, current, now)?);
        self.archive().commit(vec![Write::NewOpening(merchant_row(nonce, &machine))])?;
        self.archive().opening(nonce)?.ok_or_else(|| damaged(&"it has not been stored"))
    }

    /// The buyer's signature has come: the deal is open.
    pub fn answer_agreed(&self, id: DealId, bytes: &[u8]) -> Result<(), OpeningError> {
        // One that came to nothing is forgotten after a while.
        let forgotten = || OpeningError::Refused(Refusal::Expired);
        let row = self.archive().opening_of(id)?.ok_or_else(forgotten)?;
        let machine = self.merchant(&row)?;
        let now = self.now();
        let signed = SignedAgreement::verify(bytes, Side::Buyer, &self.verifier(), now);
        let signed = signed.map_err(not_certified)?;
        let terms = self.shelf().get(signed.agreement.hello.terms, now)?;
        let event = Event::Received(signed.agreement, signed.bytes);
        let (machine, effects) = machine.step(event, now);
        self.drive_merchant(row.nonce, &terms, machine, effects)?;
        Ok(())
    }

    /// Forgets openings that came to nothing, a while after their time; how many are under way.
    ///
    /// # Errors
    /// When the archive cannot be used; what is left is forgotten the next time.
    pub fn forget_openings(&self, seen: &mut Forgotten) -> Result<usize, ArchiveError> {
        let (now, mut after, mut left) = (self.now(), i64::MIN, 0);
        let mut refused = HashMap::new();
        loop {
            let page = self.archive().openings_under_way(after, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            let mut over = Vec::new();
            for (_, row) in page {
                let until = match cbor::decode::<Merchant>(&row.state, MAX_STATE) {
                    Ok(Merchant::Signing(it) | Merchant::Offered(it, _)) => it.countersign_by,
                    // What has no date of its own is kept from when it was seen here.
                    Ok(Merchant::Refused(_)) => {
                        let since = seen.refused.get(&row.nonce).copied().unwrap_or(now);
                        refused.insert(row.nonce, since);
                        since
                    }
                    // A deal is there, or something that is not ours to throw away.
                    Ok(Merchant::Open(..)) | Err(_) => continue,
                };
                if now > until.after(KEPT) {
                    refused.remove(&row.nonce);
                    over.push(Write::ForgetOpening(row.nonce));
                } else {
                    left += 1;
                }
            }
            if !over.is_empty() {
                self.archive().commit(over)?;
            }
        }
        seen.refused = refused;
        Ok(left)
    }

    /// A merchant's machine: as it was stored, or, once its deal is there, made of the deal's
    /// agreement and the two signatures in the evidence.
    fn merchant(&self, row: &OpeningRow) -> Result<Merchant, OpeningError> {
        if !row.state.is_empty() {
            return cbor::decode(&row.state, MAX_STATE).map_err(|it| damaged(&it));
        }
        let missing = || damaged(&"a part of it is missing");
        let id = row.deal.ok_or_else(missing)?;
        let deal = self.archive().deal(id)?.ok_or_else(missing)?;
        let agreement = Agreement::decode(&deal.agreement).map_err(|it| damaged(&it))?;
        let all = self.archive().evidence(Some(id))?;
        let token = |side| {
            let name = agreement.name(side);
            let signed = all.iter().find(|it| it.kind == "agreement" && it.signer == name);
            signed.map(|it| it.bytes.clone()).ok_or_else(missing)
        };
        let (ours, theirs) = (token(Side::Seller)?, token(Side::Buyer)?);
        Ok(Merchant::Open(agreement, ours, theirs))
    }

    fn draw_up(
        &self,
        hello: Hello,
        current: &VerifiedTerms,
        now: Timestamp,
    ) -> Result<Agreement, OpeningError> {
        let no = |why| Err(OpeningError::Refused(why));
        if hello.terms != current.digest() || hello.merchant != current.merchant().name {
            return no(Refusal::UnknownTerms(hello.terms.to_string()));
        }
        if hello.made.millis().abs_diff(now.millis()) > SKEW_MS {
            let (buyer, merchant) = (hello.made.to_string(), now.to_string());
            return no(Refusal::Clock { buyer, merchant });
        }
        let accepted = &current.terms().payment;
        let Some(payment) = self.payments().negotiate(&hello.payment, accepted) else {
            let buyer = semper_payment::words(&hello.payment);
            let terms = self.payments().words(accepted);
            return no(Refusal::NoPayment { buyer, terms });
        };
        let payment = payment.to_owned();
        let nonce = Digest::from_bytes(keys::random());
        Ok(Agreement {
            hello,
            nonce,
            keys: self.tinguin().deal_keys(nonce)?,
            payment,
            countersign_by: now.after(COUNTERSIGN),
            expires: now.after(LIFETIME),
        })
    }

    /// Carries out a merchant's effects; AGREE, if it is to be sent.
    fn drive_merchant(
        &self,
        nonce: Digest,
        terms: &VerifiedTerms,
        mut machine: Merchant,
        mut effects: Vec<Effect>,
    ) -> Result<Option<Vec<u8>>, OpeningError> {
        loop {
            let mut event = None;
            for effect in effects {
                match effect {
                    Effect::Persist => {
                        if !matches!(machine, Merchant::Open(..)) {
                            self.archive()
                                .commit(vec![Write::Opening(merchant_row(nonce, &machine))])?;
                        }
                    }
                    Effect::Sign(agreement) => {
                        event = Some(sign(self, nonce, &agreement, terms, false)?);
                    }
                    Effect::SendAgree(token) => return Ok(Some(token)),
                    Effect::Opened(_) => {
                        let Merchant::Open(agreement, ours, theirs) = &machine else { continue };
                        let (buyer, seller) =
                            (agreement.name(Side::Buyer), agreement.name(Side::Seller));
                        let signed = [(seller, ours.as_slice()), (buyer, theirs.as_slice())];
                        let stored = Write::Opening(merchant_row(nonce, &machine));
                        let with = vec![stored, Write::Opened(nonce)];
                        self.open(agreement, Side::Seller, "", signed, with)?;
                    }
                    Effect::SendAccepted(_) => return Ok(None),
                    Effect::Refuse(why) => return Err(OpeningError::Refused(why)),
                    Effect::SendHello(_) | Effect::SendAgreed(..) => {}
                }
            }
            let Some(event) = event else { return Ok(None) };
            (machine, effects) = machine.step(event, self.now());
        }
    }
}

/// A buyer whose certificate does not count, or cannot be told about now, keeps to the protocol.
fn not_certified(error: AgreementError) -> OpeningError {
    match &error {
        AgreementError::Signature(cose) if cose.is_passing() => {
            Stop::away(Needed::Terms, cose).into()
        }
        AgreementError::Signature(CoseError::Certificate(why)) => {
            OpeningError::Refused(Refusal::Certificate(why.to_string()))
        }
        _ => error.into(),
    }
}

/// What is known between two looks of [`Host::forget_openings`].
#[derive(Debug, Default)]
pub struct Forgotten {
    /// Since when refused openings have been seen.
    refused: HashMap<Digest, Timestamp>,
}

fn merchant_row(nonce: Digest, machine: &Merchant) -> OpeningRow {
    let deal = match machine {
        Merchant::Signing(it) | Merchant::Offered(it, _) | Merchant::Open(it, ..) => Some(it.id()),
        Merchant::Refused(_) => None,
    };
    let state = cbor::encode(machine);
    let (side, address) = (Side::Seller, String::new());
    OpeningRow { nonce, deal, side, address, state }
}
