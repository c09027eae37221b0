//! Whom a home believes: list, add, remove, explain, test.

mod cases;
mod explain;
mod third_party;

use std::path::Path;

use semper_archive::Home;
use semper_base::{Certificate, Report, SystemClock};
use semper_roles::party::{self, Party};
use semper_tlog::VerifierKey;
use semper_trust::TrustFile;
use serde_json::json;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::arguments::{TrustAdd, TrustCommand};
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
    let trust = &party.trust;
    let lists = semper_commerce::lists::Lists::open(
        std::sync::Arc::clone(&party.home),
        party.archive.clone(),
        trust,
        std::sync::Arc::new(SystemClock),
    );
    let knowledge = lists.knowledge("", "")?;
    let authorities: Vec<_> = trust
        .authorities
        .certificates()
        .iter()
        .map(|it| json!({ "name": it.subject(), "digest": it.digest(), "until": it.validity().1 }))
        .collect();
    let evaluators: Vec<_> = trust
        .evaluators
        .iter()
        .map(|(name, it)| {
            let list = knowledge
                .list_of(name)
                .map(|it| json!({ "number": it.list.number, "next_update": it.list.next_update }));
            json!({
                "name": name,
                "criteria": it.criteria,
                "delegates": it.delegates,
                "former_roots": it.former.iter().map(|it| json!({
                    "digest": it.root.digest(),
                    "until": it.until,
                })).collect::<Vec<_>>(),
                "revocations": it.revocations,
                "list": list,
            })
        })
        .collect();
    let value = json!({
        "authorities": authorities,
        "evaluators": evaluators,
        "require": trust.require,
        "logs": trust.logs.keys().collect::<Vec<_>>(),
        "third_parties": trust.third_parties.iter().map(third_party::json).collect::<Vec<_>>(),
        "transparency": trust.transparency,
        "country": trust.country,
        "policies": trust.policies.len(),
    });
    if json {
        return print::json(&value);
    }
    for it in trust.authorities.certificates() {
        print::line(&format!("authority   {} (until {})", it.subject(), it.validity().1.date()));
    }
    for (name, it) in &trust.evaluators {
        print::line(&format!("evaluator   {name}, for {}", it.criteria.join(", ")));
        for former in &it.former {
            let (root, until) = (former.root.digest().short(), former.until);
            print::line(&format!(
                "            an earlier root of it, {root}, counts until {until}"
            ));
        }
        if it.delegates > 0 {
            print::line(&format!("            may delegate over {} steps", it.delegates));
        }
        match (&it.revocations, knowledge.list_of(name)) {
            (None, _) => {}
            (Some(url), None) => {
                print::line(&format!("            its list at {url} is not known yet"))
            }
            (Some(_), Some(list)) => print::line(&format!(
                "            its list has number {}, the next is due by {}",
                list.list.number, list.list.next_update
            )),
        }
    }
    for it in &trust.require {
        print::line(&format!(
            "certified   is what {} of {} certify by {} at level {}",
            it.threshold,
            it.of.join(", "),
            it.criteria,
            it.level
        ));
    }
    for (name, log) in &trust.logs {
        print::line(&format!(
            "log         {name}, {} of {} witnesses",
            log.quorum,
            log.witnesses.len()
        ));
    }
    for it in &trust.third_parties {
        print::line(&format!("third party {}, key {}", it.named.origin, it.named.sign.id()));
    }
    print::line(&format!("policies    {}", trust.policies.len()));
    Ok(())
}

/// Changes the trust file: the text is edited, the result parsed, and only what parses is kept.
fn edit(
    home: &Path,
    change: impl FnOnce(&Home, &mut DocumentMut) -> Result<(), Report>,
) -> Result<(), Report> {
    let home = Home::open(home)?;
    let text = home.read(party::TRUST)?;
    let mut document: DocumentMut = text.parse().map_err(|error| {
        Report::input(format!("{}: {error}", party::TRUST), "mend the file by hand first")
    })?;
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
    match what {
        TrustAdd::Evaluator { name, root, criteria, revocations, delegates } => {
            let plain =
                !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase() || c == b'-');
            if !plain {
                let what = format!("“{name}” cannot name an organisation here");
                return Err(Report::input(what, "use small letters and hyphens"));
            }
            let pem = certificate(root)?;
            edit(home, |home, document| {
                let all = table(document, "evaluator")?;
                if all.contains_key(name) {
                    let what = format!("“{name}” is believed already");
                    return Err(Report::input(what, "semper trust remove first"));
                }
                home.write(&format!("{name}.pem"), pem.as_bytes())?;
                let mut own = Table::new();
                own["root"] = value(format!("{name}.pem"));
                own["criteria"] = value(criteria.iter().collect::<Array>());
                if let Some(url) = revocations {
                    own["revocations"] = value(url.as_str());
                }
                if *delegates > 0 {
                    own["delegates"] = value(i64::from(*delegates));
                }
                all.insert(name, Item::Table(own));
                Ok(())
            })?;
            print::line(&format!("{name} is believed; [[require]] says whether it is enough"));
        }
        TrustAdd::Authority { root } => {
            let pem = certificate(root)?;
            let digest = Certificate::from_pem(&pem).map(|it| it.digest().short());
            let file = format!("authority-{}.pem", digest.unwrap_or_default());
            edit(home, |home, document| {
                home.write(&file, pem.as_bytes())?;
                let all = document["authorities"].as_array_mut().ok_or_else(|| {
                    Report::input("authorities in the trust file is no list", "mend it by hand")
                })?;
                if !all.iter().any(|it| it.as_str() == Some(&file)) {
                    all.push(file.as_str());
                }
                Ok(())
            })?;
            print::line(&format!("{file} is believed as an authority"));
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
            print::line(&format!(
                "{} is believed; [transparency] says what must be in it",
                parsed.name
            ));
        }
    }
    Ok(())
}

/// Takes an evaluator or a log out, and out of what is required.
fn remove(home: &Path, name: &str) -> Result<(), Report> {
    edit(home, |_, document| {
        let mut found = table(document, "evaluator")?.remove(name).is_some();
        found |= table(document, "log")?.remove(name).is_some();
        if !found {
            let what = format!("there is no evaluator and no log “{name}”");
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
    print::line(&format!("{name} is no longer believed"));
    Ok(())
}

fn certificate(file: &Path) -> Result<String, Report> {
    let pem = print::read(file)?;
    Certificate::from_pem(&pem).map_err(|error| {
        Report::input(format!("{}: {error}", file.display()), "give a PEM certificate")
    })?;
    Ok(pem)
}
