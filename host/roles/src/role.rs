//! What a server role is: one trait that says how it is configured and opened, one for what it
//! does while it runs.
//!
//! A role's own file has its section's configuration, its errors and its handlers, and implements
//! [`RoleKind`] and [`Role`]; its entry in [`crate::list::ROLES`] is all that makes `semper serve`
//! know it:
//!
//! ```
//! use std::path::{Path, PathBuf};
//! use std::sync::Arc;
//!
//! use axum::Router;
//! use axum::extract::State;
//! use axum::response::Response;
//! use axum::routing::get;
//! use semper_archive::{Home, HomeError};
//! use semper_roles::role::{Role, RoleKind, Section, Wrong};
//! use semper_roles::surroundings::{Desk, Surroundings};
//! use semper_roles::web;
//!
//! /// Shows a greeting, which stands in a home.
//! struct Greeter(Home);
//!
//! #[derive(Debug, serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct GreeterConfig {
//!     home: PathBuf,
//! }
//!
//! impl RoleKind for Greeter {
//!     const SECTION: &'static str = "greeter";
//!     type Config = GreeterConfig;
//!     type Error = HomeError;
//!
//!     fn place(config: &mut GreeterConfig, base: &Path) {
//!         config.home = base.join(&config.home);
//!     }
//!
//!     fn check(config: &GreeterConfig, wrong: &mut Wrong<HomeError>) {
//!         wrong.take(Home::open(&config.home));
//!     }
//!
//!     fn open(config: &GreeterConfig, _: &Surroundings) -> Result<Arc<dyn Role>, HomeError> {
//!         Ok(Arc::new(Self(Home::open(&config.home)?)))
//!     }
//! }
//!
//! impl Role for Greeter {
//!     fn routes(self: Arc<Self>, around: &Surroundings) -> Router {
//!         Router::new().route("/greeting", get(greet)).with_state(around.desk(self))
//!     }
//! }
//!
//! async fn greet(State(desk): State<Desk<Greeter>>) -> Response {
//!     let read = |it: &Greeter| it.0.read("greeting").unwrap_or_default().into_bytes();
//!     desk.answer("greet", move |it| web::bytes("text/plain", read(it))).await
//! }
//!
//! const GREETER: Section = Section::of::<Greeter>();
//! # fn main() { assert_eq!(GREETER.name, "greeter") }
//! ```

use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use semper_base::Mend;
use semper_keeper::Health;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::surroundings::Surroundings;

/// How a role is configured and opened.
pub trait RoleKind: Sized + 'static {
    /// The name of its section in a server's file.
    const SECTION: &'static str;

    /// What stands in the section.
    type Config: DeserializeOwned + fmt::Debug + Send + Sync + 'static;

    /// Why it does not start.
    type Error: Mend + Send + Sync + 'static;

    /// Makes the paths in the section, which are relative to `base`, absolute.
    fn place(config: &mut Self::Config, base: &Path);

    /// Whether something in the section is nobody else's business, such as a password: then the
    /// file must be its owner's alone.
    fn has_secret(_config: &Self::Config) -> bool {
        false
    }

    /// Looks whether it could be opened: what it needs is there and fits together. Everything that
    /// is not is kept in `wrong`. Starts nothing, asks nobody and changes nothing on the disk; a
    /// server that runs with the same homes is not disturbed.
    fn check(config: &Self::Config, wrong: &mut Wrong<Self::Error>);

    /// Opens it, and begins its threads and tasks under the keeper of `around`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    fn open(config: &Self::Config, around: &Surroundings) -> Result<Arc<dyn Role>, Self::Error>;
}

/// Everything that a check has found wrong.
#[derive(Debug)]
pub struct Wrong<E>(Vec<E>);

impl<E> Default for Wrong<E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E> Wrong<E> {
    /// What has come of one look; what is wrong is kept, and the check goes on.
    pub fn take<T>(&mut self, looked: Result<T, impl Into<E>>) -> Option<T> {
        looked.map_err(|error| self.0.push(error.into())).ok()
    }

