//! Signed things of a deal, verified: whose they are, and that they belong here.

use semper_base::{Digest, Timestamp};
use semper_items::{SignedMessage, SignedStatement};

use crate::context::Deal;
use crate::exchange::Declared;
use crate::outside::Outside;
use crate::stop::Stop;

/// A statement of either side, carried over a checkpoint.
pub(crate) fn own_or_peers(
    outside: &Outside,
    deal: &Deal,
    bytes: &[u8],
    at: Timestamp,
) -> Result<Declared, Stop> {
    let mut why = String::new();
    for side in [deal.side, deal.side.other()] {
        match SignedStatement::verify(bytes, outside.roots(), side.role(), at)
            .and_then(|signed| signed.of_deal(deal.id))
        {
            Ok(signed) => return Ok(signed.into()),
            Err(error) => why = error.to_string(),
        }
    }
    if let Some(declared) = Declared::carried(bytes, deal) {
        return Ok(declared);
    }
    Err(Stop::Service(format!("a statement from before the checkpoint: {why}")))
}

/// A message as it was received, and everything that is checked of it but the flow.
pub(crate) fn statement_of_peer(
    outside: &Outside,
    deal: &Deal,
    bytes: &[u8],
    at: Timestamp,
) -> Result<SignedStatement, Stop> {
    let side = deal.side.other();
    let fault = |why: String| Stop::Peer(why);
    let signed = SignedStatement::verify(bytes, outside.roots(), side.role(), at)
        .and_then(|signed| signed.of_deal(deal.id))
        .map_err(|error| fault(error.to_string()))?;
    let want = deal.agreement.name(side);
    if signed.signer().name != want {
        return Err(fault(format!("a statement by “{}”, not by “{want}”", signed.signer().name)));
    }
    Ok(signed)
}

/// The signed message under these bytes, of the peer.
pub(crate) fn message_of_peer(
    deal: &Deal,
    seq: u64,
    bytes: &[u8],
    digest: Digest,
) -> Result<SignedMessage, Stop> {
    let peer = deal.side.other();
    let wrong = |why: String| Stop::Message { from: peer.name(), seq, why };
    let key = deal.agreement.keys(peer).sign;
    let signed = SignedMessage::verify(bytes, deal.id, peer, &key)
        .map_err(|error| wrong(error.to_string()))?;
    if signed.digest != digest {
        return Err(wrong("the journal names another".into()));
    }
    Ok(signed)
}
