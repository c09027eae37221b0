//! What cheats do to their messages, and what they ask of bank and third party.

use semper_base::{Digest, SigningKey};
use semper_exchange::Message;
use semper_exchange::crypto::{Holder, Signed};
use semper_exchange::message::{Accept, Deliver, Delivery, Promise, Settle, Token};
use semper_exchange::standard::{Keys, NoGoods, Signature, Standard};

/// One of the two messages that a side sends: X1 and X3, or X2 and X4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Promise,
    Delivery,
}

/// A cheat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trick {
    /// It never sends this message.
    Silent(At),
    /// A key that nobody has agreed on signs it.
    Stranger(At),
    /// It is one of another exchange.
    Elsewhere(At),
    /// It carries nothing.
    Empty(At),
    /// It answers a message that was never sent.
    Unasked(At),
    /// It carries something else than it should.
    Wrong(At),
    /// It comes in two forms, both signed.
    Twice(At),
    /// The other side's own message comes back.
    Mirror(At),
    /// It has it given up first, and goes on as if nothing were.
    AbortFirst,
    /// It has it given up once it has delivered.
    AbortLast,
    /// It asks for an abort in the other side's name.
    AbortTheirs,
    /// It asks for completion with an acceptance that it has signed itself.
    ResolveForged,
    /// It shows the bank a verdict that it has signed itself.
    OwnVerdict,
}

impl Trick {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let each = [At::Promise, At::Delivery].into_iter().flat_map(|at| {
            [
                Self::Silent(at),
                Self::Stranger(at),
                Self::Elsewhere(at),
                Self::Empty(at),
                Self::Unasked(at),
                Self::Wrong(at),
                Self::Twice(at),
                Self::Mirror(at),
            ]
        });
        let others = [
            Self::AbortFirst,
            Self::AbortLast,
            Self::AbortTheirs,
            Self::ResolveForged,
            Self::OwnVerdict,
        ];
        each.chain(others).collect()
    }

    /// Which of its messages it spoils.
    const fn spoils(self) -> Option<At> {
        match self {
            Self::Silent(at)
            | Self::Stranger(at)
            | Self::Elsewhere(at)
            | Self::Empty(at)
            | Self::Unasked(at)
            | Self::Wrong(at)
            | Self::Twice(at)
            | Self::Mirror(at) => Some(at),
            _ => None,
        }
    }

    /// What is sent in a message's place. `heard` is what the other side has sent.
    pub(crate) fn spoil(
        self,
        message: Message<Standard>,
        keys: &impl Holder<Standard>,
        heard: &[Message<Standard>],
    ) -> Vec<Message<Standard>> {
        let at = match message {
            Message::Promise(_) | Message::Accept(_) => At::Promise,
            Message::Deliver(_) | Message::Settle(_) => At::Delivery,
        };
        if self.spoils() != Some(at) {
            return vec![message];
        }
        let subject = message.subject();
        let stranger = Keys::new(SigningKey::generate(), NoGoods);
        match self {
            Self::Silent(_) => Vec::new(),
            Self::Mirror(_) => heard.to_vec(),
            Self::Stranger(_) => vec![signed(&message, &stranger, subject)],
            Self::Elsewhere(_) => vec![signed(&message, keys, Digest::of(b"another exchange"))],
            Self::Twice(_) => {
                let other = signed(&emptied(&message), keys, subject);
                vec![other, message]
            }
            Self::Empty(_) => vec![signed(&emptied(&message), keys, subject)],
            Self::Unasked(_) => vec![signed(&unasked(&message), keys, subject)],
            _ => vec![signed(&wrong(&message), keys, subject)],
        }
    }
}

/// The same body, signed by these keys for this exchange.
fn signed(
    message: &Message<Standard>,
    keys: &impl Holder<Standard>,
    subject: Digest,
) -> Message<Standard> {
    match message.clone() {
        Message::Promise(it) => {
            Message::Promise(Signed::new(keys, subject, it.body().clone()).unwrap())
        }
        Message::Accept(it) => {
            Message::Accept(Signed::new(keys, subject, it.body().clone()).unwrap())
        }
        Message::Deliver(it) => {
            Message::Deliver(Signed::new(keys, subject, it.body().clone()).unwrap())
        }
        Message::Settle(it) => {
            Message::Settle(Signed::new(keys, subject, it.body().clone()).unwrap())
        }
    }
}

/// Another body in a message whose signature no longer matters.
fn with(
    message: &Message<Standard>,
    tokens: impl Fn(&[Token<Standard>]) -> Vec<Token<Standard>>,
    items: impl Fn(&[Delivery<Standard>]) -> Vec<Delivery<Standard>>,
    before: impl Fn(Digest) -> Digest,
) -> Message<Standard> {
    let keys = Keys::new(SigningKey::generate(), NoGoods);
    let subject = message.subject();
    match message {
        Message::Promise(it) => {
            let body = it.body().clone();
            let tokens = tokens(&body.tokens);
            Message::Promise(Signed::new(&keys, subject, Promise { tokens, ..body }).unwrap())
        }
        Message::Accept(it) => {
            let body = it.body();
            let body = Accept { promise: before(body.promise), tokens: tokens(&body.tokens) };
            Message::Accept(Signed::new(&keys, subject, body).unwrap())
        }
        Message::Deliver(it) => {
            let body = it.body();
            let body = Deliver { accept: before(body.accept), items: items(&body.items) };
            Message::Deliver(Signed::new(&keys, subject, body).unwrap())
        }
        Message::Settle(it) => {
            let body = it.body();
            let body = Settle { deliver: before(body.deliver), items: items(&body.items) };
            Message::Settle(Signed::new(&keys, subject, body).unwrap())
        }
    }
}

fn emptied(message: &Message<Standard>) -> Message<Standard> {
    with(message, |_| Vec::new(), |_| Vec::new(), |it| it)
}

fn unasked(message: &Message<Standard>) -> Message<Standard> {
    let never = |_| Digest::of(b"never sent");
    with(message, <[_]>::to_vec, <[_]>::to_vec, never)
}

fn wrong(message: &Message<Standard>) -> Message<Standard> {
    let signature = || Delivery::Signature(Signature::from_bytes([7; 64]));
    with(
        message,
        // One token too many is wrong where nothing is right.
        |tokens| [tokens, &[Token::Nothing]].concat(),
        |items| items.iter().map(|_| signature()).collect(),
        |it| it,
    )
}
