//! Buying, and going on with deals.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use semper_archive::{DealRow, DealState, Write};
use semper_base::{DealId, Mend as _, Report};
use semper_commerce::host::Preparing;
use semper_commerce::link::LinkError;
use semper_commerce::{Host, HostError, terms};
use semper_distribution::Place;
use semper_items::Side;
use semper_keeper::Keeper;
use semper_net::Client;
use semper_roles::party::{Party, PartyError};
use semper_trust::{VerifiedTerms, verify};
use serde::Serialize;

use crate::address;
use crate::arguments::{BuyArguments, CancelArguments, DealsArguments};
use crate::look::{Wait, find, waits};
use crate::print;

/// Activations of a buyer at once.
const WORKERS: usize = 4;

pub fn buy(arguments: &BuyArguments) -> Result<(), Report> {
    let address = address::https(&arguments.merchant, "merchant")?;
    let host = start(arguments.home.home.as_path())?;
    host.identity()?;
    let lists = host.shelf().lists();
    // Whether what cannot be had matters is decided with the terms.
    for error in lists.refresh(host.net(), host.shelf().trust(), Some(&address)) {
        print::note(format_args!("CAUTION       {error}"));
    }
    let terms = fetch(&host, &address, arguments.terms.as_deref())?;
    explain(&terms);
    let wanted = verify::imports(terms.buyer_component())?;
    terms.grants().admit(&wanted)?;
    // Compiled while the deal is being opened.
    let preparing = host.prepare(&terms, Side::Buyer, &Keeper::new("buyer"));
    let id = host.open_as_buyer(&terms, &address)?;
    wait_for(preparing);
    let row = host.link(id, None).map_err(link_report)?;
    finish(&row, arguments.json)
}

pub fn deals(arguments: &DealsArguments) -> Result<(), Report> {
    if arguments.resume {
        resume(arguments.home.home.as_path())?;
    }
    let party = Party::open(&arguments.home.home)?;
    let deals = party.archive.deals()?;
    if arguments.json {
        let shown = |deal| Ok(Shown { exchanges: waits(&party, &deal)?, deal });
        return print::json(&deals.into_iter().map(shown).collect::<Result<Vec<_>, Report>>()?);
    }
    if deals.is_empty() {
        print::line("no deals yet; semper buy --help says how to begin one");
    }
    for deal in deals {
        let opened = deal.opened.to_string();
        print::line(&format!(
            "{}  {:9}  {:20}  {}  {}",
            deal.id.short(),
            deal.state.name(),
            deal.peer,
            &opened[..19],
            deal.note
        ));
        for wait in waits(&party, &deal)? {
            print::line(&format!("          exchange {wait}"));
        }
        if let Some(reason) = &deal.waits.cancel {
            print::line(&format!(
                "          you want to leave: {reason}; its service is told next"
            ));
        }
    }
    Ok(())
}

/// A deal in JSON, with what its exchanges wait for.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    deal: DealRow,
    exchanges: Vec<Wait>,
}

