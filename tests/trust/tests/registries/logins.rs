//! Names and passwords: each is shown to its host and to nobody else, and docker's are found.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semper_distribution::{Login, Logins, Options, Place};
use semper_trust_tests::World;
use semper_trust_tests::misbehaving::{Manners, Misbehaving, Told, lock};
use semper_trust_tests::server::{Asked, Server, reply, serve};
use serde_json::json;

use crate::{says, sign, write};

const BASIC: &str = "Basic realm=\"registry\"";

/// The headers of a registry at a host, with what makes a demand for a token of that.
type Offers = fn(&str, &dyn Fn(&str) -> String) -> Vec<String>;

fn shown(asked: &Asked) -> Option<&str> {
    asked.headers.get("authorization").map(|it| it.to_str().unwrap())
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// A registry that asks for a password, and has otto's bundle.
fn guarded(user: &'static str, password: &'static str) -> Misbehaving {
    let registry = Misbehaving::new(Manners { api: true, ..Manners::default() }, move |_, it| {
        let good = shown(it) == Some(&basic(user, password));
        (!good).then(|| reply(401, &[("www-authenticate", BASIC)], ""))
    });
    let logins = Logins::default().with(registry.host(), Login::password(user, password));
    let fetcher = registry.fetcher(Options { logins, ..Options::default() });
    let place = registry.place("current");
    semper_distribution::push(&World::new().bundle(), &place, &fetcher, &()).unwrap();
    registry.store().shown.clear();
    registry
}

/// A folder with everybody's roots in `roots.pem`.
fn folder(servers: &[&Server]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let all: String =
        servers.iter().flat_map(|it| it.roots.certificates()).map(|it| it.to_pem()).collect();
    write(folder.path(), "roots.pem", all);
    write(folder.path(), "password", "geheim\n");
    folder
}

#[test]
fn challenges_are_answered_as_registries_make_them() {
    let world = World::new();
    let token =
        |host: &str| format!("Bearer realm=\"https://{host}/token?tenant=a\",service=\"reg\"");
    let scoped = move |host: &str| format!("{},scope=\"repository:otto/terms:pull\"", token(host));
    let headers: [Offers; 7] = [
        |_, _| vec![BASIC.into()],
        |_, _| vec!["Negotiate".into(), BASIC.into()],
        |_, _| vec![BASIC.into(), "Negotiate".into()],
        |_, _| vec![format!("Negotiate, {BASIC}")],
        |host, token| vec![token(host)],
        |host, token| vec![BASIC.into(), token(host)],
        |host, token| {
            vec![token(host).replace("service=\"reg\"", "service = reg, error=\"invalid_token\"")]
        },
    ];
    for make in headers {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (log, host_of) = (Arc::clone(&seen), Arc::new(Mutex::new(String::new())));
        let own = Arc::clone(&host_of);
        let registry = Misbehaving::new(Manners::default(), move |_, it| {
            if it.path.starts_with("/token") {
                lock(&log).push(it.path.clone());
                let good = shown(it) == Some(&basic("otto", "geheim"));
                return Some(
                    match good && it.path.starts_with("/token?tenant=a&service=reg&scope=") {
                        true => reply(200, &[], "{\"access_token\":\"t0\",\"expires_in\":60}"),
                        false => reply(401, &[], ""),
                    },
                );
            }
            if [Some("Bearer t0"), Some(&*basic("otto", "geheim"))].contains(&shown(it)) {
                return None;
            }
            let host = lock(&own).clone();
            let all = make(&host, &|it| scoped(it));
            let all: Vec<_> = all.iter().map(|it| ("www-authenticate", it.as_str())).collect();
            Some(reply(401, &all, ""))
        });
        *lock(&host_of) = registry.host().to_owned();
        let logins = Logins::default().with(registry.host(), Login::password("otto", "geheim"));
        let fetcher = registry.fetcher(Options { logins, ..Options::default() });
        let place = registry.place("current");
        semper_distribution::push(&world.bundle(), &place, &fetcher, &()).unwrap();
        semper_distribution::pull(&place, &fetcher, &()).unwrap();
        // What a push needs is asked for at once.
        let push = seen.lock().unwrap().first().cloned();
        assert!(push.is_none_or(|it| it.ends_with("pull%2Cpush")), "{seen:?}");
    }
    // What is not spoken here is named.
    let registry = Misbehaving::new(Manners::default(), |_, _| {
        Some(reply(401, &[("www-authenticate", "Negotiate"), ("www-authenticate", "NTLM")], ""))
    });
    says(&registry.pull("current").unwrap_err(), "by negotiate, ntlm", "Basic");
}

#[test]
fn a_token_that_ends_in_the_middle_is_asked_for_again() {
    let world = World::new();
    let (given, host_of) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(String::new())));
    let (count, own) = (Arc::clone(&given), Arc::clone(&host_of));
    let uses = AtomicUsize::new(0);
    let registry = Misbehaving::new(Manners { api: true, ..Manners::default() }, move |_, it| {
        if it.path.starts_with("/token") {
            uses.store(0, Ordering::SeqCst);
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            // A clock that is an hour ahead; ours is not asked about it.
            let token = json!({
                "token": format!("t{number}"), "expires_in": 1, "issued_at": "2099-01-01T00:00:00Z",
            });
            return Some(reply(200, &[], token.to_string()));
        }
        let now = format!("Bearer t{}", count.load(Ordering::SeqCst));
        if shown(it) == Some(&*now) && uses.fetch_add(1, Ordering::SeqCst) < 3 {
            return None;
        }
        let challenge = format!("Bearer realm=\"https://{}/token\"", lock(&own));
        Some(reply(401, &[("www-authenticate", &challenge)], ""))
    });
    *lock(&host_of) = registry.host().to_owned();
    registry.push(&world.bundle(), "current").unwrap();
    registry.pull("current").unwrap();
    assert!(given.load(Ordering::SeqCst) > 10, "{given:?} tokens");
}

