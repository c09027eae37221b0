//! Signatures under statements: the promise empowers the third party, whose affidavit takes the
//! signature's place.

use semper_base::Digest;

use super::{Manager, Place, Plan, Received, Secret, Worth};
use crate::bank::Fact;
use crate::crypto::{Crypto, Holder, HolderError, Named, Signed};
use crate::item::{Fraud, ItemSignature};
use crate::message::{Delivery, Token};
use crate::verdict::{Decided, Replacement};

/// A signature under a statement.
pub(super) struct Statement<'a, C: Crypto> {
    pub(super) statement: &'a Digest,
    pub(super) signer: &'a C::Key,
}

impl<C: Crypto> Statement<'_, C> {
    fn signature(&self, place: Place<'_, C>) -> ItemSignature {
        ItemSignature { leaf: place.name(), statement: *self.statement }
    }

    fn named(&self, place: Place<'_, C>) -> Digest {
        C::digest(<ItemSignature as crate::Body>::KIND, &self.signature(place))
    }
}

impl<C: Crypto> Manager<C> for Statement<'_, C> {
    fn promise(&self, _: Place<'_, C>, _: &Secret<C>, _: &[Signed<C, Fact<C>>]) -> Token<C> {
        Token::Nothing
    }

    fn evident(&self, place: Place<'_, C>, token: &Token<C>) -> Worth {
        // The promise itself empowers the third party, so the promiser must be the signer.
        let own = *self.signer == place.agreement.party(place.from).sign;
        if own && *token == Token::Nothing { Worth::Good } else { Worth::Bad }
    }

    fn deliver(
        &self,
        place: Place<'_, C>,
        _: &Secret<C>,
        _: &[Signed<C, Fact<C>>],
        holder: &impl Holder<C>,
    ) -> Result<Delivery<C>, HolderError> {
        Ok(Delivery::Signature(holder.sign(place.subject(), &self.signature(place))?))
    }

    fn accept(
        &self,
        place: Place<'_, C>,
        _: &Token<C>,
        item: &Delivery<C>,
        _: &impl Holder<C>,
    ) -> Result<Received<C>, HolderError> {
        let Delivery::Signature(signature) = item else { return Ok(Received::Bad) };
        let kind = <ItemSignature as crate::Body>::KIND;
        let named = Named { kind, subject: place.subject(), digest: self.named(place) };
        let good = C::verify(self.signer, &named, signature);
        Ok(if good { Received::Here } else { Received::Bad })
    }

    fn can_generate(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        _: &impl Holder<C>,
    ) -> Result<Result<Plan<C>, Fraud>, HolderError> {
        let good = self.evident(place, token) == Worth::Good;
        Ok(if good { Ok(Plan::Affidavit) } else { Err(Fraud::Key) })
    }

    fn accept_replacement(
        &self,
        place: Place<'_, C>,
        _: &Token<C>,
        replacement: &Replacement<C>,
        decided: &Decided<C>,
        _: &impl Holder<C>,
    ) -> Result<Received<C>, HolderError> {
        Ok(match replacement {
            Replacement::Affidavit(signed) => {
                let body = signed.body();
                let good = signed.is_by(&place.agreement.third_party.sign, place.subject())
                    && body.leaf == place.name()
                    && body.statement == *self.statement
                    && body.signer == *self.signer
                    && body.verdict == decided.verdict.digest();
                if good { Received::Here } else { Received::Bad }
            }
            _ => Received::Bad,
        })
    }
}
