//! Messages in and out: signed, sealed, chained; stored before anything else happens.

use std::sync::Arc;

use semper_archive::{MessageRow, Write};
use semper_base::{DealId, Digest, Timestamp, cbor, fault};
use semper_items::message::{MAX_MESSAGE, SEAL_INFO};
use semper_items::{Container, Header, Item, Message, Side, SignedMessage};
use semper_tinguin_protocol::ClientError;
use semper_tinguin_protocol::failure::{Cause, Failure};
use semper_transfer::Channel;
use semper_transfer::channel::{Chain, Effect, Event, Refusal};
use serde::{Deserialize, Serialize};

use semper_runtime::Deal;
use semper_runtime::Stop;

use super::schedule::lock;
use super::{Host, evidence};

/// What of the channel's state does not follow from the stored messages.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    acknowledged: u64,
    forked: bool,
}

/// A message has been stored (or was before).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Everything up to this number is stored.
    pub acknowledged: u64,
}

/// The deal has ended on this side, and it has nothing more to say: travels to whoever polls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// `completed`, `withdrawn`, `failed` or `disputed`.
    pub ended: String,
}

/// Why a message is not accepted; travels to its sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum MessageRefusal {
    /// No such deal here.
    #[error("there is no such deal here")]
    UnknownDeal,
    /// It cannot be opened, read or verified.
    #[error("the message is not accepted: {0}")]
    Unreadable(String),
    /// It does not fit the channel.
    #[error("{0}")]
    Channel(Refusal),
    /// This side cannot store it now; send it again later.
    #[error("not now: {0}")]
    Later(String),
}

impl Host {
    /// Makes, signs and seals our next message; the writes that store it. The same call makes
    /// the same bytes, so a crash before they are stored changes nothing.
    pub(crate) fn send(
        &self,
        deal: &Deal,
        item: Item,
        journal: Digest,
        made: Timestamp,
    ) -> Result<Vec<Write>, Stop> {
        let channel = self.channel(deal.id)?;
        let header = Header {
            deal: deal.id,
            from: deal.side,
            seq: channel.next(),
            previous: channel.sent.head,
            journal,
            made,
        };
        let message = Message { header, container: Container::of(item) };
        let bytes = self.tinguin().sign_message(&message)?;
        let key = deal.agreement.keys(deal.side).sign;
        let signed = SignedMessage::verify(&bytes, deal.id, deal.side, &key)
            .map_err(|error| Stop::broken(format!("our own message: {error}")))?;
        let wire = self.seal(deal, &bytes)?;
        let (_, effects) = channel.step(Event::Submit(signed));
        let mut writes = Vec::new();
        for effect in effects {
            match effect {
                Effect::PersistSent(message) => writes.push(Write::Message(MessageRow {
                    deal: deal.id,
                    sent: true,
                    seq: message.message.header.seq,
                    digest: message.digest,
                    bytes: message.bytes,
                    wire: wire.clone(),
                })),
                // It has signed two messages with one number, which are kept.
                Effect::Refuse(refusal @ Refusal::Fork { .. }) => return Err(Stop::peer(refusal)),
                Effect::Refuse(refusal) => return Err(Stop::broken(refusal)),
                // Sending is the link's and the long poll's, from the store.
                _ => {}
            }
        }
        Ok(writes)
    }

    /// A message has been stored: it goes out.
    pub(crate) fn sent(self: &Arc<Self>, deal: &Deal) {
        self.signal(deal.id).bump();
        if deal.side == Side::Buyer {
            // What does not get through now is sent by the deal's link.
            if let Err(error) = self.flush(deal.id) {
                tracing::debug!(deal = deal.id.short(), %error, "not sent at once");
                self.stirred(deal.id);
            }
        }
    }

    /// Takes a message from the wire: opened, verified, stored; then the deal is woken.
    pub fn receive(&self, id: DealId, wire: &[u8]) -> Result<Accepted, MessageRefusal> {
        let later = |error: &dyn std::fmt::Display| MessageRefusal::Later(error.to_string());
        let row = self.archive().deal(id).map_err(|error| later(&error))?;
        let row = row.ok_or(MessageRefusal::UnknownDeal)?;
        let deal = self.deal(&row).map_err(|error| later(&error))?;
        let message = self.unseal(&deal, wire)?;

        let signal = self.signal(id);
        let _door = lock(&signal.door);
        let channel = self.channel(id).map_err(|error| later(&error))?;
        let seq = message.message.header.seq;
        let before = self.archive().message(id, false, seq).map_err(|error| later(&error))?;
        let (_, effects) = channel.step(Event::Receive(message, before.map(|row| row.digest)));
        let mut answer = Err(MessageRefusal::Unreadable("nothing came of it".into()));
        let mut delivered = false;
        for effect in effects {
            match effect {
                Effect::PersistReceived(message) => {
                    let row = MessageRow {
                        deal: id,
                        sent: false,
                        seq,
                        digest: message.digest,
                        bytes: message.bytes,
                        wire: Vec::new(),
                    };
                    let stored = self.archive().commit(vec![Write::Message(row)]);
                    stored.map_err(|error| later(&error))?;
                    fault::point("receive.stored");
                }
                Effect::PersistFork(message) => {
                    self.keep_fork(&deal, &message).map_err(|error| later(&error))?;
                }
                Effect::Acknowledge(acknowledged) => answer = Ok(Accepted { acknowledged }),
                Effect::Deliver(_) => delivered = true,
                Effect::Refuse(refusal) => answer = Err(MessageRefusal::Channel(refusal)),
                Effect::PersistSent(_) | Effect::PersistState | Effect::Send(_) => {}
            }
        }
        drop(_door);
        if delivered {
            self.wake(id);
        }
        answer
    }

