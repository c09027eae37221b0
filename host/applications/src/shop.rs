//! Where calls are carried out.

use semper_host_protocol::application::{Call, Pairing, Scope};
use semper_host_protocol::{Gone, Refusal};
use serde_json::Value;

/// An application that has shown its token.
#[derive(Clone, PartialEq, Eq)]
pub struct Visitor {
    /// Its token.
    pub token: String,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub may: Vec<Scope>,
    /// The web page that it is; a program has none.
    pub origin: Option<String>,
}

impl std::fmt::Debug for Visitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A token in a log is a token lost.
        write!(f, "Visitor({})", self.name)
    }
}

/// Carries out what applications ask: the host itself, or a way to it. Every method may take a while,
/// and is called where that keeps nobody waiting.
pub trait Shop: Send + Sync + 'static {
    /// The application with this token; none if there is none, or not any more.
    ///
    /// # Errors
    /// It cannot be looked up.
    fn visitor(&self, token: &str) -> Result<Option<Visitor>, Refusal>;

    /// Carries out a call; the answer as JSON.
    ///
    /// # Errors
    /// The application may not do that, or it cannot be done now.
    fn call(&self, visitor: &Visitor, call: Call, gone: &Gone) -> Result<Value, Refusal>;

    /// Has the person decide about an application; its token.
    ///
    /// # Errors
    /// She says no, or nobody waits any more.
    fn pair(&self, pairing: &Pairing, gone: &Gone) -> Result<String, Refusal>;

    /// Whether a web page with this origin is paired.
    ///
    /// # Errors
    /// It cannot be looked up.
    fn knows_origin(&self, origin: &str) -> Result<bool, Refusal>;
}
