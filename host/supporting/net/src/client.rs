//! Requests: blocking, bounded, over a way that the caller chooses.
//!
//! ```
//! use semper_net::{Ask, Bounds, Carry, Client, NetError, Reply, Response, Until};
//!
//! /// Servers that are all in good health.
//! #[derive(Debug)]
//! struct Healthy;
//!
//! impl Carry for Healthy {
//!     fn send(&self, _: Ask, _: Bounds, _: Until<'_>) -> Result<Option<Response>, NetError> {
//!         Ok(Some(Response { status: 200, body: b"ok".to_vec() }))
//!     }
//!
//!     fn stream(
//!         &self,
//!         ask: &Ask,
//!         _: Bounds,
//!         _: &mut dyn FnMut(u16, &[u8]),
//!     ) -> Result<Reply, NetError> {
//!         Err(NetError::Timeout(ask.url.clone()))
//!     }
//! }
//!
//! let client = Client::through(Healthy);
//! let answer = client.get("https://shop.example/healthz", 1_000).unwrap();
//! assert_eq!((answer.status, answer.body.as_slice()), (200, b"ok".as_slice()));
//! ```

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use semper_base::Mend;

use crate::believed::Believed;
use crate::carry::{Bounds, Carry, Tls};
use crate::shown::Shown;

/// How long a whole request may take; long polls are shorter.
const WHOLE: Duration = Duration::from_secs(90);

/// A client; cloning shares its connections.
#[derive(Clone, Debug)]
pub struct Client {
    way: Arc<dyn Carry>,
    /// How long a whole request may take.
    whole: Duration,
}

/// What is done at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Look.
    Get,
    /// Look whether it is there.
    Head,
    /// Hand in.
    Post,
    /// Put there.
    Put,
    /// Add to what is there.
    Patch,
}

/// A request with headers of its own.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is done.
    pub method: Method,
    /// Where.
    pub url: String,
    /// Headers, by lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Ask {
    /// A request without headers and body.
    pub fn new(method: Method, url: &str) -> Self {
        Self { method, url: url.to_owned(), headers: Vec::new(), body: Vec::new() }
    }
}

/// The head of an answer whose body has been streamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers that are text, by lower-case names; one that comes several times is one list.
    pub headers: BTreeMap<String, String>,
}

/// What came back, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Mend)]
pub enum NetError {
    /// Not an address that can be used.
    #[error("“{0}” is not an https address")]
    #[mend("give an address such as https://shop.example:8443")]
    Address(String),
    /// Nobody answers there.
    #[error("{url} cannot be reached: {detail}")]
    #[mend("{CHECK}")]
    Unreachable {
        /// Where.
        url: String,
        /// What the connection said.
        detail: String,
    },
    /// Somebody answers whom the roots do not vouch for.
    #[error("{url} cannot show a certificate that is believed here: {shown}")]
    #[mend("{}", shown.mend())]
    Tls {
        /// Where.
        url: String,
        /// What is wrong with what it shows.
        shown: Shown,
    },
    /// More than was asked for.
    #[error("{url} sends more than {most} bytes")]
    #[mend("do not use it; the server is at fault")]
    TooLarge {
        /// Where.
        url: String,
        /// What is allowed.
        most: usize,
    },
    /// Not in time.
    #[error("{0} does not answer in time")]
    #[mend("{CHECK}")]
    Timeout(String),
}

const CHECK: &str =
    "check the address and that the server is running; then the same command again goes on";

impl NetError {
    /// Whether trying again later may help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout(_))
    }
}

impl Client {
    /// A client that believes servers for which these vouch, and no others. Roots alone are
    /// semper's own authorities.
    pub fn new(believed: impl Into<Believed>) -> Self {
        Self::through(Tls::new(&believed.into()))
    }

    /// A client whose requests travel in this way.
    pub fn through(way: impl Carry + 'static) -> Self {
        Self { way: Arc::new(way), whole: WHOLE }
    }

    /// The same client, whose requests take no longer than this: for those who ask somebody that
    /// may not keep them waiting.
    #[must_use]
    pub fn within(&self, whole: Duration) -> Self {
        Self { way: Arc::clone(&self.way), whole }
    }

    /// GET, with at most `most` bytes in answer.
    pub fn get(&self, url: &str, most: usize) -> Result<Response, NetError> {
        self.send(Ask::new(Method::Get, url), most)
    }

    /// GET as before, given up with `None` as soon as `stop` is done: for long polls.
    pub fn get_until(
        &self,
        url: &str,
        most: usize,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<Response>, NetError> {
        let bounds = Bounds { most, whole: self.whole };
        self.way.send(Ask::new(Method::Get, url), bounds, pin!(stop))
    }

    /// POST of a body of some type, with at most `most` bytes in answer.
    pub fn post(
        &self,
        url: &str,
        media_type: &str,
        body: Vec<u8>,
        most: usize,
    ) -> Result<Response, NetError> {
        let mut ask = Ask { body, ..Ask::new(Method::Post, url) };
        if !media_type.is_empty() {
            ask.headers.push(("content-type".to_owned(), media_type.to_owned()));
        }
        self.send(ask, most)
    }

    /// Asks with headers, and hands the answer's body on as it comes: status and bytes, at
    /// most `most` of them. Redirects are not followed.
    pub fn ask(
        &self,
        ask: &Ask,
        most: usize,
        sink: &mut dyn FnMut(u16, &[u8]),
    ) -> Result<Reply, NetError> {
        self.way.stream(ask, Bounds { most, whole: self.whole }, sink)
    }

    /// POST as before, given up with `None` as soon as `stop` is done: for long polls.
    pub fn post_until(
        &self,
        (url, media_type): (&str, &str),
        body: Vec<u8>,
        most: usize,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<Response>, NetError> {
        let mut ask = Ask { body, ..Ask::new(Method::Post, url) };
        ask.headers.push(("content-type".to_owned(), media_type.to_owned()));
        let bounds = Bounds { most, whole: self.whole };
        self.way.send(ask, bounds, pin!(stop))
    }

    fn send(&self, ask: Ask, most: usize) -> Result<Response, NetError> {
        let url = ask.url.clone();
        let bounds = Bounds { most, whole: self.whole };
        let answer = self.way.send(ask, bounds, pin!(std::future::pending()))?;
        // Only who is told that nobody waits any more gives no answer.
        answer.ok_or(NetError::Timeout(url))
    }
}
