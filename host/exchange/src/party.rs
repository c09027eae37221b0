//! The common part of both parties' machines: what they keep, what happens to them, what they
//! have done, and folding the item managers over a package.

use semper_base::Digest;
use semper_items::Hold;
use serde::{Deserialize, Serialize};

use crate::agreement::Agreed;
use crate::bank::{Claim, Fact, Order};
use crate::crypto::{Crypto, Holder, HolderError, Signed};
use crate::information::Proof;
use crate::item::{Fraud, Role};
use crate::manager::{Manager as _, Place, Received, Secret, Worth};
use crate::message::{Accept, Deliver, Delivery, Message, Promise, Settle, Token};
use crate::mutation::{Rule, leaves_out};
use crate::verdict::{Answer, Decided, Request};

/// Answers of the third party that are kept of one exchange.
const MOST_ANSWERS: usize = 8;

/// Everything signed that a party has of an exchange: its evidence, and what it sends again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Kept<C: Crypto> {
    /// X1: received or sent.
    pub promise: Option<Signed<C, Promise<C>>>,
    /// X2: received or sent.
    pub accept: Option<Signed<C, Accept<C>>>,
    /// X3: received or sent.
    pub deliver: Option<Signed<C, Deliver<C>>>,
    /// X4: received or sent.
    pub settle: Option<Signed<C, Settle<C>>>,
    /// The last request to the third party.
    pub request: Option<Request<C>>,
    /// The third party's answers, each once.
    pub answers: Vec<Answer<C>>,
    /// The payment systems' signed facts.
    pub facts: Vec<Signed<C, Fact<C>>>,
    /// Which claim a payment system has still to confirm.
    pub owed: Option<Claimed<C>>,
    /// The fraud in the information that came, with its proof.
    pub fraud: Option<(Fraud, Proof)>,
}

impl<C: Crypto> Default for Kept<C> {
    fn default() -> Self {
        Self {
            promise: None,
            accept: None,
            deliver: None,
            settle: None,
            request: None,
            answers: Vec::new(),
            facts: Vec::new(),
            owed: None,
            fraud: None,
        }
    }
}

/// A claim about the money of one side's leg.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Claimed<C: Crypto> {
    /// The side whose money is claimed.
    pub payer: Role,
    /// The claim, to be repeated until the payment system answers.
    pub claim: Claim<C>,
}

/// An event that a party's machine takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event<C: Crypto> {
    /// The driver begins: the originator may promise.
    Start,
    /// A message of the peer, not verified yet.
    Message(Message<C>),
    /// The third party's answer.
    Answer(Answer<C>),
    /// A payment system's word.
    Fact(Signed<C, Fact<C>>),
    /// A payment system will not hold or pay what was ordered; nothing was booked.
    Refused,
    /// Time to send again; also after a restart.
    Resend,
    /// The peer has had its time.
    TimeUp,
    /// The person wants to leave.
    Cancel,
    /// What the state is about to sign is signed now; also after a restart.
    Sign,
    /// The keys will not sign a body of this kind, however often they are asked.
    Denied {
        /// The kind, such as `abort-request`.
        kind: &'static str,
    },
    /// The agreement's last date may have passed.
    LastDate,
}

/// An effect that the driver must carry out, in the order of the list. [`Effect::Persist`] comes
/// before everything that leaves the host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect<C: Crypto> {
    /// Store the new state.
    Persist,
    /// Give [`Event::Sign`]: what is about to be signed is stored.
    Sign,
    /// Send to the peer.
    Send(Message<C>),
    /// Ask the third party.
    Ask(Request<C>),
    /// Have our payment system hold or pay this, once.
    Hold(Order<C>),
    /// Claim at a payment system.
    Claim(Claimed<C>),
    /// The exchange is over for this side, with this end.
    Ended(End),
}

