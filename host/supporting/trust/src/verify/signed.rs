//! Second stage: the merchant has signed the terms, the author the service; chains and roles.

use std::time::Duration;

use semper_base::cert::{Revocation, Verifier};
use semper_base::{Digest, Identity, Role, Timestamp};

use super::described::Described;
use super::error::TrustError;
use crate::bundle::SIGNATURE;
use crate::envelope::{self, AUTHORED, ENVELOPE, Made, OFFERED};
use crate::layout::{Layout, LayoutError};
use crate::revocation::Knowledge;
use crate::trustfile::TrustFile;

/// How far clocks may differ.
pub(super) const SKEW: Duration = Duration::from_secs(300);

/// Descriptions that merchant and author have signed.
#[derive(Clone, Debug)]
pub struct Signed {
    pub(super) described: Described,
    pub(super) merchant: Signature,
    pub(super) author: Signature,
}

/// A signature that has been verified.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub by: Identity,
    /// The digest of the envelope: by it a signature is revoked.
    pub envelope: Digest,
    /// The digest of the envelope's manifest: to it a log proof refers.
    pub manifest: Digest,
}

/// Which signature is meant.
struct Wanted<'a> {
    subject: &'a Digest,
    predicate: &'static str,
    role: Role,
    what: &'static str,
    names: &'static str,
    said: &'a str,
}

impl Described {
    /// Verifies the merchant's and the author's signature; certificates that an authority has
    /// withdrawn do not count.
    pub fn signed(
        self,
        layout: &Layout,
        trust: &TrustFile,
        knowledge: Option<&Knowledge>,
        at: Timestamp,
    ) -> Result<Signed, TrustError> {
        let revocation = match knowledge {
            Some(it) => Revocation::lists(it.crls.iter().cloned()),
            None => Revocation::EVIDENCE,
        };
        let authorities = trust.authorities.asking(revocation);
        let merchant = Wanted {
            subject: &self.terms_digest,
            predicate: OFFERED,
            role: Role::Merchant,
            what: "merchant's signature",
            names: "terms",
            said: &self.terms.merchant,
        };
        let author = Wanted {
            subject: &self.service_digest,
            predicate: AUTHORED,
            role: Role::Author,
            what: "author's signature",
            names: "components",
            said: &self.service.author,
        };
        let merchant = merchant.find(layout, &authorities, at)?;
        let author = author.find(layout, &authorities, at)?;
        Ok(Signed { described: self, merchant, author })
    }
}

impl Wanted<'_> {
    /// The signature; exactly one is expected.
    fn find(
        &self,
        layout: &Layout,
        authorities: &Verifier,
        at: Timestamp,
    ) -> Result<Signature, TrustError> {
        let what = self.what;
        let found = layout.referring(self.subject, SIGNATURE)?;
        let one = match found.as_slice() {
            [one] => {
                one.1.layers.first().filter(|it| it.media_type == ENVELOPE).map(|it| (one.0, it))
            }
            _ => None,
        };
        let (manifest, layer) =
            one.ok_or_else(|| LayoutError::Missing(format!("exactly one {what}")))?;
        let bytes = layout.blob(&layer.digest)?;
        let (made, by): (Made, Identity) =
            envelope::verify(bytes, self.predicate, self.subject, authorities, self.role, at)
                .map_err(|source| TrustError::Signature { what, source })?;
        same_name("signatures", &made.by, &by)?;
        same_name(self.names, self.said, &by)?;
        if made.at > at.after(SKEW) {
            return Err(TrustError::Future { what, made: made.at, at });
        }
        Ok(Signature { by, envelope: layer.digest, manifest })
    }
}

fn same_name(what: &'static str, said: &str, signer: &Identity) -> Result<(), TrustError> {
    if said == signer.name {
        return Ok(());
    }
    Err(TrustError::OtherName { what, said: said.to_owned(), signed: signer.name.clone() })
}
