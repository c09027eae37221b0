//! The world of a component on a running host: the TINGUIN, the archive, the payment system, the
//! merchant's own affairs, the way to the other side.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use semper_archive::Write;
use semper_base::cert::{Revocation, Verifier};
use semper_base::{Digest, PublicKey, Timestamp, text};
use semper_exchange::Mode;
use semper_exchange::crypto::Signed;
use semper_exchange::negotiation::{Refusal, Reject};
use semper_exchange::package::{Talk, deal_name};
use semper_exchange::standard::Standard;
use semper_items::statement::PaymentOrder;
use semper_items::{Item, SignedMessage, Statement};
use semper_payment::{Confirmed, Intent, Module, PaymentError};
use semper_runtime::business::Business;
use semper_runtime::exchange::{Begun, Outcome, Till, ToDraw, draw_up};
use semper_runtime::handles::{Accepted, Deal, Received};
use semper_runtime::journal::{Call, Journal};
use semper_runtime::stop::{Doubt, Needed, Stop};
use semper_runtime::verified::message_of_peer;
use semper_runtime::world::{Came, Done, Paid, Wanted, World};
use semper_tinguin_protocol::failure::{Cause, Failure};
use semper_tinguin_protocol::screen::Question;
use semper_tinguin_protocol::{Answer, ClientError};
use semper_trust::certificate::CREDENTIALS;

use crate::exchange::DealHolder;
use crate::host::{Host, Own, Undecided};
use crate::means::Means;

/// Whoever opened the deal was asked about then; what follows must be the same in every run.
const AS_OPENED: Revocation = Revocation::Unasked("it was asked when the deal was opened");

/// A deal of a running host.
pub(crate) struct Running {
    host: Arc<Host>,
    deal: Arc<Deal>,
    /// What the deal began with.
    means: Arc<Means>,
    /// Believes the other side and the bank, by what the deal began with.
    verifier: Verifier,
    /// Whether the person wants to leave, as the archive said when the activation began: for the
    /// first wait; later ones ask again.
    cancel: Mutex<Option<Option<String>>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Running({})", self.deal.id.short())
    }
}

impl Running {
    pub(crate) fn new(host: Arc<Host>, own: Own, cancel: Option<Option<String>>) -> Self {
        let Own { deal, means } = own;
        let verifier = means.trust.authorities.asking(AS_OPENED);
        Self { host, deal, means, verifier, cancel: Mutex::new(cancel) }
    }

    fn take_cancel(&self) -> Option<Option<String>> {
        self.cancel.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The payment module of this deal: the agreement names it, and this home had it then.
    fn module(&self) -> Result<&Arc<dyn Module>, Stop> {
        self.means.payments.module(&self.deal.agreement.payment).map_err(Stop::broken)
    }

    /// The person's decision, or that she leaves the deal; both are told once.
    fn decided<T>(
        &self,
        next: u64,
        key: Digest,
        pose: impl FnMut(Duration) -> Result<Option<T>, ClientError>,
    ) -> Done<Result<T, String>> {
        let came = self.host.decision(&self.deal, next, key, self.take_cancel(), pose);
        match came {
            Ok(Ok(decision)) => Ok((Ok(decision), Vec::new())),
            Ok(Err(reason)) => {
                let refusal = format!("the person has left the deal: {reason}");
                Ok((Err(refusal), vec![Write::Told(self.deal.id)]))
            }
            Err(Undecided::Client(ClientError::Declined(why))) => Ok((Err(why), Vec::new())),
            Err(Undecided::Client(other)) => Err(other.into()),
            Err(Undecided::Stop(stop)) => Err(stop),
        }
    }

    /// The key of the payment system. One that is known is at hand; one that is not is asked for in
    /// a line of its own, and does not wait behind the orders of others' exchanges.
    fn system_key(&self, module: &Arc<dyn Module>, at: Timestamp) -> Result<PublicKey, Stop> {
        if let Some(key) = module.known_system_key() {
            return Ok(key);
        }
        let name = [b"semper/system-key/v1".as_slice(), self.deal.id.digest().as_bytes()];
        let line = format!("{}, for its key", module.system());
        let asked = (Digest::of_parts(&name), line.as_str());
        let key = self.host.await_bank(Host::system_keys, self.deal.id, asked, {
            let module = Arc::clone(module);
            move || module.system_key(at)
        });
        let key = key.ok_or_else(|| unanswered(module.system()))?;
        key.map_err(|error| match error {
            broken @ PaymentError::Broken(_) => Stop::broken(broken),
            other => Stop::away(Needed::Bank, other),
        })
    }

    fn holder(&self) -> DealHolder<'_> {
        DealHolder::new(self.host.tinguin(), self.deal.id, &[])
    }
}

