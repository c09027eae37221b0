//! Distribution: bundles from and to wherever they lie. What carries the bytes is believed in
//! nothing: every blob is named by its digest and compared with it while it streams in, every
//! answer is bounded, nobody is sent elsewhere without having said so.
//!
//! | module | what it is for |
//! |---|---|
//! | [`place`] | the ways to name a place: folder, archive, `https://…`, `registry://…` |
//! | [`fetch`] | requests over HTTPS, patient and to whom they are for; blobs, resumed after a break |
//! | [`logins`], `docker` | names and passwords, each for one host; docker's store of them |
//! | `address`, `challenge`, `patience` | where answers point, what servers want to be shown, when they are asked again |
//! | `part` | a blob while it comes in, in the cache or in memory |
//! | [`https`] | a layout's files below some address |
//! | [`registry`] | the OCI distribution protocol, with the fallback for registries of 1.0: fetching, pushing, uploads that resume, notes of what is attached |
//! | [`logs`] | handing statements to a transparency log, and watching one |
//! | [`archive`] | a layout as one tar file |
//!
//! Source: OCI image layout and distribution specifications 1.1; `docs/trust.md`,
//! “Bundles”.
#![forbid(unsafe_code)]

mod address;
pub mod archive;
mod challenge;
mod docker;
pub mod fetch;
pub mod https;
pub mod logins;
pub mod logs;
mod part;
mod patience;
pub mod place;
pub mod registry;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use semper_base::Mend;
use semper_net::NetError;
use semper_trust::{Layout, LayoutError};

pub use fetch::{Fetcher, Options, Progress};
pub use logins::{Login, Logins};
pub use place::{Place, Reference};

/// Why a bundle cannot be moved.
#[derive(Debug, thiserror::Error, Mend)]
pub enum MoveError {
    /// The place's name.
    #[error("“{text}” is not a place of a bundle: {why}")]
    #[mend(
        input,
        "give a folder, a .tar file, https://host/path, registry://host:port/name:tag, or \
         oci:folder and oci-archive:file as skopeo writes them"
    )]
    Place {
        /// What was given.
        text: String,
        /// What is wrong.
        why: String,
    },
    /// The bundle.
    #[error(transparent)]
    #[mend(from)]
    Layout(#[from] LayoutError),
    /// The connection.
    #[error(transparent)]
    #[mend(from)]
    Net(#[from] NetError),
    /// The server's answer.
    #[error("{url} answers with status {status}{}", detail(.said))]
    #[mend("{}", said.mend.clone().unwrap_or_else(|| again(*status).into()))]
    Status {
        /// Where.
        url: String,
        /// HTTP.
        status: u16,
        /// What the server says, shortened.
        said: Said,
    },
    /// There is no bundle.
    #[error("there is no bundle at {0}")]
    #[mend(
        "check the address: of a registry name and tag, of a merchant that it is one and serves its \
         terms"
    )]
    NoBundle(String),
    /// The server goes on being busy.
    #[error("{url} still answers with status {status} after {tries} tries{}{}", later(.after), detail(.said))]
    #[mend("{}", said.mend.clone().unwrap_or_else(|| "try again later".into()))]
    Busy {
        /// Where.
        url: String,
        /// HTTP.
        status: u16,
        /// How often it was asked.
        tries: u32,
        /// In how many seconds it wants to be asked again.
        after: Option<u64>,
        /// What the server says, shortened.
        said: Said,
    },
    /// The server wants to know who we are.
    #[error("{0} wants a name and a password")]
    #[mend("log in with docker login {0}, or give --user and --password-file to semper-sign")]
    Unauthorised(String),
    /// The server does not take what it was shown.
    #[error("{0} does not accept the name and the password that there are for it")]
    #[mend("compare them; they come from --user, --login, or docker's config.json")]
    Denied(String),
    /// The server wants to be shown something that is not spoken here.
    #[error("{host} wants to be shown who we are by {schemes}, which is not spoken here")]
    #[mend("ask its operator to accept a name and a password (Basic) or tokens (Bearer)")]
    Scheme {
        /// Which server.
        host: String,
        /// By what.
        schemes: String,
    },
    /// The server wants a password to be shown to another one.
    #[error("{host} wants its password to be shown to {realm}, which was not agreed to")]
    #[mend("if you believe that it belongs there: --redirect {realm}")]
    Realm {
        /// Which server.
        host: String,
        /// The other one.
        realm: String,
    },
    /// Docker's file of names and passwords.
    #[error("{file}: {why}")]
    #[mend(input, "mend the file, or log in again with docker login")]
    Docker {
        /// Which.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// A credential helper that docker's file names.
    #[error("docker's config.json names the credential helper “{helper}”, and that fails: {why}")]
    #[mend(input, "install docker-credential-{helper}, or give --user and --password-file")]
    Helper {
        /// Which.
        helper: String,
        /// What it says.
        why: String,
    },
    /// The server sends elsewhere.
    #[error("{url} redirects to {to}, which was not agreed to")]
    #[mend("if you believe that it belongs there: --redirect {host}")]
    Redirect {
        /// Where.
        url: String,
        /// Whither.
        to: String,
        /// Whose place that is.
        host: String,
    },
    /// The server sends to where nothing is protected.
    #[error("{url} redirects to {to}, which is no https address")]
    #[mend(
        "ask its operator: a registry behind a proxy must know that it is reached by https \
         (X-Forwarded-Proto, or relative addresses)"
    )]
    Insecure {
        /// Where.
        url: String,
        /// Whither.
        to: String,
    },
    /// What was attached is not there afterwards.
    #[error("{url} does not keep what is attached: others overwrote it {turns} times")]
    #[mend("push again when fewer push at once; what is attached already is not sent again")]
    Lost {
        /// Where.
        url: String,
        /// How often.
        turns: u32,
    },
    /// The server breaks the protocol.
    #[error("{url} does not speak the protocol of registries: {why}")]
    #[mend("check that there is a registry at that address")]
    Protocol {
        /// Where.
        url: String,
        /// How.
        why: String,
    },
    /// A log's checkpoint or proof.
    #[error("the log at {url}: {why}")]
    #[mend("do not rely on it; ask whoever runs the log")]
    Log {
        /// Where.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// A log that contradicts what it showed before: both checkpoints are the evidence.
    #[error("the log at {url} has changed its past: {why}")]
    #[mend("keep both checkpoints and show them to its witnesses")]
    Split {
        /// Where.
        url: String,
        /// How.
        why: String,
        /// The checkpoint that was seen before.
        before: String,
        /// The one that it shows now.
        now: String,
    },
    /// A file.
    #[error("{name}: {detail}")]
    #[mend(input, "check the path and the disk")]
    Io {
        /// Which.
        name: String,
        /// What the system said.
        detail: String,
    },
}