#[test]
fn a_password_is_not_shown_to_the_token_server_of_somebody_else() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&seen);
    let tokens = serve(move |_, it| {
        lock(&log).extend(shown(&it).map(str::to_owned));
        match shown(&it) {
            Some(_) => reply(200, &[], "{\"token\":\"good\"}"),
            None => reply(200, &[], "{\"token\":\"anonymous\"}"),
        }
    });
    let realm = format!("Bearer realm=\"https://{}/token\",service=\"reg\"", tokens.host);
    let registry = Misbehaving::new(Manners { api: true, ..Manners::default() }, move |_, it| {
        let reads = it.method == "GET" && shown(it) == Some("Bearer anonymous");
        let good = reads || shown(it) == Some("Bearer good");
        (!good).then(|| reply(401, &[("www-authenticate", &realm)], ""))
    });
    let roots = [&registry.server, &tokens];
    let roots = roots.iter().flat_map(|it| it.roots.certificates().to_vec()).collect();
    let roots = semper_base::cert::Roots::new(roots);
    let push = |redirects: Vec<String>| {
        let logins = Logins::default().with(registry.host(), Login::password("otto", "geheim"));
        let options = Options { logins, redirects, ..Options::default() };
        let fetcher = semper_distribution::Fetcher::new(&roots, options);
        let bundle = World::new().bundle();
        semper_distribution::push(&bundle, &registry.place("current"), &fetcher, &())
    };
    let error = push(Vec::new()).unwrap_err();
    let mend = format!("--redirect {}", tokens.host);
    says(&error, &format!("wants its password to be shown to {}", tokens.host), &mend);
    assert!(lock(&seen).is_empty());
    push(vec![tokens.host.clone()]).unwrap();
    assert!(lock(&seen).contains(&basic("otto", "geheim")));
}

#[test]
fn each_password_goes_to_its_own_host() {
    let (one, two) = (guarded("otto", "geheim"), guarded("anna", "secret"));
    let mirror = Misbehaving::new(Manners::default(), |_, _| {
        Some(reply(401, &[("www-authenticate", BASIC)], ""))
    });
    let folder = folder(&[&one.server, &two.server, &mirror.server]);
    write(folder.path(), "annas", "secret\n");
    let (from, to) = (one.place("current").to_string(), two.place("copy").to_string());
    let own = ["--root", "roots.pem", "--user", "otto", "--password-file", "password"];
    let sign = |arguments: &[&str]| sign(folder.path(), &[], arguments);

    // A mirror does not get it.
    let mirrors = format!("{}={}", one.host(), mirror.host());
    let pulled =
        sign(&[&["pull", &from, "--out", "b", "--mirror", &mirrors][..], &own[..]].concat());
    assert_eq!(pulled.code, 0, "{}", pulled.err);
    assert!(pulled.err.contains("is passed over"), "{}", pulled.err);
    assert!(mirror.store().shown.is_empty(), "{:?}", mirror.store().shown);

    // Of two registries neither gets the other's.
    let copied = sign(&[&["copy", &from, &to][..], &own[..]].concat());
    assert_eq!(copied.code, 2, "{}", copied.out);
    assert!(
        copied.err.contains("--user could be for") && copied.err.contains("--login"),
        "{}",
        copied.err
    );
    let logins = [
        "--login",
        &format!("{}=otto:password", one.host()),
        "--login",
        &format!("{}=anna:annas", two.host()),
        "--root",
        "roots.pem",
    ];
    let copied = sign(&[&["copy", &from, &to][..], &logins[..]].concat());
    assert_eq!(copied.code, 0, "{}", copied.err);
    let only = |of: &Misbehaving, what: String| {
        assert_eq!(of.store().shown.iter().collect::<Vec<_>>(), [&what]);
    };
    only(&one, basic("otto", "geheim"));
    only(&two, basic("anna", "secret"));

    // A wrong one is named as such.
    write(folder.path(), "wrong", "guess");
    let wrong = ["--user", "otto", "--password-file", "wrong", "--root", "roots.pem"];
    let refused = sign(&[&["pull", &from, "--out", "c"][..], &wrong[..]].concat());
    assert!(refused.err.contains("does not accept the name and the password"), "{}", refused.err);
}

