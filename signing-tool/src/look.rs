//! Looking into bundles: inspect, digest, verify.

use std::path::Path;

use semper_base::cert::Crl;
use semper_base::text::counted;
use semper_base::{Mend as _, Report, Timestamp};
use semper_trust::capability::{Capability, World};
use semper_trust::revocation::Listed;
use semper_trust::{Knowledge, TrustError, TrustFile, VerifiedTerms, verify as trust};
use serde_json::{Value, json};

use crate::arguments::VerifyArguments;
use crate::say::Said;
use crate::{draft, files};

/// What an import lets a component do, in words for evaluators.
fn allows(import: &str) -> &'static str {
    import.parse().map_or("unknown: no host links it", allowed)
}

/// What a capability lets a component do.
pub fn allowed(capability: Capability) -> &'static str {
    match capability {
        Capability::Types => "plain types, nothing is done",
        Capability::Deal => "learns which deal, its parameters, the time; writes a bounded log",
        Capability::Waiting => "waits for messages, dates, answers, the person's leaving",
        Capability::Continuation => "keeps its state over a restart",
        Capability::Information => "sends and receives unsigned information that the flow names",
        Capability::Statements => "sends and receives signed statements that the flow names",
        Capability::Payments => "pays what the person has consented to, and sees payments",
        Capability::Exchange => "proposes and accepts fair exchanges; both persons consent to each",
        Capability::Inbox => "receives whatever the flow enables",
        Capability::Display => "shows texts, choices and forms in the TINGUIN",
        Capability::Consent => "asks the person to sign or to pay",
        Capability::Preferences => "reads details that the person tells merchants by default",
        Capability::Catalogue => "reads the merchant's catalogue",
        Capability::Fulfilment => "reserves, releases and ships the merchant's goods",
        Capability::Wasi => "a language's runtime: no files, no network, the deal's time and seed",
    }
}

pub fn inspect(bundle: &Path) -> Result<Said, Report> {
    let layout = draft::examined(bundle)?;
    let (descriptor, service) = files::service(&layout)?;
    let terms = files::terms(&layout)?;
    let faults = service.flow.faults();
    let mut text = format!(
        "service  {}\n         {} {} by {}: {}\n         world {}, flow of {} from “{}”\n",
        descriptor.digest,
        service.name,
        service.version,
        service.author,
        service.summary,
        service.world,
        counted(service.flow.states.len(), "state", "states"),
        service.flow.start,
    );
    if let Err(world) = service.world.parse::<World>() {
        text += &format!("         FAULT: it is written for {world}\n");
    }
    for fault in &faults {
        text += &format!("         FAULT: {fault}\n");
    }
    let mut components = Vec::new();
    for (side, digest) in [("buyer", service.buyer), ("seller", service.seller)] {
        let bytes = layout.blob(&digest)?;
        let imports = trust::imports(bytes)?;
        text += &format!("{side:8} {digest}, {} bytes\n", bytes.len());
        for import in &imports {
            text += &format!("         {import:38} {}\n", allows(import));
        }
        components.push(json!({
            "side": side,
            "digest": digest,
            "bytes": bytes.len(),
            "imports": imports,
            "allows": imports.iter().map(|it| allows(it)).collect::<Vec<_>>(),
        }));
    }
    for (name, parameter) in &service.parameters {
        text += &format!("takes    {name}: {} ({})\n", parameter.meaning, parameter.bounds);
    }
    for (limit, value) in &service.limits {
        text += &format!("wants    {value} {limit}\n");
    }
    if let Some((descriptor, terms)) = &terms {
        text += &format!(
            "terms    {}\n         of {}, serial number {}, until {}\n",
            descriptor.digest, terms.merchant, terms.serial, terms.valid_until
        );
        for (name, value) in &terms.parameters {
            text += &format!("         {name} = {value}\n");
        }
    }
    let mut statements = Vec::new();
    for (_, envelope) in semper_trust::bundle::statements(&layout)? {
        let Ok(claim) = semper_trust::envelope::claim(&envelope) else { continue };
        let kind = claim.predicate_type.rsplit('/').nth(1).unwrap_or_default().to_owned();
        text += &format!("claims   {kind} by {} (not verified here)\n", claim.signers.join(", "));
        statements
            .push(json!({ "kind": kind, "signers": claim.signers, "subject": claim.subject }));
    }
    let value = json!({
        "service": { "digest": descriptor.digest, "description": service },
        "terms": terms.as_ref().map(|it| json!({ "digest": it.0.digest, "description": it.1 })),
        "components": components,
        "statements": statements,
        "flow_faults": faults,
    });
    Ok(Said::new(text, value))
}

pub fn digest(bundle: &Path) -> Result<Said, Report> {
    let layout = files::bundle(bundle)?;
    let (service, _) = files::service(&layout)?;
    let terms = files::terms(&layout)?.map(|it| it.0.digest);
    let mut text = format!("service {}\n", service.digest);
    if let Some(terms) = &terms {
        text += &format!("terms   {terms}\n");
    }
    Ok(Said::new(text, json!({ "service": service.digest, "terms": terms })))
}

