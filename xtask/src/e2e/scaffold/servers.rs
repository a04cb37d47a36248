//! A PostgreSQL and a Redis of this run alone, from the system's packages.

use super::START;
use crate::cluster::free_ports;
use crate::failure::{Doing, Result};
use crate::process::{Daemon, Scratch, run};
use crate::tools::{self, INITDB, REDIS};
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Known to this run alone.
pub(super) const PASSWORD: &str = "towpath-e2e";

/// A PostgreSQL of our own on loopback.
pub(super) struct Postgres {
    port: u16,
    _server: Daemon,
    _folder: Scratch,
}

impl Postgres {
    pub(super) fn start() -> Result<Self> {
        let initdb = tools::need(&[INITDB])?.remove(0);
        let folder = Scratch::new()?;
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).doing(|| "write a password".to_owned())?;
        // PostgreSQL will not run as root: then it runs as the user that its package made.
        let account = if nix::unistd::geteuid().is_root() {
            account("postgres")?
        } else {
            None
        };
        if let Some((user, group)) = account {
            for path in [folder.path(), &password] {
                chown(path, Some(user), Some(group)).doing(|| format!("give away {}", path.display()))?;
            }
        }
        let command = |program: PathBuf| {
            let mut command = Command::new(program);
            command.current_dir(folder.path()).env("LC_ALL", "C.UTF-8");
            if let Some((user, group)) = account {
                command.uid(user).gid(group);
            }
            command
        };
        let data = folder.path().join("data");
        let mut init = command(initdb.clone());
        init.args([
            "--username=gateway",
            "--auth=scram-sha-256",
            "--no-sync",
            "--encoding=UTF8",
        ]);
        init.arg(format!("--pwfile={}", password.display()))
            .arg(format!("--pgdata={}", data.display()));
        run(&mut init, START)?.success("initdb")?;
        let [port] = free_ports()?;
        let mut server = command(initdb.with_file_name("postgres"));
        server
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-F", "-k"]);
        server.arg(folder.path());
        let log = folder.path().join("postgres.log");
        let server = Daemon::start(&mut server, &log)?;
        server.says("ready to accept connections", START)?;
        Ok(Self {
            port,
            _server: server,
            _folder: folder,
        })
    }

    pub(super) fn uri(&self) -> String {
        format!(
            "postgresql://gateway:{PASSWORD}@127.0.0.1:{}/postgres?sslmode=disable",
            self.port
        )
    }
}

/// A Redis of our own on loopback.
pub(super) struct Redis {
    port: u16,
    _server: Daemon,
}

impl Redis {
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let program = tools::need(&[REDIS])?.remove(0);
        let [port] = free_ports()?;
        let mut server = Command::new(program);
        server
            .current_dir(folder)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        server.args(["--requirepass", PASSWORD, "--save", "", "--appendonly", "no"]);
        let log = folder.join("redis.log");
        let server = Daemon::start(&mut server, &log)?;
        server.says("Ready to accept connections", START)?;
        Ok(Self {
            port,
            _server: server,
        })
    }

    pub(super) fn uri(&self) -> String {
        format!("redis://default:{PASSWORD}@127.0.0.1:{}", self.port)
    }
}

/// User and group number of an account of this system.
fn account(name: &str) -> Result<Option<(u32, u32)>> {
    let accounts = fs::read_to_string("/etc/passwd").doing(|| "read /etc/passwd".to_owned())?;
    Ok(accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name);
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        found.then_some((user, group))
    }))
}
