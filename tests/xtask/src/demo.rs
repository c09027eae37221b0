//! The demo: a marketplace from nothing, and one purchase, shown as a person would follow it.

use std::path::Path;
use std::process::{Command, Stdio};

use semper_testkit::certification::{Surroundings, revoke};
use semper_testkit::{Market, MarketOptions, Output};
use serde_json::Value;

use crate::build;

pub fn run(options: &[&str]) -> Result<(), String> {
    if let Some(unknown) = options.iter().find(|it| !["--keep", "--interactive"].contains(it)) {
        return Err(format!("“{unknown}” is not an option: --keep, --interactive"));
    }
    let keep = options.contains(&"--keep");
    let interactive = options.contains(&"--interactive");

    heading("Building guests and host");
    let binaries = build::all()?;

    heading("A marketplace on loopback");
    let temporary = tempfile::Builder::new().prefix("semper-demo-").tempdir();
    let temporary = temporary.map_err(|error| format!("no temporary folder: {error}"))?;
    let folder = temporary.path().to_owned();
    println!("  in {}", folder.display());
    let market_options = MarketOptions { scripted_buyer: !interactive, ..MarketOptions::default() };
    let tell = |step: &str| println!("  {step}");
    let mut market = Market::build(&folder, &binaries, &market_options, &tell)?;
    market.resident = true;
    let around = Surroundings::build(&mut market, &tell)?;
    println!(
        "  authority {}, bank {}, merchant {}, log {}",
        market.ports[0],
        market.bank_url(),
        market.merchant_url(),
        around.log_url()
    );

    let checked = story(&market, &around, interactive);
    if !keep {
        // Ends by itself when its home is gone; sooner it is quieter.
        market.semper(&["run", "--home", "anna", "--end"])?;
    }
    if keep {
        std::mem::forget(temporary);
        keep_running(&market, &folder);
        market.detach();
        around.detach();
    }
    checked?;
    heading("The deal is completed, both archives verify, and who took a word back is heard");
    Ok(())
}

/// Three organisations are wanted and refused; two are enough; one takes its word back.
fn story(market: &Market, around: &Surroundings, interactive: bool) -> Result<(), String> {
    heading("Two of three organisations have certified; Anna wants all three");
    around.believe(market, "anna", 3)?;
    let refused = market.semper(&["buy", "--home", "anna", &market.merchant_url()])?;
    print_output(&refused.err);
    expect(&refused, 1)?;
    heading("Why: semper trust explain --home anna MERCHANT");
    let explained =
        market.semper(&["trust", "explain", "--home", "anna", &market.merchant_url()])?;
    print_output(&explained.out);

    heading("Anna is content with two of three");
    around.believe(market, "anna", 2)?;
    if interactive {
        buy_by_hand(market)?
    } else {
        buy(market)?
    }
    aftermath(market)?;

    heading("Konsument takes its certificate back: semper-sign revoke");
    let digests = market.sign(&["digest", "--bundle", "bundle", "--json"])?.json();
    let service = digests["service"].as_str().ok_or("the bundle has no digest")?.to_owned();
    print_output(&revoke(market, "konsument", &[&service])?.out);
    heading("The next deal is refused");
    let refused = market.semper(&["buy", "--home", "anna", &market.merchant_url()])?;
    print_output(&refused.err);
    expect(&refused, 1)
}

fn expect(output: &Output, code: i32) -> Result<(), String> {
    if output.code == code {
        return Ok(());
    }
    Err(format!("it ended with {}, not {code}:\n{}{}", output.code, output.out, output.err))
}

/// The purchase, with the scripted TINGUINs.
fn buy(market: &Market) -> Result<(), String> {
    heading("Anna buys: semper buy --home anna MERCHANT");
    let output = market.semper(&["buy", "--home", "anna", &market.merchant_url()])?;
    for line in output.err.lines().chain(output.out.lines()) {
        println!("  {line}");
    }
    heading("What Anna's TINGUIN showed, and what was answered for her");
    transcript(&market.folder.join("anna-transcript.jsonl"))?;
    heading("What the merchant's TINGUIN signed by its standing consents");
    transcript(&market.folder.join("otto-transcript.jsonl"))?;
    match output.code {
        0 => Ok(()),
        code => Err(format!("semper buy ended with {code}")),
    }
}

/// The purchase, with the person at the terminal answering: the TINGUIN takes the terminal
/// over, and `semper buy` runs behind it.
fn buy_by_hand(market: &Market) -> Result<(), String> {
    heading("You are Anna. Your TINGUIN opens; answer it");
    let mut buying = market.start_buying_when_ready()?;
    let mut tinguin = Command::new(&market.binaries.semper)
        .args(["tinguin", "--home", "anna", "--pass-phrase-file", "pass-phrase"])
        .current_dir(&market.folder)
        .stdin(Stdio::inherit())
        .spawn()
        .map_err(|error| format!("the TINGUIN: {error}"))?;
    let code = buying.join();
    // The purchase is over; the TINGUIN has nothing more to ask.
    let _ = tinguin.kill();
    let _ = tinguin.wait();
    let _ = Command::new("stty").arg("sane").status();
    print!("\x1b[?1049l");
    println!("{}", buying.text());
    match code {
        0 => Ok(()),
        code => Err(format!("semper buy ended with {code}")),
    }
}

