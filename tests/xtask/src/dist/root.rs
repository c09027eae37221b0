//! A clean Debian in a folder: commands in it as one of its users, and services started by their units'
//! lines, with what systemd would give them. No systemd runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use semper_testkit::process;
use semper_testkit::{Output, Running};

use super::packages::Packages;
use super::stage::{said, text, write};

/// Seconds that a service has to end in order.
const ENDING: Duration = Duration::from_secs(20);

/// The folder.
pub struct Root(pub PathBuf);

impl Root {
    /// Unpacks and sets up the smallest Debian, of the sources that this machine's apt has, with what the
    /// packages need of it.
    pub fn make(folder: &Path, packages: &Packages) -> Result<Self, String> {
        let format = ["indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"];
        let ours = [&format[..], &["Created-By: Packages", "Origin: Debian"]].concat();
        let sources = String::from_utf8_lossy(&said(Path::new("apt-get"), &ours)?).into_owned();
        let suite = sources.split_whitespace().nth(2);
        let suite = suite.ok_or("apt has no lists of Debian's: apt-get update")?.to_owned();
        let (list, options) = (folder.with_extension("list"), folder.with_extension("conf"));
        write(&list, sources.as_bytes())?;
        // How this machine reaches them is how the root does.
        let dump = said(Path::new("apt-config"), &["dump", "--format", "%F \"%v\";%n", "Acquire"])?;
        let dump = String::from_utf8_lossy(&dump).into_owned();
        let reaching = |line: &&str| {
            ["Acquire::Check-", "Acquire::http"].iter().any(|it| line.starts_with(it))
        };
        let reaching: Vec<&str> = dump.lines().filter(reaching).collect();
        write(&options, format!("{}\n", reaching.join("\n")).as_bytes())?;
        let (out, list) = (text(folder), text(&list));
        let options = format!("--aptopt={}", options.display());
        let include = format!("--include={}", packages.needed()?.join(","));
        let make = ["--variant=minbase", "--mode=root", "--quiet", &options, &include];
        let make = [&make[..], &[&suite, &out, &list]].concat();
        said(Path::new("mmdebstrap"), &make)?;
        let root = Self(folder.to_owned());
        write(&root.file("/etc/hosts"), b"127.0.0.1 localhost\n")?;
        Ok(root)
    }

