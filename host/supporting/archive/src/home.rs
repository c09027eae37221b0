//! A party's home: one directory that only its owner may enter.
//!
//! Names from outside are never joined to host paths: everything below the home is opened
//! through a `cap-std` directory handle, which refuses to leave it.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _, PermissionsExt as _};
use semper_base::Mend;

/// A home directory whose permissions have been checked.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    dir: Dir,
}

/// A fault of a home or of a file in it.
#[derive(Debug, thiserror::Error, Mend)]
#[mend(input)]
pub enum HomeError {
    /// There is none.
    #[error("there is no home at {}", path.display())]
    #[mend("check the path; {make} {} makes one", path.display())]
    Missing {
        /// Where.
        path: PathBuf,
        /// What makes such a home.
        make: &'static str,
    },
    /// There is one of somebody else.
    #[error("{} is {is} home, not {want}", path.display())]
    #[mend("give {want} home; {make} makes a new one")]
    Other {
        /// Where.
        path: PathBuf,
        /// Whose it is.
        is: &'static str,
        /// Whose it should be.
        want: &'static str,
        /// What makes one of those.
        make: &'static str,
    },
    /// A folder that is no home.
    #[error("{} is no home", .0.display())]
    #[mend("check the path")]
    Nobodys(PathBuf),
    /// There is one already.
    #[error("there is a home at {} already", .0.display())]
    #[mend("choose another --home, or remove {} first", .0.display())]
    Exists(PathBuf),
    /// Others may look in.
    #[error("{} is open to others (mode {mode:03o})", path.display())]
    #[mend("chmod {want:03o} {}", path.display())]
    Loose {
        /// The directory or file.
        path: PathBuf,
        /// The mode bits that it has.
        mode: u32,
        /// The mode bits that it ought to have.
        want: u32,
    },
    /// A file in it is missing.
    #[error("{} is missing", .0.display())]
    #[mend("restore {} from a backup", .0.display())]
    MissingFile(PathBuf),
    /// A file in it is larger than anything that belongs there.
    #[error("{} is too large", .0.display())]
    #[mend("look at what {} is", .0.display())]
    TooLarge(PathBuf),
    /// The operating system's word.
    #[error("{}: {source}", path.display())]
    #[mend("check that the disk has room and the place is yours")]
    Io {
        /// The path of the file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

/// Whose home it is. Each kind has a file that no other kind has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HomeKind {
    /// A buyer's or merchant's.
    Party,
    /// A certification authority's.
    Authority,
    /// A bank's.
    Bank,
    /// A transparency log's.
    Log,
    /// A witness's.
    Witness,
    /// A third party's.
    ThirdParty,
}

/// Whose it is, the file that only this kind has, and the command that makes it.
struct Row(HomeKind, &'static str, &'static str, &'static str);

const KINDS: [Row; 6] = [
    Row(HomeKind::Party, "a buyer's or merchant's", "semper.toml", "semper init --home"),
    Row(HomeKind::Authority, "an authority's", "ca.key", "semper ca init --home"),
    Row(HomeKind::Bank, "a bank's", "bank.key", "semper bank init --home"),
    Row(HomeKind::Log, "a log's", "log.key", "semper log-init --home"),
    Row(HomeKind::Witness, "a witness's", "witness.key", "semper witness-init --home"),
    Row(
        HomeKind::ThirdParty,
        "a third party's",
        "third-party.key",
        "semper third-party-init --home",
    ),
];

impl HomeKind {
    /// One word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Party => "party",
            Self::Authority => "authority",
            Self::Bank => "bank",
            Self::Log => "log",
            Self::Witness => "witness",
            Self::ThirdParty => "third-party",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        KINDS.iter().map(|row| row.0).find(|it| it.name() == name)
    }

    /// Whose it is, in words: “a bank's”.
    pub fn whose(self) -> &'static str {
        self.row().1
    }

    /// Whether a public log belongs to it, which others hold it to.
    pub const fn has_public_log(self) -> bool {
        matches!(self, Self::Log | Self::ThirdParty)
    }

    fn row(self) -> &'static Row {
        KINDS.iter().find(|row| row.0 == self).expect("every kind has its row")
    }
}

/// Where a person's home is who names none: `semper` among what her programs keep (the XDG base
/// directory specification's place for it).
pub fn usual() -> PathBuf {
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|it| it.is_absolute())
    };
    let kept = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    kept.map_or_else(|| PathBuf::from("semper-home"), |it| it.join("semper"))
}

/// The folder of a home that holds bundles of terms, one per digest.
pub const TERMS: &str = "terms";
/// Largest small file (configuration, key, certificate) that is read, in bytes.
const SMALL_FILE: u64 = 1024 * 1024;

impl Home {
    /// Makes a new home, 0700.
    pub fn create(path: &Path) -> Result<Self, HomeError> {
        let io = |source| HomeError::Io { path: path.to_owned(), source };
        let used = path.read_dir().map(|mut entries| entries.next().is_some()).unwrap_or(false);
        if used {
            return Err(HomeError::Exists(path.to_owned()));
        }
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(io)?;
        Self::open(path)
    }

