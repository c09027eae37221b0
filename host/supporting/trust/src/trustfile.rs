//! The trust file: whom a buyer believes for what (`policies/trust.toml` is an example).

use std::collections::BTreeMap;

use semper_base::cert::{CertError, Roots};
use semper_base::{Certificate, Mend};
use serde::{Deserialize, Serialize};

use crate::limits::SomeLimits;

/// A parsed trust file with its certificates loaded.
#[derive(Clone, Debug)]
pub struct TrustFile {
    /// Authorities that certify merchants, authors, banks and TLS servers.
    pub authorities: Roots,
    /// Consumer organisations by the name that the file gives them.
    pub evaluators: BTreeMap<String, Evaluator>,
    /// What counts as certified: any one of these is enough.
    pub require: Vec<Requirement>,
    /// How far a certified service may raise the limits of its sandbox, where that is not the
    /// usual.
    pub limits: SomeLimits,
}

/// A consumer organisation that is believed.
#[derive(Clone, Debug)]
pub struct Evaluator {
    /// Its own root.
    pub roots: Roots,
    /// The criteria for which it is believed.
    pub criteria: Vec<String>,
}

/// What counts as certified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// How many of the organisations must have certified.
    pub threshold: usize,
    /// The organisations, by their names in this file.
    pub of: Vec<String>,
    /// By which criteria.
    pub criteria: String,
    /// At which level at least.
    pub level: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    authorities: Vec<String>,
    #[serde(default)]
    evaluator: BTreeMap<String, FileEvaluator>,
    #[serde(default)]
    require: Vec<Requirement>,
    #[serde(default)]
    limits: SomeLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEvaluator {
    root: String,
    criteria: Vec<String>,
}

/// What is wrong with a trust file.
#[derive(Debug, thiserror::Error)]
pub enum TrustFileError {
    /// TOML or a field; the parser names line and column.
    #[error("the trust file is not valid: {0}")]
    Form(String),
    /// A certificate file that it names.
    #[error("the trust file names {file}: {why}")]
    Certificate {
        /// Which file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A requirement that can never be met or is no requirement.
    #[error("[[require]] number {number}: {why}")]
    Requirement {
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
}

impl Mend for TrustFileError {
    fn mend(&self) -> String {
        match self {
            Self::Form(_) => "compare with policies/trust.toml".into(),
            Self::Certificate { .. } => {
                "give the path of a PEM certificate, relative to the trust file".into()
            }
            Self::Requirement { .. } => {
                "name at least `threshold` organisations that have an [evaluator.…] section".into()
            }
        }
    }

    fn is_input(&self) -> bool {
        true
    }
}

impl TrustFile {
    /// Parses the text; `read` gives the text of a file that it names.
    pub fn parse(
        text: &str,
        mut read: impl FnMut(&str) -> Result<String, String>,
    ) -> Result<Self, TrustFileError> {
        let file: File =
            toml::from_str(text).map_err(|error| TrustFileError::Form(error.to_string()))?;
        let mut certificate = |name: &str| {
            let why = |why: String| TrustFileError::Certificate { file: name.to_owned(), why };
            let pem = read(name).map_err(why)?;
            Certificate::from_pem(&pem).map_err(|error: CertError| why(error.to_string()))
        };
        let authorities =
            file.authorities.iter().map(|name| certificate(name)).collect::<Result<_, _>>()?;
        let mut evaluators = BTreeMap::new();
        for (name, evaluator) in file.evaluator {
            let roots = Roots::new(vec![certificate(&evaluator.root)?]);
            evaluators.insert(name, Evaluator { roots, criteria: evaluator.criteria });
        }
        let (authorities, require) = (Roots::new(authorities), file.require);
        let this = Self { authorities, evaluators, require, limits: file.limits };
        this.check()?;
        Ok(this)
    }

    fn check(&self) -> Result<(), TrustFileError> {
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