    /// A file in it, by the path that it has inside.
    pub fn file(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// Has dpkg do something with it.
    pub fn dpkg(&self, arguments: &[&str]) -> Result<String, String> {
        let root = format!("--root={}", self.0.display());
        let done = process::run_with(
            Path::new("/"),
            Path::new("dpkg"),
            &[&[root.as_str()], arguments].concat(),
            &[("DEBIAN_FRONTEND", "noninteractive"), ("PATH", PATH)],
        )?;
        if done.code == 0 { Ok(done.out) } else { Err(told("dpkg", arguments, &done)) }
    }

    /// Runs lines of a shell in it as a user, in a folder; what they print.
    pub fn sh(&self, user: &str, folder: &str, lines: &str) -> Result<String, String> {
        let done = self.tried(user, folder, lines)?;
        if done.code == 0 { Ok(done.out) } else { Err(told("sh", &[lines], &done)) }
    }

    /// As [`Root::sh`], however it ends.
    pub fn tried(&self, user: &str, folder: &str, lines: &str) -> Result<Output, String> {
        let words = self.words(user, folder, &[], &["sh", "-euc", lines]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        process::run(&self.0, Path::new("chroot"), &words)
    }

    /// Starts a program in it as a user; its output goes to `NAME.log` beside the folder.
    pub fn start(
        &self,
        name: &str,
        user: &str,
        folder: &str,
        env: &[String],
        words: &[&str],
    ) -> Result<Running, String> {
        let words = self.words(user, folder, env, words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let logs = self.0.with_extension("logs");
        fs::create_dir_all(&logs).map_err(|error| format!("{}: {error}", logs.display()))?;
        Running::start(&logs, name, Path::new("chroot"), &words, &[])
    }

    /// The words after `chroot` for a command of a user's.
    fn words(&self, user: &str, folder: &str, env: &[String], command: &[&str]) -> Vec<String> {
        let home =
            if user == "semper" { "/var/lib/semper".into() } else { format!("/home/{user}") };
        let mut words =
            vec![format!("--userspec={user}:{user}"), "--groups=".into(), text(&self.0)];
        words.extend(["env", "--ignore-environment", "--chdir", folder].map(str::to_owned));
        words.extend([format!("PATH={PATH}"), format!("HOME={home}"), format!("USER={user}")]);
        words.extend(["LANG=C.UTF-8".into(), "RUST_BACKTRACE=1".into()]);
        words.extend_from_slice(env);
        words.extend(command.iter().map(|it| (*it).to_owned()));
        words
    }

    /// Starts a service by its unit: `semper-server@otto`, or a user's own one.
    pub fn serve(&self, unit: &str, user: Option<&str>) -> Result<Running, String> {
        let (name, instance) = unit.split_once('@').unwrap_or((unit, ""));
        let kind = if user.is_some() { "user" } else { "system" };
        let at = if instance.is_empty() { "" } else { "@" };
        let file = self.file(&format!("/usr/lib/systemd/{kind}/{name}{at}.service"));
        let lines = fs::read_to_string(&file).map_err(|it| format!("{}: {it}", file.display()))?;
        let unit = Unit { lines, instance, user };
        let user = user.map_or_else(|| unit.the("User"), |it| Ok(it.to_owned()))?;
        let mut env: Vec<String> = unit.all("Environment").collect();
        for (name, from) in unit.all("LoadCredential").filter_map(|it| {
            it.split_once(':').map(|(name, from)| (name.to_owned(), from.to_owned()))
        }) {
            let folder = format!("/run/credentials/{name}-{instance}");
            self.hand_over(&folder, &name, &from, &user)?;
            env.push(format!("CREDENTIALS_DIRECTORY={folder}"));
        }
        if let Ok(state) = unit.the("StateDirectory") {
            let (folder, mode) = (format!("/var/lib/{state}"), unit.the("StateDirectoryMode")?);
            let install = format!("install -d -o {user} -g {user} -m {mode} {folder}");
            self.sh("root", "/", &install)?;
        }
        let folder = unit.the("WorkingDirectory").unwrap_or_else(|_| format!("/home/{user}"));
        // Variables are systemd's to replace; here a shell does it.
        let line = format!("umask {}; exec {}", unit.the("UMask")?, unit.the("ExecStart")?);
        self.start(&format!("{name}-{instance}"), &user, &folder, &env, &["sh", "-euc", &line])
    }

    /// A credential, as systemd hands it over: in a folder that the service's user alone can enter, and
    /// with the mode that an access control list gives it.
    fn hand_over(&self, folder: &str, name: &str, from: &str, user: &str) -> Result<(), String> {
        let lines = format!(
            "install -d -o {user} -m 0500 {folder}\n\
             install -o {user} -g root -m 0440 {from} {folder}/{name}"
        );
        self.sh("root", "/", &lines).map(drop)
    }
}

/// Where programs are.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A unit's settings.
struct Unit<'a> {
    lines: String,
    instance: &'a str,
    user: Option<&'a str>,
}

impl Unit<'_> {
    /// The settings of this name, with what `%` stands for in them.
    fn all(&self, name: &str) -> impl Iterator<Item = String> {
        let home = self.user.map(|it| format!("/home/{it}")).unwrap_or_default();
        let lines = self.lines.lines().filter_map(move |line| {
            let (key, value) = line.split_once('=')?;
            (key == name).then(|| value.replace("%i", self.instance).replace("%h", &home))
        });
        lines.collect::<Vec<_>>().into_iter()
    }

    /// The last one.
    fn the(&self, name: &str) -> Result<String, String> {
        self.all(name).last().ok_or_else(|| format!("the unit has no {name}="))
    }
}

/// Ends a service as systemd does.
pub fn end(mut running: Running, name: &str) -> Result<(), String> {
    running.signal("TERM");
    match running.wait(ENDING) {
        Some(0) => Ok(()),
        other => Err(format!("{name} ended with {other:?} on SIGTERM:\n{}", running.log_text())),
    }
}

fn told(program: &str, arguments: &[&str], done: &Output) -> String {
    format!("{program} {}: exit {}\n{}{}", arguments.join(" "), done.code, done.out, done.err)
}
