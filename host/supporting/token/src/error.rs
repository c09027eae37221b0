//! What can be wrong with a token, and what helps.

use std::path::PathBuf;

use cryptoki::error::{Error, RvError};
use semper_base::Mend;

/// Why a token does not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Mend)]
#[mend(input)]
pub enum TokenError {
    /// The library of the token's maker.
    #[error("{} is no library for tokens that can be used: {detail}", path.display())]
    #[mend(
        "give the whole path of the PKCS#11 library of the token's maker, such as \
         /usr/lib/softhsm/libsofthsm2.so or /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"
    )]
    Library {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// It is not plugged in, or was pulled out.
    #[error("the token “{0}” is not there")]
    #[mend("plug it in, then type its PIN; nothing is lost")]
    Away(String),
    /// Several have this label.
    #[error("there are {count} tokens called “{label}”")]
    #[mend("give the serial number of one of them: semper token list")]
    Several {
        /// The label.
        label: String,
        /// How many.
        count: usize,
    },
    /// Another PIN than the token's.
    #[error("the PIN of the token is wrong{0}")]
    #[mend("try again")]
    Pin(&'static str),
    /// It lets nobody in any more.
    #[error("the token “{0}” has locked itself after too many wrong PINs")]
    #[mend("unblock it with its maker's program and the PIN of its security officer")]
    Locked(String),
    /// It was never given a PIN.
    #[error("the token “{0}” has no PIN yet")]
    #[mend("prepare it with its maker's program, such as softhsm2-util or pkcs11-tool")]
    Unprepared(String),
    /// It takes another kind of PIN.
    #[error("the token takes no such PIN: it is too short, too long, or has other signs")]
    #[mend("choose another one")]
    NewPin,
    /// It cannot make such keys.
    #[error("the token “{0}” makes no Ed25519 keys")]
    #[mend("use one that does; semper token list says which")]
    Unable(String),
    /// The key would not stay there.
    #[error("the token “{label}” {why}")]
    #[mend("use another token")]
    Unfit {
        /// The label.
        label: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It has no such key.
    #[error("the token “{label}” has no key “{key}”")]
    #[mend("it is another token, or somebody has removed the key; it cannot be made again")]
    NoKey {
        /// The label.
        label: String,
        /// The key's name.
        key: String,
    },
    /// It has several of that name, or half of a pair, or one that was not made in it.
    #[error("the key “{key}” of the token “{label}” {why}")]
    #[mend(
        "somebody has been at the token; remove that key by its maker's program, or use another token"
    )]
    Foreign {
        /// The label.
        label: String,
        /// The key's name.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Anything else that it says.
    #[error("the token “{label}” fails: {detail}")]
    #[mend("see whether its maker's program can use it, then try again; nothing is lost")]
    Failed {
        /// The label.
        label: String,
        /// What it says.
        detail: String,
    },
}

impl TokenError {
    /// What the library has said of this token.
    pub(crate) fn of(label: &str, error: &Error) -> Self {
        let label = label.to_owned();
        let Error::Pkcs11(code, _) = error else {
            return Self::Failed { label, detail: error.to_string() };
        };
        match code {
            RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange => Self::Pin(""),
            RvError::PinLocked => Self::Locked(label),
            RvError::UserPinNotInitialized => Self::Unprepared(label),
            RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::DeviceRemoved
            | RvError::DeviceError
            | RvError::SlotIdInvalid
            | RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::UserNotLoggedIn => Self::Away(label),
            RvError::MechanismInvalid | RvError::CurveNotSupported => Self::Unable(label),
            code => Self::Failed { label, detail: format!("{code:?}") },
        }
    }
}
