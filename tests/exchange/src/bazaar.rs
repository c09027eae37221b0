//! A marketplace of the shipped processes, with a proxy on every way between them.

use std::path::{Path, PathBuf};

use semper_testkit::proxy::Proxy;
use semper_testkit::{BankAt, Binaries, Market, MarketOptions, Part};

/// The homes: the buyer's, the merchant's.
pub const HOMES: [&str; 2] = ["anna", "otto"];
const TLS: &str = "proxy-tls";

/// Builds one in an empty folder. The ways are `shop`, `anna-bank`, `otto-bank`, `third-bank`,
/// `anna-third` and `otto-third`; whoever takes none of the first leaves the merchant's way as it is.
pub fn build(folder: &Path) -> (Market, Proxy) {
    let binaries = Binaries::beside().unwrap();
    let options = MarketOptions { articles: 2_000, ..MarketOptions::default() };
    let mut market = Market::build(folder, &binaries, &options, &|_| {}).unwrap();
    market.certified_server(TLS).unwrap();
    let ([_, bank, merchant], third) = (market.ports, market.third_port);
    let ways = [
        ("shop", merchant),
        ("anna-bank", bank),
        ("otto-bank", bank),
        ("third-bank", bank),
        ("anna-third", third),
        ("otto-third", third),
    ];
    let proxy = Proxy::new(folder, TLS, &ways).unwrap();
    let change = |file: PathBuf, from: &str, to: &str| {
        let text = std::fs::read_to_string(&file).unwrap();
        let changed = text.replace(from, to);
        assert_ne!(text, changed, "{}", file.display());
        std::fs::write(&file, changed).unwrap();
    };
    for home in HOMES {
        let port = proxy.port(&format!("{home}-bank"));
        let at = BankAt { home: "bank", name: "Test Bank", port };
        let account = market.change_bank(home, at).unwrap();
        let to = ["--account", account.as_str(), "--amount", "90000.00 EUR"];
        let fund = [["bank", "fund", "--home", "bank"].as_slice(), &to].concat();
        assert_eq!(market.semper(&fund).unwrap().code, 0);
        let trust = market.folder.join(home).join("trust.toml");
        let (from, port) = (format!("localhost:{third}"), proxy.port(&format!("{home}-third")));
        change(trust.clone(), &from, &format!("localhost:{port}"));
        change(trust, "patience_ms = 4000", "patience_ms = 1000");
    }
    let asks = format!("localhost:{}", proxy.port("third-bank"));
    change(market.folder.join("third.toml"), &format!("localhost:{bank}"), &asks);
    for part in [Part::ThirdParty, Part::MerchantTinguin, Part::BuyerTinguin, Part::Merchant] {
        market.restart(part, &[]).unwrap();
    }
    (market, proxy)
}
