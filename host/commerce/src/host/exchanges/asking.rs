//! What an exchange asks of others, as errands: the third party, and the payment system.

use std::sync::Arc;
use std::time::Duration;

use semper_base::{Mend as _, PublicKey, cbor, fault};
use semper_exchange::Role;
use semper_exchange::bank::{Claim, ClaimRequest, Fact, Order};
use semper_exchange::crypto::{Body, Signed};
use semper_exchange::driven::{AtTheBank, Errand};
use semper_exchange::party::{self, Claimed, Event};
use semper_exchange::standard::Standard;
use semper_exchange::verdict::{Answer, MAX_ANSWER, REQUESTS, Request};
use semper_items::statement::{Content, Statement};
use semper_keeper::Panicked;
use semper_net::Client;
use semper_payment::{Module, PaymentError};

use super::desk::{Came, Desk, Letter};
use super::step::{LOOKS, Live};
use crate::errands::FEW;
use crate::exchange::is_final;
use crate::host::Host;

/// How long a third party may take to answer.
const THIRD_PARTY: Duration = Duration::from_secs(30);
/// Media type of canonical CBOR.
const CBOR: &str = "application/cbor";
/// Largest fact of a payment system, in bytes.
const MAX_FACT: usize = 128 * 1024;

impl Host {
    /// Sends somebody to the third party.
    pub(super) fn ask_third_party(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        live: &mut Live,
        request: Request<Standard>,
    ) {
        let named = live.stored.machine.agreement().third_party.clone();
        // Where it is now, if the present trust file knows; the agreement fixes who it is.
        let (now, then) = (self.means(), &live.means.trust);
        let known = now.trust.third_parties.iter().chain(&then.third_parties);
        let Some(third) = known.into_iter().find(|it| it.named == named) else {
            let text = format!("{} is in no trust file of this home", named.origin);
            self.progress(live.deal.id, text);
            live.underway.back(Errand::ThirdParty);
            return;
        };
        let text = "the third party is asked about the exchange".to_owned();
        self.progress(live.deal.id, text);
        let url = format!("{}{REQUESTS}", third.address);
        let net = live.means.net.within(THIRD_PARTY);
        let ask = move || asked(&net, &url, &request).map(|it| Event::Answer(it).into());
        self.errands.run(&third.address, FEW, ask, self.back(desk, Errand::ThirdParty));
    }

    /// Sends somebody to the payment system.
    pub(super) fn ask_bank(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        live: &mut Live,
        what: AtTheBank<Standard>,
    ) {
        let key = live.stored.machine.agreement().money(payer(&what)).map(|(_, money)| money.bank);
        let module = live.means.payments.module(&live.deal.agreement.payment).cloned();
        let (Ok(module), Some(key)) = (module, key) else {
            let text = "the payment module of this deal is not set up any more".to_owned();
            self.progress(live.deal.id, text);
            while live.underway.back(Errand::Bank).is_some() {}
            live.looks = LOOKS;
            return;
        };
        let claim = match &what {
            AtTheBank::Claim(claimed) => claim_request(live, claimed),
            AtTheBank::Hold(_) => None,
        };
        let (host, asker, module) = (Arc::clone(self), Arc::clone(desk), Arc::clone(&module));
        let system = module.system().to_owned();
        let ask = move || match (&what, claim) {
            (AtTheBank::Hold(order), _) => host.hold(&asker, &*module, order, &key),
            (AtTheBank::Claim(_), Some(claim)) => claimed(&*module, &claim, &key),
            (AtTheBank::Claim(_), None) => None,
        };
        self.errands.run(&system, FEW, ask, self.back(desk, Errand::Bank));
    }

    /// Takes an errand back to its desk. One that has panicked has no answer: it is asked again.
    fn back(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        errand: Errand,
    ) -> impl FnOnce(Result<Option<Came>, Panicked>) + Send + use<> {
        let (host, desk) = (Arc::clone(self), Arc::clone(desk));
        move |answer| host.arrives(&desk, Letter::Back(errand, answer.ok().flatten()))
    }

    /// Has our payment system hold or pay what was agreed to; nothing when it does not answer now.
    fn hold(
        &self,
        desk: &Desk,
        module: &dyn Module,
        order: &Order<Standard>,
        key: &PublicKey,
    ) -> Option<Came> {
        match self.hold_or_not(desk, module, order, key) {
            Ok(fact) => Some(Event::Fact(fact).into()),
            Err(NotHeld::Refused(words)) => {
                let why = Some(format!("the money was not locked: {words}"));
                Some(Came { event: Event::Refused, why })
            }
            Err(NotHeld::Denied(words)) => {
                let why = Some(format!("your TINGUIN does not sign the payment: {words}"));
                Some(Came { event: Event::Denied { kind: <Order<Standard> as Body>::KIND }, why })
            }
            Err(NotHeld::Later(words)) => {
                tracing::warn!(error = words, "money cannot be locked now");
                None
            }
        }
    }

