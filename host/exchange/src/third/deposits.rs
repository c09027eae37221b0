//! INLINE: both hand their packages to the third party, which hands both over.

use semper_base::Timestamp;

use super::{Case, Effect, Pending, Stepped, abortion, completion, decide, reject};
use crate::agreement::Agreed;
use crate::crypto::{Crypto, Half, Holder, HolderError};
use crate::item::{Item, Role};
use crate::manager::{Manager as _, Place, Received};
use crate::message::{Delivery, Token};
use crate::verdict::{Rejection, Request, Wish};

/// INLINE: both packages are here, or somebody gives up.
pub(super) fn deposited<C: Crypto>(
    mut pending: Pending<C>,
    request: Request<C>,
    now: Timestamp,
    holder: &impl Holder<C>,
) -> Stepped<C> {
    let agreement = request.promise.body().agreement.clone();
    let before =
        Some(Case::Pending(Box::new(pending.clone()))).filter(|_| pending.deposits != (None, None));
    let deposit = match &request.wish {
        Wish::Abort(_) => {
            return decide(&request, abortion(&request, Vec::new()), now, (None, None));
        }
        Wish::Deposit(signed) => signed.body(),
        // Whoever asks for completion has deposited before.
        Wish::Resolve(_) if before.is_some() => return reject(before, Rejection::Pending),
        _ => return reject(before, Rejection::NotYours),
    };
    let (Some(accept), role) = (request.accept.clone(), deposit.role) else {
        return reject(before, Rejection::NoAcceptance);
    };
    let tokens = match role {
        Role::Originator => &request.promise.body().tokens,
        Role::Responder => &accept.body().tokens,
    };
    if !is_deposit(&agreement, role, tokens, &deposit.items, holder)? {
        return reject(before, Rejection::BadToken);
    }
    match role {
        Role::Originator => pending.deposits.0 = Some(deposit.items.clone()),
        Role::Responder => pending.deposits.1 = Some(deposit.items.clone()),
    }
    pending.request.accept = Some(accept);
    if pending.deposits.0.is_some() && pending.deposits.1.is_some() {
        let decision = completion(&pending.request, Vec::new(), now);
        return decide(&pending.request, decision, now, pending.deposits.clone());
    }
    let effects = vec![Effect::Persist, Effect::Reject(Rejection::Pending)];
    Ok((Some(Case::Pending(Box::new(pending))), effects))
}

/// Whether these items are what was promised, as far as anybody but the receiver can tell.
fn is_deposit<C: Crypto>(
    agreement: &Agreed<C>,
    from: Role,
    tokens: &[Token<C>],
    items: &[Delivery<C>],
    holder: &impl Holder<C>,
) -> Result<bool, HolderError> {
    let leaves = agreement.gives(from);
    if items.len() != leaves.len() {
        return Ok(false);
    }
    for (index, (leaf, item)) in leaves.iter().zip(items).enumerate() {
        let place = Place { agreement, from, index };
        let token = tokens.get(index).unwrap_or(&Token::Nothing);
        let good = match (&leaf.item, item) {
            (Item::Information(info), Delivery::Key(key)) => {
                info.is_share::<C>(Half::Escrowed, key)
            }
            (Item::Money(_), _) => {
                leaf.item.can_generate(place, token, holder)?.is_ok()
                    && matches!(leaf.item.accept(place, token, item, holder)?, Received::Claim(_))
            }
            _ => leaf.item.accept(place, token, item, holder)? == Received::Here,
        };
        if !good {
            return Ok(false);
        }
    }
    Ok(true)
}
