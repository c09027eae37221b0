//! A transparency log: accepts signed statements, puts them into a tree, publishes static files
//! (c2sp.org/tlog-tiles) that any web server or object store could show as well.
//!
//! A batch goes to disk in this order: entries and tiles, the index of entries, the next
//! checkpoint; then witnesses are asked; then the checkpoint is published. A crash in between
//! is finished at the next start: what a witness may have seen is never taken back.

mod config;
mod served;
mod stored;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use rusqlite::{Connection, OptionalExtension as _};
use semper_archive::{Home, HomeError};
use semper_base::cert::{Revocation, Roots, ServerRoot, Verifier};
use semper_base::{Certificate, Digest, Role, SigningKey, Timestamp, fault};
use semper_keeper::{Health, Spawn};
use semper_net::{Believed, Client};
use semper_tlog::tree::{self, Tree};
use semper_tlog::{Checkpoint, Kind, Note, Proof, VerifierKey};
use semper_trust::envelope::{self, Opened};

use crate::health;
use crate::queue::{Queue, queue};
use crate::role::{Role as ServerRole, RoleKind, Wrong};
use crate::surroundings::Surroundings;
use crate::web;
pub use config::{LogConfig, LogError, WitnessAddress};
pub(crate) use served::public_routes;
pub use stored::Head;
pub(crate) use stored::Stored;
use writer::Writer;

/// Where statements are posted.
pub const ADD: &str = "/semper/v1/log/add";
/// Where the proof of a statement is, by its digest.
pub const PROOF: &str = "/semper/v1/log/proof/";
/// Largest statement, in bytes: an entry's length has two.
pub const MAX_ENTRY: usize = 60_000;
const KEY: &str = "log.key";
const PUBLIC: &str = "public";
const NEXT: &str = "checkpoint.next";
const FILE: &str = "log.sqlite";
/// How long a witness may take to answer: whoever waits for a batch waits for it.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same in a log that its keeper alone writes into, who has others waiting.
const SHORT: Duration = Duration::from_secs(3);

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS entries (
        digest BLOB PRIMARY KEY,
        number INTEGER NOT NULL UNIQUE
    ) STRICT, WITHOUT ROWID;
";

/// A running log.
#[derive(Debug)]
pub struct Log {
    public: PathBuf,
    next: PathBuf,
    verifier: Verifier,
    store: Arc<Mutex<Connection>>,
    queue: Queue<Pending>,
    vkey: VerifierKey,
    file: PathBuf,
}

/// A statement on its way into the log, and who waits for it.
#[derive(Debug)]
struct Pending {
    entry: Vec<u8>,
    done: SyncSender<Result<u64, NotLogged>>,
}

/// Why a statement was not logged, as whoever waits hears it.
#[derive(Clone, Copy, Debug)]
enum NotLogged {
    /// So few of so many witnesses have cosigned.
    Quorum { got: usize, want: usize },
    /// Something else.
    Later,
}

impl From<NotLogged> for LogError {
    fn from(why: NotLogged) -> Self {
        match why {
            NotLogged::Quorum { got, want } => Self::Quorum { got, want },
            NotLogged::Later => Self::Later,
        }
    }
}

impl Log {
    /// The key of the log with this home.
    pub(crate) fn key_of(home: &Path) -> Result<VerifierKey, LogError> {
        Ok(Self::own(&Home::open(home)?)?.1)
    }

    /// Makes a log's home with a key of its own; its name is its origin, such as
    /// `log.example/terms`.
    pub fn create(path: &Path, origin: &str) -> Result<VerifierKey, LogError> {
        let key = SigningKey::generate();
        let vkey = VerifierKey::new(origin, Kind::Log, key.public())?;
        let home = Home::create(path)?;
        home.write(KEY, key.to_pem().as_bytes())?;
        home.write("origin", origin.as_bytes())?;
        home.write("log.vkey", format!("{vkey}\n").as_bytes())?;
        Ok(vkey)
    }

