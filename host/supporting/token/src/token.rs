//! A token that a PIN has opened, and its keys.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use semper_base::keys::{KeyError, derive};
use semper_base::{Digest, PublicKey, Signs};
use zeroize::Zeroizing;

use crate::error::TokenError;
use crate::library::Use;
use crate::place::Place;

/// How the curve is named (RFC 8410): by its number, and by its name as older libraries want it.
const CURVES: [&[u8]; 2] = [&[0x06, 0x03, 0x2b, 0x65, 0x70], b"\x13\x0cedwards25519"];

/// An open token; it is closed when this is dropped.
pub struct Token {
    place: Place,
    slot: Slot,
    session: Mutex<Session>,
    used: Arc<Use>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.place.label)
    }
}

impl Token {
    /// Opens a token by its PIN.
    ///
    /// # Errors
    /// It is not there, the PIN is wrong, or the token has locked itself.
    pub fn open(place: &Place, pin: &str) -> Result<Arc<Self>, TokenError> {
        let (used, slot) = place.slot()?;
        let session = used.pkcs11.open_rw_session(slot);
        let session = session.map_err(|error| TokenError::of(&place.label, &error))?;
        let this = Self { place: place.clone(), slot, session: Mutex::new(session), used };
        this.log_in(pin)?;
        Ok(Arc::new(this))
    }

    /// What it is called.
    pub fn label(&self) -> &str {
        &self.place.label
    }

    /// Whether it is still there, and open.
    ///
    /// # Errors
    /// It was pulled out, or has been closed by another program; or it has no key of this name.
    pub fn is_there(&self, key: &str) -> Result<(), TokenError> {
        let info = self.used.pkcs11.get_token_info(self.slot).map_err(|error| self.said(&error))?;
        if !self.place.is(&info) {
            return Err(self.away());
        }
        let session = self.session();
        let handle = self.find(&session, ObjectClass::PRIVATE_KEY, key)?;
        // Read anew: some libraries go on knowing keys of a token that has gone.
        let read = session.get_attributes(handle, &[AttributeType::Id]);
        read.map(drop).map_err(|error| self.said(&error))
    }

    /// The key of this name, which has this public key.
    ///
    /// # Errors
    /// There is none, or the token does not say.
    pub fn key(self: &Arc<Self>, name: &str, public: PublicKey) -> Result<Key, TokenError> {
        self.find(&self.session(), ObjectClass::PRIVATE_KEY, name)?;
        Ok(Key { token: Arc::clone(self), name: name.to_owned(), public })
    }

    /// The key of this name, which is made if there is none. It is tried before it is given out, and
    /// must have been made in the token: whoever has put one there has a copy of it.
    ///
    /// # Errors
    /// The token makes no such keys, or would give them away; or there is one that was not made in it.
    pub fn make_key(self: &Arc<Self>, name: &str) -> Result<Key, TokenError> {
        // One session throughout: nobody makes a second one meanwhile.
        let session = self.session();
        let halves = [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY];
        let found = halves.map(|class| self.all(&session, class, name));
        let foreign = |why| {
            let (label, key) = (self.place.label.clone(), name.to_owned());
            TokenError::Foreign { label, key, why }
        };
        let (private, public) = match found {
            [Ok(private), Ok(public)] => match (private.as_slice(), public.as_slice()) {
                ([], []) => self.generate(&session, name)?,
                ([private], [public]) => (*private, *public),
                ([_], []) | ([], [_]) => return Err(foreign("has one half alone")),
                _ => return Err(foreign("is there more than once")),
            },
            [Err(error), _] | [_, Err(error)] => return Err(error),
        };
        if !self.stays(&session, private)? {
            return Err(foreign("was not made in the token, or can be read from it"));
        }
        let public = self.public(&session, public)?;
        drop(session);
        let probe = b"semper/token-probe/v1";
        let signed = self.sign(name, probe)?;
        if public.verify(probe, &signed).is_err() {
            return Err(self.unfit("makes signatures that are none of Ed25519"));
        }
        Ok(Key { token: Arc::clone(self), name: name.to_owned(), public })
    }