    /// The peer has stored our messages up to a number.
    pub fn acknowledged(&self, id: DealId, seq: u64) -> Result<(), Stop> {
        let signal = self.signal(id);
        let _door = lock(&signal.door);
        let channel = self.channel(id)?;
        let (next, effects) = channel.step::<SignedMessage>(Event::Acknowledge(seq));
        if effects.contains(&Effect::PersistState) {
            self.store_channel(id, &next)?;
        }
        Ok(())
    }

    /// The channel of a deal: what follows from the stored messages, and what is stored of it.
    pub fn channel(&self, id: DealId) -> Result<Channel, Stop> {
        let archive = self.archive();
        let stored: Stored = match archive.channel(id)? {
            Some(bytes) => cbor::decode(&bytes, 256)
                .map_err(|error| Stop::broken(format!("the channel's stored state: {error}")))?,
            None => Stored::default(),
        };
        let chain = |end: Option<(u64, Digest)>| match end {
            Some((last, head)) => Chain { last, head },
            None => Chain::START,
        };
        Ok(Channel {
            sent: chain(archive.last_message(id, true)?),
            acknowledged: stored.acknowledged,
            received: chain(archive.last_message(id, false)?),
            forked: stored.forked,
        })
    }

    fn store_channel(&self, id: DealId, channel: &Channel) -> Result<(), Stop> {
        let stored = Stored { acknowledged: channel.acknowledged, forked: channel.forked };
        Ok(self.archive().commit(vec![Write::Channel(id, cbor::encode(&stored))])?)
    }

    /// Two messages with one number: both are kept, and the deal ends.
    fn keep_fork(&self, deal: &Deal, message: &SignedMessage) -> Result<(), Stop> {
        let peer = deal.agreement.name(deal.side.other());
        let seq = message.message.header.seq;
        let now = self.now();
        let mut writes = Vec::new();
        if let Some(first) = self.archive().message(deal.id, false, seq)? {
            let summary = format!("message {seq}, the first of two");
            writes.push(evidence(Some(deal.id), "fork", peer, &summary, &first.bytes, now));
        }
        let summary = format!("message {seq}, the second of two: the sender cheats");
        writes.push(evidence(Some(deal.id), "fork", peer, &summary, &message.bytes, now));
        let stored = Stored { acknowledged: self.channel(deal.id)?.acknowledged, forked: true };
        writes.push(Write::Channel(deal.id, cbor::encode(&stored)));
        let note = format!("{peer} sent two different messages with number {seq}");
        let state = semper_archive::DealState::Failed;
        writes.push(Write::Deal { id: deal.id, state, note, at: now });
        Ok(self.archive().commit(writes)?)
    }

    pub(super) fn seal(&self, deal: &Deal, bytes: &[u8]) -> Result<Vec<u8>, Stop> {
        if !deal.agreement.hello.attributes.confidential {
            return Ok(bytes.to_vec());
        }
        let key = deal.agreement.keys(deal.side.other()).seal;
        key.seal(SEAL_INFO, deal.id.digest().as_bytes(), bytes).map_err(|error| {
            Stop::broken(format!("it cannot be sealed to the deal's key: {error}"))
        })
    }

    /// What came over the wire, opened with the deal's key.
    pub(super) fn open_wire(&self, deal: &Deal, wire: &[u8]) -> Result<Vec<u8>, MessageRefusal> {
        let most = MAX_MESSAGE + semper_base::keys::SEAL_OVERHEAD;
        if wire.len() > most {
            return Err(MessageRefusal::Unreadable(format!("more than {most} bytes")));
        }
        if !deal.agreement.hello.attributes.confidential {
            return Ok(wire.to_vec());
        }
        self.tinguin().open(deal.id, wire).map_err(|error| match &error {
            // Sealed to another key, or not whole: that is the sender's doing.
            ClientError::NotDone(Failure { cause: Cause::Sealed, .. }) => {
                MessageRefusal::Unreadable(error.to_string())
            }
            // Everything else is ours: it is sent again.
            _ => MessageRefusal::Later(error.to_string()),
        })
    }

    fn unseal(&self, deal: &Deal, wire: &[u8]) -> Result<SignedMessage, MessageRefusal> {
        let bytes = self.open_wire(deal, wire)?;
        let peer = deal.side.other();
        let key = deal.agreement.keys(peer).sign;
        SignedMessage::verify(&bytes, deal.id, peer, &key)
            .map_err(|error| MessageRefusal::Unreadable(error.to_string()))
    }
}
