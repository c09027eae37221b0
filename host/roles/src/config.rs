//! The server's configuration: one TOML file, checked as a whole before anything starts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use semper_base::cert::CertError;
use semper_base::{Certificate, Mend};
use semper_net::{ServeError, TlsIdentity};
use serde::Deserialize;

use crate::bank::{self, Bank, BankError};
use crate::ca::{self, Ca, CaError};
use crate::files::{self, FilesConfig};
use crate::log::{self, Log, LogConfig, LogError};
use crate::merchant::{self, Merchant, MerchantError};
use crate::third_party::{self, ThirdParty, ThirdPartyConfig, ThirdPartyError};
use crate::web::{self, Metrics};
use crate::witness::{self, WitnessConfig, WitnessRole, WitnessRoleError};

/// A server's configuration. Paths are relative to the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port, such as `127.0.0.1:8443`.
    pub listen: SocketAddr,
    /// How to log: `text` or `json`.
    #[serde(default)]
    pub log: LogFormat,
    /// The server's TLS certificate and key.
    pub tls: TlsConfig,
    /// The certification authority, if this server is one.
    pub ca: Option<HomeConfig>,
    /// The bank, if this server is one.
    pub bank: Option<HomeConfig>,
    /// The merchant, if this server is one.
    pub merchant: Option<MerchantConfig>,
    /// The transparency log, if this server is one.
    pub tlog: Option<LogConfig>,
    /// The witness, if this server is one.
    pub witness: Option<WitnessConfig>,
    /// The third party of fair exchanges, if this server is one.
    #[serde(rename = "third-party")]
    pub third_party: Option<ThirdPartyConfig>,
    /// A folder of files, if this server shows one.
    pub files: Option<FilesConfig>,
}

/// How to log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// TLS files, PEM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key, PKCS#8, 0600.
    pub key: PathBuf,
}

/// A role that has only a home.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeConfig {
    /// The home.
    pub home: PathBuf,
}

