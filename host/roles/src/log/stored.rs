//! A log as it lies on the disk, looked at by whoever keeps it before it is opened: nothing is
//! published, no witness is asked, nothing changes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, OptionalExtension as _};
use semper_base::Digest;
use semper_tlog::tree::{self, Tree, TreeError, WIDTH};

use super::{Log, LogConfig, LogError, lock, read, unasked};

/// How many entries a log has, and the root that it has signed for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many entries.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Digest,
}

/// The log on the disk: its newest signed head, published or not, and what is below it.
pub(crate) struct Stored {
    pub head: Head,
    public: PathBuf,
    store: Arc<Mutex<Connection>>,
}

impl Stored {
    /// Looks at a log's home.
    pub fn look(config: &LogConfig) -> Result<Self, LogError> {
        let alone = LogConfig { authorities: Vec::new(), witness: Vec::new(), ..config.clone() };
        let (mut writer, _) = Log::parts(&alone, semper_store::look, unasked)?;
        writer.load()?;
        let head = Head { size: writer.tree.size(), root: writer.tree.root() };
        Ok(Self { head, public: writer.public, store: writer.store })
    }

    /// The root that the tree had when it had so many entries; at most as many as it has now.
    pub fn root_at(&self, size: u64) -> Result<Digest, LogError> {
        Ok(self.tree_at(size)?.root())
    }

    fn tree_at(&self, size: u64) -> Result<Tree, LogError> {
        Ok(Tree::load(size, |level, number, width| {
            let partial = read(&self.public, &tree::path(level, number, width));
            partial.or_else(|| self.wider(level, number, width))
        })?)
    }

    /// The beginning of a tile that has grown since.
    fn wider(&self, level: u8, number: u64, width: usize) -> Option<Vec<u8>> {
        let mut count = self.head.size;
        for _ in 0..level {
            count /= WIDTH as u64;
        }
        let now = (count - (number * WIDTH as u64).min(count)).min(WIDTH as u64) as usize;
        let hashes = read(&self.public, &tree::path(level, number, now))?;
        hashes.get(..width * tree::HASH).map(<[u8]>::to_vec)
    }

    /// Gives every entry from this number on, in its order, and sees that they are what the root
    /// was signed for.
    pub fn walk(
        &self,
        from: u64,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let mut tree = self.tree_at(from)?;
        let damaged = |why: &str| {
            LogError::Tree(TreeError::Tiles { size: self.head.size, why: why.to_owned() })
        };
        while tree.size() < self.head.size {
            let number = tree.size() / WIDTH as u64;
            let width = (self.head.size - number * WIDTH as u64).min(WIDTH as u64) as usize;
            let bytes = read(&self.public, &tree::entries_path(number, width));
            let entries = bytes.and_then(|it| tree::entries(&it));
            let entries = entries.filter(|it| it.len() == width);
            let entries = entries.ok_or_else(|| damaged("entries are missing"))?;
            let skip = (tree.size() % WIDTH as u64) as usize;
            for entry in entries.iter().skip(skip) {
                each(tree.size(), entry)?;
                tree.append(semper_tlog::leaf(entry), |_, _, _| {});
            }
        }
        match tree.root() == self.head.root {
            true => Ok(()),
            false => Err(damaged("its entries do not give the root that was signed")),
        }
    }

    /// Whether this is one of its entries.
    pub fn has(&self, entry: &[u8]) -> Result<bool, LogError> {
        let sql = "SELECT number FROM entries WHERE digest = ?1";
        let digest = Digest::of(entry);
        let store = lock(&self.store);
        let mut statement = store.prepare_cached(sql)?;
        let number: Option<i64> =
            statement.query_row([digest.as_bytes()], |row| row.get(0)).optional()?;
        Ok(number.is_some_and(|it| it.cast_unsigned() < self.head.size))
    }
}
