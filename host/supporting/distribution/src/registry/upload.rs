//! One blob into a registry: whole if it is small, else in pieces (`PATCH`). After a break the
//! registry is asked how much it has, and gets the rest.

use std::collections::BTreeMap;
use std::time::Duration;

use semper_base::Digest;
use semper_net::Method;
use semper_trust::layout::MAX_DOCUMENT;

use super::Registry;
use crate::address::{whither, with};
use crate::fetch::{Answer, Wish};
use crate::{MoveError, Progress};

/// Bytes of a piece, at first, and after a break.
const PIECE: usize = 4 * 1024 * 1024;
/// Bytes of the largest pieces. Each is twice as large as the one before: there are few requests, and a
/// break costs no more than half of what was sent.
const LARGEST: usize = 64 * 1024 * 1024;
/// The smallest pieces that are tried where larger ones are refused.
const SMALLEST: usize = 64 * 1024;
/// How often an upload is taken up again while nothing gets through.
const CUTS: u32 = 6;
/// How long it is waited before it is taken up again; longer each time.
const BREATH: Duration = Duration::from_millis(200);

/// One blob on its way.
pub(super) struct Upload<'a> {
    registry: &'a Registry<'a>,
    host: &'a str,
    digest: &'a Digest,
    bytes: &'a [u8],
    progress: &'a dyn Progress,
    name: String,
    scope: String,
    /// Bytes of the next piece; of the largest that is let through; of the smallest that the registry
    /// takes.
    piece: usize,
    most: usize,
    least: usize,
    /// Whether the registry has been sent pieces, and has not taken them together.
    torn: bool,
}

/// Where an upload is.
struct Session {
    /// Where the next piece goes; the registry names a new place with each answer.
    location: String,
    /// Bytes that the registry has.
    offset: usize,
}

/// What became of a request.
enum Outcome {
    /// The registry has the whole blob.
    Done,
    /// It has more than before.
    On,
    /// It has other bytes than we thought, or the connection broke: it is asked.
    Unsure(MoveError),
    /// It has forgotten the upload, or does not take it in this way: from the beginning.
    Anew(MoveError),
}

impl<'a> Upload<'a> {
    pub(super) fn new(
        registry: &'a Registry<'a>,
        host: &'a str,
        digest: &'a Digest,
        bytes: &'a [u8],
        progress: &'a dyn Progress,
    ) -> Self {
        let name = format!("blob {}", digest.short());
        let scope = registry.scope("pull,push");
        Self {
            registry,
            host,
            digest,
            bytes,
            progress,
            name,
            scope,
            piece: PIECE,
            most: LARGEST,
            least: 0,
            torn: false,
        }
    }

    /// Uploads, unless the registry has the blob already.
    pub(super) fn run(mut self) -> Result<(), MoveError> {
        if !self.is_there()? {
            self.send()?;
        }
        let size = self.bytes.len() as u64;
        self.progress.at(&self.name, size, size);
        Ok(())
    }

    fn send(&mut self) -> Result<(), MoveError> {
        let (mut session, mut cuts) = (None, 0);
        loop {
            let mut now = match session.take() {
                Some(session) => session,
                None => match self.begin() {
                    Err(MoveError::Net(error)) if error.is_passing() && cuts + 1 < CUTS => {
                        cuts += 1;
                        self.rest(cuts, &MoveError::Net(error));
                        continue;
                    }
                    begun => begun?,
                },
            };
            let before = now.offset;
            let error = match self.step(&mut now)? {
                Outcome::Done => return Ok(()),
                Outcome::On => {
                    cuts = 0;
                    if self.piece < self.most {
                        self.piece = (self.piece * 2).min(self.most);
                    }
                    self.progress.at(&self.name, now.offset as u64, self.bytes.len() as u64);
                    session = Some(now);
                    continue;
                }
                Outcome::Unsure(error) => {
                    if !self.torn {
                        self.piece = self.piece.min(PIECE).max(self.least);
                    }
                    session = self.resume(now);
                    // What a break has got through counts.
                    if session.as_ref().is_some_and(|it| it.offset > before) {
                        cuts = 0;
                    }
                    error
                }
                Outcome::Anew(error) => error,
            };
            cuts += 1;
            if cuts == CUTS {
                return Err(error);
            }
            self.rest(cuts, &error);
            // The answer may be all that was lost.
            if matches!(error, MoveError::Net(_)) && matches!(self.is_there(), Ok(true)) {
                return Ok(());
            }
        }
    }

    fn rest(&self, cuts: u32, error: &MoveError) {
        self.progress.told(&format!("{} is taken up again: {error}", self.name));
        std::thread::sleep(BREATH * cuts);
    }

    fn is_there(&self) -> Result<bool, MoveError> {
        let url = self.registry.url(self.host, &format!("blobs/{}", self.digest));
        let answer = self.ask(Method::Head, &url, &[], &[])?;
        // One that shows the way to the bytes has them. Whoever does not know this question, or
        // does not answer it, is sent them.
        Ok(matches!(answer.status, 200 | 301..=303 | 307 | 308))
    }

    fn begin(&mut self) -> Result<Session, MoveError> {
        let url = self.registry.url(self.host, "blobs/uploads/");
        let begun = self.ask(Method::Post, &url, &[], &[])?;
        let Some(location) = begun.headers.get("location").filter(|_| begun.status == 202) else {
            return Err(begun.unexpected(url));
        };
        let least = begun.headers.get("oci-chunk-min-length").and_then(|it| it.parse().ok());
        self.least = least.unwrap_or(0);
        self.piece = self.piece.max(self.least);
        Ok(Session { location: self.whither(&url, location)?, offset: 0 })
    }

