//! What comes back says whose trouble it is, and what older TINGUINs said is still understood.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use semper_base::{Mend as _, cbor};
use semper_tinguin_protocol::protocol::MAX_FRAME;
use semper_tinguin_protocol::{Ask, Cause, Client, ClientError, Failure, Reply, Request};

/// A TINGUIN that always says the same.
#[derive(Debug)]
struct Saying(Reply);

impl Ask for Saying {
    fn ask(&self, _request: &Request) -> Result<Reply, ClientError> {
        Ok(self.0.clone())
    }
}

#[test]
fn each_cause_reaches_the_host_with_the_words_that_a_person_reads() {
    for cause in
        [Cause::Busy, Cause::Locked, Cause::Trouble, Cause::Rule, Cause::Sealed, Cause::Malformed]
    {
        let failure = Failure::new(cause, "the disk is full", "make room");
        let bytes = cbor::encode(&Reply::NotDone(failure.clone()));

        let reply = cbor::decode(&bytes, MAX_FRAME).unwrap();
        let error = Client::through(Saying(reply)).who().unwrap_err();

        assert_eq!(error, ClientError::NotDone(failure));
        assert_eq!(error.to_string(), "the TINGUIN refuses: the disk is full");
        assert_eq!(error.mend(), "make room");
    }
}

#[test]
fn the_reply_of_an_older_tinguin_is_read_and_names_nobody() {
    // {"failed": {"mend": "m", "what": "w"}}
    let mut bytes = vec![0xa1, 0x66];
    bytes.extend(b"failed\xa2\x64mend\x61m\x64what\x61w");

    let reply = cbor::decode(&bytes, MAX_FRAME).unwrap();
    let error = Client::through(Saying(reply)).who().unwrap_err();

    assert_eq!(error, ClientError::Failed { what: "w".into(), mend: "m".into() });
    assert_eq!(error.to_string(), "the TINGUIN refuses: w");
}

#[test]
fn an_answer_to_something_else_is_malformed() {
    let error = Client::through(Saying(Reply::Pending)).who().unwrap_err();

    let ClientError::NotDone(failure) = error else { panic!("{error}") };
    assert_eq!(failure.cause, Cause::Malformed);
}
