//! One SQLite file per home, written by one thread in groups, read by any.

mod applications;
mod read;
mod schema;
mod write;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode};
use semper_base::{Mend, fault};

use crate::entries::{self, Booked};
use crate::home::Home;
use crate::rows::Write;

pub(crate) use read::evidence as evidence_row;

/// The archive's file in a home.
pub const FILE: &str = "archive.sqlite";

/// Lists of writes that one commit takes at most.
const GROUP: usize = 256;

/// Connections that read beside the writer.
const READERS: usize = 4;
/// Commits after which the write-ahead log is copied into the database.
const COPIED: u32 = 200;

/// A fault of the archive.
#[derive(Debug, Clone, thiserror::Error, Mend)]
pub enum ArchiveError {
    /// No room: nothing of the list was written.
    #[error("the disk or the archive {} is full; nothing was changed", .0.display())]
    #[mend("make room on the disk; the deal goes on by itself")]
    Full(PathBuf),
    /// SQLite's own integrity check found damage.
    #[error("the archive {} is damaged: {detail}", path.display())]
    #[mend(
        "stop every semper of this home, keep a copy of {file}, and restore a backup; \
         `sqlite3 {file} .recover` shows what is left",
        file = path.display()
    )]
    Corrupt {
        /// The path of the archive's file.
        path: PathBuf,
        /// The words of SQLite's check.
        detail: String,
    },
    /// Made by a newer semper.
    #[error("the archive {} has format {found}, this semper knows up to {known}", path.display())]
    #[mend("use the semper that wrote it, or a newer one")]
    Newer {
        /// The path of the archive's file.
        path: PathBuf,
        /// The format of the file.
        found: i64,
        /// The newest format that this program knows.
        known: i64,
    },
    /// A journal record that is there already: two hosts run one deal.
    #[error("journal record {seq} of {deal} is there already: another host runs this deal")]
    #[mend("stop all but one host of this home")]
    JournalTaken {
        /// The deal whose journal it is.
        deal: String,
        /// The number of the record.
        seq: u64,
    },
    /// Anything else that SQLite says.
    #[error("the archive {} cannot be used: {detail}", path.display())]
    #[mend("check the file's permissions and the disk, then start again")]
    Sqlite {
        /// The path of the archive's file.
        path: PathBuf,
        /// SQLite's error.
        detail: String,
    },
    /// The writer thread has ended.
    #[error("the archive has been closed")]
    #[mend("check the file's permissions and the disk, then start again")]
    Closed,
}

thread_local! {
    static IN_BACKGROUND: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// This thread has low priority: it reads by a connection that no other thread waits for,
/// or one that is put off in the middle of a look would put off others with it.
pub fn in_background() {
    IN_BACKGROUND.set(true);
}

type Reply = SyncSender<Result<(), ArchiveError>>;

/// What the writer does at once.
enum Work {
    /// These writes; the entries of their evidence, in its order.
    Writes(Vec<Write>, Vec<Booked>),
    /// Entries for evidence that has none, from this number on, and where it has come to.
    Fill(i64, SyncSender<Option<i64>>),
}

struct Job {
    work: Work,
    reply: Reply,
}

/// An open archive. Cloning shares it.
#[derive(Clone)]
pub struct Archive {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    readers: [Mutex<Connection>; READERS],
    jobs: Mutex<Option<SyncSender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    copier: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Archive({})", self.shared.path.display())
    }
}

impl Archive {
    /// Opens or makes the archive of a home; migrates an older one; checks its integrity.
    pub fn open(home: &Home) -> Result<Self, ArchiveError> {
        Self::open_file(&home.path().join(FILE))
    }

