//! The certification authority, as in the trials (seed 2 §4.1): the organiser hands out a
//! registration key; whoever presents it with a request that proves possession of a key pair
//! gets one certificate. A second for the same registration key is refused. Whoever has a certificate
//! renews it without another invitation.

mod below;
mod list;
mod names;
mod renew;
mod withdraw;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use semper_archive::{Home, HomeError, HomeKind};
use semper_base::cert::{Authority, CertError, Crl, ISSUER, Request};
use semper_base::{Certificate, Digest, Mend, Role, SigningKey, Timestamp, keys, renewal};
use semper_keeper::{Health, State as Standing};
use serde::{Deserialize, Serialize};

use crate::health;
use crate::role::{HomeConfig, Role as ServerRole, RoleKind, Wrong};
use crate::surroundings::{Desk, Surroundings};
use crate::web;
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
/// Bytes of a registration.
const MOST: usize = 64 * 1024;

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

/// Why there is no certificate.
#[derive(Debug, thiserror::Error, Mend)]
pub enum CaError {
    /// The authority's home.
    #[error(transparent)]
    #[mend(from)]
    Home(#[from] HomeError),
    /// A name, a key or a request.
    #[error(transparent)]
    #[mend(input, "make it again with semper, or with openssl req")]
    Certificate(#[from] CertError),
    /// The private key file.
    #[error("{KEY} is not usable: {0}")]
    #[mend("{RESTORE}")]
    Key(#[from] keys::KeyError),
    /// Nobody was invited with this key.
    #[error("this registration key is not known")]
    #[mend("check it against the letter from the organiser")]
    UnknownKey,
    /// It has been used.
    #[error("this registration key has been used for another key pair already")]
    #[mend(
        "ask the organiser for a new registration key; if register --new-key was interrupted, run it without --new-key"
    )]
    Used,
    /// The key pair has been certified for somebody else, or was given up.
    #[error("this key pair has been certified under another name, or has been revoked")]
    #[mend("make another key pair: semper-sign key, or semper register --new-key")]
    KeyTaken,
    /// Invited under another name.
    #[error("the request is for “{got}”, but the registration key was given out for “{want}”")]
    #[mend("register as “{want}”")]
    OtherName {
        /// In the request.
        got: String,
        /// In the invitation.
        want: String,
    },
    /// Somebody has this name.
    #[error("{role} “{name}” has a certificate already")]
    #[mend("{ANOTHER}")]
    Taken {
        /// The name.
        name: String,
        /// The role in which it is taken.
        role: Role,
    },
    /// Somebody has a name that the eye takes for this one.
    #[error("“{name}” looks like “{other}”, who has a certificate as {role}")]
    #[mend("{ANOTHER}")]
    Alike {
        /// The name.
        name: String,
        /// The name that is taken.
        other: String,
        /// The role in which it is taken.
        role: Role,
    },
    /// The old certificate does not count, or the request is none.
    #[error("the certificate is not renewed: {0}")]
    #[mend("ask the organiser for a registration key: semper register --help")]
    NotRenewed(String),
    /// Somebody has renewed it before.
    #[error("this certificate has been renewed for another key before")]
    #[mend("if that was not you, tell the organiser at once: your key is in other hands")]
    Renewed,
    /// Too many renewals.
    #[error("certificates of “{name}” have been renewed too often of late")]
    #[mend("use the newest one, or ask the organiser")]
    Often {
        /// The name.
        name: String,
    },
    /// The root has not certified it yet.
    #[error("this authority has no certificate yet")]
    #[mend("semper ca certify --home ROOT --request ca.csr --out ca.pem, then semper ca install")]
    NotCertified,
    /// A party's request is no authority's.
    #[error("“{0}” asks for a party's certificate, not for leave to certify others")]
    #[mend(
        input,
        "give the ca.csr that semper ca init --below has made (with openssl: req -addext \
         basicConstraints=critical,CA:TRUE); a party registers with a key of semper ca invite"
    )]
    NoAuthority(String),
    /// An authority's request is no party's.
    #[error("“{0}” asks for leave to certify others, not for a party's certificate")]
    #[mend(input, "make a party's request: semper-sign csr; of an authority: semper ca certify")]
    NoParty(String),
    /// No certificate of this authority has this number.
    #[error(
        "no certificate with the serial number {0} was issued by this authority; nothing is revoked"
    )]
    #[mend(
        input,
        "semper ca list shows those that were; if a backup of the home lacks one, give it with \
         --certificate"
    )]
    NotIssued(String),
    /// It is of another authority.
    #[error(
        "the certificate of “{subject}” is not by this authority, but by “{issuer}”; nothing is revoked"
    )]
    #[mend(input, "revoke it at the authority that has issued it")]
    Foreign {
        /// Whose it is.
        subject: String,
        /// Who has issued it, by its own words.
        issuer: String,
    },
    /// A serial number that is none.
    #[error("“{0}” is no serial number: at most 20 bytes in hex")]
    #[mend(
        input,
        "semper ca list shows the serial numbers, openssl x509 -noout -serial that of a file"
    )]
    Serial(String),
    /// Below a root, without the root's list.
    #[error("the root's list of withdrawn authorities {0}: everything below the root is refused")]
    #[mend(
        "semper ca crl --home ROOT --out root.crl, where the root is; then semper ca install --list root.crl"
    )]
    NoList(String),
    /// Nobody can tell what the name is by looking at it.
    #[error("this is no name that can be certified: {0}")]
    #[mend(input, "write the name with letters of one script that can be seen")]
    Name(String),
    /// The authority's store.
    #[error("the authority's store cannot be used: {0}")]
    #[mend("{RESTORE}")]
    Sqlite(#[from] rusqlite::Error),
}

