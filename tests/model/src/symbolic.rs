//! Cryptography as symbols: a signature is the fact that a key signed something, a sealed share
//! a note to whom it is sealed. Nobody forges or guesses; everything else is allowed.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use semper_base::Digest;
use semper_exchange::fence::Phase;
use semper_exchange::information::Proof;
use semper_exchange::mutation::{Rule, leaves_out};
use semper_exchange::{
    Body, Crypto, Fraud, Half, Holder, HolderError, Information, Named, Protocol, Role,
};
use serde::{Deserialize, Serialize};

/// The instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Symbolic;

/// Whose key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Who {
    /// The originator.
    Originator,
    /// The responder.
    Responder,
    /// The third party.
    ThirdParty,
    /// The bank.
    Bank,
    /// Another third party, an accomplice of whoever cheats.
    Accomplice,
}

/// That a key has signed something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mark {
    by: Who,
    over: u64,
}

/// A share, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Envelope {
    to: Who,
    half: Half,
    bound: Digest,
    share: u8,
}

/// The description of information that is not what it says.
pub fn false_description() -> Digest {
    digest("false", &0)
}

/// The chunk that shows it.
pub fn proof() -> Proof {
    Proof { index: 7, chunk: Vec::new().into(), cipher: Vec::new(), content: None }
}

/// A complaint's chunk that shows nothing.
pub fn no_proof() -> Proof {
    Proof { index: 0, chunk: Vec::new().into(), cipher: Vec::new(), content: None }
}

/// The digest of anything.
pub fn digest<T: Hash + ?Sized>(kind: &str, value: &T) -> Digest {
    let mut hasher = DefaultHasher::new();
    (kind, value).hash(&mut hasher);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&hasher.finish().to_be_bytes());
    Digest::from_bytes(bytes)
}

fn over(named: &Named<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    named.hash(&mut hasher);
    hasher.finish()
}

impl Crypto for Symbolic {
    type Key = Who;
    type SealKey = Who;
    type Signature = Mark;
    type Sealed = Envelope;
    type Share = u8;

    fn digest<T: Serialize + Hash + ?Sized>(kind: &str, body: &T) -> Digest {
        digest(kind, body)
    }

    fn verify(key: &Who, named: &Named<'_>, mark: &Mark) -> bool {
        mark.by == *key && mark.over == over(named)
    }

    fn commitment(half: Half, salt: &Digest, share: &u8) -> Digest {
        digest("commitment", &(half, salt, share))
    }

    fn seal(to: &Who, half: Half, bound: &Digest, share: &u8, _: &Digest) -> Envelope {
        Envelope { to: *to, half, bound: *bound, share: *share }
    }

    fn shows(leaf: &Information, _: [&u8; 2], proof: &Proof) -> Option<Fraud> {
        (leaf.description == false_description() && proof.index == 7).then_some(Fraud::Content)
    }
}

/// Somebody with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hand {
    /// Whose.
    pub who: Who,
}

impl Holder<Symbolic> for Hand {
    fn sign<B: Body>(&self, subject: Digest, body: &B) -> Result<Mark, HolderError> {
        let named = Named { kind: B::KIND, subject, digest: digest(B::KIND, body) };
        Ok(Mark { by: self.who, over: over(&named) })
    }

    fn open(
        &self,
        half: Half,
        bound: &Digest,
        sealed: &Envelope,
    ) -> Result<Option<u8>, HolderError> {
        let bound = sealed.bound == *bound || leaves_out(Rule::EscrowBound);
        let ours = sealed.to == self.who && sealed.half == half && bound;
        Ok(ours.then_some(sealed.share))
    }

    fn seed(&self, purpose: &Digest) -> Result<Digest, HolderError> {
        Ok(digest("seed", &(self.who, purpose)))
    }

    fn holds(&self, _: &Digest) -> bool {
        true
    }

    fn examine(&self, leaf: &Information, _: [&u8; 2]) -> Result<(), Proof> {
        if leaf.description == false_description() { Err(proof()) } else { Ok(()) }
    }
}

/// A side's keys with what they remember, by the rule that ships: in production the TINGUIN. What
/// they have signed they know, also when their answer gets lost.
#[derive(Clone, Debug)]
pub struct Keys {
    hand: Hand,
    fence: Option<(Role, Protocol)>,
    phase: Cell<Option<Phase>>,
    away: bool,
}

impl Keys {
    /// The keys of this side, which remember this; `away` says that they do not answer.
    pub fn new(
        hand: Hand,
        role: Role,
        protocol: Protocol,
        phase: Option<Phase>,
        away: bool,
    ) -> Self {
        // Whoever delivers and gives up all the same needs keys that let it.
        let fenced = !leaves_out(Rule::NoAbortAfterDelivery);
        Self { hand, fence: fenced.then_some((role, protocol)), phase: Cell::new(phase), away }
    }

    /// What they remember now.
    pub fn phase(&self) -> Option<Phase> {
        self.phase.get()
    }

    fn answers(&self) -> Result<(), HolderError> {
        match self.away {
            true => Err(HolderError::Away("the keys are away".into())),
            false => Ok(()),
        }
    }
}

impl Holder<Symbolic> for Keys {
    fn sign<B: Body>(&self, subject: Digest, body: &B) -> Result<Mark, HolderError> {
        self.answers()?;
        let begins = self.fence.and_then(|(role, protocol)| Phase::of(B::KIND, role, protocol));
        if let Some(phase) = begins {
            if !phase.may_follow(self.phase.get()) {
                return Err(HolderError::Denied {
                    kind: B::KIND,
                    why: "the other was begun".into(),
                });
            }
            self.phase.set(Some(phase));
        }
        self.hand.sign(subject, body)
    }

    fn open(
        &self,
        half: Half,
        bound: &Digest,
        sealed: &Envelope,
    ) -> Result<Option<u8>, HolderError> {
        self.answers()?;
        self.hand.open(half, bound, sealed)
    }

    fn seed(&self, purpose: &Digest) -> Result<Digest, HolderError> {
        self.answers()?;
        self.hand.seed(purpose)
    }

    fn holds(&self, cipher: &Digest) -> bool {
        self.hand.holds(cipher)
    }

    fn examine(&self, leaf: &Information, shares: [&u8; 2]) -> Result<(), Proof> {
        self.hand.examine(leaf, shares)
    }
}