    /// Opens a log's home, finishes what a crash has left, and publishes a first checkpoint. Its
    /// writer runs there.
    ///
    /// # Errors
    /// When something is missing or damaged, or too few witnesses cosign what a crash has left.
    pub fn open(config: &LogConfig, spawn: &dyn Spawn) -> Result<Self, LogError> {
        Self::asking(config, spawn, unasked)
    }

    /// As [`Log::open`], for whoever keeps it and alone writes into it, by [`Log::append_all`].
    /// Witnesses are asked, and none of them keeps an entry out: see there.
    pub(crate) fn kept(
        config: &LogConfig,
        spawn: &dyn Spawn,
        revocation: Revocation,
    ) -> Result<Self, LogError> {
        let asking = |_: &Roots| Ok(revocation);
        let (mut writer, verifier) = Self::parts(config, semper_store::open, asking)?;
        writer.kept = true;
        for (_, _, net) in &mut writer.witnesses {
            *net = net.within(SHORT);
        }
        Self::started(config, spawn, writer, verifier)
    }

    /// As [`Log::open`], asking there what the authorities have withdrawn.
    fn asking(
        config: &LogConfig,
        spawn: &dyn Spawn,
        revocation: impl FnOnce(&Roots) -> Result<Revocation, HomeError>,
    ) -> Result<Self, LogError> {
        let (writer, verifier) = Self::parts(config, semper_store::open, revocation)?;
        Self::started(config, spawn, writer, verifier)
    }

    fn started(
        config: &LogConfig,
        spawn: &dyn Spawn,
        mut writer: Writer,
        verifier: Verifier,
    ) -> Result<Self, LogError> {
        writer.recover()?;
        let (public, vkey) = (writer.public.clone(), writer.vkey.clone());
        let next = writer.next.clone();
        let store = Arc::clone(&writer.store);
        let (queue, waiting, bell) = queue();
        spawn.keep("writer", &bell, writer.turns(waiting));
        let file = config.home.join(FILE);
        Ok(Self { public, next, verifier, store, queue, vkey, file })
    }

    /// Looks whether the log could be opened: its files, its stored tree. Nothing is published,
    /// no witness is asked, and nothing on the disk changes.
    pub(crate) fn check(config: &LogConfig, wrong: &mut Wrong<LogError>) {
        for file in &config.authorities {
            wrong.take(certificate(file));
        }
        for address in &config.witness {
            wrong.take(witness(address));
        }
        let Some(home) = wrong.take(Home::open(&config.home)) else { return };
        let Some(_) = wrong.take(Self::own(&home)) else { return };
        // The rest needs nothing of what others have given.
        let alone = LogConfig { authorities: Vec::new(), witness: Vec::new(), ..config.clone() };
        let parts = wrong.take(Self::parts(&alone, semper_store::look, unasked));
        if let Some((mut writer, _)) = parts {
            wrong.take(writer.load());
        }
    }

    /// The log's key, and by which name it signs.
    fn own(home: &Home) -> Result<(SigningKey, VerifierKey), LogError> {
        let key = SigningKey::from_pem(&home.read_secret(KEY)?)?;
        let origin = home.read("origin")?.trim().to_owned();
        let vkey = VerifierKey::new(&origin, Kind::Log, key.public())?;
        Ok((key, vkey))
    }

    fn parts(
        config: &LogConfig,
        open: fn(&Path, &str) -> rusqlite::Result<Connection>,
        revocation: impl FnOnce(&Roots) -> Result<Revocation, HomeError>,
    ) -> Result<(Writer, Verifier), LogError> {
        let home = Home::open(&config.home)?;
        let (key, vkey) = Self::own(&home)?;
        let authorities =
            config.authorities.iter().map(|it| certificate(it)).collect::<Result<Vec<_>, _>>()?;
        let asked = config.witness.iter().map(witness).collect::<Result<Vec<_>, _>>()?;
        let mut behind = authorities.clone();
        let roots = asked.iter().flat_map(|(_, _, roots)| roots);
        behind.extend(roots.filter_map(|it| Certificate::from_der(it.der()).ok()));
        let revocation = revocation(&Roots::new(behind))?;
        let verifier = Roots::new(authorities).asking(revocation.clone());
        let witnesses = asked.into_iter().map(|(key, url, roots)| {
            let believed = Believed::nobody().and(roots).asking(revocation.clone());
            (key, url, Client::new(believed).within(PATIENCE))
        });
        let store = open(&home.path().join(FILE), SCHEMA)?;
        let writer = Writer {
            next: home.path().join(NEXT),
            public: home.path().join(PUBLIC),
            store: Arc::new(Mutex::new(store)),
            key,
            vkey,
            witnesses: witnesses.collect(),
            quorum: config.quorum,
            tree: Tree::new(),
            unfinished: Vec::new(),
            published: None,
            whole: false,
            owes: false,
            kept: false,
            behind: None,
            resting: HashMap::new(),
        };
        Ok((writer, verifier))
    }

