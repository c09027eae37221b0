//! Carrying out what an application asks. It sees its own purchases alone, and decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use semper_archive::ProposalRow;
use semper_base::cert::Revocation;
use semper_base::{Digest, Report, cbor, keys, text};
use semper_examine::receipt;
use semper_host_protocol::application::{
    Answered, Call, Look, MAX_ANSWERS, MAX_WAIT_MS, Merchant, Merchants, OfMerchant, OfPurchase,
    Purchases, Receipt, ReceiptPart, ReceiptRow, Start, Started, State, TermsInWords,
};
use semper_host_protocol::link;
use semper_host_protocol::protocol::MAX_TEXT;
use semper_items::Side;
use semper_tinguin_protocol::screen::Question;
use semper_tinguin_protocol::{Answer, Filled};
use semper_trust::VerifiedTerms;
use serde::Serialize;
use serde_json::Value;

use super::pairing::Paired;
use super::views::unwritable;
use super::{Open, PATIENCE, fill_in};
use crate::buying::{admitted, may_pay};
use crate::ears::Tell;
use crate::resident::Resident;
use semper_host_protocol::Gone;

/// Purchases in a list, at most.
const LISTED: usize = 100;
/// Purchases of one application that are not over, at most.
const UNDER_WAY: usize = 16;
/// How often a look is taken when nobody says that something has changed.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is looked for questions that no application looks at any more.
const MINDED: Duration = Duration::from_secs(20);

impl Resident {
    /// Carries out what an application asks; the answer as JSON.
    ///
    /// # Errors
    /// It may not do that, there is no such purchase, or it cannot be done now.
    pub fn call(
        self: &Arc<Self>,
        application: &Paired,
        call: Call,
        gone: &Gone,
    ) -> Result<Value, Report> {
        let wanted = call.scope();
        if !application.may.contains(&wanted) {
            let what = format!(
                "“{}” may not do that: it is not allowed to {}",
                application.name,
                wanted.means()
            );
            return Err(Report::refusal(what, "remove the application, and pair it with more"));
        }
        match call {
            Call::Merchants => json(&self.merchants()?),
            Call::Terms(OfMerchant { merchant }) => json(&self.terms_in_words(&merchant)?),
            Call::Start(start) => json(&self.start_for(application, start)?),
            Call::Purchases => json(&self.purchases_of(application)?),
            Call::Purchase(look) => self.look_at(application, &look, gone),
            Call::Answer(answered) => self.answer_for(application, &answered),
            Call::Receipt(of) => json(&self.receipt_for(application, &of)?),
        }
    }

    /// Questions that an application does not look at for long are put to the person.
    pub(crate) fn mind_the_forsaken(self: &Arc<Self>) {
        let (weak, keeper) = (Arc::downgrade(self), self.keeper().clone());
        drop(self.keeper().job("applications", move |_| {
            while keeper.ending().pause(MINDED) {
                let Some(this) = weak.upgrade() else { break };
                for deal in this.applications().forsaken(PATIENCE) {
                    this.host().wake(deal);
                }
            }
        }));
    }

    fn merchants(&self) -> Result<Merchants, Report> {
        let met = self.host().archive().merchants_met(LISTED)?.into_iter();
        let merchants =
            met.map(|(name, address, deals)| Merchant { name, address, deals }).collect();
        Ok(Merchants { merchants })
    }

    fn terms_in_words(&self, merchant: &str) -> Result<TermsInWords, Report> {
        let terms = self.terms(&address(merchant)?, None, &silent())?;
        Ok(in_words(&terms))
    }

    fn start_for(self: &Arc<Self>, by: &Paired, start: Start) -> Result<Started, Report> {
        let address = address(&start.merchant)?;
        let answers = bounded(start)?;
        self.has_room(by)?;
        self.host().identity()?;
        let terms = self.terms(&address, None, &silent())?;
        admitted(&terms)?;
        // Compiled while the person decides.
        drop(self.host().prepare(&terms, Side::Buyer, self.keeper()));
        let nonce = Digest::from_bytes(keys::random());
        self.applications().begins(ProposalRow {
            nonce,
            application: Some(by.number),
            by: by.name.clone(),
            address: address.clone(),
            begun: self.host().now(),
            answers,
            outcome: String::new(),
        })?;
        self.openings().begin(nonce, &terms, &address);
        let this = Arc::clone(self);
        drop(self.keeper().job("opening", move |_| {
            let outcome = match this.opened(nonce, &Gone::default(), false) {
                Ok(Some(_)) => return this.applications().look(),
                Ok(None) => "it was left".to_owned(),
                // The next start of the host goes on with it.
                Err(_) if this.keeper().ending().is_over() => return,
                Err(report) => report.what,
            };
            this.applications().came_to_nothing(nonce, outcome);
        }));
        Ok(Started { purchase: nonce.hex() })
    }

