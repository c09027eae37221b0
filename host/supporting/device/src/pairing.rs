//! The two meet for the first time. Neither knows the other's key, and somebody may be between them.
//! So both show a code, and their person compares the two.
//!
//! The code has eight digits. It follows from both keys, from this very connection, and from a number
//! of each side, of which the host's is promised (by its digest) before the device's is told. So whoever
//! sits between the two has two connections with two codes, and nobody knows a code before both numbers
//! are fixed. Each side meets once. Whoever breaks off then has had one try, and its person begins
//! anew.

use std::fmt;
use std::io;
use std::time::Duration;

use semper_base::text::Text;
use semper_base::{Digest, PublicKey, cbor, keys};
use serde::{Deserialize, Serialize};

use crate::channel::{Channel, Frame};
use crate::error::DeviceError;

/// The version of what is said.
pub const VERSION: u32 = 1;
/// How long the other end may take for a word of its own.
const WORD: Duration = Duration::from_secs(15);
/// How long its person may take.
const PERSON: Duration = Duration::from_secs(300);
/// Most bytes of a word.
const MOST: usize = 512;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Word {
    /// The host's machine begins: its number's digest.
    Promise { version: u32, promise: Digest, name: String },
    /// The device tells its number.
    Number { version: u32, number: Digest, name: String },
    /// The host's machine tells its number.
    Reveal(Digest),
    /// The person of this end has said that the codes are the same.
    Same,
    /// She has said that they differ.
    Differ,
}

/// The code that both show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(u32);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04} {:04}", self.0 / 10_000, self.0 % 10_000)
    }
}

/// Two devices that have met, and whose person has not compared the codes yet.
#[derive(Debug)]
pub struct Meeting {
    channel: Channel,
    /// The code that both show; nobody knew it before they had met.
    pub code: Code,
    /// The other end's key.
    pub other: PublicKey,
    /// What the other end calls itself; nobody has checked it.
    pub name: Text,
}

impl Meeting {
    /// Meets the host's machine, as the device that this key belongs to.
    ///
    /// # Errors
    /// The other end breaks off, speaks another version, or does not keep its promise.
    pub fn with_host(
        mut channel: Channel,
        own: PublicKey,
        name: &str,
    ) -> Result<Self, DeviceError> {
        let Word::Promise { version, promise, name: called } = hear(&mut channel, WORD)? else {
            return Err(unexpected());
        };
        speaks(version)?;
        let number = Digest::from_bytes(keys::random());
        say(&mut channel, &Word::Number { version: VERSION, number, name: name.into() })?;
        let Word::Reveal(theirs) = hear(&mut channel, WORD)? else { return Err(unexpected()) };
        if Digest::of(theirs.as_bytes()) != promise {
            return Err(unexpected());
        }
        let host = channel.other().map_err(DeviceError::BrokenOff)?;
        let code = code(&channel, (host, theirs), (own, number))?;
        Ok(Self { channel, code, other: host, name: called.as_str().into() })
    }

    /// Meets a device, as the host's machine that this key belongs to.
    ///
    /// # Errors
    /// The other end breaks off, or speaks another version.
    pub fn with_device(
        mut channel: Channel,
        own: PublicKey,
        called: &str,
    ) -> Result<Self, DeviceError> {
        let number = Digest::from_bytes(keys::random());
        let promise = Digest::of(number.as_bytes());
        say(&mut channel, &Word::Promise { version: VERSION, promise, name: called.into() })?;
        let Word::Number { version, number: theirs, name } = hear(&mut channel, WORD)? else {
            return Err(unexpected());
        };
        speaks(version)?;
        // From here on the other end knows the code.
        say(&mut channel, &Word::Reveal(number))?;
        let device = channel.other().map_err(DeviceError::BrokenOff)?;
        let code = code(&channel, (own, number), (device, theirs))?;
        Ok(Self { channel, code, other: device, name: name.as_str().into() })
    }

    /// The person of this end has compared the codes. The two are paired when she has said so at both:
    /// only then is the other's key kept.
    ///
    /// # Errors
    /// The other end breaks off, or its person says that they differ.
    pub fn end(mut self, same: bool) -> Result<(), DeviceError> {
        say(&mut self.channel, if same { &Word::Same } else { &Word::Differ })?;
        if !same {
            return Ok(());
        }
        match hear(&mut self.channel, PERSON)? {
            Word::Same => Ok(()),
            Word::Differ => Err(DeviceError::Differ),
            _ => Err(unexpected()),
        }
    }
}

fn code(
    channel: &Channel,
    host: (PublicKey, Digest),
    device: (PublicKey, Digest),
) -> Result<Code, DeviceError> {
    let binding = channel.binding().map_err(DeviceError::BrokenOff)?;
    let digest = Digest::of_parts(&[
        b"semper/device-pairing/v1",
        &binding,
        host.0.as_bytes(),
        host.1.as_bytes(),
        device.0.as_bytes(),
        device.1.as_bytes(),
    ]);
    let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
    let digits = u64::from_be_bytes([a, b, c, d, e, f, g, h]) % 100_000_000;
    Ok(Code(u32::try_from(digits).unwrap_or(0)))
}

const fn speaks(version: u32) -> Result<(), DeviceError> {
    if version == VERSION { Ok(()) } else { Err(DeviceError::Version(version)) }
}

fn say(channel: &mut Channel, word: &Word) -> Result<(), DeviceError> {
    channel.send(&Frame::Body(cbor::encode(word))).map_err(DeviceError::BrokenOff)
}

fn hear(channel: &mut Channel, within: Duration) -> Result<Word, DeviceError> {
    let frame = channel.next(within).map_err(DeviceError::BrokenOff)?;
    let Some(Frame::Body(bytes)) = frame else {
        return Err(DeviceError::BrokenOff(io::ErrorKind::TimedOut.into()));
    };
    cbor::decode(&bytes, MOST).map_err(|_| unexpected())
}

fn unexpected() -> DeviceError {
    let what = "it says something else than it should";
    DeviceError::BrokenOff(io::Error::new(io::ErrorKind::InvalidData, what))
}
