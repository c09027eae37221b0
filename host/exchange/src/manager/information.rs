//! Information: escrowed to the third party, or certified by it beforehand; the key's shares are
//! checked against their commitments, and what they open against its description.

use super::{Manager, Place, Plan, Received, Secret, Worth};
use crate::agreement::Agreed;
use crate::bank::Fact;
use crate::crypto::{Crypto, Half, Holder, HolderError, Signed};
use crate::item::{EscrowCertificate, Fraud, Information};
use crate::message::{Delivery, Token};
use crate::verdict::{Decided, Replacement};

impl Information {
    /// Whether the peer's share is good for us, and what it is.
    fn share<C: Crypto>(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        holder: &impl Holder<C>,
    ) -> Result<Option<C::Share>, HolderError> {
        let (Token::Escrow { share, .. } | Token::Certified { share, .. }) = token else {
            return Ok(None);
        };
        let opened = holder.open(Half::Peers, &place.name(), share)?;
        Ok(opened.filter(|it| self.is_share::<C>(Half::Peers, it)))
    }

    /// Whether this is the share that is escrowed, and with the peer's opens what was described.
    fn key<C: Crypto>(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        escrowed: &C::Share,
        holder: &impl Holder<C>,
    ) -> Result<Received<C>, HolderError> {
        if !self.is_share::<C>(Half::Escrowed, escrowed) {
            return Ok(Received::Bad);
        }
        let Some(peers) = self.share(place, token, holder)? else { return Ok(Received::Bad) };
        Ok(match holder.examine(self, [escrowed, &peers]) {
            Ok(()) => Received::Here,
            Err(proof) => match C::shows(self, [escrowed, &peers], &proof) {
                Some(fraud) => Received::False(fraud, proof),
                None => Received::Bad,
            },
        })
    }

    /// Whether a certificate is the third party's and about this information.
    fn is_certified<C: Crypto>(
        &self,
        agreement: &Agreed<C>,
        certificate: &Signed<C, EscrowCertificate<C>>,
    ) -> bool {
        let body = certificate.body();
        certificate.is_by(&agreement.third_party.sign, body.escrowed)
            && body.escrowed == self.escrowed
            && body.cipher == self.cipher
            && (self.content.is_none() || body.content == self.content)
    }
}

impl<C: Crypto> Manager<C> for Information {
    fn promise(
        &self,
        place: Place<'_, C>,
        secret: &Secret<C>,
        _: &[Signed<C, Fact<C>>],
    ) -> Token<C> {
        let Secret::Shares { escrowed, peers, seeds, certificate } = secret else {
            return Token::Nothing;
        };
        let leaf = place.name();
        let peer = place.agreement.party(place.from.other()).seal;
        let share = C::seal(&peer, Half::Peers, &leaf, peers, &seeds.1);
        match certificate {
            Some(certificate) => Token::Certified { certificate: certificate.clone(), share },
            None => {
                let third = place.agreement.third_party.seal;
                let escrow = C::seal(&third, Half::Escrowed, &leaf, escrowed, &seeds.0);
                Token::Escrow { escrow, share }
            }
        }
    }

    fn evident(&self, place: Place<'_, C>, token: &Token<C>) -> Worth {
        match token {
            Token::Certified { certificate, .. } => {
                match self.is_certified(place.agreement, certificate) {
                    true => Worth::Good,
                    false => Worth::Bad,
                }
            }
            Token::Escrow { .. } => Worth::Unverifiable,
            _ => Worth::Bad,
        }
    }

    fn check(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        holder: &impl Holder<C>,
    ) -> Result<Worth, HolderError> {
        if !holder.holds(&self.cipher) || self.share(place, token, holder)?.is_none() {
            return Ok(Worth::Bad);
        }
        Ok(self.evident(place, token))
    }

    fn deliver(
        &self,
        _: Place<'_, C>,
        secret: &Secret<C>,
        _: &[Signed<C, Fact<C>>],
        _: &impl Holder<C>,
    ) -> Result<Delivery<C>, HolderError> {
        Ok(match secret {
            Secret::Shares { escrowed, .. } => Delivery::Key(escrowed.clone()),
            Secret::Nothing => Delivery::Before,
        })
    }

    fn accept(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        item: &Delivery<C>,
        holder: &impl Holder<C>,
    ) -> Result<Received<C>, HolderError> {
        let Delivery::Key(escrowed) = item else { return Ok(Received::Bad) };
        self.key(place, token, escrowed, holder)
    }

    fn can_generate(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        holder: &impl Holder<C>,
    ) -> Result<Result<Plan<C>, Fraud>, HolderError> {
        let opened = match token {
            Token::Escrow { escrow, .. } => holder.open(Half::Escrowed, &place.name(), escrow)?,
            Token::Certified { certificate, .. }
                if self.is_certified(place.agreement, certificate) =>
            {
                holder.open(Half::Escrowed, &self.escrowed, &certificate.body().escrow)?
            }
            _ => None,
        };
        let kept = |it: &C::Share| self.is_share::<C>(Half::Escrowed, it);
        Ok(opened.filter(kept).map(Plan::Open).ok_or(Fraud::Key))
    }

    fn accept_replacement(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        replacement: &Replacement<C>,
        decided: &Decided<C>,
        holder: &impl Holder<C>,
    ) -> Result<Received<C>, HolderError> {
        match replacement {
            Replacement::Opening(signed) => {
                let leaf = place.name();
                let good = signed.is_by(&place.agreement.third_party.sign, place.subject())
                    && signed.body().leaf == leaf
                    && signed.body().verdict == decided.verdict.digest();
                let opened = holder.open(Half::Escrowed, &leaf, &signed.body().share)?;
                match opened.filter(|_| good) {
                    Some(escrowed) => self.key(place, token, &escrowed, holder),
                    None => Ok(Received::Bad),
                }
            }
            _ => Ok(Received::Bad),
        }
    }
}
