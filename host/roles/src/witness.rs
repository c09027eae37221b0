//! A witness: cosigns the checkpoints of logs that it knows, if they have only grown
//! (c2sp.org/tlog-witness). What it has seen is stored before its cosignature leaves; a log that
//! contradicts itself is remembered with both its signatures.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use semper_archive::{Home, HomeError, HomeKind};
use semper_base::{Mend, SigningKey, Timestamp, keys};
use semper_keeper::Health;
use semper_tlog::note::NoteError;
use semper_tlog::witness::{Asked, WitnessError};
use semper_tlog::{Checkpoint, Kind, Note, VerifierKey, Witness};
use serde::Deserialize;

use crate::health;
use crate::role::{Role, RoleKind, Wrong};
use crate::surroundings::{Desk, Surroundings};
use crate::web;

const KEY: &str = "witness.key";
const FILE: &str = "witness.sqlite";
/// Bytes of a request: a note, and a proof of growth.
const MOST: usize = 128 * 1024;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS logs (
        origin TEXT PRIMARY KEY,
        note   TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS forks (
        origin TEXT NOT NULL,
        one    TEXT NOT NULL,
        other  TEXT NOT NULL,
        seen   INTEGER NOT NULL,
        UNIQUE (one, other)
    ) STRICT;
";

/// A witness's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessConfig {
    /// The home.
    pub home: PathBuf,
    /// Keys of the logs that it cosigns, as they publish them.
    pub logs: Vec<String>,
}