    /// A secret that follows from a key and `salt`, and is always the same. The key must be used for
    /// nothing else.
    ///
    /// # Errors
    /// The token does not sign; or it signs the same bytes by another signature each time, so that
    /// nothing could be opened again.
    pub fn secret(&self, key: &str, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, TokenError> {
        let message = [b"semper/token-seal/v1".as_slice(), salt].concat();
        let first = Zeroizing::new(self.sign(key, &message)?);
        let second = Zeroizing::new(self.sign(key, &message)?);
        if *first != *second {
            return Err(self.unfit("signs the same bytes by another signature each time"));
        }
        let digest = Zeroizing::new(*Digest::of(first.as_slice()).as_bytes());
        Ok(derive(&digest, "semper/token-seal/v1", salt))
    }

    /// Gives the token another PIN.
    ///
    /// # Errors
    /// The old one is wrong, or the new one is none for this token.
    pub fn change_pin(&self, old: &str, new: &str) -> Result<(), TokenError> {
        let changed = self.session().set_pin(&AuthPin::new(old.into()), &AuthPin::new(new.into()));
        match changed {
            Err(Error::Pkcs11(RvError::PinLenRange | RvError::PinInvalid, _)) => {
                Err(TokenError::NewPin)
            }
            changed => changed.map_err(|error| self.said(&error)),
        }
    }

    fn log_in(&self, pin: &str) -> Result<(), TokenError> {
        let session = self.session();
        let pin = AuthPin::new(pin.into());
        let mut done = session.login(UserType::User, Some(&pin));
        if let Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) = done {
            // Opened before in this process: that says nothing about this PIN.
            session.logout().map_err(|error| self.said(&error))?;
            done = session.login(UserType::User, Some(&pin));
        }
        done.map_err(|error| match self.said(&error) {
            TokenError::Pin(_) => TokenError::Pin(self.tries()),
            other => other,
        })
    }

