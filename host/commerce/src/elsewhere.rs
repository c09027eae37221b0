//! Questions that somebody else than the person may answer: a business application that began the
//! purchase, or a link that has filled something in. Whoever runs the host for a person knows; a
//! merchant's host asks nobody.

use semper_base::Digest;
use semper_runtime::Deal;
use semper_tinguin_protocol::Filled;
use semper_tinguin_protocol::screen::Question;

/// Who answers a service's question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The person in her TINGUIN, perhaps with something filled in.
    Person(Option<Filled>),
    /// This is the answer, given beforehand.
    Answered(Filled),
    /// Somebody else; the answer comes to the TINGUIN.
    Elsewhere,
}

/// Knows who answers the questions of a person's deals.
pub trait Elsewhere: std::fmt::Debug + Send + Sync {
    /// Who answers a question that is put now. It may be put many times until it is answered.
    fn who(&self, deal: &Deal, key: Digest, question: &Question) -> Who;
    /// A question that is to be answered elsewhere has no answer yet.
    fn waits(&self, deal: &Deal, key: Digest, question: Question);
    /// Whether the answer to this question is waited for elsewhere.
    fn is_elsewhere(&self, key: Digest) -> bool;
    /// The question waits for no answer any more.
    fn over(&self, key: Digest);
    /// By whom the deal with this nonce was begun, if not by the person herself.
    fn begun_by(&self, nonce: Digest) -> Option<String>;
}
