//! The libraries of tokens' makers, each loaded and initialised once in a process.
//!
//! Some libraries look for their tokens only when they are initialised. So one that nobody uses is
//! initialised anew before a token is looked for: a token that was pulled out and plugged in again is
//! found.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use crate::error::TokenError;

/// Those that are loaded.
static LOADED: Mutex<Vec<Loaded>> = Mutex::new(Vec::new());

struct Loaded {
    path: PathBuf,
    pkcs11: Pkcs11,
    used: Weak<Use>,
}

/// A library that is used; as long as this lives, it is not initialised anew.
#[derive(Debug)]
pub(crate) struct Use {
    pub pkcs11: Pkcs11,
}

/// Loads a library, or takes the one that is loaded.
pub(crate) fn load(path: &Path) -> Result<Arc<Use>, TokenError> {
    let wrong = |detail: String| TokenError::Library { path: path.to_owned(), detail };
    trusted(path).map_err(wrong)?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = loaded.iter().position(|it| it.path == path) {
        if let Some(used) = loaded[at].used.upgrade() {
            return Ok(used);
        }
        let idle = loaded.swap_remove(at);
        if let Err(error) = idle.pkcs11.finalize() {
            tracing::debug!(%error, "the token's library does not end");
        }
    }
    let pkcs11 = Pkcs11::new(path).map_err(|error| wrong(error.to_string()))?;
    match pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(wrong(error.to_string())),
    }
    let used = Arc::new(Use { pkcs11: pkcs11.clone() });
    loaded.push(Loaded { path: path.to_owned(), pkcs11, used: Arc::downgrade(&used) });
    Ok(used)
}

/// Whether nobody but the person and the system can have put it there: it runs in this process.
fn trusted(path: &Path) -> Result<(), String> {
    if !path.is_absolute() {
        return Err("it is not named by its whole path".into());
    }
    let whole = path.canonicalize().map_err(|error| error.to_string())?;
    let own = rustix::process::geteuid().as_raw();
    for (at, part) in whole.ancestors().enumerate() {
        let found = part.metadata().map_err(|error| error.to_string())?;
        if at == 0 && !found.is_file() {
            return Err("it is not a file".into());
        }
        if ![0, own].contains(&found.uid()) {
            return Err(format!("{} belongs to somebody else", part.display()));
        }
        // In a folder like /tmp nobody removes what is another's.
        let kept = at > 0 && found.mode() & 0o1000 != 0;
        if found.mode() & 0o022 != 0 && !kept {
            return Err(format!("others than its owner may change {}", part.display()));
        }
    }
    Ok(())
}
