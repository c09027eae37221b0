//! A third party that lies. It has its own key: only what its verdicts rest on can give it away.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use semper_base::{Digest, SigningKey, Timestamp, cbor};
use semper_exchange::crypto::{Holder, Signed};
use semper_exchange::judge::judge;
use semper_exchange::message::Accept;
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_exchange::verdict::{
    Abort, Affidavit, Answer, Asked, Decided, Decision, Replacement, Request, Submitted, Verdict,
    Wish,
};
use semper_exchange::{Mode, Role};
use semper_exchange_tests::remote::Remote;
use semper_exchange_tests::town::Town;
use semper_exchange_tests::{Kind, Services as _};
use semper_testkit::proxy::Proxy;

use crate::peer::Peer;
use crate::tricks::{At, Trick};
use crate::{PRICE, TRADER, cents, ended};

/// A lie, told to a buyer who has promised and asks for completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// An abort that a stranger has asked for.
    AbortByStranger,
    /// An abort on the buyer's own request for completion.
    AbortByOwnRequest,
    /// An abort that the seller, its accomplice, has asked for; the seller is told that it is completed.
    TwoVerdicts,
    /// A completion that rests on no acceptance.
    NoAcceptance,
    /// A completion that rests on a stranger's acceptance.
    StrangersAcceptance,
    /// A completion without the affidavit.
    Bare,
    /// A completion whose affidavit is about something else.
    OtherStatement,
    /// “Too late”, before the close.
    TooLate,
    /// A verdict that another key has signed.
    OtherKey,
    /// A verdict about another exchange.
    OtherExchange,
    /// A note of receipt whose time is over, and nothing more.
    Nothing,
}

pub(crate) const ALL: [Lie; 11] = [
    Lie::AbortByStranger,
    Lie::AbortByOwnRequest,
    Lie::TwoVerdicts,
    Lie::NoAcceptance,
    Lie::StrangersAcceptance,
    Lie::Bare,
    Lie::OtherStatement,
    Lie::TooLate,
    Lie::OtherKey,
    Lie::OtherExchange,
    Lie::Nothing,
];

impl Lie {
    /// Whether the buyer can leave it aside: what it has asked for still comes. A verdict without
    /// what it has to bring is among them: whoever has it could have taken that off, so nobody is
    /// convicted by it, and the buyer asks again.
    pub(crate) const fn is_idle(self) -> bool {
        let withholds = matches!(self, Self::Bare | Self::OtherStatement);
        withholds || matches!(self, Self::OtherKey | Self::OtherExchange | Self::Nothing)
    }
}

/// The liar, and whom it has.
pub(crate) struct Liar {
    pub(crate) third: Keys<NoGoods>,
    pub(crate) seller: Keys<NoGoods>,
    pub(crate) genuine: Remote,
}

pub(crate) fn nobody() -> Keys<NoGoods> {
    Keys::new(SigningKey::generate(), NoGoods)
}

fn sign<B: semper_exchange::crypto::Body>(
    keys: &impl Holder<Standard>,
    subject: Digest,
    body: B,
) -> Signed<Standard, B> {
    Signed::new(keys, subject, body).unwrap()
}

impl Liar {
    pub(crate) fn answer(&self, lie: Lie, request: &Request<Standard>) -> Option<Answer<Standard>> {
        let subject = request.promise.subject();
        let decided = |decision| {
            let verdict = Verdict { decision, at: Timestamp::now() };
            let verdict = sign(&self.third, subject, verdict);
            Answer::Decided(Box::new(Decided {
                verdict,
                promise: None,
                accept: None,
                replacements: Vec::new(),
            }))
        };
        let abort = |keys: &Keys<NoGoods>| {
            let body = Abort { promise: request.promise.digest(), role: Role::Originator };
            let asked = Asked::Abort(Role::Originator, sign(keys, subject, body).detached());
            decided(Decision::Abort { asked, facts: Vec::new() })
        };
        let complete = |accept| {
            let promise = request.promise.detached();
            let from = Timestamp::now().after(Duration::from_secs(1));
            decided(Decision::Complete { promise, accept, facts: Vec::new(), from })
        };
        Some(match lie {
            Lie::AbortByStranger => abort(&nobody()),
            Lie::TwoVerdicts => abort(&self.seller),
            Lie::AbortByOwnRequest => {
                let Wish::Resolve(own) = &request.wish else { return None };
                let asked = Asked::Resolve(Role::Responder, own.detached());
                decided(Decision::Abort { asked, facts: Vec::new() })
            }
            Lie::NoAcceptance => complete(None),
            Lie::StrangersAcceptance => {
                let promise = request.promise.digest();
                let body: Accept<Standard> = Accept { promise, tokens: Vec::new() };
                let accept = sign(&nobody(), subject, body);
                complete(Some(accept.detached()))
            }
            Lie::TooLate => {
                let close_by = request.promise.body().agreement.close_by;
                decided(Decision::Expired { close_by })
            }
            Lie::Nothing => {
                let at = Timestamp::now();
                let body = Submitted { request: request.wish.digest(), at, decide_by: at };
                Answer::Submitted(sign(&self.third, subject, body))
            }
            _ => self.bent(lie, request)?,
        })
    }

