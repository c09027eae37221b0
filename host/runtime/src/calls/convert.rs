//! Between WIT's plain types and the host's own, which cannot be wrong.

use semper_base::{Amount, Digest, Timestamp};
use semper_items::statement::{
    Address, Completion, Content, Line, Offer, Order, Receipt, ShippingNote, Withdrawal,
};

use super::v1_2::semper::items::types as wit;
use crate::stop::Stop;

pub(super) fn amount_in(amount: &wit::Amount) -> Result<Amount, Stop> {
    let currency = amount.currency.parse().map_err(|error| fault(&error))?;
    Ok(Amount::new(amount.minor, currency))
}

pub(super) fn amount_out(amount: Amount) -> wit::Amount {
    wit::Amount { minor: amount.minor(), currency: amount.currency().to_string() }
}

pub(super) fn digest_in(text: &str) -> Result<Digest, Stop> {
    text.parse().map_err(|error| fault(&error))
}

fn time_in(millis: u64) -> Result<Timestamp, Stop> {
    Timestamp::from_millis(millis).map_err(|error| fault(&error))
}

/// A component's content; `account` is where payments to us go, for an offer of ours.
pub(super) fn content_in(content: wit::Content, account: &str) -> Result<Content, Stop> {
    Ok(match content {
        wit::Content::Offer(offer) => Content::Offer(Offer {
            number: offer.number,
            lines: offer.lines.into_iter().map(line_in).collect::<Result<_, _>>()?,
            delivery: amount_in(&offer.delivery)?,
            total: amount_in(&offer.total)?,
            delivery_days: offer.delivery_days,
            valid_until: time_in(offer.valid_until)?,
            account: account.to_owned(),
        }),
        wit::Content::Order(order) => Content::Order(Order {
            offer: digest_in(&order.offer)?,
            total: amount_in(&order.total)?,
            ship_to: Address {
                name: order.ship_to.name,
                street: order.ship_to.street,
                postcode: order.ship_to.postcode,
                city: order.ship_to.city,
                country: order.ship_to.country,
            },
        }),
        wit::Content::Receipt(receipt) => Content::Receipt(Receipt {
            order: digest_in(&receipt.order)?,
            payment: digest_in(&receipt.payment)?,
            amount: amount_in(&receipt.amount)?,
        }),
        wit::Content::ShippingNote(note) => Content::ShippingNote(ShippingNote {
            order: digest_in(&note.order)?,
            parcel: note.parcel,
            arrives_by: time_in(note.arrives_by)?,
        }),
        wit::Content::Completion(order) => {
            Content::Completion(Completion { order: digest_in(&order)? })
        }
        wit::Content::Withdrawal(reason) => Content::Withdrawal(Withdrawal { reason }),
    })
}

fn line_in(line: wit::Line) -> Result<Line, Stop> {
    let unit = amount_in(&line.unit)?;
    let wit::Line { article, title, variant, quantity, .. } = line;
    Ok(Line { article, title, variant, quantity, unit })
}

pub(super) fn content_out(content: &Content) -> Result<wit::Content, Stop> {
    Ok(match content {
        Content::Offer(offer) => wit::Content::Offer(wit::Offer {
            number: offer.number.clone(),
            lines: offer.lines.iter().map(line_out).collect(),
            delivery: amount_out(offer.delivery),
            total: amount_out(offer.total),
            delivery_days: offer.delivery_days,
            valid_until: offer.valid_until.millis(),
            account: offer.account.clone(),
        }),
        Content::Order(order) => wit::Content::Order(wit::Order {
            offer: order.offer.to_string(),
            total: amount_out(order.total),
            ship_to: wit::Address {
                name: order.ship_to.name.clone(),
                street: order.ship_to.street.clone(),
                postcode: order.ship_to.postcode.clone(),
                city: order.ship_to.city.clone(),
                country: order.ship_to.country.clone(),
            },
        }),
        Content::Receipt(receipt) => wit::Content::Receipt(wit::Receipt {
            order: receipt.order.to_string(),
            payment: receipt.payment.to_string(),
            amount: amount_out(receipt.amount),
        }),
        Content::ShippingNote(note) => wit::Content::ShippingNote(wit::ShippingNote {
            order: note.order.to_string(),
            parcel: note.parcel.clone(),
            arrives_by: note.arrives_by.millis(),
        }),
        Content::Completion(done) => wit::Content::Completion(done.order.to_string()),
        Content::Withdrawal(withdrawal) => wit::Content::Withdrawal(withdrawal.reason.clone()),
        // Payment orders and confirmations are the payment module's, never a component's.
        Content::PaymentOrder(_) | Content::HoldOrder(_) | Content::PaymentConfirmation(_) => {
            let kind = content.kind().name();
            return Err(Stop::peer(format!("a {kind} came where a statement was due")));
        }
    })
}

fn line_out(line: &Line) -> wit::Line {
    wit::Line {
        article: line.article.clone(),
        title: line.title.clone(),
        variant: line.variant.clone(),
        quantity: line.quantity,
        unit: amount_out(line.unit),
    }
}

fn fault(error: &impl ToString) -> Stop {
    Stop::service(error.to_string())
}

#[cfg(test)]
mod tests {
    use semper_items::Kind;

    use super::{content_in, content_out};

    #[test]
    fn services_meet_just_the_kinds_that_the_table_says_they_make() {
        for kind in Kind::ALL {
            let content = kind.example();
            let made = content_out(&content);
            assert_eq!(made.is_ok(), kind.entry().by.is_service(), "the conversion of a {kind}");
            if let Ok(made) = made {
                let account = content.payee().unwrap_or_default();
                assert_eq!(content_in(made, account).unwrap(), content);
            }
        }
    }
}