    /// Opens the archive of a home for a look: nothing on the disk changes, and writes are refused.
    /// A home without an archive is seen as it would be with a new one.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or was made by a newer semper.
    pub fn look(home: &Home) -> Result<Self, ArchiveError> {
        let path = home.path().join(FILE);
        let mut readers = Vec::new();
        for _ in 0..READERS {
            // Damage is found by the first; all look at the same file.
            readers.push(Mutex::new(schema::look(&path, readers.is_empty())?));
        }
        let shared = Shared {
            path,
            readers: readers.try_into().map_err(|_| ArchiveError::Closed)?,
            jobs: Mutex::default(),
            writer: Mutex::default(),
            copier: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The archive's file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Opens the archive in this file.
    pub fn open_file(path: &Path) -> Result<Self, ArchiveError> {
        Self::open_within(path, fault::disk())
    }

    /// Opens the archive in this file; with a quota it takes that many pages of 4096 bytes and
    /// is then full, as a disk is.
    pub fn open_within(path: &Path, quota: Option<u32>) -> Result<Self, ArchiveError> {
        let writer = schema::open(path, quota)?;
        let mut readers = Vec::new();
        for _ in 0..READERS {
            readers.push(Mutex::new(schema::reader(path)?));
        }
        // Bounded: whoever writes faster than the disk waits.
        let (jobs, inbox) = sync_channel::<Job>(GROUP);
        let file = path.to_owned();
        let failed = |error: std::io::Error| ArchiveError::Sqlite {
            path: path.to_owned(),
            detail: error.to_string(),
        };
        let copying = path.to_owned();
        let (log, full) = sync_channel::<()>(1);
        let copier = std::thread::Builder::new()
            .name("archive-copier".into())
            .spawn(move || copy_loop(&copying, &full))
            .map_err(failed)?;
        let handle = std::thread::Builder::new()
            .name("archive".into())
            .spawn(move || write_loop(writer, &inbox, &file, &log))
            .map_err(failed)?;
        let shared = Shared {
            path: path.to_owned(),
            readers: readers.try_into().map_err(|_| ArchiveError::Closed)?,
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(handle)),
            copier: Mutex::new(Some(copier)),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Carries the writes out together; durable when it returns.
    pub fn commit(&self, writes: Vec<Write>) -> Result<(), ArchiveError> {
        if writes.is_empty() {
            return Ok(());
        }
        fault::border("archive.asked");
        if fault::full() || fault::fails("archive.full") {
            return Err(ArchiveError::Full(self.shared.path.clone()));
        }
        if fault::fails("archive.write") {
            return Err(self.unusable());
        }
        let entries = writes.iter().filter_map(|write| match write {
            Write::Evidence(row) => Some(Booked::read(row)),
            _ => None,
        });
        let entries = entries.collect();
        let written = self.work(Work::Writes(writes, entries));
        fault::border("archive.answered");
        written
    }

    /// A number that is another after every commit, whoever has made it: as long as it is the same,
    /// there is nothing new to read. It is comparable with others of this process only.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn state(&self) -> Result<u64, ArchiveError> {
        // Each connection counts for itself what others have committed.
        let reader = lock(&self.shared.readers[0]);
        let counted = reader.prepare_cached("PRAGMA data_version");
        let counted = counted.and_then(|mut it| it.query_row([], |row| row.get::<_, i64>(0)));
        counted.map(i64::cast_unsigned).map_err(|error| self.failed(&error))
    }

    /// Gives the evidence of an older home its entries: one step of some hundred, so that whoever
    /// commits meanwhile does not wait for all of them. It begins after this number, 0 at first;
    /// where it has come to, or `None` when there is no more. A step that was done stays done.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn fill_entries(&self, after: i64) -> Result<Option<i64>, ArchiveError> {
        let (come, to) = sync_channel(1);
        self.work(Work::Fill(after, come))?;
        to.recv().map_err(|_| ArchiveError::Closed)
    }

    /// Has the writer do something; done when it returns.
    fn work(&self, work: Work) -> Result<(), ArchiveError> {
        let jobs = lock(&self.shared.jobs).clone().ok_or(ArchiveError::Closed)?;
        let (reply, answer) = sync_channel(1);
        jobs.send(Job { work, reply }).map_err(|_| ArchiveError::Closed)?;
        answer.recv().map_err(|_| ArchiveError::Closed)?
    }

    pub(crate) fn reader(&self) -> MutexGuard<'_, Connection> {
        let [readers @ .., last] = &self.shared.readers;
        if IN_BACKGROUND.get() {
            return lock(last);
        }
        // One that is free, or the first that becomes so of a fixed one.
        let free = readers.iter().find_map(|reader| reader.try_lock().ok());
        free.unwrap_or_else(|| lock(&self.shared.readers[0]))
    }

