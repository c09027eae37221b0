//! Buying, and going on with deals.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use semper_archive::{DealRow, DealState, Write};
use semper_base::{DealId, Digest, Mend as _, Report, Timestamp};
use semper_commerce::host::Preparing;
use semper_commerce::link::LinkError;
use semper_commerce::opening::{self, Pending, Stage};
use semper_commerce::{Host, HostError, terms};
use semper_distribution::Place;
use semper_items::Side;
use semper_keeper::Keeper;
use semper_net::Client;
use semper_roles::party::{Party, PartyError};
use semper_trust::{VerifiedTerms, verify};
use serde::Serialize;
use serde_json::json;

use crate::address;
use crate::arguments::{BuyArguments, CancelArguments, DealsArguments};
use crate::lock;
use crate::look::{Wait, find, waits};
use crate::print;
use crate::signals::ended_by_signal;

/// Activations of a buyer at once.
const WORKERS: usize = 4;

pub fn buy(arguments: &BuyArguments) -> Result<(), Report> {
    let address = address::https(&arguments.merchant, "merchant")?;
    let host = start(arguments.home.home.as_path())?;
    host.identity()?;
    lock::until_unlocked(arguments.home.home.as_path())?;
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
    ends_orderly(&host, arguments.home.home.as_path())?;
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
    let (deals, pending) = (party.archive.deals()?, opening::pending(&party.archive)?);
    let host_runs = semper_commerce::host::runs(&party.home);
    if arguments.json {
        let mut all = Vec::new();
        for deal in deals {
            let exchanges = waits(&party, &deal)?;
            all.push(Listed::Deal(Box::new(Shown { exchanges, deal, host_runs })));
        }
        all.extend(pending.iter().map(|it| Listed::Opening(ShownOpening::of(it, host_runs))));
        return print::json(&all);
    }
    let under_way = !pending.is_empty() || deals.iter().any(|it| !it.state.is_final());
    let seller = deals.iter().any(|it| it.side == Side::Seller);
    if deals.is_empty() && pending.is_empty() {
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
    for it in &pending {
        let made = it.made.to_string();
        print::line(&format!(
            "{}  {OPENING:9}  {:20}  {}  {}",
            it.nonce.short(),
            it.peer,
            &made[..19],
            it.waits_for(),
        ));
    }
    if under_way && !host_runs {
        let home = arguments.home.home.display();
        let how = match seller {
            true => "semper serve goes on with what is running".to_owned(),
            false => {
                format!("semper deals --home {home} --resume goes on, semper cancel leaves a deal")
            }
        };
        print::line(&format!("no host runs this home: {how}"));
    }
    Ok(())
}

/// The state of what is not a deal yet.
const OPENING: &str = "opening";

/// An entry of the list in JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum Listed {
    Deal(Box<Shown>),
    Opening(ShownOpening),
}

/// A deal in JSON, with what its exchanges wait for.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    deal: DealRow,
    exchanges: Vec<Wait>,
    host_runs: bool,
}

/// A deal that is being opened, in JSON.
#[derive(Serialize)]
struct ShownOpening {
    id: String,
    deal: Option<DealId>,
    side: Side,
    peer: String,
    address: String,
    terms: Digest,
    state: &'static str,
    note: &'static str,
    opened: Timestamp,
    host_runs: bool,
}

impl ShownOpening {
    fn of(it: &Pending, host_runs: bool) -> Self {
        Self {
            id: it.nonce.hex(),
            deal: it.deal,
            side: Side::Buyer,
            peer: it.peer.clone(),
            address: it.address.clone(),
            terms: it.terms,
            state: OPENING,
            note: it.waits_for(),
            opened: it.made,
            host_runs,
        }
    }
}

