//! A PostgreSQL of our own, in a folder, on loopback; gone with its owner.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::free_port;

/// The server. It runs as the user `postgres` where we are root, which it refuses to be.
#[derive(Debug)]
pub struct Postgres {
    server: Child,
    port: u16,
    folder: PathBuf,
}

type Result<T> = std::result::Result<T, String>;

fn tool(name: &str) -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").map_err(|error| error.to_string())?;
    let newest = versions.filter_map(|it| it.ok().map(|it| it.path())).max();
    Ok(newest.ok_or("PostgreSQL is not installed")?.join("bin").join(name))
}

fn command(program: PathBuf) -> Command {
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        return command;
    }
    Command::new(program)
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0)
}

fn succeed(command: &mut Command) -> Result<()> {
    let output = command.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

impl Postgres {
    /// Starts one.
    pub fn start() -> Result<Self> {
        Self::start_with(None)
    }

    /// Starts one that speaks TLS alone, with this certificate and key (PEM).
    pub fn start_with_tls(certificate: &str, key: &str) -> Result<Self> {
        Self::start_with(Some((certificate, key)))
    }

    fn start_with(tls: Option<(&str, &str)>) -> Result<Self> {
        let port = free_port()?;
        let folder = std::env::temp_dir().join(format!("semper-postgres-{port}"));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        if is_root() {
            succeed(Command::new("chown").arg("postgres").arg(&folder))?;
        }
        let data = folder.join("data");
        let init = ["--auth=trust", "--username=third", "--encoding=UTF8", "--pgdata"];
        succeed(command(tool("initdb")?).args(init).arg(&data))?;
        let mut server = command(tool("postgres")?);
        if let Some((certificate, key)) = tls {
            Self::give_tls(&data, certificate, key)?;
            server.args(["-c", "ssl=on", "-c", "ssl_min_protocol_version=TLSv1.3"]);
        }
        let server = server
            .arg("-D")
            .arg(&data)
            .args(["-c", &format!("port={port}"), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", "max_connections=200"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let this = Self { server, port, folder };
        let started = Instant::now();
        while this.sql("SELECT 1").is_err() {
            if started.elapsed() > Duration::from_secs(30) {
                return Err("PostgreSQL does not start".into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(this)
    }

    /// Puts the files where the server looks for them; everybody else is refused without TLS.
    fn give_tls(data: &std::path::Path, certificate: &str, key: &str) -> Result<()> {
        let rules = "hostssl all all 127.0.0.1/32 trust\n";
        let files = [("server.crt", certificate), ("server.key", key), ("pg_hba.conf", rules)];
        for (name, text) in files {
            let file = data.join(name);
            std::fs::write(&file, text).map_err(|error| error.to_string())?;
            if is_root() {
                succeed(Command::new("chown").arg("postgres").arg(&file))?;
            }
            succeed(Command::new("chmod").arg("600").arg(&file))?;
        }
        Ok(())
    }

    fn sql(&self, sql: &str) -> Result<()> {
        let port = self.port.to_string();
        let mut psql = Command::new(tool("psql")?);
        psql.args(["-h", "127.0.0.1", "-p", &port, "-U", "third", "-d", "postgres", "-c", sql]);
        succeed(&mut psql)
    }

    /// Makes a database; its address.
    pub fn database(&self, name: &str) -> Result<String> {
        self.sql(&format!("CREATE DATABASE {name}"))?;
        Ok(self.address(name))
    }

    /// Makes a copy of a database that nobody is connected to, as a backup would be; its address.
    pub fn copy(&self, from: &str, name: &str) -> Result<String> {
        // Whoever was killed may be connected for a moment yet.
        let sql = format!("CREATE DATABASE {name} TEMPLATE {from}");
        let started = Instant::now();
        while let Err(error) = self.sql(&sql) {
            if started.elapsed() > Duration::from_secs(30) {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(self.address(name))
    }

    fn address(&self, name: &str) -> String {
        format!("postgresql://third@127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The server's own process, not that of whoever changed the user.
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid"));
        let pid = pid.unwrap_or_default();
        let first = pid.lines().next().unwrap_or_default();
        let _ = Command::new("kill").args(["-QUIT", first]).status();
        for _ in 0..100 {
            if let Ok(Some(_)) = self.server.try_wait() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.server.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
