//! Distribution: bundles from and to wherever they lie. What carries the bytes is believed in
//! nothing: every blob is named by its digest and compared with it while it streams in, every
//! answer is bounded, nobody is sent elsewhere without having said so.
//!
//! | module | what it is for |
//! |---|---|
//! | [`place`] | the ways to name a place: folder, archive, `https://…`, `registry://…` |
//! | [`fetch`] | a blob over HTTPS: streamed, hashed, resumed after a break |
//! | [`https`] | a layout's files below some address |
//! | [`registry`] | the OCI distribution protocol, with the fallback for registries of 1.0 |
//! | [`logs`] | handing statements to a transparency log, and watching one |
//! | [`archive`] | a layout as one tar file |
//!
//! Source: OCI image layout and distribution specifications 1.1; `docs/trust.md`,
//! “Bundles”.
#![forbid(unsafe_code)]

pub mod archive;
pub mod fetch;
pub mod https;
pub mod logs;
pub mod place;
pub mod registry;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use semper_base::Mend;
use semper_net::NetError;
use semper_trust::{Layout, LayoutError};

pub use fetch::{Fetcher, Options, Progress};
pub use place::{Place, Reference};

/// Why a bundle cannot be moved.
#[derive(Debug, thiserror::Error, Mend)]
pub enum MoveError {
    /// The place's name.
    #[error("“{text}” is not a place of a bundle: {why}")]
    #[mend(
        input,
        "give a folder, a .tar file, https://host/path, or registry://host:port/name:tag"
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
    #[mend("{}", again(*status))]
    Status {
        /// Where.
        url: String,
        /// HTTP.
        status: u16,
        /// What the server says, shortened.
        said: String,
    },
    /// The server wants to know who we are.
    #[error("{0} wants a name and a password")]
    #[mend("give --user and --password-file")]
    Unauthorised(String),
    /// The server sends elsewhere.
    #[error("{url} redirects to {to}, which was not agreed to")]
    #[mend("if you believe that it belongs there: --redirect {to}")]
    Redirect {
        /// Where.
        url: String,
        /// Whither.
        to: String,
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

fn detail(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

/// What to do about a status.
const fn again(status: u16) -> &'static str {
    match status {
        404 => "check name and tag",
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
        Place::Archive(path) => archive::read(path),
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