    /// Where the registry wants the bytes: on its own host, or on one that was agreed to.
    fn whither(&self, from: &str, to: &str) -> Result<String, MoveError> {
        let fetcher = self.registry.fetcher;
        whither(from, to, |host| fetcher.agreed(host)).map_err(|error| match error {
            MoveError::Redirect { url, host, .. } => {
                let to = to.chars().take(200).collect();
                MoveError::Redirect { url, to, host }
            }
            other => other,
        })
    }

    /// One request: the next piece, or the whole blob, or the end.
    fn step(&mut self, session: &mut Session) -> Result<Outcome, MoveError> {
        let rest = self.bytes.len() - session.offset;
        let whole = session.offset == 0 && rest <= self.piece;
        if whole || rest == 0 {
            return self.finish(session, if whole { self.bytes } else { &[] });
        }
        let from = session.offset;
        let to = self.bytes.len().min(from + self.piece);
        let range = format!("{from}-{}", to - 1);
        let headers = [("content-type", OCTETS), ("content-range", range.as_str())];
        let piece = &self.bytes[from..to];
        let answer = match self.ask(Method::Patch, &session.location, &headers, piece) {
            Ok(answer) => answer,
            Err(error) => return unsure(error),
        };
        match answer.status {
            200..=204 => {
                // The range that registries answer with is not to be relied on; the digest is.
                session.offset = to;
                self.moved(session, &answer.headers)?;
                Ok(Outcome::On)
            }
            416 => Ok(Outcome::Unsure(answer.unexpected(session.location.clone()))),
            413 => self.smaller(piece.len(), answer.unexpected(session.location.clone())),
            404 => Ok(Outcome::Anew(answer.unexpected(session.location.clone()))),
            // One that takes no pieces takes it whole, perhaps; also when the whole was cut off.
            400 | 405 | 501 if !self.torn || session.offset > 0 => {
                self.piece = self.bytes.len();
                self.torn = true;
                Ok(Outcome::Anew(answer.unexpected(session.location.clone())))
            }
            _ => Err(answer.unexpected(session.location.clone())),
        }
    }

    fn finish(&mut self, session: &Session, bytes: &[u8]) -> Result<Outcome, MoveError> {
        let url = with(&session.location, &[("digest", &self.digest.to_string())]);
        let answer = match self.ask(Method::Put, &url, &[("content-type", OCTETS)], bytes) {
            Ok(answer) => answer,
            Err(error) => return unsure(error),
        };
        let whole = bytes.len() == self.bytes.len();
        match answer.status {
            200..=204 => Ok(Outcome::Done),
            413 => self.smaller(bytes.len(), answer.unexpected(url)),
            404 | 416 => Ok(Outcome::Anew(answer.unexpected(url))),
            // Pieces that were put together wrongly: once more, in one.
            400 if !whole && !self.torn => {
                self.piece = self.bytes.len();
                self.torn = true;
                Ok(Outcome::Anew(answer.unexpected(url)))
            }
            _ => Err(answer.unexpected(url)),
        }
    }

    /// Something before the registry does not let so much through at once.
    fn smaller(&mut self, sent: usize, error: MoveError) -> Result<Outcome, MoveError> {
        if sent <= SMALLEST {
            return Err(error);
        }
        self.piece = (sent / 4).max(SMALLEST);
        self.most = self.piece;
        Ok(Outcome::Anew(error))
    }

    /// Asks the registry how much it has; `None` if it knows nothing of the upload any more.
    fn resume(&self, session: Session) -> Option<Session> {
        let mut tries = 0;
        let answer = loop {
            match self.ask(Method::Get, &session.location, &[], &[]) {
                Ok(answer) => break answer,
                Err(MoveError::Net(error)) if error.is_passing() && tries < CUTS => {
                    tries += 1;
                    std::thread::sleep(BREATH * tries);
                }
                Err(_) => return None,
            }
        };
        if !matches!(answer.status, 200..=204) {
            return None;
        }
        let range = answer.headers.get("range")?;
        let last = range.trim_start_matches("bytes=").split_once('-')?.1.parse::<usize>().ok()?;
        // “0-0” says one byte, and is what registries say of none.
        let offset = if last == 0 { 0 } else { last + 1 };
        let mut session = Session { offset, ..session };
        self.moved(&mut session, &answer.headers).ok()?;
        (offset <= self.bytes.len()).then_some(session)
    }

    fn moved(
        &self,
        session: &mut Session,
        headers: &BTreeMap<String, String>,
    ) -> Result<(), MoveError> {
        if let Some(to) = headers.get("location") {
            session.location = self.whither(&session.location, to)?;
        }
        Ok(())
    }

    fn ask(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, MoveError> {
        let wish = Wish { method, url, headers, body, scope: &self.scope, most: MAX_DOCUMENT };
        self.registry.fetcher.ask(wish, self.progress)
    }
}

const OCTETS: &str = "application/octet-stream";

/// A connection that broke has let something through, or nothing; anything else will not change.
fn unsure(error: MoveError) -> Result<Outcome, MoveError> {
    match error {
        MoveError::Net(error) if error.is_passing() => Ok(Outcome::Unsure(MoveError::Net(error))),
        other => Err(other),
    }
}
