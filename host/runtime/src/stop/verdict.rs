//! Verdicts: the deal is over, and whose fault that is. A party is at fault only where that is
//! proved: the peer by its signed bytes, the service's author by the component's own calls.

use semper_base::{Amount, DealId, ExchangeId, Mend, Timestamp};
use semper_exchange::End;
use semper_items::Side;
use semper_trust::{Limit, Refusal};
use serde::{Deserialize, Serialize};

use crate::flow::Violation;

/// The typed reason of a deal that the other side has ended.
const PEER_ENDED: &str = "peer-ended";

/// How a deal has ended before its service came to an end.
#[derive(Debug, Clone, thiserror::Error, Mend)]
#[error("{cause}")]
#[mend("{}", cause.mend())]
pub struct Verdict {
    /// What happened.
    pub cause: Cause,
    /// What shows it.
    pub proof: Option<Proof>,
}

/// Whose fault it is that a deal has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The service's: its author, and whoever certified it.
    Service,
    /// The other side's.
    Peer,
    /// An exchange's third party's.
    ThirdParty,
    /// Nobody's, as far as can be shown.
    Nobody,
}

/// Where the proof lies, in this deal's archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The other side's signed message of this number.
    Message(u64),
    /// The component's call: the journal's record of this number, or the one after the last.
    Call(u64),
    /// The evidence of this exchange.
    Exchange(ExchangeId),
}

/// What ended a deal.
#[derive(Debug, Clone, thiserror::Error, Mend)]
pub enum Cause {
    /// The component acted outside the flow.
    #[error(transparent)]
    #[mend("{TELL}")]
    Flow(Violation),
    /// The other side acted outside the flow.
    #[error(transparent)]
    #[mend("{ACCEPTED}")]
    PeerFlow(Violation),
    /// A limit of the sandbox.
    #[error("the service has gone over its limit of {most} {limit}")]
    #[mend("{TELL}")]
    Limit {
        /// The limit.
        limit: Limit,
        /// How much was granted.
        most: u64,
    },
    /// Calls too deep, in the component or between its parts.
    #[error("the service has used up its stack of {0} bytes")]
    #[mend("{TELL}")]
    Stack(u64),
    /// More money than granted.
    #[error("the service wants to pay more than it is granted: {}", granted(*.0))]
    #[mend("{TELL}")]
    Money(Option<Amount>),
    /// The component ended itself by a trap.
    #[error("the service has crashed: {0}")]
    #[mend("{TELL}")]
    Trap(String),
    /// The component says that it cannot go on.
    #[error("the service gave up: {0}")]
    #[mend("{TELL}")]
    GaveUp(String),
    /// The component asked something that makes no sense.
    #[error("the service is at fault: {0}")]
    #[mend("{TELL}")]
    Nonsense(String),
    /// The component asked for a payment that nothing which was signed calls for.
    #[error("the service is at fault: {0}")]
    #[mend("{TELL}")]
    NotOrdered(&'static str),
    /// The component is not one that runs here: not a component, or it does not compile.
    #[error("the service cannot be run: {0}")]
    #[mend("{TELL}")]
    Component(String),
    /// It wants more than it is granted.
    #[error(transparent)]
    #[mend(from)]
    Refused(Refusal),
    /// The other side sent something that is not acceptable.
    #[error("the other side is at fault: {0}")]
    #[mend("{ACCEPTED}")]
    Unacceptable(String),
    /// The other side has ended the deal, and says so.
    #[error("the other side has ended the deal: {0}")]
    #[mend("{ACCEPTED}")]
    PeerEnded(String),
    /// What is to be answered in time came, or was decided, too late: the offer has ended.
    #[error("it is too late: the offer was valid until {0}")]
    #[mend("{KEPT}")]
    TooLate(Timestamp),
    /// The two sides pay by systems that do not fit; each by its own configuration.
    #[error("the other side pays by another bank or another module than ours: {0}")]
    #[mend("agree on a bank and a payment module with the other side, and open another deal")]
    Unpayable(String),
    /// The person has left, in a wait that the service could not be told of.
    #[error("cancelled by the person: {0}")]
    #[mend("{KEPT}")]
    Cancelled(String),
    /// A fair exchange has ended badly.
    #[error("a fair exchange has ended badly: {0}")]
    #[mend(from)]
    Exchange(End),
    /// A fair exchange has come to nothing after money was paid in it.
    #[error("money was paid in a fair exchange, and nothing has come for it: {}", came(*.0))]
    #[mend("whoever has paid gives the evidence to the arbiter: semper archive save, semper judge")]
    OneSided(End),
    /// The time that both sides agreed on is over.
    #[error("the deal's time was over at {0}")]
    #[mend("{KEPT}")]
    Expired(Timestamp),
}

/// How an exchange has ended that has not been fair.
fn came(end: End) -> String {
    match end {
        End::Aborted => "the third party has aborted it".to_owned(),
        other => other.to_string(),
    }
}

fn granted(most: Option<Amount>) -> String {
    most.map_or_else(|| "no payment".to_owned(), |most| most.to_string())
}

impl Verdict {
    /// A verdict whose proof is named where it is found.
    pub const fn new(cause: Cause) -> Self {
        Self { cause, proof: None }
    }

