//! The trust file: whom a buyer believes for what (`policies/trust.toml` is an example).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use semper_base::cert::{CertError, Roots, ServerRoot};
use semper_base::text::counted;
use semper_base::{Certificate, Mend};
use semper_tlog::{Kind, VerifierKey};
use serde::{Deserialize, Serialize};

use crate::evaluator::FileEvaluator;
use crate::limits::SomeLimits;
use crate::policies::{Policies, PolicyError};
use crate::third_party::{self, FileExchange, FileThirdParty};

pub use crate::evaluator::{Evaluator, Former};
pub use crate::third_party::{BelievedThirdParty, ExchangeRules};

/// A parsed trust file with its certificates and policies loaded.
#[derive(Clone, Debug, Default)]
pub struct TrustFile {
    /// Authorities that certify merchants, authors, banks and TLS servers.
    pub authorities: Roots,
    /// Who else may vouch for TLS servers.
    pub tls: Tls,
    /// Where the authorities' revocation lists are; if any are named, none may be missing.
    pub crls: Vec<String>,
    /// Where the buyer lives (ISO 3166-1, two letters).
    pub country: Option<String>,
    /// Consumer organisations by the name that the file gives them.
    pub evaluators: BTreeMap<String, Evaluator>,
    /// Requirements for a certified service: any one of these is enough.
    pub require: Vec<Requirement>,
    /// Transparency logs that are believed, by their origin.
    pub logs: BTreeMap<String, BelievedLog>,
    /// Third parties that are believed to decide about fair exchanges, most liked first.
    pub third_parties: Vec<BelievedThirdParty>,
    /// Demands on exchanges.
    pub exchange: ExchangeRules,
    /// The documents that must be proved to be in one of them.
    pub transparency: Transparency,
    /// How old lists may be.
    pub freshness: Freshness,
    /// The Cedar policies: permissions of certified services.
    pub policies: Arc<Policies>,
    /// How far a certified service may raise the limits of its sandbox, where that is not the
    /// usual.
    pub limits: SomeLimits,
}

/// Who may vouch for TLS servers, beside the authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whether the operating system's authorities may also vouch for semper's own roles:
    /// merchants, banks, third parties, logs, authorities.
    pub system: bool,
    /// Roots of registries and other places of bundles, beside the operating system's.
    pub places: Vec<ServerRoot>,
}

/// A transparency log that is believed.
#[derive(Clone, Debug)]
pub struct BelievedLog {
    /// The key that its checkpoints are signed by.
    pub key: VerifierKey,
    /// The address at which it is read, if it is read online.
    pub url: Option<String>,
    /// Witnesses that are believed.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them must have cosigned.
    pub quorum: usize,
}

/// The documents that must be proved to be logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transparency {
    /// The merchant's signature under the terms.
    #[serde(default)]
    pub terms: bool,
    /// Certificates; one that is not logged does not count.
    #[serde(default)]
    pub certificates: bool,
}

/// The treatment of an overdue list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offline {
    /// Documents that it might have revoked are not believed.
    #[default]
    Refuse,
    /// It is believed, and the person is told.
    Warn,
}

/// How old lists may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The treatment of overdue lists once the grace is over.
    pub offline: Offline,
    /// For how long after its next update a list is still good.
    pub grace: Duration,
    /// How often lists are fetched again while deals run.
    pub refresh: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        let refresh = Duration::from_secs(REFRESH);
        Self { offline: Offline::default(), grace: Duration::ZERO, refresh }
    }
}

/// Seconds between two looks at the lists, if the trust file does not say.
const REFRESH: u64 = 3_600;

/// The subject of a requirement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// The certificate is about the service.
    #[default]
    Service,
    /// The certificate is about the merchant's terms.
    Terms,
}