    fn hold_or_not(
        &self,
        desk: &Desk,
        module: &dyn Module,
        order: &Order<Standard>,
        key: &PublicKey,
    ) -> Result<Signed<Standard, Fact<Standard>>, NotHeld> {
        let content = order.statement(module.system().to_owned(), module.account().to_owned());
        let content = Content::HoldOrder(content);
        let statement = Statement { deal: desk.deal, made: self.now(), content };
        let signed = self.tinguin().sign_hold(&statement).map_err(|error| {
            let words = error.to_string();
            if is_final(&error) { NotHeld::Denied(words) } else { NotHeld::Later(words) }
        })?;
        fault::point("exchange.hold");
        let fact = match module.hold(&signed, key) {
            Ok(fact) => fact,
            Err(away @ PaymentError::Away(_)) => return Err(NotHeld::Later(away.to_string())),
            Err(refused) => looked_up(module, order, key, &refused)?,
        };
        fault::point("exchange.held");
        cbor::decode(&fact, MAX_FACT).map_err(|error| NotHeld::Later(error.to_string()))
    }
}

/// A payment system has refused. It may have followed the same order before, with its answer lost;
/// so it is asked where the money stands, and a refusal counts if nothing is held.
fn looked_up(
    module: &dyn Module,
    order: &Order<Standard>,
    key: &PublicKey,
    refused: &PaymentError,
) -> Result<Vec<u8>, NotHeld> {
    let look = cbor::encode(&ClaimRequest::<Standard> {
        exchange: order.exchange,
        leaf: order.leaf,
        third_party: order.third_party,
        claim: Claim::Look,
    });
    module.claim(&look, key).map_err(|error| match error {
        PaymentError::Away(_) => NotHeld::Later(error.to_string()),
        _ => NotHeld::Refused(format!("{refused}; {}", refused.mend())),
    })
}

/// Why money was not held.
enum NotHeld {
    /// The payment system will not; nothing was booked.
    Refused(String),
    /// Our own TINGUIN will not; an earlier order may have been booked.
    Denied(String),
    /// Somebody does not answer now.
    Later(String),
}

/// The third party's answer to a request, if it gives one.
fn asked(net: &Client, url: &str, request: &Request<Standard>) -> Option<Answer<Standard>> {
    if fault::fails("third.ask") {
        return None;
    }
    match net.post(url, CBOR, cbor::encode(request), MAX_ANSWER) {
        Ok(response) if response.status == 200 => {
            let answer = cbor::decode(&response.body, MAX_ANSWER);
            answer.inspect_err(|error| tracing::warn!(%error, url, "no answer")).ok()
        }
        Ok(response) => {
            tracing::warn!(status = response.status, url, "the third party does not answer");
            None
        }
        Err(error) => {
            tracing::warn!(%error, url, "the third party does not answer");
            None
        }
    }
}

/// Whose money a payment system is asked about.
fn payer(what: &AtTheBank<Standard>) -> Role {
    match what {
        AtTheBank::Hold(order) => order.payer_role,
        AtTheBank::Claim(claimed) => claimed.payer,
    }
}

fn claim_request(live: &Live, claimed: &Claimed<Standard>) -> Option<Vec<u8>> {
    let agreement = live.stored.machine.agreement();
    Some(cbor::encode(&ClaimRequest {
        exchange: agreement.subject(),
        leaf: party::money_leaf(agreement, claimed.payer)?,
        third_party: agreement.third_party.sign,
        claim: claimed.claim.clone(),
    }))
}

/// The payment system's word about a claim, if it gives one.
fn claimed(module: &dyn Module, claim: &[u8], key: &PublicKey) -> Option<Came> {
    let fact = module.claim(claim, key);
    let fact = fact.inspect_err(|error| tracing::warn!(%error, "money cannot be claimed now"));
    let fact = cbor::decode(&fact.ok()?, MAX_FACT);
    let fact =
        fact.inspect_err(|error| tracing::warn!(%error, "a payment system's word is no word")).ok();
    fact.map(|it| Event::Fact(it).into())
}
