//! From a merchant's address to a deal that is open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use semper_archive::ProposalRow;
use semper_base::{DealId, Digest, Mend as _, Report, cbor, keys};
use semper_commerce::terms;
use semper_distribution::Place;
use semper_host_protocol::link::{self, Link};
use semper_host_protocol::{Done, Said};
use semper_items::Side;
use semper_net::Client;
use semper_trust::{VerifiedTerms, verify};

use crate::ears::Tell;
use crate::openings::ends;
use crate::resident::Resident;
use semper_host_protocol::Gone;

/// One at a time fetches from one place: what breaks off goes on where it stopped.
#[derive(Default)]
pub(crate) struct Places(Mutex<HashMap<String, Arc<Mutex<()>>>>);

impl Places {
    fn turn(&self, place: &str) -> Arc<Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, it| Arc::strong_count(it) > 1);
        Arc::clone(all.entry(place.to_owned()).or_default())
    }
}

impl Resident {
    /// Buys at a merchant's, and stays until the deal is over.
    pub(crate) fn buy(
        self: &Arc<Self>,
        (address, link): (&str, Option<Link>),
        place: Option<&str>,
        tell: &Tell,
        gone: &Gone,
    ) -> Result<Done, Report> {
        let address = address.trim_end_matches('/');
        self.host().identity()?;
        let ear = self.ears().listen(tell);
        let terms = self.terms(address, place, tell)?;
        for line in explained(&terms) {
            note(tell, line);
        }
        admitted(&terms)?;
        if gone.is_set() {
            return Ok(Done::Nothing);
        }
        // Compiled while the deal is being opened.
        let preparing = self.host().prepare(&terms, Side::Buyer, self.keeper());
        let nonce = Digest::from_bytes(keys::random());
        if let Some(link) = link {
            self.applications().begins(ProposalRow {
                nonce,
                application: None,
                by: link::BY.to_owned(),
                address: address.to_owned(),
                begun: self.host().now(),
                answers: cbor::encode(&link.answers),
                outcome: String::new(),
            })?;
        }
        self.ears().hear(&ear, nonce);
        tell(Said::Opening(nonce));
        self.openings().begin(nonce, &terms, address);
        let Some(id) = self.opened(nonce, gone, true)? else { return Ok(Done::Nothing) };
        self.ears().hear(&ear, *id.digest());
        tell(Said::Opened(id));
        if !preparing.is_finished() {
            tell(Said::Preparing);
            // What is wrong with it ends the deal, with its reason.
            let _ = preparing.join();
            tell(Said::Prepared);
        }
        self.follow_deal(id, gone)
    }

    /// A merchant's terms as they are now, verified by lists as they are now.
    pub(crate) fn terms(
        &self,
        address: &str,
        place: Option<&str>,
        tell: &Tell,
    ) -> Result<Arc<VerifiedTerms>, Report> {
        self.take_up_changes()?;
        let host = self.host();
        let lists = host.shelf().lists();
        // Whether what cannot be had matters is decided with the terms.
        for error in lists.refresh(&host.net(), &host.shelf().trust(), Some(address)) {
            note(tell, format!("CAUTION       {error}"));
        }
        self.fetch(address, place, tell)
    }

    /// Downloads and verifies the merchant's terms, saying what comes.
    fn fetch(
        &self,
        address: &str,
        place: Option<&str>,
        tell: &Tell,
    ) -> Result<Arc<VerifiedTerms>, Report> {
        let host = self.host();
        let (net, place) = match place {
            Some(text) => {
                (Client::new(terms::places(&host.shelf().trust())), text.parse::<Place>()?)
            }
            None => (host.net(), Place::Https(format!("{address}{}", terms::WELL_KNOWN))),
        };
        let name = place.to_string();
        let turn = self.places().turn(&name);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        // What breaks off goes on where it stopped; what is whole is in the home then.
        let cache = host.shelf().cache().join(Digest::of(name.as_bytes()).short());
        let told = |name: &str, size: usize| {
            tell(Said::Fetching { name: name.to_owned(), bytes: size as u64 });
        };
        let layout = terms::fetch(&net, &place, Some(cache.clone()), &told);
        tell(Said::Fetched);
        let layout = layout?;
        let _ = std::fs::remove_dir_all(cache);
        // What the merchant shows is refused, whatever is wrong with it.
        host.shelf().take(&layout).map_err(|error| Report::refusal(&error, error.mend()))
    }

    /// Stays with a deal until it is over.
    pub(crate) fn follow_deal(self: &Arc<Self>, id: DealId, gone: &Gone) -> Result<Done, Report> {
        match self.links().follow(id, &|| gone.is_set()) {
            Some(outcome) => match &*outcome {
                Ok(_) => Ok(Done::Deal(id)),
                Err(error) => Err(Report::refusal(
                    error,
                    "the evidence so far is in the archive; semper deals --resume goes on",
                )),
            },
            None if self.nobody_waits(gone) => Ok(Done::Nothing),
            None => Err(ends().into()),
        }
    }

    /// Whether a client has gone by itself. A host that ends sends its clients away, too: those are to
    /// hear that it ends, and not that nothing was opened.
    pub(crate) fn nobody_waits(&self, gone: &Gone) -> bool {
        gone.is_set() && !self.keeper().ending().is_over()
    }
}

pub(crate) fn note(tell: &Tell, text: String) {
    tell(Said::Note { about: None, text });
}

/// Whether a program gets what it wants to use.
pub(crate) fn admitted(terms: &VerifiedTerms) -> Result<(), Report> {
    let wanted = verify::imports(terms.buyer_component())?;
    Ok(terms.grants().admit(&wanted)?)
}

/// How much a service may have the person pay.
pub(crate) fn may_pay(terms: &VerifiedTerms) -> Option<&str> {
    let decided = terms.decided().iter().find_map(|it| it.what.strip_prefix("pay "));
    terms.grants().most.and(decided)
}

/// What there is to say about terms before a deal is opened under them.
fn explained(terms: &VerifiedTerms) -> Vec<String> {
    let service = terms.service();
    let by = terms.certified_by();
    let certified = match (by.is_empty(), terms.grants().certified) {
        (true, _) => "nobody whom you believe".to_owned(),
        (false, true) => by.join(", "),
        (false, false) => format!("{}, which is not enough for you", by.join(", ")),
    };
    let (grants, merchant) = (terms.grants(), terms.merchant());
    let names: Vec<&str> = grants.capabilities.iter().map(|it| it.name()).collect();
    let (name, version, author) = (&service.name, &service.version, &terms.author().name);
    let mut lines = vec![
        format!("terms         {}", terms.digest()),
        format!("of            {} (vouched for by {})", merchant.name, merchant.root),
        format!("service       {name} {version} by {author}"),
        format!("certified by  {certified}"),
    ];
    for counted in terms.certificates() {
        if let Some(why) = &counted.objection {
            let organisation = &counted.certificate.organisation;
            lines.push(format!("              not {organisation}: {why}"));
        }
    }
    if let Some(log) = terms.log() {
        lines.push(format!("logged        in {}, number {}", log.log, log.index));
    }
    lines.extend(terms.warnings().iter().map(|warning| format!("CAUTION       {warning}")));
    lines.push(format!("may           {}", names.join(", ")));
    lines.push(format!("may pay       {}", may_pay(terms).unwrap_or("nothing")));
    lines
}