impl World for Running {
    fn now(&self) -> Timestamp {
        self.host.now()
    }

    fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    fn message(&self, seq: u64, digest: Digest) -> Result<SignedMessage, Stop> {
        let from = self.deal.side.other();
        let row = self.host.archive().message(self.deal.id, false, seq)?;
        let missing = || Doubt::Message { from, seq, why: "it is missing".into() };
        message_of_peer(&self.deal, seq, &row.ok_or_else(missing)?.bytes, digest)
    }

    fn open(&self, sealed: &[u8]) -> Result<Result<Vec<u8>, String>, Stop> {
        match self.host.tinguin().open(self.deal.id, sealed) {
            Ok(plain) => Ok(Ok(plain)),
            Err(error @ ClientError::NotDone(Failure { cause: Cause::Sealed, .. })) => {
                Ok(Err(error.to_string()))
            }
            Err(other) => Err(other.into()),
        }
    }

    fn account(&self, _journal: &Journal) -> Result<String, Stop> {
        Ok(self.module()?.account().to_owned())
    }

    fn payment_order(&self, _journal: &Journal, intent: &Intent) -> Result<PaymentOrder, Stop> {
        Ok(self.module()?.order(intent))
    }

    fn post(&self, item: &Item, call: Call, at: Timestamp) -> Result<Vec<Write>, Stop> {
        self.host.send(&self.deal, item.clone(), call.head, at)
    }

    fn posted(
        &self,
        _seq: u64,
        _item: &Item,
        _call: Call,
        _at: Timestamp,
        fresh: bool,
    ) -> Result<(), Stop> {
        if fresh {
            self.host.sent(&self.deal);
        }
        Ok(())
    }

    fn kept(&self, received: &Received, at: Timestamp) -> Vec<Write> {
        self.host.evidence_of_received(&self.deal, received, at)
    }

    fn progress(&self, text: String) {
        self.host.progress(self.deal.id, text::readable(&text));
    }

    fn logged(&self, text: &str) {
        // May hold personal data, so not at info.
        tracing::debug!(deal = self.deal.id.short(), text, "the service logs");
    }

    fn detail(&self, key: &str, granted: bool) -> Result<Option<String>, Stop> {
        let detail = match granted {
            true => self.host.archive().preference(key)?,
            false => None,
        };
        if let Some(value) = detail.as_ref().filter(|_| CREDENTIALS.contains(&key)) {
            // Before the service has it: the person is shown when it goes out.
            self.host.tinguin().given(self.deal.id, key, value)?;
        }
        Ok(detail)
    }

    fn business(&self) -> Result<Option<Arc<dyn Business>>, Stop> {
        Ok(self.host.business().cloned())
    }

    fn first_of(&self, next: u64, wanted: &Wanted) -> Done<Came> {
        let came = self.host.first_of(&self.deal, next, wanted, self.take_cancel())?;
        let writes = match came {
            Came::Cancelled(_) => vec![Write::Told(self.deal.id)],
            _ => Vec::new(),
        };
        Ok((came, writes))
    }

    fn ask(&self, next: u64, key: Digest, question: &Question) -> Done<Answer> {
        let (host, deal) = (&self.host, &self.deal);
        let came = host.decision(deal, next, key, self.take_cancel(), |wait| {
            host.put(deal, key, question, wait)
        });
        match came {
            Ok(Ok(answer)) => Ok((answer, Vec::new())),
            // The reason does not fit into the answer: it is told at the next wait.
            Ok(Err(_)) => Ok((Answer::Leave, vec![Write::Heard(deal.id)])),
            Err(Undecided::Client(error)) => Err(error.into()),
            Err(Undecided::Stop(stop)) => Err(stop),
        }
    }

    fn sign(
        &self,
        next: u64,
        key: Digest,
        statement: &Statement,
        refers: &[Vec<u8>],
    ) -> Done<Result<Vec<u8>, String>> {
        let (signed, mut writes) = self.decided(next, key, |wait| {
            self.host.tinguin().pose_statement(key, statement, refers.to_vec(), wait)
        })?;
        if let Ok(bytes) = &signed {
            writes.extend(self.host.evidence_of(statement, bytes));
        }
        Ok((signed, writes))
    }

