//! How the two sides' exchange messages travel: the buyer posts its own, and the merchant's come
//! back in the answer, held until there is one. Messages are signed in themselves and may come
//! twice or late; beside the deal's channel they need neither numbers nor chains.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use semper_base::{DealId, Digest, ExchangeId, cbor, fault};
use semper_exchange::Message;
use semper_exchange::party::Event;
use semper_exchange::standard::Standard;
use semper_net::Client;
use serde::{Deserialize, Serialize};

use semper_runtime::Stop;
use semper_runtime::context::Deal;

use super::lock;
use super::step::{Live, name};
use crate::host::{Host, MessageRefusal};
use crate::link::MESSAGE;

/// Where exchange messages are posted, after the deal's address.
pub const EXCHANGE: &str = "exchange";
/// Bytes of what is said at once, at most.
pub const MAX_SAID: usize = 512 * 1024;
/// Messages at once, at most: there are four in an exchange.
const MOST: usize = 8;
/// Turns of one conversation: a side that keeps repeating itself is not heard for ever.
const TURNS: usize = 8;
/// For how long an answer is waited for, in ms.
const WAIT_MS: u64 = 10_000;

/// What a side says about an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Which.
    pub exchange: ExchangeId,
    /// Its messages.
    pub messages: Vec<Message<Standard>>,
    /// The other side's last message: it need not be said again.
    pub heard: Option<Digest>,
}

impl Host {
    /// Posts what is to be said and takes what comes back, until there is nothing more to say.
    /// The exchange is not held meanwhile: whatever else happens to it happens.
    pub(super) fn converse(self: &Arc<Self>, live: &Mutex<Live>) -> Result<(), Stop> {
        for _ in 0..TURNS {
            let (said, wait, deal, address, net) = {
                let live = lock(live);
                if !live.speaks() {
                    return Ok(());
                }
                let (exchange, messages) = (live.stored.id(), live.unsent.clone());
                let said = Said { exchange, messages, heard: live.heard };
                // What is not waited for is only delivered.
                let waits = live.left().filter(|_| live.listens()).unwrap_or_default();
                (said, waits, Arc::clone(&live.deal), live.address.clone(), live.net().clone())
            };
            let answer = self.turn(&said, wait, &deal, (&address, &net))?;
            let mut live = lock(live);
            live.unsent.retain(|message| !said.messages.contains(message));
            let Some(answer) = answer else { return Ok(()) };
            let mut new = false;
            for message in answer.messages.into_iter().take(MOST) {
                let name = name(&message);
                new |= live.heard != Some(name);
                self.happens(&mut live, Event::Message(message))?;
                live.heard = Some(name);
            }
            if !new && live.unsent.is_empty() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One turn: what the other side says, if it says anything in time.
    fn turn(
        &self,
        said: &Said,
        wait: Duration,
        deal: &Deal,
        (address, net): (&str, &Client),
    ) -> Result<Option<Said>, Stop> {
        let failed = |error: &dyn std::fmt::Display| super::later(error);
        let wire = self.seal(deal, &cbor::encode(said))?;
        let wait = u64::try_from(wait.as_millis()).unwrap_or(WAIT_MS).min(WAIT_MS);
        let id = deal.id.hex();
        let url = format!("{address}/semper/v1/deals/{id}/{EXCHANGE}?wait={wait}");
        fault::point("exchange.send");
        let response = net.post(&url, MESSAGE, wire, MAX_SAID).map_err(|error| failed(&error))?;
        fault::point("exchange.sent");
        match response.status {
            204 => return Ok(None),
            200 => {}
            status => return Err(failed(&format!("status {status}"))),
        }
        let answer = self.open_wire(deal, &response.body).map_err(|error| failed(&error))?;
        let answer: Said = cbor::decode(&answer, MAX_SAID).map_err(|error| failed(&error))?;
        if answer.exchange != said.exchange {
            return Err(failed(&"it answers about another exchange"));
        }
        Ok(Some(answer))
    }

    /// Takes what the buyer says about an exchange; which one, and what it has heard of us.
    ///
    /// # Errors
    /// Why it is not accepted; the buyer says it again.
    pub fn hear(
        self: &Arc<Self>,
        id: DealId,
        wire: &[u8],
    ) -> Result<(ExchangeId, Option<Digest>), MessageRefusal> {
        let row = self.archive().deal(id).map_err(|error| refused(&error))?;
        let row = row.ok_or(MessageRefusal::UnknownDeal)?;
        let deal = self.deal(&row).map_err(|error| refused(&error))?;
        let bytes = self.open_wire(&deal, wire)?;
        let said: Said = cbor::decode(&bytes, MAX_SAID)
            .map_err(|error| MessageRefusal::Unreadable(error.to_string()))?;
        let heard = (said.exchange, said.heard);
        if said.messages.is_empty() {
            return Ok(heard);
        }
        let Some(live) = self.live_of(id, said.exchange)? else {
            // Our side has not begun it yet: it is said again.
            return Err(refused(&"the exchange has not begun"));
        };
        let mut live = lock(&live);
        for message in said.messages.into_iter().take(MOST) {
            self.happens(&mut live, Event::Message(message)).map_err(|error| refused(&error))?;
        }
        drop(live);
        // What a timer brings about is seen to by itself.
        self.tend(said.exchange);
        Ok(heard)
    }

    /// What our side has to say about an exchange that the buyer has not heard yet, sealed.
    ///
    /// # Errors
    /// Why it cannot be said now.
    pub fn says(
        self: &Arc<Self>,
        id: DealId,
        (exchange, heard): (ExchangeId, Option<Digest>),
    ) -> Result<Option<Vec<u8>>, MessageRefusal> {
        let Some(live) = self.live_of(id, exchange)? else { return Ok(None) };
        let mut live = lock(&live);
        let messages = self.sends(&mut live, heard);
        if messages.is_empty() {
            return Ok(None);
        }
        let answer = Said { exchange, messages, heard: None };
        let wire = self.seal(&live.deal, &cbor::encode(&answer));
        wire.map(Some).map_err(|error| refused(&error))
    }

    fn live_of(
        &self,
        deal: DealId,
        id: ExchangeId,
    ) -> Result<Option<Arc<Mutex<Live>>>, MessageRefusal> {
        let live = self.live(id).map_err(|error| refused(&error))?;
        match live {
            Some(live) if lock(&live).deal.id != deal => {
                Err(MessageRefusal::Unreadable("the exchange belongs to another deal".into()))
            }
            live => Ok(live),
        }
    }
}

fn refused(error: &dyn std::fmt::Display) -> MessageRefusal {
    MessageRefusal::Later(error.to_string())
}
