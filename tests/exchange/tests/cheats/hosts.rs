//! A third party lies to a buyer whose host is the shipped one: what the person at the screen hears.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use semper_base::cbor;
use semper_exchange::standard::Standard;
use semper_exchange::verdict::Request;
use semper_exchange_tests::bazaar;
use semper_exchange_tests::remote::{self, Remote};
use semper_testkit::proxy::Proxy;
use semper_testkit::{Market, Part};

use crate::lies::{ALL, Liar, Lie, nobody, third_party_key};

/// Has the next two answers to the buyer's requests be this lie; how many were told.
fn lie_to_the_buyer(market: &Market, proxy: &Proxy, lie: Lie) -> Arc<AtomicUsize> {
    let (bank, third) = (market.bank_url(), format!("https://localhost:{}", market.third_port));
    let liar = Liar {
        third: third_party_key(&market.folder),
        seller: nobody(),
        genuine: Remote::new(remote::places(&market.folder, "author", bank, third)),
    };
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    proxy.forge(Box::new(move |at, body| {
        let is_lie = at == "anna-third:exchange" && count.fetch_add(1, Ordering::SeqCst) < 2;
        let request: Request<Standard> = cbor::decode(body, 1 << 20).ok().filter(|_| is_lie)?;
        liar.answer(lie, &request).map(|it| cbor::encode(&it))
    }));
    told
}

/// What the person at the screen was told, once it is over or a receipt is here.
fn told(market: &mut Market, proxy: &Proxy, lie: Lie) -> String {
    let _ = std::fs::remove_file(market.folder.join("buyer.log"));
    // The merchant vanishes once it has signed its delivery.
    market.restart(Part::Merchant, &[("SEMPER_CRASH", "exchange.after:2")]).unwrap();
    let lies = lie_to_the_buyer(market, proxy, lie);
    let mut buying = market.start_buying().unwrap();
    let until = Instant::now() + Duration::from_secs(40);
    while !buying.has_ended() && Instant::now() < until {
        let text = buying.log_text();
        let ends = ["the third party has completed the exchange", "what you can do: "];
        if ends.iter().any(|it| text.contains(it)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let text = buying.log_text();
    assert!(lies.load(Ordering::SeqCst) > 0, "{lie:?}: nobody was lied to\n{text}");
    text
}

/// The merchant is back, and its exchange ends by the truth; the next one finds it idle.
fn merchant_ends(market: &mut Market) {
    market.restart(Part::Merchant, &[]).unwrap();
    let archive = rusqlite::Connection::open(market.folder.join("otto/archive.sqlite")).unwrap();
    archive.busy_timeout(Duration::from_secs(20)).unwrap();
    let until = Instant::now() + Duration::from_secs(40);
    let open = || {
        let count = "SELECT count(*) FROM exchanges WHERE open";
        archive.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    while open() > 0 {
        assert!(Instant::now() < until, "the merchant's exchange stays open");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_buyer_hears_in_plain_words_that_the_third_party_has_broken_its_word() {
    let folder = tempfile::tempdir().unwrap();
    let (mut market, proxy) = bazaar::build(folder.path());
    let mut wrong = Vec::new();
    for lie in ALL.into_iter().filter(|it| *it != Lie::TwoVerdicts && !it.is_idle()) {
        let text = told(&mut market, &proxy, lie);
        merchant_ends(&mut market);
        let said = ["the third party has broken its word", "arbiter"];
        if !said.iter().all(|it| text.contains(it)) {
            wrong.push(format!("{lie:?}:\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
