//! A third party's keys: the one that new agreements pin, and those before it, which go on deciding
//! about the exchanges that pin them.
//!
//! The first key is `third-party.key`. Each that follows has a number, its key in a file, and beside
//! it the statement by which the one before has put it into succession. A key counts once its
//! statement is there, so a crash in between leaves the old one in force. Nothing is ever replaced.

use std::path::Path;

use semper_archive::Home;
use semper_base::{PublicKey, SigningKey, Timestamp, cbor};
use semper_exchange::ThirdParty as Named;
use semper_exchange::published::{Follows, MAX_LINE, Succession};
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_tlog::VerifierKey;

use super::{KEY, LOG, ORIGIN, ThirdPartyError, VERDICTS};
use crate::log::Log;

/// Keys of a third party at most: as many statements a trust file can have.
const MOST: usize = 7;

/// The keys of a home.
#[derive(Debug)]
pub(super) struct Ring {
    pub origin: String,
    /// The first key, and those that followed.
    keys: Vec<Keys>,
    /// Each by the key before it.
    pub statements: Vec<Succession<Standard>>,
}

/// What others believe a third party by: for trust files, and for monitors of its log.
#[derive(Clone, Debug)]
pub struct Introduced {
    /// As new agreements name it.
    pub named: Named<Standard>,
    /// How it came to this key, if it had others.
    pub statements: Vec<Succession<Standard>>,
    /// The key of its log of verdicts, which stays the same.
    pub log: VerifierKey,
}

impl Ring {
    pub fn open(home: &Home) -> Result<Self, ThirdPartyError> {
        let origin = home.read(ORIGIN)?.trim().to_owned();
        let first = SigningKey::from_pem(&home.read_secret(KEY)?)?;
        let mut ring = Self { origin, keys: vec![Keys::new(first, NoGoods)], statements: vec![] };
        while home.has(&statement_file(ring.keys.len())) {
            let number = ring.keys.len();
            let file = statement_file(number);
            let wrong = || ThirdPartyError::Succession { file: file.clone() };
            let bytes = semper_base::digest::unhex(home.read(&file)?.trim()).ok_or_else(wrong)?;
            let statement: Succession<Standard> =
                cbor::decode(&bytes, MAX_LINE).map_err(|_| wrong())?;
            let key = SigningKey::from_pem(&home.read_secret(&key_file(number))?)?;
            let key = Keys::new(key, NoGoods);
            let follows = statement.verify().ok_or_else(wrong)?;
            if follows.before != ring.named() || follows.after != named(&key, &ring.origin) {
                return Err(wrong());
            }
            ring.keys.push(key);
            ring.statements.push(statement);
        }
        Ok(ring)
    }

    /// The key that new agreements pin.
    pub fn current(&self) -> &Keys {
        // There is always the first.
        &self.keys[self.keys.len() - 1]
    }

    /// The key that an agreement pins; the current one for an agreement that is none of ours, which
    /// is told so by it.
    pub fn pinned(&self, key: &PublicKey) -> &Keys {
        self.keys.iter().find(|it| it.public() == *key).unwrap_or_else(|| self.current())
    }

    pub fn named(&self) -> Named<Standard> {
        named(self.current(), &self.origin)
    }

    /// The statements as they stand in the public log.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        self.statements.iter().map(cbor::encode).collect()
    }

    /// Makes the next key, and has the one before sign it into succession.
    fn renew(&mut self, home: &Home, now: Timestamp) -> Result<(), ThirdPartyError> {
        let number = self.keys.len();
        if number > MOST {
            return Err(ThirdPartyError::Keys);
        }
        // A key without a statement is what a crash has left.
        let key = match home.has(&key_file(number)) {
            true => SigningKey::from_pem(&home.read_secret(&key_file(number))?)?,
            false => {
                let key = SigningKey::generate();
                home.write(&key_file(number), key.to_pem().as_bytes())?;
                key
            }
        };
        let key = Keys::new(key, NoGoods);
        let (before, after) = (self.named(), named(&key, &self.origin));
        let follows = Follows { before, after, from: now };
        let statement = Succession::sign(follows, self.current(), &key)?;
        let text = format!("{}\n", semper_base::digest::hex(&cbor::encode(&statement)));
        home.write(&statement_file(number), text.as_bytes())?;
        self.keys.push(key);
        self.statements.push(statement);
        Ok(())
    }
}

fn key_file(number: usize) -> String {
    format!("third-party-{number}.key")
}

fn statement_file(number: usize) -> String {
    format!("succession-{number}.hex")
}

pub(super) fn named(keys: &Keys, origin: &str) -> Named<Standard> {
    Named { origin: origin.to_owned(), sign: keys.public(), seal: keys.seal_public() }
}

/// Makes a home with a key of its own and a log of verdicts.
pub(super) fn create(path: &Path, origin: &str) -> Result<Introduced, ThirdPartyError> {
    let home = Home::create(path)?;
    home.write(KEY, SigningKey::generate().to_pem().as_bytes())?;
    home.write(ORIGIN, origin.as_bytes())?;
    let log = Log::create(&home.path().join(LOG), &format!("{origin}{VERDICTS}"))?;
    let ring = Ring::open(&home)?;
    Ok(Introduced { named: ring.named(), statements: Vec::new(), log })
}

/// Gives a home another key. Whoever serves it takes it up at the next start.
pub(super) fn renew(path: &Path, now: Timestamp) -> Result<Introduced, ThirdPartyError> {
    let home = Home::open(path)?;
    let mut ring = Ring::open(&home)?;
    ring.renew(&home, now)?;
    let log = Log::key_of(&home.path().join(LOG))?;
    Ok(Introduced { named: ring.named(), statements: ring.statements, log })
}
