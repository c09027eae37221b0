//! The server's configuration: one TOML file, checked as a whole before anything starts.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use semper_base::cert::CertError;
use semper_base::{Certificate, Mend};
use semper_net::{Limits, ServeError, TlsIdentity};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::list::ROLES;
use crate::revocation::RevocationConfig;
use crate::role::{Configured, RoleError, Section};

/// A server's configuration. Paths in the file are relative to it.
#[derive(Debug)]
pub struct ServerConfig {
    /// Address and port, such as `127.0.0.1:8443`.
    pub listen: SocketAddr,
    /// How to log: `text` or `json`.
    pub log: LogFormat,
    /// The server's TLS certificate and key.
    pub tls: TlsConfig,
    /// Where roles ask for revoked certificates.
    pub revocation: Option<RevocationConfig>,
    /// What strangers may take of the server.
    pub limits: Limits,
    /// Where `/healthz` and `/metrics` are shown instead of `listen`, if that is another address.
    pub metrics: Option<SocketAddr>,
    roles: Vec<Box<dyn Configured>>,
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

/// Why a server does not start.
#[derive(Debug, thiserror::Error, Mend)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {detail}", file.display())]
    #[mend(input, "give the path of a server's TOML file")]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        detail: String,
    },
    /// It is not valid; with line and column.
    #[error("{} is not valid: {detail}", file.display())]
    #[mend(input, "compare with the README; `semper serve --check` says more")]
    Form {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// There is nothing to serve.
    #[error("{} names no role", file.display())]
    #[mend(input, "add a {known} section")]
    NoRole {
        /// The file.
        file: PathBuf,
        /// The sections that it may have.
        known: String,
    },
    /// The TLS key, or the file itself if it holds a password, is readable by others.
    #[error("{} is open to others (mode {mode:03o})", file.display())]
    #[mend(input, "chmod 600 {}", file.display())]
    Loose {
        /// The file.
        file: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The TLS certificate.
    #[error("[tls] certificate: {0}")]
    #[mend(input, "register the server's key with the authority")]
    Certificate(#[from] CertError),
    /// A role.
    #[error(transparent)]
    #[mend(from)]
    Role(#[from] RoleError),
    /// Serving.
    #[error(transparent)]
    #[mend(from)]
    Serve(#[from] ServeError),
}

impl ServerConfig {
    /// Reads and parses the file.
    ///
    /// # Errors
    /// When it cannot be read, is not valid, or has no section of a role.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        Self::read_with(file, ROLES)
    }

    /// As [`ServerConfig::read`], with another list of roles.
    ///
    /// # Errors
    /// As [`ServerConfig::read`].
    pub fn read_with(file: &Path, known: &'static [Section]) -> Result<Self, ConfigError> {
        let (config, mut wrong) = Self::parse(file, known);
        match (config, wrong.is_empty()) {
            (Some(config), true) => Ok(config),
            _ => Err(wrong.swap_remove(0)),
        }
    }

    /// What stands in the file, as far as it can be read, and everything that is wrong with it.
    fn parse(file: &Path, known: &'static [Section]) -> (Option<Self>, Vec<ConfigError>) {
        let text = match read(file) {
            Ok(text) => text,
            Err(error) => return (None, vec![error]),
        };
        let mut wrong = Vec::new();
        let mut form = |error: toml::de::Error| {
            let error = ConfigError::Form { file: file.to_owned(), detail: error.to_string() };
            // What is wrong with the file as a whole is found by each section again.
            if !wrong.iter().any(|it: &ConfigError| it.to_string() == error.to_string()) {
                wrong.push(error);
            }
        };
        let head = toml::Deserializer::parse(&text).and_then(|it| Head { known }.deserialize(it));
        let head = head.map_err(&mut form).ok();
        let base = file.parent().unwrap_or(Path::new("."));
        let sections = known.iter().filter_map(|it| it.read(&text, base).transpose());
        let roles: Vec<Box<dyn Configured>> =
            sections.filter_map(|it| it.map_err(&mut form).ok()).collect();
        if roles.is_empty() && wrong.is_empty() {
            let known = sections_of(known);
            wrong.push(ConfigError::NoRole { file: file.to_owned(), known });
        }
        // Whoever may read the file reads the password in it.
        if roles.iter().any(|it| it.has_secret()) {
            wrong.extend(private(file).err());
        }
        let config = head.map(|mut head| {
            for path in [&mut head.tls.certificate, &mut head.tls.key] {
                *path = base.join(&*path);
            }
            let Filled { listen, log, tls, revocation, limits, metrics } = head;
            Self { listen, log, tls, revocation, limits, metrics, roles }
        });
        (config, wrong)
    }

    /// Everything that is wrong with a file and with what it names. Nothing is started, nothing on
    /// the disk changes, and nobody notices.
    pub fn mistakes(file: &Path) -> Vec<ConfigError> {
        Self::mistakes_with(file, ROLES)
    }

    /// As [`ServerConfig::mistakes`], with another list of roles.
    pub fn mistakes_with(file: &Path, known: &'static [Section]) -> Vec<ConfigError> {
        let (config, mut wrong) = Self::parse(file, known);
        if let Some(config) = config {
            wrong.extend(config.tls_mistakes());
            let roles = config.roles.iter().flat_map(|it| it.check());
            wrong.extend(roles.map(ConfigError::Role));
        }
        wrong
    }

    /// What is wrong with certificate and key, each by itself and together.
    fn tls_mistakes(&self) -> Vec<ConfigError> {
        let certificate = self.tls.chain().err();
        let key = self.tls.pem().err();
        if certificate.is_some() || key.is_some() {
            return certificate.into_iter().chain(key).collect();
        }
        let together = self.tls().and_then(|it| Ok(semper_net::server::check(&it)?));
        together.err().into_iter().collect()
    }

    pub(crate) fn roles(&self) -> impl Iterator<Item = &dyn Configured> {
        self.roles.iter().map(|it| &**it)
    }

    /// The server's TLS identity.
    ///
    /// # Errors
    /// When a file cannot be read, or the key's can be read by others.
    pub fn tls(&self) -> Result<TlsIdentity, ConfigError> {
        self.tls.identity()
    }
}

impl TlsConfig {
    /// What stands in the files now.
    ///
    /// # Errors
    /// When a file cannot be read, or the key's can be read by others.
    pub fn identity(&self) -> Result<TlsIdentity, ConfigError> {
        Ok(TlsIdentity { chain: self.chain()?, key_pem: self.pem()? })
    }

    fn chain(&self) -> Result<Vec<Certificate>, ConfigError> {
        Ok(Certificate::chain_from_pem(&read(&self.certificate)?)?)
    }

    /// The key's PEM.
    fn pem(&self) -> Result<String, ConfigError> {
        private(&self.key)?;
        read(&self.key)
    }
}

/// Looks whether a file with a secret is its owner's alone.
fn private(file: &Path) -> Result<(), ConfigError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata().map_or(0, |it| it.permissions().mode() & 0o777);
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(ConfigError::Loose { file: file.to_owned(), mode })
}

fn read(file: &Path) -> Result<String, ConfigError> {
    let wrong = |error: std::io::Error| ConfigError::Read {
        file: file.to_owned(),
        detail: error.to_string(),
    };
    std::fs::read_to_string(file).map_err(wrong)
}

/// `[ca], [bank] or [files]`.
fn sections_of(known: &[Section]) -> String {
    let names: Vec<String> = known.iter().map(|it| format!("[{}]", it.name)).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// What stands in the file besides the roles' sections. It refuses sections that are in no list.
#[derive(Clone, Copy)]
struct Head {
    known: &'static [Section],
}

struct Filled {
    listen: SocketAddr,
    log: LogFormat,
    tls: TlsConfig,
    revocation: Option<RevocationConfig>,
    limits: Limits,
    metrics: Option<SocketAddr>,
}

enum Key {
    Listen,
    Log,
    Tls,
    Revocation,
    Limits,
    Metrics,
    Role,
}

impl<'de> DeserializeSeed<'de> for Head {
    type Value = Filled;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Filled, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Head {
    type Value = Filled;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a server's configuration")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Filled, A::Error> {
        let (mut listen, mut log, mut tls, mut revocation) = (None, None, None, None);
        let (mut limits, mut metrics) = (Limits::default(), None);
        while let Some(key) = map.next_key_seed(KeyOf { known: self.known })? {
            match key {
                Key::Listen => listen = Some(map.next_value()?),
                Key::Log => log = Some(map.next_value()?),
                Key::Tls => tls = Some(map.next_value()?),
                Key::Revocation => revocation = Some(map.next_value()?),
                Key::Limits => limits = map.next_value()?,
                Key::Metrics => metrics = Some(map.next_value()?),
                Key::Role => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        limits.check().map_err(A::Error::custom)?;
        Ok(Filled {
            limits,
            metrics,
            listen: listen.ok_or_else(|| A::Error::missing_field("listen"))?,
            log: log.unwrap_or_default(),
            tls: tls.ok_or_else(|| A::Error::missing_field("tls"))?,
            revocation,
        })
    }
}

/// A key of the file; refused where nothing is known by that name.
struct KeyOf {
    known: &'static [Section],
}

impl<'de> DeserializeSeed<'de> for KeyOf {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyOf {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "`listen`, `log`, `metrics`, `[tls]`, `[limits]`, `[revocation]` or a role's section",
        )
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Key, E> {
        match name {
            "listen" => Ok(Key::Listen),
            "log" => Ok(Key::Log),
            "tls" => Ok(Key::Tls),
            "revocation" => Ok(Key::Revocation),
            "limits" => Ok(Key::Limits),
            "metrics" => Ok(Key::Metrics),
            _ if self.known.iter().any(|it| it.name == name) => Ok(Key::Role),
            _ => Err(E::custom(format!(
                "unknown section or entry `{name}`: a server has `listen`, `log`, `metrics`, \
                 [tls], [limits], [revocation], and for its roles {}",
                sections_of(self.known)
            ))),
        }
    }
}
