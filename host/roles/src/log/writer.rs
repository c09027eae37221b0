//! The one thread that grows a log's tree, and what a crash has left to it.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use semper_base::text::counted;
use semper_base::{Digest, SigningKey};
use semper_keeper::spawn::Loop;
use semper_keeper::{Post, Turn};
use semper_net::Client;
use semper_tlog::checkpoint::witnesses;
use semper_tlog::tree::{self, Tree, TreeError, WIDTH};
use semper_tlog::witness::Asked;
use semper_tlog::{Checkpoint, Note, VerifierKey};

use super::{LogError, NotLogged, Pending, flat, keep_name, lock, read, write};
use crate::queue::Waiting;

/// Statements of one batch at most.
const BATCH: usize = 1_024;
/// Files that are written side by side at most.
const AT_ONCE: usize = 8;
/// How often publishing is tried again while witnesses do not answer.
const AGAIN: Duration = Duration::from_secs(5);
/// How long the writer may sleep when there is nothing to log.
const LONG: Duration = Duration::from_secs(3_600);
/// How long a witness that has not answered is left alone, where somebody else waits.
const REST: Duration = Duration::from_secs(20);

/// The one thread that grows the tree.
pub(super) struct Writer {
    pub next: PathBuf,
    pub public: PathBuf,
    pub store: Arc<Mutex<Connection>>,
    pub key: SigningKey,
    pub vkey: VerifierKey,
    pub witnesses: Vec<(VerifierKey, String, Client)>,
    pub quorum: usize,
    pub tree: Tree,
    /// Entries of the bundle at the right edge.
    pub unfinished: Vec<Vec<u8>>,
    pub published: Option<Note>,
    /// Whether tree and files are what the last batch left: not after an error or a panic amid one.
    pub whole: bool,
    /// Whether the last batch was not logged or not published.
    pub owes: bool,
    /// Whether its keeper alone writes, who is content with a head that is signed and stored:
    /// witnesses that do not answer keep nothing out.
    pub kept: bool,
    /// So few of so many witnesses have cosigned the newest head, and when they are asked again.
    pub behind: Option<(usize, usize, Instant)>,
    /// Until when a witness that has not answered is left alone, by its key's name.
    pub resting: HashMap<String, Instant>,
}

impl Writer {
    /// Loads the tree of the newest checkpoint that anybody may have seen, and publishes it.
    pub fn recover(&mut self) -> Result<(), LogError> {
        if let Some(size) = self.load()? {
            // Numbers that were given out for a tree that nobody has seen.
            let size = i64::try_from(size).unwrap_or(i64::MAX);
            lock(&self.store).execute("DELETE FROM entries WHERE number >= ?1", [size])?;
        }
        // A head that is there and not published may be one that no witness has cosigned yet.
        self.publish_soon()?;
        self.owes = self.behind.is_some();
        self.whole = true;
        Ok(())
    }

    /// Loads that tree alone; its size, if there is one.
    pub fn load(&mut self) -> Result<Option<u64>, LogError> {
        (self.tree, self.published) = (Tree::new(), None);
        self.unfinished.clear();
        let parse = |bytes: Option<Vec<u8>>| -> Result<Option<(Checkpoint, Note)>, LogError> {
            let Some(bytes) = bytes else { return Ok(None) };
            let note = Note::parse(&bytes)?;
            Ok(Some((Checkpoint::verify(&note, &self.vkey)?, note)))
        };
        let published = parse(read(&self.public, "checkpoint"))?;
        let next = parse(std::fs::read(&self.next).ok())?;
        let (head, _) = match (&next, &published) {
            (Some(next), Some(old)) if next.0.size >= old.0.size => next,
            (Some(next), None) => next,
            (_, Some(old)) => old,
            (None, None) => return Ok(None),
        };
        let tile = |level, number, width| {
            let partial = read(&self.public, &tree::path(level, number, width));
            partial.or_else(|| {
                let full = read(&self.public, &tree::path(level, number, WIDTH))?;
                full.get(..width * tree::HASH).map(<[u8]>::to_vec)
            })
        };
        self.tree = Tree::load(head.size, tile)?;
        if self.tree.root() != head.root {
            let why = "its root is another than the one that was signed".to_owned();
            return Err(TreeError::Tiles { size: head.size, why }.into());
        }
        let (number, width) = (head.size / WIDTH as u64, (head.size % WIDTH as u64) as usize);
        if width > 0 {
            let bytes = read(&self.public, &tree::entries_path(number, width));
            let damaged =
                || TreeError::Tiles { size: head.size, why: "entries are missing".into() };
            self.unfinished = bytes.and_then(|it| tree::entries(&it)).ok_or_else(damaged)?;
        }
        let size = head.size;
        self.published = published.map(|it| it.1);
        Ok(Some(size))
    }

    /// The writer's loop: takes what waits, and logs it in one batch.
    pub fn turns(mut self, waiting: Waiting<Pending>) -> Loop {
        Box::new(move |post| {
            let Ok(batch) = waiting.take(BATCH) else { return Turn::End };
            if batch.is_empty() { self.idle(post) } else { self.batch(batch, post) }
        })
    }

