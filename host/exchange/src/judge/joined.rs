//! Evidence of several parties and exchanges, judged together, with third parties' public logs.

use std::collections::{BTreeMap, BTreeSet};

use semper_base::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Blame, Evidence, Finding, Judged, Missing, judge_by};
use crate::crypto::{Crypto, Signed};
use crate::dates::TOLERANCE;
use crate::item::Role;
use crate::message::Token;
use crate::verdict::{Decision, Verdict};

/// A line of a third party's public log: that there is a verdict, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The exchange.
    pub exchange: Digest,
    /// The digest of the verdict.
    pub verdict: Digest,
}

/// A third party's public log, as far as it is here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicLog {
    /// The third party whose log it is shown to be, by a key that the reader believes. A log without
    /// it only says where to look: anybody can write lines.
    pub of: Option<String>,
    /// Its lines.
    pub lines: Vec<Line>,
    /// When a witness whom the reader believes has seen all of them.
    pub seen: Option<Timestamp>,
}

/// Joins evidence of the same exchange; what is there twice is there once.
pub fn join<C: Crypto>(all: impl IntoIterator<Item = Evidence<C>>) -> Vec<Evidence<C>> {
    let mut joined: Vec<Evidence<C>> = Vec::new();
    let mut places: BTreeMap<Digest, usize> = BTreeMap::new();
    for evidence in all {
        let next = joined.len();
        match places.entry(evidence.agreement.subject()).or_insert(next) {
            place if *place == next => joined.push(evidence),
            place => {
                if let Some(known) = joined.get_mut(*place) {
                    known.merge(evidence);
                }
            }
        }
    }
    joined.iter_mut().for_each(Evidence::once);
    joined
}

/// One finding for each of several exchanges, of which one may bear on another, as of this date.
pub fn judge_together<C: Crypto>(
    all: &[Evidence<C>],
    logs: &[PublicLog],
    at: Timestamp,
) -> Vec<Finding> {
    let twice = given_twice(all);
    let more = |index: usize| -> Vec<Blame> {
        twice.iter().filter(|it| it.0 == index).map(|it| it.1).collect()
    };
    all.iter().enumerate().map(|(index, it)| judge_by(it, logs, &more(index), at)).collect()
}

/// Which exchange shows that a side has given there what it has given in another, too: its number,
/// and the blame. The honest draw a number of their own, and make an escrow of its own, for each
/// exchange. Both must be signed by the same key: others can copy what they have seen.
fn given_twice<C: Crypto>(all: &[Evidence<C>]) -> BTreeSet<(usize, Blame)> {
    let mut found = BTreeSet::new();
    let mut first: BTreeMap<Digest, usize> = BTreeMap::new();
    for (index, evidence) in all.iter().enumerate() {
        for role in [Role::Originator, Role::Responder] {
            for name in names(evidence, role) {
                let other = *first.entry(name).or_insert(index);
                if other != index {
                    found.insert((other, Blame::PromisedTwice(role)));
                    found.insert((index, Blame::PromisedTwice(role)));
                }
            }
        }
    }
    found
}

/// Names for what a side has signed away in this exchange and may give nowhere else.
fn names<C: Crypto>(evidence: &Evidence<C>, role: Role) -> BTreeSet<Digest> {
    let agreement = &evidence.agreement;
    let key = &agreement.party(role).sign;
    let mut names = BTreeSet::new();
    for tokens in evidence.tokens(role) {
        let nonce = agreement.nonces[usize::from(role == Role::Responder)];
        names.insert(C::digest("given-nonce", &(key, nonce)));
        for token in tokens {
            if let Token::Escrow { escrow, .. } = token {
                names.insert(C::digest("given-escrow", &(key, escrow)));
            }
        }
    }
    names
}

impl<C: Crypto> Judged<'_, C> {
    /// What the third party's public log adds.
    pub(super) fn logged(&mut self, logs: &[PublicLog]) {
        let agreement = &self.evidence.agreement;
        let subject = self.subject();
        let known: BTreeMap<Digest, &Signed<C, Verdict<C>>> =
            self.verdicts().into_iter().map(|it| (it.digest(), it)).collect();
        let lines = |log: &PublicLog| -> BTreeSet<Digest> {
            log.lines.iter().filter(|it| it.exchange == subject).map(|it| it.verdict).collect()
        };
        let mut shown = BTreeSet::new();
        let mut blame = Vec::new();
        for log in logs {
            let lines = lines(log);
            let unknown = lines.iter().filter(|it| !known.contains_key(*it));
            self.missing.extend(unknown.map(|it| Missing::Verdict(*it)));
            if log.of.as_ref() != Some(&agreement.third_party.origin) {
                continue;
            }
            let postdated = |seen: Timestamp| {
                known.iter().any(|(digest, it)| {
                    lines.contains(digest) && it.body().at > seen.after(TOLERANCE)
                })
            };
            if log.seen.is_some_and(postdated) {
                blame.push(Blame::Misdated);
            }
            shown.extend(lines);
        }
        if !shown.is_empty() {
            shown.extend(known.keys().copied());
        }
        // A completion, and the fault that was shown after it: no more can be honest.
        let alone = known.iter().any(|(digest, it)| {
            shown.iter().any(|other| {
                other != digest
                    && match &it.body().decision {
                        Decision::Complete { .. } => false,
                        Decision::Fault { after: Some(after), .. } => after != other,
                        _ => true,
                    }
            })
        });
        if shown.len() > 2 || alone {
            blame.push(Blame::TwoVerdicts);
        }
        blame.into_iter().for_each(|it| self.blame(it));
    }
}
