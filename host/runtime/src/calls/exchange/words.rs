//! Between WIT's items and the exchange layer's.

use semper_base::{Amount, Digest};
use semper_exchange::package::{Part, Wanted};
use semper_items::Kind;
use semper_items::statement::Content;
use semper_trust::Limit;
use semper_trust::flow::RESERVED;
use serde_bytes::ByteBuf;

use super::super::convert::{amount_in, amount_out, content_in, content_out, digest_in};
use super::super::v1_2::semper::exchange::exchange as wit;
use crate::context::Context;
use crate::exchange::{Give, MAX_INFO, receipt_names};
use crate::stop::{Cause, Stop, Verdict};

impl Context {
    /// What the component gives, as the host's own types; money within what is granted.
    pub(super) fn gives(
        &mut self,
        items: Vec<wit::Item>,
        gets_money_for: &[Digest],
    ) -> Result<Vec<Give>, Stop> {
        let mut money = 0_i64;
        let account = self.till()?.map(|till| till.account).unwrap_or_default();
        let mut gives = Vec::with_capacity(items.len());
        for item in items {
            gives.push(match item {
                wit::Item::Statement(content) => {
                    Give::Statement(Box::new(self.stated(content, &account, gets_money_for)?))
                }
                wit::Item::Money(it) => {
                    let amount = amount_in(&it.amount)?;
                    money = money.saturating_add(amount.minor());
                    self.within_grant(amount, money)?;
                    Give::Money(amount, digest_in(&it.order)?)
                }
                wit::Item::Information(info) => {
                    if info.body.len() > MAX_INFO {
                        let most = MAX_INFO as u64;
                        return Err(Stop::limit(Limit::CallBytes, most));
                    }
                    if info.kind.starts_with(RESERVED) {
                        return Err(Stop::service(format!("“{}” is the host's own", info.kind)));
                    }
                    Give::Information(info.kind, ByteBuf::from(info.body))
                }
            });
        }
        Ok(gives)
    }

    fn stated(
        &self,
        content: super::super::v1_2::semper::items::types::Content,
        account: &str,
        gets_money_for: &[Digest],
    ) -> Result<Content, Stop> {
        use super::super::v1_2::semper::items::types::Content as Given;
        let content = match content {
            Given::Receipt(mut receipt) if receipt.payment.is_empty() => {
                let order = digest_in(&receipt.order)?;
                if !gets_money_for.contains(&order) {
                    let what = "a receipt names no payment, and the exchange has none for it";
                    return Err(Stop::service(what));
                }
                receipt.payment = receipt_names(self.deal.id, &order).to_string();
                Given::Receipt(receipt)
            }
            other => other,
        };
        content_in(content, account)
    }

    /// Whether an amount may leave, after what has left already; `so_far` is all of one call.
    pub(crate) fn within_grant(&self, amount: Amount, so_far: i64) -> Result<(), Stop> {
        let most = self.deal.grants().most;
        let within = most.is_some_and(|most| {
            most.currency() == amount.currency()
                && self.spent.saturating_add(so_far) <= most.minor()
        });
        if within { Ok(()) } else { Err(Verdict::new(Cause::Money(most)).into()) }
    }
}

pub(super) fn wants_in(wants: Vec<wit::Wanted>) -> Result<Vec<Wanted>, Stop> {
    let one = |wanted| {
        Ok(match wanted {
            wit::Wanted::Statement(name) => {
                let named = |kind: &Kind| kind.name() == name;
                let kind = Kind::of_services().find(named);
                let unknown = || Stop::service(format!("“{name}” is no kind of statement"));
                Wanted::Statement(kind.ok_or_else(unknown)?)
            }
            wit::Wanted::Money(it) => Wanted::Money(amount_in(&it.amount)?, digest_in(&it.order)?),
            wit::Wanted::Information(kind) => Wanted::Information(kind),
        })
    };
    wants.into_iter().map(one).collect()
}

pub(super) fn wants_out(wants: &[Wanted]) -> Vec<wit::Wanted> {
    let one = |wanted: &Wanted| match wanted {
        Wanted::Statement(kind) => wit::Wanted::Statement(kind.name().to_owned()),
        Wanted::Money(amount, order) => {
            wit::Wanted::Money(wit::Money { amount: amount_out(*amount), order: order.to_string() })
        }
        Wanted::Information(kind) => wit::Wanted::Information(kind.clone()),
    };
    wants.iter().map(one).collect()
}

pub(super) fn parts_out(parts: &[Part]) -> Result<Vec<wit::Promised>, Stop> {
    let one = |part: &Part| {
        Ok(match part {
            Part::Statement { statement, .. } => {
                wit::Promised::Statement(content_out(&statement.content)?)
            }
            Part::Money { money, purpose } => wit::Promised::Money(wit::Money {
                amount: amount_out(money.amount),
                order: purpose.to_string(),
            }),
            Part::Information { kind, information } => {
                wit::Promised::Information((kind.clone(), information.length))
            }
        })
    };
    parts.iter().map(one).collect()
}

/// What money is for, among what is wanted.
pub(super) fn purposes(wants: &[Wanted]) -> Vec<Digest> {
    let one = |wanted: &Wanted| match wanted {
        Wanted::Money(_, purpose) => Some(*purpose),
        _ => None,
    };
    wants.iter().filter_map(one).collect()
}

/// The same, among what is given.
pub(super) fn paid_for(parts: &[Part]) -> Vec<Digest> {
    let one = |part: &Part| match part {
        Part::Money { purpose, .. } => Some(*purpose),
        _ => None,
    };
    parts.iter().filter_map(one).collect()
}
