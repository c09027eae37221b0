//! Buying, and going on with deals.

use semper_archive::{DealRow, DealState, Home, HomeKind, Write};
use semper_base::{DealId, Digest, Report, Timestamp};
use semper_commerce::opening::{self, Pending, Stage};
use semper_host_protocol::{Done, Request};
use semper_items::Side;
use semper_roles::party::Party;
use serde::Serialize;
use serde_json::json;

use crate::address;
use crate::arguments::{BuyArguments, CancelArguments, DealsArguments};
use crate::hosted::Hosted;
use crate::lock;
use crate::look::{Wait, find, waits};
use crate::print;

pub fn buy(arguments: &BuyArguments) -> Result<(), Report> {
    let merchant = address::https(&arguments.merchant, "merchant")?;
    let hosted = Hosted::of(&arguments.home.home, arguments.host.alone);
    Home::of(&arguments.home.home, HomeKind::Party)?;
    lock::until_unlocked(&arguments.home.home)?;
    let request = Request::Buy { merchant, terms: arguments.terms.clone(), link: None };
    match hosted.ask(request)? {
        Done::Deal(id) => finish(&hosted.deal(id)?, arguments.json),
        _ => {
            let what = "no deal was opened";
            Err(Report::refusal(what, "nothing was signed; buy again, if you like"))
        }
    }
}

pub fn deals(arguments: &DealsArguments) -> Result<(), Report> {
    if arguments.resume {
        resume(&Hosted::of(&arguments.home.home, arguments.host.alone))?;
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
fn resume(hosted: &Hosted) -> Result<(), Report> {
    let Done::All(mut failed) = hosted.ask(Request::FollowAll)? else { return Ok(()) };
    // The last one is how the command ends.
    let last = failed.pop();
    failed.into_iter().for_each(|it| print::note(Report::from(it)));
    last.map_or(Ok(()), |it| Err(it.into()))
}

/// Leaves a deal. Its host goes on with it until it has ended; a merchant's is told through the
/// archive.
pub fn cancel(arguments: &CancelArguments) -> Result<(), Report> {
    let home = arguments.home.home.as_path();
    let party = Party::open(home)?;
    let hosted = Hosted::of(home, arguments.host.alone);
    let reason = arguments.reason.clone();
    if let Some(opening) = find_opening(&party, &arguments.deal)? {
        // What is not signed needs no host: whoever works on it sees that it is gone.
        if opening::leave(&party.archive, opening.nonce)? {
            if let Stage::Signing(question) = &opening.stage {
                // Nobody wants to know any more.
                semper_tinguin_protocol::Client::new(home).withdraw(*question);
            }
            return left(&opening);
        }
        let request = Request::Cancel { subject: opening.nonce, reason };
        return match hosted.ask(request)? {
            Done::Deal(id) => ended(&hosted.deal(id)?),
            _ => left(&opening),
        };
    }
    let row = find(&party, &arguments.deal)?;
    if row.state.is_final() {
        let mut what = format!("{} is {} already", row.id, row.state.name());
        for wait in waits(&party, &row)? {
            what += &format!("; its exchange {wait}");
        }
        return Err(Report::input(what, "semper deals shows which deals are running"));
    }
    if row.side == Side::Buyer && !hosted.is_elsewhere() {
        let request = Request::Cancel { subject: *row.id.digest(), reason };
        return match hosted.ask(request)? {
            Done::Deal(id) => ended(&hosted.deal(id)?),
            _ => told(&party, &row),
        };
    }
    party.archive.commit(vec![Write::Cancel(row.id, reason)])?;
    told(&party, &row)
}

/// Another process runs the deal, and has been told.
fn told(party: &Party, row: &DealRow) -> Result<(), Report> {
    if row.side == Side::Buyer {
        let words = format!("the host that runs {} has been told", party.home.path().display());
        return print::said(&words, &json!({ "deal": row.id, "told": true }));
    }
    let mut words =
        "noted; the merchant's host goes on with it, at once or when it is started".to_owned();
    let waits = waits(party, row)?;
    for wait in &waits {
        words += &format!("\nexchange {wait}");
    }
    print::said(&words, &json!({ "deal": row.id, "told": true, "exchanges": waits }))
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

fn left(pending: &Pending) -> Result<(), Report> {
    let words = format!("left: no deal with {} is opened", pending.peer);
    print::said(&words, &json!({ "peer": pending.peer, "left": true }))
}

fn ended(row: &DealRow) -> Result<(), Report> {
    let (state, note) = (row.state.name(), &row.note);
    let value = json!({ "deal": row.id, "state": state, "note": note });
    print::said(&format!("{} is {state}: {note}", row.id), &value)
}

pub(crate) fn finish(row: &DealRow, json: bool) -> Result<(), Report> {
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
