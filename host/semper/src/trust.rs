//! Whom a home believes: list, add, remove, explain, test.

use std::collections::BTreeSet;
use std::path::Path;

use indicatif::ProgressBar;
use semper_archive::Home;
use semper_base::{Amount, Certificate, Mend as _, Report, Timestamp};
use semper_commerce::terms;
use semper_distribution::Place;
use semper_roles::party::{self, Party};
use semper_tlog::VerifierKey;
use semper_trust::capability::Capability;
use semper_trust::policies::Facts;
use semper_trust::verify::Described;
use semper_trust::{Grants, TrustError, TrustFile, VerifiedTerms, verify};
use serde::Deserialize;
use serde_json::json;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::arguments::{TrustAdd, TrustCommand};
use crate::print;

pub fn trust(command: &TrustCommand) -> Result<(), Report> {
    match command {
        TrustCommand::List { home, json } => list(&home.home, *json),
        TrustCommand::Add { home, what } => add(&home.home, what),
        TrustCommand::Remove { home, name } => remove(&home.home, name),
        TrustCommand::Explain { home, place, json } => explain(&home.home, place, *json),
        TrustCommand::Test { trust, cases, json } => test(trust, cases, *json),
    }
}

fn list(home: &Path, json: bool) -> Result<(), Report> {
    let party = Party::open(home)?;
    let trust = &party.trust;
    let lists = semper_commerce::lists::Lists::open(
        std::sync::Arc::clone(&party.home),
        party.archive.clone(),
        trust,
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

/// Why terms are granted what they are granted: certificates, facts, policies; or why not.
fn explain(home: &Path, place: &str, json: bool) -> Result<(), Report> {
    let party = Party::open(home)?;
    let net = party.net();
    let lists = semper_commerce::lists::Lists::open(
        std::sync::Arc::clone(&party.home),
        party.archive.clone(),
        &party.trust,
    );
    let merchant = place.starts_with("https://").then_some(place);
    for error in lists.refresh(&net, &party.trust, merchant) {
        eprintln!("CAUTION  {error}");
    }
    let bar = ProgressBar::new_spinner().with_message("fetching terms of business");
    let layout = match merchant {
        Some(base) => terms::download(&net, base, &|_, _| bar.tick())?,
        None => terms::fetch(&net, &place.parse::<Place>()?, None, &|_, _| bar.tick())?,
    };
    bar.finish_and_clear();
    let described = Described::parse(&layout)?;
    let (seller, service) = (&described.terms.merchant, &described.service.name);
    let knowledge = lists.knowledge(seller, service)?;
    let outcome = VerifiedTerms::verify(&layout, &party.trust, Some(&knowledge), Timestamp::now());
    let terms = match outcome {
        Ok(terms) => terms,
        Err(error) => return refused(&error, json),
    };
    let wanted = verify::imports(terms.buyer_component())?;
    let admitted = terms.grants().admit(&wanted);
    if json {
        return print::json(&json!({
            "terms": terms.digest(),
            "merchant": terms.merchant().name,
            "certified": terms.grants().certified,
            "certificates": terms.certificates().iter().map(|it| json!({
                "organisation": it.certificate.organisation,
                "evaluator": it.evaluator,
                "via": it.via,
                "counts": it.objection.is_none(),
                "objection": it.objection.as_ref().map(ToString::to_string),
            })).collect::<Vec<_>>(),
            "decisions": terms.decided(),
            "warnings": terms.warnings(),
            "grants": terms.grants(),
            "runs": admitted.is_ok(),
            "refusal": admitted.as_ref().err().map(ToString::to_string),
        }));
    }
    account(&terms, &party.trust);
    match admitted {
        Ok(()) => print::line("\nIt would run with these grants."),
        Err(refusal) => {
            print::line(&format!("\nIt would be refused: {refusal}\n  try  {}", refusal.mend()));
        }
    }
    Ok(())
}

fn refused(error: &TrustError, json: bool) -> Result<(), Report> {
    if json {
        return print::json(&json!({
            "runs": false,
            "refusal": error.to_string(),
            "mend": error.mend(),
        }));
    }
    Err(Report::refusal(error, error.mend()))
}

fn account(terms: &VerifiedTerms, trust: &TrustFile) {
    let line = |text: String| print::line(&text);
    line(format!("terms         {}", terms.digest()));
    line(format!(
        "of            {} (vouched for by {})",
        terms.merchant().name,
        terms.merchant().root
    ));
    line(format!(
        "service       {} {} by {}",
        terms.service().name,
        terms.service().version,
        terms.author().name
    ));
    match terms.log() {
        Some(log) => line(format!("logged        in {}, number {}", log.log, log.index)),
        None => line("logged        not proved, as far as you believe logs".into()),
    }
    line("\ncertificates".into());
    for it in terms.certificates() {
        let via =
            if it.via.is_empty() { String::new() } else { format!(" via {}", it.via.join(", ")) };
        let verdict = match &it.objection {
            None => "counts".to_owned(),
            Some(why) => format!("does not count: {why}"),
        };
        let organisation = &it.certificate.organisation;
        line(format!("  {organisation} for {}{via}, level {}: {verdict}", it.evaluator, it.level));
    }
    if terms.certificates().is_empty() {
        line("  none by anybody whom you believe".into());
    }
    line("\nwhat counts as certified".into());
    for requirement in &trust.require {
        let have: BTreeSet<&str> = terms
            .certificates()
            .iter()
            .filter(|it| {
                it.objection.is_none()
                    && it.certificate.criteria == requirement.criteria
                    && it.level >= requirement.level
                    && it.about == requirement.about
                    && requirement.of.contains(&it.evaluator)
            })
            .map(|it| it.evaluator.as_str())
            .collect();
        let missing: Vec<&str> =
            requirement.of.iter().map(String::as_str).filter(|it| !have.contains(it)).collect();
        let (want, got) = (requirement.threshold, have.len());
        if got >= want {
            let have: Vec<&str> = have.into_iter().collect();
            line(format!("  {want} of {} wanted: {}; met", requirement.of.len(), have.join(", ")));
        } else {
            line(format!(
                "  {want} of {} wanted, {got} there; NOT met. It would be with {} more of {}",
                requirement.of.len(),
                want - got,
                missing.join(", ")
            ));
        }
    }
    line("\npolicies".into());
    for it in terms.decided() {
        let word = if it.permitted { "yes" } else { "no " };
        line(format!("  {word} {:38} {}", it.what, it.why));
    }
    for warning in terms.warnings() {
        line(format!("\nCAUTION  {warning}"));
    }
    let grants = terms.grants();
    let names: Vec<&str> = grants.capabilities.iter().map(|it| it.name()).collect();
    line(format!("\nmay           {}", names.join(", ")));
    line(format!(
        "may pay       {}",
        grants.most.map_or("nothing".into(), |it| format!("up to {it}"))
    ));
}

/// Cases for policies, as unit tests are for code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    service: CaseService,
    expect: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CaseService {
    name: String,
    version: String,
    author: String,
    merchant: String,
    certified: bool,
    certifiers: Vec<String>,
    level: u32,
    logged: bool,
    known: bool,
    suspicious: bool,
    country: String,
    imports: BTreeSet<Capability>,
    ceiling: Option<String>,
    credentials: BTreeSet<String>,
}

impl Default for CaseService {
    fn default() -> Self {
        Self {
            name: "service".into(),
            version: "1.0.0".into(),
            author: "Author".into(),
            merchant: "Merchant".into(),
            certified: false,
            certifiers: Vec::new(),
            level: 0,
            logged: false,
            known: false,
            suspicious: false,
            country: String::new(),
            imports: BTreeSet::new(),
            ceiling: None,
            credentials: BTreeSet::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// All that is granted beyond what does no harm, exactly.
    link: Option<BTreeSet<Capability>>,
    /// The most that may be paid; “nothing” for nothing.
    pay: Option<String>,
    /// All details that it may ask for, exactly.
    present: Option<BTreeSet<String>>,
}

fn test(trust: &Path, cases: &Path, json: bool) -> Result<(), Report> {
    let base = trust.parent().unwrap_or(Path::new("."));
    let trust = TrustFile::parse(&print::read(trust)?, |name| {
        std::fs::read_to_string(base.join(name)).map_err(|error| error.to_string())
    })?;
    let parsed: Cases = toml::from_str(&print::read(cases)?).map_err(|error| {
        let what = format!("{} is not valid: {error}", cases.display());
        Report::input(what, "compare with policies/cases.toml")
    })?;
    let mut outcomes = Vec::new();
    let mut failed = 0;
    for case in &parsed.case {
        let faults = run_case(&trust, case)?;
        let word = if faults.is_empty() { "ok  " } else { "FAIL" };
        if !json {
            print::line(&format!("{word}  {}", case.name));
            faults.iter().for_each(|it| print::line(&format!("        {it}")));
        }
        failed += usize::from(!faults.is_empty());
        outcomes.push(json!({ "name": case.name, "ok": faults.is_empty(), "faults": faults }));
    }
    if json {
        print::json(&outcomes)?;
    }
    if failed > 0 {
        let what = format!("{failed} of {} cases are granted something else", parsed.case.len());
        return Err(Report::refusal(what, "mend the policies, or the cases"));
    }
    Ok(())
}

fn run_case(trust: &TrustFile, case: &Case) -> Result<Vec<String>, Report> {
    let it = &case.service;
    let mut reach = Grants::harmless();
    if it.certified {
        reach.certified = true;
        reach.capabilities.extend(it.imports.iter().copied());
        reach.presents = it.credentials.clone();
        reach.most = it.ceiling.as_deref().map(str::parse::<Amount>).transpose()?;
    }
    let facts = Facts {
        name: it.name.clone(),
        version: it.version.clone(),
        author: it.author.clone(),
        merchant: it.merchant.clone(),
        certifiers: it.certifiers.clone(),
        level: it.level,
        logged: it.logged,
        known: it.known,
        suspicious: it.suspicious,
        country: it.country.clone(),
    };
    let (grants, decided) = trust.policies.narrow(reach, &facts);
    let why = |what: &str| {
        let found = decided.iter().find(|it| it.what.contains(what));
        found.map_or(String::new(), |it| format!(" ({})", it.why))
    };
    let mut faults = Vec::new();
    if let Some(expected) = &case.expect.link {
        let harmless = Capability::HARMLESS;
        let got: BTreeSet<Capability> =
            grants.capabilities.iter().filter(|it| !harmless.contains(it)).copied().collect();
        for missing in expected.difference(&got) {
            faults.push(format!("{missing} is not granted{}", why(missing.name())));
        }
        for surplus in got.difference(expected) {
            faults.push(format!("{surplus} is granted{}", why(surplus.name())));
        }
    }
    if let Some(expected) = &case.expect.pay {
        let want = if expected == "nothing" { None } else { Some(expected.parse::<Amount>()?) };
        if grants.most != want {
            let got = grants.most.map_or("nothing".into(), |it| it.to_string());
            faults.push(format!("it may pay {got}, not {expected}{}", why("pay")));
        }
    }
    if let Some(expected) = &case.expect.present
        && grants.presents != *expected
    {
        faults.push(format!("it may ask for {:?}, not {expected:?}", grants.presents));
    }
    Ok(faults)
}
