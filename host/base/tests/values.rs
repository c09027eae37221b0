//! Values that cannot be wrong: one text form, one encoding, checked arithmetic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use semper_base::cbor::{self, CborError};
use semper_base::digest::unhex;
use semper_base::{Amount, AmountError, Currency, DealId, Digest, Timestamp};

#[test]
fn encodings_are_those_of_rfc_8949_appendix_a() {
    let hex = |bytes: Vec<u8>| semper_base::digest::hex(&bytes);

    assert_eq!(hex(cbor::encode(&1_000_000_u64)), "1a000f4240");
    assert_eq!(hex(cbor::encode(&-1000_i64)), "3903e7");
    assert_eq!(hex(cbor::encode("IETF")), "6449455446");
    assert_eq!(hex(cbor::encode(&(1, (2, 3), (4, 5)))), "8301820203820405");
    let map: BTreeMap<&str, u8> = [("a", 1), ("b", 2)].into();
    assert_eq!(hex(cbor::encode(&map)), "a2616101616202");
}

#[test]
fn map_keys_are_sorted_by_their_encoded_bytes() {
    #[derive(serde::Serialize)]
    struct Unsorted {
        zz: u8,
        a: u8,
    }

    let bytes = cbor::encode(&Unsorted { zz: 1, a: 2 });

    assert_eq!(semper_base::digest::hex(&bytes), "a2616102627a7a01");
}

#[test]
fn what_is_no_such_structure_is_said_without_words_of_the_library() {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Evidence {
        a: u8,
        b: String,
    }

    let whole = cbor::encode(&Evidence { a: 1, b: "x".into() });
    let said = |bytes: &[u8]| cbor::decode::<Evidence>(bytes, 1_000).unwrap_err().to_string();

    assert!(said(&whole[..whole.len() - 1]).ends_with(": it ends too early"));
    for bytes in [&whole[..3], b"{\"a\": 1}", b"", &[0xff], &[0x9f; 200], &cbor::encode(&7)[..]] {
        let said = said(bytes);
        for word in ["Semantic", "Io(", "Syntax", "struct", "Error", "None"] {
            assert!(!said.replace("structure", "").contains(word), "{said}");
        }
    }
}

#[test]
fn every_second_encoding_of_a_value_is_refused() {
    let refused = [
        ("1801", "a long form of 1"),
        ("9f01ff", "an indefinite array"),
        ("0100", "a trailing byte"),
    ];
    for (hex, what) in refused {
        let bytes = unhex(hex).unwrap();
        let outcome = if hex.starts_with('9') {
            cbor::decode::<Vec<u8>>(&bytes, 100).err()
        } else {
            cbor::decode::<u8>(&bytes, 100).err()
        };
        assert_eq!(outcome, Some(CborError::NotCanonical), "{what}");
    }
    let unsorted = unhex("a2616202616101").unwrap();
    assert!(cbor::decode::<BTreeMap<String, u8>>(&unsorted, 100).is_err());
    let twice = unhex("a2616101616102").unwrap();
    assert!(cbor::decode::<BTreeMap<String, u8>>(&twice, 100).is_err());
    let long = vec![0; 11];
    assert_eq!(cbor::decode::<u8>(&long, 10), Err(CborError::TooLong { got: 11, most: 10 }));
}

#[test]
fn amounts_are_written_and_read_with_the_currencys_own_decimals() {
    for text in ["19.99 EUR", "0.05 EUR", "-3.00 EUR", "500 JPY", "1.234 KWD"] {
        assert_eq!(text.parse::<Amount>().unwrap().to_string(), text);
    }
    assert_eq!("5 EUR".parse::<Amount>().unwrap().minor(), 500);
    for text in
        ["5.0 EUR", "5.000 EUR", "1.5 JPY", "EUR", "5EUR", "5 eur", " 5 EUR", "5 XXX", "+5 EUR", ""]
    {
        assert!(text.parse::<Amount>().is_err(), "{text}");
    }
}

#[test]
fn money_of_different_currencies_does_not_add_and_nothing_overflows() {
    let eur: Amount = "1.00 EUR".parse().unwrap();
    let jpy: Amount = "1 JPY".parse().unwrap();
    let most = Amount::new(i64::MAX, Currency::EUR);

    assert!(matches!(eur.plus(jpy), Err(AmountError::Mixed(..))));
    assert_eq!(most.plus(eur), Err(AmountError::Overflow));
    assert_eq!(most.times(2), Err(AmountError::Overflow));
}

#[test]
fn times_outside_rfc_3339_utc_are_refused() {
    let time: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
    assert_eq!(time.to_string(), "2026-11-21T08:00:00Z");
    for text in ["2026-11-21", "2026-11-21T08:00:00+01:00", "yesterday", "1969-12-31T23:59:59Z"] {
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(
        map in proptest::collection::btree_map("[a-z]{0,12}", any::<i64>(), 0..20)
    ) {
        let bytes = cbor::encode(&map);
        prop_assert_eq!(cbor::decode::<BTreeMap<String, i64>>(&bytes, 10_000).unwrap(), map);
    }

    #[test]
    fn bytes_that_decode_are_the_canonical_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(value) = cbor::decode::<BTreeMap<String, Vec<u64>>>(&bytes, 100) {
            prop_assert_eq!(cbor::encode(&value), bytes);
        }
    }

    #[test]
    fn amounts_and_ids_have_one_text_form(minor in any::<i32>(), seed in any::<[u8; 32]>()) {
        let amount = Amount::new(i64::from(minor), Currency::EUR);
        prop_assert_eq!(amount.to_string().parse::<Amount>().unwrap(), amount);
        let id = DealId::new(Digest::from_bytes(seed));
        prop_assert_eq!(id.to_string().parse::<DealId>().unwrap(), id);
        prop_assert!(id.to_string().to_uppercase().parse::<DealId>().is_err());
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC{0,60}") {
        let _ = text.parse::<Amount>();
        let _ = text.parse::<Timestamp>();
        let _ = text.parse::<Digest>();
    }
}