    /// How its store is, by this name.
    pub(crate) fn health_of_store(&self, name: &str) -> Health {
        health::of_store(name, &self.file)
    }

    /// The log's key, as it publishes it.
    pub fn key(&self) -> &VerifierKey {
        &self.vkey
    }

    /// Takes a statement and waits until it is published; the proof. The same statement again
    /// gets its first place.
    pub fn add(&self, entry: &[u8]) -> Result<Proof, LogError> {
        if let Some(number) = self.number(&Digest::of(entry))? {
            // A number alone is no proof: what was not published then is published now.
            if number < self.published()?.0.size {
                return self.proof(number);
            }
        }
        self.accept(entry)?;
        self.append(entry)
    }

    fn append(&self, entry: &[u8]) -> Result<Proof, LogError> {
        let (done, outcome) = sync_channel(1);
        let pending = Pending { entry: entry.to_vec(), done };
        self.queue.put(pending).map_err(|_| LogError::Closed)?;
        let number = outcome.recv().map_err(|_| LogError::Closed)??;
        self.proof(number)
    }

    /// Logs entries of whoever keeps the log, in their order: nothing is asked about them. Those
    /// that were there already stay where they are. When it returns, they stand below a head that
    /// the log has signed and stored, which is never taken back; the head that is stored then.
    ///
    /// That head is published by then, if enough witnesses have cosigned it. If they do not answer,
    /// it is published as soon as they do, and nothing waits for that.
    ///
    /// # Errors
    /// When they cannot be stored now.
    pub fn append_all(&self, entries: Vec<Vec<u8>>) -> Result<Head, LogError> {
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            let (done, outcome) = sync_channel(1);
            self.queue.put(Pending { entry, done }).map_err(|_| LogError::Closed)?;
            outcomes.push(outcome);
        }
        for outcome in outcomes {
            outcome.recv().map_err(|_| LogError::Closed)??;
        }
        self.head()
    }

    /// The newest head that is signed and stored, published or not.
    pub(crate) fn head(&self) -> Result<Head, LogError> {
        // In this order: a head is published before it is removed from there.
        let next = std::fs::read(&self.next).ok();
        let note = next.or_else(|| read(&self.public, "checkpoint")).ok_or(LogError::Closed)?;
        let Checkpoint { size, root, .. } = Checkpoint::verify(&Note::parse(&note)?, &self.vkey)?;
        Ok(Head { size, root })
    }

    /// Whether a statement may be logged: signed by somebody whom the authorities vouch for.
    fn accept(&self, entry: &[u8]) -> Result<(), LogError> {
        if entry.len() > MAX_ENTRY {
            return Err(LogError::Refused(format!("more than {MAX_ENTRY} bytes")));
        }
        let refused = |why: String| Err(LogError::Refused(why));
        let claim = match envelope::claim(entry) {
            Ok(claim) => claim,
            Err(error) => return refused(error.to_string()),
        };
        let now = Timestamp::now();
        let verified = Opened::new(entry).and_then(|it| {
            let roles = [Role::Merchant, Role::Author, Role::Evaluator];
            it.verify_as::<serde_json::Value>(&claim.predicate_type, &self.verifier, &roles, now)
        });
        match verified {
            Ok(_) => Ok(()),
            Err(error) if error.is_passing() => Err(LogError::Unsure(error.to_string())),
            Err(error) => refused(error.to_string()),
        }
    }

    fn number(&self, digest: &Digest) -> Result<Option<u64>, LogError> {
        let store = lock(&self.store);
        let sql = "SELECT number FROM entries WHERE digest = ?1";
        let found: Option<i64> =
            store.query_row(sql, [digest.as_bytes()], |row| row.get(0)).optional()?;
        Ok(found.map(i64::cast_unsigned))
    }

    /// The proof of the entry with that number, in the newest published tree.
    fn proof(&self, index: u64) -> Result<Proof, LogError> {
        let (head, checkpoint) = self.published()?;
        let path = tree::prove(head.size, head.root, index, |path| read(&self.public, path))?;
        Ok(Proof { index, path, checkpoint })
    }

    /// The newest published checkpoint.
    fn published(&self) -> Result<(Checkpoint, Note), LogError> {
        let note = read(&self.public, "checkpoint").ok_or(LogError::Closed)?;
        let note = Note::parse(&note)?;
        Ok((Checkpoint::verify(&note, &self.vkey)?, note))
    }

    fn file(&self, name: &str) -> Response {
        let plain = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        if !plain {
            return StatusCode::NOT_FOUND.into_response();
        }
        web::file("application/octet-stream", std::fs::File::open(self.public.join(name)))
    }
}

