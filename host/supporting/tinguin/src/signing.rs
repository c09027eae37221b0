//! Agreements, statements and messages: parsed from the very bytes that are to be signed, shown,
//! and signed if the person agrees.

use semper_base::{Certificate, Digest};
use semper_items::agreement::{self, Agreement, Side};
use semper_items::{Message, Statement, signed};
use semper_tinguin_protocol::Failure;
use semper_tinguin_protocol::protocol::{DealContext, Reply};
use semper_tinguin_protocol::screen::{self, Answer, Screen};
use serde_bytes::ByteBuf;

use crate::failure::{broken, host_at_fault, malformed, refused};
use crate::identity::Own;
use crate::memory::KnownDeal;
use crate::service::Service;

impl Service {
    pub(crate) fn sign_agreement(
        &self,
        id: &Digest,
        bytes: &[u8],
        context: &DealContext,
    ) -> Result<Reply, Failure> {
        let agreement = Agreement::decode(bytes).map_err(|error| malformed(&error))?;
        let (generation, chain) = self.in_use()?;
        let name = chain.first().map(Certificate::subject).unwrap_or_default();
        // Which side are we? Ours is the side whose keys we can make from the buyer's nonce.
        let mut ours = None;
        for side in [Side::Buyer, Side::Seller] {
            let keys = self.deal_keys(&self.nonce(&agreement, side))?;
            if agreement.name(side) == name && *agreement.keys(side) == keys {
                ours = ours.or(Some(side));
            }
        }
        let Some(side) = ours else {
            let what = format!("the agreement does not name you, “{name}”, with your own keys");
            return Err(host_at_fault(what));
        };
        let known = KnownDeal {
            nonce: self.nonce(&agreement, side),
            side: side.name().into(),
            peer: agreement.name(side.other()).into(),
            service: screen::service_line(context),
            generation,
        };
        let consent = screen::agreement(&agreement, side, context);
        let status = format!("deciding whether to open a deal with {}", known.peer);
        match self.ask(id, &known, Screen::Consent(consent), status)? {
            Answer::Yes => {
                let peer = agreement.keys(side.other()).sign;
                let kept = self.memory.keep_deal(&agreement.id(), &known);
                kept.and_then(|()| self.memory.keep_peer(&agreement.id(), peer.as_bytes()))
                    .map_err(|error| broken(&error))?;
                let own = Own { generation, key: self.key(generation, &chain)?, chain };
                let signed = self.sign(own, agreement::DOMAIN, &agreement.encode())?;
                self.told_by_agreement(&agreement, side, &known)?;
                Ok(signed)
            }
            other => Ok(Reply::Declined(reason(other))),
        }
    }

    fn nonce(&self, agreement: &Agreement, side: Side) -> Digest {
        match side {
            Side::Buyer => agreement.hello.nonce,
            Side::Seller => agreement.nonce,
        }
    }

    pub(crate) fn sign_statement(
        &self,
        id: &Digest,
        bytes: &[u8],
        refers: &[ByteBuf],
    ) -> Result<Reply, Failure> {
        let parsed = Statement::decode(bytes).map_err(|error| malformed(&error))?;
        let known = self.known(&parsed.deal)?;
        let mut earlier = Vec::new();
        for bytes in refers {
            let statement = Statement::decode(bytes).map_err(|error| malformed(&error))?;
            earlier.push((Digest::of(bytes), statement));
        }
        let digest = Digest::of(bytes);
        let consent = screen::statement(&parsed, digest, &known.peer, &earlier);
        let status = format!("deciding whether to sign: {}", consent.title);
        match self.ask(id, &known, Screen::Consent(consent), status)? {
            Answer::Yes => {
                let payload = parsed.encode().map_err(|error| malformed(&error))?;
                let signed = self.sign(self.own_of(&known)?, signed::DOMAIN, &payload)?;
                self.told_by_statement(&parsed, &known)?;
                Ok(signed)
            }
            other => Ok(Reply::Declined(reason(other))),
        }
    }

    pub(crate) fn sign_message(&self, bytes: &[u8]) -> Result<Reply, Failure> {
        let message = Message::decode(bytes).map_err(|error| malformed(&error))?;
        let known = self.known(&message.header.deal)?;
        if message.header.from.name() != known.side {
            let what = format!("the message is not from the {}, which you are", known.side);
            return Err(refused(what, "the host is at fault"));
        }
        let signed = message.sign(&self.keys()?.deal_sign(&known.nonce));
        if !self.told_by_message(&message, &known)? {
            let status = format!("message {} signed and on its way", message.header.seq);
            self.shows(Some(&known), status);
        }
        Ok(Reply::Signed(ByteBuf::from(signed)))
    }
}

/// Why the person has not said yes.
pub(crate) fn reason(answer: Answer) -> String {
    match answer {
        Answer::No(reason) if !reason.is_empty() => reason,
        Answer::Leave => "the person left the deal".into(),
        _ => "the person said no".into(),
    }
}
