//! What a host may ask of the TINGUIN: canonical CBOR, each with its length in four bytes.

use std::io::{self, Read, Write};

use semper_base::{Certificate, DealId, Digest, frames};
use semper_exchange::Half;
use semper_exchange::package::Enclosed;
use semper_items::DealKeys;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::failure::Failure;
use crate::screen::{Answer, Question};
use crate::secret::PassPhrase;

/// Largest request or reply, in bytes.
pub const MAX_FRAME: usize = 1024 * 1024;

/// Longest wait for the answer to a posed question, in milliseconds.
pub const MAX_POSE_MS: u64 = 5_000;

/// What a host asks. `id` names a question: asked again, it gets the first answer again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Whose TINGUIN this is.
    Who,
    /// The public keys for a deal with this nonce.
    DealKeys(Digest),
    /// Sign a deal agreement, if the person agrees.
    SignAgreement {
        /// The question.
        id: Digest,
        /// The canonical agreement.
        agreement: ByteBuf,
        /// What the host has found out about the other side.
        context: DealContext,
    },
    /// Sign a statement, if the person agrees.
    SignStatement {
        /// The question.
        id: Digest,
        /// The canonical statement.
        statement: ByteBuf,
        /// Statements that it refers to by digest, so that they can be shown with it.
        refers: Vec<ByteBuf>,
    },
    /// Sign a message with the deal's key: shown as progress, not asked.
    SignMessage(ByteBuf),
    /// Open what was sealed to our key of a deal.
    Open {
        /// The deal.
        deal: DealId,
        /// Encapsulated key, ciphertext and tag.
        sealed: ByteBuf,
    },
    /// Sign a request to a bank about one's own account (balance, statement of account).
    SignAccountRequest(ByteBuf),
    /// Put a service's question to the person.
    Ask {
        /// The question.
        id: Digest,
        /// The deal.
        deal: DealId,
        /// What is asked.
        question: Question,
        /// What somebody has filled in; the person may change it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filled: Option<Filled>,
    },
    /// An answer to a service's question, given by somebody whom the person has allowed to. It is
    /// shown, as not checked, with her next decision in that deal. The first answer to a question
    /// stays, whoever gave it.
    Fill {
        /// The question.
        id: Digest,
        /// The deal.
        deal: DealId,
        /// What is asked.
        question: Question,
        /// What is answered, and by whom.
        filled: Filled,
    },
    /// The answer to a service's question, if there is one: the person is not asked.
    Look {
        /// The question.
        id: Digest,
        /// What is asked.
        question: Question,
    },
    /// Allow a business application to use this host, if the person agrees.
    Pair {
        /// The question.
        id: Digest,
        /// Who asks for what: a canonical [`Pairing`](crate::pairing::Pairing).
        pairing: ByteBuf,
    },
    /// Agree to a fair exchange, if the person agrees: from then on what it takes is signed
    /// without asking again.
    AgreeExchange {
        /// The question.
        id: Digest,
        /// The deal.
        deal: DealId,
        /// What is to be exchanged.
        exchange: Box<ExchangeQuestion>,
    },
    /// Sign a part of an exchange that was agreed to, or of the negotiation of one, with the
    /// deal's key.
    SignExchange {
        /// The deal.
        deal: DealId,
        /// What the signature is about: the exchange, or before there is one, the deal's name.
        subject: Digest,
        /// The kind of the body.
        kind: String,
        /// The canonical body.
        body: ByteBuf,
    },
    /// Sign the hold order that an exchange which was agreed to takes.
    SignHold(ByteBuf),
    /// Open a share that was sealed to the deal's key for an exchange.
    OpenShare {
        /// The deal.
        deal: DealId,
        /// Which share.
        half: Half,
        /// The leaf that it is bound to.
        leaf: Digest,
        /// Encapsulated key, ciphertext and tag.
        sealed: ByteBuf,
    },
    /// A seed of the deal's that is always the same for one purpose.
    ExchangeSeed {
        /// The deal.
        deal: DealId,
        /// The purpose.
        purpose: Digest,
    },
    /// Put this question (`Ask`, `SignStatement` or `AgreeExchange`), and do not wait longer than so for the
    /// answer: `Pending` comes back then, and `Watch` tells when there is one.
    Pose {
        /// The question.
        request: Box<Request>,
        /// Milliseconds, at most [`MAX_POSE_MS`].
        wait_ms: u64,
    },
    /// Open a link, if the person agrees: for a command that has no terminal to ask at.
    OpenLink {
        /// The question.
        id: Digest,
        /// The merchant's address.
        merchant: String,
        /// What the link fills in: topics, and texts.
        fills: Vec<(String, String)>,
    },
    /// The question is no longer of interest; it is taken off the screen.
    Withdraw(Digest),
    /// Tell which posed questions have been answered since; held until there is one.
    Watch {
        /// The TINGUIN's run, from the last `News`; zero at first.
        epoch: Digest,
        /// The number of the last answer heard of.
        after: u64,
    },
    /// A service has been given a detail that the person tells merchants by default. It is in her own
    /// host so far; once it stands in a message, she is shown that.
    Given {
        /// The deal.
        deal: DealId,
        /// What it is called.
        what: String,
        /// The detail.
        value: String,
    },
    /// Show where a deal stands.
    Progress {
        /// The deal.
        deal: DealId,
        /// One sentence.
        text: String,
    },
    /// Make the identity's key pair and a certificate request for this name.
    RequestCertificate(String),
    /// Make the next key pair, which takes the place of a key that was lost to others, and a
    /// certificate request for this name.
    RequestNextCertificate(String),
    /// Make the next key pair, and have the key that is in use ask for its certificate: a signed
    /// [`Renewal`](semper_base::renewal::Renewal).
    Renew,
    /// Keep the certificate that came back: of the key that is in use, or of the next one, which is
    /// in use from then on.
    InstallCertificate(Vec<Certificate>),
    /// Forget the keys until the pass-phrase is typed again.
    Lock,
    /// The person's pass-phrase, from a command that she has started: for a TINGUIN that has no
    /// screen to type it on. No host asks this.
    Unlock(PassPhrase),
}

