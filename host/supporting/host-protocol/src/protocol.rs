//! Requests, what is said meanwhile, how a request ends.

use std::io::{self, Read, Write};

use semper_base::{DealId, Digest, Report, Timestamp, frames};
use semper_tinguin_protocol::Pairing;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::application::{Application, Call};
use crate::link::Link;

/// The version of this protocol.
pub const VERSION: u32 = 1;
/// Largest frame, in bytes.
pub const MAX_FRAME: usize = 2 * 1024 * 1024;
/// Characters of an address, or of a reason, at most.
pub const MAX_TEXT: usize = 2_000;

/// What a client says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The version that it speaks.
    pub version: u32,
}

/// What a host says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Welcome {
    /// The version that it speaks.
    pub version: u32,
    /// The number of its process.
    pub process: u32,
    /// Since when it runs.
    pub since: Timestamp,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Buy at a merchant's, and say what happens until the deal is over.
    Buy {
        /// The merchant's address, `https://…`.
        merchant: String,
        /// Where its terms lie, if not beside it.
        terms: Option<String>,
        /// The link that has proposed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<Link>,
    },
    /// Say what happens in a deal, or in an opening, until it is over.
    Follow(Digest),
    /// Say what happens until nothing is under way any more.
    FollowAll,
    /// Leave a deal, or an opening.
    Cancel {
        /// Which.
        subject: Digest,
        /// Why; the service is told.
        reason: String,
    },
    /// Have the person decide about a business application.
    Pair(Pairing),
    /// What an application asks.
    Application {
        /// By what it is known.
        token: String,
        /// What it asks.
        call: Call,
    },
    /// Which applications are paired.
    Applications,
    /// Which application has this token, if one has.
    Whose(String),
    /// Take back what an application may do.
    Unpair {
        /// Its name.
        name: String,
    },
    /// Say what goes on.
    Status,
    /// End. Nothing is lost; another start goes on.
    End,
}

impl Request {
    /// What is wrong with it, if anything is.
    pub fn fault(&self) -> Option<String> {
        let texts: Vec<&str> = match self {
            Self::Buy { merchant, terms, .. } => {
                terms.iter().map(String::as_str).chain([merchant.as_str()]).collect()
            }
            Self::Cancel { reason, .. } => vec![reason],
            Self::Unpair { name } => vec![name],
            Self::Pair(pairing) => return pairing.fault(),
            Self::Application { .. }
            | Self::Applications
            | Self::Whose(_)
            | Self::Follow(_)
            | Self::FollowAll
            | Self::Status
            | Self::End => Vec::new(),
        };
        let long = texts.into_iter().find(|it| it.chars().count() > MAX_TEXT)?;
        Some(format!("{} characters where at most {MAX_TEXT} are taken", long.chars().count()))
    }
}

/// What a host says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reply {
    /// First.
    Welcome(Welcome),
    /// Something happens.
    Said(Said),
    /// The request has been carried out: the last word.
    Done(Done),
    /// It has not: the last word.
    Refused(Refusal),
}

/// What happens while a request is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Said {
    /// A sentence, about a deal or an opening if it is about one.
    Note {
        /// Which.
        about: Option<Digest>,
        /// The sentence.
        text: String,
    },
    /// A file of the merchant's terms comes; so many bytes of it are here.
    Fetching {
        /// Its name.
        name: String,
        /// How many.
        bytes: u64,
    },
    /// All of them are here.
    Fetched,
    /// A deal is being opened; by this it can be followed.
    Opening(Digest),
    /// It is open.
    Opened(DealId),
    /// The service is being made ready to run.
    Preparing,
    /// It is ready.
    Prepared,
}

/// How a request has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Done {
    /// The deal is over, or nothing more can be done in it now; the archive says how it stands.
    Deal(DealId),
    /// The opening has come to nothing.
    Nothing,
    /// Nothing is under way any more, but for what could not be gone on with.
    All(Vec<Refusal>),
    /// What goes on.
    Status(Box<Status>),
    /// The application is paired: its token, which is not kept and not said again.
    Paired(String),
    /// What an application is told, as JSON.
    Told(String),
    /// The applications that are paired.
    Applications(Vec<Application>),
    /// The application may do nothing any more.
    Unpaired,
    /// The host ends.
    Ending,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The error in one sentence.
    pub what: String,
    /// What to do about it.
    pub mend: String,
    /// The exit code of a command: 1 for a refusal, 2 for wrong input.
    pub code: u8,
}

impl From<Report> for Refusal {
    fn from(report: Report) -> Self {
        Self { what: report.what, mend: report.mend, code: report.code }
    }
}

impl From<Refusal> for Report {
    fn from(refusal: Refusal) -> Self {
        Self { what: refusal.what, mend: refusal.mend, code: refusal.code }
    }
}

/// What goes on in a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The number of its process.
    pub process: u32,
    /// Since when it runs.
    pub since: Timestamp,
    /// Deals in which something goes on.
    pub busy: u64,
    /// Deals that wait.
    pub asleep: u64,
    /// Deals that are being opened.
    pub openings: u64,
    /// Clients that are being answered, with the one that asks.
    pub clients: u64,
    /// What does not work, one sentence each.
    pub ill: Vec<String>,
    /// Panics that were caught.
    pub panics: u64,
    /// Where the door for applications is open, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
}

/// Writes one frame.
///
/// # Errors
/// It is too large, or cannot be written.
pub fn write<T: Serialize>(stream: &mut impl Write, value: &T) -> io::Result<()> {
    frames::write(stream, value, MAX_FRAME)
}

/// Reads one frame; `None` at the end of the stream.
///
/// # Errors
/// It is too large, or cannot be read.
pub fn read<T: Serialize + DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<T>> {
    frames::read(stream, MAX_FRAME)
}

/// Reads the bytes of one frame, as they are; `None` at the end of the stream.
///
/// # Errors
/// It is too large, or cannot be read.
pub fn read_bytes(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    frames::read_bytes(stream, MAX_FRAME)
}
