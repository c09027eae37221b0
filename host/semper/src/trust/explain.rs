//! Why terms are granted what they are granted, or why not.

use std::collections::BTreeSet;
use std::path::Path;

use indicatif::ProgressBar;
use semper_base::{Mend as _, Report, SystemClock, Timestamp};
use semper_commerce::terms;
use semper_distribution::Place;
use semper_net::Client;
use semper_roles::party::Party;
use semper_trust::trustfile::Requirement;
use semper_trust::verify::Described;
use semper_trust::{TrustError, TrustFile, VerifiedTerms, verify};
use serde_json::{Value, json};

use crate::print;

/// Why terms are granted what they are granted: certificates, facts, policies; or why not.
pub fn explain(home: &Path, place: &str, json: bool) -> Result<(), Report> {
    let party = Party::open(home)?;
    let net = party.net();
    let lists = semper_commerce::lists::Lists::open(
        std::sync::Arc::clone(&party.home),
        party.archive.clone(),
        &party.trust,
        std::sync::Arc::new(SystemClock),
    );
    let merchant = place.starts_with("https://").then_some(place);
    for error in lists.refresh(&net, &party.trust, merchant) {
        print::note(format_args!("CAUTION  {error}"));
    }
    let bar = ProgressBar::new_spinner().with_message("fetching terms of business");
    let layout = match merchant {
        Some(base) => terms::download(&net, base, &|_, _| bar.tick())?,
        None => {
            let net = Client::new(terms::places(&party.trust));
            terms::fetch(&net, &place.parse::<Place>()?, None, &|_, _| bar.tick())?
        }
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
            "vouched_for_by": terms.merchant().root,
            "service": {
                "name": terms.service().name,
                "version": terms.service().version,
                "author": terms.author().name,
            },
            "logged": terms.log().map(|it| json!({ "log": it.log, "index": it.index })),
            "requirements": party.trust.require.iter().map(|it| wanted_by(it, &terms)).collect::<Vec<_>>(),
            "certified": terms.grants().certified,
            "certificates": terms.certificates().iter().map(|it| json!({
                "organisation": it.certificate.organisation,
                "evaluator": it.evaluator,
                "via": it.via,
                "level": it.level,
                "counts": it.objection.is_none(),
                "objection": it.objection.as_ref().map(ToString::to_string),
            })).collect::<Vec<_>>(),
            "decisions": terms.decided(),
            "warnings": terms.warnings(),
            "grants": terms.grants(),
            "runs": admitted.is_ok(),
            "refusal": admitted.as_ref().err().map(ToString::to_string),
            "mend": admitted.as_ref().err().map(semper_base::Mend::mend),
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

/// Who has certified terms as one requirement wants it, and who has not.
fn counted<'a>(
    requirement: &'a Requirement,
    terms: &'a VerifiedTerms,
) -> (BTreeSet<&'a str>, Vec<&'a str>) {
    let fits = terms.certificates().iter().filter(|it| it.fits(requirement));
    let have: BTreeSet<&str> = fits.map(|it| it.evaluator.as_str()).collect();
    let missing =
        requirement.of.iter().map(String::as_str).filter(|it| !have.contains(it)).collect();
    (have, missing)
}

fn wanted_by(requirement: &Requirement, terms: &VerifiedTerms) -> Value {
    let (have, missing) = counted(requirement, terms);
    json!({
        "threshold": requirement.threshold,
        "of": requirement.of,
        "criteria": requirement.criteria,
        "level": requirement.level,
        "have": have,
        "missing": missing,
        "met": have.len() >= requirement.threshold,
    })
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
        let (have, missing) = counted(requirement, terms);
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
