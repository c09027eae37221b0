//! Signed notes (c2sp.org/signed-note) with Ed25519, and cosignatures (c2sp.org/tlog-cosignature).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semper_base::{Digest, PublicKey, SigningKey, Timestamp};

/// Largest note that is looked at, in bytes.
pub const MAX_NOTE: usize = 64 * 1024;
/// Most signatures of a note.
pub const MAX_SIGNATURES: usize = 64;

/// What kind of signature a key makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Over the note's text: a log's.
    Log = 1,
    /// Over a time and the note's text: a witness's `cosignature/v1`.
    Witness = 4,
}

/// Whose signatures are believed: a name, a kind, a key. Its text form is the C2SP “vkey”,
/// `name+hash+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    /// The signer's name, such as `log.example/terms`.
    pub name: String,
    /// The kind of signature.
    pub kind: Kind,
    /// The key.
    pub key: PublicKey,
}

/// What is wrong with a note, a key or a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a signed note.
    #[error("not a signed note: {0}")]
    Form(&'static str),
    /// Not a verifier key.
    #[error("“{0}” is not a verifier key (name+hash+key, c2sp.org/signed-note)")]
    Key(String),
    /// Nobody who is believed has signed it.
    #[error("the note is not signed by {0}")]
    Unsigned(String),
    /// A signature in the name of somebody who is believed is wrong.
    #[error("the signature of {0} under the note is wrong")]
    Wrong(String),
}

impl VerifierKey {
    /// The key of a name; names have neither spaces nor `+`.
    pub fn new(name: &str, kind: Kind, key: PublicKey) -> Result<Self, NoteError> {
        let fits = !name.is_empty()
            && name.len() <= 200
            && !name.contains('+')
            && !name.chars().any(|c| c.is_whitespace() || c.is_control());
        if fits {
            Ok(Self { name: name.to_owned(), kind, key })
        } else {
            Err(NoteError::Key(name.chars().take(60).collect()))
        }
    }

    /// The first four bytes of the hash of name, kind and key.
    fn id(&self) -> [u8; 4] {
        let mut bytes = self.name.clone().into_bytes();
        bytes.extend([b'\n', self.kind as u8]);
        bytes.extend(self.key.as_bytes());
        let digest = Digest::of(&bytes);
        let [a, b, c, d, ..] = *digest.as_bytes();
        [a, b, c, d]
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.kind as u8];
        key.extend(self.key.as_bytes());
        let id = semper_base::digest::hex(&self.id());
        write!(f, "{}+{id}+{}", self.name, BASE64_STANDARD.encode(key))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NoteError::Key(text.chars().take(60).collect());
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let bytes = BASE64_STANDARD.decode(key).map_err(|_| wrong())?;
        let (kind, key) = match bytes.split_first() {
            Some((1, key)) => (Kind::Log, key),
            Some((4, key)) => (Kind::Witness, key),
            _ => return Err(wrong()),
        };
        let key: [u8; 32] = key.try_into().map_err(|_| wrong())?;
        let key = PublicKey::from_bytes(key).map_err(|_| wrong())?;
        let this = Self::new(name, kind, key)?;
        // The hash in the middle must be the one that follows from the rest.
        if this.to_string() == text { Ok(this) } else { Err(wrong()) }
    }
}

/// A note and the signatures under it; none of them is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl Signature {
    fn line(&self) -> String {
        let mut bytes = self.id.to_vec();
        bytes.extend(&self.bytes);
        format!("— {} {}\n", self.name, BASE64_STANDARD.encode(bytes))
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
        let bytes = BASE64_STANDARD.decode(encoded).ok()?;
        let (id, bytes) = bytes.split_at_checked(4)?;
        let id = id.try_into().ok()?;
        (!name.is_empty()).then(|| Self { name: name.to_owned(), id, bytes: bytes.to_vec() })
    }
}

