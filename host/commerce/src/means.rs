//! The means of a deal: whom it believes, how it pays and is paid, how it reaches others.
//!
//! A deal lives by the means that it began with. The home's configuration may change while it
//! runs: new deals follow the change, and running ones do not. So a deal's row in the archive
//! names its [`Basis`], the configuration's own text, from which the means are made again after
//! a restart. Deals of one configuration share one basis.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use semper_archive::{Archive, DealRow, Write};
use semper_base::{Digest, cbor};
use semper_net::Client;
use semper_payment::Manager;
use semper_runtime::Stop;
use semper_runtime::stop::Needed;
use semper_trust::TrustFile;
use serde::{Deserialize, Serialize};

/// Bytes of a basis, at most: a trust file with its certificates and policies.
const MAX_BASIS: usize = 4 * 1024 * 1024;

/// The part of a home's configuration that decides what its deals see, sign and are paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// The text of the trust file.
    pub trust: String,
    /// The files that the trust file names: certificates and policies.
    pub files: BTreeMap<String, String>,
    /// The payment modules' configuration, TOML.
    pub payment: String,
}

impl Basis {
    fn encode(&self) -> Vec<u8> {
        cbor::encode(self)
    }
}

/// Whom a deal believes, how it pays and is paid, how it reaches others.
#[derive(Clone, Debug)]
pub struct Means {
    /// Whom it believes.
    pub trust: TrustFile,
    /// How it pays and is paid.
    pub payments: Manager,
    /// The way to merchants, banks and third parties.
    pub net: Client,
    /// The text that these means are made of; without one they cannot be made again, and deals
    /// live by whatever means their host has.
    pub basis: Option<Basis>,
}

/// Makes means of a basis; or says what is wrong with it.
pub type Equip = Box<dyn Fn(&Basis) -> Result<Means, String> + Send + Sync>;

/// The means of a host: those of today, and those that running deals began with.
pub(crate) struct Equipment {
    present: RwLock<Present>,
    equip: Equip,
    earlier: Mutex<HashMap<Digest, Arc<Means>>>,
}

/// The means of deals that begin now.
#[derive(Clone)]
struct Present {
    means: Arc<Means>,
    /// The name of their basis, which the archive keeps.
    basis: Option<Digest>,
}

impl std::fmt::Debug for Equipment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Equipment({:?})", self.basis())
    }
}

/// The trust file that a deal began with: for whoever looks at it without a host. `present` is
/// today's, for deals that name none.
///
/// # Errors
/// The archive cannot be read, or the configuration that it holds makes no sense any more.
pub fn trust_of(
    archive: &Archive,
    row: &DealRow,
    present: &TrustFile,
    equip: impl Fn(&Basis) -> Result<Means, String>,
) -> Result<TrustFile, Stop> {
    Ok(means_of(archive, row, equip)?.map_or_else(|| present.clone(), |it| it.trust))
}

/// The means that a deal began with; `None` for deals that name none, which live by today's.
///
/// # Errors
/// As for [`trust_of`].
pub fn means_of(
    archive: &Archive,
    row: &DealRow,
    equip: impl Fn(&Basis) -> Result<Means, String>,
) -> Result<Option<Means>, Stop> {
    row.basis.map(|digest| remade(archive, digest, equip)).transpose()
}

fn remade(
    archive: &Archive,
    digest: Digest,
    equip: impl Fn(&Basis) -> Result<Means, String>,
) -> Result<Means, Stop> {
    let bytes = archive.basis(digest)?;
    let missing = || Stop::broken(format!("the configuration {digest} is not in the archive"));
    let basis: Basis = cbor::decode(&bytes.ok_or_else(missing)?, MAX_BASIS)
        .map_err(|error| Stop::broken(format!("the configuration {digest}: {error}")))?;
    equip(&basis)
        .map_err(|why| Stop::away(Needed::Terms, format!("an earlier configuration: {why}")))
}

impl Equipment {
    /// Equipment whose present basis the archive keeps from now on. Deals of before this was kept
    /// live by it.
    pub(crate) fn start(archive: &Archive, present: Means, equip: Equip) -> Result<Self, Stop> {
        let present = RwLock::new(kept(archive, present)?);
        Ok(Self { present, equip, earlier: Mutex::default() })
    }

    /// Other means for deals that begin from now on. Those that run live on by theirs.
    pub(crate) fn replace(&self, archive: &Archive, means: Means) -> Result<(), Stop> {
        let next = kept(archive, means)?;
        let mut present = self.present.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *present, next);
        drop(present);
        if let Some(basis) = before.basis {
            self.lock().insert(basis, before.means);
        }
        Ok(())
    }

    /// The means of deals that begin now.
    pub(crate) fn present(&self) -> Arc<Means> {
        self.now().means
    }

    /// The name of the present basis, for the row of a deal that begins.
    pub(crate) fn basis(&self) -> Option<Digest> {
        self.now().basis
    }

    fn now(&self) -> Present {
        self.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The means that a deal began with.
    pub(crate) fn of(&self, archive: &Archive, row: &DealRow) -> Result<Arc<Means>, Stop> {
        let present = self.now();
        let Some(wanted) = row.basis.filter(|it| present.basis != Some(*it)) else {
            return Ok(present.means);
        };
        if let Some(means) = self.lock().get(&wanted) {
            return Ok(Arc::clone(means));
        }
        let means = Arc::new(remade(archive, wanted, &self.equip)?);
        self.lock().insert(wanted, Arc::clone(&means));
        Ok(means)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<Means>>> {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Means whose basis the archive keeps from now on.
fn kept(archive: &Archive, means: Means) -> Result<Present, Stop> {
    let mut basis = None;
    if let Some(bytes) = means.basis.as_ref().map(Basis::encode) {
        let digest = Digest::of(&bytes);
        archive.commit(vec![Write::Basis { digest, bytes }, Write::Adopt(digest)])?;
        basis = Some(digest);
    }
    Ok(Present { means: Arc::new(means), basis })
}
