//! A customer's own account: opened, shown, handed over to the key that takes the place of another.

use std::sync::atomic::Ordering;
use std::time::Duration;

use semper_bank_protocol::{
    ACCOUNT_DOMAIN, AccountAction, AccountRequest, AccountView, BankRefusal, EntryView, Refusal,
};
use semper_base::{Identity, Timestamp, cbor, cose};
use semper_ledger::{Account, AccountId, Entry};

use super::{BEING_LOOKED_AT, Bank, HOLDERS, ledger_refusal, not_believed, number};

/// How old a request about an account may be.
const FRESH_MS: u64 = 5 * 60 * 1000;
/// Entries in a statement of account.
const ENTRIES: u32 = 50;

impl Bank {
    /// Opens or shows an account of whoever signs.
    pub(super) fn account(&self, body: &[u8]) -> Result<AccountView, BankRefusal> {
        let now = self.clock.now();
        let (request, holder) = self.account_request(body, now)?;
        if request.bank != self.name {
            let what =
                format!("the request is for “{}”, and this is “{}”", request.bank, self.name);
            return Err(BankRefusal::new(Refusal::OtherBank, what));
        }
        if request.made.millis().abs_diff(now.millis()) > FRESH_MS {
            return Err(BankRefusal::malformed("the request is not of now; set the clock"));
        }
        // Whoever has seen it on its way does not learn the account's state by saying it again.
        let since = now.before(Duration::from_millis(2 * FRESH_MS));
        let first = self.ledger.is_first(request.nonce, request.made, since);
        if !first.map_err(|error| ledger_refusal(&error))? {
            return Err(BankRefusal::malformed("this request was answered before; ask anew"));
        }
        let account = match &request.what {
            AccountAction::Open(_) if self.books.0.load(Ordering::SeqCst) => {
                return Err(BankRefusal::new(Refusal::Away, BEING_LOOKED_AT));
            }
            AccountAction::Open(currency) => {
                self.ledger.open_account(holder.key.id(), &holder.name, *currency)
            }
            AccountAction::Show(id) => self.ledger.account(&self.own(id, &holder)?),
            AccountAction::HandOver { account, to } => {
                let id = self.own(account, &holder)?;
                tracing::info!(account = %id, "the account has a further key");
                self.ledger.hand_over(&id, *to).and_then(|()| self.ledger.account(&id))
            }
        };
        let account = account.map_err(|error| ledger_refusal(&error))?;
        let entries =
            self.ledger.entries(&account.id, ENTRIES).map_err(|error| ledger_refusal(&error))?;
        Ok(view(&self.name, account, entries))
    }

    /// The account that a customer names, if it is hers.
    pub(super) fn own(&self, account: &str, holder: &Identity) -> Result<AccountId, BankRefusal> {
        let id = number(account)?;
        let owner = self.ledger.is_owner(&id, holder.key.id(), &holder.name);
        match owner.map_err(|error| ledger_refusal(&error))? {
            true => Ok(id),
            false => {
                let what = format!("account {id} is not yours");
                Err(BankRefusal::new(Refusal::NotYours, what))
            }
        }
    }

    fn account_request(
        &self,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(AccountRequest, Identity), BankRefusal> {
        let parsed =
            cose::parse(body, ACCOUNT_DOMAIN, 32 * 1024).map_err(BankRefusal::malformed)?;
        let (payload, holder) = parsed.verify_identity_as(&self.verifier, &HOLDERS, now).map_err(
            |error| match error.is_passing() {
                true => not_believed(true, &error),
                false => BankRefusal::new(Refusal::Untrusted, error),
            },
        )?;
        let request = cbor::decode(&payload, 4096).map_err(BankRefusal::malformed)?;
        Ok((request, holder))
    }
}

fn view(bank: &str, account: Account, entries: Vec<Entry>) -> AccountView {
    AccountView {
        bank: bank.into(),
        account: account.id.to_string(),
        holder: account.holder,
        balance: account.balance.to_string(),
        entries: entries
            .into_iter()
            .map(|entry| EntryView {
                number: entry.number,
                change: entry.change.to_string(),
                other: entry.other.to_string(),
                text: entry.text,
                booked: entry.booked.to_string(),
            })
            .collect(),
    }
}