/// What a server says about its refusal, shortened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// In its words.
    pub words: String,
    /// What to do about it, if it says so, as semper's own roles do.
    pub mend: Option<String>,
}

fn detail(said: &Said) -> String {
    if said.words.is_empty() { String::new() } else { format!(": {}", said.words) }
}

fn later(after: &Option<u64>) -> String {
    after.map_or_else(String::new, |it| format!(", and wants to be asked again in {it} s"))
}

/// What to do about a status.
const fn again(status: u16) -> &'static str {
    match status {
        404 => "check name and tag",
        403 => "you may not do that there; ask whoever runs the server",
        413 => "ask whoever runs the server, or what stands before it, to allow larger uploads",
        _ => "try again later, or ask whoever runs the server",
    }
}

/// Fetches a bundle from a place.
pub fn pull(
    place: &Place,
    fetcher: &Fetcher,
    progress: &dyn Progress,
) -> Result<Layout, MoveError> {
    match place {
        Place::Folder(path) => Ok(Layout::read(&open(path)?)?),
        Place::Archive(path) => archive::read(path, None),
        Place::Named(place, name) => match &**place {
            Place::Folder(path) => Ok(Layout::read_named(&open(path)?, Some(name))?),
            Place::Archive(path) => archive::read(path, Some(name)),
            other => pull(other, fetcher, progress),
        },
        Place::Https(base) => https::pull(base, fetcher, progress),
        Place::Registry(reference) => registry::Registry::new(fetcher, reference)?.pull(progress),
    }
}

/// Puts a bundle into a place.
pub fn push(
    layout: &Layout,
    place: &Place,
    fetcher: &Fetcher,
    progress: &dyn Progress,
) -> Result<(), MoveError> {
    match place {
        Place::Folder(path) => {
            std::fs::create_dir_all(path).map_err(|error| io(path, &error))?;
            Ok(layout.write(&open(path)?)?)
        }
        Place::Archive(path) => archive::write(layout, path),
        Place::Named(..) => Err(MoveError::Place {
            text: place.to_string(),
            why: "a bundle is written into a folder or file of its own, without a name".into(),
        }),
        Place::Https(base) => Err(MoveError::Place {
            text: base.clone(),
            why: "over HTTPS a bundle can only be read; write the folder that the server shows"
                .into(),
        }),
        Place::Registry(reference) => {
            registry::Registry::new(fetcher, reference)?.push(layout, progress)
        }
    }
}

fn open(path: &std::path::Path) -> Result<Dir, MoveError> {
    Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| io(path, &error))
}

fn io(path: &std::path::Path, error: &std::io::Error) -> MoveError {
    MoveError::Io { name: path.display().to_string(), detail: error.to_string() }
}