    /// Nothing waits: what is not published yet is published, if witnesses answer now.
    fn idle(&mut self, post: &Post) -> Turn {
        if !self.owes {
            return Turn::Wait(LONG);
        }
        if let Some((_, _, due)) = self.behind {
            let rest = due.saturating_duration_since(Instant::now());
            if !rest.is_zero() {
                return Turn::Wait(rest);
            }
        }
        let done = if self.whole { self.publish_soon() } else { self.recover() };
        self.owes = done.is_err() || self.behind.is_some();
        match &done {
            Err(error) => post.ill(reason(error)),
            Ok(()) => self.say(post),
        }
        Turn::Wait(if self.owes { AGAIN } else { LONG })
    }

    /// Says how the log is when what was to be stored is.
    fn say(&self, post: &Post) {
        match self.behind {
            None => post.well(),
            Some((got, want, _)) => post.ill(reason(&LogError::Quorum { got, want })),
        }
    }

    /// Publishes the newest head; one that its keeper alone writes waits for no witness.
    fn publish_soon(&mut self) -> Result<(), LogError> {
        match self.publish() {
            Err(LogError::Quorum { got, want }) if self.kept => {
                self.behind = Some((got, want, Instant::now() + REST));
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => {
                self.behind = None;
                Ok(())
            }
        }
    }

    fn batch(&mut self, mut batch: Vec<Pending>, post: &Post) -> Turn {
        let entries: Vec<Vec<u8>> =
            batch.iter_mut().map(|it| std::mem::take(&mut it.entry)).collect();
        let logged = self.log(entries);
        self.owes = logged.is_err() || self.behind.is_some();
        match logged {
            Ok(numbers) => {
                self.say(post);
                for (pending, number) in batch.into_iter().zip(numbers) {
                    // Whoever asked may have left.
                    let _ = pending.done.send(Ok(number));
                }
            }
            Err(error) => {
                tracing::error!(%error, "a batch was not logged");
                post.ill(reason(&error));
                let why = match error {
                    LogError::Quorum { got, want } => NotLogged::Quorum { got, want },
                    _ => NotLogged::Later,
                };
                for pending in batch {
                    let _ = pending.done.send(Err(why));
                }
            }
        }
        Turn::Again
    }

    fn log(&mut self, entries: Vec<Vec<u8>>) -> Result<Vec<u64>, LogError> {
        if !self.whole {
            self.recover()?;
        }
        self.whole = false;
        let grown = self.grow(entries);
        // A batch may have failed with its numbers given out and its files half written. What the
        // disk then holds is told by the newest signed checkpoint alone, so it is loaded anew
        // before the next one: before that checkpoint nobody has seen anything, and after it the
        // tree stays, and is published when witnesses answer.
        self.whole = grown.is_ok();
        grown
    }

    /// Adds entries, each once, and publishes; their numbers.
    fn grow(&mut self, entries: Vec<Vec<u8>>) -> Result<Vec<u64>, LogError> {
        // What an earlier batch left unpublished comes first. In a log that is kept it need not be
        // seen before the tree grows: the next head has it below it.
        if self.next.exists() && !self.kept {
            self.publish()?;
        }
        let mut numbers = Vec::new();
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        // Parts of bundles and tiles that are whole by now, but for the last ones: somebody may
        // still be reading those by an older checkpoint.
        let mut over: Vec<String> = Vec::new();
        let store = Arc::clone(&self.store);
        let store = lock(&store);
        let transaction = store.unchecked_transaction()?;
        for entry in entries {
            let digest = Digest::of(&entry);
            let number = i64::try_from(self.tree.size()).unwrap_or(i64::MAX);
            let sql = "INSERT INTO entries (digest, number) VALUES (?1, ?2) \
                       ON CONFLICT (digest) DO NOTHING";
            if transaction.prepare_cached(sql)?.execute(params![digest.as_bytes(), number])? == 0 {
                let sql = "SELECT number FROM entries WHERE digest = ?1";
                let known: i64 = transaction
                    .prepare_cached(sql)?
                    .query_row([digest.as_bytes()], |it| it.get(0))?;
                numbers.push(known.cast_unsigned());
                continue;
            }
            numbers.push(self.tree.size());
            self.tree.append(semper_tlog::leaf(&entry), |level, number, hashes| {
                files.push((tree::path(level, number, WIDTH), flat(hashes)));
                over.extend(number.checked_sub(1).map(|it| tree::path(level, it, WIDTH)));
            });
            self.unfinished.push(entry);
            if self.unfinished.len() == WIDTH {
                let full = self.tree.size() / WIDTH as u64 - 1;
                files.push((tree::entries_path(full, WIDTH), tree::bundle(&self.unfinished)));
                over.extend(full.checked_sub(1).map(|it| tree::entries_path(it, WIDTH)));
                self.unfinished.clear();
            }
        }
        for (level, number, hashes) in self.tree.partial() {
            files.push((tree::path(level, number, hashes.len()), flat(hashes)));
        }
        if !self.unfinished.is_empty() {
            let number = self.tree.size() / WIDTH as u64;
            let name = tree::entries_path(number, self.unfinished.len());
            files.push((name, tree::bundle(&self.unfinished)));
        }
        self.write_all(&files)?;
        transaction.commit()?;
        drop(store);
        // A head that a witness has seen must be there after a crash, published or not. Without a
        // witness nobody sees it before it is published.
        if !self.witnesses.is_empty() || self.quorum > 0 {
            let note = self.head().sign(&self.key)?;
            write(&self.next, note.to_string().as_bytes())?;
            keep_name(&self.next)?;
        }
        self.publish_soon()?;
        for name in over {
            // One that cannot be removed takes room and does no harm.
            let _ = std::fs::remove_dir_all(self.public.join(format!("{name}.p")));
        }
        Ok(numbers)
    }

    /// Writes files side by side: a disk takes them together in about the time of one.
    fn write_all(&self, files: &[(String, Vec<u8>)]) -> Result<(), LogError> {
        for some in files.chunks(AT_ONCE) {
            std::thread::scope(|scope| {
                let write =
                    |(name, bytes): &(String, Vec<u8>)| write(&self.public.join(name), bytes);
                let others: Vec<_> =
                    some.iter().skip(1).map(|file| scope.spawn(move || write(file))).collect();
                let first = some.first().map_or(Ok(()), write);
                others.into_iter().fold(first, |all, other| {
                    all.and(other.join().unwrap_or_else(|it| std::panic::resume_unwind(it)))
                })
            })?;
        }
        Ok(())
    }

    fn head(&self) -> Checkpoint {
        let (size, root) = (self.tree.size(), self.tree.root());
        Checkpoint { origin: self.vkey.name.clone(), size, root }
    }

    /// Has the newest checkpoint cosigned, and publishes it.
    fn publish(&mut self) -> Result<(), LogError> {
        let mut note = self.head().sign(&self.key)?;
        let growing = self.tree.size() > 0;
        let mut silent = Vec::new();
        for (key, url, net) in &self.witnesses {
            let rests = self.resting.get(&key.name).is_some_and(|it| Instant::now() < *it);
            if !growing || rests {
                continue;
            }
            if let Err(why) = self.cosigned(&mut note, url, net) {
                if let (NotCosigned::Larger(seen), true) = (&why, self.kept) {
                    let (witness, seen, has) = (key.name.clone(), *seen, self.tree.size());
                    return Err(LogError::Older { witness, seen, has });
                }
                tracing::warn!(witness = key.name, %why, "a witness has not cosigned");
                if self.kept {
                    silent.push((key.name.clone(), Instant::now() + REST));
                }
            }
        }
        self.resting.extend(silent);
        let got = witnesses(&note, self.witnesses.iter().map(|it| &it.0))?.len();
        if growing && got < self.quorum {
            return Err(LogError::Quorum { got, want: self.quorum });
        }
        let file = self.public.join("checkpoint");
        write(&file, note.to_string().as_bytes())?;
        keep_name(&file)?;
        let _ = std::fs::remove_file(&self.next);
        self.published = Some(note);
        Ok(())
    }

    /// Asks a witness, from the size that was published last; once more from the size that it
    /// knows, if that is another.
    fn cosigned(&self, note: &mut Note, url: &str, net: &Client) -> Result<(), NotCosigned> {
        let head = self.head();
        let other = |why: &dyn fmt::Display| NotCosigned::Other(why.to_string());
        let last = self.published.as_ref().and_then(|it| Checkpoint::unverified(it).ok());
        let mut old = last.map_or(0, |it| it.size);
        for _ in 0..2 {
            let path = tree::prove_growth(head.size, head.root, old, |it| read(&self.public, it))
                .map_err(|error| other(&error))?;
            let asked = Asked { old, path, checkpoint: note.clone() };
            let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
            let body = asked.to_string().into_bytes();
            let answer =
                net.post(&url, "text/plain", body, 64 * 1024).map_err(|error| other(&error))?;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            match answer.status {
                200 => return note.add(&text).map_err(|error| other(&error)),
                409 => old = text.trim().parse().map_err(|_| other(&"an unreadable conflict"))?,
                status => return Err(other(&format!("status {status}: {text}"))),
            }
            if old > head.size {
                return Err(NotCosigned::Larger(old));
            }
        }
        Err(other(&"it knows ever other sizes"))
    }
}

/// Why a witness has not cosigned.
enum NotCosigned {
    /// It has cosigned a tree of so many entries, and ours has fewer.
    Larger(u64),
    /// Something else.
    Other(String),
}

impl fmt::Display for NotCosigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Larger(size) => write!(f, "it knows {}", counted(*size, "entry", "entries")),
            Self::Other(why) => f.write_str(why),
        }
    }
}

/// Why statements are not logged now, in words that name no files.
fn reason(error: &LogError) -> String {
    match error {
        LogError::Quorum { .. } | LogError::Older { .. } => error.to_string(),
        _ => "statements cannot be logged; the server's log says why".to_owned(),
    }
}