    /// An application that asks for more than a person can follow is told to wait.
    fn has_room(&self, by: &Paired) -> Result<(), Report> {
        let mine = self.host().archive().proposals_of(by.number, LISTED)?;
        let mut under_way = 0;
        for row in &mine {
            match self.standing(row)?.0.state {
                State::Opening => {
                    let what = "a purchase of this application is still being opened";
                    let mend = "wait until the person has decided about it in the TINGUIN";
                    return Err(Report::refusal(what, mend));
                }
                State::Open => under_way += 1,
                State::Completed | State::Withdrawn | State::Failed => {}
            }
        }
        if under_way >= UNDER_WAY {
            let what = format!("{UNDER_WAY} purchases of this application are under way");
            return Err(Report::refusal(what, "wait until one of them is over"));
        }
        Ok(())
    }

    fn purchases_of(&self, by: &Paired) -> Result<Purchases, Report> {
        let rows = self.host().archive().proposals_of(by.number, LISTED)?;
        let standings = rows.iter().map(|row| Ok(self.standing(row)?.0));
        Ok(Purchases { purchases: standings.collect::<Result<_, Report>>()? })
    }

    /// A purchase of this application's own; of another's it hears as little as of one that is not.
    fn own_purchase(&self, by: &Paired, purchase: &str) -> Result<ProposalRow, Report> {
        let row = match Digest::from_hex(purchase) {
            Ok(nonce) => self.host().archive().proposal(nonce)?,
            Err(_) => None,
        };
        row.filter(|it| it.application == Some(by.number)).ok_or_else(|| {
            let what = format!("“{}” has begun no such purchase", by.name);
            Report::input(what, "“purchases” lists those that it has begun")
        })
    }

    fn look_at(&self, by: &Paired, look: &Look, gone: &Gone) -> Result<Value, Report> {
        let row = self.own_purchase(by, &look.purchase)?;
        let until = Instant::now() + Duration::from_millis(look.wait_ms.min(MAX_WAIT_MS));
        loop {
            self.applications().looks(&row.nonce);
            let seen = self.applications().count();
            if !self.host().archive().is_paired(by.number)? {
                let what = "the application is not paired any more";
                return Err(Report::refusal(what, "the person has taken it back"));
            }
            // Its outcome may have been stored meanwhile.
            let row = self.own_purchase(by, &look.purchase)?;
            let view = self.in_words(&row)?;
            let left = until.saturating_duration_since(Instant::now());
            let known = look.unless.as_ref() == Some(&view.version);
            if !known || left.is_zero() || gone.is_set() || self.keeper().ending().is_over() {
                return json(&view);
            }
            self.applications().wait(seen, left.min(LOOK));
        }
    }

    fn answer_for(&self, by: &Paired, answered: &Answered) -> Result<Value, Report> {
        let row = self.own_purchase(by, &answered.purchase)?;
        let open = self.applications().question(&row.nonce);
        let Some(open) = open.filter(|it| it.key.hex() == answered.question) else {
            let what = "no such question waits for an answer of this application";
            return Err(Report::input(what, "“purchase” says which question waits now"));
        };
        if answered.to_the_person {
            self.applications().done_with(&row.nonce, open.key, true);
            self.host().wake(open.deal);
            return json(&self.in_words(&row)?);
        }
        let answer = checked(answered, &open)?;
        let filled = Filled { by: by.name.clone(), answer: answer.clone() };
        let counts = self.host().tinguin().fill(open.key, open.deal, open.question, filled)?;
        self.applications().done_with(&row.nonce, open.key, false);
        self.host().wake(open.deal);
        if counts != answer {
            let what = "the question has been answered already, in another way";
            return Err(Report::input(what, "“purchase” says which question waits now"));
        }
        json(&self.in_words(&row)?)
    }

