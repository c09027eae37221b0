//! A client's end of a conversation.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use semper_base::Mend;

use crate::SOCKET;
use crate::protocol::{self, Done, Hello, Refusal, Reply, Request, Said, VERSION, Welcome};

/// How long a host may take to say its first word.
const FIRST: Duration = Duration::from_secs(10);

/// Why a conversation did not come to its end.
#[derive(Debug, thiserror::Error, Mend)]
pub enum ClientError {
    /// No host of this home answers.
    #[error("no host of this home is running")]
    #[mend("semper run --help")]
    Away,
    /// The connection broke off: the host has ended.
    #[error("the host has ended in the middle of it")]
    #[mend("run the command again; nothing is lost")]
    Lost,
    /// It speaks another version.
    #[error(
        "the host that runs is of another version of semper: it speaks {theirs}, this command {ours}"
    )]
    #[mend("end it, and let this version start its own: semper run --end; nothing is lost")]
    Version {
        /// Its version.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// What it says makes no sense.
    #[error("the host's answer cannot be read: {0}")]
    #[mend("end it, and let this version start its own: semper run --end; nothing is lost")]
    Unreadable(String),
}

/// A connection to a home's host.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    welcome: Welcome,
}

impl Client {
    /// Connects to the host of a home.
    ///
    /// # Errors
    /// Nobody answers, or somebody who cannot be talked to.
    pub fn connect(home: &Path) -> Result<Self, ClientError> {
        let mut stream = UnixStream::connect(home.join(SOCKET)).map_err(|_| ClientError::Away)?;
        stream.set_read_timeout(Some(FIRST)).map_err(|error| broken(&error))?;
        let hello = Hello { version: VERSION };
        protocol::write(&mut stream, &hello).map_err(|error| broken(&error))?;
        let welcome = match next(&mut stream)? {
            Reply::Welcome(welcome) => welcome,
            other => return Err(ClientError::Unreadable(format!("no welcome: {other:?}"))),
        };
        if welcome.version != VERSION {
            let theirs = welcome.version;
            return Err(ClientError::Version { theirs, ours: VERSION });
        }
        stream.set_read_timeout(None).map_err(|error| broken(&error))?;
        Ok(Self { stream, welcome })
    }

    /// Who answers.
    pub const fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Has one request carried out, and hears what happens meanwhile; a refusal is inside.
    ///
    /// # Errors
    /// The conversation broke off.
    pub fn ask(
        mut self,
        request: &Request,
        hear: &mut dyn FnMut(Said),
    ) -> Result<Result<Done, Refusal>, ClientError> {
        protocol::write(&mut self.stream, request).map_err(|error| broken(&error))?;
        loop {
            match next(&mut self.stream)? {
                Reply::Said(said) => hear(said),
                Reply::Done(done) => return Ok(Ok(done)),
                Reply::Refused(refusal) => return Ok(Err(refusal)),
                other @ Reply::Welcome(_) => {
                    return Err(ClientError::Unreadable(format!("{other:?} in the middle")));
                }
            }
        }
    }
}

fn next(stream: &mut UnixStream) -> Result<Reply, ClientError> {
    protocol::read(stream).map_err(|error| broken(&error))?.ok_or(ClientError::Lost)
}

fn broken(error: &io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            ClientError::Unreadable(error.to_string())
        }
        _ => ClientError::Lost,
    }
}
