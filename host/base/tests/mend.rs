//! How errors say what to do about them: each form of the derive's attribute.

use semper_base::{AmountError, Mend, Report};

#[derive(Debug, thiserror::Error, Mend)]
#[error("{0}")]
#[mend(by = shorter)]
struct Long(String);

fn shorter(text: &str) -> String {
    format!("leave out {} letters", text.len() - 3)
}

#[derive(Debug, thiserror::Error, Mend)]
#[error("each of these")]
#[mend(input, "{ALL}")]
enum All {
    One,
    Two(#[allow(dead_code, reason = "a field that no mend names")] u8),
}

const ALL: &str = "for all";

#[derive(Debug, thiserror::Error, Mend)]
#[mend(input)]
enum Outer<E: Mend + 'static> {
    #[error("passed on")]
    #[mend(from)]
    Inner(Box<E>),
    #[error("passed on, as a refusal")]
    #[mend(refusal, from)]
    Refused { source: AmountError, at: u32 },
    #[error("passed on from the field that is marked")]
    #[mend(from)]
    Marked(u32, #[source] E),
    #[error("braces")]
    #[mend("{{{0}}} and {1:02} of {}", .1 + 1)]
    Braces(&'static str, u32),
    #[error("nothing helps")]
    #[mend(refusal, none)]
    Nothing,
}

fn said<E: Mend>(error: E) -> (String, bool) {
    (error.mend(), error.is_input())
}

#[test]
fn a_function_is_given_the_fields() {
    assert_eq!(said(Long("abcde".into())), ("leave out 2 letters".into(), false));
}

#[test]
fn an_enum_can_speak_for_all_its_variants() {
    assert_eq!(said(All::One), (ALL.into(), true));
    assert_eq!(said(All::Two(2)), (ALL.into(), true));
}

#[test]
fn what_is_passed_on_keeps_its_words_and_its_code_where_none_is_said() {
    let inner = || AmountError::Form("1,5".into());
    let words = inner().mend();
    assert_eq!(said(Outer::Inner(Box::new(inner()))), (words.clone(), true));
    assert_eq!(
        said(Outer::Inner(Box::new(Long("abcd".into())))),
        ("leave out 1 letters".into(), true)
    );
    assert_eq!(said(Outer::<Long>::Refused { source: inner(), at: 1 }), (words.clone(), false));
    assert_eq!(said(Outer::Marked(1, inner())), (words, true));
}

#[test]
fn texts_name_fields_and_have_arguments() {
    assert_eq!(said(Outer::<Long>::Braces("a", 4)), ("{a} and 04 of 5".into(), true));
    assert_eq!(said(Outer::<Long>::Nothing), (String::new(), false));
}

#[test]
fn a_report_exits_as_the_error_says() {
    assert_eq!(Report::from(All::One).code, 2);
    assert_eq!(
        Report::from(Long("abcd".into())).to_string(),
        "error: abcd\n  try  leave out 1 letters"
    );
}
