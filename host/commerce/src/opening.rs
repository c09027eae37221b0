//! Drivers of the opening: they carry out what `semper_transfer::opening` decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use semper_archive::{Archive, ArchiveError, OpeningRow, Write};
use semper_base::cbor::{self, CborError};
use semper_base::cose::CoseError;
use semper_base::{DealId, Digest, Mend, Timestamp, keys};
use semper_items::agreement::{AgreementError, Attributes, MAX_SIGNED};
use semper_items::{Agreement, Hello, Side, SignedAgreement};
use semper_net::NetError;
use semper_tinguin_protocol::{ClientError, DealContext};
use semper_transfer::opening::{Buyer, Effect, Event, Merchant, Refusal};
use semper_trust::VerifiedTerms;

use semper_runtime::stop::{Needed, Stop};

use crate::host::Host;
use crate::terms::TermsError;

/// Media type of HELLO.
pub const HELLO: &str = "application/vnd.semper.hello.v1+cbor";
/// Media type of signed agreements.
pub const AGREEMENT: &str = "application/vnd.semper.agreement.v1";
/// Largest HELLO.
pub const MAX_HELLO: usize = 4096;
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
/// Tries of one step, and steps to which nobody answers, before an opening is given up.
const TRIES: u32 = 5;

/// Why a deal is not open.
#[derive(Debug, thiserror::Error, Mend)]
pub enum OpeningError {
    /// One side refused.
    #[error("the deal was not opened: {0}")]
    #[mend(by = after)]
    Refused(Refusal),
    /// The other side's agreement.
    #[error(transparent)]
    #[mend("{LEAVE}")]
    Agreement(#[from] AgreementError),
    /// Not HELLO, or not canonical.
    #[error("not an opening: {0}")]
    #[mend("{LEAVE}")]
    Form(#[from] CborError),
    /// The TINGUIN.
    #[error(transparent)]
    #[mend(from)]
    Tinguin(#[from] ClientError),
    /// The way.
    #[error(transparent)]
    #[mend(from)]
    Net(#[from] NetError),
    /// The archive.
    #[error(transparent)]
    #[mend(from)]
    Archive(#[from] ArchiveError),
    /// Terms.
    #[error(transparent)]
    #[mend(from)]
    Terms(#[from] TermsError),
    /// Starting the deal.
    #[error(transparent)]
    #[mend(from)]
    Stop(#[from] Stop),
    /// The merchant answers something that is no answer.
    #[error("the merchant answers with status {0}")]
    #[mend("{LEAVE}")]
    Status(u16),
    /// Nobody at the other side opens deals now.
    #[error("the other side's host answers, but cannot open the deal now")]
    #[mend("buy again later")]
    Stuck,
    /// The buyer has signed, and whether the deal is open is not known yet.
    #[error(
        "you have signed the agreement with {peer}, and whether the deal is open is not known yet: {why}"
    )]
    #[mend("semper deals --resume asks again; semper cancel {} leaves it", nonce.short())]
    Unconfirmed {
        /// The merchant.
        peer: String,
        /// By which it is found.
        nonce: Digest,
        /// Why it is not known.
        why: Box<OpeningError>,
    },
}

/// An opening of a buyer's that is neither open nor refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// By which it is found.
    pub nonce: Digest,
    /// The deal that comes of it, once an agreement has been drawn up.
    pub deal: Option<DealId>,
    /// The merchant.
    pub peer: String,
    /// Where it is reached.
    pub address: String,
    /// The terms.
    pub terms: Digest,
    /// When it was begun.
    pub made: Timestamp,
    /// How far it has come.
    pub stage: Stage,
}

/// How far an opening has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The merchant has not answered.
    Asking,
    /// The merchant has signed, and the buyer has not: the question in the TINGUIN.
    Signing(Digest),
    /// Both have signed; the merchant has not said that it knows.
    Confirming,
}

impl Pending {
    /// The opening of a row; none if there is nothing to go on with.
    fn of(row: &OpeningRow) -> Result<Option<Self>, OpeningError> {
        // An opening whose deal is there has no state of its own any more.
        if row.side != Side::Buyer || row.state.is_empty() {
            return Ok(None);
        }
        let machine: Buyer = cbor::decode(&row.state, MAX_STATE).map_err(|it| damaged(&it))?;
        let (hello, stage) = match machine {
            Buyer::Asking(hello) => (hello, Stage::Asking),
            Buyer::Signing(it, _) => {
                let question = question(row.nonce, &it);
                (it.hello, Stage::Signing(question))
            }
            Buyer::Confirming(it, ..) => (it.hello, Stage::Confirming),
            Buyer::Open(..) | Buyer::Refused(_) => return Ok(None),
        };
        Ok(Some(Self {
            nonce: row.nonce,
            deal: row.deal,
            peer: hello.merchant,
            address: row.address.clone(),
            terms: hello.terms,
            made: hello.made,
            stage,
        }))
    }

    /// What it waits for, in words.
    pub const fn waits_for(&self) -> &'static str {
        match self.stage {
            Stage::Asking => "waits for the merchant's answer; nothing is signed",
            Stage::Signing(_) => "waits for your decision, in the TINGUIN",
            Stage::Confirming => "you have signed; waits for the merchant to say that it is open",
        }
    }
}

/// A buyer's openings that are under way.
///
/// # Errors
/// When the archive cannot be read, or holds what is none.
pub fn pending(archive: &Archive) -> Result<Vec<Pending>, OpeningError> {
    let mut all = Vec::new();
    for row in archive.openings()? {
        all.extend(Pending::of(&row)?);
    }
    Ok(all)
}

const LEAVE: &str = "do not deal with this host; it does not keep to the protocol";

/// What to do after a refusal.
fn after(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NoPayment { .. } => {
            "open an account where the merchant has one: semper account open; the home pays from it then"
                .into()
        }
        Refusal::Clock { .. } => "set the clock".into(),
        Refusal::Certificate(_) => {
            "semper renew; where it is over or revoked, semper register".into()
        }
        Refusal::UnknownTerms(_) => "fetch the merchant's terms again".into(),
        _ => "nothing was ordered; you may open another deal".into(),
    }
}

/// Leaves an opening that the buyer has not signed: nothing is stored of it, or sent, any more.
/// False if there is none, or if she has signed: then the merchant may know it.
///
/// # Errors
/// When the archive cannot be used.
pub fn leave(archive: &Archive, nonce: Digest) -> Result<bool, OpeningError> {
    loop {
        let Some(row) = archive.opening(nonce)? else { return Ok(false) };
        match Pending::of(&row)? {
            Some(it) if it.stage != Stage::Confirming => {}
            _ => return Ok(false),
        }
        // A host may take it on in the meantime; then it is looked at again.
        archive.commit(vec![Write::LeaveOpening(nonce, row.state)])?;
        if archive.opening(nonce)?.is_none() {
            return Ok(true);
        }
    }
}

impl Host {
    /// Opens a deal as the buyer, under verified terms, with the merchant at `address`.
    ///
    /// # Errors
    /// Why it is not open. Nothing is left of it then, and nothing is opened later: unless the buyer
    /// has signed already ([`OpeningError::Unconfirmed`]).
    pub fn open_as_buyer(
        self: &Arc<Self>,
        terms: &VerifiedTerms,
        address: &str,
    ) -> Result<DealId, OpeningError> {
        let nonce = Digest::from_bytes(keys::random());
        let hello = Hello {
            nonce,
            terms: terms.digest(),
            merchant: terms.merchant().name.clone(),
            buyer: self.identity()?.0,
            keys: self.tinguin().deal_keys(nonce)?,
            attributes: Attributes::default(),
            payment: self.payments().ways(),
            made: self.now(),
        };
        let (machine, mut effects) = Buyer::start(hello);
        effects.retain(|it| *it != Effect::Persist);
        self.archive().commit(vec![Write::Opening(buyer_row(nonce, address, &machine))])?;
        let opened = self.drive_buyer(nonce, address, machine, effects);
        opened.map_err(|why| self.not_opened(nonce, why))
    }