/// A requirement for a certified service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// How many of the organisations must have certified.
    pub threshold: usize,
    /// The organisations, by their names in this file.
    pub of: Vec<String>,
    /// The criteria by which they must have examined it.
    pub criteria: String,
    /// At which level at least.
    pub level: u32,
    /// The service or the terms.
    #[serde(default)]
    pub about: About,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    authorities: Vec<String>,
    #[serde(default)]
    tls: FileTls,
    #[serde(default)]
    crls: Vec<String>,
    country: Option<String>,
    #[serde(default)]
    evaluator: BTreeMap<String, FileEvaluator>,
    #[serde(default)]
    require: Vec<Requirement>,
    #[serde(default)]
    log: BTreeMap<String, FileLog>,
    #[serde(default, rename = "third-party")]
    third_party: Vec<FileThirdParty>,
    #[serde(default)]
    exchange: FileExchange,
    #[serde(default)]
    transparency: Transparency,
    #[serde(default)]
    freshness: FileFreshness,
    #[serde(default)]
    policies: Vec<String>,
    #[serde(default)]
    limits: SomeLimits,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTls {
    #[serde(default)]
    system: bool,
    #[serde(default)]
    places: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLog {
    key: String,
    url: Option<String>,
    #[serde(default)]
    witnesses: Vec<String>,
    #[serde(default)]
    quorum: usize,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileFreshness {
    #[serde(default)]
    offline: Offline,
    #[serde(default)]
    grace_hours: u32,
    refresh_seconds: Option<u32>,
}

/// A fault of a trust file.
#[derive(Debug, thiserror::Error, Mend)]
#[mend(input)]
pub enum TrustFileError {
    /// TOML or a field; the parser names line and column.
    #[error("the trust file is not valid: {0}")]
    #[mend("compare with policies/trust.toml")]
    Form(String),
    /// A certificate file that it names.
    #[error("the trust file names {file}: {why}")]
    #[mend("give the path of a PEM certificate, relative to the trust file")]
    Certificate {
        /// The name of the file.
        file: String,
        /// The fault in it.
        why: String,
    },
    /// A log or a witness.
    #[error("[log.\"{name}\"]: {why}")]
    #[mend("give the keys as the log and its witnesses publish them: name+hash+key")]
    Log {
        /// The name of the log in the trust file.
        name: String,
        /// The fault in it.
        why: String,
    },
    /// A value that makes no sense.
    #[error("{what}: {why}")]
    #[mend("compare with policies/trust.toml")]
    Value {
        /// The name of the entry.
        what: String,
        /// The fault in it.
        why: String,
    },
    /// A policy file.
    #[error(transparent)]
    #[mend(from)]
    Policy(#[from] PolicyError),
    /// A requirement that can never be met or is no requirement.
    #[error("[[require]] number {number}: {why}")]
    #[mend("name at least `threshold` organisations that have an [evaluator.…] section")]
    Requirement {
        /// The number of the requirement in the file, from 1.
        number: usize,
        /// The fault in it.
        why: String,
    },
}

impl TrustFile {
    /// Parses the text; `read` gives the text of a file that it names.
    pub fn parse(
        text: &str,
        mut read: impl FnMut(&str) -> Result<String, String>,
    ) -> Result<Self, TrustFileError> {
        let file: File =
            toml::from_str(text).map_err(|error| TrustFileError::Form(error.to_string()))?;
        let country = file.country.map(country).transpose()?;
        let mut certificate = |name: &str| {
            let why = |why: String| TrustFileError::Certificate { file: name.to_owned(), why };
            let pem = read(name).map_err(why)?;
            Certificate::from_pem(&pem).map_err(|error: CertError| why(error.to_string()))
        };
        let authorities =
            file.authorities.iter().map(|name| certificate(name)).collect::<Result<_, _>>()?;
        let mut evaluators = BTreeMap::new();
        for (name, evaluator) in file.evaluator {
            let believed = evaluator.believed(&name, &mut certificate)?;
            evaluators.insert(name, believed);
        }
        let tls = Tls { system: file.tls.system, places: places(&file.tls.places, &mut read)? };
        let mut texts = Vec::new();
        for name in &file.policies {
            let text = read(name).map_err(|what| PolicyError {
                file: name.clone(),
                line: 1,
                column: 1,
                what,
            })?;
            texts.push((name.clone(), text));
        }
        let policies =
            if texts.is_empty() { Policies::default() } else { Policies::parse(&texts)? };
        let this = Self {
            authorities: Roots::new(authorities),
            tls,
            crls: file.crls,
            country,
            evaluators,
            require: file.require,
            logs: file.log.into_iter().map(log).collect::<Result<_, _>>()?,
            third_parties: third_party::believed(file.third_party)?,
            exchange: file.exchange.parse()?,
            transparency: file.transparency,
            freshness: Freshness {
                offline: file.freshness.offline,
                grace: Duration::from_secs(u64::from(file.freshness.grace_hours) * 3_600),
                refresh: file
                    .freshness
                    .refresh_seconds
                    .map_or(Duration::from_secs(REFRESH), |it| Duration::from_secs(u64::from(it))),
            },
            policies: Arc::new(policies),
            limits: file.limits,
        };
        this.check()?;
        Ok(this)
    }

    fn check(&self) -> Result<(), TrustFileError> {
        let mut roots = BTreeMap::new();
        for (name, evaluator) in &self.evaluators {
            for root in evaluator.all_roots() {
                let other = roots.insert(root.digest(), name).filter(|other| *other != name);
                if let Some(other) = other {
                    let what = format!("[evaluator.{name}]");
                    let why = format!("has the root of “{other}”: one organisation is one voice");
                    return Err(TrustFileError::Value { what, why });
                }
            }
        }
        let wants_logs = self.transparency.terms || self.transparency.certificates;
        if wants_logs && self.logs.is_empty() {
            let why = "wants proofs of logs, and no [log.…] is believed".into();
            return Err(TrustFileError::Value { what: "[transparency]".into(), why });
        }
        for (index, requirement) in self.require.iter().enumerate() {
            let wrong = |why: String| TrustFileError::Requirement { number: index + 1, why };
            if requirement.threshold == 0 {
                return Err(wrong("a threshold of 0 would certify everything".into()));
            }
            let mut names = requirement.of.clone();
            names.sort();
            names.dedup();
            if names.len() < requirement.threshold {
                let why = format!("{} of {} can never be met", requirement.threshold, names.len());
                return Err(wrong(why));
            }
            if let Some(unknown) = names.iter().find(|name| !self.evaluators.contains_key(*name)) {
                return Err(wrong(format!("“{unknown}” has no [evaluator.{unknown}] section")));
            }
        }
        Ok(())
    }
}

/// The roots in the files that [tls] names.
fn places(
    names: &[String],
    mut read: impl FnMut(&str) -> Result<String, String>,
) -> Result<Vec<ServerRoot>, TrustFileError> {
    let mut all = Vec::new();
    for name in names {
        let why = |why: String| TrustFileError::Certificate { file: name.clone(), why };
        let text = read(name).map_err(why)?;
        all.extend(ServerRoot::all_from_pem(&text).map_err(|error| why(error.to_string()))?);
    }
    Ok(all)
}

/// An ISO 3166-1 code: two capital letters.
fn country(text: String) -> Result<String, TrustFileError> {
    if text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()) {
        return Ok(text);
    }
    let why = format!("“{text}” is no country: two capital letters, such as DE");
    Err(TrustFileError::Value { what: "country".into(), why })
}

fn log((name, file): (String, FileLog)) -> Result<(String, BelievedLog), TrustFileError> {
    let wrong = |why: String| TrustFileError::Log { name: name.clone(), why };
    let parse = |text: &str, kind: Kind| {
        let key: VerifierKey = text.parse().map_err(|error| wrong(format!("{error}")))?;
        if key.kind == kind {
            Ok(key)
        } else {
            Err(wrong(format!("“{text}” is of another kind")))
        }
    };
    let key = parse(&file.key, Kind::Log)?;
    if key.name != name {
        return Err(wrong(format!("its key is that of {}", key.name)));
    }
    let witnesses: Vec<VerifierKey> =
        file.witnesses.iter().map(|it| parse(it, Kind::Witness)).collect::<Result<_, _>>()?;
    if file.quorum > witnesses.len() {
        let all = counted(witnesses.len(), "witness", "witnesses");
        let why = format!("{} of {all} can never be met", file.quorum);
        return Err(wrong(why));
    }
    Ok((name, BelievedLog { key, url: file.url, witnesses, quorum: file.quorum }))
}
