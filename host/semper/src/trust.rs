//! Whom a home believes: list, add, remove, explain, test.

mod cases;
mod explain;
mod listed;
mod third_party;

use std::path::Path;

use semper_archive::{Home, HomeKind};
use semper_base::{Certificate, Report, SystemClock};
use semper_roles::party::{self, Party};
use semper_tlog::VerifierKey;
use semper_trust::TrustFile;
use serde_json::json;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::arguments::{TrustAdd, TrustCommand};
use crate::home::{names_organisation, root_certificate};
use crate::print;

pub fn trust(command: &TrustCommand) -> Result<(), Report> {
    match command {
        TrustCommand::List { home, json } => list(&home.home, *json),
        TrustCommand::Add { home, what } => add(&home.home, what),
        TrustCommand::Remove { home, name } => remove(&home.home, name),
        TrustCommand::Explain { home, place, json } => explain::explain(&home.home, place, *json),
        TrustCommand::Test { trust, cases, json } => cases::test(trust, cases, *json),
    }
}

fn list(home: &Path, json: bool) -> Result<(), Report> {
    let party = Party::open(home)?;
    let lists = semper_commerce::lists::Lists::open(
        std::sync::Arc::clone(&party.home),
        party.archive.clone(),
        &party.trust,
        std::sync::Arc::new(SystemClock),
    );
    let knowledge = lists.knowledge("", "")?;
    let policies = policies(&party.home)?;
    if json {
        return print::json(&listed::as_json(&party.trust, &knowledge, &policies));
    }
    print::line(&listed::account(&party.trust, &knowledge, &policies));
    Ok(())
}

/// The files of policies that the trust file names; the project's own if it names none.
fn policies(home: &Home) -> Result<Vec<String>, Report> {
    let document = parsed(&home.read(party::TRUST)?)?;
    let named = document.get("policies").and_then(Item::as_array);
    let named: Vec<String> =
        named.into_iter().flatten().filter_map(|it| Some(it.as_str()?.to_owned())).collect();
    Ok(if named.is_empty() { vec!["ordinary.cedar".into()] } else { named })
}

fn parsed(text: &str) -> Result<DocumentMut, Report> {
    text.parse().map_err(|error| {
        Report::input(format!("{}: {error}", party::TRUST), "mend the file by hand first")
    })
}

/// Changes the trust file: the text is edited, the result parsed, and only what parses is kept.
fn edit(
    home: &Path,
    change: impl FnOnce(&Home, &mut DocumentMut) -> Result<(), Report>,
) -> Result<(), Report> {
    let home = Home::of(home, HomeKind::Party)?;
    let mut document = parsed(&home.read(party::TRUST)?)?;
    change(&home, &mut document)?;
    let text = document.to_string();
    TrustFile::parse(&text, |name| home.read(name).map_err(|error| error.to_string()))?;
    Ok(home.write(party::TRUST, text.as_bytes())?)
}

/// Has a home ask this authority's list for revoked certificates, if it asks none yet.
pub(crate) fn ask_for_revoked(home: &Path, lists: &[String]) -> Result<(), Report> {
    edit(home, |_, document| {
        document["crls"] = value(lists.iter().collect::<Array>());
        Ok(())
    })
}

fn table<'a>(document: &'a mut DocumentMut, name: &str) -> Result<&'a mut Table, Report> {
    let entry = document.entry(name).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    entry.as_table_mut().ok_or_else(|| {
        Report::input(format!("{name} in the trust file is no table"), "mend the file by hand")
    })
}

fn add(home: &Path, what: &TrustAdd) -> Result<(), Report> {
    let (name, words) = match what {
        TrustAdd::Evaluator { name, root, criteria, revocations, delegates } => {
            let mut own = Table::new();
            own["root"] = value(format!("{name}.pem"));
            own["criteria"] = value(criteria.iter().collect::<Array>());
            if let Some(url) = revocations {
                own["revocations"] = value(url.as_str());
            }
            if *delegates > 0 {
                own["delegates"] = value(i64::from(*delegates));
            }
            add_evaluator(home, name, &root_certificate(root)?, own)?;
            (name.clone(), format!("{name} is believed; [[require]] says whether it is enough"))
        }
        TrustAdd::Authority { root } => {
            let root = root_certificate(root)?;
            let name = root.subject();
            add_authority(home, &root)?;
            (name.clone(), format!("“{name}” is believed as an authority"))
        }
        TrustAdd::ThirdParty { file } => third_party::add(home, file)?,
        TrustAdd::Log { key, url, witness, quorum } => {
            let parsed: VerifierKey = key
                .parse()
                .map_err(|error| Report::input(error, "give the log's key as it publishes it"))?;
            edit(home, |_, document| {
                let mut own = Table::new();
                own["key"] = value(key.as_str());
                if let Some(url) = url {
                    own["url"] = value(url.as_str());
                }
                own["witnesses"] = value(witness.iter().collect::<Array>());
                own["quorum"] = value(i64::from(*quorum));
                table(document, "log")?.insert(&parsed.name, Item::Table(own));
                Ok(())
            })?;
            let words =
                format!("{} is believed; [transparency] says what must be in it", parsed.name);
            (parsed.name, words)
        }
    };
    print::said(&words, &json!({ "believed": name }))
}

