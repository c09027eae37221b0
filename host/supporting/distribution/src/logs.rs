//! Handing statements to a transparency log, and watching one.
//!
//! A monitor recomputes the whole tree, entry by entry, and compares roots: what it has read is
//! what everybody else is shown, or the log has signed two different pasts, and both signatures
//! are the evidence.

use semper_base::text::counted;
use semper_net::Method;
use semper_tlog::tree::{self, Tree, WIDTH};
use semper_tlog::{Checkpoint, Note, Proof, VerifierKey};
use serde::{Deserialize, Serialize};

use crate::fetch::Wish;
use crate::{Fetcher, MoveError, Progress};

/// Where statements are posted.
const ADD: &str = "/semper/v1/log/add";
/// Largest bundle of entries, in bytes.
const MAX_ENTRIES: usize = 32 * 1024 * 1024;
/// Largest proof or checkpoint, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// A log at an address.
#[derive(Debug)]
pub struct LogClient<'a> {
    fetcher: &'a Fetcher,
    url: String,
    key: VerifierKey,
}

/// What a monitor remembers of a log.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    tree: Tree,
    /// The newest checkpoint, as the log signed it.
    checkpoint: Option<String>,
    /// What whoever watches has noted beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<serde_json::Value>,
}

impl Watched {
    /// How many entries have been read.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The root of what has been read.
    pub fn root(&self) -> semper_base::Digest {
        self.tree.root()
    }
}

impl<'a> LogClient<'a> {
    /// The log with this key, at this address.
    pub fn new(fetcher: &'a Fetcher, url: &str, key: VerifierKey) -> Self {
        Self { fetcher, url: url.trim_end_matches('/').to_owned(), key }
    }

    /// Hands a statement in; its proof, which has been checked.
    pub fn add(&self, entry: &[u8], progress: &dyn Progress) -> Result<Proof, MoveError> {
        let url = format!("{}{ADD}", self.url);
        let (method, headers) = (Method::Post, &[("content-type", "application/json")]);
        let wish = Wish { method, url: &url, headers, body: entry, scope: "", most: MAX_TEXT };
        let answer = self.fetcher.ask(wish, progress)?;
        if answer.status != 200 {
            return Err(answer.unexpected(url));
        }
        let wrong = |error: semper_tlog::ProofError| self.wrong(&error);
        let proof = Proof::parse(&answer.body).map_err(wrong)?;
        proof.verify(entry, &self.key, &[], 0).map_err(wrong)?;
        Ok(proof)
    }

    /// The log's newest checkpoint.
    pub fn checkpoint(&self, progress: &dyn Progress) -> Result<(Checkpoint, Note), MoveError> {
        let bytes = self.get("checkpoint", MAX_TEXT, progress)?;
        let note = Note::parse(&bytes).map_err(|it| self.wrong(&it))?;
        let checkpoint = Checkpoint::verify(&note, &self.key).map_err(|it| self.wrong(&it))?;
        Ok((checkpoint, note))
    }

    /// Reads what is new since the last time; entries with their numbers. A log that changed its
    /// past is an error with both checkpoints; what was remembered then stays as it was.
    pub fn watch(
        &self,
        watched: &mut Watched,
        progress: &dyn Progress,
    ) -> Result<Vec<(u64, Vec<u8>)>, MoveError> {
        let (head, note) = self.checkpoint(progress)?;
        let split = |why: String| MoveError::Split {
            url: self.url.clone(),
            why,
            before: watched.checkpoint.clone().unwrap_or_default(),
            now: note.to_string(),
        };
        let begun = watched.tree.size();
        if head.size < begun {
            let had = counted(begun, "entry", "entries");
            return Err(split(format!("it had {had}, and shows {}", head.size)));
        }
        let mut tree = watched.tree.clone();
        let mut new = Vec::new();
        while tree.size() < head.size {
            let number = tree.size() / WIDTH as u64;
            let width = (head.size - number * WIDTH as u64).min(WIDTH as u64) as usize;
            let all = self.bundle(number, width, progress)?;
            let skip = (tree.size() % WIDTH as u64) as usize;
            for entry in all.into_iter().take(width).skip(skip) {
                tree.append(semper_tlog::leaf(&entry), |_, _, _| {});
                new.push((tree.size() - 1, entry));
            }
            progress.at("entries", tree.size(), head.size);
        }
        if tree.root() != head.root {
            return Err(split("its entries do not give the root that it has signed".into()));
        }
        let (checkpoint, notes) = (Some(note.to_string()), watched.notes.take());
        *watched = Watched { tree, checkpoint, notes };
        Ok(new)
    }

    fn bundle(
        &self,
        number: u64,
        width: usize,
        progress: &dyn Progress,
    ) -> Result<Vec<Vec<u8>>, MoveError> {
        let get = |width| self.get(&tree::entries_path(number, width), MAX_ENTRIES, progress);
        let bytes = match get(width) {
            // A partial bundle may be gone once it is full.
            Err(MoveError::Status { status: 404, .. }) => get(WIDTH)?,
            other => other?,
        };
        let all = tree::entries(&bytes).filter(|it| it.len() >= width);
        all.ok_or_else(|| self.wrong(&"a bundle of entries is damaged"))
    }

    fn get(&self, path: &str, most: usize, progress: &dyn Progress) -> Result<Vec<u8>, MoveError> {
        let url = format!("{}/{path}", self.url);
        let wish =
            Wish { method: Method::Get, url: &url, headers: &[], body: &[], scope: "", most };
        let answer = self.fetcher.ask(wish, progress)?;
        match answer.status {
            200 => Ok(answer.body),
            _ => Err(answer.unexpected(url)),
        }
    }

    fn wrong(&self, why: &dyn std::fmt::Display) -> MoveError {
        MoveError::Log { url: self.url.clone(), why: why.to_string() }
    }
}
