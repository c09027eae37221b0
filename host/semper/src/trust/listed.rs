//! Whom a home believes, and how fresh their lists are: for people and for machines.

use std::fmt::Write as _;

use semper_base::Timestamp;
use semper_base::text::counted;
use semper_trust::TrustFile;
use semper_trust::revocation::Knowledge;
use semper_trust::trustfile::Evaluator;
use serde_json::{Value, json};

use super::third_party;

/// For machines.
pub fn as_json(trust: &TrustFile, knowledge: &Knowledge, policies: &[String]) -> Value {
    let authorities =
        trust.authorities.certificates().iter().map(
            |it| json!({ "name": it.subject(), "digest": it.digest(), "until": it.validity().1 }),
        );
    let lists = knowledge.crls.iter().map(|it| {
        json!({
            "of": it.issuer(),
            "number": it.number(),
            "next_update": it.next_update(),
            "overdue": it.next_update() < Timestamp::now(),
        })
    });
    let third_parties = trust.third_parties.iter().map(third_party::json);
    json!({
        "authorities": authorities.collect::<Vec<_>>(),
        "crls": trust.crls,
        "lists": lists.collect::<Vec<_>>(),
        "evaluators": trust.evaluators.iter().map(|(name, it)| evaluator(name, it, knowledge)).collect::<Vec<_>>(),
        "require": trust.require,
        "logs": trust.logs.keys().collect::<Vec<_>>(),
        "transparency": trust.transparency,
        "third_parties": third_parties.collect::<Vec<_>>(),
        "country": trust.country,
        "policies": trust.policies.len(),
        "policy_files": policies,
    })
}

fn evaluator(name: &str, it: &Evaluator, knowledge: &Knowledge) -> Value {
    let former =
        it.former.iter().map(|it| json!({ "digest": it.root.digest(), "until": it.until }));
    let list = knowledge
        .list_of(name)
        .map(|it| json!({ "number": it.list.number, "next_update": it.list.next_update }));
    json!({
        "name": name,
        "criteria": it.criteria,
        "delegates": it.delegates,
        "former_roots": former.collect::<Vec<_>>(),
        "revocations": it.revocations,
        "list": list,
    })
}

/// For people.
pub fn account(trust: &TrustFile, knowledge: &Knowledge, policies: &[String]) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        let _ = writeln!(text, "{words}");
    };
    for it in trust.authorities.certificates() {
        line(format!("authority   {} (until {})", it.subject(), it.validity().1.date()));
    }
    lists(trust, knowledge, &mut line);
    for (name, it) in &trust.evaluators {
        of_evaluator(name, it, knowledge, &mut line);
    }
    for it in &trust.require {
        let (threshold, of) = (it.threshold, it.of.join(", "));
        let (criteria, level) = (&it.criteria, it.level);
        line(format!(
            "certified   is what {threshold} of {of} certify by {criteria} at level {level}"
        ));
    }
    for (name, log) in &trust.logs {
        let all = counted(log.witnesses.len(), "witness", "witnesses");
        line(format!("log         {name}, {} of {all}", log.quorum));
    }
    for it in &trust.third_parties {
        let (origin, key) = (&it.named.origin, it.named.sign.id());
        line(format!("third party {origin} at {}, {key}", it.address));
        line(format!("            {}", third_party::terms_of(it)));
    }
    let rules = counted(trust.policies.len(), "rule", "rules");
    line(format!("policies    {} ({rules})", policies.join(", ")));
    text.trim_end().to_owned()
}

/// The lists of withdrawn certificates that are asked for, and those that are known.
fn lists(trust: &TrustFile, knowledge: &Knowledge, line: &mut dyn FnMut(String)) {
    if trust.crls.is_empty() {
        line(
            "            nobody is asked for revoked certificates (crls in the trust file)".into(),
        );
    }
    for url in &trust.crls {
        line(format!("            revoked certificates are asked for at {url}"));
    }
    for list in &knowledge.crls {
        let (of, number, next) = (list.issuer(), list.number(), list.next_update());
        let over = if next < Timestamp::now() { ": OVERDUE" } else { "" };
        line(format!(
            "            the list of {of} has number {number}, the next is due by {next}{over}"
        ));
    }
    if knowledge.crls.is_empty() && !trust.crls.is_empty() {
        line("            no list is known yet".into());
    }
}

fn of_evaluator(name: &str, it: &Evaluator, knowledge: &Knowledge, line: &mut dyn FnMut(String)) {
    line(format!("evaluator   {name}, for {}", it.criteria.join(", ")));
    for former in &it.former {
        let (root, until) = (former.root.digest().short(), former.until);
        line(format!("            an earlier root of it, {root}, counts until {until}"));
    }
    if it.delegates > 0 {
        let steps = counted(it.delegates, "step", "steps");
        line(format!("            may delegate over {steps}"));
    }
    match (&it.revocations, knowledge.list_of(name)) {
        (None, _) => {}
        (Some(url), None) => line(format!("            its list at {url} is not known yet")),
        (Some(_), Some(list)) => line(format!(
            "            its list has number {}, the next is due by {}",
            list.list.number, list.list.next_update
        )),
    }
}
