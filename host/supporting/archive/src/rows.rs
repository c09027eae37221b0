//! The rows of the archive, and the writes that change them.

use semper_base::{DealId, Digest, ExchangeId, Timestamp};
use semper_items::Side;
use serde::Serialize;

/// Where a deal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DealState {
    /// Its service runs or waits.
    Running,
    /// Done as its terms say.
    Completed,
    /// One side left before the order.
    Withdrawn,
    /// Ended by a fault, which the reason names.
    Failed,
    /// A dispute about it is open; no host sets this yet.
    Disputed,
}

impl DealState {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Running, "running"),
        (Self::Completed, "completed"),
        (Self::Withdrawn, "withdrawn"),
        (Self::Failed, "failed"),
        (Self::Disputed, "disputed"),
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|row| row.0 == self).map_or("running", |row| row.1)
    }

    /// The state of a word.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        self != Self::Running
    }
}

/// A deal, as a home keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DealRow {
    /// The deal's id: the digest of its agreement.
    pub id: DealId,
    /// The side that is ours.
    pub side: Side,
    /// The peer's certified name.
    pub peer: String,
    /// Where the peer is reached; empty for a buyer, who always connects out.
    pub address: String,
    /// The digest of the terms.
    pub terms: Digest,
    /// The agreement in its canonical encoding.
    #[serde(skip)]
    pub agreement: Vec<u8>,
    /// The state of the deal.
    pub state: DealState,
    /// The thing that it waits for, or the reason why it ended, in words.
    pub note: String,
    /// When it was opened.
    pub opened: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
    /// The things that wake it.
    pub waits: Waits,
    /// The name of the configuration that it began with; none for deals of before that was kept.
    #[serde(skip)]
    pub basis: Option<Digest>,
    /// How the other side was seen.
    #[serde(skip)]
    pub seen: Seen,
}

/// How the other side was seen when a deal was opened: the buyer's policies may ask by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Whether there had been deals with it.
    pub known: bool,
    /// Whether something about its name is odd.
    pub suspicious: bool,
}

impl DealRow {
    /// A deal that has just been opened; the other side's certified name and address.
    pub fn opened(
        id: DealId,
        side: Side,
        (peer, address): (&str, &str),
        terms: Digest,
        agreement: Vec<u8>,
        at: Timestamp,
    ) -> Self {
        Self {
            id,
            side,
            peer: peer.into(),
            address: address.into(),
            terms,
            agreement,
            state: DealState::Running,
            note: "opened".into(),
            opened: at,
            changed: at,
            waits: Waits::default(),
            basis: None,
            seen: Seen::default(),
        }
    }
}

/// The waits of a running deal, and where its present run begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Waits {
    /// Whether it has left memory to wait; a running deal that is not asleep is run at the
    /// next start of its host.
    pub asleep: bool,
    /// The number of the peer's message that its service waits for.
    #[serde(skip)]
    pub message: Option<u64>,
    /// The date that wakes it.
    pub until: Option<Timestamp>,
    /// The question whose answer wakes it.
    pub question: Option<Digest>,
    /// The person wants to leave, with the reason; the service has not been told yet.
    pub cancel: Option<String>,
    /// The journal record that its present run begins with: 0, or that of its last checkpoint.
    pub begins: u64,
}

/// The state of an opening that is under way, as its machine encodes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningRow {
    /// The nonce of the HELLO, by which the opening is found.
    pub nonce: Digest,
    /// The deal's id, once an agreement has been drawn up.
    pub deal: Option<DealId>,
    /// Our side: `buyer` or `seller`.
    pub side: Side,
    /// Where the peer is reached.
    pub address: String,
    /// The state of the opening's machine, encoded; empty once the deal is there.
    pub state: Vec<u8>,
}

/// One record of a deal's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// The deal whose journal it is.
    pub deal: DealId,
    /// 0, 1, 2 …
    pub seq: u64,
    /// The public record, canonical.
    pub record: Vec<u8>,
    /// The request in canonical CBOR: a private part.
    pub request: Vec<u8>,
    /// The result; private behind a salted digest in the record.
    pub result: Vec<u8>,
}

/// A message sent or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// The deal that the message belongs to.
    pub deal: DealId,
    /// Whether we sent it.
    pub sent: bool,
    /// The number that the sender gave it.
    pub seq: u64,
    /// The digest of the signed payload.
    pub digest: Digest,
    /// The signed message, not sealed.
    pub bytes: Vec<u8>,
    /// The same as it travels (sealed); empty for a received one.
    pub wire: Vec<u8>,
}

/// A fair exchange of a deal, as its machine stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExchangeRow {
    /// The exchange's id: the digest of its agreement.
    pub id: ExchangeId,
    /// The deal that the exchange belongs to.
    pub deal: DealId,
    /// The machine, as its driver encodes it.
    #[serde(skip)]
    pub state: Vec<u8>,
    /// Whether something is still to be done for it.
    pub open: bool,
    /// How it has ended, in a word; it may still be owed a payment system's word then.
    pub ended: Option<String>,
    /// When it last changed.
    pub changed: Timestamp,
}

