//! A finding from the evidence of a fair exchange.

use std::path::Path;

use semper_base::{Report, Timestamp, cbor};
use semper_exchange::judge::{Evidence, Finding, Got, Ruling};
use semper_exchange::standard::Standard;

use crate::print;

/// Bytes of evidence at most.
const MAX_EVIDENCE: usize = 16 * 1024 * 1024;

pub fn judge(file: &Path, at: Option<&str>, json: bool) -> Result<(), Report> {
    let at = match at {
        None => Timestamp::now(),
        Some(text) => text.parse().map_err(|error| {
            Report::input(format!("--at {text}: {error}"), "write it as 2026-11-21T16:00:00Z")
        })?,
    };
    let unreadable = |error: &dyn std::fmt::Display| {
        let mend = "give the evidence of one exchange, as a host or a third party writes it";
        Report::input(format!("{}: {error}", file.display()), mend)
    };
    let size = file.metadata().map_err(|error| unreadable(&error))?.len();
    if size > MAX_EVIDENCE as u64 {
        return Err(unreadable(&format!("more than {MAX_EVIDENCE} bytes")));
    }
    let bytes = std::fs::read(file).map_err(|error| unreadable(&error))?;
    let evidence: Evidence<Standard> =
        cbor::decode(&bytes, MAX_EVIDENCE).map_err(|error| unreadable(&error))?;
    let finding = semper_exchange::judge::judge(&evidence, at);
    if json {
        print::json(&finding)?;
    } else {
        show(&evidence, &finding);
    }
    let clear = matches!(finding.ruling, Ruling::Completed | Ruling::Undone | Ruling::StatusQuo);
    if clear && finding.blame.is_empty() {
        return Ok(());
    }
    let what = finding.reasons.last().cloned().unwrap_or_default();
    Err(Report::refusal(what, "take this finding, with the evidence, to the arbiter or a court"))
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
}
