//! Ways in which a purse pays in fair exchanges, as a home's configuration names them.

use semper_payment::Mode;
use serde::{Deserialize, Serialize};

/// Ways of paying in a fair exchange, most liked first, and after them the plain payment, which
/// every purse can make. Without a word in the configuration: held money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Mode>", into = "Vec<Mode>")]
pub struct Modes(Vec<Mode>);

/// Why a list of ways to pay is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModesError {
    /// None at all.
    #[error("modes is empty: name one or more of hold, hash-lock, reversible, fenced")]
    Nothing,
    /// The same twice.
    #[error("modes names the same way of paying twice")]
    Twice,
    /// A way that an exchange cannot use.
    #[error("modes names plain, which promises nothing in an exchange: leave it out")]
    Plain,
}

impl Modes {
    /// All of them, the plain payment last.
    pub fn all(&self) -> &[Mode] {
        &self.0
    }

    /// Whether they are those of a purse whose configuration says nothing.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Modes {
    fn default() -> Self {
        Self(vec![Mode::Hold, Mode::Plain])
    }
}

impl TryFrom<Vec<Mode>> for Modes {
    type Error = ModesError;

    fn try_from(mut modes: Vec<Mode>) -> Result<Self, ModesError> {
        if modes.is_empty() {
            return Err(ModesError::Nothing);
        }
        if modes.contains(&Mode::Plain) {
            return Err(ModesError::Plain);
        }
        if semper_base::has_twice(&modes) {
            return Err(ModesError::Twice);
        }
        modes.push(Mode::Plain);
        Ok(Self(modes))
    }
}

impl From<Modes> for Vec<Mode> {
    fn from(Modes(mut modes): Modes) -> Self {
        modes.pop();
        modes
    }
}