impl Note {
    /// A note without signatures; the text ends with a newline and has no control characters.
    pub fn new(text: String) -> Result<Self, NoteError> {
        if text.ends_with('\n') && !text.chars().any(|c| c.is_control() && c != '\n') {
            Ok(Self { text, signatures: Vec::new() })
        } else {
            Err(NoteError::Form("its text must be lines without control characters"))
        }
    }

    /// Parses a note.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE {
            return Err(NoteError::Form("it is too long"));
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| NoteError::Form("it is not UTF-8"))?;
        let (text, lines) =
            whole.rsplit_once("\n\n").ok_or(NoteError::Form("there are no signatures"))?;
        let mut note = Self::new(format!("{text}\n"))?;
        note.signatures = signatures(lines)?;
        if note.signatures.is_empty() {
            return Err(NoteError::Form("there are no signatures"));
        }
        Ok(note)
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds a log's signature.
    pub fn sign(&mut self, name: &str, key: &SigningKey) -> Result<(), NoteError> {
        let id = VerifierKey::new(name, Kind::Log, key.public())?.id();
        let bytes = key.sign(self.text.as_bytes()).to_vec();
        self.signatures.push(Signature { name: name.to_owned(), id, bytes });
        Ok(())
    }

    /// Adds a witness's cosignature of that time; the line that was added.
    pub fn cosign(
        &mut self,
        name: &str,
        key: &SigningKey,
        at: Timestamp,
    ) -> Result<String, NoteError> {
        let id = VerifierKey::new(name, Kind::Witness, key.public())?.id();
        let seconds = at.millis() / 1000;
        let mut bytes = seconds.to_be_bytes().to_vec();
        bytes.extend(key.sign(&cosigned(seconds, &self.text)));
        let signature = Signature { name: name.to_owned(), id, bytes };
        let line = signature.line();
        self.signatures.push(signature);
        Ok(line)
    }

    /// Takes over cosignature lines that a witness has given.
    pub fn add(&mut self, lines: &str) -> Result<(), NoteError> {
        for signature in signatures(lines)? {
            if !self.signatures.contains(&signature) {
                self.signatures.push(signature);
            }
        }
        Ok(())
    }

    /// Checks that this key has signed; the time of a cosignature. Several signatures in the
    /// key's name must all be right.
    pub fn verify(&self, key: &VerifierKey) -> Result<Option<Timestamp>, NoteError> {
        let id = key.id();
        let mut found = Err(NoteError::Unsigned(key.name.clone()));
        for signature in self.signatures.iter().filter(|it| it.name == key.name && it.id == id) {
            let wrong = || NoteError::Wrong(key.name.clone());
            found = match key.kind {
                Kind::Log => {
                    let checked = key.key.verify(self.text.as_bytes(), &signature.bytes);
                    checked.map(|()| Ok(None)).map_err(|_| wrong())?
                }
                Kind::Witness => {
                    let (time, bytes) = signature.bytes.split_at_checked(8).ok_or_else(wrong)?;
                    let seconds = u64::from_be_bytes(time.try_into().map_err(|_| wrong())?);
                    let message = cosigned(seconds, &self.text);
                    key.key.verify(&message, bytes).map_err(|_| wrong())?;
                    Ok(Some(Timestamp::from_secs(seconds).map_err(|_| wrong())?))
                }
            };
        }
        found
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|it| f.write_str(&it.line()))
    }
}

fn signatures(lines: &str) -> Result<Vec<Signature>, NoteError> {
    if !lines.is_empty() && !lines.ends_with('\n') {
        return Err(NoteError::Form("the last line has no end"));
    }
    let parsed: Option<Vec<Signature>> = lines.lines().map(Signature::parse).collect();
    let parsed = parsed.ok_or(NoteError::Form("a signature line is damaged"))?;
    if parsed.len() > MAX_SIGNATURES {
        return Err(NoteError::Form("it has too many signatures"));
    }
    Ok(parsed)
}

fn cosigned(seconds: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {seconds}\n{text}").into_bytes()
}
