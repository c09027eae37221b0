//! Names and passwords, each for one host.
//!
//! What is given for a host is shown to that host and to nobody else: not to a mirror, not to a
//! second registry, not to where a server redirects. For hosts for which nothing is given, docker's
//! own store is asked, if the caller wants that.

use std::collections::BTreeMap;
use std::fmt;

use crate::docker::Docker;
use crate::{MoveError, address};

/// How to show a server who we are.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// By a name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// By a token that a token server exchanges for shorter ones (docker's identity token).
    Identity(String),
    /// By a token that the registry itself takes.
    Token(String),
}

/// Names and passwords, each for one host.
#[derive(Clone, Debug, Default)]
pub struct Logins {
    given: BTreeMap<String, Login>,
    docker: Option<Docker>,
}

impl Logins {
    /// What docker has stored: `config.json` in `DOCKER_CONFIG` or in `~/.docker`, with the
    /// credential helpers that it names.
    pub fn of_docker() -> Self {
        Self { given: BTreeMap::new(), docker: Docker::of_environment() }
    }

    /// Also this, for this host (with port, if it has one); it comes before docker's.
    #[must_use]
    pub fn with(mut self, host: &str, login: Login) -> Self {
        self.given.insert(address::host(host), login);
        self
    }

    /// What is shown to a host for a repository of it.
    pub(crate) fn find(&self, host: &str, repository: &str) -> Result<Option<Login>, MoveError> {
        match (self.given.get(host), &self.docker) {
            (Some(login), _) => Ok(Some(login.clone())),
            (None, Some(docker)) => docker.find(host, repository),
            (None, None) => Ok(None),
        }
    }
}

impl Login {
    /// A name and a password.
    pub fn password(user: &str, password: &str) -> Self {
        Self::Password { user: user.to_owned(), password: password.to_owned() }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No secret is ever printed.
        match self {
            Self::Password { user, .. } => write!(f, "Password({user:?})"),
            Self::Identity(_) => f.write_str("Identity"),
            Self::Token(_) => f.write_str("Token"),
        }
    }
}