    /// What the token says about further tries.
    fn tries(&self) -> &'static str {
        match self.used.pkcs11.get_token_info(self.slot) {
            Ok(info) if info.user_pin_locked() => ", and it has locked itself",
            Ok(info) if info.user_pin_final_try() => ", and one more wrong one locks it for good",
            Ok(info) if info.user_pin_count_low() => ", and it counts the wrong ones",
            _ => "",
        }
    }

    fn generate(
        &self,
        session: &Session,
        name: &str,
    ) -> Result<(ObjectHandle, ObjectHandle), TokenError> {
        let id = Digest::of(name.as_bytes()).as_bytes()[..16].to_vec();
        let common = [Attribute::Token(true), Attribute::Label(name.into()), Attribute::Id(id)];
        let kept = [
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ];
        let mut last = None;
        for curve in CURVES {
            let open = [
                Attribute::Private(false),
                Attribute::Verify(true),
                Attribute::EcParams(curve.into()),
            ];
            let public = [&common[..], &open[..]].concat();
            let private = [&common[..], &kept[..]].concat();
            match session.generate_key_pair(&Mechanism::EccEdwardsKeyPairGen, &public, &private) {
                Ok((public, private)) => return Ok((private, public)),
                Err(error) => last = Some(self.said(&error)),
            }
        }
        Err(last.unwrap_or_else(|| TokenError::Unable(self.place.label.clone())))
    }

    /// Whether a key was made in the token, and never leaves it.
    fn stays(&self, session: &Session, key: ObjectHandle) -> Result<bool, TokenError> {
        let wanted = [
            (AttributeType::Local, Attribute::Local(true)),
            (AttributeType::Sensitive, Attribute::Sensitive(true)),
            (AttributeType::AlwaysSensitive, Attribute::AlwaysSensitive(true)),
            (AttributeType::Extractable, Attribute::Extractable(false)),
            (AttributeType::NeverExtractable, Attribute::NeverExtractable(true)),
        ];
        let asked = wanted.each_ref().map(|it| it.0);
        let read = session.get_attributes(key, &asked).map_err(|error| self.said(&error))?;
        Ok(wanted.iter().all(|(_, is)| read.contains(is)))
    }

    /// The key in the public half of a pair.
    fn public(&self, session: &Session, half: ObjectHandle) -> Result<PublicKey, TokenError> {
        let read = session.get_attributes(half, &[AttributeType::EcPoint]);
        let read = read.map_err(|error| self.said(&error))?;
        let point = read.iter().find_map(|it| match it {
            Attribute::EcPoint(point) => public(point),
            _ => None,
        });
        point.ok_or_else(|| self.unfit("has a key that is no Ed25519 key"))
    }

    fn sign(&self, name: &str, message: &[u8]) -> Result<[u8; 64], TokenError> {
        let session = self.session();
        let key = self.find(&session, ObjectClass::PRIVATE_KEY, name)?;
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
        let signed = session.sign(&mechanism, key, message).map_err(|error| self.said(&error))?;
        signed.try_into().map_err(|_| self.unfit("makes signatures that are none of Ed25519"))
    }

    fn find(
        &self,
        session: &Session,
        class: ObjectClass,
        name: &str,
    ) -> Result<ObjectHandle, TokenError> {
        let found = self.all(session, class, name)?;
        found.first().copied().ok_or_else(|| TokenError::NoKey {
            label: self.place.label.clone(),
            key: name.to_owned(),
        })
    }

    /// Every key of this name.
    fn all(
        &self,
        session: &Session,
        class: ObjectClass,
        name: &str,
    ) -> Result<Vec<ObjectHandle>, TokenError> {
        let wanted = [
            Attribute::Class(class),
            Attribute::KeyType(KeyType::EC_EDWARDS),
            Attribute::Label(name.into()),
        ];
        let found = session.find_objects(&wanted).map_err(|error| self.said(&error))?;
        // A token that was closed shows no private key: that is not to say that there is none.
        if found.is_empty() {
            let info = session.get_session_info().map_err(|error| self.said(&error))?;
            if info.session_state() != SessionState::RwUser {
                return Err(self.away());
            }
        }
        Ok(found)
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn said(&self, error: &Error) -> TokenError {
        TokenError::of(&self.place.label, error)
    }

    fn unfit(&self, why: &'static str) -> TokenError {
        TokenError::Unfit { label: self.place.label.clone(), why }
    }

    fn away(&self) -> TokenError {
        TokenError::Away(self.place.label.clone())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if let Err(error) = self.session().logout() {
            tracing::debug!(%error, "the token is not closed");
        }
    }
}

/// A key in a token.
#[derive(Clone)]
pub struct Key {
    token: Arc<Token>,
    name: String,
    public: PublicKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} in {:?})", self.name, self.token)
    }
}

impl Signs for Key {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn try_sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let signed = self.token.sign(&self.name, message);
        let signed = signed.map_err(|error| KeyError::Elsewhere(error.to_string()))?;
        // A library that signs by another key, or badly, must not speak for the person.
        self.public.verify(message, &signed).map(|()| signed)
    }
}

/// The key in a `CKA_EC_POINT`: 32 bytes, bare or as an octet string, or as a bit string.
fn public(point: &[u8]) -> Option<PublicKey> {
    let bare = match point {
        [0x04, 0x20, rest @ ..] | [0x03, 0x21, 0x00, rest @ ..] if rest.len() == 32 => rest,
        rest => rest,
    };
    PublicKey::from_bytes(bare.try_into().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_read_however_a_library_writes_it() {
        let key = semper_base::SigningKey::generate().public();
        let bare = key.as_bytes().as_slice();

        for prefix in [[].as_slice(), &[0x04, 0x20], &[0x03, 0x21, 0x00]] {
            assert_eq!(public(&[prefix, bare].concat()), Some(key));
        }
        for wrong in [[].as_slice(), &[0x04, 0x20], &bare[1..], &[bare, &[0]].concat()] {
            assert_eq!(public(wrong), None);
        }
    }
}