/// Something signed that is kept as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvidenceRow {
    /// The archive's number for it; 0 before it is stored.
    pub number: i64,
    /// The deal, if it belongs to one.
    pub deal: Option<DealId>,
    /// `agreement`, `offer`, `order`, `payment-confirmation`, `certificate` …
    pub kind: String,
    /// The signed structure's digest: storing it twice changes nothing.
    pub digest: Digest,
    /// The name of the signer.
    pub signer: String,
    /// One sentence for people.
    pub summary: String,
    /// The time at which it was stored here.
    pub stored: Timestamp,
    /// The signed structure, as it travelled.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// A business application that is paired, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationRow {
    /// The archive's number for it; 0 before it is stored.
    pub number: i64,
    /// Its name, as it gave it.
    pub name: String,
    /// The digest of its token.
    pub token: Digest,
    /// What it may do, in words.
    pub may: Vec<String>,
    /// The web page that it is; a program has none.
    pub origin: Option<String>,
    /// When the person agreed.
    pub paired: Timestamp,
}

/// A purchase that an application has begun, or a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalRow {
    /// The nonce of its opening, by which it is found.
    pub nonce: Digest,
    /// The application's number; none for a link.
    pub application: Option<i64>,
    /// By whom it was begun, as the person reads it.
    pub by: String,
    /// The merchant's address.
    pub address: String,
    /// When it was begun.
    pub begun: Timestamp,
    /// Answers beforehand, as whoever began it encodes them.
    pub answers: Vec<u8>,
    /// Why it came to nothing before a deal was open; empty otherwise.
    pub outcome: String,
}

/// A change to the archive. A list of them is carried out together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Stores an opening's state.
    Opening(OpeningRow),
    /// Stores how an opening has gone on; one that is forgotten stays forgotten.
    NextOpening(OpeningRow),
    /// Stores a new opening; one that is there stays as it is.
    NewOpening(OpeningRow),
    /// The deal of an opening is there: what the state held is the deal's now.
    Opened(Digest),
    /// An opening that came to nothing is forgotten, unless its deal is there.
    ForgetOpening(Digest),
    /// An opening is left, if it is still in this state.
    LeaveOpening(Digest, Vec<u8>),
    /// Stores a new deal; one that is there stays as it is.
    NewDeal(Box<DealRow>),
    /// Keeps a configuration under its digest.
    Basis {
        /// Its digest.
        digest: Digest,
        /// Its canonical encoding.
        bytes: Vec<u8>,
    },
    /// Running deals that name no configuration live by this one from now on.
    Adopt(Digest),
    /// Changes where a deal stands.
    Deal {
        /// The deal that changes.
        id: DealId,
        /// Where it stands now.
        state: DealState,
        /// The thing that it waits for, or the reason why it ended.
        note: String,
        /// The time of the change.
        at: Timestamp,
    },
    /// A running deal leaves memory to wait. It stays awake if the message that it waits for
    /// has come meanwhile, its exchange has ended, or the person wants to leave.
    Sleep {
        /// The deal that leaves memory.
        id: DealId,
        /// The thing that it waits for, in words.
        note: String,
        /// When it went to sleep.
        at: Timestamp,
        /// The number of the peer's message that wakes it.
        message: Option<u64>,
        /// Whether its service waits for that message.
        wants_message: bool,
        /// The date that wakes it.
        until: Option<Timestamp>,
        /// The question whose answer wakes it.
        question: Option<Digest>,
        /// The exchange whose end wakes it.
        exchange: Option<ExchangeId>,
    },
    /// The person wants to leave a deal, for this reason; no effect on one that has ended. A wish
    /// that the service has not been told yet stays as it is.
    Cancel(DealId, String),
    /// The service has been told that the person wants to leave; this is remembered.
    Told(DealId),
    /// The service knows that somebody has left at its question, and not why: the wish is still to be
    /// told.
    Heard(DealId),
    /// The deal's present run begins with this journal record.
    Begins(DealId, u64),
    /// Stores the channel's state, as its machine encodes it.
    Channel(DealId, Vec<u8>),
    /// Appends to a journal; a record that is there is an error.
    Journal(JournalRow),
    /// Stores a message; one that is there stays as it is.
    Message(MessageRow),
    /// Stores where an exchange stands. One that has ended wakes its deal.
    Exchange(Box<ExchangeRow>),
    /// Nothing is left to do for an exchange that is over.
    ExchangeClosed(ExchangeId),
    /// Stores evidence; what is there stays as it is.
    Evidence(EvidenceRow),
    /// Sets a preference: its name and its value.
    Preference(String, String),
    /// Remembers a number that only rises; a lower one is ignored.
    Highest(String, u64),
    /// Pairs a business application; one of its name that is paired is an error.
    Pair(Box<ApplicationRow>),
    /// The application with this number is not paired any more.
    Unpair(i64),
    /// Stores a purchase that an application or a link has begun; of one that is there, how it came
    /// to nothing.
    Propose(Box<ProposalRow>),
    /// The answer proposed for a topic of the deal with this nonce has gone to this question.
    Proposed(Digest, String, Digest),
}
