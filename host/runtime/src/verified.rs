//! Signed things of a deal, verified: whose they are, and that they belong here.

use std::cell::RefCell;

use semper_base::{Digest, KeyId, Role, Timestamp, cbor};
use semper_exchange::package::MAX_TALK;
use semper_items::message::MAX_MESSAGE;
use semper_items::statement::Content;
use semper_items::{Item, Keys, SignedMessage, SignedStatement};

use crate::exchange::Declared;
use crate::handles::{Accepted, Deal, PaymentHandle, Received, Taken};
use crate::stop::{Cause, Doubt, Stop, Verdict};
use crate::world::{Done, END, World, last_word};

/// A statement of either side, carried over a checkpoint.
pub(crate) fn own_or_peers(
    world: &dyn World,
    deal: &Deal,
    bytes: &[u8],
    at: Timestamp,
) -> Result<Declared, Stop> {
    let mut why = String::new();
    for side in [deal.side, deal.side.other()] {
        match SignedStatement::verify(bytes, world.verifier(), side.role(), at)
            .and_then(|signed| signed.of_deal(deal.id))
        {
            Ok(signed) => return Ok(signed.into()),
            Err(error) => why = error.to_string(),
        }
    }
    if let Some(declared) = Declared::carried(bytes, deal) {
        return Ok(declared);
    }
    // It was verified before the host wrote the checkpoint.
    Err(Stop::broken(format!("a statement from before the checkpoint: {why}")))
}

/// A statement of the peer's: signature, signer, deal.
pub(crate) fn statement_of_peer(
    world: &dyn World,
    deal: &Deal,
    bytes: &[u8],
    at: Timestamp,
) -> Result<SignedStatement, Stop> {
    let side = deal.side.other();
    let signed = SignedStatement::verify(bytes, world.verifier(), side.role(), at)
        .and_then(|signed| signed.of_deal(deal.id))
        .map_err(Stop::peer)?;
    let want = deal.agreement.name(side);
    if signed.signer().name != want {
        let is = &signed.signer().name;
        return Err(Stop::peer(format!("a statement by “{is}”, not by “{want}”")));
    }
    Ok(signed)
}

/// The signed message under these bytes, of the peer; it must be the one that the journal names.
pub fn message_of_peer(
    deal: &Deal,
    seq: u64,
    bytes: &[u8],
    digest: Digest,
) -> Result<SignedMessage, Stop> {
    let from = deal.side.other();
    let wrong = |why: String| Doubt::Message { from, seq, why };
    let key = deal.agreement.keys(from).sign;
    let signed = SignedMessage::verify(bytes, deal.id, from, &key)
        .map_err(|error| wrong(error.to_string()))?;
    if signed.digest != digest {
        return Err(wrong("the journal names another".into()).into());
    }
    Ok(signed)
}

/// A payment confirmed by a bank that the authorities vouch for. Whose account it went to is in
/// the evidence; the account's owner checked it when it came.
pub fn confirmed_payment(
    world: &dyn World,
    deal: &Deal,
    bytes: &[u8],
    at: Timestamp,
) -> Result<Accepted, Stop> {
    let signed = SignedStatement::verify(bytes, world.verifier(), Role::Bank, at)
        .and_then(|signed| signed.of_deal(deal.id))
        .map_err(Stop::peer)?;
    let Content::PaymentConfirmation(done) = &signed.statement().content else {
        return Err(Stop::peer("it is no payment"));
    };
    Ok(Accepted {
        amount: done.amount,
        digest: signed.digest(),
        purpose: done.purpose,
        signer: signed.signer().name.clone(),
    })
}

/// Takes a message that has come: money in it is accepted now, once, and what is acceptable
/// becomes evidence in the commit that takes it. What is not acceptable is found again when the
/// message is unpacked, and ends the deal; what is only not possible now leaves it untaken.
pub(crate) fn take(
    world: &dyn World,
    deal: &Deal,
    seq: u64,
    digest: Digest,
    at: Timestamp,
) -> Done<Taken> {
    let mut taken = Taken { seq, digest, at, money: None };
    let message = world.message(seq, digest)?;
    if let Ok(Item::Money(bytes)) = single_item(world, deal, &message) {
        taken.money = Some(match world.accept(&bytes, signed_at(deal, &message, at)) {
            Ok(accepted) => Ok(accepted),
            Err(stop) => match stop.verdict().map(|it| &it.cause) {
                Some(Cause::Unacceptable(why)) => Err(why.clone()),
                _ => return Err(stop),
            },
        });
    }
    let writes = match unpack(world, deal, &message, &taken) {
        Ok(received) => world.kept(&received, at),
        Err(Stop::Verdict(_)) => Vec::new(),
        Err(other) => return Err(other),
    };
    Ok((taken, writes))
}

