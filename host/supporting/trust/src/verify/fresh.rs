//! Third stage: valid now, not older than what was seen, not revoked.

use semper_base::{Digest, Identity, Timestamp};

use super::described::Described;
use super::error::TrustError;
use super::signed::{Signature, Signed};
use crate::lookalike;
use crate::revocation::{self, Knowledge, Newest};
use crate::trustfile::TrustFile;

/// Signed terms that hold now.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub(super) described: Described,
    pub(super) merchant: Signature,
    pub(super) author: Signature,
    pub(super) warnings: Vec<String>,
    pub(super) known: bool,
    pub(super) suspicious: bool,
}

impl Signed {
    /// Holds the terms against clock, serial numbers and revocation lists.
    pub fn fresh(
        self,
        trust: &TrustFile,
        knowledge: Option<&Knowledge>,
        at: Timestamp,
    ) -> Result<Fresh, TrustError> {
        let Self { described, merchant, author } = self;
        let terms = &described.terms;
        if at < terms.valid_from || at > terms.valid_until {
            let (from, to) = (terms.valid_from, terms.valid_until);
            return Err(TrustError::Time { from, to, at });
        }
        let mut warnings = Vec::new();
        let (mut known, mut suspicious) = (false, false);
        if let Some(knowledge) = knowledge {
            not_before(knowledge, at)?;
            not_older(knowledge, &described)?;
            let what = [described.terms_digest, merchant.envelope];
            holds(knowledge, "the terms", &merchant.by, &what)?;
            let what = [described.service_digest, author.envelope];
            holds(knowledge, "the service", &author.by, &what)?;
            for signer in [&merchant.by, &author.by] {
                warnings.extend(current(trust, knowledge, signer, at)?);
            }
            known = knowledge.merchants.contains(&merchant.by.name);
            let others = knowledge.merchants.iter().map(String::as_str);
            let odd = lookalike::suspicion(&merchant.by.name, others);
            suspicious = odd.is_some();
            warnings.extend(odd);
            warnings.dedup();
        }
        Ok(Fresh { described, merchant, author, warnings, known, suspicious })
    }
}

impl Fresh {
    /// As the merchant was seen before.
    #[must_use]
    pub(super) const fn seen(mut self, known: bool, suspicious: bool) -> Self {
        self.known = known;
        self.suspicious = suspicious;
        self
    }
}

/// A clock before a signed time that has been seen is wrong, and with it every validity.
fn not_before(knowledge: &Knowledge, at: Timestamp) -> Result<(), TrustError> {
    match knowledge.newest {
        Some(seen) if at < seen => Err(TrustError::Clock { now: at, seen }),
        _ => Ok(()),
    }
}

/// Serial numbers only rise.
fn not_older(knowledge: &Knowledge, described: &Described) -> Result<(), TrustError> {
    let key = (described.terms.merchant.clone(), described.service.name.clone());
    match knowledge.serials.get(&key) {
        Some(seen) if described.terms.serial < *seen => {
            Err(TrustError::Rollback { got: described.terms.serial, seen: *seen })
        }
        _ => Ok(()),
    }
}

fn holds(
    knowledge: &Knowledge,
    what: &'static str,
    signer: &Identity,
    digests: &[Digest],
) -> Result<(), TrustError> {
    match knowledge.withdrawn(signer, digests) {
        None => Ok(()),
        Some(entry) => Err(TrustError::Revoked {
            what,
            by: signer.name.clone(),
            since: entry.since,
            reason: entry.reason,
        }),
    }
}

/// Whether the lists of the authorities behind a signer are there and not overdue; a warning if an
/// overdue one is accepted.
fn current(
    trust: &TrustFile,
    knowledge: &Knowledge,
    signer: &Identity,
    at: Timestamp,
) -> Result<Option<String>, TrustError> {
    let roots = trust.authorities.certificates();
    let Some(root) = roots.iter().find(|it| it.digest() == signer.anchor) else {
        let why = "is not known here".into();
        return Err(TrustError::Stale { of: signer.root.clone(), why });
    };
    let mut overdue = None;
    // The root's, and that of the authority below it which has issued the certificate.
    let mut authorities = vec![root];
    authorities.extend(Some(&signer.issuer).filter(|it| *it != root));
    for authority in authorities {
        match revocation::newest(trust, &knowledge.crls, authority, at) {
            Ok(Newest::NotAsked | Newest::Good(_)) => {}
            Ok(Newest::Overdue(_, since)) => {
                let of = authority.subject();
                overdue = Some(format!("the revocation list of “{of}” is overdue since {since}"));
            }
            Err(why) => return Err(TrustError::Stale { of: authority.subject(), why }),
        }
    }
    Ok(overdue)
}
