//! Which account runs the server, and how programs are launched under it.
//!
//! Postgres refuses to run as root. A service that runs as root therefore hands it to another account; anyone else
//! runs it as themselves.

use std::{
    env, fs, io,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown, lchown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::{
    sys::signal::Signal,
    unistd::{Uid, User, getegid, geteuid},
};

use super::ClusterError;

/// The accounts to hand the server to, in order: the one that packages create for it, else the least of all.
const ACCOUNTS_FOR_ROOT: [&str; 2] = ["postgres", "nobody"];

/// What the server's programs may need of our environment.
const KEPT: [&str; 2] = ["PATH", "LD_LIBRARY_PATH"];

/// The account that runs the server and owns its files.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: String,
    uid: u32,
    gid: u32,
    /// Whether we are root and change to this account; else we are this account.
    switch: bool,
    /// Whether the system knows it. `initdb` insists.
    has_name: bool,
}

pub(super) fn is_root() -> bool {
    geteuid().is_root()
}

impl Account {
    pub(super) fn of_server() -> Result<Self, ClusterError> {
        if !is_root() {
            return Ok(Self::ourselves());
        }
        let user = ACCOUNTS_FOR_ROOT
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .ok_or(ClusterError::NoAccount)?;
        Ok(Self {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            switch: true,
            has_name: true,
        })
    }

    fn ourselves() -> Self {
        let uid: Uid = geteuid();
        // A container may run under a number that has no name.
        let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
        Self {
            has_name: name.is_some(),
            name: name.unwrap_or_else(|| uid.to_string()),
            uid: uid.as_raw(),
            gid: getegid().as_raw(),
            switch: false,
        }
    }

    /// Refuses an account without a name, for which `initdb` makes no cluster.
    pub(super) fn require_name(&self) -> Result<(), ClusterError> {
        if self.has_name {
            Ok(())
        } else {
            Err(ClusterError::NamelessAccount { uid: self.uid })
        }
    }

    pub(super) fn owns(&self, metadata: &fs::Metadata) -> bool {
        metadata.uid() == self.uid
    }

    /// Hands a file or folder that we created to the account, if it is not ours already.
    pub(super) fn give(&self, path: &Path) -> Result<(), ClusterError> {
        if self.switch {
            lchown(path, Some(self.uid), Some(self.gid))
                .map_err(ClusterError::io("change the owner of", path))?;
        }
        Ok(())
    }

    /// Lets the account pass through `dir`, if root closed it to others: its group may pass, and no one else.
    pub(super) fn admit_to(&self, dir: &Path) -> io::Result<()> {
        let metadata = fs::metadata(dir)?;
        if self.switch && metadata.uid() == 0 && !self.may_pass(&metadata) {
            chown(dir, None, Some(self.gid))?;
            let mut permissions = metadata.permissions();
            permissions.set_mode((metadata.mode() & 0o700) | 0o010);
            fs::set_permissions(dir, permissions)?;
        }
        Ok(())
    }

    /// A command that runs as the account, with `dir` as its working folder, and gets `death_signal` if we die.
    pub(super) fn command(&self, program: &Path, dir: &Path, death_signal: Signal) -> Command {
        let mut command = Command::new(program);
        clear_environment(&mut command);
        command
            .current_dir(dir)
            .stdin(Stdio::null())
            // A Ctrl-C at the terminal is for us: we stop the server once nothing needs it any more.
            .process_group(0);
        if self.switch {
            // This also drops root's supplementary groups.
            command.uid(self.uid).gid(self.gid);
        }
        #[cfg(target_os = "linux")]
        die_with_parent(&mut command, death_signal);
        #[cfg(not(target_os = "linux"))]
        let _ = death_signal;
        command
    }

    /// Explains why `program` could not be launched with `dir` as its working folder.
    pub(super) fn launch_error(
        &self,
        program: &Path,
        dir: &Path,
        source: io::Error,
    ) -> ClusterError {
        if source.kind() != io::ErrorKind::PermissionDenied {
            return ClusterError::io("run", program)(source);
        }
        ClusterError::Unreachable {
            account: self.name.clone(),
            path: self
                .first_closed(dir)
                .or_else(|| self.first_closed(program))
                .unwrap_or_else(|| program.to_owned()),
        }
    }

    fn first_closed(&self, path: &Path) -> Option<PathBuf> {
        let mut from_root: Vec<_> = path.ancestors().collect();
        from_root.reverse();
        let closed =
            |path: &&&Path| fs::metadata(path).is_ok_and(|metadata| !self.may_pass(&metadata));
        from_root.iter().find(closed).map(|path| path.to_path_buf())
    }

    /// Whether the account has the `x` permission, judged by the mode alone.
    fn may_pass(&self, metadata: &fs::Metadata) -> bool {
        let bit = if metadata.uid() == self.uid {
            0o100
        } else if metadata.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        metadata.mode() & bit != 0
    }
}

/// Leaves a program nothing of our environment but where programs and libraries are: our secrets are in it, which the
/// server's account and its superusers could read, and variables that change what the programs do, such as `PGOPTIONS`.
pub(super) fn clear_environment(command: &mut Command) {
    let kept = KEPT.map(|name| (name, env::var_os(name)));
    command.env_clear();
    for (name, value) in kept {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    // Messages are read by us, so they must not be translated.
    command.env("LC_ALL", "C").env("TZ", "UTC");
}

/// Has the kernel send `signal` to the child when the thread that spawns it ends, however it ends.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "only code between fork and exec can ask for the signal; it makes two system calls and allocates nothing"
)]
fn die_with_parent(command: &mut Command, signal: Signal) {
    use nix::{errno::Errno, sys::prctl::set_pdeathsig, unistd::getpid, unistd::getppid};

    let parent = getpid();
    // Runs after the change of account, which would clear the setting.
    let ask_for_signal = move || {
        set_pdeathsig(signal)?;
        // If the parent died before the call above, no signal will ever come.
        if getppid() == parent {
            Ok(())
        } else {
            Err(Errno::ESRCH.into())
        }
    };
    // SAFETY: the closure is async-signal-safe: `prctl` and `getppid`, no allocation, no lock.
    unsafe {
        command.pre_exec(ask_for_signal);
    }
}
