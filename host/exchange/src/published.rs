//! What stands in a third party's public log: a line about each verdict, and each change of its key.
//!
//! A line says that there is a verdict and which, and nothing of what it is about. An exchange has
//! one line. It has a second one only if a fault was shown after its completion, and that line
//! names the completion. Whoever reads two others has found a third party that decided twice.

use semper_base::{Digest, Timestamp, cbor};
use serde::{Deserialize, Serialize};

use crate::agreement::ThirdParty;
use crate::crypto::{Body, Crypto, Detached, Holder, HolderError, Signed};

/// Bytes of a line at most.
pub const MAX_LINE: usize = 4_096;

/// A line about a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logged {
    /// The exchange.
    pub exchange: Digest,
    /// The verdict's digest.
    pub verdict: Digest,
    /// The completion that this one follows: a fault was shown in time to stop its money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
}

/// What a third party says when it takes another key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Follows<C: Crypto> {
    /// Its keys until then. Exchanges that name them are decided by them for ever.
    pub before: ThirdParty<C>,
    /// Its keys from then on.
    pub after: ThirdParty<C>,
    /// From when on.
    pub from: Timestamp,
}

impl<C: Crypto> Body for Follows<C> {
    const KIND: &'static str = "succession";
}

/// A change of keys, signed by both: by the old one, which others pin, so that they believe it; by
/// the new one, so that nobody claims somebody else's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Succession<C: Crypto> {
    /// What is said, signed by the old key.
    pub said: Signed<C, Follows<C>>,
    /// The new key's signature over the same.
    pub new: Detached<C>,
}

impl<C: Crypto> Succession<C> {
    /// Has both keys sign it.
    ///
    /// # Errors
    /// When a key cannot be reached.
    pub fn sign(
        follows: Follows<C>,
        old: &impl Holder<C>,
        new: &impl Holder<C>,
    ) -> Result<Self, HolderError> {
        let subject = subject(&follows.before.origin);
        let new = Signed::new(new, subject, follows.clone())?.detached();
        Ok(Self { said: Signed::new(old, subject, follows)?, new })
    }

    /// What it says, if both keys have signed it, and both are of the same third party.
    pub fn verify(&self) -> Option<&Follows<C>> {
        let follows = self.said.body();
        let (before, after) = (&follows.before, &follows.after);
        let subject = subject(&before.origin);
        let holds = before.origin == after.origin
            && before.sign != after.sign
            && self.new.digest == self.said.digest()
            && self.said.is_by(&before.sign, subject)
            && self.new.is_by::<Follows<C>>(&after.sign, subject);
        holds.then_some(follows)
    }
}

/// A change of keys belongs to no exchange: it is about the third party of this name.
fn subject(origin: &str) -> Digest {
    Digest::of(origin.as_bytes())
}

/// The keys of a third party, the newest first, if each was signed into succession by the one
/// before it; `None` if the statements are not such a chain, or it does not have this one.
pub fn succeeded<C: Crypto>(
    pinned: &ThirdParty<C>,
    statements: &[Succession<C>],
) -> Option<Vec<ThirdParty<C>>> {
    let mut all = Vec::new();
    for statement in statements {
        let follows = statement.verify()?;
        if all.is_empty() {
            all.push(follows.before.clone());
        }
        if all.last() != Some(&follows.before) || all.contains(&follows.after) {
            return None;
        }
        all.push(follows.after.clone());
    }
    if all.is_empty() {
        all.push(pinned.clone());
    }
    all.reverse();
    all.contains(pinned).then_some(all)
}

/// A line of the public log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<C: Crypto> {
    /// There is a verdict.
    Verdict(Logged),
    /// The third party has another key.
    Succession(Box<Succession<C>>),
}

impl<C: Crypto> Line<C> {
    /// Reads a line; `None` if it is neither.
    pub fn read(entry: &[u8]) -> Option<Self> {
        if let Ok(logged) = cbor::decode(entry, MAX_LINE) {
            return Some(Self::Verdict(logged));
        }
        cbor::decode(entry, MAX_LINE).ok().map(Self::Succession)
    }
}

#[cfg(test)]
mod tests {
    use super::{Follows, Line, Logged, Succession, succeeded};
    use crate::agreement::ThirdParty;
    use crate::standard::{Keys, NoGoods, Standard};
    use semper_base::{Digest, SigningKey, Timestamp, cbor};

    fn keys() -> Keys {
        Keys::new(SigningKey::generate(), NoGoods)
    }

    fn named(keys: &Keys, origin: &str) -> ThirdParty<Standard> {
        ThirdParty { origin: origin.into(), sign: keys.public(), seal: keys.seal_public() }
    }

    fn follows(old: &Keys, new: &Keys) -> Follows<Standard> {
        let (before, after) = (named(old, "third.example"), named(new, "third.example"));
        Follows { before, after, from: Timestamp::now() }
    }

    fn statement(old: &Keys, new: &Keys) -> Succession<Standard> {
        Succession::sign(follows(old, new), old, new).unwrap()
    }

    #[test]
    fn keys_follow_each_other_only_as_both_have_signed() {
        let [first, second, third, thief] = [keys(), keys(), keys(), keys()];
        let chain = [statement(&first, &second), statement(&second, &third)];
        let [one, two, three] = [&first, &second, &third].map(|it| named(it, "third.example"));

        for pinned in [&one, &two, &three] {
            let all = [three.clone(), two.clone(), one.clone()].to_vec();
            assert_eq!(succeeded(pinned, &chain), Some(all));
        }

        // The thief's own key has signed for the pinned one; the pinned one has not.
        let forged = Succession::sign(follows(&first, &thief), &thief, &thief).unwrap();
        assert_eq!(succeeded(&one, &[forged]), None);
        // Nor does somebody take up a key that is not its own.
        let foreign = Succession::sign(follows(&thief, &first), &thief, &thief).unwrap();
        assert_eq!(succeeded(&one, &[foreign]), None);
        // A statement is missing in between, comes twice, or is about a key that nobody pins.
        assert_eq!(succeeded(&one, &[chain[1].clone()]), None);
        assert_eq!(succeeded(&one, &[chain[0].clone(), chain[0].clone()]), None);
        assert_eq!(succeeded(&named(&thief, "third.example"), &chain), None);
        // Under another name the same keys are somebody else's.
        assert_eq!(succeeded(&named(&first, "other.example"), &chain), None);
        assert_eq!(succeeded(&one, &[]), Some(vec![one]));
    }

    #[test]
    fn a_line_is_read_as_what_it_is_and_as_it_was_written_before_lines_named_completions() {
        let [exchange, verdict] = [Digest::of(b"exchange"), Digest::of(b"verdict")];
        let line = Logged { exchange, verdict, after: None };
        let bytes = cbor::encode(&line);
        // What stands in the logs of today.
        #[derive(serde::Serialize)]
        struct Earlier {
            exchange: Digest,
            verdict: Digest,
        }
        assert_eq!(bytes, cbor::encode(&Earlier { exchange, verdict }));
        assert_eq!(Line::<Standard>::read(&bytes), Some(Line::Verdict(line)));

        let statement = statement(&keys(), &keys());
        let read = Line::read(&cbor::encode(&statement));
        assert_eq!(read, Some(Line::Succession(Box::new(statement))));
        assert_eq!(Line::<Standard>::read(b"something else"), None);
    }
}