    fn receipt_for(&self, by: &Paired, of: &OfPurchase) -> Result<Receipt, Report> {
        let row = self.own_purchase(by, &of.purchase)?;
        let (standing, deal) = self.standing(&row)?;
        let over = matches!(standing.state, State::Completed | State::Failed | State::Withdrawn);
        let Some(deal) = deal.filter(|_| over) else {
            let what = "there is no receipt: no deal of this purchase has ended";
            return Err(Report::refusal(what, "wait until the purchase is completed"));
        };
        let party = self.party();
        let verifier = party.trust_of(&deal)?.authorities.asking(Revocation::EVIDENCE);
        let drawn = receipt::Receipt::of_deal(&party.archive, &verifier, &deal, None)?;
        let row = |(label, value): &(String, String)| ReceiptRow {
            label: label.clone(),
            value: value.clone(),
        };
        let parts = drawn.page().parts.iter().map(|part| ReceiptPart {
            heading: part.heading.clone(),
            rows: part.rows.iter().map(row).collect(),
        });
        Ok(Receipt {
            title: drawn.page().title.clone(),
            parts: parts.collect(),
            page: drawn.html(),
        })
    }
}

/// The answers that a purchase begins with, encoded.
fn bounded(start: Start) -> Result<Vec<u8>, Report> {
    let texts = start.answers.iter().flat_map(|(topic, it)| {
        let fields = it.fields.iter().flatten().flat_map(|(name, text)| [name, text]);
        fields.chain(&it.choose).chain([topic])
    });
    let long = texts.map(|it| it.chars().count()).max().unwrap_or_default() > MAX_TEXT;
    let encoded = cbor::encode(&start.answers);
    if long || start.answers.len() > MAX_ANSWERS || encoded.len() > super::MAX_ANSWERS_SIZE {
        let what = format!(
            "answers beforehand are for at most {MAX_ANSWERS} topics, of {MAX_TEXT} characters each, \
             and of {} bytes together",
            super::MAX_ANSWERS_SIZE
        );
        return Err(Report::input(what, "answer the questions when they come"));
    }
    Ok(encoded)
}

/// What an application answers, if it is an answer to the question.
fn checked(answered: &Answered, open: &Open) -> Result<Answer, Report> {
    let fit = |what: &str| Err(Report::input(what, "“purchase” says what is asked"));
    let empty = BTreeMap::new();
    let long = answered.fields.iter().flatten().any(|it| it.1.chars().count() > MAX_TEXT);
    if long {
        return fit(&format!("a field takes at most {MAX_TEXT} characters"));
    }
    let answer = match (&open.question, answered.option, &answered.fields) {
        (Question::Inform { .. }, None, None) => Answer::Seen,
        (Question::Choose { .. }, Some(option), None) => Answer::Choice(option),
        (Question::Form { fields, .. }, None, filled) => {
            let filled = filled.as_ref().unwrap_or(&empty);
            let known = |name: &String| fields.iter().any(|it| it.0 == *name);
            if let Some(name) = filled.keys().find(|name| !known(name)) {
                return fit(&format!("the form has no field “{}”", text::shown(name, 60)));
            }
            fill_in(fields, filled)
        }
        (Question::Inform { .. }, ..) => return fit("a text that is shown takes no answer"),
        (Question::Choose { .. }, ..) => return fit("one of the options is wanted, by its number"),
        (Question::Form { .. }, ..) => {
            return fit("the fields of a form are wanted, by their names");
        }
    };
    match open.question.takes(&answer) {
        true => Ok(answer),
        false => fit("there is no option with this number"),
    }
}

fn in_words(terms: &VerifiedTerms) -> TermsInWords {
    let (service, grants) = (terms.service(), terms.grants());
    let certified_by = if grants.certified { terms.certified_by() } else { Vec::new() };
    TermsInWords {
        merchant: terms.merchant().name.clone(),
        terms: terms.digest().to_string(),
        service: format!("{} {}", service.name, service.version),
        author: terms.author().name.clone(),
        certified_by,
        may: grants.capabilities.iter().map(|it| it.name().to_owned()).collect(),
        may_pay: may_pay(terms).map(str::to_owned),
        cautions: terms.warnings().to_vec(),
    }
}

/// A merchant's address: no user, no path, nothing behind it. Others are shown it.
fn address(text: &str) -> Result<String, Report> {
    link::merchant(text).map_err(|_| {
        let what = format!("“{}” is no address of a merchant", text::shown(text, 100));
        Report::input(what, "give it as https://shop.example")
    })
}

/// Progress that nobody listens to.
fn silent() -> Tell {
    Arc::new(|_| {})
}

fn json<T: Serialize>(value: &T) -> Result<Value, Report> {
    serde_json::to_value(value).map_err(|error| unwritable(&error))
}
