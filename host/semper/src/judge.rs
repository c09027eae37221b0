//! Findings from the evidence of fair exchanges, of one party or of several.

mod files;
mod log;

use std::path::PathBuf;

use semper_base::{Report, Timestamp};
use semper_exchange::judge::{Evidence, Finding, Got, Missing, Ruling, join, judge_together};
use semper_exchange::standard::Standard;

use crate::print;
pub use log::Believed;

const TO_COURT: &str = "take this finding, with the evidence, to the arbiter or a court";

pub fn judge(
    files: &[PathBuf],
    believed: &Believed,
    at: Option<&str>,
    json: bool,
) -> Result<(), Report> {
    let at = match at {
        None => Timestamp::now(),
        Some(text) => text.parse().map_err(|error| {
            Report::input(format!("--at {text}: {error}"), "write it as 2026-11-21T16:00:00Z")
        })?,
    };
    let given = files::read(files, believed)?;
    let all = join(given.evidence);
    let findings = judge_together(&all, &given.logs, at);
    match (json, findings.as_slice()) {
        (true, [finding]) => print::json(finding)?,
        (true, _) => {
            let named: Vec<_> = all.iter().map(|it| it.agreement.id()).zip(&findings).collect();
            print::json(&named)?;
        }
        (false, _) => all.iter().zip(&findings).for_each(|(it, finding)| show(it, finding)),
    }
    match findings.iter().find(|it| !is_clear(it)) {
        None => Ok(()),
        Some(finding) => Err(Report::refusal(finding.summary(), TO_COURT)),
    }
}

/// Whether nobody is to blame, is owed something, or has still something to show.
fn is_clear(finding: &Finding) -> bool {
    matches!(finding.ruling, Ruling::Completed | Ruling::Undone | Ruling::StatusQuo)
        && finding.blame.is_empty()
        && !finding.missing.iter().any(|it| it.is_third_partys())
}

fn show(evidence: &Evidence<Standard>, finding: &Finding) {
    let agreement = &evidence.agreement;
    print::line(&format!("{}", agreement.id()));
    print::line(&format!(
        "protocol      {:?}, {:?} fairness; third party {}",
        agreement.protocol, agreement.fairness, agreement.third_party.origin
    ));
    print::line(&format!("originator    {}", agreement.originator.sign.id()));
    print::line(&format!("responder     {}", agreement.responder.sign.id()));
    let legs = [
        ("originator's", &agreement.from_originator, &finding.from_originator),
        ("responder's", &agreement.from_responder, &finding.from_responder),
    ];
    for (whose, leaves, got) in legs {
        for (leaf, got) in leaves.iter().zip(got) {
            let state = match got {
                Got::Delivered => "delivered",
                Got::Replaced => "made good by the third party",
                Got::Unproven => "not shown",
            };
            print::line(&format!("{whose:13} item {}: {state}", leaf.path));
        }
    }
    for reason in &finding.reasons {
        print::line(&format!("- {reason}"));
    }
    if let Some((originator, responder)) = finding.fee {
        let third = &agreement.third_party.origin;
        print::line(&format!(
            "fee of {third}: the originator owes {originator}, the responder {responder}"
        ));
    }
    for missing in &finding.missing {
        print::line(&format!("what would decide: {}", Missing::words(*missing)));
    }
}
