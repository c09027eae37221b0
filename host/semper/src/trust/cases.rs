//! Cases for policies, as unit tests are for code (`policies/cases.toml` is an example).

use std::collections::BTreeSet;
use std::path::Path;

use semper_base::text::counted;
use semper_base::{Amount, Report};
use semper_trust::capability::Capability;
use semper_trust::policies::Facts;
use semper_trust::{Grants, TrustFile};
use serde::Deserialize;
use serde_json::json;

use crate::print;

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

pub fn test(trust: &Path, cases: &Path, json: bool) -> Result<(), Report> {
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
        let (all, are) =
            (counted(parsed.case.len(), "case", "cases"), if failed == 1 { "is" } else { "are" });
        let what = format!("{failed} of {all} {are} granted something else");
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
