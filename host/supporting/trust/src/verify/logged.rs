//! Fourth stage: the merchant's signature is in a transparency log that is believed.

use semper_base::{Digest, Identity};
use semper_tlog::Proof;

use super::described::Described;
use super::error::TrustError;
use super::fresh::Fresh;
use crate::bundle::{LOG_PROOF, PROOF};
use crate::layout::{Layout, LayoutError};
use crate::trustfile::TrustFile;

/// Terms that are logged, as far as the trust file wants it.
#[derive(Clone, Debug)]
pub struct Logged {
    pub(super) described: Described,
    pub(super) merchant: Identity,
    pub(super) author: Identity,
    pub(super) warnings: Vec<String>,
    pub(super) known: bool,
    pub(super) suspicious: bool,
    pub(super) log: Option<semper_tlog::proof::Logged>,
}

impl Fresh {
    /// Checks the log proof of the merchant's signature, offline. `asked` is false for deals
    /// that were opened when it was.
    pub fn logged(
        self,
        layout: &Layout,
        trust: &TrustFile,
        asked: bool,
    ) -> Result<Logged, TrustError> {
        let found = proved(layout, trust, &self.merchant.manifest, &self.merchant.envelope)?;
        let log = match found {
            Ok(log) => Some(log),
            Err(why) if asked && trust.transparency.terms => return Err(TrustError::Unlogged(why)),
            Err(_) => None,
        };
        let Self { described, merchant, author, warnings, known, suspicious } = self;
        let (merchant, author) = (merchant.by, author.by);
        Ok(Logged { described, merchant, author, warnings, known, suspicious, log })
    }
}

/// A proof that an envelope is in one of the logs believed, or why there is none. Proofs stand
/// as referrers of the envelope's manifest; the first that holds is enough.
pub(super) fn proved(
    layout: &Layout,
    trust: &TrustFile,
    manifest: &Digest,
    envelope: &Digest,
) -> Result<Result<semper_tlog::proof::Logged, String>, LayoutError> {
    let mut why = "the bundle has no proof".to_owned();
    let entry = layout.blob(envelope)?;
    for found in layout.referrers(manifest, LOG_PROOF)? {
        for layer in found.layers.iter().filter(|it| it.media_type == PROOF) {
            let proof = match Proof::parse(layout.blob(&layer.digest)?) {
                Ok(proof) => proof,
                Err(error) => {
                    why = error.to_string();
                    continue;
                }
            };
            if trust.logs.is_empty() {
                why = "no log is believed".into();
            }
            for log in trust.logs.values() {
                match proof.verify(entry, &log.key, &log.witnesses, log.quorum) {
                    Ok(logged) => return Ok(Ok(logged)),
                    Err(error) => why = error.to_string(),
                }
            }
        }
    }
    Ok(Err(why))
}
