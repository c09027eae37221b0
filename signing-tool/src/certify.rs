//! What a consumer organisation signs: certificates, delegations, revocations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use semper_base::cert::{Revocation, Roots};
use semper_base::{Amount, Digest, Report, Role, Timestamp};
use semper_trust::bundle;
use semper_trust::capability::Capability;
use semper_trust::certificate::{CertificateOf, Delegation, Scope};
use semper_trust::envelope::{self, REVOKED};
use semper_trust::limits::SomeLimits;
use semper_trust::revocation::{Reason, RevocationList, Revoked};
use semper_trust::trustfile::About;
use serde::Deserialize;
use serde_json::json;

use crate::arguments::{CertifyArguments, DelegateArguments, RevokeArguments};
use crate::files::{self, Keys};
use crate::say::Said;
use crate::service::ParameterFile;

/// A certificate, as a consumer organisation writes it: what it certifies, and within which bounds.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a certificate's description")]
pub struct CertificateFile {
    /// URI and version of the criteria by which the service was examined.
    criteria: String,
    /// How thoroughly it was examined; the criteria define the levels.
    level: u32,
    /// The address of the report.
    report: String,
    /// For how many days the certificate is valid, from the day on which it is signed.
    valid_days: u64,
    /// The most that one deal may pay, such as `"500.00 EUR"`.
    most: String,
    /// The interfaces that the service may import.
    imports: BTreeSet<Capability>,
    /// Countries (two letters) whose buyers it speaks for; any if there are none.
    #[serde(default)]
    countries: BTreeSet<String>,
    /// Narrower bounds of parameters than the service's own.
    #[serde(default)]
    parameters: BTreeMap<String, ParameterFile>,
    /// Details of the person that the service may ask for; name and address if it says nothing.
    credentials: Option<BTreeSet<String>>,
    /// Limits of the sandbox that the service must keep to, where they differ from the usual, by their names.
    #[serde(default)]
    limits: SomeLimits,
}

pub fn certify(arguments: &CertifyArguments) -> Result<Said, Report> {
    let file: CertificateFile = files::parse(&arguments.description)?;
    let keys = Keys::read(&arguments.signer, &[Role::Evaluator])?;
    let signer = keys.signer();
    let mut layout = files::bundle(&arguments.bundle)?;
    let mut parameters = BTreeMap::new();
    for (name, bounds) in file.parameters {
        parameters.insert(name.clone(), bounds.bounds(&name)?);
    }
    let report_digest =
        arguments.report.as_ref().map(|it| files::bytes(it)).transpose()?.map(|it| Digest::of(&it));
    let predecessor = arguments.predecessor.as_ref().map(|it| files::bundle(it)).transpose()?;
    let now = Timestamp::now();
    let certificate = CertificateOf {
        organisation: signer.name(),
        criteria: file.criteria,
        level: file.level,
        scope: Scope {
            imports: file.imports,
            most: file.most.parse::<Amount>()?,
            countries: file.countries,
            parameters,
            credentials: file.credentials,
            limits: file.limits,
        },
        report: file.report,
        report_digest,
        predecessor: predecessor.map(|it| files::service(&it)).transpose()?.map(|it| it.0.digest),
        valid_from: now,
        valid_until: now.after(Duration::from_secs(file.valid_days.saturating_mul(86_400))),
    };
    let about = if arguments.terms { About::Terms } else { About::Service };
    let digest = bundle::certify(&mut layout, about, certificate, &signer)?;
    files::write_bundle(&arguments.bundle, &layout)?;
    let text = format!("certified by {}\n  certificate {digest}", signer.name());
    let said = Said::new(text, json!({ "certificate": digest, "organisation": signer.name() }));
    Ok(said.warned(keys.warning(now)))
}

pub fn delegate(arguments: &DelegateArguments) -> Result<Said, Report> {
    let keys = Keys::read(&arguments.signer, &[Role::Evaluator])?;
    let signer = keys.signer();
    let root = files::root(&arguments.to)?;
    let mut layout = files::bundle(&arguments.bundle)?;
    let now = Timestamp::now();
    let delegation = Delegation {
        organisation: signer.name(),
        to: root.subject(),
        criteria: arguments.criteria.clone(),
        level: arguments.level,
        depth: arguments.depth,
        root,
        valid_from: now,
        valid_until: now.after(Duration::from_secs(arguments.days.saturating_mul(86_400))),
    };
    let digest = bundle::delegate(&mut layout, &delegation, &signer)?;
    files::write_bundle(&arguments.bundle, &layout)?;
    let text = format!("{} speaks for {}\n  {digest}", delegation.to, signer.name());
    let said = Said::new(text, json!({ "delegation": digest, "to": delegation.to }));
    Ok(said.warned(keys.warning(now)))
}

/// Adds to the signer's list, or begins it; its number rises, its next update moves on.
pub fn revoke(arguments: &RevokeArguments) -> Result<Said, Report> {
    let roles = [Role::Evaluator, Role::Merchant, Role::Author];
    let keys = Keys::read(&arguments.signer, &roles)?;
    let signer = keys.signer();
    let root = files::root(&arguments.root)?;
    let now = Timestamp::now();
    let verifier = Roots::new(vec![root.clone()]).asking(Revocation::OWN);
    let role = roles.into_iter().find(|role| verifier.verify(signer.chain, *role, now).is_ok());
    let role = role.ok_or_else(|| {
        let what = format!("{} does not vouch for {}", root.subject(), keys.leaf().subject());
        Report::input(what, "give the root behind the signer's certificate")
    })?;
    let reason: Reason = arguments.reason.parse().map_err(|why: String| Report::input(why, ""))?;
    let mut list = RevocationList {
        by: signer.name(),
        number: 0,
        issued: now,
        next_update: now.after(Duration::from_secs(arguments.hours.saturating_mul(3_600).max(1))),
        revoked: Vec::new(),
    };
    if arguments.list.exists() {
        // The list before may have been signed with an older key; only its own root counts.
        let bytes = files::bytes(&arguments.list)?;
        let (subject, before, _) = envelope::verify_any::<RevocationList>(
            &bytes, REVOKED, &verifier, role, now,
        )
        .map_err(|error| {
            let what = format!("{}: {error}", arguments.list.display());
            Report::input(what, "give this signer's own list, or a new file")
        })?;
        if before.by != list.by || subject != root.digest() {
            let what = format!("{} is the list of “{}”", arguments.list.display(), before.by);
            return Err(Report::input(what, "give this signer's own list, or a new file"));
        }
        (list.number, list.revoked) = (before.number, before.revoked);
    }
    list.number += 1;
    for text in &arguments.what {
        let what: Digest = text
            .parse()
            .map_err(|error| Report::input(format!("“{text}”: {error}"), "sha256:…"))?;
        if !list.revoked.iter().any(|it| it.what == what) {
            list.revoked.push(Revoked { what, since: now, reason });
        }
    }
    let (name, subject) = (root.subject(), root.digest());
    let bytes = envelope::sign(signer.key, signer.chain, REVOKED, &name, &subject, &list);
    files::replace(&arguments.list, &bytes)?;
    let text = format!(
        "list number {} of {}: {} revoked, next update by {}",
        list.number,
        list.by,
        list.revoked.len(),
        list.next_update
    );
    let value = json!({
        "number": list.number,
        "revoked": list.revoked.len(),
        "next_update": list.next_update,
    });
    Ok(Said::new(text, value).warned(keys.warning(now)))
}
