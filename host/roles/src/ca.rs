//! The certification authority, as in the trials (seed 2 §4.1): the organiser hands out a
//! registration key; whoever presents it with a request that proves possession of a key pair
//! gets one certificate. A second for the same registration key is refused. Whoever has a certificate
//! renews it without another invitation.

mod below;
mod error;
pub mod invitation;
mod list;
mod names;
mod renew;
mod served;
mod withdraw;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use semper_archive::{Home, HomeError, HomeKind};
use semper_base::cert::{Authority, Request};
use semper_base::{Certificate, Digest, Mend as _, Role, SigningKey, Timestamp, keys};
use serde::{Deserialize, Serialize};

use crate::role::{HomeConfig, Role as ServerRole, RoleKind, Wrong};
use crate::surroundings::Surroundings;
pub use error::CaError;
pub use names::Issued;
pub use withdraw::Revoked;

/// Where requests are posted.
pub const REGISTER: &str = "/semper/v1/register";
/// Where the authority's revocation list is.
pub const CRL: &str = "/semper/v1/crl";
/// Where renewals are posted.
pub const RENEW: &str = "/semper/v1/renew";
/// Where the list of the root is, if this authority is below one.
pub const CRL_OF_ROOT: &str = "/semper/v1/crl/root";
/// The root's file in the authority's home.
pub const ROOT: &str = "root.pem";
/// The certificate of an authority below a root, and those between it and the root.
const BELOW: &str = "ca.pem";
/// What the root is asked to certify.
pub const REQUEST: &str = "ca.csr";
/// The names of its server, until there is a certificate for it.
const SERVERS: &str = "servers";
/// The list that the root has signed.
const LIST_OF_ROOT: &str = "root.crl";
/// The certificate of the authority's own server.
const TLS: &str = "tls.pem";
const KEY: &str = "ca.key";
const FILE: &str = "ca.sqlite";
/// Days that a certificate is valid.
const DAYS: u64 = 730;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS invitations (
        key         BLOB PRIMARY KEY,
        role        TEXT NOT NULL,
        name        TEXT NOT NULL,
        names       TEXT NOT NULL,
        made        INTEGER NOT NULL,
        public      BLOB,
        certificate BLOB
    ) STRICT;
    CREATE TABLE IF NOT EXISTS revoked (
        serial TEXT PRIMARY KEY,
        since  INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS lists (number INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS signed_lists (
        number  INTEGER PRIMARY KEY,
        revoked INTEGER NOT NULL,
        der     BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS names (
        role  TEXT NOT NULL,
        plain TEXT NOT NULL,
        name  TEXT NOT NULL,
        PRIMARY KEY (role, plain, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS renewals (
        serial      TEXT PRIMARY KEY,
        role        TEXT NOT NULL,
        name        TEXT NOT NULL,
        made        INTEGER NOT NULL,
        public      BLOB NOT NULL,
        certificate BLOB NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS invitations_by_key ON invitations (public);
    CREATE INDEX IF NOT EXISTS renewals_by_key ON renewals (public);
    CREATE INDEX IF NOT EXISTS renewals_of ON renewals (role, name, made);
    CREATE TABLE IF NOT EXISTS below (
        serial      TEXT PRIMARY KEY,
        name        TEXT NOT NULL,
        made        INTEGER NOT NULL,
        certificate BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS again (key BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
";

/// What goes to the authority.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The registration key.
    pub key: String,
    /// PKCS#10 in PEM.
    pub request: String,
}

/// What comes back: the chain, leaf first, without the root.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// Certificates in PEM.
    pub chain: Vec<Certificate>,
}

/// A running authority.
#[derive(Debug)]
pub struct Ca {
    authority: Authority,
    root: Certificate,
    /// The authorities between a certificate of ours and the root: we, and those above.
    between: Vec<Certificate>,
    store: Mutex<Connection>,
    /// Reads beside it, so that those who ask for the list keep nobody from registering.
    reader: Mutex<Connection>,
    file: PathBuf,
}

impl Ca {
    /// Makes a new authority's home: root, key, and a TLS certificate for its own server.
    pub fn create(path: &Path, name: &str, servers: &[String]) -> Result<(), CaError> {
        let home = Home::create(path)?;
        let now = Timestamp::now();
        let key = SigningKey::generate();
        let pem = key.to_pem();
        let authority = Authority::new(name, key, now)?;
        home.write(KEY, pem.as_bytes())?;
        home.write(ROOT, authority.certificate.to_pem().as_bytes())?;
        match servers {
            // A root that is kept off line has no server.
            [] => Ok(()),
            servers => Self::open(path)?.certify_server(&home, servers),
        }
    }

    /// Makes key and certificate of this authority's own server.
    fn certify_server(&self, home: &Home, servers: &[String]) -> Result<(), CaError> {
        let tls = SigningKey::generate();
        let now = Timestamp::now();
        let until = now.after(Duration::from_secs(DAYS * 86_400));
        let name = self.authority.certificate.subject();
        let key = tls.public();
        let certificate = self.authority.issue(&name, &key, Role::Server, servers, now, until)?;
        let chain = self.registered(certificate).chain;
        let pem = Certificate::chain_to_pem(&chain);
        home.write("tls.key", tls.to_pem().as_bytes())?;
        home.write(TLS, pem.as_bytes())?;
        Ok(())
    }

    /// A certificate as it is given out: with the authorities between it and the root.
    fn registered(&self, certificate: Certificate) -> Registered {
        let mut chain = vec![certificate];
        chain.extend(self.between.iter().cloned());
        Registered { chain }
    }

    /// Opens an authority's home.
    pub fn open(path: &Path) -> Result<Self, CaError> {
        let home = Self::home(path)?;
        let (root, between) = (Self::root_of(&home)?, Self::between(&home)?);
        let own = between.first().unwrap_or(&root).clone();
        let authority = Authority::from_parts(own, Self::key(&home)?)?;
        let file = home.path().join(FILE);
        let mut store = semper_store::open(&file, SCHEMA)?;
        names::complete(&mut store)?;
        let reader = Mutex::new(semper_store::open(&file, "")?);
        Ok(Self { authority, root, between, store: Mutex::new(store), reader, file })
    }

    fn home(path: &Path) -> Result<Home, HomeError> {
        Home::of(path, HomeKind::Authority)
    }

    fn root_of(home: &Home) -> Result<Certificate, CaError> {
        Ok(Certificate::from_pem(&home.read(ROOT)?)?)
    }

    /// The authorities between this one's certificates and its root; none if it is the root.
    fn between(home: &Home) -> Result<Vec<Certificate>, CaError> {
        match (home.has(BELOW), home.has(REQUEST)) {
            (true, _) => Ok(Certificate::chain_from_pem(&home.read(BELOW)?)?),
            (false, true) => Err(CaError::NotCertified),
            (false, false) => Ok(Vec::new()),
        }
    }

    fn key(home: &Home) -> Result<SigningKey, CaError> {
        Ok(SigningKey::from_pem(&home.read_secret(KEY)?)?)
    }

    /// Invites somebody: the registration key, to be handed over on paper.
    ///
    /// # Errors
    /// When somebody has the name in this role, or one that looks like it.
    pub fn invite(&self, name: &str, role: Role, names: &[String]) -> Result<String, CaError> {
        names::is_visible(name)?;
        names::is_free(&self.lock(), name, role, false)?;
        self.invited(name, role, names)
    }

    /// Invites a party that has this name already to have a further key certified.
    ///
    /// # Errors
    /// When the name looks like that of somebody else in this role.
    pub fn invite_again(
        &self,
        name: &str,
        role: Role,
        names: &[String],
    ) -> Result<String, CaError> {
        names::is_visible(name)?;
        names::is_free(&self.lock(), name, role, true)?;
        let key = self.invited(name, role, names)?;
        self.lock().execute("INSERT INTO again VALUES (?1)", [hash(&key).as_bytes()])?;
        Ok(key)
    }

    fn invited(&self, name: &str, role: Role, names: &[String]) -> Result<String, CaError> {
        let digits = semper_base::digest::hex(&keys::random()[..10]);
        let key =
            digits.as_bytes().chunks(5).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-");
        self.lock().execute(
            "INSERT INTO invitations (key, role, name, names, made) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                hash(&key).as_bytes(),
                role.to_string(),
                name,
                names.join(" "),
                Timestamp::now().millis() as i64
            ],
        )?;
        Ok(key)
    }

    /// Certifies whoever was invited with this registration key. The same request again gets
    /// the same certificate (its answer may have been lost).
    pub fn register(&self, registration: &Registration) -> Result<Registered, CaError> {
        let request = Request::from_pem(&registration.request)?;
        if request.authority {
            return Err(CaError::NoParty(request.name));
        }
        let key = hash(registration.key.trim());
        let mut store = self.lock();
        let transaction = store.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "SELECT role, name, names, public, certificate FROM invitations WHERE key = ?1";
        type Row = (String, String, String, Option<[u8; 32]>, Option<Vec<u8>>);
        let row: Option<Row> = transaction
            .query_row(sql, [key.as_bytes()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })
            .optional()?;
        let (role, name, names, public, issued) = row.ok_or(CaError::UnknownKey)?;
        if request.name != name {
            return Err(CaError::OtherName { got: request.name, want: name });
        }
        if let (Some(public), Some(der)) = (public, issued) {
            if public != *request.key.as_bytes() {
                return Err(CaError::Used);
            }
            return Ok(self.registered(Certificate::from_der(&der)?));
        }
        let role: Role = role.parse()?;
        let sql = "SELECT EXISTS (SELECT 1 FROM again WHERE key = ?1)";
        let again: bool = transaction.query_row(sql, [key.as_bytes()], |row| row.get(0))?;
        if let Err(error) = names::is_free(&transaction, &name, role, again) {
            // The operator has invited two by one name, or by names that look alike.
            tracing::warn!(%role, name, %error, "a registration is refused");
            return Err(error);
        }
        names::is_free_key(&transaction, &request.key, &name)?;
        let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
        let now = Timestamp::now();
        let until = now.after(Duration::from_secs(DAYS * 86_400));
        let certificate = self.authority.issue(&name, &request.key, role, &names, now, until)?;
        transaction.execute(
            "UPDATE invitations SET public = ?2, certificate = ?3 WHERE key = ?1",
            params![key.as_bytes(), request.key.as_bytes(), certificate.der()],
        )?;
        names::take(&transaction, &name, role)?;
        transaction.commit()?;
        tracing::info!(%role, "certificate issued");
        Ok(self.registered(certificate))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Only hashes of registration keys are stored.
fn hash(key: &str) -> Digest {
    Digest::of_parts(&[b"semper/registration-key/v1", key.as_bytes()])
}

impl RoleKind for Ca {
    const SECTION: &'static str = "ca";
    type Config = HomeConfig;
    type Error = CaError;

    fn place(config: &mut HomeConfig, base: &Path) {
        config.home = base.join(&config.home);
    }

    fn check(config: &HomeConfig, wrong: &mut Wrong<CaError>) {
        let Some(home) = wrong.take(Self::home(&config.home)) else { return };
        let (root, key) = (wrong.take(Self::root_of(&home)), wrong.take(Self::key(&home)));
        let between = wrong.take(Self::between(&home));
        if let (Some(root), Some(between), Some(key)) = (root, between, key) {
            wrong.take(Authority::from_parts(between.first().unwrap_or(&root).clone(), key));
            if !between.is_empty() {
                let lack = withdraw::lack_of_list(home.path(), Timestamp::now());
                wrong.take(lack.map_or(Ok(()), |lack| Err(CaError::NoList(lack))));
            }
        }
        wrong.take(semper_store::look(&home.path().join(FILE), SCHEMA));
    }

    fn open(config: &HomeConfig, around: &Surroundings) -> Result<Arc<dyn ServerRole>, CaError> {
        let ca = Self::open(&config.home)?;
        around.uses(&ca.authority.certificate);
        if let Some(lack) = ca.lack_of_list(Timestamp::now()) {
            let error = CaError::NoList(lack);
            tracing::warn!("{error}; {}", error.mend());
        }
        Ok(Arc::new(ca))
    }
}
