//! Keys and goods of a deal, as the exchange layer wants them: the TINGUIN signs and opens; what
//! is encrypted came with the negotiation.

use std::sync::{Mutex, PoisonError};

use semper_base::{DealId, Digest, cbor};
use semper_exchange::crypto::{Body, Half, Holder, HolderError};
use semper_exchange::information::{self, CHUNK, InformationError, Proof, TAG};
use semper_exchange::item::Information;
use semper_exchange::package::Enclosed;
use semper_exchange::standard::{Sealed, Share, Signature, Standard};
use semper_tinguin_protocol::{Cause, Client, ClientError};
use serde_bytes::ByteBuf;

/// Information that was opened: its encrypted root, and what it says.
pub(crate) type Opened = Vec<(Digest, ByteBuf)>;

/// The holder.
pub(crate) struct DealHolder<'a> {
    tinguin: &'a Client,
    deal: DealId,
    /// What the other side encloses.
    enclosed: &'a [Enclosed],
    opened: Mutex<Opened>,
}

impl<'a> DealHolder<'a> {
    pub(crate) fn new(tinguin: &'a Client, deal: DealId, enclosed: &'a [Enclosed]) -> Self {
        Self { tinguin, deal, enclosed, opened: Mutex::default() }
    }

    /// What has been opened.
    pub(crate) fn into_opened(self) -> Opened {
        self.opened.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The encrypted information with this root.
    fn sealed(&self, cipher: &Digest) -> Option<&[u8]> {
        self.enclosed.iter().find_map(|it| match it {
            Enclosed::Information { sealed, .. } => {
                let root = information::root(sealed.as_slice(), plain_length(sealed.len())).ok()?;
                (root == *cipher).then_some(sealed.as_slice())
            }
            _ => None,
        })
    }
}

/// How long the information is that this many encrypted bytes hold.
fn plain_length(sealed: usize) -> u64 {
    let chunks = sealed.div_ceil(CHUNK + TAG);
    sealed.saturating_sub(chunks * TAG) as u64
}

fn away(error: &dyn std::fmt::Display) -> HolderError {
    HolderError::Away(error.to_string())
}

/// Whether the TINGUIN says so however often it is asked: by a rule of its own, or since it cannot
/// read what is asked.
pub(crate) fn is_final(error: &ClientError) -> bool {
    match error {
        ClientError::NotDone(failure) => matches!(failure.cause, Cause::Rule | Cause::Malformed),
        ClientError::Declined(_) => true,
        _ => false,
    }
}

impl Holder<Standard> for DealHolder<'_> {
    fn sign<B: Body>(&self, subject: Digest, body: &B) -> Result<Signature, HolderError> {
        let bytes = cbor::encode(body);
        let signature = self.tinguin.sign_exchange(self.deal, subject, B::KIND, bytes);
        signature.map(Signature::from_bytes).map_err(|error| match is_final(&error) {
            true => HolderError::Denied { kind: B::KIND, why: error.to_string() },
            false => away(&error),
        })
    }

    fn open(
        &self,
        half: Half,
        bound: &Digest,
        sealed: &Sealed,
    ) -> Result<Option<Share>, HolderError> {
        let opened = self.tinguin.open_share(self.deal, half, *bound, sealed.as_bytes());
        let opened = opened.map_err(|error| away(&error))?;
        let share = opened.and_then(|it| <[u8; 32]>::try_from(it).ok());
        Ok(share.map(Share::from_bytes))
    }

    fn seed(&self, purpose: &Digest) -> Result<Digest, HolderError> {
        self.tinguin.exchange_seed(self.deal, *purpose).map_err(|error| away(&error))
    }

    fn holds(&self, cipher: &Digest) -> bool {
        self.sealed(cipher).is_some()
    }

    fn examine(&self, leaf: &Information, shares: [&Share; 2]) -> Result<(), Proof> {
        let sealed = self.sealed(&leaf.cipher).unwrap_or_default();
        let mut plain = Vec::new();
        match information::open(sealed, &mut plain, leaf, shares.map(Share::as_bytes), None) {
            Ok(()) => {
                let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
                opened.push((leaf.cipher, plain.into()));
                Ok(())
            }
            Err(InformationError::Fraud(_, proof)) => Err(*proof),
            // Nothing was promised before it was here, whole; so this shows nothing about anybody.
            Err(_) => {
                let (cipher, content) = (Vec::new(), None);
                Err(Proof { index: 0, chunk: ByteBuf::new(), cipher, content })
            }
        }
    }
}
