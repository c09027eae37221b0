//! The forms that travel, byte for byte: a bank and its customers may be of different versions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use semper_bank_protocol::{
    AccountAction, AccountRequest, AccountView, Answer, BankRefusal, EntryView, Refusal, Request,
};
use semper_base::{Digest, Timestamp, cbor, digest};

#[test]
fn each_refusal_has_one_text_form() {
    let known = [
        (Refusal::NoFunds, "no-funds"),
        (Refusal::UnknownAccount, "unknown-account"),
        (Refusal::UnknownHold, "unknown-hold"),
        (Refusal::Conflict, "conflict"),
        (Refusal::NotYours, "not-yours"),
        (Refusal::Malformed, "malformed"),
        (Refusal::Away, "away"),
        (Refusal::Other("closed-on-sundays".into()), "closed-on-sundays"),
    ];
    for (refusal, text) in known {
        assert_eq!(refusal.to_string(), text);
        assert_eq!(text.parse::<Refusal>().unwrap(), refusal);
        let json = serde_json::to_string(&BankRefusal::new(refusal.clone(), "so it is")).unwrap();
        assert_eq!(json, format!(r#"{{"code":"{text}","words":"so it is"}}"#));
        let read: BankRefusal = serde_json::from_str(&json).unwrap();
        assert_eq!(read.code, refusal);
    }
}

#[test]
fn requests_stay_where_they_are() {
    let forms = Request::ALL.map(|it| (it.path(), it.media_type(), it.answer_type()));
    assert_eq!(
        forms,
        [
            ("/semper/v1/payments", "application/cose", "application/cose"),
            ("/semper/v1/accounts", "application/cose", "application/json"),
            ("/semper/v1/holds", "application/cose", "application/cbor"),
            ("/semper/v1/claims", "application/cbor", "application/cbor"),
        ]
    );
}

#[test]
fn an_account_request_is_the_same_bytes_as_ever() {
    let request = |what| AccountRequest {
        bank: "Test Bank".into(),
        made: Timestamp::from_millis(1_700_000_000_000).unwrap(),
        nonce: Digest::from_bytes([7; 32]),
        what,
    };
    let hex = |it: &AccountRequest| digest::hex(&cbor::encode(it));
    let nonce = "07".repeat(32);

    // Keys sorted by their encoding: the shorter ones first (RFC 8949, 4.2.1).
    let open = hex(&request(AccountAction::Open("EUR".parse().unwrap())));
    let show = hex(&request(AccountAction::Show("17".into())));

    let head = "a46462616e6b69546573742042616e6b646d616465";
    assert!(open.starts_with(head), "{open}");
    assert!(open.contains(&format!("656e6f6e6365{}{nonce}", "5820")), "{open}");
    assert!(open.contains("6477686174a1646f70656e63455552"), "{open}");
    assert!(show.contains("6477686174a16473686f77623137"), "{show}");
    let back: AccountRequest =
        cbor::decode(&cbor::encode(&request(AccountAction::Show("17".into()))), 4096).unwrap();
    assert_eq!(back, request(AccountAction::Show("17".into())));
}

#[test]
fn a_statement_of_account_is_json() {
    let view = AccountView {
        bank: "Test Bank".into(),
        account: "17".into(),
        holder: "Anna".into(),
        balance: "19.99 EUR".into(),
        entries: vec![EntryView {
            number: 3,
            change: "-1.00 EUR".into(),
            other: "18".into(),
            text: "deal 7f3a".into(),
            booked: "2026-01-01T00:00:00Z".into(),
        }],
    };
    let json = serde_json::to_string(&view).unwrap();
    let want = concat!(
        r#"{"bank":"Test Bank","account":"17","holder":"Anna","balance":"19.99 EUR","#,
        r#""entries":[{"number":3,"change":"-1.00 EUR","other":"18","text":"deal 7f3a","#,
        r#""booked":"2026-01-01T00:00:00Z"}]}"#
    );
    assert_eq!(json, want);
    assert_eq!(serde_json::from_str::<AccountView>(&json).unwrap(), view);
}

#[test]
fn an_answer_is_done_refused_or_not_now() {
    let refusal = BankRefusal::new(Refusal::Conflict, "another order");
    let json = serde_json::to_vec(&refusal).unwrap();

    assert_eq!(Answer::of(200, vec![1]), Answer::Done(vec![1]));
    assert_eq!(Answer::of(422, json.clone()), Answer::Refused(refusal.clone()));
    assert_eq!(Answer::of(503, json), Answer::Away { status: 503, refusal: Some(refusal) });
    // A proxy's own page is no refusal of the bank.
    let page = b"<html>not found</html>".to_vec();
    assert_eq!(Answer::of(404, page), Answer::Away { status: 404, refusal: None });
}