fn add_evaluator(home: &Path, name: &str, root: &Certificate, own: Table) -> Result<(), Report> {
    names_organisation(name)?;
    edit(home, |home, document| {
        let all = table(document, "evaluator")?;
        if all.contains_key(name) {
            let what = format!("“{name}” is believed already");
            return Err(Report::input(what, "semper trust remove first"));
        }
        home.write(&format!("{name}.pem"), root.to_pem().as_bytes())?;
        all.insert(name, Item::Table(own));
        Ok(())
    })
}

fn add_authority(home: &Path, root: &Certificate) -> Result<(), Report> {
    let file = format!("authority-{}.pem", root.digest().short());
    edit(home, |home, document| {
        let known = authorities(home, document)?;
        if let Some((file, _)) = known.iter().find(|it| it.1.digest() == root.digest()) {
            let what = format!("“{}” is believed as an authority already: {file}", root.subject());
            return Err(Report::input(what, "semper trust list shows whom you believe"));
        }
        home.write(&file, root.to_pem().as_bytes())?;
        authorities_of(document)?.push(file.as_str());
        Ok(())
    })
}

/// The authorities that the trust file names: the file of each, and its certificate.
fn authorities(
    home: &Home,
    document: &mut DocumentMut,
) -> Result<Vec<(String, Certificate)>, Report> {
    let files = authorities_of(document)?;
    let files = files.iter().filter_map(|it| it.as_str().map(str::to_owned));
    let read = |file: String| {
        let pem = home.read(&file)?;
        let root = Certificate::from_pem(&pem)
            .map_err(|error| Report::input(format!("{file}: {error}"), "mend the file by hand"))?;
        Ok((file, root))
    };
    files.map(read).collect()
}

fn authorities_of(document: &mut DocumentMut) -> Result<&mut Array, Report> {
    document["authorities"]
        .as_array_mut()
        .ok_or_else(|| Report::input("authorities in the trust file is no list", "mend it by hand"))
}

/// Takes an authority, an evaluator, a log or a third party out, and out of what is required.
fn remove(home: &Path, name: &str) -> Result<(), Report> {
    edit(home, |home, document| {
        let mut found = table(document, "evaluator")?.remove(name).is_some();
        found |= table(document, "log")?.remove(name).is_some();
        found |= remove_third_party(document, name);
        found |= remove_authority(home, document, name)?;
        if !found {
            let what = format!(
                "there is no evaluator and no log, no authority and no third party “{name}”"
            );
            return Err(Report::input(what, "semper trust list shows whom you believe"));
        }
        if let Some(all) = document.get_mut("require").and_then(Item::as_array_of_tables_mut) {
            for requirement in all.iter_mut() {
                if let Some(of) = requirement["of"].as_array_mut() {
                    of.retain(|it| it.as_str() != Some(name));
                }
            }
        }
        Ok(())
    })?;
    print::said(&format!("{name} is no longer believed"), &json!({ "removed": name }))
}

fn remove_third_party(document: &mut DocumentMut, name: &str) -> bool {
    let all = document.get_mut("third-party").and_then(Item::as_array_of_tables_mut);
    let Some(all) = all else { return false };
    let before = all.len();
    all.retain(|it| it.get("origin").and_then(Item::as_str) != Some(name));
    all.len() < before
}

/// Takes out the authority that has this name, this file or this digest; the last one stays, for
/// without any nobody could be believed.
fn remove_authority(home: &Home, document: &mut DocumentMut, name: &str) -> Result<bool, Report> {
    let known = authorities(home, document)?;
    let meant: Vec<&(String, Certificate)> = known
        .iter()
        .filter(|(file, root)| {
            file == name || root.subject() == name || root.digest().to_string() == name
        })
        .collect();
    let [(file, root)] = meant.as_slice() else {
        let Some((_, root)) = meant.first() else { return Ok(false) };
        let files: Vec<&str> = meant.iter().map(|it| it.0.as_str()).collect();
        let what = format!("{} authorities are called “{}”", meant.len(), root.subject());
        return Err(Report::input(what, format!("name the file of one: {}", files.join(", "))));
    };
    if known.len() == 1 {
        let what = format!("“{}” is the only authority that you believe", root.subject());
        return Err(Report::input(what, "semper trust add authority first"));
    }
    authorities_of(document)?.retain(|it| it.as_str() != Some(file));
    Ok(true)
}
