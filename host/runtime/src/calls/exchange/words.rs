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
use crate::exchange::{Give, MAX_GIVEN, MAX_INFO, receipt_names};
use crate::stop::{Cause, Stop, Verdict};

impl Context {
    /// What the component gives, as the host's own types; money within what is granted. `Err` inside
    /// is why the person's policies do not permit it.
    pub(super) fn gives(
        &mut self,
        items: Vec<wit::Item>,
        gets_money_for: &[Digest],
    ) -> Result<Result<Vec<Give>, String>, Stop> {
        let (mut money, mut size) = (0_i64, 0_usize);
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
                    if let Err(why) = self.permitted(amount, money)? {
                        return Ok(Err(why));
                    }
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
            size += gives.last().map_or(0, size_of);
            fits(size)?;
        }
        Ok(Ok(gives))
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

    /// Whether an amount may leave, after what has left already; `so_far` is all of one call. `Err`
    /// inside is why the person's policies do not permit it: no service can know them, so it is
    /// told as if she had declined. More than is granted is the service's own fault.
    ///
    /// A call that the journal answers has been asked before, by the rules of its time.
    pub(crate) fn permitted(
        &mut self,
        amount: Amount,
        so_far: i64,
    ) -> Result<Result<(), String>, Stop> {
        let refused_before = self.journal.continues_with(NOT_PERMITTED);
        if self.journal.is_replaying() && !refused_before {
            return Ok(Ok(()));
        }
        let all = Amount::new(self.spent.saturating_add(so_far), amount.currency());
        let mut why = String::new();
        if !refused_before {
            let most = self.deal.grants().most;
            if most.is_none_or(|it| it.currency() != all.currency() || all.minor() > it.minor()) {
                return Err(Verdict::new(Cause::Money(most)).into());
            }
            let decided = self.deal.terms.may_pay(all);
            if decided.permitted {
                return Ok(Ok(()));
            }
            // The reason is for the person alone; the service may tell it to the other side.
            self.world.progress(format!("{all} is not paid: {}", decided.why));
            why = format!("this home's policies do not permit that {all} is paid");
        }
        Ok(Err(self.journal.read(NOT_PERMITTED, &all, || Ok(why))?))
    }
}

/// The call in which a policy has refused an amount.
const NOT_PERMITTED: &str = "policy/pay";

/// Bytes that an item adds to what is said before an exchange.
fn size_of(give: &Give) -> usize {
    match give {
        Give::Statement(content) => semper_base::cbor::encode(content).len(),
        Give::Money(..) => 0,
        Give::Information(_, body) => body.len(),
    }
}

/// Whether so much can be said before an exchange: asked before anything of it is signed, since the
/// other side would take no more.
fn fits(size: usize) -> Result<(), Stop> {
    if size <= MAX_GIVEN {
        return Ok(());
    }
    Err(Stop::service(format!(
        "it gives {size} bytes in one exchange, where {MAX_GIVEN} find room; give less, or in \
         several exchanges"
    )))
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