/// The merchant's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MerchantConfig {
    /// The home.
    pub home: PathBuf,
    /// The folder of the current terms, an OCI image layout.
    pub terms: PathBuf,
    /// The merchant's own revocation list (semper-sign revoke), if it has one.
    pub revocations: Option<PathBuf>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {detail}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        detail: String,
    },
    /// It is not valid; with line and column.
    #[error("{} is not valid: {detail}", file.display())]
    Form {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// There is nothing to serve.
    #[error("{} names no role", .0.display())]
    NoRole(PathBuf),
    /// The TLS key is readable by others.
    #[error("{} is open to others (mode {mode:03o})", file.display())]
    Loose {
        /// Which.
        file: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The TLS certificate.
    #[error("[tls] certificate: {0}")]
    Certificate(#[from] CertError),
    /// The authority.
    #[error("[ca]: {0}")]
    Ca(#[from] CaError),
    /// The bank.
    #[error("[bank]: {0}")]
    Bank(#[from] BankError),
    /// The merchant.
    #[error("[merchant]: {0}")]
    Merchant(#[from] MerchantError),
    /// The log.
    #[error("[tlog]: {0}")]
    Log(#[from] LogError),
    /// The witness.
    #[error("[witness]: {0}")]
    Witness(#[from] WitnessRoleError),
    /// The third party.
    #[error("[third-party]: {0}")]
    ThirdParty(#[from] ThirdPartyError),
    /// Serving.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl Mend for ConfigError {
    fn mend(&self) -> String {
        match self {
            Self::Read { .. } => "give the path of a server's TOML file".into(),
            Self::Form { .. } => "compare with the README; `semper serve --check` says more".into(),
            Self::NoRole(_) => {
                "add a [ca], [bank], [merchant], [tlog], [witness], [third-party] or [files] section"
                    .into()
            }
            Self::Loose { file, .. } => format!("chmod 600 {}", file.display()),
            Self::Certificate(_) => "register the server's key with the authority".into(),
            Self::Ca(error) => error.mend(),
            Self::Bank(error) => error.mend(),
            Self::Merchant(error) => error.mend(),
            Self::Log(error) => error.mend(),
            Self::Witness(error) => error.mend(),
            Self::ThirdParty(error) => error.mend(),
            Self::Serve(error) => error.mend(),
        }
    }

    fn is_input(&self) -> bool {
        match self {
            Self::Merchant(error) => error.is_input(),
            Self::Log(error) => error.is_input(),
            Self::Witness(error) => error.is_input(),
            Self::ThirdParty(error) => error.is_input(),
            _ => true,
        }
    }
}

impl ServerConfig {
    /// Reads and parses the file.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|error| ConfigError::Read {
            file: file.to_owned(),
            detail: error.to_string(),
        })?;
        let mut config: Self = toml::from_str(&text).map_err(|error| ConfigError::Form {
            file: file.to_owned(),
            detail: error.to_string(),
        })?;
        let roles = [
            config.ca.is_some(),
            config.bank.is_some(),
            config.merchant.is_some(),
            config.tlog.is_some(),
            config.witness.is_some(),
            config.third_party.is_some(),
            config.files.is_some(),
        ];
        if !roles.contains(&true) {
            return Err(ConfigError::NoRole(file.to_owned()));
        }
        let base = file.parent().unwrap_or(Path::new("."));
        config.place(base);
        Ok(config)
    }

    fn place(&mut self, base: &Path) {
        let mut paths = vec![&mut self.tls.certificate, &mut self.tls.key];
        for role in [&mut self.ca, &mut self.bank].into_iter().flatten() {
            paths.push(&mut role.home);
        }
        if let Some(merchant) = &mut self.merchant {
            paths.push(&mut merchant.home);
            paths.push(&mut merchant.terms);
            paths.extend(&mut merchant.revocations);
        }
        if let Some(log) = &mut self.tlog {
            paths.push(&mut log.home);
            paths.extend(&mut log.authorities);
            paths.extend(log.witness.iter_mut().map(|it| &mut it.root));
        }
        paths.extend(self.witness.as_mut().map(|it| &mut it.home));
        if let Some(third) = &mut self.third_party {
            paths.push(&mut third.home);
            paths.extend(third.witness.iter_mut().map(|it| &mut it.root));
            for bank in &mut third.bank {
                paths.extend([&mut bank.certificate, &mut bank.root]);
            }
        }
        paths.extend(self.files.as_mut().map(|it| &mut it.folder));
        for path in paths {
            *path = base.join(&*path);
        }
    }

    /// The server's TLS identity.
    pub fn tls(&self) -> Result<TlsIdentity, ConfigError> {
        use std::os::unix::fs::PermissionsExt as _;
        let read = |file: &Path| {
            std::fs::read_to_string(file).map_err(|error| ConfigError::Read {
                file: file.to_owned(),
                detail: error.to_string(),
            })
        };
        if let Ok(meta) = self.tls.key.metadata() {
            let mode = meta.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(ConfigError::Loose { file: self.tls.key.clone(), mode });
            }
        }
        let chain = vec![Certificate::from_pem(&read(&self.tls.certificate)?)?];
        Ok(TlsIdentity { chain, key_pem: read(&self.tls.key)? })
    }

    /// Opens every role's home and puts their routes together.
    pub fn roles(&self) -> Result<Router, ConfigError> {
        let metrics = Arc::new(Metrics::default());
        let mut router = web::routes(&metrics);
        if let Some(config) = &self.ca {
            let role = Arc::new(Ca::open(&config.home)?);
            router = router.merge(ca::routes(role, Arc::clone(&metrics)));
        }
        if let Some(config) = &self.bank {
            let role = Arc::new(Bank::open(&config.home)?);
            router = router.merge(bank::routes(role, Arc::clone(&metrics)));
        }
        if let Some(config) = &self.merchant {
            let role = Arc::new(Merchant::open(config)?);
            router = router.merge(merchant::routes(role, Arc::clone(&metrics)));
        }
        if let Some(config) = &self.tlog {
            let role = Arc::new(Log::open(config)?);
            router = router.merge(log::routes(role, Arc::clone(&metrics)));
        }
        if let Some(config) = &self.witness {
            let role = Arc::new(WitnessRole::open(config)?);
            router = router.merge(witness::routes(role, Arc::clone(&metrics)));
        }
        if let Some(config) = &self.third_party {
            let role = ThirdParty::open(config)?;
            router = router.merge(third_party::routes(role, Arc::clone(&metrics)));
        }
        if let Some(config) = &self.files {
            let routes = files::routes(&config.folder).map_err(|error| ConfigError::Read {
                file: config.folder.clone(),
                detail: error.to_string(),
            })?;
            router = router.merge(routes);
        }
        Ok(router)
    }
}
