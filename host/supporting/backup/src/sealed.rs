//! The file: a first line, a header in clear, then chunks that are encrypted and authenticated.
//!
//! | part | bytes |
//! |---|---|
//! | `semper-backup`, a line feed | 14 |
//! | length of the header, big-endian | 4 |
//! | header, JSON: format, salt and cost of Argon2id, a check of the pass-phrase, kind of home, date | so many |
//! | chunks of 65536 bytes and a tag of 16; the last is shorter | the rest |
//!
//! The chunks are ChaCha20-Poly1305 in the STREAM construction (Hoang, Reyhanitabar, Rogaway and
//! Vizár 2015), with the digest of the header as associated data: a file that was cut off, put
//! together of two, or has another header does not open. The key is made of the pass-phrase as the
//! key store's is, with a salt of its own, so the first nonce may be zero.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aead_stream::{DecryptorBE32, EncryptorBE32};
use chacha20poly1305::aead::Payload;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use semper_base::keys::{derive, random};
use semper_base::{Digest, Timestamp};
use semper_tinguin::keystore::{Cost, KeystoreError, stretch};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::BackupError;

/// The format that this program writes, and the newest that it reads.
pub const FORMAT: u32 = 1;
const MAGIC: &[u8] = b"semper-backup\n";
/// Bytes of a header, at most.
const MAX_HEADER: usize = 16 * 1024;
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;

/// What anybody may read of a copy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    format: u32,
    /// The kind of home.
    pub kind: String,
    /// When the copy was begun.
    pub made: Timestamp,
    salt: String,
    cost: Cost,
    /// Tells a wrong pass-phrase from a file that was changed.
    check: Digest,
}

/// What every format has.
#[derive(Deserialize)]
struct Formatted {
    format: u32,
}

/// The key of the chunks.
struct Key {
    key: Zeroizing<[u8; 32]>,
    header: Digest,
}

impl Key {
    fn of(secret: &[u8; 32], header: &[u8]) -> Self {
        let key = derive(secret, "semper/backup/v1", b"");
        Self { key, header: Digest::of(header) }
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&(*self.key).into())
    }
}

fn check(secret: &[u8; 32]) -> Digest {
    Digest::from_bytes(*derive(secret, "semper/backup-check/v1", b""))
}

/// Encrypts what is written to it; nothing is whole before [`Sealing::end`].
pub struct Sealing<W: Write> {
    out: W,
    stream: EncryptorBE32<ChaCha20Poly1305>,
    header: Digest,
    chunk: Zeroizing<Vec<u8>>,
}

