//! Our identity's keys and the certificates that say so. One key is in use; a deal goes on signing by
//! the key that signed its agreement, as long as that key's certificate holds.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use semper_bank_protocol::{ACCOUNT_DOMAIN, AccountAction, AccountRequest};
use semper_base::cert::Request as CertificateRequest;
use semper_base::cose::{self, MAX_CHAIN, Signatory};
use semper_base::renewal::{self, Renewal};
use semper_base::{Certificate, Digest, Mend as _, Role, Signs, Timestamp, cbor};
use semper_tinguin_protocol::protocol::Reply;
use semper_tinguin_protocol::screen::{self, Answer, Screen};
use semper_tinguin_protocol::{Cause, Failure};
use serde_bytes::ByteBuf;

use crate::direct::{installs, replaces};
use crate::failure::{broken, damaged, host_at_fault, malformed, refused};
use crate::memory::KnownDeal;
use crate::service::Service;
use crate::signing::reason;

/// Bytes of a chain, at most.
const LONGEST_CHAIN: usize = 32 * 1024;
/// By how much an authority's clock may be ahead.
const SKEW: Duration = Duration::from_secs(300);

/// A key of our identity.
pub(crate) struct Own {
    /// Its number: each renewal makes the next.
    pub generation: u32,
    /// The key itself, or the way to the token that has it.
    pub key: Arc<dyn Signs>,
    /// Its certificate and those of the authorities above; empty before registration.
    pub chain: Vec<Certificate>,
}

impl Service {
    /// The key that is in use.
    pub(crate) fn own(&self) -> Result<Own, Failure> {
        let (generation, chain) = self.in_use()?;
        let key = self.key(generation, &chain)?;
        Ok(Own { generation, key, chain })
    }

    /// The identity's key of this number, which has this chain.
    pub(crate) fn key(
        &self,
        generation: u32,
        chain: &[Certificate],
    ) -> Result<Arc<dyn Signs>, Failure> {
        let certified = chain.first().and_then(|leaf| leaf.key().ok());
        let key = self.keys()?.identity(generation, certified);
        key.map_err(|error| {
            let mend = error.mend();
            self.gone().unwrap_or_else(|| Failure::new(Cause::Trouble, error.to_string(), mend))
        })
    }

    /// The identity's key of this number, which has no certificate: it may have to be made.
    fn next_key(&self, generation: u32) -> Result<Arc<dyn Signs>, Failure> {
        self.key(generation, &[])
    }

    /// The same, for a certificate that is asked for.
    fn asked_for(&self, generation: u32) -> Result<Arc<dyn Signs>, Failure> {
        self.memory.keep_asked(generation).map_err(|error| broken(&error))?;
        self.next_key(generation)
    }

    /// Signs by a key of our identity.
    pub(crate) fn sign(&self, own: Own, domain: &str, payload: &[u8]) -> Result<Reply, Failure> {
        let signed = cose::sign_by(&*own.key, &Signatory::Chain(own.chain), domain, payload);
        Ok(Reply::Signed(ByteBuf::from(signed.map_err(|error| self.unsigned(&error))?)))
    }

    /// What keeps a key does not sign by it: it was pulled out, or something is wrong with it.
    fn unsigned(&self, error: &impl ToString) -> Failure {
        self.gone().unwrap_or_else(|| {
            let mend = "see whether its maker's program can use it, then start the TINGUIN again";
            Failure::new(Cause::Trouble, error.to_string(), mend)
        })
    }

    /// The number of the key that is in use and its chain: these can be told without the key.
    pub(crate) fn in_use(&self) -> Result<(u32, Vec<Certificate>), Failure> {
        let newest = self.memory.newest_identity().map_err(|error| broken(&error))?;
        let (generation, bytes) = newest.unwrap_or_default();
        Ok((generation, chain(Some(&*bytes).filter(|it| !it.is_empty()))?))
    }

    /// The key by which a deal goes on signing: its own while the certificate holds, then the one
    /// that is in use.
    pub(crate) fn own_of(&self, deal: &KnownDeal) -> Result<Own, Failure> {
        let kept = self.memory.identity(deal.generation).map_err(|error| broken(&error))?;
        let (generation, chain) = (deal.generation, chain(kept.as_deref())?);
        let holds = chain.first().is_some_and(|it| Timestamp::now() <= it.validity().1);
        match holds {
            true => Ok(Own { generation, key: self.key(generation, &chain)?, chain }),
            false => self.own(),
        }
    }

    /// What there is to say of our certificate's end, if that is soon or past.
    pub(crate) fn ends(&self) -> Option<String> {
        let (until, now) = (self.until()?, Timestamp::now());
        renewal::is_due(until, now).then(|| match now <= until {
            true => format!("your certificate ends on {}: semper renew", until.date()),
            false => format!("your certificate ended on {}: semper register", until.date()),
        })
    }

    fn until(&self) -> Option<Timestamp> {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.is_none() {
            *until = self.in_use().ok()?.1.first().map(|it| it.validity().1);
        }
        *until
    }

    /// A request for a certificate of the key that is in use.
    pub(crate) fn request_certificate(&self, name: &str) -> Result<Reply, Failure> {
        let (generation, chain) = self.in_use()?;
        let key = match chain.is_empty() {
            true => self.asked_for(generation)?,
            false => self.key(generation, &chain)?,
        };
        self.request(name, &*key)
    }

