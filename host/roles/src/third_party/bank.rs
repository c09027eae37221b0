//! The way to a payment system: so many questions at a time, each within its time, so that one
//! that hangs leaves requests about others their places.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use semper_bank_protocol::{Answer, Claim, HoldFact, MAX_ANSWER, Request};
use semper_base::{PublicKey, cbor};
use semper_net::Client;

/// Questions to one payment system at a time. Fewer than the places of the third party's
/// requests, so that these are never all taken by one that hangs.
const AT_ONCE: usize = 8;
/// How long it may take to answer; what is not answered now is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// A payment system: its address, and the way there.
#[derive(Debug)]
pub(super) struct BankLink {
    url: String,
    net: Client,
    asked: AtomicUsize,
}

impl BankLink {
    pub fn new(url: String, net: &Client) -> Self {
        Self { url, net: net.within(PATIENCE), asked: AtomicUsize::new(0) }
    }

    /// Claims something about a hold; what the payment system says by this key of its, if it
    /// answers now.
    pub fn claim(&self, claim: &Claim, by: &PublicKey) -> Option<HoldFact> {
        let url = &self.url;
        let Some(_asking) = Asking::begin(&self.asked) else {
            tracing::warn!(url, "too many questions to this payment system are not answered yet");
            return None;
        };
        let (body, media_type) = (cbor::encode(claim), Request::Claim.media_type());
        let response = self.net.post(&Request::Claim.url_by(url, by), media_type, body, MAX_ANSWER);
        match response.map(|it| Answer::of(it.status, it.body)) {
            Ok(Answer::Done(body)) => cbor::decode(&body, MAX_ANSWER).ok(),
            Ok(Answer::Refused(refusal)) => {
                tracing::warn!(code = %refusal.code, url, "a payment system refuses");
                None
            }
            Ok(Answer::Away { status, .. }) => {
                tracing::warn!(status, url, "a payment system does not answer now");
                None
            }
            Err(error) => {
                tracing::warn!(%error, url, "a payment system does not answer");
                None
            }
        }
    }
}

/// A question that is not answered yet.
struct Asking<'a>(&'a AtomicUsize);

impl<'a> Asking<'a> {
    fn begin(asked: &'a AtomicUsize) -> Option<Self> {
        let asking = Self(asked);
        (asked.fetch_add(1, Ordering::Relaxed) < AT_ONCE).then_some(asking)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::{AT_ONCE, Asking};

    #[test]
    fn a_payment_system_is_asked_so_many_things_at_a_time() {
        let asked = AtomicUsize::new(0);

        let mut asking: Vec<_> = (0..AT_ONCE).filter_map(|_| Asking::begin(&asked)).collect();
        assert_eq!(asking.len(), AT_ONCE);
        assert!(Asking::begin(&asked).is_none());

        // Who was turned away has taken no place.
        asking.pop();
        assert!(Asking::begin(&asked).is_some());
    }
}