impl<W: Write> Sealing<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// The pass-phrase cannot be used, or nothing can be written.
    pub fn begin(
        mut out: W,
        pass_phrase: &str,
        kind: &str,
        made: Timestamp,
    ) -> Result<io::Result<Self>, KeystoreError> {
        let (salt, cost): ([u8; 32], _) = (random(), Cost::USUAL);
        let secret = stretch(pass_phrase, &salt, cost)?;
        let header = Header {
            format: FORMAT,
            kind: kind.to_owned(),
            made,
            salt: semper_base::digest::hex(&salt),
            cost,
            check: check(&secret),
        };
        let header = serde_json::to_vec(&header).unwrap_or_default();
        let key = Key::of(&secret, &header);
        let length = u32::try_from(header.len()).unwrap_or(u32::MAX).to_be_bytes();
        let written = out
            .write_all(MAGIC)
            .and_then(|()| out.write_all(&length))
            .and_then(|()| out.write_all(&header));
        Ok(written.map(|()| Self {
            out,
            stream: EncryptorBE32::from_aead(key.cipher(), &Default::default()),
            header: key.header,
            chunk: Zeroizing::new(Vec::with_capacity(CHUNK)),
        }))
    }

    /// Writes the last chunk.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(mut self) -> io::Result<W> {
        let payload = Payload { msg: &self.chunk, aad: self.header.as_bytes() };
        let sealed = self.stream.encrypt_last(payload).map_err(io::Error::other)?;
        self.out.write_all(&sealed)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk goes out only when more follows: the last one is sealed as the last.
        if self.chunk.len() == CHUNK {
            let payload = Payload { msg: &self.chunk, aad: self.header.as_bytes() };
            let sealed = self.stream.encrypt_next(payload).map_err(io::Error::other)?;
            self.out.write_all(&sealed)?;
            self.chunk.clear();
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Decrypts what is read from it.
pub struct Opening<R: Read> {
    from: R,
    path: PathBuf,
    stream: Option<DecryptorBE32<ChaCha20Poly1305>>,
    header: Digest,
    /// Sealed bytes that were read ahead: whether a chunk is the last one shows by what follows.
    ahead: Vec<u8>,
    plain: Zeroizing<Vec<u8>>,
    at: usize,
    /// Why it does not go on: what reads through it knows only errors of input.
    failed: Option<BackupError>,
}

/// Reads what anybody may read of a copy.
///
/// # Errors
/// It is none, or a newer program's.
pub fn header(from: &mut impl Read, path: &Path) -> Result<(Header, Vec<u8>), BackupError> {
    let not_one = || BackupError::NotOne(path.to_owned());
    let mut begin = [0; MAGIC.len() + 4];
    from.read_exact(&mut begin).map_err(|_| not_one())?;
    let (magic, length) = begin.split_at(MAGIC.len());
    let length = length.try_into().map_or(0, u32::from_be_bytes) as usize;
    if magic != MAGIC || length > MAX_HEADER {
        return Err(not_one());
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).map_err(|_| BackupError::Truncated(path.to_owned()))?;
    let Formatted { format } = serde_json::from_slice(&bytes).map_err(|_| not_one())?;
    if format > FORMAT {
        return Err(BackupError::Newer { path: path.to_owned(), format });
    }
    let header = serde_json::from_slice(&bytes)
        .map_err(|error| BackupError::changed(path, format!("its header: {error}")))?;
    Ok((header, bytes))
}

impl<R: Read> Opening<R> {
    /// Opens a file behind its first bytes.
    ///
    /// # Errors
    /// It is none, or the pass-phrase is another one.
    pub fn begin(
        mut from: R,
        path: &Path,
        pass_phrase: &str,
    ) -> Result<(Header, Self), BackupError> {
        let (header, bytes) = header(&mut from, path)?;
        let salt = semper_base::digest::unhex(&header.salt)
            .ok_or_else(|| BackupError::changed(path, "its header has no salt"))?;
        let secret = stretch(pass_phrase, &salt, header.cost)
            .map_err(|error| BackupError::changed(path, error.to_string()))?;
        if check(&secret) != header.check {
            return Err(BackupError::Wrong(path.to_owned()));
        }
        let key = Key::of(&secret, &bytes);
        let stream = Some(DecryptorBE32::from_aead(key.cipher(), &Default::default()));
        let opening = Self {
            from,
            path: path.to_owned(),
            stream,
            header: key.header,
            ahead: Vec::new(),
            plain: Zeroizing::default(),
            at: 0,
            failed: None,
        };
        Ok((header, opening))
    }

    /// Why it has not gone on, if that is its own doing.
    pub fn why(&mut self) -> Option<BackupError> {
        self.failed.take()
    }

    /// The next chunk; false at the end.
    fn next(&mut self) -> Result<bool, BackupError> {
        if self.stream.is_none() {
            return Ok(false);
        }
        let most = (CHUNK + TAG + 1).saturating_sub(self.ahead.len()) as u64;
        let read = (&mut self.from).take(most).read_to_end(&mut self.ahead);
        read.map_err(|error| BackupError::io(&self.path, error))?;
        let is_last = self.ahead.len() <= CHUNK + TAG;
        let rest = self.ahead.split_off(self.ahead.len().min(CHUNK + TAG));
        let sealed = std::mem::replace(&mut self.ahead, rest);
        let payload = Payload { msg: &sealed, aad: self.header.as_bytes() };
        let opened = match (self.stream.take(), is_last) {
            (Some(stream), true) => stream.decrypt_last(payload).map_err(|_| {
                // A file that was cut off ends with a chunk that was not sealed as the last.
                BackupError::Truncated(self.path.clone())
            })?,
            (Some(mut stream), false) => {
                let opened = stream.decrypt_next(payload).map_err(|_| {
                    BackupError::changed(&self.path, "a part of it is not what was written")
                })?;
                self.stream = Some(stream);
                opened
            }
            (None, _) => return Ok(false),
        };
        (self.plain, self.at) = (Zeroizing::new(opened), 0);
        Ok(true)
    }
}

impl<R: Read> Read for Opening<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() {
            match self.next() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => {
                    let words = error.to_string();
                    self.stream = None;
                    self.failed = Some(error);
                    return Err(io::Error::other(words));
                }
            }
        }
        let taken = out.len().min(self.plain.len() - self.at);
        out[..taken].copy_from_slice(&self.plain[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}