    /// With what shows it.
    #[must_use]
    pub const fn shown_by(mut self, proof: Proof) -> Self {
        self.proof = Some(proof);
        self
    }

    /// Whose fault it is.
    pub const fn at_fault(&self) -> Fault {
        self.cause.at_fault()
    }

    /// What the party of this side can do. A merchant is not sent to itself.
    pub fn mend_for(&self, side: Side) -> String {
        match (&self.cause, side) {
            (Cause::GaveUp(_), Side::Seller) => {
                "if your TINGUIN has declined, give it a rule for that topic; otherwise tell the \
                 service's author and whoever certified it"
                    .to_owned()
            }
            (_, Side::Seller) if self.mend() == TELL => {
                "tell the service's author and whoever certified it".to_owned()
            }
            _ => self.mend(),
        }
    }
}

impl Cause {
    /// Whose fault it is, if it is shown.
    pub const fn at_fault(&self) -> Fault {
        match self {
            Self::Flow(_)
            | Self::Limit { .. }
            | Self::Stack(_)
            | Self::Money(_)
            | Self::Trap(_)
            | Self::Nonsense(_)
            | Self::NotOrdered(_)
            | Self::Component(_) => Fault::Service,
            Self::PeerFlow(_) | Self::Unacceptable(_) | Self::Exchange(End::Wronged) => Fault::Peer,
            Self::Exchange(End::ThirdPartyFault) => Fault::ThirdParty,
            // A service may give up with good reason, and policies refuse what is not bad in itself.
            Self::GaveUp(_)
            | Self::Refused(_)
            | Self::PeerEnded(_)
            | Self::TooLate(_)
            | Self::Unpayable(_)
            | Self::Cancelled(_)
            | Self::Exchange(_)
            | Self::OneSided(_)
            | Self::Expired(_) => Fault::Nobody,
        }
    }

    pub(super) fn code(&self) -> String {
        let word = match self {
            Self::Limit { limit, .. } => return format!("limit/{}", limit.name()),
            Self::Flow(_) | Self::PeerFlow(_) => "flow",
            Self::Stack(_) => "limit/stack",
            Self::Money(_) => "limit/money",
            Self::Trap(_) => "trap",
            Self::GaveUp(_) => "gave-up",
            Self::Unacceptable(_) => "peer",
            Self::PeerEnded(_) => PEER_ENDED,
            Self::Nonsense(_) | Self::NotOrdered(_) => "service",
            Self::Component(_) => "component",
            Self::Refused(_) => "refused",
            Self::Cancelled(_) => "cancelled",
            Self::Exchange(_) | Self::OneSided(_) => "exchange",
            Self::Expired(_) | Self::TooLate(_) => "expired",
            Self::Unpayable(_) => "payment",
        };
        word.to_owned()
    }
}

const ACCEPTED: &str =
    "nothing that was not enabled has been accepted; the evidence is in the archive";
const KEPT: &str = "what was promised before stays promised; the evidence is in the archive";
const TELL: &str = "tell the merchant and whoever certified the service";

/// An entry of the archive about a deal that failed: this host's own word, unsigned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// The deal.
    pub deal: DealId,
    /// When it failed.
    pub at: Timestamp,
    /// The typed reason, such as `limit/memory`.
    pub code: String,
    /// The reason in words.
    pub what: String,
    /// The state of the flow, if the component got as far.
    pub flow: String,
    /// Records of the journal.
    pub records: u64,
    /// The message of the other side that shows its fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<u64>,
    /// The component's call that shows the service's fault: the journal's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
}

impl Incident {
    /// Whether it was the other side that has ended the deal.
    pub fn is_the_peers_end(&self) -> bool {
        self.code == PEER_ENDED
    }

    /// The entry about a verdict.
    pub fn of(verdict: &Verdict, deal: DealId, at: Timestamp, flow: &str, records: u64) -> Self {
        let (mut message, mut call) = (None, None);
        match verdict.proof {
            Some(Proof::Message(seq)) => message = Some(seq),
            Some(Proof::Call(number)) => call = Some(number),
            Some(Proof::Exchange(_)) | None => {}
        }
        let (code, what) = (verdict.cause.code(), verdict.to_string());
        Self { deal, at, code, what, flow: flow.to_owned(), records, message, call }
    }
}