/// Goes on with openings and deals until each has ended. None waits for another.
fn resume(home: &Path) -> Result<(), Report> {
    let host = start(home)?;
    host.identity()?;
    says_how_to_go_on(home, || {})?;
    let mut works = Vec::new();
    for it in opening::pending(host.archive())? {
        let host = Arc::clone(&host);
        works.push(std::thread::spawn(move || match host.resume_opening(it.nonce)? {
            Some(id) => host.link(id, None).map(drop).map_err(link_report),
            None => Ok(()),
        }));
    }
    for row in host.to_link()? {
        let host = Arc::clone(&host);
        let link = move || host.link(row.id, None).map(drop).map_err(link_report);
        works.push(std::thread::spawn(link));
    }
    let mut failed = None;
    for work in works {
        let crashed = |_| Err(Report::refusal("a deal's link crashed", "semper deals --resume"));
        let Err(error) = work.join().unwrap_or_else(crashed) else { continue };
        // The last one is how the command ends.
        if let Some(before) = failed.replace(error) {
            print::note(before);
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Whoever ends `semper buy` by a signal leaves nothing behind that is opened later, unasked: what
/// she has not signed is left. Deals go on when she says so, and she is told how.
fn ends_orderly(host: &Arc<Host>, home: &Path) -> Result<(), Report> {
    let before: Vec<Digest> = pending_of(host);
    let host = Arc::downgrade(host);
    says_how_to_go_on(home, move || {
        let Some(host) = host.upgrade() else { return };
        for nonce in pending_of(&host).into_iter().filter(|it| !before.contains(it)) {
            if let Err(error) = opening::leave(host.archive(), nonce) {
                print::note(error);
            }
        }
    })
}

fn pending_of(host: &Host) -> Vec<Digest> {
    let all = opening::pending(host.archive()).unwrap_or_default();
    all.into_iter().map(|it| it.nonce).collect()
}

/// On SIGINT and SIGTERM this process does something last, says how its deals are gone on with,
/// and ends. What is stored is whole at any time.
fn says_how_to_go_on(home: &Path, last: impl FnOnce() + Send + 'static) -> Result<(), Report> {
    let home = home.to_owned();
    ended_by_signal(move |number| {
        last();
        print::note(format_args!(
            "stopped; semper deals --home {} shows what is under way, --resume goes on with it",
            home.display()
        ));
        std::process::exit(128 + number);
    })
}

fn start(home: &Path) -> Result<Arc<Host>, Report> {
    let party = Party::open(home)?;
    Ok(party.host(None, WORKERS, say)?)
}

fn say(deal: DealId, text: &str) {
    print::note(format_args!("{}  {text}", deal.short()));
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
    if let Some(opening) = find_opening(&party, &arguments.deal)? {
        return cancel_opening(arguments, &party, &opening);
    }
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
        let mut words =
            "noted; the merchant's host goes on with it, at once or when it is started".to_owned();
        let waits = waits(&party, &row)?;
        for wait in &waits {
            words += &format!("\nexchange {wait}");
        }
        return print::said(&words, &json!({ "deal": id, "told": true, "exchanges": waits }));
    }
    match party.host(None, WORKERS, say) {
        Ok(host) => {
            let row = host.link(id, None).map_err(link_report)?;
            ended(&row)
        }
        Err(PartyError::Host(HostError::Running(home))) => {
            let words = format!("the host that runs {} has been told", home.display());
            print::said(&words, &json!({ "deal": id, "told": true }))
        }
        Err(other) => Err(other.into()),
    }
}

/// The opening whose id, or whose deal's id, begins with these digits.
fn find_opening(party: &Party, text: &str) -> Result<Option<Pending>, Report> {
    let digits = text.strip_prefix("deal:").unwrap_or(text).trim_end_matches('…');
    if digits.len() < 4 {
        return Ok(None);
    }
    let named = |it: &Pending| {
        it.nonce.hex().starts_with(digits) || it.deal.is_some_and(|id| id.hex().starts_with(digits))
    };
    let mut found = opening::pending(&party.archive)?.into_iter().filter(named);
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => {
            let what = format!("“{text}” is not one deal");
            Err(Report::input(what, "give more digits of its id"))
        }
        (one, _) => Ok(one),
    }
}

/// Leaves a deal that is not open yet. What the buyer has signed may be open at the merchant's: it is
/// opened here, too, and left in order.
fn cancel_opening(
    arguments: &CancelArguments,
    party: &Party,
    pending: &Pending,
) -> Result<(), Report> {
    let home = arguments.home.home.as_path();
    if opening::leave(&party.archive, pending.nonce)? {
        if let Stage::Signing(question) = &pending.stage {
            // Nobody wants to know any more.
            semper_tinguin_protocol::Client::new(home).withdraw(*question);
        }
        return left(pending);
    }
    let host = party.host(None, WORKERS, say)?;
    match host.resume_opening(pending.nonce)? {
        Some(id) => {
            party.archive.commit(vec![Write::Cancel(id, arguments.reason.clone())])?;
            let row = host.link(id, None).map_err(link_report)?;
            ended(&row)
        }
        None => left(pending),
    }
}

fn left(pending: &Pending) -> Result<(), Report> {
    let words = format!("left: no deal with {} is opened", pending.peer);
    print::said(&words, &json!({ "peer": pending.peer, "left": true }))
}

fn ended(row: &DealRow) -> Result<(), Report> {
    let (state, note) = (row.state.name(), &row.note);
    let value = json!({ "deal": row.id, "state": state, "note": note });
    print::said(&format!("{} is {state}: {note}", row.id), &value)
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
