//! Revocation: signed lists of what no longer holds, and what a host knows of them.
//!
//! A list names digests (terms, services, certificates' envelopes, certificates of keys) and
//! says when the next list is due. It touches only what its signer signed itself: an evaluator
//! its certificates, a merchant its terms, an author its services. Certificates of keys are
//! withdrawn by their authority's CRL ([`semper_base::cert::Crl`]).

use std::collections::BTreeMap;
use std::time::Duration;

use semper_base::cert::{Crl, Revocation, Verifier};
use semper_base::{Certificate, Digest, Identity, Role, Timestamp};
use serde::{Deserialize, Serialize};

use crate::envelope::{self, EnvelopeError, REVOKED};
use crate::trustfile::{Freshness, Offline, TrustFile};

/// A list by a key that was withdrawn can only take more back, which harms nobody who is honest.
const ITSELF: Revocation = Revocation::Unasked("a list only takes back");

/// Most entries of a list.
pub const MAX_REVOKED: usize = 10_000;

/// Why something is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A key is in other hands.
    KeyCompromise,
    /// A newer one has taken its place.
    Superseded,
    /// It does what it must not.
    Unfair,
    /// It has a fault that harms.
    Defect,
    /// It is no longer offered.
    Withdrawn,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::KeyCompromise => "a key is in other hands",
            Self::Superseded => "a newer one has taken its place",
            Self::Unfair => "it treats buyers unfairly",
            Self::Defect => "it has a fault that harms",
            Self::Withdrawn => "it is no longer offered",
        })
    }
}

impl std::str::FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_value(text.into()).map_err(|_| {
            format!("“{text}” is none of key-compromise, superseded, unfair, defect, withdrawn")
        })
    }
}

/// One thing that no longer holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Its digest: of terms or a service (the manifest), of a statement (the envelope), of a
    /// key's certificate.
    pub what: Digest,
    /// The time from which it no longer holds.
    pub since: Timestamp,
    /// The reason that the signer gives.
    pub reason: Reason,
}

/// A list: the predicate; its subject is the root that vouches for the signer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationList {
    /// The signer's certified name.
    pub by: String,
    /// Rises with every list.
    pub number: u64,
    /// When it was made.
    pub issued: Timestamp,
    /// When the next one is due.
    pub next_update: Timestamp,
    /// The entries that no longer hold.
    pub revoked: Vec<Revoked>,
}

/// A list whose signature has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The list that the signature covers.
    pub list: RevocationList,
    /// The signer, by its certificate.
    pub signer: Identity,
    /// The signer's name in the trust file, if it is an evaluator there.
    pub evaluator: Option<String>,
}

impl Listed {
    /// Verifies a list's envelope by a trust file: signed by an evaluator that it names, or by
    /// a merchant or author that its authorities vouch for.
    pub fn verify(bytes: &[u8], trust: &TrustFile, at: Timestamp) -> Result<Self, EnvelopeError> {
        let mut why = None;
        for (name, evaluator) in &trust.evaluators {
            let verifier = evaluator.roots_at(at).asking(ITSELF);
            match Self::signed(bytes, &verifier, Role::Evaluator, at) {
                Ok((list, signer)) => {
                    return Ok(Self { list, signer, evaluator: Some(name.clone()) });
                }
                Err(error) => why = Some(error),
            }
        }
        let verifier = trust.authorities.asking(ITSELF);
        for role in [Role::Merchant, Role::Author] {
            match Self::signed(bytes, &verifier, role, at) {
                Ok((list, signer)) => return Ok(Self { list, signer, evaluator: None }),
                Err(error) => why = Some(error),
            }
        }
        Err(why.unwrap_or_else(|| EnvelopeError::Form("nobody is believed".into())))
    }

    fn signed(
        bytes: &[u8],
        verifier: &Verifier,
        role: Role,
        at: Timestamp,
    ) -> Result<(RevocationList, Identity), EnvelopeError> {
        let (subject, list, signer) =
            envelope::verify_any::<RevocationList>(bytes, REVOKED, verifier, role, at)?;
        let wrong = |why: &str| Err(EnvelopeError::Form(why.to_owned()));
        if subject != signer.anchor {
            return wrong("the list is about another root's statements");
        }
        if list.by != signer.name {
            return wrong("the list names another signer");
        }
        if list.revoked.len() > MAX_REVOKED {
            return wrong("the list is too long");
        }
        if list.issued > at.after(Duration::from_secs(300)) {
            return wrong("the list is from the future");
        }
        if list.next_update <= list.issued {
            return wrong("the list is overdue from the beginning");
        }
        Ok((list, signer))
    }