    /// Ends an opening that has failed, so that nobody goes on with it unasked. What the buyer has
    /// signed cannot be ended by her alone: the merchant may know it.
    fn not_opened(&self, nonce: Digest, why: OpeningError) -> OpeningError {
        let pending = self.archive().opening(nonce).map_err(OpeningError::from);
        match pending.and_then(|row| row.map_or(Ok(None), |row| Pending::of(&row))) {
            Ok(Some(Pending { stage: Stage::Confirming, peer, .. })) => {
                OpeningError::Unconfirmed { peer, nonce, why: Box::new(why) }
            }
            Ok(Some(_)) => leave(self.archive(), nonce).map_or_else(|error| error, |_| why),
            // Refused, or left meanwhile.
            Ok(None) | Err(_) => why,
        }
    }

    /// Goes on with every opening of ours that is neither open nor refused.
    ///
    /// # Errors
    /// The first that could not be gone on with; the others have been.
    pub fn resume_openings(self: &Arc<Self>) -> Result<Vec<DealId>, OpeningError> {
        let (mut opened, mut failed) = (Vec::new(), None);
        for it in pending(self.archive())? {
            match self.resume_opening(it.nonce) {
                Ok(id) => opened.extend(id),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(opened), Err)
    }

    /// Goes on with an opening of ours; none if it comes to nothing.
    ///
    /// # Errors
    /// It could not be gone on with now.
    pub fn resume_opening(self: &Arc<Self>, nonce: Digest) -> Result<Option<DealId>, OpeningError> {
        let Some(row) = self.archive().opening(nonce)? else { return Ok(None) };
        if Pending::of(&row)?.is_none() {
            return Ok(None);
        }
        let machine: Buyer = cbor::decode(&row.state, MAX_STATE).map_err(|it| damaged(&it))?;
        let (machine, effects) = machine.step(Event::Tick, self.now());
        match self.drive_buyer(nonce, &row.address, machine, effects) {
            Ok(id) => Ok(Some(id)),
            Err(OpeningError::Refused(why)) => {
                self.notice(DealId::new(nonce), &format!("the opening came to nothing: {why}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Carries out effects and feeds back what comes of them, until the deal is open or not.
    fn drive_buyer(
        self: &Arc<Self>,
        nonce: Digest,
        address: &str,
        mut machine: Buyer,
        mut effects: Vec<Effect>,
    ) -> Result<DealId, OpeningError> {
        let mut unanswered = 0;
        while unanswered < TRIES {
            let mut event = Event::Tick;
            for effect in effects {
                match effect {
                    Effect::Persist => {
                        // Opening and deal are stored together; see `Effect::Opened`.
                        if !matches!(machine, Buyer::Open(..)) {
                            let row = buyer_row(nonce, address, &machine);
                            self.archive().commit(vec![Write::NextOpening(row)])?;
                            self.still_wanted(nonce)?;
                        }
                    }
                    Effect::SendHello(hello) => {
                        event = self.say_hello(address, &hello)?;
                    }
                    Effect::Sign(agreement) => event = self.sign_as_buyer(nonce, &agreement)?,
                    Effect::SendAgreed(id, token) => {
                        event = self.say_agreed(nonce, address, id, token)?;
                    }
                    Effect::Opened(_) => {
                        let Buyer::Open(agreement, theirs, ours) = &machine else { continue };
                        let (buyer, seller) =
                            (agreement.name(Side::Buyer), agreement.name(Side::Seller));
                        let signed = [(seller, theirs.as_slice()), (buyer, ours.as_slice())];
                        let row = Write::Opening(buyer_row(nonce, address, &machine));
                        let with = vec![row, Write::Opened(nonce)];
                        return Ok(self.open(agreement, Side::Buyer, address, signed, with)?);
                    }
                    Effect::Refuse(why) => return Err(OpeningError::Refused(why)),
                    Effect::SendAgree(_) | Effect::SendAccepted(_) => {}
                }
            }
            if event == Event::Tick {
                unanswered += 1;
                self.clock().sleep(Duration::from_millis(500));
            }
            (machine, effects) = machine.step(event, self.now());
        }
        Err(OpeningError::Stuck)
    }

    /// The person may have left the opening meanwhile: nothing is stored of it, or sent, any more.
    fn still_wanted(&self, nonce: Digest) -> Result<(), OpeningError> {
        match self.archive().opening(nonce)? {
            Some(_) => Ok(()),
            None => Err(OpeningError::Refused(Refusal::Declined("you have left it".into()))),
        }
    }

    fn say_hello(&self, address: &str, hello: &Hello) -> Result<Event, OpeningError> {
        let url = format!("{address}/semper/v1/deals");
        let (body, nonce) = (cbor::encode(hello), hello.nonce);
        self.still_wanted(nonce)?;
        let Some(response) = self.try_post(nonce, &url, HELLO, &body)? else {
            return Ok(Event::Tick);
        };
        match response.status {
            200 => {
                let now = self.now();
                let signed =
                    SignedAgreement::verify(&response.body, Side::Seller, &self.verifier(), now)?;
                Ok(Event::Received(signed.agreement, signed.bytes))
            }
            _ => refusal(&response),
        }
    }

    fn sign_as_buyer(&self, nonce: Digest, agreement: &Agreement) -> Result<Event, OpeningError> {
        let terms = self.shelf().get(agreement.hello.terms, self.now())?;
        let peer = agreement.name(Side::Seller);
        let known = self.archive().knows(peer)?;
        sign(self, nonce, agreement, &terms, known)
    }

    fn say_agreed(
        &self,
        nonce: Digest,
        address: &str,
        id: DealId,
        token: Vec<u8>,
    ) -> Result<Event, OpeningError> {
        let url = format!("{address}/semper/v1/deals/{}", id.hex());
        let Some(response) = self.try_post(nonce, &url, AGREEMENT, &token)? else {
            return Ok(Event::Tick);
        };
        match response.status {
            200 => Ok(Event::Accepted(id)),
            _ => refusal(&response),
        }
    }

    /// Posts; `None` when nobody answers now. Whoever waits is told why.
    fn try_post(
        &self,
        nonce: Digest,
        url: &str,
        media_type: &str,
        body: &[u8],
    ) -> Result<Option<semper_net::Response>, OpeningError> {
        for attempt in 0..TRIES {
            match self.net().post(url, media_type, body.to_vec(), MAX_SIGNED + 1024) {
                // A server or a way that has a fault is no word of the merchant's.
                Ok(response) if response.status >= 500 => {
                    let why =
                        format!("its host cannot open deals now (status {})", response.status);
                    self.waiting_for_merchant(nonce, attempt, &why);
                }
                Ok(response) => return Ok(Some(response)),
                Err(error) if !error.is_passing() || attempt + 1 == TRIES => {
                    return Err(error.into());
                }
                Err(_) => self.waiting_for_merchant(nonce, attempt, "it cannot be reached now"),
            }
            self.clock().sleep(Duration::from_millis(200 << attempt));
        }
        Ok(None)
    }

    /// Says why an opening does not get on, once for each series of tries.
    fn waiting_for_merchant(&self, nonce: Digest, attempt: u32, why: &str) {
        if attempt == 1 {
            let words = format!("waiting for the merchant to open the deal: {why}; asked again");
            self.notice(DealId::new(nonce), &words);
        }
    }

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

/// What our own archive holds of an opening cannot be read: that says nothing about the other side.
fn damaged(why: &dyn std::fmt::Display) -> OpeningError {
    Stop::broken(format!("a stored opening: {why}")).into()
}

/// Largest stored state of an opening.
const MAX_STATE: usize = 4 * MAX_SIGNED;

fn buyer_row(nonce: Digest, address: &str, machine: &Buyer) -> OpeningRow {
    let deal = match machine {
        Buyer::Signing(it, _) | Buyer::Confirming(it, ..) | Buyer::Open(it, ..) => Some(it.id()),
        Buyer::Asking(_) | Buyer::Refused(_) => None,
    };
    let state = cbor::encode(machine);
    let (side, address) = (Side::Buyer, address.into());
    OpeningRow { nonce, deal, side, address, state }
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

/// By what the TINGUIN knows the question whether to open this deal.
fn question(nonce: Digest, agreement: &Agreement) -> Digest {
    let id = agreement.id();
    Digest::of_parts(&[b"semper/agreement/v1", nonce.as_bytes(), id.digest().as_bytes()])
}

/// Has the TINGUIN sign an agreement: what comes of it, as an event.
fn sign(
    host: &Host,
    nonce: Digest,
    agreement: &Agreement,
    terms: &VerifiedTerms,
    known: bool,
) -> Result<Event, OpeningError> {
    let service = terms.service();
    let context = DealContext {
        service: format!("{} {}", service.name, service.version),
        // Certificates that do not reach the threshold certify nothing.
        certified_by: if terms.grants().certified { terms.certified_by() } else { Vec::new() },
        known,
        warnings: terms.warnings().to_vec(),
    };
    match host.tinguin().sign_agreement(question(nonce, agreement), agreement, context) {
        Ok(token) => Ok(Event::Signed(token)),
        Err(ClientError::Declined(why)) => Ok(Event::Declined(why)),
        Err(other) => Err(other.into()),
    }
}

fn refusal(response: &semper_net::Response) -> Result<Event, OpeningError> {
    match serde_json::from_slice::<Refusal>(&response.body) {
        Ok(why) => Ok(Event::Refused(why)),
        Err(_) => Err(OpeningError::Status(response.status)),
    }
}
