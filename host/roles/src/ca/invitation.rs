//! Invitations: all that somebody needs to begin, in one signed text. An authority writes it for a
//! person: whom to believe, where the bank is, and her registration key.
//!
//! The text is a link, `semper:invitation/…`, and may be kept in a file. It is as secret as the
//! registration key in it. The signature shows that whoever has the authority's key has written all
//! of it; whether that is the authority that the person means she sees by its fingerprint.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use semper_base::cbor;
use semper_base::cert::Roots;
use semper_base::cose::{self, CoseError, Signatory};
use semper_base::{Certificate, Currency, Mend, Role, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Ca, CaError};

/// How an invitation begins.
pub const PREFIX: &str = "semper:invitation/";
/// The domain that invitations are signed in.
const DOMAIN: &str = "invitation";
/// Bytes of an invitation, at most.
const MOST: usize = 256 * 1024;
/// Organisations and third parties, at most.
const MANY: usize = 16;
/// Characters of a name or an address, at most.
const LONG: usize = 300;

/// All that somebody needs to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// For whom.
    pub name: String,
    /// As what.
    pub role: Role,
    /// The registration key.
    pub key: String,
    /// When it was written.
    pub made: Timestamp,
    /// Where the authority's server is.
    pub authority: String,
    /// The authority's root.
    pub root: Certificate,
    /// Consumer organisations that the authority recommends: a short name, and the root.
    pub organisations: Vec<(String, Certificate)>,
    /// Third parties that it recommends, as trust files have them.
    pub third_parties: Vec<String>,
    /// A bank to open an account at.
    pub bank: Option<InvitingBank>,
}

/// A bank to open an account at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvitingBank {
    /// Its certified name.
    pub name: String,
    /// Where its server is.
    pub address: String,
    /// The account's currency.
    pub currency: Currency,
}

/// Why a text is no invitation.
#[derive(Debug, thiserror::Error, Mend)]
#[mend(input)]
pub enum InvitationError {
    /// Not the text of one.
    #[error("this is no invitation: {0}")]
    #[mend(
        "give the file, or the whole link, as the organiser has sent it; it begins with {PREFIX}"
    )]
    Form(String),
    /// The signature.
    #[error("the invitation has been changed, or cut off: {0}")]
    #[mend("ask the organiser for it again")]
    Signature(#[from] CoseError),
    /// The one who signed is not the authority that it names.
    #[error("the invitation is not signed by the authority “{0}” that it names")]
    #[mend("do not use it; tell the organiser")]
    Signer(String),
}

impl Invitation {
    /// Reads an invitation, and verifies that the authority in it has signed all of it.
    ///
    /// # Errors
    /// It is none, it was changed, or somebody else has signed it.
    pub fn read(text: &str) -> Result<Self, InvitationError> {
        let form = |what: &str| InvitationError::Form(what.to_owned());
        // Mail breaks lines.
        let text: String = text.split_whitespace().collect();
        let coded = text.strip_prefix(PREFIX).ok_or_else(|| form("it begins otherwise"))?;
        if coded.len() > MOST {
            return Err(form("it is too long"));
        }
        let bytes = URL_SAFE_NO_PAD.decode(coded).map_err(|_| form("it cannot be read"))?;
        let parsed = cose::parse(&bytes, DOMAIN, MOST)?;
        let Signatory::Chain(chain) = parsed.signatory().clone() else {
            return Err(form("it is signed by no authority"));
        };
        let (payload, _, _) = parsed.verify_own()?;
        let this: Self = cbor::decode(&payload, MOST).map_err(|error| form(&error.to_string()))?;
        this.fits()?;
        let by_root = chain.first() == Some(&this.root);
        let below = || {
            let roots = Roots::new(vec![this.root.clone()]);
            chain.first().is_some_and(Certificate::is_authority) && roots.certify(&chain)
        };
        match this.root.is_authority() && (by_root || below()) {
            true => Ok(this),
            false => Err(InvitationError::Signer(this.root.subject())),
        }
    }

    /// By what a person recognises the authority: the beginning of its root's digest, in groups.
    pub fn fingerprint(&self) -> String {
        let hex = self.root.digest().hex();
        let groups: Vec<&str> = (0..8).filter_map(|at| hex.get(4 * at..4 * at + 4)).collect();
        groups.join(" ")
    }

    fn fits(&self) -> Result<(), InvitationError> {
        let bank = self.bank.iter().flat_map(|it| [&it.name, &it.address]);
        let organisations = self.organisations.iter().map(|it| &it.0);
        let mut texts = [&self.name, &self.key, &self.authority].into_iter();
        let long = |it: &String| it.is_empty() || it.chars().count() > LONG;
        if texts.any(long) || bank.chain(organisations).any(long) {
            return Err(InvitationError::Form("a name or an address in it is none".into()));
        }
        if !self.organisations.iter().all(|it| can_name(&it.0) && it.1.is_authority()) {
            return Err(InvitationError::Form("an organisation in it is none".into()));
        }
        if self.organisations.len() > MANY || self.third_parties.len() > MANY {
            return Err(InvitationError::Form("it names too many to believe".into()));
        }
        Ok(())
    }
}

/// Whether an organisation can be called so in a home: its files and its entry in the trust file bear
/// this name.
pub fn can_name(organisation: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c == b'-';
    !organisation.is_empty() && organisation.bytes().all(plain)
}

impl Ca {
    /// Signs an invitation by an authority's key.
    ///
    /// # Errors
    /// The home is no authority's, or the invitation is none.
    pub fn sign_invitation(path: &Path, invitation: &Invitation) -> Result<String, CaError> {
        let home = Self::home(path)?;
        let (root, between) = (Self::root_of(&home)?, Self::between(&home)?);
        let chain = if between.is_empty() { vec![root] } else { between };
        let payload = cbor::encode(invitation);
        let signed = cose::sign(&Self::key(&home)?, &Signatory::Chain(chain), DOMAIN, &payload);
        Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(signed)))
    }

    /// The root of an authority's home.
    ///
    /// # Errors
    /// The home is no authority's.
    pub fn root_in(path: &Path) -> Result<Certificate, CaError> {
        Self::root_of(&Self::home(path)?)
    }
}