    /// By what a host remembers the highest number of a list: signer and root.
    pub fn key(&self) -> String {
        format!("list/{}/{}/{}", self.signer.role, self.signer.anchor.short(), self.list.by)
    }

    /// The entry for a digest, from its time on.
    pub fn revokes(&self, what: &Digest) -> Option<&Revoked> {
        self.list.revoked.iter().find(|it| it.what == *what)
    }
}

/// An authority's newest list, as a trust file sees it at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newest<'a> {
    /// The trust file names no lists of authorities.
    NotAsked,
    /// It is not overdue.
    Good(&'a Crl),
    /// It is overdue since then, and the trust file lets that pass with a warning.
    Overdue(&'a Crl, Timestamp),
}

/// The newest list of an authority among these; if the trust file names any, none may be missing.
///
/// # Errors
/// It is missing, or too old for the trust file: the end of a sentence about the list.
pub fn newest<'a>(
    trust: &TrustFile,
    crls: impl IntoIterator<Item = &'a Crl>,
    authority: &Certificate,
    at: Timestamp,
) -> Result<Newest<'a>, String> {
    if trust.crls.is_empty() {
        return Ok(Newest::NotAsked);
    }
    let own = crls.into_iter().filter(|crl| crl.is_by(authority));
    let list = own.max_by_key(|crl| crl.number()).ok_or("is not known here")?;
    trust.freshness.of(list, at)
}

impl Freshness {
    /// Whether a list is new enough at a time.
    ///
    /// # Errors
    /// It is too old: the end of a sentence about the list.
    pub fn of<'a>(&self, list: &'a Crl, at: Timestamp) -> Result<Newest<'a>, String> {
        let due = list.next_update();
        match self.offline {
            _ if at <= due.after(self.grace) => Ok(Newest::Good(list)),
            Offline::Refuse => Err(format!("is overdue since {due}")),
            Offline::Warn => Ok(Newest::Overdue(list, due)),
        }
    }
}

/// The knowledge of a host besides a bundle and its trust file. Verified when it came; a pure value
/// afterwards.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// Signed lists, the newest of each signer.
    pub lists: Vec<Listed>,
    /// Authorities' lists, the newest of each.
    pub crls: Vec<Crl>,
    /// The highest serial number of terms seen, by merchant and service.
    pub serials: BTreeMap<(String, String), u64>,
    /// The newest signed time that has been seen: the clock cannot be before it.
    pub newest: Option<Timestamp>,
    /// Merchants with whom there have been deals.
    pub merchants: Vec<String>,
}

impl Knowledge {
    /// The newest list of an evaluator, by its name in the trust file.
    pub fn list_of(&self, evaluator: &str) -> Option<&Listed> {
        let own = self.lists.iter().filter(|it| it.evaluator.as_deref() == Some(evaluator));
        // An organisation that has moved to a new root may have begun its numbers anew.
        own.max_by_key(|it| (it.list.issued, it.list.number))
    }

    /// The entry by which an organisation of the trust file has withdrawn something that it
    /// signed itself, also under another of its roots.
    pub fn withdrawn_by(
        &self,
        evaluator: &str,
        signer: &Identity,
        what: &[Digest],
    ) -> Option<&Revoked> {
        let own = self
            .lists
            .iter()
            .filter(|it| it.evaluator.as_deref() == Some(evaluator) && it.list.by == signer.name);
        entry(own, signer, what)
    }

    /// The entry by which a signer has withdrawn something that it signed itself: any of these
    /// digests, or the certificate of the key that signed.
    pub fn withdrawn(&self, signer: &Identity, what: &[Digest]) -> Option<&Revoked> {
        let own = self.lists.iter().filter(|it| {
            it.signer.anchor == signer.anchor
                && it.list.by == signer.name
                && it.signer.role == signer.role
        });
        entry(own, signer, what)
    }
}

/// The first entry for one of these digests, or for the certificate of the key that signed.
fn entry<'a>(
    mut lists: impl Iterator<Item = &'a Listed>,
    signer: &Identity,
    what: &[Digest],
) -> Option<&'a Revoked> {
    let key = signer.certificate.digest();
    lists.find_map(|listed| {
        let mut all = what.iter().chain([&key]);
        all.find_map(|digest| listed.revokes(digest))
    })
}
