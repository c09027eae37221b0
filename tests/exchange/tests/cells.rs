//! Every cell of the table of what can be exchanged for what: on the optimistic path, and with
//! either side silent for ever before each thing that it does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use semper_base::Timestamp;
use semper_exchange::judge::{Ruling, judge};
use semper_exchange::negotiation::Refusal;
use semper_exchange::{Agreed, End, Fairness, Item, Mode, Protocol, Role, standard::Standard};
use semper_exchange_tests::services::FUNDS;
use semper_exchange_tests::{Kind, Local, Run, Silence, Trader, agree};

/// What the originator gives, what the responder gives, and the protocol that follows.
struct Cell {
    name: &'static str,
    gives: Vec<Kind>,
    wants: Vec<Kind>,
    protocol: Protocol,
}

const PRICE: i64 = 2_500;

fn money(modes: &[Mode]) -> Kind {
    Kind::Money(PRICE, modes.to_vec())
}

fn document() -> Vec<u8> {
    (0..40_000_u32).flat_map(u32::to_be_bytes).collect()
}

fn cells() -> Vec<Cell> {
    let cell = |name, gives, wants, protocol| Cell { name, gives, wants, protocol };
    let (doc, hold) = (document, || money(&[Mode::Hold, Mode::Fenced]));
    vec![
        cell("contract", vec![Kind::Statement], vec![Kind::Statement], Protocol::Gg),
        cell("receipt for money", vec![Kind::Statement], vec![hold()], Protocol::Gg),
        cell("certified mail", vec![Kind::Information(doc())], vec![Kind::Statement], Protocol::Gg),
        cell("purchase", vec![Kind::Information(doc())], vec![hold()], Protocol::Gg),
        cell("money for money", vec![hold()], vec![hold()], Protocol::Gg),
        cell(
            "barter, one side certified",
            vec![Kind::Information(doc())],
            vec![Kind::Certified(b"short".to_vec())],
            Protocol::Gg,
        ),
        cell(
            "packages",
            vec![Kind::Statement, Kind::Information(doc())],
            vec![hold(), Kind::Statement],
            Protocol::Gg,
        ),
        cell(
            "receipt for money that cannot be locked",
            vec![Kind::Statement],
            vec![money(&[Mode::Fenced])],
            Protocol::Ge,
        ),
        cell(
            "certified purchase, money that cannot be locked",
            vec![Kind::Certified(doc())],
            vec![money(&[Mode::Fenced])],
            Protocol::Ge,
        ),
        cell(
            "purchase, money that can be taken back",
            vec![Kind::Information(doc())],
            vec![money(&[Mode::Reversible])],
            Protocol::Ger,
        ),
        cell(
            "money for money, both reversible",
            vec![money(&[Mode::Reversible])],
            vec![money(&[Mode::Reversible])],
            Protocol::Rr,
        ),
        cell(
            "purchase without a third party",
            vec![Kind::Information(doc())],
            vec![money(&[Mode::HashLock])],
            Protocol::Hl,
        ),
        cell(
            "barter",
            vec![Kind::Information(doc())],
            vec![Kind::Information(doc())],
            Protocol::Inline,
        ),
        cell("autograph for money", vec![Kind::Autograph], vec![hold()], Protocol::Inline),
    ]
}

/// Two traders, and what they agree on.
fn meet(local: &Local, cell: &Cell) -> (Trader, Trader, Agreed<Standard>) {
    let (anna, otto) = (local.account("Anna"), local.account("Otto"));
    let bank = local.bank.public();
    let seal = local.third.seal_public();
    let certify =
        |prepared: &_| semper_exchange_tests::trader::certify(&local.third, &seal, prepared);
    let originator = Trader::new(&otto, &anna, bank, &cell.gives, &certify);
    let responder = Trader::new(&anna, &otto, bank, &cell.wants, &certify);
    let agreed = agree(&originator, &responder, &local.named(), |_| {}).unwrap();
    assert_eq!(agreed.protocol, cell.protocol, "{}", cell.name);
    assert_eq!(agreed.fairness, Fairness::Strong, "{}", cell.name);
    (originator, responder, agreed)
}

/// Whether everything that a side was promised is with it: information opened, money booked.
fn has_goods(local: &Local, agreed: &Agreed<Standard>, to: &Trader, from: Role) -> bool {
    agreed.gives(from).iter().all(|leaf| match &leaf.item {
        Item::Information(info) => to.keys.goods().opened(info).is_some(),
        Item::Money(_) => local.balance(&to.account) >= FUNDS,
        Item::Statement { .. } => true,
    })
}

fn is_paid(agreed: &Agreed<Standard>, role: Role) -> bool {
    agreed.money(role.other()).is_some()
}