    fn request(&self, name: &str, key: &dyn Signs) -> Result<Reply, Failure> {
        let request = CertificateRequest::new(name, key).map_err(|error| {
            self.gone().unwrap_or_else(|| refused(error, "choose another name"))
        })?;
        Ok(Reply::CertificateRequest(request.pem().to_owned()))
    }

    /// Has the key in use ask for the next one to be certified. Asked again, it is the same key.
    pub(crate) fn renew(&self) -> Result<Reply, Failure> {
        let own = self.own()?;
        if own.chain.is_empty() {
            return Err(refused("there is no certificate to renew", "semper register --help"));
        }
        let next = self.asked_for(own.generation.saturating_add(1))?;
        let signed = Renewal::sign(&*own.key, own.chain, &*next)
            .map_err(|error| self.gone().unwrap_or_else(|| refused(error, "register again")))?;
        Ok(Reply::Signed(ByteBuf::from(signed)))
    }

    /// Keeps a certificate: of the key in use, or of the next one, which is in use from then on. The
    /// person is asked if it gives her another name or comes from somebody else than the one before;
    /// and `always`, if the host is on another machine.
    pub(crate) fn install(&self, new: &[Certificate], always: bool) -> Result<Reply, Failure> {
        fits(new)?;
        let (generation, old) = self.in_use()?;
        let key_of = |chain: &[Certificate]| chain.first().and_then(|leaf| leaf.key().ok());
        let (leaf, next) = (key_of(new), generation.saturating_add(1));
        let own = match old.is_empty() {
            true => Some(self.next_key(generation)?.public()),
            false => key_of(&old),
        };
        let generation = if leaf.is_some() && leaf == own {
            generation
        } else if leaf.is_some() && leaf == Some(self.next_key(next)?.public()) {
            next
        } else {
            let what = "the certificate is for another key";
            return Err(refused(what, "register again with the key that this TINGUIN made"));
        };
        let Some(leaf) = new.first() else { return Err(malformed(&"the chain is empty")) };
        let other = old
            .first()
            .is_some_and(|it| (it.subject(), it.issuer()) != (leaf.subject(), leaf.issuer()));
        if always || other {
            let consent = screen::certificate(old.first(), leaf, Digest::of(leaf.der()));
            let id = installs(new);
            let status = "deciding about a certificate".to_owned();
            match self.ask_alone(&id, Screen::Consent(consent), status)? {
                Answer::Yes => {}
                other => return Ok(Reply::Declined(reason(other))),
            }
        }
        let kept = self.memory.keep_identity(generation, &cbor::encode(new));
        kept.map_err(|error| broken(&error))?;
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(Reply::Done)
    }

    /// Asks for the next key in the place of one that is lost, if the person agrees: once its
    /// certificate is there, nothing is signed by an older one, in no deal.
    pub(crate) fn request_next(&self, name: &str) -> Result<Reply, Failure> {
        let next = self.in_use()?.0.saturating_add(1);
        let id = replaces(name);
        let consent = screen::replacement(name, id);
        let status = "deciding whether a key is replaced".to_owned();
        match self.ask_alone(&id, Screen::Consent(consent), status)? {
            Answer::Yes => {}
            other => return Ok(Reply::Declined(reason(other))),
        }
        self.memory.keep_lost(next).map_err(|error| broken(&error))?;
        self.request(name, &*self.asked_for(next)?)
    }

    /// Signs a request about our own account. An account goes over to no key but our own next one.
    pub(crate) fn sign_account_request(&self, bytes: &[u8]) -> Result<Reply, Failure> {
        // Parsed, so that nothing else can be signed under this name.
        let request: AccountRequest =
            cbor::decode(bytes, 4096).map_err(|error| malformed(&error))?;
        let own = self.own()?;
        if own.chain.is_empty() {
            let what =
                "this home has no certificate yet, and a bank opens no account for strangers";
            return Err(refused(what, "semper register --help"));
        }
        if let AccountAction::HandOver { to, .. } = &request.what {
            let next = self.next_key(own.generation.saturating_add(1))?.public();
            if *to != next.id() {
                return Err(host_at_fault("the account would go to a key that is not yours"));
            }
        }
        self.sign(own, ACCOUNT_DOMAIN, bytes)
    }
}

/// Whether a chain is one that can be used: short, each certificate signed by the next one, valid now,
/// of a party.
fn fits(chain: &[Certificate]) -> Result<(), Failure> {
    let wrong = |what: &str| Err(refused(what, "register again; ask the authority"));
    let Some(leaf) = chain.first() else { return wrong("the chain is empty") };
    let bytes: usize = chain.iter().map(|it| it.der().len()).sum();
    if chain.len() > MAX_CHAIN || bytes > LONGEST_CHAIN {
        return wrong("the chain is longer than one can be");
    }
    if chain.windows(2).any(|pair| !pair[0].is_signed_by(&pair[1])) {
        return wrong("a certificate of the chain is not signed by the next one");
    }
    let ((from, until), now) = (leaf.validity(), Timestamp::now());
    if now < from.before(SKEW) || now > until {
        return wrong("the certificate is not valid now");
    }
    match leaf.roles().iter().any(|it| matches!(it, Role::Buyer | Role::Merchant)) {
        true => Ok(()),
        false => wrong("the certificate is neither a buyer's nor a merchant's"),
    }
}

/// A stored chain; none is empty.
fn chain(stored: Option<&[u8]>) -> Result<Vec<Certificate>, Failure> {
    let read = |bytes| cbor::decode(bytes, 64 * 1024).map_err(|error| damaged(&error));
    stored.map_or(Ok(Vec::new()), read)
}
