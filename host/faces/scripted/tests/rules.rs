//! Standing consents answer what they cover, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::Write;
use std::sync::{Arc, Mutex};

use semper_base::Digest;
use semper_base::text::Text;
use semper_face_scripted::Scripted;
use semper_tinguin_protocol::screen::Consent;
use semper_tinguin_protocol::{Answer, Face, Frame, Screen};

/// An order over so much.
fn frame(amount: &str) -> Frame {
    Frame {
        user: "Anna".into(),
        phrase: "owls".into(),
        peer: "Otto".into(),
        service: Text::default(),
        status: Text::default(),
        screen: Screen::Consent(Consent {
            topic: "order".into(),
            title: "Order".into(),
            rows: vec![],
            means: Text::default(),
            amount: Some(amount.parse().unwrap()),
            also: None,
            digest: Digest::ZERO,
        }),
        told: Vec::new(),
    }
}

/// A transcript that the test can read.
#[derive(Clone, Default)]
struct Transcript(Arc<Mutex<Vec<u8>>>);

impl Write for Transcript {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_question_that_is_taken_back_is_not_answered_in_anybodys_name() {
    let rules = "[[rule]]\ntopic = \"order\"\nafter_ms = 3600000\nanswer = \"yes\"\n";
    let transcript = Transcript::default();
    let face = Scripted::new(rules, Box::new(transcript.clone())).unwrap();

    assert_eq!(face.ask(&frame("1.00 EUR"), &|| true), Answer::Leave);

    let written = String::from_utf8(transcript.0.lock().unwrap().clone()).unwrap();
    assert!(written.ends_with("\"answer\":null}\n"), "{written}");
}

#[test]
fn standing_consents_hold_within_their_limits_and_decline_the_rest() {
    let rules = "[[rule]]\ntopic = \"order\"\nmost = \"50.00 EUR\"\ntimes = 1\nanswer = \"yes\"\n";
    let face = Scripted::new(rules, Box::new(std::io::sink())).unwrap();
    assert!(matches!(face.ask(&frame("50.01 EUR"), &|| false), Answer::No(_)));
    assert!(matches!(face.ask(&frame("5 JPY"), &|| false), Answer::No(_)));
    assert_eq!(face.ask(&frame("50.00 EUR"), &|| false), Answer::Yes);
    assert!(matches!(face.ask(&frame("1.00 EUR"), &|| false), Answer::No(_)), "once is once");
    for wrong in
        ["[[rule]]\ntopic = \"x\"", "[[rule]]\ntopic = \"x\"\nanswer = \"maybe\"", "rule = 1"]
    {
        assert!(Scripted::new(wrong, Box::new(std::io::sink())).is_err(), "{wrong}");
    }
}
