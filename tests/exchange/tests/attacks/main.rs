//! The attacks of `docs/exchange.md`, “Known attacks”, one by one, with real signatures. The model
//! explores them exhaustively with symbols; here each is tried as an attacker would try it.
//!
//! | file | what is attacked |
//! |---|---|
//! | `parties` | the other side's machine: messages that lie, come late, or belong elsewhere |
//! | `third` | the third party, by the sides; and the sides, by the third party |
//! | `money` | locks and payments |
//! | `goods` | information |
//! | `forms` | encodings, keys, negotiation |

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod forms;
mod goods;
mod money;
mod parties;
mod third;

use semper_base::Digest;
use semper_exchange::crypto::{Body, Signed};
use semper_exchange::message::{Accept, Deliver, Promise};
use semper_exchange::standard::{Keys, Standard};
use semper_exchange::third::Case;
use semper_exchange::verdict::{
    Abort, Answer, Decided, Decision, Rejection, Request, Resolve, Wish,
};
use semper_exchange::{Agreed, Mode, Role};
use semper_exchange_tests::goods::{Goods, Prepared};
use semper_exchange_tests::{Kind, Local, Run, Services as _, Trader, agree};

pub(crate) const PRICE: i64 = 2_500;

/// Two traders who have agreed.
pub(crate) struct Scene {
    pub(crate) local: Local,
    pub(crate) originator: Trader,
    pub(crate) responder: Trader,
    pub(crate) agreed: Agreed<Standard>,
}

pub(crate) fn hold() -> Kind {
    Kind::Money(PRICE, vec![Mode::Hold])
}

impl Scene {
    pub(crate) fn new(gives: &[Kind], wants: &[Kind]) -> Self {
        Self::in_place(Local::new(), gives, wants, 0)
    }

    pub(crate) fn in_place(local: Local, gives: &[Kind], wants: &[Kind], dispute_ms: u64) -> Self {
        let (anna, otto) = (local.account("Anna"), local.account("Otto"));
        let bank = local.bank.public();
        let seal = local.third.seal_public();
        let certify = |prepared: &Prepared| {
            semper_exchange_tests::trader::certify(&local.third, &seal, prepared)
        };
        let originator = Trader::new(&otto, &anna, bank, gives, &certify);
        let responder = Trader::new(&anna, &otto, bank, wants, &certify);
        let named = local.named();
        let agreed =
            agree(&originator, &responder, &named, |wishes| wishes.dispute_ms = dispute_ms);
        Self { agreed: agreed.unwrap(), originator, responder, local }
    }

    /// A receipt for money.
    pub(crate) fn receipt() -> Self {
        Self::new(&[Kind::Statement], &[hold()])
    }

    pub(crate) fn run(&self) -> Run<'_, Local> {
        Run::new(&self.local, &self.agreed, &self.originator, &self.responder)
    }

    pub(crate) fn subject(&self) -> Digest {
        self.agreed.subject()
    }

    pub(crate) fn keys(&self, role: Role) -> &Keys<Goods> {
        match role {
            Role::Originator => &self.originator.keys,
            Role::Responder => &self.responder.keys,
        }
    }

    /// Something that a side signs, as it should or should not.
    pub(crate) fn sign<B: Body>(&self, role: Role, body: B) -> Signed<Standard, B> {
        Signed::new(self.keys(role), self.subject(), body).unwrap()
    }

    /// A request of a side.
    pub(crate) fn request(
        &self,
        role: Role,
        abort: bool,
        promise: &Signed<Standard, Promise<Standard>>,
        accept: Option<&Signed<Standard, Accept<Standard>>>,
    ) -> Request<Standard> {
        let wish = match abort {
            true => {
                let body = Abort { promise: promise.digest(), role };
                Wish::Abort(self.sign(role, body))
            }
            false => {
                let accept = accept.map(Signed::digest);
                let body = Resolve { promise: promise.digest(), accept, role };
                Wish::Resolve(self.sign(role, body))
            }
        };
        Request { wish, promise: promise.clone(), accept: accept.cloned() }
    }
}

/// Runs until the responder has accepted: X1 and X2 are out, X2 is not delivered.
pub(crate) fn accepted(
    run: &mut Run<'_, Local>,
) -> (Signed<Standard, Promise<Standard>>, Signed<Standard, Accept<Standard>>) {
    run.happens(Role::Originator, semper_exchange::Event::Start);
    let (_, message) = run.post.pop_front().unwrap();
    run.happens(Role::Responder, semper_exchange::Event::Message(message));
    let promise = run.originator.kept.promise.clone().unwrap();
    (promise, run.responder.kept.accept.clone().unwrap())
}

/// Runs until the originator has delivered: X3 is out, and not delivered.
pub(crate) fn delivered(run: &mut Run<'_, Local>) -> Signed<Standard, Deliver<Standard>> {
    accepted(run);
    let (_, message) = run.post.pop_front().unwrap();
    run.happens(Role::Originator, semper_exchange::Event::Message(message));
    run.originator.kept.deliver.clone().unwrap()
}

pub(crate) fn verdict(answer: &Answer<Standard>) -> &Decided<Standard> {
    match answer {
        Answer::Decided(decided) => decided,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn decision(answer: &Answer<Standard>) -> &Decision<Standard> {
    &verdict(answer).verdict.body().decision
}

pub(crate) fn rejection(local: &Local, request: &Request<Standard>) -> Rejection {
    match local.ask(request).unwrap() {
        Answer::Rejected(signed) => signed.body().why,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn is_decided(local: &Local, exchange: &Digest) -> bool {
    matches!(local.cases.lock().unwrap().get(exchange), Some(Case::Decided(_)))
}