/// Goes on with openings and deals until each has ended.
fn resume(home: &std::path::Path) -> Result<(), Report> {
    let host = start(home)?;
    host.identity()?;
    host.resume_openings()?;
    let mut links = Vec::new();
    for row in host.to_link()? {
        let host = Arc::clone(&host);
        links.push(std::thread::spawn(move || host.link(row.id, None)));
    }
    let mut failed = None;
    for link in links {
        match link.join() {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => failed = Some(link_report(error)),
            Err(_) => {
                failed = Some(Report::refusal("a deal's link crashed", "semper deals --resume"))
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

fn start(home: &std::path::Path) -> Result<Arc<Host>, Report> {
    let party = Party::open(home)?;
    let notice = |deal: DealId, text: &str| print::note(format_args!("{}  {text}", deal.short()));
    Ok(party.host(None, WORKERS, notice)?)
}

/// Downloads and verifies the merchant's terms, showing what comes.
fn fetch(
    host: &Arc<Host>,
    address: &str,
    place: Option<&str>,
) -> Result<Arc<VerifiedTerms>, Report> {
    let bar = ProgressBar::new_spinner().with_message("fetching terms of business");
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {bytes}") {
        bar.set_style(style);
    }
    let (net, place) = match place {
        Some(place) => (Client::new(terms::places(host.shelf().trust())), place.parse::<Place>()?),
        None => (host.net().clone(), Place::Https(format!("{address}{}", terms::WELL_KNOWN))),
    };
    // What breaks off goes on where it stopped; what is whole is in the home then.
    let cache = host.shelf().cache();
    let told = |name: &str, size: usize| {
        bar.set_message(format!("fetching terms of business: {name}"));
        bar.set_position(size as u64);
    };
    let layout = terms::fetch(&net, &place, Some(cache.clone()), &told);
    bar.finish_and_clear();
    let layout = layout?;
    let _ = std::fs::remove_dir_all(cache);
    let terms = host.shelf().take(&layout).map_err(|error| {
        // What the merchant shows is refused, whatever is wrong with it.
        Report::refusal(&error, error.mend())
    })?;
    Ok(terms)
}

/// Waits until the component is ready, showing for how long. What is wrong with it ends the
/// deal, with its reason.
fn wait_for(preparing: Preparing) {
    if preparing.is_finished() {
        return;
    }
    let bar = ProgressBar::new_spinner().with_message("compiling the service");
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    let _ = preparing.join();
    bar.finish_and_clear();
}

/// Leaves a deal: a running host is told through the archive; without one, this process goes
/// on with the deal until it has ended.
pub fn cancel(arguments: &CancelArguments) -> Result<(), Report> {
    let home = arguments.home.home.as_path();
    let party = Party::open(home)?;
    let row = find(&party, &arguments.deal)?;
    if row.state.is_final() {
        let mut what = format!("{} is {} already", row.id, row.state.name());
        for wait in waits(&party, &row)? {
            what += &format!("; its exchange {wait}");
        }
        return Err(Report::input(what, "semper deals shows which deals are running"));
    }
    let (id, reason) = (row.id, arguments.reason.clone());
    party.archive.commit(vec![Write::Cancel(id, reason)])?;
    if row.side != Side::Buyer {
        print::line("noted; the merchant's host goes on with it, at once or when it is started");
        for wait in waits(&party, &row)? {
            print::line(&format!("exchange {wait}"));
        }
        return Ok(());
    }
    match party.host(None, WORKERS, |deal, text| {
        print::note(format_args!("{}  {text}", deal.short()));
    }) {
        Ok(host) => {
            let row = host.link(id, None).map_err(link_report)?;
            print::line(&format!("{} is {}: {}", row.id, row.state.name(), row.note));
            Ok(())
        }
        Err(PartyError::Host(HostError::Running(home))) => {
            print::line(&format!("the host that runs {} has been told", home.display()));
            Ok(())
        }
        Err(other) => Err(other.into()),
    }
}

fn explain(terms: &VerifiedTerms) {
    let service = terms.service();
    let by = terms.certified_by();
    let certified = match (by.is_empty(), terms.grants().certified) {
        (true, _) => "nobody whom you believe".to_owned(),
        (false, true) => by.join(", "),
        (false, false) => format!("{}, which is not enough for you", by.join(", ")),
    };
    let grants = terms.grants();
    let names: Vec<&str> = grants.capabilities.iter().map(|it| it.name()).collect();
    print::note(format_args!("terms         {}", terms.digest()));
    print::note(format_args!(
        "of            {} (vouched for by {})",
        terms.merchant().name,
        terms.merchant().root
    ));
    print::note(format_args!(
        "service       {} {} by {}",
        service.name,
        service.version,
        terms.author().name
    ));
    print::note(format_args!("certified by  {certified}"));
    for counted in terms.certificates() {
        if let Some(why) = &counted.objection {
            print::note(format_args!(
                "              not {}: {why}",
                counted.certificate.organisation
            ));
        }
    }
    if let Some(log) = terms.log() {
        print::note(format_args!("logged        in {}, number {}", log.log, log.index));
    }
    for warning in terms.warnings() {
        print::note(format_args!("CAUTION       {warning}"));
    }
    print::note(format_args!("may           {}", names.join(", ")));
    let decided = terms.decided().iter().find_map(|it| it.what.strip_prefix("pay "));
    print::note(format_args!("may pay       {}", grants.most.and(decided).unwrap_or("nothing")));
}

fn finish(row: &DealRow, json: bool) -> Result<(), Report> {
    if json {
        print::json(row)?;
    } else {
        print::line(&format!("{} is {}: {}", row.id, row.state.name(), row.note));
    }
    match row.state {
        DealState::Completed => Ok(()),
        state => {
            let what = format!("the deal with {} is {}: {}", row.peer, state.name(), row.note);
            Err(Report::refusal(what, format!("semper archive show {}", row.id.short())))
        }
    }
}

fn link_report(error: LinkError) -> Report {
    Report::refusal(&error, "the evidence so far is in the archive; semper deals --resume goes on")
}