/// What a judge finds of the exchange of payment and receipt.
fn judge(market: &Market, deal: &str) -> Result<(), String> {
    let show = ["archive", "show", "--home", "anna", deal, "--json"];
    let shown = market.semper(&show)?.json();
    let all = shown["evidence"].as_array().cloned().unwrap_or_default();
    let exchange = all.iter().find(|item| item["kind"] == "exchange");
    let exchange = exchange.ok_or("there is no exchange in the archive")?;
    let number = exchange["number"].to_string();
    heading(&format!(
        "What any judge finds of the exchange: semper archive save {number}; semper judge"
    ));
    let file = "exchange.cbor";
    expect(&market.semper(&["archive", "save", "--home", "anna", &number, "--out", file])?, 0)?;
    let judged = market.semper(&["judge", file])?;
    print_output(&judged.out);
    expect(&judged, 0)
}

/// The state afterwards: archives, evidence, accounts.
fn aftermath(market: &Market) -> Result<(), String> {
    heading("Anna's archive: semper archive list --home anna");
    print_output(&market.semper(&["archive", "list", "--home", "anna"])?.out);
    let deals = market.semper(&["deals", "--home", "anna", "--json"])?.json();
    let deal = deals[0]["id"].as_str().ok_or("there is no deal in the archive")?.to_owned();
    let state = deals[0]["state"].as_str().unwrap_or_default();
    heading("Both archives checked: semper archive verify");
    for home in ["anna", "otto"] {
        let output = market.semper(&["archive", "verify", "--home", home])?;
        println!("  {home}:");
        print_output(&output.out);
        if output.code != 0 {
            return Err(format!("the archive of {home} does not verify:\n{}", output.err));
        }
    }
    judge(market, &deal)?;
    let export = ["archive", "export", "--home", "anna", &deal, "--out", "deal.json"];
    print_output(&market.semper(&export)?.out);
    println!("  the evidence lies in {}", market.folder.join("deal.json").display());
    if state != "completed" {
        return Err(format!("the deal is {state}, not completed"));
    }
    Ok(())
}

fn keep_running(market: &Market, folder: &Path) {
    heading("Everything runs on; go on by hand");
    let semper = market.binaries.semper.display();
    println!("  cd {}", folder.display());
    println!("  {semper} buy --home anna {}", market.merchant_url());
    println!("  {semper} deals --home anna");
    println!("  {semper} archive list --home anna");
    println!("  {semper} account show --home anna");
    println!("  curl --cacert ca/root.pem {}/metrics", market.merchant_url());
    println!("and to end it: pkill -f {}, then remove the folder", folder.display());
}

fn heading(text: &str) {
    println!("\n── {text}");
}

fn print_output(text: &str) {
    for line in text.lines() {
        println!("  {line}");
    }
}

/// Prints a scripted TINGUIN's screens with their answers.
fn transcript(file: &Path) -> Result<(), String> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let (frame, answer) = (&value["frame"], &value["answer"]);
        let screen = &frame["screen"];
        if let Some(consent) = screen.get("consent") {
            println!("  ┌ {}  “{}”", word(&frame["user"]), word(&frame["phrase"]));
            println!("  │ {}", word(&frame["service"]));
            println!("  │ YOUR DECISION: {}", word(&consent["title"]));
            for row in consent["rows"].as_array().into_iter().flatten() {
                println!("  │   {:16} {}", word(&row[0]), word(&row[1]));
            }
            println!("  │ {}", word(&consent["means"]));
            println!("  └ answered: {}", plain(answer));
        } else if let Some(question) = screen.get("question") {
            print_question(question, answer);
        } else {
            println!("  · {}", word(&frame["status"]));
        }
    }
    Ok(())
}

fn print_question(question: &Value, answer: &Value) {
    for (kind, content) in question.as_object().into_iter().flatten() {
        println!("  ┌ the service says ({kind}): {}", word(&content["says"]));
        let options = content["options"].as_array().cloned().unwrap_or_default();
        for option in options.iter().take(3) {
            println!("  │   {}", word(option));
        }
        if options.len() > 3 {
            println!("  │   … {} more", options.len() - 3);
        }
        let chosen =
            answer["choice"].as_u64().and_then(|index| options.get(usize::try_from(index).ok()?));
        println!("  └ answered: {}", chosen.map_or_else(|| plain(answer), word));
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