#[test]
fn publishing_shows_the_registrys_password_to_no_log() {
    let world = World::new();
    let registry = guarded("otto", "geheim");
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let (log, entries) = (Arc::clone(&seen), Arc::new(World::new()));
    let vkey = entries.log.vkey().to_string();
    let asking = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asking);
    let log_server = serve(move |_, it| -> Response {
        lock(&log).extend(shown(&it).map(str::to_owned));
        // One that wants a password all the same.
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            return reply(401, &[("www-authenticate", BASIC)], "");
        }
        reply(200, &[], entries.log.prove(&it.body).to_string())
    });
    let folder = folder(&[&registry.server, &log_server]);
    let local: Place = folder.path().join("bundle").display().to_string().parse().unwrap();
    let nobody =
        semper_distribution::Fetcher::new(semper_net::Believed::nobody(), Options::default());
    semper_distribution::push(&world.bundle(), &local, &nobody, &()).unwrap();
    let (to, url) = (registry.place("logged").to_string(), format!("https://{}", log_server.host));
    let arguments = ["publish", "--bundle", "bundle", "--to", &to, "--log", &url];
    let own = ["--user", "otto", "--password-file", "password", "--root", "roots.pem"];
    let all = [&arguments[..], &["--log-key", &vkey][..], &own[..]].concat();
    let refused = sign(folder.path(), &[], &all);
    assert!(refused.err.contains("wants a name and a password"), "{}", refused.err);
    let published = sign(folder.path(), &[], &all);
    assert_eq!(published.code, 0, "{}", published.err);
    assert!(lock(&seen).is_empty(), "the log was shown {seen:?}");
}