/// How an exchange ends for a party: a named state each, with what the person can do.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    thiserror::Error,
    semper_base::Mend,
)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The peer's items are here.
    #[error("both sides have what they were promised")]
    #[mend("nothing is left to do")]
    Done,
    /// The third party's verdict gives them.
    #[error("the third party has completed the exchange")]
    #[mend("nothing is left to do")]
    Completed,
    /// Neither side has anything of the other.
    #[error("the exchange was given up; nobody has lost anything")]
    #[mend("nothing is left to do")]
    Aborted,
    /// It was asked too late.
    #[error("the third party was asked too late; it completes nothing any more")]
    #[mend("ask the third party earlier: leave the host running")]
    Expired,
    /// The information is said to be false: what came, and its money could not be stopped any more; or
    /// what we gave, and the third party says so.
    #[error(
        "what was given is said not to be what was described; the evidence is kept for an arbiter"
    )]
    #[mend("give the evidence to the arbiter: semper judge")]
    Disputed,
    /// Weak fairness: the peer has cheated, and the third party attests it.
    #[error("the third party attests that the other side has cheated")]
    #[mend("give the evidence to the arbiter: semper judge")]
    Wronged,
    /// The last date has passed, and nobody has answered who could end it.
    #[error("the last date has passed without an answer; what is known is kept")]
    #[mend(
        "locked money has gone back to its payer: look at your account; if the other side uses \
         what you promised, give the evidence to the arbiter: semper judge"
    )]
    Lapsed,
    /// The third party has done what it must not, and its own signature shows it.
    #[error("the third party has broken its word; its signature shows it")]
    #[mend("give the evidence to the arbiter, and trust this third party no more")]
    ThirdPartyFault,
}

/// The outcome of taking a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken<C: Crypto> {
    Here,
    Claim(Claim<C>),
    False(usize, Fraud, Proof),
    Bad,
}

impl<C: Crypto> Kept<C> {
    /// Keeps a fact, instead of an older one about the same leaf.
    pub(crate) fn keep(&mut self, fact: Signed<C, Fact<C>>) {
        self.facts.retain(|it| it.body().leaf != fact.body().leaf);
        self.facts.push(fact);
    }

    /// Keeps an answer that is not there yet. Few distinct ones can be: a verdict, contradictions
    /// of a third party that lies, and the last note of receipt.
    pub(crate) fn note(&mut self, answer: &Answer<C>) {
        if !self.answers.contains(answer) && self.answers.len() < MOST_ANSWERS {
            self.answers.push(answer.clone());
        }
    }

    /// Keeps a verdict that counts, or that convicts whoever signed it, before all other answers:
    /// it is the verdict. Of the same verdict the fuller answer stays.
    pub(crate) fn decide(&mut self, decided: &Decided<C>) {
        let mut full = decided.clone();
        self.answers.retain(|answer| match answer {
            Answer::Decided(known) if known.verdict == full.verdict => {
                if known.replacements.len() > full.replacements.len() {
                    full = (**known).clone();
                }
                false
            }
            _ => true,
        });
        self.answers.truncate(MOST_ANSWERS - 1);
        self.answers.insert(0, Answer::Decided(Box::new(full)));
    }

    /// The verdict that was given, if any.
    pub fn decided(&self) -> Option<&Decided<C>> {
        self.answers.iter().find_map(|answer| match answer {
            Answer::Decided(decided) => Some(&**decided),
            _ => None,
        })
    }
}

/// The tokens for all leaves of a leg, in order.
pub(crate) fn tokens<C: Crypto>(
    agreement: &Agreed<C>,
    from: Role,
    secrets: &[Secret<C>],
    facts: &[Signed<C, Fact<C>>],
) -> Vec<Token<C>> {
    let leaves = agreement.gives(from).iter().enumerate();
    leaves
        .map(|(index, leaf)| {
            let secret = secrets.get(index).unwrap_or(&Secret::Nothing);
            leaf.item.promise(Place { agreement, from, index }, secret, facts)
        })
        .collect()
}

/// The worth that each token of a side must have.
fn needed<C: Crypto>(agreement: &Agreed<C>, from: Role) -> Worth {
    match agreement.needs_certificate(from) {
        true => Worth::Good,
        false => Worth::Unverifiable,
    }
}

