//! Revocation lists of a home: fetched, verified, kept; and re-checked while deals run.
//!
//! A list is kept only if its number is not lower than the last one's of the same signer: a
//! server cannot bring back an old list. Which lists there are is the trust file's business
//! (authorities, evaluators) and the merchant's own (beside its terms).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use semper_archive::{Archive, ArchiveError, Home, HomeError, Write};
use semper_base::cert::{
    CertError, Crl, ISSUER, MAX_CRL, Revocation, Roots, Verifier, Withdrawals,
};
use semper_base::{Certificate, Clock, Digest, Mend, Timestamp};
use semper_net::{Client, NetError};
use semper_trust::envelope::EnvelopeError;
use semper_trust::revocation::{Knowledge, Listed, Newest, newest};
use semper_trust::{TrustFile, VerifiedTerms};

/// Where a merchant publishes its own revocation list.
pub const WELL_KNOWN: &str = "/.well-known/semper/revocations.json";
/// Largest signed list, in bytes.
const MAX_LIST: usize = 2 * 1024 * 1024;
/// Bytes of the certificates that lead from a list to its root, at most.
const MAX_ISSUER: usize = 32 * 1024;
/// The folder of a home.
const FOLDER: &str = "lists";

/// Why a list is not taken.
#[derive(Debug, thiserror::Error, Mend)]
pub enum ListError {
    /// It cannot be had.
    #[error(transparent)]
    #[mend(from)]
    Net(#[from] NetError),
    /// The server answers something else.
    #[error("{url} answers with status {status}")]
    #[mend("check the address in the trust file")]
    Status {
        /// Where.
        url: String,
        /// HTTP.
        status: u16,
    },
    /// Its signature or its form.
    #[error("the list at {url}: {source}")]
    #[mend("tell whoever publishes the list")]
    Signed {
        /// Where.
        url: String,
        /// What is wrong.
        source: EnvelopeError,
    },
    /// An authority's list that cannot be read.
    #[error("the list at {url}: {source}")]
    #[mend("tell whoever publishes the list")]
    Form {
        /// Where.
        url: String,
        /// What is wrong.
        source: CertError,
    },
    /// Nobody whom the trust file names has signed it.
    #[error("the list at {0} is not signed by an authority that is believed here")]
    #[mend("tell whoever publishes the list")]
    Unknown(String),
    /// The evaluator's address gives somebody else's list.
    #[error("the list at {url} is not that of “{of}”")]
    #[mend("tell whoever publishes the list")]
    Other {
        /// Where.
        url: String,
        /// Whose it should be.
        of: String,
    },
    /// An older one than is known.
    #[error("the list at {url} has number {got}, but number {seen} has been seen before")]
    #[mend("whoever serves it holds newer ones back; tell the signer")]
    Older {
        /// Where.
        url: String,
        /// What came.
        got: u64,
        /// What was seen.
        seen: u64,
    },
    /// The home.
    #[error(transparent)]
    #[mend(refusal, from)]
    Home(#[from] HomeError),
    /// The archive.
    #[error(transparent)]
    #[mend(from)]
    Archive(#[from] ArchiveError),
}

/// The lists of a home.
#[derive(Debug)]
pub struct Lists {
    home: Arc<Home>,
    archive: Archive,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

/// The lists of a home, as a trust file wants them.
#[derive(Debug)]
struct Kept {
    lists: Arc<Lists>,
    trust: TrustFile,
}

impl Withdrawals for Kept {
    fn list(&self, authority: &Certificate, at: Timestamp) -> Result<Option<Crl>, String> {
        let known = self.lists.lock();
        let found = newest(&self.trust, known.crls.values(), authority, at);
        match found
            .map_err(|why| format!("the revocation list of “{}” {why}", authority.subject()))?
        {
            Newest::NotAsked => Ok(None),
            Newest::Good(list) | Newest::Overdue(list, _) => Ok(Some(list.clone())),
        }
    }
}

#[derive(Debug, Default)]
struct Known {
    lists: Vec<Listed>,
    /// Authorities' lists, by the names of their files.
    crls: BTreeMap<String, Crl>,
}

impl Lists {
    /// The lists that are kept in a home. What cannot be read any more counts as missing, which
    /// the trust file may make a reason to refuse.
    pub fn open(
        home: Arc<Home>,
        archive: Archive,
        trust: &TrustFile,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let mut known = Known::default();
        let now = clock.now();
        if home.has(FOLDER)
            && let Ok(folder) = home.folder(FOLDER)
            && let Ok(entries) = folder.entries()
        {
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let Ok(bytes) = folder.read(&name) else { continue };
                let read = match name.rsplit_once('.').map(|it| it.1) {
                    // Believed when it came. Deals go on by the authorities that they began with,
                    // whoever is believed now.
                    Some("crl") => Crl::from_der(&bytes)
                        .map(|crl| known.crls.insert(name.clone(), crl))
                        .is_ok(),
                    Some("json") => {
                        Listed::verify(&bytes, trust, now).map(|listed| known.list(listed)).is_ok()
                    }
                    _ => true,
                };
                if !read {
                    tracing::warn!(name, "a kept revocation list is not usable");
                }
            }
        }
        Arc::new(Self { home, archive, clock, known: Mutex::new(known) })
    }

    /// The archive beside which they are kept.
    pub(crate) const fn archive(&self) -> &Archive {
        &self.archive
    }

    /// What is known for terms of that merchant for that service.
    pub fn knowledge(&self, merchant: &str, service: &str) -> Result<Knowledge, ArchiveError> {
        let (lists, crls) = {
            let known = self.lock();
            (known.lists.clone(), known.crls.values().cloned().collect())
        };
        let serial = self.archive.highest(&serial_key(merchant, service))?;
        let newest = self.archive.highest("clock")?;
        Ok(Knowledge {
            lists,
            crls,
            serials: serial
                .map(|it| ((merchant.to_owned(), service.to_owned()), it))
                .into_iter()
                .collect(),
            newest: newest.and_then(|it| Timestamp::from_millis(it).ok()),
            merchants: self.archive.merchants()?,
        })
    }

    /// Whether a list of an authority is missing or overdue, as this trust file sees it.
    pub fn are_due(&self, trust: &TrustFile) -> bool {
        let (known, now) = (self.lock(), self.clock.now());
        let good = |root| {
            let newest = newest(trust, known.crls.values(), root, now);
            matches!(newest, Ok(Newest::NotAsked | Newest::Good(_)))
        };
        let old = |crl: &Crl| !matches!(trust.freshness.of(crl, now), Ok(Newest::Good(_)));
        !trust.authorities.certificates().iter().all(good)
            || !trust.crls.is_empty() && known.crls.values().any(old)
    }

    /// Fetches the trust file's lists, and the merchant's own if there is one; what failed.
    /// Whether an old list is good enough is decided when terms are verified.
    pub fn refresh(
        &self,
        net: &Client,
        trust: &TrustFile,
        merchant: Option<&str>,
    ) -> Vec<ListError> {
        let mut failed = Vec::new();
        for url in &trust.crls {
            failed.extend(self.fetch_crl(net, trust, url).err());
        }
        for (name, evaluator) in &trust.evaluators {
            if let Some(url) = &evaluator.revocations {
                failed.extend(self.fetch_list(net, trust, url, Some(name)).err());
            }
        }
        if let Some(base) = merchant {
            let url = format!("{}{WELL_KNOWN}", base.trim_end_matches('/'));
            match self.fetch_list(net, trust, &url, None) {
                // A merchant need not have revoked anything.
                Ok(()) | Err(ListError::Status { status: 404, .. }) => {}
                Err(error) => failed.push(error),
            }
        }
        failed
    }

    fn fetch_crl(&self, net: &Client, trust: &TrustFile, url: &str) -> Result<(), ListError> {
        let bytes = get(net, url, MAX_CRL)?;
        let form = |source| ListError::Form { url: url.to_owned(), source };
        let crl = Crl::from_der(&bytes).map_err(form)?;
        let by = signer(net, &trust.authorities, url, &crl);
        let by = by.ok_or_else(|| ListError::Unknown(url.to_owned()))?.digest();
        let key = format!("crl/{}", by.short());
        let file = format!("{}.crl", by.hex());
        self.keep(url, (&key, crl.number(), crl.issued()), &file, &bytes)?;
        self.lock().crls.insert(file, crl);
        Ok(())
    }

    pub(crate) fn fetch_list(
        &self,
        net: &Client,
        trust: &TrustFile,
        url: &str,
        of: Option<&str>,
    ) -> Result<(), ListError> {
        let bytes = get(net, url, MAX_LIST)?;
        self.take(trust, url, of, &bytes)
    }

    /// Takes a signed list that came from somewhere.
    pub fn take(
        &self,
        trust: &TrustFile,
        url: &str,
        of: Option<&str>,
        bytes: &[u8],
    ) -> Result<(), ListError> {
        let listed = Listed::verify(bytes, trust, self.clock.now())
            .map_err(|source| ListError::Signed { url: url.to_owned(), source })?;
        if let Some(of) = of
            && listed.evaluator.as_deref() != Some(of)
        {
            return Err(ListError::Other { url: url.to_owned(), of: of.to_owned() });
        }
        let key = listed.key();
        let file = format!("{}.json", Digest::of(key.as_bytes()).hex());
        self.keep(url, (&key, listed.list.number, listed.list.issued), &file, bytes)?;
        self.lock().list(listed);
        Ok(())
    }

    /// Stores a list whose number is not lower than the last.
    fn keep(
        &self,
        url: &str,
        (key, number, issued): (&str, u64, Timestamp),
        file: &str,
        bytes: &[u8],
    ) -> Result<(), ListError> {
        let seen = self.archive.highest(key)?.unwrap_or(0);
        if number < seen {
            return Err(ListError::Older { url: url.to_owned(), got: number, seen });
        }
        self.home.write(&format!("{FOLDER}/{file}"), bytes)?;
        // A clock that is set back later is noticed; one that others run ahead of is not moved.
        let seen = issued.min(self.clock.now());
        self.archive.commit(vec![
            Write::Highest(key.to_owned(), number),
            Write::Highest("clock".into(), seen.millis()),
        ])?;
        Ok(())
    }

    /// Verifies by a trust file's authorities, and asks here what they have withdrawn.
    pub fn verifier(self: &Arc<Self>, trust: &TrustFile) -> Verifier {
        trust.authorities.asking(self.revocation(trust))
    }

    /// What a trust file's authorities have withdrawn, as far as it is known here.
    pub fn revocation(self: &Arc<Self>, trust: &TrustFile) -> Revocation {
        let kept = Kept { lists: Arc::clone(self), trust: trust.clone() };
        Revocation::Kept(Arc::new(kept))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn list(&mut self, listed: Listed) {
        let key = listed.key();
        self.lists.retain(|it| it.key() != key);
        self.lists.push(listed);
    }
}

/// By what the highest serial number of a merchant's terms is remembered.
pub(crate) fn serial_key(merchant: &str, service: &str) -> String {
    format!("serial/{merchant}/{service}")
}

/// The authority that has signed the list at an address: a root, or one below a root whose
/// certificates are shown beside the list.
pub fn signer(net: &Client, roots: &Roots, url: &str, crl: &Crl) -> Option<Certificate> {
    if let Some(root) = roots.certificates().iter().find(|root| crl.is_by(root)) {
        return Some(root.clone());
    }
    let shown = get(net, &format!("{url}{ISSUER}"), MAX_ISSUER).ok()?;
    let mut chain = Certificate::chain_from_pem(std::str::from_utf8(&shown).ok()?).ok()?;
    crl.is_believed(roots, &chain).then(|| chain.swap_remove(0))
}

fn get(net: &Client, url: &str, most: usize) -> Result<Vec<u8>, ListError> {
    let response = net.get(url, most)?;
    match response.status {
        200 => Ok(response.body),
        status => Err(ListError::Status { url: url.to_owned(), status }),
    }
}

/// Why terms that were accepted would be refused now, as far as others have taken something
/// back; `None` while they hold.
pub(crate) fn taken_back(
    before: &VerifiedTerms,
    now: &Result<VerifiedTerms, semper_trust::TrustError>,
) -> Option<String> {
    match now {
        Err(error @ semper_trust::TrustError::Revoked { .. }) => Some(error.to_string()),
        Err(error @ semper_trust::TrustError::Signature { .. }) => Some(error.to_string()),
        Ok(terms) if before.grants().certified && !terms.grants().certified => {
            let revoked = terms.certificates().iter().find_map(|it| {
                let why = it.objection.as_ref()?;
                Some(format!("the certificate of “{}” no longer counts: {why}", it.evaluator))
            });
            Some(revoked.unwrap_or_else(|| "its certificates no longer count".into()))
        }
        _ => None,
    }
}