/// Docker's file, and a credential helper on the path.
fn docker(folder: &Path, config: serde_json::Value, helper: &str) {
    std::fs::create_dir_all(folder.join("docker")).unwrap();
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    write(&folder.join("docker"), "config.json", config.to_string());
    let program = folder.join("bin/docker-credential-test");
    std::fs::write(&program, format!("#!/bin/sh\nread host\n{helper}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_docker_has_stored_is_found() {
    let registry = guarded("otto", "geheim");
    let folder = folder(&[&registry.server]);
    let (host, place) = (registry.host().to_owned(), registry.place("current").to_string());
    let bin = folder.path().join("bin").display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    let pull = |config: serde_json::Value, helper: &str| {
        docker(folder.path(), config, helper);
        let own = folder.path().join("docker").display().to_string();
        let env = [("DOCKER_CONFIG", own.as_str()), ("PATH", path.as_str())];
        sign(folder.path(), &env, &["pull", &place, "--out", "b", "--root", "roots.pem"])
    };
    let fine = |config: serde_json::Value, helper: &str| {
        let pulled = pull(config.clone(), helper);
        assert_eq!(pulled.code, 0, "{config}: {}", pulled.err);
    };
    let refused = |config: serde_json::Value, helper: &str, says: &str| {
        let pulled = pull(config.clone(), helper);
        assert!(pulled.code > 0 && pulled.err.contains(says), "{config}: {}", pulled.err);
    };
    let auth = BASE64_STANDARD.encode("otto:geheim");
    let entry = |key: &str| json!({ "auths": { key: { "auth": auth } } });
    let knows = "echo '{\"ServerURL\":\"'$host'\",\"Username\":\"otto\",\"Secret\":\"geheim\"}'";
    let lacks = "echo 'credentials not found in native keychain'; exit 1";

    for key in [host.clone(), format!("https://{host}/v1/"), format!("{host}/otto/terms")] {
        fine(entry(&key), "");
    }
    fine(json!({ "auths": { &host: { "username": "otto", "password": "geheim" } } }), "");
    let two = json!({ "auths": { &host: { "auth": BASE64_STANDARD.encode("x:y") },
        format!("{host}/otto"): { "auth": auth } } });
    fine(two, "");
    fine(json!({ "credsStore": "test" }), knows);
    fine(json!({ "credHelpers": { &host: "test" }, "credsStore": "missing" }), knows);
    fine(json!({ "credsStore": "test", "auths": { &host: { "auth": auth } } }), lacks);
    // It is asked for the host, and for nothing else.
    let picky = format!("test \"$host\" = \"{host}\" && {knows}");
    fine(json!({ "credsStore": "test" }), &picky);

    let nothing = "wants a name and a password";
    refused(json!({}), "", nothing);
    refused(entry("reg.example"), "", nothing);
    refused(entry(&format!("{host}/anna")), "", nothing);
    refused(json!({ "credsStore": "test" }), lacks, nothing);
    refused(json!({ "credsStore": "missing" }), "", "credential helper “missing”");
    refused(json!({ "credsStore": "test" }), "echo broken; exit 3", "broken");
    refused(json!({ "credsStore": "../../evil" }), "", "no name of a program");
    refused(json!({ "auths": { &host: { "auth": "no base64" } } }), "", "is not name:password");
    refused(json!([1, 2]), "", "config.json");

    // In the person's home, where no folder is named; what the command names comes first.
    std::fs::create_dir_all(folder.path().join(".docker")).unwrap();
    write(&folder.path().join(".docker"), "config.json", entry(&host).to_string());
    let pull = ["pull", &place, "--out", "b", "--root", "roots.pem"];
    assert_eq!(sign(folder.path(), &[], &pull).code, 0);
    write(folder.path(), "wrong", "guess");
    let wrong = [&pull[..], &["--user", "otto", "--password-file", "wrong"]].concat();
    assert!(sign(folder.path(), &[], &wrong).err.contains("does not accept"));
}

#[test]
fn an_identity_token_is_exchanged_for_another_at_the_token_server() {
    let world = World::new();
    let (bodies, host_of) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(String::new())));
    let (log, own) = (Arc::clone(&bodies), Arc::clone(&host_of));
    let registry = Misbehaving::new(Manners { api: true, ..Manners::default() }, move |_, it| {
        if it.path == "/token" {
            lock(&log).push(String::from_utf8(it.body.to_vec()).unwrap());
            return Some(reply(200, &[], "{\"access_token\":\"short\"}"));
        }
        let challenge = format!("Bearer realm=\"https://{}/token\",service=\"reg\"", lock(&own));
        (shown(it) != Some("Bearer short"))
            .then(|| reply(401, &[("www-authenticate", &challenge)], ""))
    });
    *lock(&host_of) = registry.host().to_owned();
    let logins = Logins::default().with(registry.host(), Login::Identity("long & secret".into()));
    let fetcher = registry.fetcher(Options { logins, ..Options::default() });
    semper_distribution::push(&world.bundle(), &registry.place("current"), &fetcher, &()).unwrap();
    let body = lock(&bodies)[0].clone();
    for part in ["grant_type=refresh_token", "service=reg", "refresh_token=long+%26+secret"] {
        assert!(body.contains(part), "{body}");
    }

    // As docker stores it, in the file and by a helper.
    let folder = folder(&[&registry.server]);
    let place = registry.place("current").to_string();
    let bin = folder.path().join("bin").display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    let own = folder.path().join("docker").display().to_string();
    let helper = "echo '{\"Username\":\"<token>\",\"Secret\":\"by the helper\"}'";
    for (config, token) in [
        (
            json!({ "auths": { registry.host(): { "auth": "b3R0bzo=", "identitytoken": "stored" } } }),
            "stored",
        ),
        (json!({ "credsStore": "test" }), "by+the+helper"),
    ] {
        docker(folder.path(), config, helper);
        let env = [("DOCKER_CONFIG", own.as_str()), ("PATH", path.as_str())];
        let pull = ["pull", &place, "--out", "b", "--root", "roots.pem"];
        let pulled = sign(folder.path(), &env, &pull);
        assert_eq!(pulled.code, 0, "{}", pulled.err);
        let last = lock(&bodies).last().cloned().unwrap();
        assert!(last.contains(&format!("refresh_token={token}")), "{last}");
    }
}

#[test]
fn secrets_are_printed_nowhere() {
    let logins = Logins::default().with("reg.example", Login::password("otto", "geheim"));
    let options = Options { logins, ..Options::default() };
    assert!(!format!("{options:?}").contains("geheim"));
    assert!(!format!("{:?}", Login::Identity("geheim".into())).contains("geheim"));
    let told = Told::default();
    let registry = guarded("otto", "geheim");
    let logins = Logins::default().with(registry.host(), Login::password("otto", "guess"));
    let error = registry.pull_with("current", Options { logins, ..Options::default() }, &told);
    let error = format!("{:?}", error.unwrap_err());
    assert!(!error.contains("guess") && !told.all().contains("guess"), "{error}");
}
