//! Fair exchanges: one decision of the person, and what then is signed without asking again.
//!
//! The agreement is parsed here, and what stands behind its digests is held against them: the
//! person sees what both sides give, how fair that is, and who decides on a fault. After a yes
//! the deal's key signs what that one exchange takes. An originator's delivery and its abort
//! exclude each other here, too: a host that has lost its store cannot be led into both.

use semper_base::{DealId, Digest, PublicKey, cbor};
use semper_exchange::bank::{Order, Release, Waiver, order_for};
use semper_exchange::crypto::{Body, Named};
use semper_exchange::fence::Phase;
use semper_exchange::item::ItemSignature;
use semper_exchange::message::{Accept, Deliver, Promise, Settle};
use semper_exchange::negotiation::{Counter, Propose, Reject, Select, Wishes};
use semper_exchange::package::{self, Enclosed, Part, deal_name};
use semper_exchange::standard::{self, Standard};
use semper_exchange::verdict::{Abort, Complaint, Deposit, Resolve};
use semper_exchange::{Agreed, Crypto, Party, Role};
use semper_items::statement::{Content, HoldOrder, Statement};
use semper_items::{DealKeys, signed};
use semper_tinguin_protocol::Failure;
use semper_tinguin_protocol::protocol::{ExchangeQuestion, MAX_FRAME, Reply};
use semper_tinguin_protocol::screen::{Answer, Screen, exchange as shown};
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use crate::failure::{broken, damaged, host_at_fault, malformed, refused, unlike};
use crate::memory::{KnownDeal, KnownExchange};
use crate::service::Service;
use crate::signing::reason;

impl Service {
    /// Puts an exchange to the person.
    pub(crate) fn agree_exchange(
        &self,
        id: &Digest,
        deal: DealId,
        question: &ExchangeQuestion,
    ) -> Result<Reply, Failure> {
        let known = self.known(&deal)?;
        let agreement: Agreed<Standard> =
            cbor::decode(&question.agreement, MAX_FRAME).map_err(|error| malformed(&error))?;
        let role = self.role(&agreement, deal, &known)?;
        let mut refers = Vec::new();
        for bytes in &question.refers {
            let statement = Statement::decode(bytes).map_err(|error| malformed(&error))?;
            refers.push((Digest::of(bytes), statement));
        }
        let parts = |of: Role| {
            let enclosed: &[Enclosed] = match of {
                Role::Originator => &question.enclosed.0,
                Role::Responder => &question.enclosed.1,
            };
            let leaves = agreement.gives(of).iter().map(|it| (it.path.as_str(), &it.item));
            package::read(leaves, enclosed, deal, &agreement.party(of).sign)
                .map_err(|error| malformed(&error))
        };
        let (gives, gets) = (parts(role)?, parts(role.other())?);
        let pays = gives.iter().any(|part| matches!(part, Part::Money { .. }));
        let account = match &question.account {
            Some((bank, account)) if pays => format!("{account} at {bank}"),
            None if pays => return Err(malformed(&"it does not say which account pays")),
            _ => String::new(),
        };
        let consent = shown::consent(&shown::Exchanged {
            agreement: &agreement,
            us: role,
            peer: &known.peer,
            gives: &gives,
            gets: &gets,
            refers: &refers,
            account: &account,
        });
        let status = format!("deciding on a fair exchange with {}", known.peer);
        match self.ask(id, &known, Screen::Consent(consent), status)? {
            Answer::Yes => {
                let agreement_bytes = question.agreement.to_vec();
                let kept = KnownExchange { deal, agreement: agreement_bytes, account };
                let stored = self.memory.keep_exchange(&agreement.subject(), &kept);
                stored.map_err(|error| broken(&error))?;
                Ok(Reply::Done)
            }
            other => Ok(Reply::Declined(reason(other))),
        }
    }

