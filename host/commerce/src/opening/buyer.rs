//! The buyer's half: says HELLO, has the agreement signed, and goes on until the deal is open or not.

use std::sync::Arc;
use std::time::Duration;

use semper_archive::{OpeningRow, Write};
use semper_base::{DealId, Digest, cbor, keys};
use semper_items::agreement::{Attributes, MAX_SIGNED};
use semper_items::{Agreement, Hello, Side, SignedAgreement};
use semper_transfer::opening::{Buyer, Effect, Event, Refusal};
use semper_trust::VerifiedTerms;

use super::{
    AGREEMENT, HELLO, MAX_STATE, OpeningError, Pending, Stage, damaged, leave, pending, sign,
};
use crate::host::Host;

/// Tries of one step, and steps to which nobody answers, before an opening is given up.
const TRIES: u32 = 5;

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
        self.open_named(Digest::from_bytes(keys::random()), terms, address)
    }

    /// As [`Host::open_as_buyer`], by a nonce that was drawn for it: by that the opening can be found
    /// while it is under way.
    ///
    /// # Errors
    /// As there.
    pub fn open_named(
        self: &Arc<Self>,
        nonce: Digest,
        terms: &VerifiedTerms,
        address: &str,
    ) -> Result<DealId, OpeningError> {
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
}

fn buyer_row(nonce: Digest, address: &str, machine: &Buyer) -> OpeningRow {
    let deal = match machine {
        Buyer::Signing(it, _) | Buyer::Confirming(it, ..) | Buyer::Open(it, ..) => Some(it.id()),
        Buyer::Asking(_) | Buyer::Refused(_) => None,
    };
    let state = cbor::encode(machine);
    let (side, address) = (Side::Buyer, address.into());
    OpeningRow { nonce, deal, side, address, state }
}

fn refusal(response: &semper_net::Response) -> Result<Event, OpeningError> {
    match serde_json::from_slice::<Refusal>(&response.body) {
        Ok(why) => Ok(Event::Refused(why)),
        Err(_) => Err(OpeningError::Status(response.status)),
    }
}