/// For whoever opens a log, or a home with one, without a server's file, in which the lists would be named.
pub(crate) fn unasked(_: &Roots) -> Result<Revocation, HomeError> {
    Ok(Revocation::Unasked("no server's file names lists"))
}

/// A witness that is asked: its key, its address, the roots behind its server.
fn witness(it: &WitnessAddress) -> Result<(VerifierKey, String, Vec<ServerRoot>), LogError> {
    let text = text(&it.root)?;
    let wrong = |source| LogError::Certificate { file: it.root.display().to_string(), source };
    let roots = ServerRoot::all_from_pem(&text).map_err(wrong)?;
    Ok((it.key.parse()?, it.url.clone(), roots))
}

fn certificate(file: &Path) -> Result<Certificate, LogError> {
    let wrong = |source| LogError::Certificate { file: file.display().to_string(), source };
    Certificate::from_pem(&text(file)?).map_err(wrong)
}

fn text(file: &Path) -> Result<String, LogError> {
    let name = file.display().to_string();
    std::fs::read_to_string(file).map_err(|source| LogError::Io { name, source })
}

fn flat(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|it| *it.as_bytes()).collect()
}

fn read(folder: &Path, name: &str) -> Option<Vec<u8>> {
    std::fs::read(folder.join(name)).ok()
}

/// Writes a file whole or not at all, durably.
fn write(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    use std::io::Write as _;
    let io = |source| LogError::Io { name: path.display().to_string(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    if fault::fails("log.write") {
        return Err(io(std::io::ErrorKind::StorageFull.into()));
    }
    let new = path.with_extension("new");
    let mut file = std::fs::File::create(&new).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    std::fs::rename(&new, path).map_err(io)
}

/// Makes the name of a file that was written durable, and with it the names of all before it: whoever
/// has seen a head must find it again, or another tree would be signed for its size.
fn keep_name(path: &Path) -> Result<(), LogError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let synced = std::fs::File::open(folder).and_then(|it| it.sync_all());
    synced.map_err(|source| LogError::Io { name: folder.display().to_string(), source })
}

fn lock(store: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RoleKind for Log {
    const SECTION: &'static str = "tlog";
    type Config = LogConfig;
    type Error = LogError;

    fn place(config: &mut LogConfig, base: &Path) {
        let mut paths = vec![&mut config.home];
        paths.extend(&mut config.authorities);
        paths.extend(config.witness.iter_mut().map(|it| &mut it.root));
        for path in paths {
            *path = base.join(&*path);
        }
    }

    fn check(config: &LogConfig, wrong: &mut Wrong<LogError>) {
        Self::check(config, wrong);
    }

    fn open(config: &LogConfig, around: &Surroundings) -> Result<Arc<dyn ServerRole>, LogError> {
        let revocation = |roots: &Roots| around.revocation(&config.home, roots);
        Ok(Arc::new(Self::asking(config, &around.keeper, revocation)?))
    }
}