    /// Which side of the exchange we are, if it belongs to this deal with the deal's own keys.
    fn role(
        &self,
        agreement: &Agreed<Standard>,
        deal: DealId,
        known: &KnownDeal,
    ) -> Result<Role, Failure> {
        if agreement.deal != deal_name(deal) {
            return Err(host_at_fault("the exchange belongs to another deal"));
        }
        let DealKeys { sign, seal } = self.deal_keys(&known.nonce)?;
        let ours = Party { sign, seal };
        let mut roles = [Role::Originator, Role::Responder].into_iter();
        let role = roles.find(|role| *agreement.party(*role) == ours);
        let role = role.ok_or_else(|| host_at_fault("the exchange does not name your own keys"))?;
        let peer = self.memory.peer(&deal).map_err(|error| broken(&error))?;
        let peer = peer.and_then(|bytes| PublicKey::from_bytes(bytes).ok());
        if peer != Some(agreement.party(role.other()).sign) {
            return Err(host_at_fault("the exchange is not with the other side of this deal"));
        }
        Ok(role)
    }

    /// Signs a body of an exchange that was agreed to, or of a negotiation.
    pub(crate) fn sign_exchange(
        &self,
        deal: DealId,
        subject: Digest,
        kind: &str,
        body: &[u8],
    ) -> Result<Reply, Failure> {
        let known = self.known(&deal)?;
        let digest = match self.negotiated(deal, subject, kind, body, &known)? {
            Some(digest) => digest,
            None => self.agreed_to(deal, subject, kind, body)?,
        };
        let named = standard::message(&Named { kind, subject, digest });
        let signature = self.keys()?.deal_sign(&known.nonce).sign(&named);
        Ok(Reply::Signature(ByteBuf::from(signature.to_vec())))
    }

    /// The digest of what is said before an agreement: it binds nobody to anything, but it must
    /// be of this deal and with our keys.
    fn negotiated(
        &self,
        deal: DealId,
        subject: Digest,
        kind: &str,
        body: &[u8],
        known: &KnownDeal,
    ) -> Result<Option<Digest>, Failure> {
        let (digest, wishes) = match kind {
            <Propose<Standard> as Body>::KIND => {
                let (digest, it) = parse::<Propose<Standard>>(body)?;
                (digest, Some(it.wishes))
            }
            <Select<Standard> as Body>::KIND => {
                let (digest, it) = parse::<Select<Standard>>(body)?;
                (digest, Some(it.wishes))
            }
            <Counter<Standard> as Body>::KIND => {
                let (digest, it) = parse::<Counter<Standard>>(body)?;
                (digest, Some(it.wishes))
            }
            Reject::KIND => (parse::<Reject>(body)?.0, None),
            _ => return Ok(None),
        };
        let DealKeys { sign, seal } = self.deal_keys(&known.nonce)?;
        let ours = |wishes: &Wishes<Standard>| {
            wishes.deal == subject && wishes.party == Party { sign, seal }
        };
        if subject != deal_name(deal) || !wishes.as_ref().is_none_or(ours) {
            return Err(unlike(&"it belongs to another deal, or names other keys"));
        }
        Ok(Some(digest))
    }

