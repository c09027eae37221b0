//! The judge's finding: for each leaf whether it has reached its receiver, who is to blame for
//! what, and the consequence.

use semper_base::Amount;
use serde::{Deserialize, Serialize};

use super::Missing;
use crate::item::{Fraud, Role};

/// The judge's finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Whether each side has signed its promise: the originator, the responder.
    pub promised: (bool, bool),
    /// Leaf by leaf, what the responder has got of the originator's package.
    pub from_originator: Vec<Got>,
    /// Leaf by leaf, what the originator has got of the responder's.
    pub from_responder: Vec<Got>,
    /// The third party's decision, if it has decided and its word counts.
    pub verdict: Option<Outcome>,
    /// The culprits and their deeds.
    pub blame: Vec<Blame>,
    /// What is not here and would decide, or would show that the third party is liable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// The consequence for both sides.
    pub ruling: Ruling,
    /// What each side owes the third party: the originator, the responder. Nothing if it takes
    /// nothing, has not decided, or is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<(Amount, Amount)>,
    /// Why, sentence by sentence, in the order of the rules.
    pub reasons: Vec<String>,
}

impl Finding {
    /// What was found, in a sentence: who is to blame, or what follows.
    pub fn summary(&self) -> String {
        let blame: Vec<String> = self.blame.iter().map(|it| it.words()).collect();
        match (blame.is_empty(), self.reasons.last()) {
            (false, _) => blame.join("; "),
            (true, Some(last)) => last.clone(),
            (true, None) => "nothing is to be found".into(),
        }
    }

    /// Whether the third party is to blame, by its own signatures.
    pub fn convicts_third_party(&self) -> bool {
        self.blame.iter().any(|it| it.culprit().is_none())
    }
}

/// Whether a leaf has reached whom it was promised to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Got {
    /// Nothing shows that it reached its receiver.
    Unproven,
    /// The third party has made it happen.
    Replaced,
    /// The item itself is here.
    Delivered,
}

/// The outcome that a verdict states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The exchange is completed.
    Completed,
    /// It never will be.
    Aborted,
    /// It never will be, since one side has cheated.
    Fault,
    /// It was asked too late.
    Expired,
}

/// A culprit and the deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The third party has signed two verdicts.
    TwoVerdicts,
    /// The third party has decided without what it must rest on.
    Baseless,
    /// The third party has a request and has not decided in its time.
    Silence,
    /// The third party has called a good escrow bad.
    FalseFault,
    /// The third party has signed a date that cannot be: outside of what was agreed on, or against
    /// another date that it has signed or that a witness has seen.
    Misdated,
    /// The originator has made two different promises of one exchange.
    TwoPromises,
    /// The responder has accepted one promise in two ways.
    TwoAcceptances,
    /// The originator has had it aborted, and delivered all the same.
    AbortedAndDelivered,
    /// This side has given as its lock what is locked for another exchange.
    OtherHold(Role),
    /// This side has promised in two exchanges what can be promised in one.
    PromisedTwice(Role),
    /// This side's information is not what it promised.
    Fraud(Role, Fraud),
}

impl Blame {
    /// The culprit: a side, or the third party if `None`.
    pub const fn culprit(self) -> Option<Role> {
        match self {
            Self::TwoVerdicts
            | Self::Baseless
            | Self::Silence
            | Self::FalseFault
            | Self::Misdated => None,
            Self::TwoPromises | Self::AbortedAndDelivered => Some(Role::Originator),
            Self::TwoAcceptances => Some(Role::Responder),
            Self::OtherHold(role) | Self::PromisedTwice(role) | Self::Fraud(role, _) => Some(role),
        }
    }

    pub(super) fn words(self) -> String {
        match self {
            Self::TwoVerdicts => "the third party has signed two verdicts: it is liable".into(),
            Self::Baseless => {
                "the third party has decided without what it must rest on: it is liable".into()
            }
            Self::Silence => {
                "the third party has had a request and not decided in its time: it is liable".into()
            }
            Self::FalseFault => {
                "the third party has called a good escrow bad; made again it is the same: it is liable"
                    .into()
            }
            Self::Misdated => {
                "the third party has signed a date that cannot be: it is liable".into()
            }
            Self::OtherHold(role) => format!(
                "the {} has given as its lock what is locked for another exchange",
                role.name()
            ),
            Self::PromisedTwice(role) => format!(
                "the {} has promised in two exchanges what can be promised in one",
                role.name()
            ),
            Self::TwoPromises => "the originator has made two promises of one exchange".into(),
            Self::TwoAcceptances => "the responder has accepted one promise in two ways".into(),
            Self::AbortedAndDelivered => {
                "the originator has had it aborted and delivered all the same".into()
            }
            Self::Fraud(role, fraud) => format!("the {}'s information: {fraud}", role.name()),
        }
    }
}

/// The consequence of it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ruling {
    /// Both have what they were promised.
    Completed,
    /// Neither side owes the other anything.
    Undone,
    /// This side has not got what the other has: it is to be made whole by whoever is to blame.
    Owed(Role),
    /// Things stay as they are.
    StatusQuo,
}
