//! Finding the server's programs: distributions keep them out of `PATH`, each in its own place.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
};

use nix::sys::signal::Signal;

use super::{
    ClusterError,
    account::{Account, is_root},
};
use crate::trusted_file;

/// The oldest major version whose SQL the service can rely on.
pub(super) const OLDEST_MAJOR: u32 = 14;

/// Folders with one folder per version: where, how its name begins, and where the programs are below it.
const VERSIONED: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

const LOOKED_IN: &str = "PATH, the folder named by `pg_config --bindir`, /usr/lib/postgresql/*/bin, /usr/pgsql-*/bin, \
                         /opt/homebrew/opt/postgresql@*/bin and /usr/local/opt/postgresql@*/bin";

/// One installed server.
#[derive(Debug)]
pub(super) struct Binaries {
    dir: PathBuf,
    pub(super) version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
}

impl Binaries {
    /// The newest server, or the newest of the major version that made the cluster in `made_by`.
    pub(super) fn find(
        explicit: Option<&Path>,
        made_by: Option<(PathBuf, u32)>,
        account: &Account,
    ) -> Result<Self, ClusterError> {
        let mut found = Vec::new();
        match explicit {
            Some(path) => found.extend(Self::at(path, account)?),
            None => {
                for path in places(account) {
                    match Self::at(&path, account) {
                        Ok(binaries) => found.extend(binaries),
                        Err(error) => tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "a Postgres server is passed over"
                        ),
                    }
                }
            }
        }
        found.sort_by_key(|binaries| binaries.version);
        match made_by {
            Some((pgdata, major)) => of_major(found, major, pgdata, explicit),
            None => newest(found, explicit),
        }
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.dir.join("postgres")
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.dir.join("initdb")
    }

    /// `path` is a folder, or `postgres` itself. `initdb` lies beside the real `postgres`, not beside a link to it.
    ///
    /// As root, programs that other accounts could exchange are refused. None is ever run as root, not even to learn its
    /// version.
    fn at(path: &Path, account: &Account) -> Result<Option<Self>, ClusterError> {
        let postgres = if path.is_dir() {
            path.join("postgres")
        } else {
            path.to_owned()
        };
        let real = postgres.canonicalize().ok();
        let Some(dir) = real.as_deref().and_then(Path::parent) else {
            return Ok(None);
        };
        if !dir.join("initdb").is_file() {
            return Ok(None);
        }
        if is_root() {
            for program in [&postgres, &dir.join("postgres"), &dir.join("initdb")] {
                trusted_file::require_trusted_program(program)?;
            }
        }
        let output = output_of(account, &dir.join("postgres"), "--version");
        let version = output.as_deref().and_then(parse_version);
        Ok(version.map(|version| Self {
            dir: dir.to_owned(),
            version,
        }))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

fn newest(mut sorted: Vec<Binaries>, explicit: Option<&Path>) -> Result<Binaries, ClusterError> {
    match sorted.pop() {
        Some(newest) if newest.version.major < OLDEST_MAJOR => Err(ClusterError::TooOld {
            found: newest.version.to_string(),
            dir: newest.dir,
        }),
        Some(newest) => Ok(newest),
        None => Err(no_binaries(explicit)),
    }
}

fn of_major(
    sorted: Vec<Binaries>,
    needed: u32,
    pgdata: PathBuf,
    explicit: Option<&Path>,
) -> Result<Binaries, ClusterError> {
    if sorted.is_empty() {
        return Err(no_binaries(explicit));
    }
    let mut versions: Vec<_> = sorted
        .iter()
        .map(|binaries| binaries.version.to_string())
        .collect();
    versions.dedup();
    let mut fitting = sorted
        .into_iter()
        .filter(|binaries| binaries.version.major == needed);
    fitting.next_back().ok_or_else(|| ClusterError::WrongMajor {
        pgdata,
        needed,
        found: versions.join(", "),
    })
}

fn no_binaries(explicit: Option<&Path>) -> ClusterError {
    ClusterError::NoBinaries {
        looked_in: explicit.map_or_else(
            || LOOKED_IN.to_owned(),
            |path| format!("`{}`", path.display()),
        ),
    }
}

/// Every folder that may hold a server. The same one twice does no harm.
fn places(account: &Account) -> Vec<PathBuf> {
    let mut places: Vec<_> = env::var_os("PATH")
        .iter()
        .flat_map(env::split_paths)
        .collect();
    places.extend(
        output_of(account, Path::new("pg_config"), "--bindir").map(|dir| PathBuf::from(dir.trim())),
    );
    for (parent, prefix) in VERSIONED {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let versioned =
            entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        places.extend(versioned.map(|entry| entry.path().join("bin")));
    }
    places
}

fn output_of(account: &Account, program: &Path, argument: &str) -> Option<String> {
    let mut command = account.command(program, Path::new("/"), Signal::SIGKILL);
    let output = command.arg(argument).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`; betas such as `18beta1` count as their release.
fn parse_version(text: &str) -> Option<Version> {
    let (_, version) = text.split_once("(PostgreSQL) ")?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit());
    Some(Version {
        major: numbers.next()?.parse().ok()?,
        minor: numbers
            .next()
            .and_then(|minor| minor.parse().ok())
            .unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(major: u32, minor: u32) -> Version {
        Version { major, minor }
    }

    fn installed(versions: &[(u32, u32)]) -> Vec<Binaries> {
        let binaries = |(major, minor): &(u32, u32)| Binaries {
            dir: PathBuf::from(format!("/pg/{major}")),
            version: version(*major, *minor),
        };
        versions.iter().map(binaries).collect()
    }

    #[test]
    fn versions_are_read_as_distributions_print_them() {
        assert_eq!(
            parse_version("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n"),
            Some(version(15, 13))
        );
        assert_eq!(
            parse_version("postgres (PostgreSQL) 17.5 (Homebrew)\n"),
            Some(version(17, 5))
        );
        assert_eq!(
            parse_version("postgres (PostgreSQL) 18beta1\n"),
            Some(version(18, 0))
        );
        assert_eq!(
            parse_version("postgres (PostgreSQL) 19devel\n"),
            Some(version(19, 0))
        );
        assert_eq!(parse_version("mysqld  Ver 8.0"), None);
    }

    #[test]
    fn the_newest_server_makes_a_new_cluster() {
        let newest = newest(installed(&[(14, 9), (16, 2)]), None).unwrap();
        assert_eq!(newest.version, version(16, 2));
    }

    #[test]
    fn an_old_server_is_named_and_refused() {
        let error = newest(installed(&[(13, 11)]), None).unwrap_err();
        assert!(error.to_string().contains("13.11 in `/pg/13`"), "{error}");
    }

    #[test]
    fn a_cluster_is_run_by_the_version_that_made_it() {
        let fitting = of_major(
            installed(&[(14, 9), (15, 1), (15, 3), (16, 2)]),
            15,
            PathBuf::new(),
            None,
        )
        .unwrap();
        assert_eq!(fitting.version, version(15, 3));
        let error = of_major(installed(&[(14, 9), (16, 2)]), 15, PathBuf::new(), None).unwrap_err();
        assert!(
            error.to_string().contains("only 14.9, 16.2 was found"),
            "{error}"
        );
    }
}
