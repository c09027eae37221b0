//! Server roles, and what their operators do beside.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use semper_archive::{Home, HomeKind};
use semper_base::cert::{Revocation, Roots};
use semper_base::text::counted;
use semper_base::{Amount, Certificate, Currency, Report, Role, SigningKey, Timestamp};
use semper_keeper::Keeper;
use semper_ledger::{AccountId, Ledger, NotAnAccount};
use semper_roles::catalogue::{self, Catalogue};
use semper_roles::config::{LogFormat, ServerConfig};
use semper_roles::log::Log;
use semper_roles::server::Server;
use semper_roles::witness::WitnessRole;
use serde_json::json;

use crate::home::root_certificate;
use crate::{books, logging, print};

pub fn serve(file: &Path, check: bool) -> Result<(), Report> {
    if check {
        return mistakes(file);
    }
    let config = ServerConfig::read(file)?;
    logging::begin(config.log);
    // Before anything is opened: a server without a certificate changes nothing.
    config.tls()?;
    let server = Server::open(&config, &Keeper::new("semper"))?;
    Ok(server.serve(&config, |address| {
        tracing::info!(%address, "serving");
    })?)
}

/// Says everything that is wrong with a configuration: all but the last here, that one by the
/// command's own end.
fn mistakes(file: &Path) -> Result<(), Report> {
    logging::begin(LogFormat::Text);
    let mut wrong: Vec<Report> = ServerConfig::mistakes(file).into_iter().map(Into::into).collect();
    let Some(mut last) = wrong.pop() else {
        let words = format!("{} is right", file.display());
        return print::said(&words, &json!({ "file": file, "right": true }));
    };
    for report in wrong {
        print::error(&report);
        // Wrong input is what the person can mend.
        last.code = last.code.max(report.code);
    }
    Err(last)
}

pub fn log_init(home: &Path, origin: &str) -> Result<(), Report> {
    let key = Log::create(home, origin)?.to_string();
    print::said(&key, &json!({ "home": home, "key": key }))
}

pub fn witness_init(home: &Path, name: &str) -> Result<(), Report> {
    let key = WitnessRole::create(home, name)?.to_string();
    print::said(&key, &json!({ "home": home, "key": key }))
}

pub fn bank_init(
    home: &Path,
    key: &Path,
    certificate: &Path,
    authority: &Path,
) -> Result<(), Report> {
    let wrong = |file: &Path, error: &dyn std::fmt::Display| {
        Report::input(format!("{}: {error}", file.display()), "semper bank init --help")
    };
    let signing = SigningKey::from_pem(&print::read(key)?).map_err(|error| wrong(key, &error))?;
    let read = |file: &Path| {
        Certificate::chain_from_pem(&print::read(file)?).map_err(|error| wrong(file, &error))
    };
    let (own, root) = (read(certificate)?, root_certificate(authority)?);
    if own[0].key().ok() != Some(signing.public()) {
        return Err(wrong(certificate, &"it does not belong to the key"));
    }
    // Said here rather than when the bank does not start.
    let verifier = Roots::new(vec![root.clone()]).asking(Revocation::OWN);
    verifier.verify(&own, Role::Bank, Timestamp::now()).map_err(|error| {
        Report::input(error, "semper ca invite --role bank, then register again")
    })?;
    let home = Home::create(home)?;
    home.write("bank.key", signing.to_pem().as_bytes())?;
    home.write("bank.pem", Certificate::chain_to_pem(&own).as_bytes())?;
    home.write("root.pem", root.to_pem().as_bytes())?;
    let words = format!("{} is ready", home.path().display());
    print::said(&words, &json!({ "home": home.path(), "bank": own[0].subject() }))
}

pub fn bank_fund(home: &Path, account: &str, amount: &str, json: bool) -> Result<(), Report> {
    let amount: Amount = amount.parse()?;
    let account: AccountId = account
        .parse()
        .map_err(|error: NotAnAccount| Report::input(error, "give a customer's account"))?;
    let ledger = Ledger::open(&books::file(home)?)?;
    let entry = ledger.fund(&account, amount, Timestamp::now())?;
    let balance = ledger.account(&account)?.balance;
    if json {
        return print::json(
            &json!({"entry": entry, "account": account.as_str(), "balance": balance}),
        );
    }
    print::line(&format!("{account} now holds {balance}"));
    Ok(())
}

/// A customer whose key is lost comes with a certificate of another one.
pub fn bank_hand_over(home: &Path, account: &str, certificate: &Path) -> Result<(), Report> {
    let account: AccountId = account
        .parse()
        .map_err(|error: NotAnAccount| Report::input(error, "give a customer's account"))?;
    let wrong = |error: &dyn std::fmt::Display| {
        let what = format!("{}: {error}", certificate.display());
        Report::input(what, "give what semper register --out has written")
    };
    let chain = Certificate::chain_from_pem(&print::read(certificate)?);
    let chain = chain.map_err(|error| wrong(&error))?;
    let books = books::file(home)?;
    let home = Home::open(home)?;
    let root = Certificate::from_pem(&home.read("root.pem")?).map_err(|error| wrong(&error))?;
    // The operator has looked whether it holds: the customer stands before her.
    let verifier = Roots::new(vec![root]).asking(Revocation::Unasked("the operator has looked"));
    let roles = [Role::Buyer, Role::Merchant];
    let holder = verifier.verify_as(&chain, &roles, Timestamp::now()).map_err(|it| wrong(&it))?;
    let ledger = Ledger::open(&books)?;
    let kept = ledger.account(&account)?;
    if kept.holder != holder.name {
        let what = format!("{account} is held by “{}”, not by “{}”", kept.holder, holder.name);
        return Err(Report::refusal(what, "compare the names"));
    }
    ledger.replace_keys(&account, holder.key.id())?;
    let words = format!("{account} is {}'s by the new key alone", holder.name);
    print::said(&words, &json!({ "account": account.as_str(), "holder": holder.name }))
}

pub fn catalogue_import(
    home: &Path,
    file: &Path,
    currency: Option<Currency>,
    dry: bool,
    json: bool,
) -> Result<(), Report> {
    let home = Home::of(home, HomeKind::Party)?;
    let unread =
        |why: String| Report::input(format!("{}: {why}", file.display()), "check the path");
    let size = file.metadata().map_err(|error| unread(error.to_string()))?.len();
    if size > LARGEST_CATALOGUE {
        let why = format!("{size} bytes, where {LARGEST_CATALOGUE} are taken at a time");
        return Err(Report::input(format!("{}: {why}", file.display()), "import it in parts"));
    }
    let bytes = std::fs::read(file).map_err(|error| unread(error.to_string()))?;
    let catalogue = Catalogue::open(&home.path().join(catalogue::FILE))?;
    let bar = ProgressBar::new(size);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent}%") {
        bar.set_style(style);
    }
    let imported = catalogue.import(&bytes, currency, dry, |read| bar.set_position(read));
    bar.finish_and_clear();
    let (imported, total) = (imported?, catalogue.len()?);
    if json {
        return print::json(&json!({
            "imported": imported.articles, "articles": total, "ignored": imported.ignored, "dry_run": dry,
        }));
    }
    if !imported.ignored.is_empty() {
        print::line(&format!("columns without a place here: {}", imported.ignored.join(", ")));
    }
    let count = counted(imported.articles, "article", "articles");
    print::line(&if dry {
        format!("{count} could be imported; nothing was changed")
    } else {
        format!("{count} imported; the catalogue has {total}")
    });
    Ok(())
}

/// A catalogue that is read at a time, in bytes.
const LARGEST_CATALOGUE: u64 = 1 << 30;
