//! Consumer organisations in a trust file, with the roots that vouch for them.

use semper_base::cert::Roots;
use semper_base::{Certificate, Timestamp};
use serde::Deserialize;

use crate::trustfile::TrustFileError;

/// A consumer organisation that is believed.
#[derive(Clone, Debug, Default)]
pub struct Evaluator {
    /// The roots that vouch for the organisation's keys.
    pub roots: Roots,
    /// Roots of before, while the organisation moves to a new one: each counts until its date.
    pub former: Vec<Former>,
    /// The criteria for which it is believed.
    pub criteria: Vec<String>,
    /// Where its revocation list is; if that is named, it may not be missing.
    pub revocations: Option<String>,
    /// Over how many steps it may pass its judgement on to other organisations.
    pub delegates: u8,
}

/// A root that an organisation is about to leave behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// The root.
    pub root: Certificate,
    /// The last moment at which it vouches for anybody.
    pub until: Timestamp,
}

impl Evaluator {
    /// The roots that vouch for the organisation at a time.
    pub fn roots_at(&self, at: Timestamp) -> Roots {
        let former = self.former.iter().filter(|it| at <= it.until).map(|it| it.root.clone());
        Roots::new(self.roots.certificates().iter().cloned().chain(former).collect())
    }

    /// Every root that stands in the trust file, whatever its date.
    pub fn all_roots(&self) -> impl Iterator<Item = &Certificate> {
        self.roots.certificates().iter().chain(self.former.iter().map(|it| &it.root))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileEvaluator {
    root: String,
    #[serde(default)]
    former: Vec<FileFormer>,
    criteria: Vec<String>,
    revocations: Option<String>,
    #[serde(default)]
    delegates: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileFormer {
    root: String,
    until: String,
}

impl FileEvaluator {
    /// The organisation, with its certificates read.
    pub(crate) fn believed(
        self,
        name: &str,
        mut certificate: impl FnMut(&str) -> Result<Certificate, TrustFileError>,
    ) -> Result<Evaluator, TrustFileError> {
        let roots = Roots::new(vec![certificate(&self.root)?]);
        let mut former = Vec::new();
        for it in self.former {
            let root = certificate(&it.root)?;
            former.push(Former { root, until: until(name, &it.until)? });
        }
        let Self { criteria, revocations, delegates, .. } = self;
        Ok(Evaluator { roots, former, criteria, revocations, delegates })
    }
}

/// A time, or a day, which lasts until its end (UTC).
fn until(name: &str, text: &str) -> Result<Timestamp, TrustFileError> {
    let day = || format!("{text}T23:59:59Z").parse().ok();
    text.parse().ok().or_else(day).ok_or_else(|| TrustFileError::Value {
        what: format!("[evaluator.{name}] former"),
        why: format!("“{text}” is no date: write until = \"2027-01-31\""),
    })
}