    /// The digest of a part of an exchange that the person has agreed to.
    fn agreed_to(
        &self,
        deal: DealId,
        subject: Digest,
        kind: &str,
        body: &[u8],
    ) -> Result<Digest, Failure> {
        let (agreement, _) = self.exchange(deal, subject)?;
        let known = self.known(&deal)?;
        let role = self.role(&agreement, deal, &known)?;
        let digest = match kind {
            <Promise<Standard> as Body>::KIND => {
                let (digest, promise) = parse::<Promise<Standard>>(body)?;
                if promise.agreement != agreement {
                    return Err(unlike(&"it promises something else than was agreed to"));
                }
                digest
            }
            <Accept<Standard> as Body>::KIND => parse::<Accept<Standard>>(body)?.0,
            <Deliver<Standard> as Body>::KIND => parse::<Deliver<Standard>>(body)?.0,
            <Settle<Standard> as Body>::KIND => parse::<Settle<Standard>>(body)?.0,
            ItemSignature::KIND => {
                let (digest, item) = parse::<ItemSignature>(body)?;
                let ours = agreement.gives(role).iter().enumerate().any(|(index, leaf)| {
                    item.leaf == agreement.leaf(role, index)
                        && stated(&leaf.item) == Some(item.statement)
                });
                if !ours {
                    return Err(unlike(&"that statement is none of yours in this exchange"));
                }
                digest
            }
            Release::KIND => parse::<Release>(body)?.0,
            Waiver::KIND => parse::<Waiver>(body)?.0,
            Abort::KIND => parse::<Abort>(body)?.0,
            Resolve::KIND => parse::<Resolve>(body)?.0,
            <Complaint<Standard> as Body>::KIND => parse::<Complaint<Standard>>(body)?.0,
            <Deposit<Standard> as Body>::KIND => parse::<Deposit<Standard>>(body)?.0,
            other => return Err(malformed(&format!("“{other}” is not part of an exchange"))),
        };
        if let Some(phase) = Phase::of(kind, role, agreement.protocol) {
            self.fence(&subject, phase)?;
        }
        Ok(digest)
    }

    /// Delivering and aborting exclude each other.
    fn fence(&self, subject: &Digest, phase: Phase) -> Result<(), Failure> {
        if self.memory.enter(subject, phase).map_err(|error| broken(&error))? {
            return Ok(());
        }
        let what = match phase {
            Phase::Delivering => "this exchange was given up before, and nothing is delivered now",
            Phase::Aborting => "this exchange was delivered before, and cannot be given up now",
        };
        Err(refused(what, "the host goes on by what was signed before"))
    }

    fn exchange(
        &self,
        deal: DealId,
        subject: Digest,
    ) -> Result<(Agreed<Standard>, KnownExchange), Failure> {
        let known = self.memory.exchange(&subject).map_err(|error| broken(&error))?;
        let known = known.filter(|it| it.deal == deal).ok_or_else(|| {
            refused("you have not agreed to this exchange", "the host must ask first")
        })?;
        let agreement =
            cbor::decode(&known.agreement, MAX_FRAME).map_err(|error| damaged(&error))?;
        Ok((agreement, known))
    }

    /// Signs the hold order of an exchange that was agreed to: the money, payee, conditions and
    /// account that the person has seen.
    pub(crate) fn sign_hold(&self, bytes: &[u8]) -> Result<Reply, Failure> {
        let statement = Statement::decode(bytes).map_err(|error| malformed(&error))?;
        let Content::HoldOrder(order) = &statement.content else {
            return Err(malformed(&"it is no hold order"));
        };
        let known = self.known(&statement.deal)?;
        let (agreement, kept) = self.exchange(statement.deal, order.exchange)?;
        let role = self.role(&agreement, statement.deal, &known)?;
        let HoldOrder { bank, from, .. } = order;
        let same = order_for(&agreement, role) == Some(Order::of(order))
            && kept.account == format!("{from} at {bank}");
        if !same {
            return Err(unlike(&"it is not the payment that was agreed to"));
        }
        let payload = statement.encode().map_err(|error| malformed(&error))?;
        let signed = self.sign(self.own_of(&known)?, signed::DOMAIN, &payload)?;
        self.told_by_statement(&statement, &known)?;
        Ok(signed)
    }
}

fn stated(item: &semper_exchange::Item<Standard>) -> Option<Digest> {
    match item {
        semper_exchange::Item::Statement { statement, .. } => Some(*statement),
        _ => None,
    }
}

/// A body and its digest; only what is canonical is one.
fn parse<B: Body + DeserializeOwned>(bytes: &[u8]) -> Result<(Digest, B), Failure> {
    let body: B = cbor::decode(bytes, MAX_FRAME).map_err(|error| malformed(&error))?;
    Ok((Standard::digest(B::KIND, &body), body))
}
