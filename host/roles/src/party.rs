//! A buyer's or merchant's home: its configuration, and the host that is made from it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use semper_archive::{Archive, ArchiveError, DealRow, Home, HomeError};
use semper_base::{DealId, Mend, SystemClock, Timestamp};
use semper_commerce::host::{Standing, Whom};
use semper_commerce::{Basis, Host, HostError, HostParts, Means, Stop};
use semper_items::Agreement;
use semper_keeper::Keeper;
use semper_net::Client;
use semper_payment::{Manager, Module};
use semper_purse::{Purse, PurseConfig};
use semper_runtime::Runtime;
use semper_runtime::business::Business;
use semper_runtime::compile::Compiler;
use semper_trust::TrustFile;
use semper_trust::trustfile::TrustFileError;
use serde::{Deserialize, Serialize};

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
#[derive(Debug, thiserror::Error)]
pub enum PartyError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Its configuration.
    #[error("{file} is not valid: {detail}")]
    Config {
        /// Which file.
        file: String,
        /// What is wrong, with line and column.
        detail: String,
    },
    /// The trust file.
    #[error(transparent)]
    Trust(#[from] TrustFileError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The host.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Mend for PartyError {
    fn mend(&self) -> String {
        match self {
            Self::Home(error) => error.mend(),
            Self::Config { .. } => "compare with the README".into(),
            Self::Trust(error) => error.mend(),
            Self::Archive(error) => error.mend(),
            Self::Host(error) => error.mend(),
        }
    }

    fn is_input(&self) -> bool {
        matches!(self, Self::Home(_) | Self::Config { .. } | Self::Trust(_))
    }
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
    /// Keeps the threads of its host.
    pub keeper: Keeper,
}

impl Party {
    /// Opens a home: permissions, configuration, trust file, archive.
    pub fn open(path: &Path) -> Result<Self, PartyError> {
        Self::with(Home::open(path)?, Archive::open)
    }

    /// Opens a home for a look: nothing on the disk changes, and no host can run in it.
    pub fn look(path: &Path) -> Result<Self, PartyError> {
        Self::with(Home::open(path)?, Archive::look)
    }

    fn with(
        home: Home,
        archive: fn(&Home) -> Result<Archive, ArchiveError>,
    ) -> Result<Self, PartyError> {
        let home = Arc::new(home);
        let config = read_config(&home)?;
        let (text, mut files) = (home.read(TRUST)?, BTreeMap::new());
        let trust = TrustFile::parse(&text, |name| {
            let read = home.read(name).map_err(|error| error.to_string())?;
            files.insert(name.to_owned(), read.clone());
            Ok(read)
        })?;
        let payment = toml::to_string(&config.payment).map_err(|error| unwritable(&error))?;
        let basis = Basis { trust: text, files, payment };
        let (archive, keeper) = (archive(&home)?, Keeper::new("host"));
        Ok(Self { home, config, trust, basis, archive, keeper })
    }

    /// A client that believes this home's authorities.
    pub fn net(&self) -> Client {
        Client::new(&self.trust.authorities)
    }

    /// The trust file that a deal of this home began with.
    pub fn trust_of(&self, row: &DealRow) -> Result<TrustFile, Stop> {
        semper_commerce::means::trust_of(&self.archive, row, &self.trust, equip)
    }

    /// What the exchanges of a deal wait for, and the name of whom each waits for.
    pub fn waiting(&self, row: &DealRow) -> Result<Vec<(Standing, String)>, Stop> {
        let mut all = Vec::new();
        for exchange in self.archive.exchanges_of(row.id)? {
            let Some(standing) = Standing::of(&exchange, Timestamp::now())? else { continue };
            let name = match standing.waits_for {
                Whom::OurSide => self.config.user.clone(),
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
        let began = semper_commerce::means::means_of(&self.archive, row, equip)?;
        let present = || means(&self.trust, &self.config.payment, self.basis.clone());
        let agreement = Agreement::decode(&row.agreement).map_err(Stop::broken)?;
        let payments = began.unwrap_or_else(present).payments;
        Ok(payments.module(&agreement.payment).map_err(Stop::broken)?.system().to_owned())
    }

    /// Starts the host.
    pub fn host(
        &self,
        business: Option<Arc<dyn Business>>,
        workers: usize,
        notice: impl Fn(DealId, &str) + Send + Sync + 'static,
    ) -> Result<Arc<Host>, PartyError> {
        let compiler = Compiler::new(Arc::clone(&self.home), compiler());
        let runtime = compiler.and_then(|it| Runtime::new(it, &self.keeper));
        let runtime = Arc::new(runtime.map_err(HostError::from)?);
        let parts = HostParts {
            home: Arc::clone(&self.home),
            archive: self.archive.clone(),
            tinguin: semper_tinguin_protocol::Client::new(self.home.path()),
            means: means(&self.trust, &self.config.payment, self.basis.clone()),
            equip: Box::new(equip),
            business,
            workers,
            grace: Duration::from_millis(500),
            runtime,
            notice: Box::new(notice),
            clock: Arc::new(SystemClock),
            spawn: Arc::new(self.keeper.clone()),
        };
        Ok(Host::start(parts)?)
    }
}

/// The means that a configuration gives.
fn means(trust: &TrustFile, payment: &PaymentConfig, basis: Basis) -> Means {
    let net = Client::new(&trust.authorities);
    let mut modules: Vec<Arc<dyn Module>> = Vec::new();
    if let Some(purse) = &payment.purse {
        let roots = trust.authorities.clone();
        modules.push(Arc::new(Purse::new(purse.clone(), net.clone(), roots)));
    }
    let payments = Manager::new(modules);
    Means { trust: trust.clone(), payments, net, basis: Some(basis) }
}

/// The means that an earlier configuration gave.
fn equip(basis: &Basis) -> Result<Means, String> {
    let read = |name: &str| basis.files.get(name).cloned().ok_or_else(|| format!("no {name}"));
    let trust = TrustFile::parse(&basis.trust, read).map_err(|error| error.to_string())?;
    let payment = toml::from_str(&basis.payment).map_err(|error| error.to_string())?;
    Ok(means(&trust, &payment, basis.clone()))
}

fn unwritable(error: &toml::ser::Error) -> PartyError {
    PartyError::Config { file: CONFIG.into(), detail: error.to_string() }
}

/// The program that compiles components: `semper`, which this is, or which lies beside it (or
/// one folder up, as cargo puts tests).
fn compiler() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|_| "semper".into());
    let near = own.ancestors().skip(1).take(2).map(|folder| folder.join("semper"));
    near.into_iter().find(|program| program.is_file()).unwrap_or(own)
}

/// A runtime for re-executing deals, with this home's code cache.
pub fn runtime(home: &Arc<Home>) -> Result<Runtime, Stop> {
    Runtime::new(Compiler::new(Arc::clone(home), compiler())?, &Keeper::new("runtime"))
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