    /// What a disk does that has a fault.
    pub(crate) fn unusable(&self) -> ArchiveError {
        let detail = "the disk has failed, as was asked for".to_owned();
        ArchiveError::Sqlite { path: self.shared.path.clone(), detail }
    }

    pub(crate) fn failed(&self, error: &rusqlite::Error) -> ArchiveError {
        translate(&self.shared.path, error)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        lock(&self.jobs).take();
        if let Some(writer) = lock(&self.writer).take() {
            // It ends when the last job is done; its panic would already have been reported.
            let _ = writer.join();
        }
        if let Some(copier) = lock(&self.copier).take() {
            let _ = copier.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Commits whatever waits in one transaction; each list in a savepoint of its own, so that
/// one that fails does not take the others with it.
fn write_loop(
    mut connection: Connection,
    inbox: &Receiver<Job>,
    path: &Path,
    log: &SyncSender<()>,
) {
    let mut commits = 0;
    while let Ok(first) = inbox.recv() {
        let mut group = vec![first];
        while group.len() < GROUP {
            match inbox.try_recv() {
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
        fault::point("archive.before");
        let results = commit_group(&mut connection, &group, path);
        fault::point("archive.after");
        for (job, result) in group.into_iter().zip(results) {
            // The asker may be gone; the write stands all the same.
            let _ = job.reply.send(result);
        }
        commits += 1;
        if commits % COPIED == 0 {
            // Full when the copier has not finished with the last.
            let _ = log.try_send(());
        }
    }
}

/// Copies the write-ahead log into the database, beside the writer: the commit that would
/// have done it waits for nobody's old pages. What it does not get to is done by the next.
fn copy_loop(path: &Path, full: &Receiver<()>) {
    // Opened when it is needed first: most commands end before that.
    let mut connection = None;
    while full.recv().is_ok() {
        if connection.is_none() {
            connection = schema::copier(path).ok();
        }
        let Some(connection) = &connection else { continue };
        let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = copied {
            tracing::debug!(%error, "the log was not copied now");
        }
    }
}

fn commit_group(
    connection: &mut Connection,
    group: &[Job],
    path: &Path,
) -> Vec<Result<(), ArchiveError>> {
    try_group(connection, group, path)
        .unwrap_or_else(|error| group.iter().map(|_| Err(error.clone())).collect())
}

/// Each list's own outcome, or the one error that undid the whole group.
fn try_group(
    connection: &mut Connection,
    group: &[Job],
    path: &Path,
) -> Result<Vec<Result<(), ArchiveError>>, ArchiveError> {
    let failed = |error: rusqlite::Error| translate(path, &error);
    let mut transaction = connection.transaction().map_err(failed)?;
    if let [job] = group {
        // Alone it needs no savepoint: what fails is undone with the transaction.
        apply(&transaction, &job.work, path)?;
        transaction.commit().map_err(failed)?;
        return Ok(vec![Ok(())]);
    }
    let mut results = Vec::with_capacity(group.len());
    for job in group {
        let savepoint = transaction.savepoint().map_err(failed)?;
        let done = apply(&savepoint, &job.work, path);
        if done.is_ok() {
            savepoint.commit().map_err(failed)?;
        } else {
            drop(savepoint);
            if transaction.is_autocommit() {
                // A full disk makes SQLite undo everything, the other lists with it.
                return done.map(|()| Vec::new());
            }
        }
        results.push(done);
    }
    transaction.commit().map_err(failed)?;
    Ok(results)
}

fn apply(connection: &Connection, work: &Work, path: &Path) -> Result<(), ArchiveError> {
    match work {
        Work::Writes(writes, entries) => write::apply(connection, writes, entries, path),
        Work::Fill(after, come) => {
            let to = entries::fill(connection, *after).map_err(|it| translate(path, &it))?;
            // Whoever asked may be gone; the entries stand all the same.
            let _ = come.try_send(to);
            Ok(())
        }
    }
}

pub(crate) fn translate(path: &Path, error: &rusqlite::Error) -> ArchiveError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ArchiveError::Full(path),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            ArchiveError::Corrupt { path, detail: error.to_string() }
        }
        _ => ArchiveError::Sqlite { path, detail: error.to_string() },
    }
}