/// An answer that somebody has filled in for the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filled {
    /// Who, in words that may be anybody's.
    pub by: String,
    /// The answer.
    pub answer: Answer,
}

/// What a person is asked to exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeQuestion {
    /// The canonical exchange agreement.
    pub agreement: ByteBuf,
    /// What stands behind the originator's leaves, and the responder's.
    pub enclosed: (Vec<Enclosed>, Vec<Enclosed>),
    /// Statements that those refer to, so that they can be shown.
    pub refers: Vec<ByteBuf>,
    /// The bank and the account that we pay from, if we pay.
    pub account: Option<(String, String)>,
}

/// What the host has found out about a deal's other side, for the fixed place on the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DealContext {
    /// The service's name and version.
    pub service: String,
    /// Organisations whose certificates count; empty when there are none.
    pub certified_by: Vec<String>,
    /// Whether this merchant has been dealt with before.
    pub known: bool,
    /// What the person should hear before deciding.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The business application, or the link, by which the deal was begun; none: the person herself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_by: Option<String>,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reply {
    /// To `Who`.
    Who {
        /// The name in the certificate; empty before registration.
        name: String,
        /// The chain; empty before registration.
        chain: Vec<Certificate>,
    },
    /// To `DealKeys`.
    DealKeys(DealKeys),
    /// A COSE_Sign1 structure.
    Signed(ByteBuf),
    /// The person, or a rule of hers, said no; with the reason.
    Declined(String),
    /// To `Open`.
    Opened(ByteBuf),
    /// To `SignExchange`: the 64 bytes.
    Signature(ByteBuf),
    /// To `OpenShare`: the share; none if it was not sealed to us for that leaf.
    Share(Option<ByteBuf>),
    /// To `ExchangeSeed`.
    Seed(Digest),
    /// To `Ask`, `Fill` and `Look`.
    Answered(Answer),
    /// To `Pose`: the person has not answered yet. To `Look`: nobody has.
    Pending,
    /// To `Watch`.
    News(News),
    /// To `RequestCertificate`: PKCS#10 in PEM.
    CertificateRequest(String),
    /// Done; nothing to say.
    Done,
    /// The request was not carried out, and whose trouble that is.
    NotDone(Failure),
    /// What TINGUINs before [`Reply::NotDone`] said when a request was not carried out.
    Failed {
        /// What went wrong.
        what: String,
        /// What to do about it.
        mend: String,
    },
}

/// Which posed questions have been answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct News {
    /// This run of the TINGUIN: one that was restarted has forgotten what was posed.
    pub epoch: Digest,
    /// The number of the last answer.
    pub last: u64,
    /// The questions answered since; `None` when that is not known, and every question that
    /// is waited for is to be posed again.
    pub answered: Option<Vec<Digest>>,
}

/// Writes one frame. One that is too large is an error of the kind `InvalidInput`, and nothing of
/// it is written.
pub fn write<T: Serialize>(stream: &mut impl Write, value: &T) -> io::Result<()> {
    frames::write(stream, value, MAX_FRAME).map_err(too_large)
}

/// Writes the bytes of one frame, as they are; with the same error.
pub fn write_bytes(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    frames::write_bytes(stream, bytes, MAX_FRAME).map_err(too_large)
}

fn too_large(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidInput => {
            let what = format!("the request is too large for the TINGUIN: {error}");
            io::Error::new(io::ErrorKind::InvalidInput, what)
        }
        _ => error,
    }
}

/// Reads one frame; `None` at the end of the stream. One that is too large or cannot be read is
/// an error of the kind `InvalidData`.
pub fn read<T: Serialize + DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<T>> {
    frames::read(stream, MAX_FRAME)
}

/// Reads the bytes of one frame, as they are; `None` at the end of the stream.
pub fn read_bytes(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    frames::read_bytes(stream, MAX_FRAME)
}