    /// Opens a home that is there and nobody else's to read.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        Self::found(path, HomeKind::Party)
    }

    /// Opens a home of this kind.
    ///
    /// # Errors
    /// There is none, or it is somebody else's; whoever mistypes a path hears which.
    pub fn of(path: &Path, kind: HomeKind) -> Result<Self, HomeError> {
        let home = Self::found(path, kind)?;
        let Row(_, want, mark, make) = *kind.row();
        if home.has(mark) {
            return Ok(home);
        }
        Err(match KINDS.iter().find(|row| home.has(row.2)) {
            Some(Row(_, is, ..)) => HomeError::Other { path: path.to_owned(), is, want, make },
            None => HomeError::MissingFile(home.path.join(mark)),
        })
    }

    /// Whose it is.
    ///
    /// # Errors
    /// Nobody's: it is a folder of something else.
    pub fn kind(&self) -> Result<HomeKind, HomeError> {
        let found = KINDS.iter().find(|row| self.has(row.2)).map(|row| row.0);
        found.ok_or_else(|| HomeError::Nobodys(self.path.clone()))
    }

    fn found(path: &Path, kind: HomeKind) -> Result<Self, HomeError> {
        let io = |source| HomeError::Io { path: path.to_owned(), source };
        let missing = || HomeError::Missing { path: path.to_owned(), make: kind.row().3 };
        let meta = match path.metadata() {
            Ok(meta) if meta.is_dir() => meta,
            Ok(_) => return Err(missing()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            Err(error) => return Err(io(error)),
        };
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(HomeError::Loose { path: path.to_owned(), mode, want: 0o700 });
        }
        let path = path.canonicalize().map_err(io)?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority()).map_err(io)?;
        Ok(Self { path, dir })
    }

    /// The path of the home's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a file of ours is there.
    pub fn has(&self, name: &str) -> bool {
        self.dir.exists(name)
    }

    /// Reads a small text file that may be public (a certificate, a configuration).
    pub fn read(&self, name: &str) -> Result<String, HomeError> {
        let path = self.path.join(name);
        let io = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => HomeError::MissingFile(path.clone()),
            _ => HomeError::Io { path: path.clone(), source },
        };
        let mut text = String::new();
        let file = self.dir.open(name).map_err(io)?;
        file.take(SMALL_FILE + 1).read_to_string(&mut text).map_err(io)?;
        if text.len() as u64 > SMALL_FILE { Err(HomeError::TooLarge(path)) } else { Ok(text) }
    }

    /// Reads a small secret file; refuses one that others may read.
    pub fn read_secret(&self, name: &str) -> Result<String, HomeError> {
        let path = self.path.join(name);
        if let Ok(meta) = self.dir.metadata(name) {
            let mode = meta.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(HomeError::Loose { path, mode, want: 0o600 });
            }
        }
        self.read(name)
    }

    /// Writes a file, 0600, whole or not at all: to a second name, synced, then renamed.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), HomeError> {
        self.write_in_steps(name, content, &|_| {})
    }

    /// As [`Home::write`]; `step` is called before each step that a crash may cut off, with its name.
    pub fn write_in_steps(
        &self,
        name: &str,
        content: &[u8],
        step: &dyn Fn(&'static str),
    ) -> Result<(), HomeError> {
        let io = |source| HomeError::Io { path: self.path.join(name), source };
        if let Some((folder, _)) = name.rsplit_once('/') {
            self.dir.create_dir_all(folder).map_err(io)?;
        }
        // Several may write the same file at once, here and in other processes: what the last one has
        // written is what stays.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let new = format!("{name}.{}-{count}.new", std::process::id());
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = self.dir.open_with(&new, &options).map_err(io)?;
        file.write_all(content).map_err(io)?;
        step("written");
        file.sync_all().map_err(io)?;
        step("synced");
        self.dir.rename(&new, &self.dir, name).map_err(io)?;
        step("renamed");
        // The rename itself is durable only once the directory is.
        self.dir.open(".").and_then(|dir| dir.sync_all()).map_err(io)
    }

    /// Removes a file of ours, for good when it returns; one that is not there is no error.
    pub fn remove(&self, name: &str) -> Result<(), HomeError> {
        let io = |source| HomeError::Io { path: self.path.join(name), source };
        match self.dir.remove_file(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(io)?,
        }
        self.dir.open(".").and_then(|dir| dir.sync_all()).map_err(io)
    }

    /// A directory below the home, made when it is missing.
    pub fn folder(&self, name: &str) -> Result<Dir, HomeError> {
        let io = |source| HomeError::Io { path: self.path.join(name), source };
        self.dir.create_dir_all(name).map_err(io)?;
        self.dir.open_dir(name).map_err(io)
    }
}
