//! What is not among the evidence and would decide: so that whoever is asked to judge knows whom to
//! ask for what.

use semper_base::Digest;
use serde::{Deserialize, Serialize};

use super::{Got, Judged, Outcome, Ruling};
use crate::agreement::Protocol;
use crate::crypto::{Crypto, Signed};
use crate::item::{Item, Role};
use crate::verdict::{Complaint, Decision};

/// Something that is not here and would decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// The third party's answer to this side, with what takes the items' place. A side could have
    /// kept it back, so it blames nobody; but the third party can show it at any time.
    Replacement(Role),
    /// The complaint on which the third party has decided.
    Complaint,
    /// How this side has made the escrow that is called bad: made again, it shows who is right.
    Escrow(Role),
    /// The verdict that a line of the public log names.
    Verdict(Digest),
    /// What this side has kept of the exchange.
    Evidence(Role),
    /// A payment system's word about this side's money.
    Fact(Role),
    /// Whether the third party has decided, and how.
    Decision,
}

impl Missing {
    /// Whether the third party is liable if it does not show this when it is asked.
    pub const fn is_third_partys(self) -> bool {
        matches!(self, Self::Replacement(_) | Self::Complaint)
    }

    /// The file to ask for, as a sentence.
    pub fn words(self) -> String {
        match self {
            Self::Replacement(role) => format!(
                "the third party's answer to the {}, with what takes the place of the items: the third party is liable if it does not show it",
                role.name()
            ),
            Self::Complaint => {
                "the complaint on which the third party has decided: the third party is liable if it does not show it".into()
            }
            Self::Escrow(role) => format!(
                "the {}'s evidence of how it made its escrow: made again, it shows whether the third party is right",
                role.name()
            ),
            Self::Verdict(digest) => {
                format!("the verdict {} that the third party's log names", digest.short())
            }
            Self::Evidence(role) => format!("the {}'s evidence of this exchange", role.name()),
            Self::Fact(role) => format!("the bank's word about the {}'s money", role.name()),
            Self::Decision => "the third party's verdict, or its log".into(),
        }
    }
}

impl<C: Crypto> Judged<'_, C> {
    /// What would decide, where it is not decided.
    pub(super) fn missing(
        &mut self,
        verdict: Option<Outcome>,
        ruling: Ruling,
        promised: (bool, bool),
        got: &[&[Got]; 2],
    ) {
        self.grounds();
        if matches!(ruling, Ruling::Completed | Ruling::Undone) {
            return;
        }
        let begun = promised.0 || promised.1;
        if verdict.is_none() && begun && self.evidence.agreement.protocol != Protocol::Hl {
            self.missing.push(Missing::Decision);
        }
        let agreement = &self.evidence.agreement;
        for (from, got) in [Role::Originator, Role::Responder].into_iter().zip(got) {
            let leaves = agreement.gives(from).iter().zip(*got);
            for (leaf, _) in leaves.filter(|(_, got)| **got == Got::Unproven) {
                self.missing.push(match leaf.item {
                    Item::Money(_) => Missing::Fact(from),
                    _ => Missing::Evidence(from),
                });
            }
        }
    }

    /// A completion is here, and what it gives to whoever has asked is not.
    pub(super) fn replacements(&mut self, verdict: Option<Outcome>, got: &[&[Got]; 2]) {
        if verdict != Some(Outcome::Completed) {
            return;
        }
        let agreement = &self.evidence.agreement;
        for (from, got) in [Role::Originator, Role::Responder].into_iter().zip(got) {
            let to = from.other();
            let asked = self.evidence.requests.iter().any(|it| it.wish.role() == to);
            let lacks = agreement.gives(from).iter().zip(*got).any(|(leaf, got)| {
                let replaced = match leaf.item {
                    Item::Information(_) => true,
                    Item::Statement { affidavit, .. } => affidavit,
                    Item::Money(_) => false,
                };
                replaced && *got == Got::Unproven
            });
            if asked && lacks {
                self.missing.push(Missing::Replacement(to));
            }
        }
    }

    /// A verdict that blames somebody, and what shows whether it does so rightly.
    fn grounds(&mut self) {
        for verdict in self.verdicts() {
            let Decision::Fault { culprit, complaint, .. } = &verdict.body().decision else {
                continue;
            };
            let named = |it: &Signed<C, Complaint<C>>| Some(it.digest()) == *complaint;
            match complaint {
                Some(_) if !self.complaints().any(named) => {
                    self.missing.push(Missing::Complaint);
                }
                None if !self.evidence.rebuttals.iter().any(|it| it.from == *culprit) => {
                    self.missing.push(Missing::Escrow(*culprit));
                }
                _ => {}
            }
        }
    }
}