#[test]
fn two_honest_sides_need_four_messages_and_no_third_party() {
    for cell in cells() {
        let local = Local::new();
        let (originator, responder, agreed) = meet(&local, &cell);
        let mut run = Run::new(&local, &agreed, &originator, &responder);

        run.happens(Role::Originator, semper_exchange::Event::Start);
        run.deliver();
        if cell.protocol == Protocol::Inline {
            run.to_the_end();
        }

        let expected = match cell.protocol {
            Protocol::Inline => End::Completed,
            _ => End::Done,
        };
        assert_eq!(run.ends(), (Some(expected), Some(expected)), "{}", cell.name);
        let least = if cell.protocol == Protocol::Inline { 2 } else { 4 };
        assert_eq!(run.messages, least, "{}", cell.name);
        assert_eq!(run.asked, cell.protocol == Protocol::Inline, "{}", cell.name);
        for (role, trader) in [(Role::Originator, &originator), (Role::Responder, &responder)] {
            let whole = has_goods(&local, &agreed, trader, role.other());
            assert!(whole, "{}: the {} has everything", cell.name, role.name());
            let change = local.balance(&trader.account) - FUNDS;
            let want = PRICE
                * (i64::from(is_paid(&agreed, role)) - i64::from(agreed.money(role).is_some()));
            let settled = cell.protocol != Protocol::Ger;
            assert!(!settled || change == want, "{}: {change} instead of {want}", cell.name);
        }
        local.ledger.audit(local.now()).unwrap();
        if settled_by_evidence(cell.protocol) {
            let finding = judge(&run.evidence(), Timestamp::now());
            assert_eq!(finding.ruling, Ruling::Completed, "{}: {finding:?}", cell.name);
            assert!(finding.blame.is_empty(), "{}: {finding:?}", cell.name);
        }
    }
}

/// Money that is provisional until a date is not proven paid by what the parties have.
fn settled_by_evidence(protocol: Protocol) -> bool {
    !matches!(protocol, Protocol::Ger | Protocol::Hl)
}

#[test]
fn whoever_falls_silent_when_ever_the_other_side_ends_fairly() {
    let mut runs = 0;
    for cell in cells() {
        for role in [Role::Originator, Role::Responder] {
            for before in 0..6 {
                let local = Local::new();
                let (originator, responder, agreed) = meet(&local, &cell);
                let mut run = Run::new(&local, &agreed, &originator, &responder);
                run.silence = Some(Silence { role, before });
                run.to_the_end();
                // Whoever waits for a hash lock waits for its date.
                local.wait(30 * 24 * 3600 * 1000);
                local.ledger.lapse(local.now()).unwrap();
                run.to_the_end();
                check(&local, &agreed, &run, role, &cell, before);
                runs += 1;
            }
        }
    }
    assert!(runs > 100, "{runs}");
}

fn check(
    local: &Local,
    agreed: &Agreed<Standard>,
    run: &Run<'_, Local>,
    silent: Role,
    cell: &Cell,
    before: usize,
) {
    let honest = silent.other();
    let said = format!("{}, the {} silent before {before}", cell.name, silent.name());
    let begun = match honest {
        Role::Originator => true,
        Role::Responder => run.responder.kept.promise.is_some(),
    };
    if !begun {
        return;
    }
    let end = run.end(honest).unwrap_or_else(|| panic!("{said}: no end"));
    let trader = run.traders[usize::from(honest == Role::Responder)];
    match end {
        End::Done | End::Completed => {
            assert!(has_goods(local, agreed, trader, silent), "{said}: not everything is here");
        }
        End::Aborted | End::Expired => {
            // Own money is back, and nothing of ours is with the other side.
            assert!(local.balance(&trader.account) >= FUNDS, "{said}: money is missing");
            let peer = run.traders[usize::from(silent == Role::Responder)];
            let taken = agreed.gives(honest).iter().any(|leaf| match &leaf.item {
                Item::Information(info) => peer.keys.goods().opened(info).is_some(),
                _ => false,
            });
            assert!(!taken, "{said}: the other side has our information");
        }
        other => panic!("{said}: {other:?}"),
    }
    local.ledger.audit(local.now()).unwrap();
}

#[test]
fn what_nobody_can_promise_is_refused_and_nothing_is_offered_less_than_it_is() {
    let local = Local::new();
    let bearer = Cell {
        name: "plain money",
        gives: vec![Kind::Statement],
        wants: vec![money(&[Mode::Plain])],
        protocol: Protocol::Gg,
    };
    let (anna, otto) = (local.account("Anna"), local.account("Otto"));
    let bank = local.bank.public();
    let none = |_: &semper_exchange_tests::goods::Prepared| unreachable!("nothing is certified");
    let originator = Trader::new(&otto, &anna, bank, &bearer.gives, &none);
    let responder = Trader::new(&anna, &otto, bank, &bearer.wants, &none);
    let refused = agree(&originator, &responder, &local.named(), |_| {}).unwrap_err();
    assert_eq!(refused, Refusal::NoProtocol);

    // Weak fairness only for those who accept it.
    let barter = vec![Kind::Information(document())];
    let originator = Trader::new(&otto, &anna, bank, &barter, &none);
    let responder = Trader::new(&anna, &otto, bank, &barter, &none);
    let weak = agree(&originator, &responder, &local.named(), |wishes| {
        wishes.protocols.retain(|it| *it != Protocol::Inline);
    });
    let weak = weak.unwrap();
    assert_eq!((weak.protocol, weak.fairness), (Protocol::Wg, Fairness::Weak));
    let strong = agree(&originator, &responder, &local.named(), |wishes| {
        wishes.protocols.retain(|it| *it != Protocol::Inline);
        wishes.fairness = Fairness::Strong;
    });
    assert!(strong.is_err());
}