    /// What a check of a part has found.
    pub fn of<P: Into<E>>(&mut self, part: Wrong<P>) {
        self.0.extend(part.0.into_iter().map(Into::into));
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it, in the order in which it was found.
    pub fn all(self) -> Vec<E> {
        self.0
    }
}

/// A role that has been opened.
pub trait Role: Send + Sync + 'static {
    /// Its routes. Handlers get the role as their state, by [`Surroundings::desk`], where what
    /// blocks has its place.
    fn routes(self: Arc<Self>, around: &Surroundings) -> Router;

    /// What no thread of it says about itself; by default nothing. Threads and tasks under its
    /// keeper, and the places for its requests, are looked at anyway.
    fn health(&self) -> Vec<Health> {
        Vec::new()
    }
}

/// A role with its configuration, if the file has its section.
type Found = Result<Option<Box<dyn Configured>>, toml::de::Error>;

/// An entry of the list of roles.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The section's name.
    pub name: &'static str,
    read: fn(&str, &Path) -> Found,
}

impl Section {
    /// The entry of a role.
    pub const fn of<K: RoleKind>() -> Self {
        Self { name: K::SECTION, read: read::<K> }
    }

    /// This role's section of a server's file, if the file has one.
    pub(crate) fn read(&self, text: &str, base: &Path) -> Found {
        (self.read)(text, base)
    }
}

/// A role with its configuration, not yet opened.
pub(crate) trait Configured: fmt::Debug + Send + Sync {
    fn section(&self) -> &'static str;
    fn has_secret(&self) -> bool;
    fn check(&self) -> Vec<RoleError>;
    fn open(&self, around: &Surroundings) -> Result<Arc<dyn Role>, RoleError>;
}

/// Why a role does not start; with the name of its section.
#[derive(Debug, Mend)]
#[mend(from)]
pub struct RoleError {
    section: &'static str,
    source: Box<dyn Mend + Send + Sync>,
}

impl fmt::Display for RoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]: {}", self.section, self.source)
    }
}

impl std::error::Error for RoleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

struct Filled<K: RoleKind>(K::Config);

impl<K: RoleKind> fmt::Debug for Filled<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn named<K: RoleKind>(error: K::Error) -> RoleError {
    RoleError { section: K::SECTION, source: Box::new(error) }
}

impl<K: RoleKind> Configured for Filled<K> {
    fn section(&self) -> &'static str {
        K::SECTION
    }

    fn has_secret(&self) -> bool {
        K::has_secret(&self.0)
    }

    fn check(&self) -> Vec<RoleError> {
        let mut wrong = Wrong::default();
        K::check(&self.0, &mut wrong);
        wrong.all().into_iter().map(named::<K>).collect()
    }

    fn open(&self, around: &Surroundings) -> Result<Arc<dyn Role>, RoleError> {
        K::open(&self.0, around).map_err(named::<K>)
    }
}

fn read<K: RoleKind>(text: &str, base: &Path) -> Found {
    // From the text itself, so that a mistake is shown with its line and column.
    let only: Only<K> = toml::from_str(text)?;
    Ok(only.0.map(|mut config| {
        K::place(&mut config, base);
        Box::new(Filled::<K>(config)) as Box<dyn Configured>
    }))
}

/// One section of a file; the others are passed over.
struct Only<K: RoleKind>(Option<K::Config>);

impl<'de, K: RoleKind> Deserialize<'de> for Only<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sections<K>(PhantomData<K>);

        impl<'de, K: RoleKind> Visitor<'de> for Sections<K> {
            type Value = Only<K>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a server's configuration")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Only<K>, A::Error> {
                let mut config = None;
                while let Some(name) = map.next_key::<String>()? {
                    if name == K::SECTION {
                        config = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Only(config))
            }
        }

        deserializer.deserialize_map(Sections(PhantomData))
    }
}

/// The section of a role that has only a home.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeConfig {
    /// The home.
    pub home: PathBuf,
}
