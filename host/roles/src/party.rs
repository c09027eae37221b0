//! A buyer's or merchant's home: its configuration, and the host that is made from it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use semper_archive::{Archive, ArchiveError, DealRow, Home, HomeError, HomeKind};
use semper_base::{DealId, Mend};
use semper_commerce::elsewhere::Elsewhere;
use semper_commerce::host::{self, Standing, Whom};
use semper_commerce::lists::Lists;
use semper_commerce::means::Equip;
use semper_commerce::{Basis, Host, HostError, HostParts, Means, Stop, terms};
use semper_items::Agreement;
use semper_keeper::Keeper;
use semper_net::Client;
use semper_payment::{Manager, Module};
use semper_purse::{Purse, PurseConfig};
use semper_runtime::Runtime;
use semper_runtime::business::Business;
use semper_trust::TrustFile;
use semper_trust::trustfile::TrustFileError;
use serde::{Deserialize, Serialize};

pub use semper_tinguin_protocol::lock_after::{LockWhen, TinguinConfig};

use crate::outside::{Outside, System};

/// The configuration's file in a home.
pub const CONFIG: &str = "semper.toml";
/// The trust file in a home.
pub const TRUST: &str = "trust.toml";

/// A party's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartyConfig {
    /// The name by which the TINGUIN greets its user.
    pub user: String,
    /// The personal phrase.
    pub phrase: String,
    /// Payment modules.
    #[serde(default)]
    pub payment: PaymentConfig,
    /// The TINGUIN.
    #[serde(default, skip_serializing_if = "TinguinConfig::is_usual")]
    pub tinguin: TinguinConfig,
    /// The door for business applications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applications: Option<ApplicationsConfig>,
}

/// The door for business applications, over HTTP on this machine alone. Without it there is none;
/// programs that the person starts herself may still come over the host's socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationsConfig {
    /// The port at 127.0.0.1; 0: any that is free, which `semper run --status` shows.
    pub port: u16,
}

/// Payment modules of a party.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentConfig {
    /// The purse, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purse: Option<PurseConfig>,
}

