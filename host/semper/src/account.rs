//! Accounts at banks: opened, shown, and asked about.

use semper_bank_protocol::{
    self as bank_protocol, AccountAction, AccountRequest, AccountView, Answer, Refusal,
};
use semper_base::{Currency, Digest, Report, Timestamp, keys};
use semper_purse::PurseConfig;
use semper_roles::party::{self, Party};
use std::path::Path;

use crate::address;
use crate::arguments::AccountArguments;
use crate::home::MAX_ANSWER;
use crate::print;

pub fn open_account(arguments: &AccountArguments) -> Result<(), Report> {
    let mut party = Party::open(&arguments.home.home)?;
    let currency: Currency = arguments.currency.parse()?;
    let at = (address::https(&arguments.bank, "bank")?, arguments.name.as_str());
    let tinguin = semper_tinguin_protocol::Client::new(party.home.path());
    let view = open_purse(&mut party, &tinguin, at, currency)?;
    show(&view, arguments.json)
}

/// Opens an account at a bank, by address and name, and has the home pay from it.
pub(crate) fn open_purse(
    party: &mut Party,
    tinguin: &semper_tinguin_protocol::Client,
    (bank, name): (String, &str),
    currency: Currency,
) -> Result<AccountView, Report> {
    let view = ask_bank(party, tinguin, (&bank, name), AccountAction::Open(currency))?;
    // Another account pays in the ways that the one before was set to.
    let modes = party.config.payment.purse.take().map(|it| it.modes).unwrap_or_default();
    party.config.payment.purse =
        Some(PurseConfig { bank, name: view.bank.clone(), account: view.account.clone(), modes });
    party::write_config(&party.home, &party.config)?;
    Ok(view)
}

pub fn show_account(home: &Path, json: bool) -> Result<(), Report> {
    let party = Party::open(home)?;
    let purse = party
        .config
        .payment
        .purse
        .clone()
        .ok_or_else(|| Report::input("this home has no purse", "semper account open --help"))?;
    let tinguin = semper_tinguin_protocol::Client::new(party.home.path());
    let what = AccountAction::Show(purse.account.clone());
    let view = ask_bank(&party, &tinguin, (&purse.bank, &purse.name), what)?;
    show(&view, json)
}

pub(crate) fn ask_bank(
    party: &Party,
    tinguin: &semper_tinguin_protocol::Client,
    (bank, name): (&str, &str),
    what: AccountAction,
) -> Result<AccountView, Report> {
    let request = AccountRequest {
        bank: name.to_owned(),
        made: Timestamp::now(),
        nonce: Digest::from_bytes(keys::random()),
        what,
    };
    let signed = tinguin.sign_account_request(&request)?;
    let (ask, net) = (bank_protocol::Request::Account, party.net());
    let response = net.post(&ask.url(bank), ask.media_type(), signed, MAX_ANSWER)?;
    match Answer::of(response.status, response.body) {
        Answer::Done(body) => serde_json::from_slice(&body).map_err(|error| {
            Report::refusal(format!("the bank's answer is not valid: {error}"), "ask the bank")
        }),
        Answer::Refused(refusal) => {
            let what = format!("the bank refuses: {}", refusal.words);
            Err(Report::refusal(what, mend(refusal.code)))
        }
        Answer::Away { refusal: Some(refusal), .. } => {
            let what = format!("not now: {}", refusal.words);
            Err(Report::refusal(what, "run it again later; nothing is lost"))
        }
        Answer::Away { status, refusal: None } => {
            let what = format!("{bank} answers with status {status}");
            Err(Report::refusal(what, "check the address"))
        }
    }
}

/// What helps against a bank's refusal of a request about an account.
fn mend(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Untrusted => {
            "semper register with an authority that the bank believes; semper renew, where the \
             certificate is over"
        }
        Refusal::OtherBank => {
            "give the bank's certified name with --name, as the bank says it here"
        }
        _ => "ask the bank",
    }
}

fn show(view: &AccountView, json: bool) -> Result<(), Report> {
    if json {
        return print::json(view);
    }
    print::line(&format!("{}  {}  {}", view.bank, view.account, view.holder));
    print::line(&format!("balance {}", view.balance));
    for entry in &view.entries {
        print::line(&format!(
            "{}  {:>14}  {}  {}",
            entry.booked, entry.change, entry.other, entry.text
        ));
    }
    Ok(())
}
