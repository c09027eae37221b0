//! Terms of business: downloaded from a merchant, kept in the home, verified when used.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use semper_archive::home::TERMS;
use semper_archive::{Archive, ArchiveError, DealRow, Home, HomeError, Seen, Write};
use semper_base::{Clock, Digest, Mend, Timestamp};
use semper_distribution::{Fetcher, Logins, MoveError, Options, Place};
use semper_items::Agreement;
use semper_net::{Believed, Client};
use semper_trust::verify::Described;
use semper_trust::{Layout, Refusal, TrustError, TrustFile, VerifiedTerms};

use semper_runtime::Deal;
use semper_runtime::stop::{Needed, Stop};

use crate::lists::{self, Lists};

/// Where a merchant publishes its current terms, as files of an OCI image layout.
pub const WELL_KNOWN: &str = "/.well-known/semper/terms/";

/// Why there are no terms.
#[derive(Debug, thiserror::Error, Mend)]
pub enum TermsError {
    /// They are not acceptable.
    #[error(transparent)]
    #[mend(from)]
    Trust(#[from] TrustError),
    /// They cannot be had.
    #[error(transparent)]
    #[mend(refusal, from)]
    Moved(#[from] MoveError),
    /// They cannot be kept.
    #[error(transparent)]
    #[mend(refusal, from)]
    Home(#[from] HomeError),
    /// The archive.
    #[error(transparent)]
    #[mend(from)]
    Archive(#[from] ArchiveError),
    /// Terms that a deal needs are not in the home.
    #[error("the terms {0} are not in this home")]
    #[mend("fetch them again from the merchant, or restore a backup")]
    Missing(Digest),
    /// The merchant shows terms of somebody else.
    #[error("the terms of {host} are those of “{merchant}”")]
    #[mend("check the merchant's address")]
    Unknown {
        /// Where they were fetched.
        host: String,
        /// Whose they are.
        merchant: String,
    },
}

/// Whom a home believes when a merchant, a bank or anybody else with a role of semper's shows its
/// certificate.
pub fn roles(trust: &TrustFile) -> Believed {
    let own = Believed::authorities(&trust.authorities);
    if trust.tls.system { own.and_the_system() } else { own }
}

/// Whom a home believes when a registry or another place of bundles shows its certificate: what
/// comes from there is compared with its digests, and verified by its signatures.
pub fn places(trust: &TrustFile) -> Believed {
    let own = Believed::authorities(&trust.authorities);
    own.and(trust.tls.places.iter().cloned()).and_the_system()
}

/// Downloads a merchant's current terms; `progress` hears of each file and its size.
pub fn download(
    net: &Client,
    base: &str,
    progress: &dyn Fn(&str, usize),
) -> Result<Layout, MoveError> {
    let place = Place::Https(format!("{}{WELL_KNOWN}", base.trim_end_matches('/')));
    fetch(net, &place, None, progress)
}

/// Fetches a bundle from any place. With a cache what breaks off is resumed the next time.
pub fn fetch(
    net: &Client,
    place: &Place,
    cache: Option<PathBuf>,
    progress: &dyn Fn(&str, usize),
) -> Result<Layout, MoveError> {
    // What docker has stored is for registries.
    let logins = match place {
        Place::Registry(_) => Logins::of_docker(),
        _ => Logins::default(),
    };
    let options = Options { cache, logins, ..Options::default() };
    let fetcher = Fetcher::with(net.clone(), options);
    let told = |name: &str, done: u64, _total: u64| {
        progress(name, usize::try_from(done).unwrap_or(usize::MAX));
    };
    semper_distribution::pull(place, &fetcher, &told)
}

/// By what one answer about terms differs from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct By {
    terms: Digest,
    /// The configuration by which a deal judges them; none for those that are judged by today's.
    basis: Option<Digest>,
    /// How the merchant is seen.
    seen: Seen,
}

/// Terms that were verified.
type Verified = HashMap<By, Arc<VerifiedTerms>>;

/// The terms of a home, verified once per process.
#[derive(Debug)]
pub struct Shelf {
    home: Arc<Home>,
    archive: Archive,
    trust: RwLock<Arc<TrustFile>>,
    clock: Arc<dyn Clock>,
    lists: Arc<Lists>,
    verified: Mutex<Verified>,
}

impl Shelf {
    /// The shelf of a home.
    pub fn new(
        home: Arc<Home>,
        lists: Arc<Lists>,
        trust: TrustFile,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let archive = lists.archive().clone();
        let trust = RwLock::new(Arc::new(trust));
        Self { home, archive, trust, clock, lists, verified: Mutex::default() }
    }

    /// Others are believed from now on: what was judged by today's trust file is judged anew.
    pub(crate) fn believe(&self, trust: TrustFile) {
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
        self.lock().retain(|by, _| by.basis.is_some());
    }

    /// Verifies terms by all that is known, remembers their serial number, and keeps them.
    pub fn take(&self, layout: &Layout) -> Result<Arc<VerifiedTerms>, TermsError> {
        self.take_by(layout, &self.trust())
    }

    fn take_by(
        &self,
        layout: &Layout,
        trust: &TrustFile,
    ) -> Result<Arc<VerifiedTerms>, TermsError> {
        let now = self.clock.now();
        let described = Described::parse(layout)?;
        let (merchant, service) = (&described.terms.merchant, &described.service.name);
        let key = lists::serial_key(merchant, service);
        let knowledge = self.lists.knowledge(merchant, service)?;
        let terms = VerifiedTerms::verify(layout, trust, Some(&knowledge), now)?;
        let folder = self.home.folder(&format!("{TERMS}/{}", terms.digest().hex()))?;
        layout.write(&folder).map_err(TrustError::Layout)?;
        self.archive.commit(vec![
            Write::Highest(key, terms.terms().serial),
            Write::Highest("clock".into(), terms.terms().valid_from.millis()),
        ])?;
        let by = By { terms: terms.digest(), basis: None, seen: Seen::default() };
        Ok(self.keep(terms, by))
    }

    /// As [`Shelf::take`], for terms of this home's own. That an authority's list cannot be had is no
    /// reason not to serve: whoever buys asks for it, too.
    pub fn take_own(&self, layout: &Layout) -> Result<Arc<VerifiedTerms>, TermsError> {
        match self.take(layout) {
            Err(TermsError::Trust(why @ TrustError::Stale { .. })) => {
                tracing::warn!(%why, "our own terms are served unasked");
                let trust = TrustFile { crls: Vec::new(), ..TrustFile::clone(&self.trust()) };
                self.take_by(layout, &trust)
            }
            taken => taken,
        }
    }

    /// Why the terms of a running deal would be refused now, because somebody has taken
    /// something back; `None` while they hold, or while that cannot be said.
    pub(crate) fn no_longer(&self, row: &DealRow) -> Option<String> {
        let before = self.get(row.terms, row.opened).ok()?;
        let layout = self.layout(row.terms).ok()?;
        let (merchant, service) = (&before.merchant().name, &before.service().name);
        let mut knowledge = self.lists.knowledge(merchant, service).ok()?;
        // Newer terms do not undo a deal under older ones.
        knowledge.serials.clear();
        let now = VerifiedTerms::verify(&layout, &self.trust(), Some(&knowledge), self.clock.now());
        lists::taken_back(&before, &now)
    }

    /// Where blobs are kept while terms are fetched.
    pub fn cache(&self) -> PathBuf {
        self.home.path().join("fetching")
    }

    /// The revocation lists.
    pub fn lists(&self) -> &Arc<Lists> {
        &self.lists
    }

    /// Terms that are kept; verified again as of `at`, the moment that a deal was opened: a
    /// running deal goes on under its terms when they are no longer offered.
    pub fn get(&self, digest: Digest, at: Timestamp) -> Result<Arc<VerifiedTerms>, TermsError> {
        self.judged(digest, at, &self.trust(), None, Seen::default())
    }

    fn judged(
        &self,
        digest: Digest,
        at: Timestamp,
        trust: &TrustFile,
        basis: Option<Digest>,
        seen: Seen,
    ) -> Result<Arc<VerifiedTerms>, TermsError> {
        let by = By { terms: digest, basis, seen };
        if let Some(terms) = self.lock().get(&by) {
            return Ok(Arc::clone(terms));
        }
        let layout = self.layout(digest)?;
        let terms = VerifiedTerms::verify_again(&layout, trust, seen.known, seen.suspicious, at)?;
        if terms.digest() != digest {
            return Err(TermsError::Missing(digest));
        }
        Ok(self.keep(terms, by))
    }

    /// The bundle of terms that are kept.
    pub fn layout(&self, digest: Digest) -> Result<Layout, TermsError> {
        let name = format!("{TERMS}/{}", digest.hex());
        if !self.home.has(&name) {
            return Err(TermsError::Missing(digest));
        }
        let folder = self.home.folder(&name)?;
        Ok(Layout::read(&folder).map_err(TrustError::Layout)?)
    }

    /// What never changes about a deal, from its row; its terms are judged by the trust file that
    /// it began with.
    pub fn deal(&self, row: &DealRow, trust: &TrustFile) -> Result<Deal, Stop> {
        let agreement = Agreement::decode(&row.agreement)
            .map_err(|error| Stop::broken(format!("the stored agreement: {error}")))?;
        // Terms that cannot be read now are this home's trouble; the deal is not harmed by it.
        let terms = self.judged(row.terms, row.opened, trust, row.basis, row.seen);
        let terms = terms.map_err(|error| match error {
            // Its world cannot be served tomorrow either: trying again is pointless.
            TermsError::Trust(TrustError::Refused(refusal @ Refusal::World(_))) => {
                Stop::from(refusal)
            }
            error => Stop::away(Needed::Terms, error),
        })?;
        let side = row.side;
        Ok(Deal { id: row.id, side, agreement, terms, opened: row.opened })
    }

    /// Whom this home believes.
    pub fn trust(&self) -> Arc<TrustFile> {
        Arc::clone(&self.trust.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, terms: VerifiedTerms, by: By) -> Arc<VerifiedTerms> {
        let terms = Arc::new(terms);
        self.lock().insert(by, Arc::clone(&terms));
        terms
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