/// The item of a message, with signature, signer and deal checked; not yet the flow.
pub(crate) fn unpack(
    world: &dyn World,
    deal: &Deal,
    message: &SignedMessage,
    taken: &Taken,
) -> Result<Received, Stop> {
    let at = signed_at(deal, message, taken.at);
    match single_item(world, deal, message)? {
        Item::Information { kind, body } if kind == END => {
            Err(Verdict::new(Cause::PeerEnded(last_word(&body))).into())
        }
        Item::Information { kind, body } => Ok(Received::Information(kind, body.into_vec())),
        Item::Statement(bytes) => statement_of_peer(world, deal, &bytes, at)
            .map(|signed| Received::Statement(Box::new(signed))),
        Item::Money(bytes) => {
            let accepted = match &taken.money {
                Some(Ok(accepted)) => accepted.clone(),
                Some(Err(why)) => return Err(Stop::peer(why)),
                None => confirmed_payment(world, deal, &bytes, at)?,
            };
            Ok(Received::Money(PaymentHandle::accepted(accepted, &bytes)))
        }
        Item::Exchange(bytes) => {
            let talk = cbor::decode(&bytes, MAX_TALK);
            let talk = talk.map_err(|error| Stop::peer(format!("about an exchange: {error}")));
            Ok(Received::Talk(Box::new(talk?)))
        }
    }
}

/// As of when the certificates in a message are looked at: when it was made, as it says itself, and
/// not when it is taken. A message may wait for long, and whoever sent it in time is not to blame
/// for that. The deal's key has signed the time; it is never before the deal or after now.
fn signed_at(deal: &Deal, message: &SignedMessage, taken: Timestamp) -> Timestamp {
    message.message.header.made.max(deal.opened).min(taken)
}

/// The one item of a message. Messages of this version carry one each.
fn single_item(world: &dyn World, deal: &Deal, message: &SignedMessage) -> Result<Item, Stop> {
    let keys = PeerKeys { world, deal, trouble: RefCell::default() };
    let opened = message.message.container.open(&keys);
    // That our own keys are away says nothing about the message.
    if let Some(trouble) = keys.trouble.into_inner() {
        return Err(trouble);
    }
    let mut leaves = opened.map_err(Stop::peer)?;
    match (leaves.pop(), leaves.len()) {
        (Some(leaf), 0) => Ok(leaf.item),
        (_, more) => Err(Stop::peer(format!("a message with {} items", more + 1))),
    }
}

/// The keys with which a container inside a message is opened: the deal's.
struct PeerKeys<'a> {
    world: &'a dyn World,
    deal: &'a Deal,
    /// Why our own key could not be used, if that is the reason for a failure.
    trouble: RefCell<Option<Stop>>,
}

impl Keys for PeerKeys<'_> {
    fn sign(&self, _subtree: &[u8]) -> Result<Vec<u8>, String> {
        Err("the deal's key signs messages, not subtrees".into())
    }

    fn verify(&self, signed: &[u8]) -> Result<(Vec<u8>, KeyId), String> {
        let key = self.deal.agreement.keys(self.deal.side.other()).sign;
        let parsed = semper_base::cose::parse(signed, "container", MAX_MESSAGE)
            .map_err(|error| error.to_string())?;
        let payload = parsed.verify_key(&key).map_err(|error| error.to_string())?;
        Ok((payload, key.id()))
    }

    fn open(&self, _to: KeyId, sealed: &[u8]) -> Result<Vec<u8>, String> {
        self.world.open(sealed).unwrap_or_else(|stop| {
            let words = stop.to_string();
            self.trouble.replace(Some(stop));
            Err(words)
        })
    }
}