    /// A genuine verdict with something about it changed.
    fn bent(&self, lie: Lie, request: &Request<Standard>) -> Option<Answer<Standard>> {
        let Answer::Decided(mut decided) = self.genuine.ask(request)? else { return None };
        let subject = request.promise.subject();
        let body = decided.verdict.body().clone();
        match lie {
            Lie::Bare => decided.replacements.clear(),
            Lie::OtherStatement => {
                for replacement in &mut decided.replacements {
                    let Replacement::Affidavit(genuine) = replacement else { continue };
                    let other = Digest::of(b"something else");
                    let body = Affidavit { statement: other, ..genuine.body().clone() };
                    *genuine = sign(&self.third, subject, body);
                }
            }
            Lie::OtherKey => decided.verdict = sign(&nobody(), subject, body),
            _ => decided.verdict = sign(&self.third, Digest::of(b"another exchange"), body),
        }
        Some(Answer::Decided(decided))
    }
}

/// The key of the third party of a marketplace in this folder.
pub(crate) fn third_party_key(folder: &Path) -> Keys<NoGoods> {
    let key = std::fs::read_to_string(folder.join("third/third-party.key")).unwrap();
    Keys::new(SigningKey::from_pem(&key).unwrap(), NoGoods)
}

/// Whether it is convicted; an error if anybody else is blamed, or harmed without a culprit.
fn told(town: &mut Town, proxy: &Proxy, lie: Lie) -> Result<bool, String> {
    let before = town.balance(Role::Responder);
    let setup = town.setup(&[Kind::Statement], &[Kind::Money(PRICE, vec![Mode::Hold])]);
    let liar = Liar {
        third: third_party_key(town.folder.path()),
        seller: Keys::new(SigningKey::from_seed(&setup.originator.seed), NoGoods),
        genuine: town.remote("anna", 0),
    };
    let lies = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lies);
    proxy.forge(Box::new(move |at, body| {
        // What is not believed is asked for again; the truth comes then.
        let is_lie = at == "anna-third:exchange" && count.fetch_add(1, Ordering::SeqCst) < 2;
        let request: Request<Standard> = cbor::decode(body, 1 << 20).ok().filter(|_| is_lie)?;
        liar.answer(lie, &request).map(|it| cbor::encode(&it))
    }));
    let mut places = town.places("anna", 0);
    places.third = format!("https://localhost:{}", proxy.port("anna-third"));
    let outbox = setup.box_of("to", Role::Originator);
    let running = town.run_to(&setup, Role::Responder, &places, &outbox, &[]);
    let mut peer = Peer::new(town, &setup, Role::Originator, Some(Trick::Silent(At::Delivery)));
    // The seller asks only when the buyer has been lied to.
    peer.patience = Duration::from_secs(4);
    peer.start();
    let ended = ended(&setup, running, &mut peer)?;
    if lies.load(Ordering::SeqCst) == 0 {
        return Err("nobody was lied to".into());
    }
    let mut evidence = ended.evidence.clone();
    if lie == Lie::TwoVerdicts {
        // What the seller is told.
        let said = evidence.requests.first().and_then(|it| town.remote("otto", 0).ask(it));
        evidence.answers.extend(said);
    }
    let finding = judge(&evidence, Timestamp::now());
    if finding.blame.iter().any(|it| it.culprit().is_some()) {
        return Err(format!("somebody honest is blamed: {finding:?}"));
    }
    let convicted = !finding.blame.is_empty();
    let whole = ended.is_good()
        || (ended.end == "Aborted" && cents(&town.balance(Role::Responder)) == cents(&before));
    if convicted || (lie.is_idle() && whole) {
        return Ok(convicted);
    }
    Err(format!("it convicts nobody, and the buyer ends {}: {finding:?}", ended.end))
}

#[test]
fn a_third_party_that_lies_is_not_believed_or_convicted_by_its_own_signature() {
    let mut town = Town::new(TRADER, None);
    town.trusted.certified_server("proxy-tls").unwrap();
    let third = town.trusted.ports[2];
    let proxy = Proxy::new(town.folder.path(), "proxy-tls", &[("anna-third", third)]).unwrap();
    let mut wrong = Vec::new();
    for lie in ALL {
        match told(&mut town, &proxy, lie) {
            Ok(convicted) => {
                println!("{lie:?}: {}", if convicted { "convicted" } else { "not believed" })
            }
            Err(why) => wrong.push(format!("{lie:?}: {why}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