pub fn verify(arguments: &VerifyArguments) -> Result<Said, Report> {
    let layout = files::bundle(&arguments.bundle)?;
    let trust = files::trust(&arguments.trust)?;
    let at = match &arguments.at {
        Some(text) => text.parse::<Timestamp>().map_err(|error| Report::input(error, ""))?,
        None => Timestamp::now(),
    };
    let mut knowledge = Knowledge::default();
    kept(&arguments.trust, &trust, at, &mut knowledge);
    for file in &arguments.list {
        let listed = Listed::verify(&files::bytes(file)?, &trust, at).map_err(|error| {
            Report::refusal(format!("{}: {error}", file.display()), "ask its signer for another")
        })?;
        knowledge.lists.push(listed);
    }
    for file in &arguments.crl {
        let bytes = files::bytes(file)?;
        let read = match std::str::from_utf8(&bytes) {
            Ok(pem) if pem.contains("-----BEGIN") => Crl::from_pem(pem),
            _ => Crl::from_der(&bytes),
        };
        let crl = read.map_err(|error| {
            Report::input(format!("{}: {error}", file.display()), "give a CRL in DER or PEM")
        })?;
        knowledge.crls.push(crl);
    }
    let verified = VerifiedTerms::verify(&layout, &trust, Some(&knowledge), at);
    let terms = verified.map_err(|error| asking_nobody(&error, &trust))?;
    Ok(Said::new(account(&terms), as_json(&terms)))
}

/// The lists that a home keeps beside its trust file: what its host would know. One that cannot be
/// used is as good as none.
fn kept(file: &Path, trust: &TrustFile, at: Timestamp, knowledge: &mut Knowledge) {
    let folder = file.parent().unwrap_or(Path::new(".")).join("lists");
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (name, bytes) = (entry.path(), std::fs::read(entry.path()).unwrap_or_default());
        match name.extension().and_then(|it| it.to_str()) {
            Some("crl") => knowledge.crls.extend(Crl::from_der(&bytes).ok()),
            Some("json") => knowledge.lists.extend(Listed::verify(&bytes, trust, at).ok()),
            _ => {}
        }
    }
}

/// An error, for somebody whose program does not go on line by itself.
fn asking_nobody(error: &TrustError, trust: &TrustFile) -> Report {
    let mut report = Report::refusal(error, error.mend());
    let passing = matches!(error, TrustError::Signature { source, .. } if source.is_passing());
    if passing || matches!(error, TrustError::Stale { .. }) {
        let of = trust.evaluators.values().filter_map(|it| it.revocations.as_ref());
        let urls: Vec<&str> = trust.crls.iter().chain(of).map(String::as_str).collect();
        report.mend = format!(
            "semper-sign verify asks nobody on line: fetch the list ({}), and give it with --crl, or \
             --list for an organisation's; in a home, semper trust explain does all that by itself",
            if urls.is_empty() { "from its signer".into() } else { urls.join(", ") }
        );
    }
    report
}

/// What verification has shown, for people.
fn account(terms: &VerifiedTerms) -> String {
    let grants = terms.grants();
    let mut text = format!(
        "terms         {}\nsigned by     {} (vouched for by {})\nwritten by    {}\n",
        terms.digest(),
        terms.merchant().name,
        terms.merchant().root,
        terms.author().name
    );
    for counted in terms.certificates() {
        let verdict = match &counted.objection {
            None => "counts".to_owned(),
            Some(why) => format!("does not count: {why}"),
        };
        text += &format!("certified by  {} ({verdict})\n", counted.certificate.organisation);
    }
    if let Some(log) = terms.log() {
        let names: Vec<&str> = log.witnesses.iter().map(|it| it.0.as_str()).collect();
        text += &format!(
            "logged in     {}, number {}, seen by {}\n",
            log.log,
            log.index,
            if names.is_empty() { "nobody else".into() } else { names.join(", ") }
        );
    }
    for warning in terms.warnings() {
        text += &format!("CAUTION       {warning}\n");
    }
    let names: Vec<&str> = grants.capabilities.iter().map(|it| it.name()).collect();
    text += &format!("may           {}\n", names.join(", "));
    text += &format!(
        "may pay       {}\n",
        grants.most.map_or("nothing".into(), |it| format!("up to {it}"))
    );
    text
}

fn as_json(terms: &VerifiedTerms) -> Value {
    let certificates: Vec<Value> = terms
        .certificates()
        .iter()
        .map(|it| {
            json!({
                "organisation": it.certificate.organisation,
                "evaluator": it.evaluator,
                "via": it.via,
                "counts": it.objection.is_none(),
                "objection": it.objection.as_ref().map(ToString::to_string),
            })
        })
        .collect();
    json!({
        "terms": terms.digest(),
        "service": terms.service_digest(),
        "merchant": terms.merchant().name,
        "author": terms.author().name,
        "certified": terms.grants().certified,
        "certified_by": terms.certified_by(),
        "certificates": certificates,
        "logged": terms.log().map(|it| json!({ "log": it.log, "index": it.index })),
        "warnings": terms.warnings(),
        "grants": terms.grants(),
    })
}
