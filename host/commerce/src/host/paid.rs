//! What has been paid in a deal that ends badly: whoever has paid must hear so, and what is owed for it.

use semper_archive::DealRow;
use semper_exchange::End;
use semper_items::{Kind, Side};
use semper_runtime::Stop;

use super::Host;
use crate::exchange::Stored;

impl Host {
    /// What has been paid in a deal, in one sentence for its note; nothing if no money has moved.
    pub(super) fn what_was_paid(&self, row: &DealRow) -> Result<Option<String>, Stop> {
        let (mut gave, mut got, mut open) = (Vec::new(), Vec::new(), false);
        for exchange in self.archive().exchanges_of(row.id)? {
            let stored = Stored::read(&exchange)?;
            let (agreement, role) = (stored.machine.agreement(), stored.machine.role());
            let money = |of| agreement.money(of).map(|it| it.1.amount.to_string());
            match stored.machine.end().filter(|_| stored.is_settled()) {
                Some(End::Aborted | End::Expired | End::Lapsed | End::ThirdPartyFault) => {
                    match stored.unrequited(self.now()) {
                        Some(whose) if whose == role => gave.extend(money(role)),
                        Some(whose) => got.extend(money(whose)),
                        None => {}
                    }
                }
                Some(End::Done | End::Completed | End::Disputed | End::Wronged) => {
                    gave.extend(money(role));
                    got.extend(money(role.other()));
                }
                None => open |= money(role).or_else(|| money(role.other())).is_some(),
            }
        }
        for item in self.archive().evidence(Some(row.id))? {
            if item.kind == Kind::PaymentConfirmation.name() {
                let paid = if row.side == Side::Buyer { &mut gave } else { &mut got };
                let words = item.summary.strip_prefix("payment of ").unwrap_or(&item.summary);
                paid.push(words.split(" made").next().unwrap_or(words).to_owned());
            }
        }
        let peer = &row.peer;
        Ok(if !gave.is_empty() {
            let paid = gave.join(" and ");
            Some(format!("you have paid {paid}, and {peer} owes you what it is for"))
        } else if !got.is_empty() {
            let paid = got.join(" and ");
            Some(format!("{peer} has paid you {paid}, and you owe what it is for"))
        } else if open {
            Some("an exchange of money is not over, and goes on by itself".to_owned())
        } else {
            None
        })
    }
}
