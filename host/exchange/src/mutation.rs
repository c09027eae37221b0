//! Rules that a test can leave out, to see that the model finds what they are for.
//!
//! Without the feature `mutations` nothing here has any effect, and nothing can be left out. The
//! feature is for one test binary alone, which leaves out one rule after the other.

/// A rule, and the attack of `docs/exchange.md`, “Known attacks”, that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// 1: who has delivered does not ask for an abort.
    NoAbortAfterDelivery,
    /// 2: the first verdict stands.
    OneVerdict,
    /// 3: the third party opens the originator's tokens before it completes.
    OpenBeforeCompleting,
    /// 4 and 11: a token that only the third party can tell is not enough where the protocol
    /// needs more.
    VerifiableTokens,
    /// 5: what is sent has been stored.
    PersistFirst,
    /// 44: what the keys are asked to sign has been stored: they hold it against us.
    IntentFirst,
    /// 45: a beginning that could not be stored is tried again.
    BeginsAgain,
    /// 46: keys that will not sign are not asked for ever.
    DenialMoves,
    /// 47: an exchange whose last date has passed closes by itself.
    Closes,
    /// 6: a verdict names the exchange.
    VerdictNamesExchange,
    /// 7: a message names the exchange.
    MessageNamesExchange,
    /// 8: the responder gives nothing before it has been given.
    ReceiveFirst,
    /// 9: the responder resolves; it does not just give up.
    ResolveAlways,
    /// 10: the third party fences, it does not just look.
    Fence,
    /// 12: a verdict takes back both payments.
    RevokeBoth,
    /// 13: an abort carries the request for it.
    AbortCarriesRequest,
    /// 15: two verdicts about one exchange convict the third party.
    TwoVerdictsConvict,
    /// 16 and 25: an acceptance names the promise that it answers.
    AcceptNamesPromise,
    /// 18: the agreement's third party, and no other, decides.
    OwnThirdParty,
    /// 19: a lock outlives the exchange.
    LockOutlives,
    /// 20: nothing is accepted late.
    AcceptInTime,
    /// 23: an escrow is bound to its leaf.
    EscrowBound,
    /// 27: only the originator may abort before anything is delivered.
    OnlyOriginatorAborts,
    /// 28: a lock is the one that was agreed on.
    LockAsAgreed,
    /// 29: what came is held against its description before it is paid for.
    ExamineFirst,
    /// 30: a complaint must show something.
    ComplaintShows,
    /// 31: nothing of a package is released before all of it can be.
    AllOrNothing,
    /// 34: a fence outlives the third party's crash.
    FenceLasts,
    /// 35: an escrow that was good clears its maker.
    RebuttalClears,
    /// 36: a receipt without a verdict blames the third party.
    SilenceBlames,
    /// 38: received means final at the ledger.
    RedeemFirst,
}

#[cfg(feature = "mutations")]
static LEFT_OUT: std::sync::RwLock<Option<Rule>> = std::sync::RwLock::new(None);

/// Leaves a rule out, in this whole process, until another is.
#[cfg(feature = "mutations")]
pub fn leave_out(rule: Option<Rule>) {
    *LEFT_OUT.write().unwrap_or_else(std::sync::PoisonError::into_inner) = rule;
}

/// Whether a rule is left out.
#[cfg(feature = "mutations")]
pub fn leaves_out(rule: Rule) -> bool {
    *LEFT_OUT.read().unwrap_or_else(std::sync::PoisonError::into_inner) == Some(rule)
}

/// Whether a rule is left out: never.
#[cfg(not(feature = "mutations"))]
pub const fn leaves_out(_rule: Rule) -> bool {
    false
}
