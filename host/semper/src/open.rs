//! Links: what one proposes is shown, the person says yes, and the purchase begins with it.

use std::io::IsTerminal as _;

use semper_archive::{Home, HomeKind};
use semper_base::{Digest, Report, keys, text};
use semper_host_protocol::link::{Link, MAX_LINK};
use semper_host_protocol::{Done, Request};
use semper_roles::ca::invitation::PREFIX;
use semper_tinguin_protocol::{Client, ClientError};

use crate::arguments::OpenArguments;
use crate::hosted::Hosted;
use crate::{buy, lock, print, qr};

/// Bytes of a file with a link, at most.
const MOST: u64 = 64 * 1024;

pub fn open(arguments: &OpenArguments) -> Result<(), Report> {
    let link = match (&arguments.link, &arguments.file) {
        (Some(link), _) => link.clone(),
        (None, Some(file)) => qr::text_of(file, MOST)?,
        (None, None) => String::new(),
    };
    let link = link.trim();
    if link.starts_with(PREFIX) {
        let what = "this link is an invitation: with it a home begins";
        let mend = "semper join, with the link and --home for the new home";
        return Err(Report::input(what, mend));
    }
    if link.chars().count() > MAX_LINK {
        let what = format!("the link has more than {MAX_LINK} characters");
        return Err(Report::input(what, "ask the merchant for a shorter one"));
    }
    let link: Link = link.parse()?;
    Home::of(&arguments.home.home, HomeKind::Party)?;
    show(&link);
    agreed(arguments, &link)?;
    let hosted = Hosted::of(&arguments.home.home, arguments.host.alone);
    lock::until_unlocked(&arguments.home.home)?;
    let merchant = link.merchant.clone();
    match hosted.ask(Request::Buy { merchant, terms: None, link: Some(link) })? {
        Done::Deal(id) => buy::finish(&hosted.deal(id)?, arguments.json),
        _ => {
            let what = "no deal was opened";
            Err(Report::refusal(what, "nothing was signed; open the link again, if you like"))
        }
    }
}

/// What the link proposes, before anything is fetched.
fn show(link: &Link) {
    print::note(format_args!("a link proposes a purchase at  {}", link.merchant));
    for (topic, answer) in link.lines() {
        let (topic, answer) = (text::readable(&topic), text::readable(&answer));
        print::note(format_args!("  fills in   {topic}: {answer}"));
    }
    print::note("Nobody has checked it. It decides nothing; what it fills in can be changed.");
}

/// Whether the person goes on: asked at the terminal, or in the TINGUIN where there is none, as for
/// whoever comes from a browser.
fn agreed(arguments: &OpenArguments, link: &Link) -> Result<(), Report> {
    if arguments.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        lock::until_unlocked(&arguments.home.home)?;
        print::note("decide in the TINGUIN whether to go on");
        let id = Digest::from_bytes(keys::random());
        let tinguin = Client::new(&arguments.home.home);
        return match tinguin.open_link(id, &link.merchant, link.lines()) {
            Err(ClientError::Declined(_)) => Err(nothing()),
            other => Ok(other?),
        };
    }
    if print::agreed("Go on? (yes or no) ", "give --yes")? { Ok(()) } else { Err(nothing()) }
}

fn nothing() -> Report {
    Report::refusal("nothing was fetched", "open the link again, if you like")
}