const RESTORE: &str = "restore the authority's home from a backup";
const ANOTHER: &str = "choose another name; a further key of the same party is invited by the \
                       authority's operator, with semper ca invite --again";

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

impl ServerRole for Ca {
    fn routes(self: Arc<Self>, around: &Surroundings) -> Router {
        let desk = around.desk(self);
        let register = post(register).layer(web::most(MOST));
        let renew = post(renew).layer(web::most(renewal::MOST));
        Router::new()
            .route(REGISTER, register)
            .route(RENEW, renew)
            .route(CRL, get(list))
            .route(&format!("{CRL}{ISSUER}"), get(issuer))
            .route(CRL_OF_ROOT, get(list_of_root))
            .with_state(desk)
    }

    fn health(&self) -> Vec<Health> {
        let state = match self.lack_of_list(Timestamp::now()) {
            None => Standing::Well,
            Some(lack) => Standing::Ill(CaError::NoList(lack).to_string()),
        };
        let list = Health { name: "ca/list-of-root".into(), state, panics: 0 };
        let mut all = vec![health::of_store("ca/store", &self.file)];
        all.extend((!self.between.is_empty()).then_some(list));
        all
    }
}

async fn list(State(desk): State<Desk<Ca>>) -> Response {
    let made = |ca: &Ca| match ca.list() {
        Ok(list) => web::bytes("application/pkix-crl", list),
        Err(error) => {
            tracing::error!(%error, "the revocation list cannot be made");
            web::not_now()
        }
    };
    desk.answer("list", made).await
}

/// The authorities between the list and the root; nothing of a root.
async fn issuer(State(desk): State<Desk<Ca>>) -> Response {
    let shown = |ca: &Ca| match &*ca.between {
        [] => web::nothing(),
        between => {
            let pem = Certificate::chain_to_pem(between);
            web::bytes("application/pem-certificate-chain", pem.into_bytes())
        }
    };
    desk.answer("issuer", shown).await
}

/// The root's list, as it was carried over.
async fn list_of_root(State(desk): State<Desk<Ca>>) -> Response {
    let shown = |ca: &Ca| {
        let pem = std::fs::read_to_string(ca.file.with_file_name(LIST_OF_ROOT));
        match pem.ok().and_then(|pem| Crl::from_pem(&pem).ok()) {
            Some(list) => web::bytes("application/pkix-crl", list.der().to_vec()),
            None => web::nothing(),
        }
    };
    desk.answer("list", shown).await
}

async fn renew(State(desk): State<Desk<Ca>>, body: Bytes) -> Response {
    desk.answer("renew", move |ca| said(ca.renew(&body))).await
}

async fn register(State(desk): State<Desk<Ca>>, body: Bytes) -> Response {
    desk.answer("register", move |ca| answer(ca, &body)).await
}

fn answer(ca: &Ca, body: &[u8]) -> Response {
    let registration: Registration = match serde_json::from_slice(body) {
        Ok(registration) => registration,
        Err(error) => {
            return web::refuse(StatusCode::BAD_REQUEST, error, "send key and request as JSON");
        }
    };
    said(ca.register(&registration))
}

fn said(registered: Result<Registered, CaError>) -> Response {
    match registered {
        Ok(registered) => web::json(StatusCode::OK, &registered),
        Err(error @ (CaError::Sqlite(_) | CaError::Home(_) | CaError::Key(_))) => {
            tracing::error!(%error, "nothing can be certified");
            web::not_now()
        }
        Err(error) => web::refuse(StatusCode::FORBIDDEN, &error, error.mend()),
    }
}