/// Why a party's host does not start.
#[derive(Debug, thiserror::Error, Mend)]
pub enum PartyError {
    /// The home.
    #[error(transparent)]
    #[mend(from)]
    Home(#[from] HomeError),
    /// Its configuration.
    #[error("{file} is not valid: {detail}")]
    #[mend(input, "compare with the README")]
    Config {
        /// Which file.
        file: String,
        /// What is wrong, with line and column.
        detail: String,
    },
    /// The trust file.
    #[error(transparent)]
    #[mend(from)]
    Trust(#[from] TrustFileError),
    /// The archive.
    #[error(transparent)]
    #[mend(from)]
    Archive(#[from] ArchiveError),
    /// The host.
    #[error(transparent)]
    #[mend(from)]
    Host(#[from] HostError),
}

/// An opened home of a buyer or merchant.
#[derive(Debug)]
pub struct Party {
    /// The home.
    pub home: Arc<Home>,
    /// Its configuration.
    pub config: PartyConfig,
    /// Whom it believes.
    pub trust: TrustFile,
    /// The part of its configuration that deals live by.
    pub basis: Basis,
    /// Its archive.
    pub archive: Archive,
    /// The revocation lists that it knows.
    pub lists: Arc<Lists>,
    /// Keeps the threads of its host.
    pub keeper: Keeper,
    /// Knows who answers its deals' questions, if not only the person.
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
    outside: Arc<dyn Outside>,
}

impl Party {
    /// Opens a home: permissions, configuration, trust file, archive.
    pub fn open(path: &Path) -> Result<Self, PartyError> {
        Self::open_with(path, System::shared())
    }

    /// As [`Party::open`], with another outside than this machine.
    pub fn open_with(path: &Path, outside: Arc<dyn Outside>) -> Result<Self, PartyError> {
        Self::with(Home::of(path, HomeKind::Party)?, Archive::open, outside)
    }

    /// Opens a home for a look: nothing on the disk changes, and no host can run in it.
    pub fn look(path: &Path) -> Result<Self, PartyError> {
        Self::with(Home::of(path, HomeKind::Party)?, Archive::look, System::shared())
    }

    /// The means that the home's files give now, for a host that runs while they change.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn means_now(&self) -> Result<Means, PartyError> {
        let (config, trust, basis) = configured(&self.home)?;
        Ok(means(&trust, &config.payment, basis, &self.lists, &*self.outside))
    }

    fn with(
        home: Home,
        archive: fn(&Home) -> Result<Archive, ArchiveError>,
        outside: Arc<dyn Outside>,
    ) -> Result<Self, PartyError> {
        let home = Arc::new(home);
        let (config, trust, basis) = configured(&home)?;
        let (archive, keeper) = (archive(&home)?, Keeper::new("host"));
        let lists = Lists::open(Arc::clone(&home), archive.clone(), &trust, outside.clock());
        let elsewhere = None;
        Ok(Self { home, config, trust, basis, archive, lists, keeper, elsewhere, outside })
    }

    /// The way to merchants, banks and whoever else has a role: by this home's authorities, and
    /// the operating system's only where the trust file says so.
    pub fn net(&self) -> Client {
        self.outside.net(&terms::roles(&self.trust).asking(self.lists.revocation(&self.trust)))
    }

    /// The trust file that a deal of this home began with.
    pub fn trust_of(&self, row: &DealRow) -> Result<TrustFile, Stop> {
        semper_commerce::means::trust_of(&self.archive, row, &self.trust, self.equip())
    }

    /// What the exchanges of a deal wait for, and the name of whom each waits for.
    pub fn waiting(&self, row: &DealRow) -> Result<Vec<(Standing, String)>, Stop> {
        let mut all = Vec::new();
        for exchange in self.archive.exchanges_of(row.id)? {
            let Some(standing) = Standing::of(&exchange, self.outside.clock().now())? else {
                continue;
            };
            let name = match standing.waits_for {
                Whom::OurSide | Whom::Keys | Whom::LastDate => self.config.user.clone(),
                Whom::OtherSide => row.peer.clone(),
                Whom::Bank => {
                    self.system_of(row).unwrap_or_else(|_| "which is not set up any more".into())
                }
                Whom::ThirdParty => standing.third_party.clone(),
            };
            all.push((standing, name));
        }
        Ok(all)
    }

    /// The name of the payment system that a deal is paid by.
    fn system_of(&self, row: &DealRow) -> Result<String, Stop> {
        let began = semper_commerce::means::means_of(&self.archive, row, self.equip())?;
        let agreement = Agreement::decode(&row.agreement).map_err(Stop::broken)?;
        let payments = began.unwrap_or_else(|| self.means()).payments;
        Ok(payments.module(&agreement.payment).map_err(Stop::broken)?.system().to_owned())
    }

    /// The means of deals that begin now.
    fn means(&self) -> Means {
        let basis = self.basis.clone();
        means(&self.trust, &self.config.payment, basis, &self.lists, &*self.outside)
    }

    /// Makes the means of deals that began under another configuration.
    fn equip(&self) -> Equip {
        let (outside, lists) = (Arc::clone(&self.outside), Arc::clone(&self.lists));
        Box::new(move |basis| equip(basis, &lists, &*outside))
    }

    /// Starts the host.
    pub fn host(
        &self,
        business: Option<Arc<dyn Business>>,
        workers: usize,
        notice: impl Fn(DealId, &str) + Send + Sync + 'static,
    ) -> Result<Arc<Host>, PartyError> {
        let (outside, only) = (Arc::clone(&self.outside), host::lock(&self.home)?);
        let runtime = outside.runtime(&self.home, &self.keeper).map_err(HostError::from)?;
        let parts = HostParts {
            home: Arc::clone(&self.home),
            only,
            archive: self.archive.clone(),
            tinguin: outside.tinguin(&self.home),
            lists: Arc::clone(&self.lists),
            means: self.means(),
            business,
            workers,
            grace: outside.grace(),
            runtime,
            notice: Box::new(notice),
            elsewhere: self.elsewhere.clone(),
            clock: outside.clock(),
            spawn: outside.spawn(&self.keeper),
            equip: self.equip(),
        };
        Ok(Host::start(parts)?)
    }
}

/// A home's configuration, as its files have it.
fn configured(home: &Home) -> Result<(PartyConfig, TrustFile, Basis), PartyError> {
    let config = read_config(home)?;
    let (text, mut files) = (home.read(TRUST)?, BTreeMap::new());
    let trust = TrustFile::parse(&text, |name| {
        let read = home.read(name).map_err(|error| error.to_string())?;
        files.insert(name.to_owned(), read.clone());
        Ok(read)
    })?;
    let payment = toml::to_string(&config.payment).map_err(|error| unwritable(&error))?;
    Ok((config, trust, Basis { trust: text, files, payment }))
}

/// The means that a configuration gives.
fn means(
    trust: &TrustFile,
    payment: &PaymentConfig,
    basis: Basis,
    lists: &Arc<Lists>,
    outside: &dyn Outside,
) -> Means {
    let net = outside.net(&terms::roles(trust).asking(lists.revocation(trust)));
    let mut modules: Vec<Arc<dyn Module>> = Vec::new();
    if let Some(purse) = &payment.purse {
        let verifier = lists.verifier(trust);
        modules.push(Arc::new(Purse::new(purse.clone(), net.clone(), verifier)));
    }
    let payments = Manager::new(modules);
    Means { trust: trust.clone(), payments, net, basis: Some(basis) }
}

/// The means that an earlier configuration gave.
fn equip(basis: &Basis, lists: &Arc<Lists>, outside: &dyn Outside) -> Result<Means, String> {
    let read = |name: &str| basis.files.get(name).cloned().ok_or_else(|| format!("no {name}"));
    let trust = TrustFile::parse(&basis.trust, read).map_err(|error| error.to_string())?;
    let payment = toml::from_str(&basis.payment).map_err(|error| error.to_string())?;
    Ok(means(&trust, &payment, basis.clone(), lists, outside))
}

fn unwritable(error: &toml::ser::Error) -> PartyError {
    PartyError::Config { file: CONFIG.into(), detail: error.to_string() }
}

/// A runtime for re-executing deals, with this home's code cache.
pub fn runtime(home: &Arc<Home>) -> Result<Arc<Runtime>, Stop> {
    System.runtime(home, &Keeper::new("runtime"))
}

/// Reads a home's configuration.
pub fn read_config(home: &Home) -> Result<PartyConfig, PartyError> {
    let text = home.read(CONFIG)?;
    toml::from_str(&text).map_err(|error| PartyError::Config {
        file: home.path().join(CONFIG).display().to_string(),
        detail: error.to_string(),
    })
}

/// Writes a home's configuration.
pub fn write_config(home: &Home, config: &PartyConfig) -> Result<(), PartyError> {
    let text = toml::to_string(config).map_err(|error| unwritable(&error))?;
    Ok(home.write(CONFIG, text.as_bytes())?)
}