/// Whether the peer's tokens are worth what the protocol needs.
pub(crate) fn are_good<C: Crypto>(
    agreement: &Agreed<C>,
    from: Role,
    tokens: &[Token<C>],
    holder: &impl Holder<C>,
) -> Result<bool, HolderError> {
    let leaves = agreement.gives(from);
    if tokens.len() != leaves.len() {
        return Ok(false);
    }
    let needed = match leaves_out(Rule::VerifiableTokens) {
        true => Worth::Unverifiable,
        false => needed(agreement, from),
    };
    for (index, (leaf, token)) in leaves.iter().zip(tokens).enumerate() {
        if leaf.item.check(Place { agreement, from, index }, token, holder)? < needed {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether tokens are evidently worthless: whoever completes by them is at fault.
pub(crate) fn are_evidently_bad<C: Crypto>(
    agreement: &Agreed<C>,
    from: Role,
    tokens: &[Token<C>],
) -> bool {
    let leaves = agreement.gives(from);
    let needed = needed(agreement, from);
    let bad = |(index, leaf): (usize, &crate::Leaf<C>)| {
        // What is paid is shown by facts, not by a token.
        if agreement.protocol.pays(from) && leaf.item.money().is_some() {
            return false;
        }
        let token = tokens.get(index).unwrap_or(&Token::Nothing);
        leaf.item.evident(Place { agreement, from, index }, token) < needed
    };
    tokens.len() != leaves.len() || leaves.iter().enumerate().any(bad)
}

/// The items of all leaves of a leg, in order.
pub(crate) fn items<C: Crypto>(
    agreement: &Agreed<C>,
    from: Role,
    secrets: &[Secret<C>],
    facts: &[Signed<C, Fact<C>>],
    holder: &impl Holder<C>,
) -> Result<Vec<Delivery<C>>, HolderError> {
    let leaves = agreement.gives(from).iter().enumerate();
    leaves
        .map(|(index, leaf)| {
            let secret = secrets.get(index).unwrap_or(&Secret::Nothing);
            leaf.item.deliver(Place { agreement, from, index }, secret, facts, holder)
        })
        .collect()
}

/// Takes the peer's items: all of them, or none.
pub(crate) fn take<C: Crypto>(
    agreement: &Agreed<C>,
    from: Role,
    tokens: &[Token<C>],
    items: &[Delivery<C>],
    holder: &impl Holder<C>,
) -> Result<Taken<C>, HolderError> {
    fold(agreement, from, tokens, items, |place, item, token, delivery| {
        item.accept(place, token, delivery, holder)
    })
}

/// Takes what replaces the peer's items: all of them, or none.
pub(crate) fn take_replacements<C: Crypto>(
    agreement: &Agreed<C>,
    from: Role,
    tokens: &[Token<C>],
    decided: &Decided<C>,
    holder: &impl Holder<C>,
) -> Result<Taken<C>, HolderError> {
    fold(agreement, from, tokens, &decided.replacements, |place, item, token, replacement| {
        item.accept_replacement(place, token, replacement, decided, holder)
    })
}

fn fold<C: Crypto, T>(
    agreement: &Agreed<C>,
    from: Role,
    tokens: &[Token<C>],
    items: &[T],
    mut accept: impl FnMut(
        Place<'_, C>,
        &crate::Item<C>,
        &Token<C>,
        &T,
    ) -> Result<Received<C>, HolderError>,
) -> Result<Taken<C>, HolderError> {
    let leaves = agreement.gives(from);
    if items.len() != leaves.len() {
        return Ok(Taken::Bad);
    }
    let mut taken = Taken::Here;
    for (index, (leaf, item)) in leaves.iter().zip(items).enumerate() {
        let token = tokens.get(index).unwrap_or(&Token::Nothing);
        match accept(Place { agreement, from, index }, &leaf.item, token, item)? {
            Received::Here => {}
            Received::Claim(claim) if !matches!(taken, Taken::False(..)) => {
                taken = Taken::Claim(claim);
            }
            Received::Claim(_) => {}
            Received::False(fraud, proof) => taken = Taken::False(index, fraud, proof),
            Received::Bad => return Ok(Taken::Bad),
        }
    }
    Ok(taken)
}

/// Whether a fact is our payment system's, and says that our money is held or paid as agreed.
pub(crate) fn is_committed<C: Crypto>(
    agreement: &Agreed<C>,
    payer: Role,
    fact: &Signed<C, Fact<C>>,
) -> bool {
    let Some((index, money)) = agreement.money(payer) else { return false };
    let place = Place { agreement, from: payer, index };
    let fact = std::slice::from_ref(fact);
    matches!(money.promise(place, &Secret::Nothing, fact), Token::Fact(_))
}

/// The state of one side's money by its payment system's word; `None` if it is not its word.
pub(crate) fn said<C: Crypto>(
    agreement: &Agreed<C>,
    payer: Role,
    fact: &Signed<C, Fact<C>>,
) -> Option<Hold> {
    let (index, money) = agreement.money(payer)?;
    let place = Place { agreement, from: payer, index };
    money.is_about(place, fact).then(|| fact.body().hold)
}

/// The name of one side's money leaf.
pub fn money_leaf<C: Crypto>(agreement: &Agreed<C>, payer: Role) -> Option<Digest> {
    agreement.money(payer).map(|(index, _)| agreement.leaf(payer, index))
}
