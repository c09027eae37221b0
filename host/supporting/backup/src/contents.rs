//! What of a home belongs into its copy, and in which order.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::BackupError;

/// Where snapshots lie while a copy is being made; inside the home, which is nobody else's to read.
pub(crate) const STAGE: &str = "backup.tmp";

/// What is made anew: compiled code and its key, bundles that are being fetched, locks, sockets'
/// places, what a host has logged, the count of wrong pass-phrases.
const LEFT_OUT: [&str; 10] = [
    STAGE,
    "cache",
    "cache.key",
    "fetching",
    "host.lock",
    "host.log",
    "host.log.1",
    "tries.json",
    "tries.lock",
    "tinguin.sock",
];

/// Stores in the order in which they are copied; others follow by name. An archive goes first: what
/// it knows of, TINGUIN and catalogue have to know of, too. They answer a repeated question by
/// their first answer, so it harms nothing if they know more.
const ORDER: [&str; 3] = ["archive.sqlite", "catalogue.sqlite", "tinguin.sqlite"];

/// A file of a home.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    /// Whether it is an SQLite file: 0 … for those in [`ORDER`], then others, then plain files.
    rank: usize,
    pub name: String,
    pub bytes: u64,
    changed: Option<SystemTime>,
    pub is_store: bool,
}

/// Every file that belongs into the copy, in its order.
pub(crate) fn of(home: &Path) -> Result<Vec<Found>, BackupError> {
    let (mut all, mut open) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = open.pop() {
        let path = home.join(&folder);
        let io = |error| BackupError::io(&path, error);
        for entry in path.read_dir().map_err(io)? {
            let entry = entry.map_err(io)?;
            let name = folder.join(entry.file_name());
            let kind = entry.file_type().map_err(io)?;
            let text = name.to_str().ok_or_else(|| BackupError::Strange(entry.path()))?.to_owned();
            if LEFT_OUT.contains(&text.as_str()) || text.ends_with(".new") {
                continue;
            }
            if kind.is_dir() {
                open.push(name);
            } else if kind.is_file() {
                all.extend(found(&entry.path(), text)?);
            } else if !is_socket(kind) {
                return Err(BackupError::Strange(entry.path()));
            }
        }
    }
    // What SQLite keeps beside a store is in its snapshot.
    let stores: Vec<String> =
        all.iter().filter(|it| it.is_store).map(|it| it.name.clone()).collect();
    all.retain(|it| {
        let beside = ["-wal", "-shm", "-journal"].iter().find_map(|end| it.name.strip_suffix(end));
        !beside.is_some_and(|name| stores.iter().any(|store| store == name))
    });
    all.sort();
    Ok(all)
}

fn is_socket(kind: std::fs::FileType) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    kind.is_socket()
}

/// A file; none if it went meanwhile.
fn found(path: &Path, name: String) -> Result<Option<Found>, BackupError> {
    let meta = match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        meta => meta.map_err(|error| BackupError::io(path, error))?,
    };
    let is_store = name.ends_with(".sqlite");
    let rank = match ORDER.iter().position(|it| *it == name) {
        Some(at) => at,
        None if is_store => ORDER.len(),
        None => ORDER.len() + 1,
    };
    Ok(Some(Found { rank, name, bytes: meta.len(), changed: meta.modified().ok(), is_store }))
}
