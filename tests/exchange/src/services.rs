//! A bank and a third party: production's own, in this process.

use std::sync::Arc;

use semper_base::{Amount, Digest, KeyId, SigningKey, Timestamp};
use semper_exchange::bank::{Claim, ClaimRequest, Fact, Order};
use semper_exchange::crypto::Signed;
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_exchange::third::{self, Case};
use semper_exchange::verdict::{Answer, Request};
use semper_exchange::{Agreed, Role, ThirdParty as Named, party};
use semper_ledger::Ledger;
use semper_roles::holds::Holds;
use tempfile::TempDir;

/// A fact, signed.
pub type SignedFact = Signed<Standard, Fact<Standard>>;

/// What traders ask of others. `None` is "no answer now".
pub trait Services {
    /// Has money held or paid; `Err` when the bank refuses.
    ///
    /// # Errors
    /// The bank's words.
    fn hold(&self, account: &str, order: &Order<Standard>) -> Option<Result<SignedFact, String>>;
    /// Claims.
    fn claim(&self, request: &ClaimRequest<Standard>) -> Option<SignedFact>;
    /// Asks the third party.
    fn ask(&self, request: &Request<Standard>) -> Option<Answer<Standard>>;
    /// What time it is for a side.
    fn clock(&self, _: Role) -> Timestamp {
        Timestamp::now()
    }
}

/// Both, in this process.
pub struct Local {
    /// The books.
    pub ledger: Ledger,
    /// The bank's keys.
    pub bank: Keys,
    /// The third party's.
    pub third: Keys,
    /// Its cases.
    pub cases: std::sync::Mutex<std::collections::HashMap<Digest, Case<Standard>>>,
    /// What time it is for both.
    pub now: std::sync::Mutex<Timestamp>,
    _folder: Arc<TempDir>,
}

/// What each account begins with.
pub const FUNDS: i64 = 100_000;

impl Local {
    /// A bank and a third party with nothing in them.
    pub fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).unwrap();
        Self {
            ledger,
            bank: Keys::new(SigningKey::generate(), NoGoods),
            third: Keys::new(SigningKey::generate(), NoGoods),
            cases: std::sync::Mutex::default(),
            now: std::sync::Mutex::new(Timestamp::now()),
            _folder: folder,
        }
    }

    /// The third party, as agreements name it.
    pub fn named(&self) -> Named<Standard> {
        let (sign, seal) = (self.third.public(), self.third.seal_public());
        Named { origin: "third.example".into(), sign, seal }
    }

    /// A funded account.
    pub fn account(&self, name: &str) -> String {
        let owner = KeyId::new(Digest::of(name.as_bytes()));
        let euro = "EUR".parse().unwrap();
        let id = self.ledger.open_account(owner, name, euro).unwrap().id;
        self.ledger.fund(&id, Amount::new(FUNDS, euro), Timestamp::now()).unwrap();
        id.to_string()
    }

    /// What is in an account.
    pub fn balance(&self, account: &str) -> i64 {
        self.ledger.account(&account.parse().unwrap()).unwrap().balance.minor()
    }

    /// Time passes.
    pub fn wait(&self, millis: u64) {
        let mut now = self.now.lock().unwrap();
        *now = now.after(std::time::Duration::from_millis(millis));
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    /// Whether the third party was ever asked.
    pub fn was_asked(&self) -> bool {
        !self.cases.lock().unwrap().is_empty()
    }

    fn holds(&self) -> Holds<'_> {
        Holds { ledger: &self.ledger, keys: &self.bank }
    }

    fn fence(
        &self,
        agreement: &Agreed<Standard>,
        asks: &[(Role, Claim<Standard>)],
    ) -> Vec<SignedFact> {
        asks.iter()
            .filter_map(|(payer, claim)| {
                self.claim(&ClaimRequest {
                    exchange: agreement.subject(),
                    leaf: party::money_leaf(agreement, *payer)?,
                    third_party: self.third.public(),
                    claim: claim.clone(),
                })
            })
            .collect()
    }
}

impl Default for Local {
    fn default() -> Self {
        Self::new()
    }
}

impl Services for Local {
    fn hold(&self, account: &str, order: &Order<Standard>) -> Option<Result<SignedFact, String>> {
        let statement = order.statement("Test Bank".into(), account.into());
        Some(
            self.holds()
                .order(&statement, self.now(), self.now())
                .map_err(|error| error.to_string()),
        )
    }

    fn clock(&self, _: Role) -> Timestamp {
        self.now()
    }

    fn claim(&self, request: &ClaimRequest<Standard>) -> Option<SignedFact> {
        self.holds().claim(request, self.now()).ok()
    }

    fn ask(&self, request: &Request<Standard>) -> Option<Answer<Standard>> {
        let agreement = request.promise.body().agreement.clone();
        let subject = agreement.subject();
        let mut cases = self.cases.lock().unwrap();
        let mut event = third::Event::Requested(request.clone());
        loop {
            let case = cases.get(&subject).cloned();
            let own = self.third.public();
            let (after, effects) = third::step(case, event, &own, self.now(), &self.third).unwrap();
            let mut facts = None;
            let mut reply = None;
            for effect in effects {
                match effect {
                    third::Effect::Persist => {
                        cases.insert(subject, after.clone().unwrap());
                    }
                    third::Effect::Fence(asks) => facts = Some(self.fence(&agreement, &asks)),
                    third::Effect::Answer => {
                        let Some(Case::Decided(stored)) = &after else { panic!("undecided") };
                        let role = request.wish.role();
                        reply = Some(third::answer(stored, role, &self.third).unwrap());
                    }
                    third::Effect::Reject(why) => {
                        reply = Some(third::rejected(request, why, &self.third).unwrap());
                    }
                    third::Effect::Lodge(payers) => {
                        let Some(Case::Decided(stored)) = &after else { continue };
                        let verdict = stored.verdict.clone();
                        let verdict = Signed::new(&self.third, subject, verdict).unwrap();
                        let claim = Claim::Verdict(Box::new(verdict));
                        let asks: Vec<_> =
                            payers.into_iter().map(|payer| (payer, claim.clone())).collect();
                        self.fence(&agreement, &asks);
                    }
                }
            }
            match (reply, facts) {
                (Some(reply), _) => return Some(reply),
                (None, Some(facts)) => event = third::Event::Facts(facts),
                (None, None) => return None,
            }
        }
    }
}
