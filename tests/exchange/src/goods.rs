//! Information that a trader has.

use std::collections::HashMap;
use std::sync::Mutex;

use semper_base::{Digest, keys};
use semper_exchange::information::{self, Hashes, InformationError, Proof};
use semper_exchange::standard::{self, Share};
use semper_exchange::{Crypto as _, Half, Information, standard::Standard};

/// What a trader has: encrypted information by its root, and what was opened of it.
#[derive(Default)]
pub struct Goods {
    sealed: Mutex<HashMap<Digest, Vec<u8>>>,
    described: Mutex<HashMap<Digest, Hashes>>,
    opened: Mutex<HashMap<Digest, Vec<u8>>>,
}

/// Information made ready for sale.
pub struct Prepared {
    /// What both agree on.
    pub leaf: Information,
    /// The encrypted chunks: they travel before the exchange.
    pub sealed: Vec<u8>,
    /// The escrowed share, and the peer's.
    pub shares: (Share, Share),
}

/// Encrypts some information. `promised` is what its description says, if the buyer can know.
pub fn prepare(plain: &[u8], promised: Option<&[u8]>) -> Prepared {
    let salt = Digest::from_bytes(keys::random());
    let shares = (Share::random(), Share::random());
    let mut sealed = Vec::new();
    let both = [shares.0.as_bytes(), shares.1.as_bytes()];
    let made = information::encrypt(plain, &mut sealed, &salt, both).unwrap();
    let leaf = Information {
        description: Digest::of(b"salted: the document in question"),
        cipher: made.cipher,
        length: made.length,
        content: promised.map(|it| Hashes::of(it).root()),
        salt,
        escrowed: Standard::commitment(Half::Escrowed, &salt, &shares.0),
        peers: Standard::commitment(Half::Peers, &salt, &shares.1),
    };
    Prepared { leaf, sealed, shares }
}

impl Goods {
    /// The encrypted information has come.
    pub fn keep(&self, leaf: &Information, sealed: &[u8]) {
        self.keep_raw(sealed, leaf.length);
    }

    /// As before, by its length alone.
    pub fn keep_raw(&self, sealed: &[u8], length: u64) {
        let root = information::root(sealed, length).unwrap();
        self.sealed.lock().unwrap().insert(root, sealed.to_vec());
    }

    /// The hashes of the plain chunks are known from elsewhere, as a catalogue gives them.
    pub fn knows(&self, promised: &[u8]) {
        let hashes = Hashes::of(promised);
        self.described.lock().unwrap().insert(hashes.root(), hashes);
    }

    /// What was opened.
    pub fn opened(&self, leaf: &Information) -> Option<Vec<u8>> {
        self.opened.lock().unwrap().get(&leaf.cipher).cloned()
    }
}

impl standard::Goods for Goods {
    fn holds(&self, cipher: &Digest) -> bool {
        self.sealed.lock().unwrap().contains_key(cipher)
    }

    fn examine(&self, leaf: &Information, shares: [&Share; 2]) -> Result<(), Proof> {
        let sealed = self.sealed.lock().unwrap().get(&leaf.cipher).cloned().unwrap_or_default();
        let shares = shares.map(Share::as_bytes);
        let described = self.described.lock().unwrap();
        let mut plain = Vec::new();
        let hashes = leaf.content.and_then(|root| described.get(&root));
        let opened = information::open(sealed.as_slice(), &mut plain, leaf, shares, hashes);
        match opened {
            Ok(()) => {
                self.opened.lock().unwrap().insert(leaf.cipher, plain);
                Ok(())
            }
            Err(InformationError::Fraud(_, proof)) => Err(*proof),
            Err(other) => panic!("{other}"),
        }
    }
}