/// Why a witness does not start.
#[derive(Debug, thiserror::Error, Mend)]
pub enum WitnessRoleError {
    /// The home.
    #[error(transparent)]
    #[mend(from)]
    Home(#[from] HomeError),
    /// The private key file.
    #[error("{KEY} is not usable: {0}")]
    #[mend(input, "{RESTORE}")]
    Key(#[from] keys::KeyError),
    /// A name or a log's key.
    #[error(transparent)]
    #[mend(input, "give keys as logs publish them: name+hash+key")]
    Note(#[from] NoteError),
    /// The store.
    #[error("the witness's store cannot be used: {0}")]
    #[mend("{RESTORE}")]
    Sqlite(#[from] rusqlite::Error),
}

const RESTORE: &str = "restore the witness's home from a backup";

/// A running witness.
#[derive(Debug)]
pub struct WitnessRole {
    witness: Witness,
    logs: Vec<VerifierKey>,
    store: Mutex<Connection>,
    file: PathBuf,
}

impl WitnessRole {
    /// Makes a witness's home with a key of its own.
    pub fn create(path: &Path, name: &str) -> Result<VerifierKey, WitnessRoleError> {
        let key = SigningKey::generate();
        let vkey = VerifierKey::new(name, Kind::Witness, key.public())?;
        let home = Home::create(path)?;
        home.write(KEY, key.to_pem().as_bytes())?;
        home.write("name", name.as_bytes())?;
        home.write("witness.vkey", format!("{vkey}\n").as_bytes())?;
        Ok(vkey)
    }

    /// Opens a witness's home.
    pub fn open(config: &WitnessConfig) -> Result<Self, WitnessRoleError> {
        let home = Home::of(&config.home, HomeKind::Witness)?;
        let (key, name) = (Self::key(&home)?, Self::name(&home)?);
        let logs = config.logs.iter().map(|it| it.parse()).collect::<Result<_, _>>()?;
        let file = home.path().join(FILE);
        let store = Mutex::new(semper_store::open(&file, SCHEMA)?);
        Ok(Self { witness: Witness { name, key }, logs, store, file })
    }

    fn key(home: &Home) -> Result<SigningKey, WitnessRoleError> {
        Ok(SigningKey::from_pem(&home.read_secret(KEY)?)?)
    }

    fn name(home: &Home) -> Result<String, WitnessRoleError> {
        Ok(home.read("name")?.trim().to_owned())
    }

    /// Decides about a request; the cosignature line.
    fn cosign(&self, body: &[u8]) -> Result<Result<String, WitnessError>, WitnessRoleError> {
        let asked = match Asked::parse(body) {
            Ok(asked) => asked,
            Err(error) => return Ok(Err(error)),
        };
        let origin = match Checkpoint::unverified(&asked.checkpoint) {
            Ok(checkpoint) => checkpoint.origin,
            Err(error) => return Ok(Err(error.into())),
        };
        let Some(log) = self.logs.iter().find(|it| it.name == origin) else {
            return Ok(Err(WitnessError::Form("a log that is not known here")));
        };
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = store.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "SELECT note FROM logs WHERE origin = ?1";
        let last: Option<String> =
            transaction.query_row(sql, [&origin], |row| row.get(0)).optional()?;
        let last = last.map(|text| Note::parse(text.as_bytes())).transpose()?;
        let now = Timestamp::now();
        let line = match self.witness.cosign(log, last.as_ref(), &asked, now) {
            Ok(line) => line,
            Err(error) => {
                if let WitnessError::Fork(fork) = &error {
                    let sql = "INSERT OR IGNORE INTO forks VALUES (?1, ?2, ?3, ?4)";
                    let at = now.millis().cast_signed();
                    transaction.execute(sql, params![origin, fork.one, fork.other, at])?;
                    transaction.commit()?;
                    tracing::error!(origin, "a log shows two faces; both are kept as evidence");
                }
                return Ok(Err(error));
            }
        };
        let sql = "INSERT INTO logs VALUES (?1, ?2) ON CONFLICT (origin) DO UPDATE SET note = ?2";
        transaction.execute(sql, params![origin, asked.checkpoint.to_string()])?;
        transaction.commit()?;
        Ok(Ok(line))
    }

    /// Evidence of logs that contradict themselves.
    fn forks(&self) -> Result<Vec<serde_json::Value>, WitnessRoleError> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = store.prepare("SELECT origin, one, other, seen FROM forks")?;
        let rows = statement.query_map([], |row| {
            let (origin, one): (String, String) = (row.get(0)?, row.get(1)?);
            let (other, seen): (String, i64) = (row.get(2)?, row.get(3)?);
            Ok(serde_json::json!({ "origin": origin, "one": one, "other": other, "seen": seen }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl RoleKind for WitnessRole {
    const SECTION: &'static str = "witness";
    type Config = WitnessConfig;
    type Error = WitnessRoleError;

    fn place(config: &mut WitnessConfig, base: &Path) {
        config.home = base.join(&config.home);
    }

    fn check(config: &WitnessConfig, wrong: &mut Wrong<WitnessRoleError>) {
        for log in &config.logs {
            wrong.take(log.parse::<VerifierKey>());
        }
        let Some(home) = wrong.take(Home::of(&config.home, HomeKind::Witness)) else { return };
        wrong.take(Self::key(&home));
        wrong.take(Self::name(&home));
        wrong.take(semper_store::look(&home.path().join(FILE), SCHEMA));
    }

    fn open(config: &WitnessConfig, _: &Surroundings) -> Result<Arc<dyn Role>, WitnessRoleError> {
        Ok(Arc::new(Self::open(config)?))
    }
}

impl Role for WitnessRole {
    fn routes(self: Arc<Self>, around: &Surroundings) -> Router {
        Router::new()
            .route("/add-checkpoint", post(cosign).layer(web::most(MOST)))
            .route("/forks", get(forks))
            .with_state(around.desk(self))
    }

    fn health(&self) -> Vec<Health> {
        vec![health::of_store("witness/store", &self.file)]
    }
}

async fn cosign(State(desk): State<Desk<WitnessRole>>, body: Bytes) -> Response {
    desk.answer("cosign", move |witness| answer(witness.cosign(&body))).await
}

async fn forks(State(desk): State<Desk<WitnessRole>>) -> Response {
    let shown = |witness: &WitnessRole| match witness.forks() {
        Ok(forks) => web::json(StatusCode::OK, &forks),
        Err(error) => {
            tracing::error!(%error, "the witness fails");
            web::not_now()
        }
    };
    desk.answer("forks", shown).await
}

/// Statuses as c2sp.org/tlog-witness has them.
fn answer(outcome: Result<Result<String, WitnessError>, WitnessRoleError>) -> Response {
    let refused = |status: StatusCode, error: &WitnessError| {
        tracing::warn!(%error, "not cosigned");
        (status, format!("{error}\n")).into_response()
    };
    match outcome {
        Ok(Ok(line)) => web::bytes("text/plain; charset=utf-8", line.into_bytes()),
        Ok(Err(WitnessError::Conflict(size))) => {
            let kind = [(header::CONTENT_TYPE, "text/x.tlog.size")];
            (StatusCode::CONFLICT, kind, format!("{size}\n")).into_response()
        }
        Ok(Err(error @ WitnessError::Form("a log that is not known here"))) => {
            refused(StatusCode::NOT_FOUND, &error)
        }
        Ok(Err(error @ WitnessError::Form(_))) => refused(StatusCode::BAD_REQUEST, &error),
        Ok(Err(error @ WitnessError::Note(_))) => refused(StatusCode::FORBIDDEN, &error),
        Ok(Err(error @ (WitnessError::Tree(_) | WitnessError::Fork(_)))) => {
            refused(StatusCode::UNPROCESSABLE_ENTITY, &error)
        }
        Err(error) => {
            tracing::error!(%error, "the witness fails");
            web::not_now()
        }
    }
}