    fn pay(&self, signed: &[u8], _order: &PaymentOrder, at: Timestamp) -> Done<Paid> {
        let (module, order) = (Arc::clone(self.module()?), signed.to_vec());
        let asked = (Digest::of_parts(&[b"semper/pay/v1", signed]), module.system().to_owned());
        let clock = Arc::clone(self.host.clock());
        // Verified at the time of the answer, not of the question: a bank may be slow.
        let paid = self.host.await_bank(Host::paid, self.deal.id, (asked.0, &asked.1), move || {
            module.execute(&order, clock.now())
        });
        match paid.ok_or_else(|| unanswered(&asked.1))? {
            Ok(confirmed) => {
                let writes = vec![self.host.payment_evidence(self.deal.id, &confirmed, at)];
                let Confirmed { item, .. } = confirmed;
                Ok((Paid::Confirmed(item.into()), writes))
            }
            Err(PaymentError::NoFunds) => Ok((Paid::NoFunds, Vec::new())),
            Err(PaymentError::Refused(words)) => Ok((Paid::Refused(words), Vec::new())),
            // A bank that is away, or whose answer is none: neither side's doing.
            Err(PaymentError::Away(what)) => Err(Stop::away(Needed::Bank, what)),
            Err(broken @ PaymentError::Broken(_)) => Err(Stop::broken(broken)),
            Err(other) => Err(Stop::away(Needed::Bank, other)),
        }
    }

    fn accept(&self, item: &[u8], at: Timestamp) -> Result<Accepted, Stop> {
        let confirmed = self.module()?.accept(item, self.deal.id, at);
        match confirmed {
            Ok(Confirmed { digest, amount, purpose, signer, .. }) => {
                Ok(Accepted { amount, digest, purpose, signer })
            }
            Err(PaymentError::Away(what)) => Err(Stop::away(Needed::Bank, what)),
            Err(other @ PaymentError::Invalid(_)) => Err(Stop::peer(other)),
            Err(other) => Err(Stop::broken(other)),
        }
    }

    fn till(&self, at: Timestamp) -> Result<Option<Till>, Stop> {
        let module = Arc::clone(self.module()?);
        let key = self.system_key(&module, at)?;
        // What promises nothing cannot be exchanged.
        let modes = module.modes().iter().copied().filter(|mode| *mode != Mode::Plain).collect();
        Ok(Some(Till {
            module: module.name().to_owned(),
            modes,
            system: module.system().to_owned(),
            key,
            account: module.account().to_owned(),
        }))
    }

    fn refuse(&self, reject: Reject) -> Result<Signed<Standard, Reject>, Stop> {
        Signed::new(&self.holder(), deal_name(self.deal.id), reject)
            .map_err(|error| Stop::away(Needed::Tinguin, error))
    }

    fn draw_up(&self, to_draw: &ToDraw<'_>) -> Result<Result<Talk, Refusal>, Stop> {
        let trust = &self.means.trust;
        draw_up(&self.deal, to_draw, &trust.third_parties, &trust.exchange, &self.holder())
    }

    fn agree(
        &self,
        next: u64,
        key: Digest,
        begun: &Begun<'_>,
        refers: &[Vec<u8>],
        account: Option<(String, String)>,
    ) -> Done<Result<(), String>> {
        let question = self.host.exchange_question(&self.deal, begun, refers, account);
        self.decided(next, key, |wait| {
            self.host.tinguin().pose_exchange(key, self.deal.id, question.clone(), wait)
        })
    }

    fn begin(&self, begun: &Begun<'_>) -> Result<Vec<Write>, Stop> {
        Ok(vec![self.host.begun(&self.deal, begun)?])
    }

    fn begun(&self, begun: &Begun<'_>) {
        self.host.tend(begun.agreement.id());
    }

    fn exchanged(&self, begun: &Begun<'_>) -> Done<Outcome> {
        self.host.exchange_end(&self.deal, begun.agreement.id(), &begun.theirs.parts)
    }
}

fn unanswered(system: &str) -> Stop {
    Stop::away(Needed::Bank, format!("{system} has not answered yet"))
}
