//! The server's settings.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

use super::{Durability, PORT};

/// Given at each start rather than written at the first, so that a later release can change them.
pub(super) fn settings(socket_dir: &Path, durability: Durability) -> Vec<OsString> {
    let mut socket_setting = OsString::from("unix_socket_directories=");
    socket_setting.push(quoted(socket_dir));
    let mut settings = vec![socket_setting, format!("port={PORT}").into()];
    settings.extend(
        [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "cluster_name=rollcall",
            "max_connections=200",
            "shared_buffers=256MB",
            "wal_compression=on",
            "max_wal_size=2GB",
            "timezone=UTC",
            "log_timezone=UTC",
            "log_destination=stderr",
            "logging_collector=off",
            "log_line_prefix=%m [%p] ",
            // The details of an error hold the values, and the values are people's: erasure does not reach a log.
            "log_error_verbosity=terse",
            "log_parameter_max_length=0",
            "log_parameter_max_length_on_error=0",
            "log_min_error_statement=panic",
            "log_checkpoints=off",
        ]
        .map(OsString::from),
    );
    let durable = if durability == Durability::Durable {
        "on"
    } else {
        "off"
    };
    let promises = ["fsync", "full_page_writes", "synchronous_commit"];
    settings.extend(promises.map(|name| format!("{name}={durable}").into()));
    settings
}

/// The setting is a list, in which commas separate and double quotes keep together.
fn quoted(path: &Path) -> OsString {
    let mut quoted = vec![b'"'];
    for byte in path.as_os_str().as_bytes() {
        if *byte == b'"' {
            quoted.push(b'"');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    OsString::from_vec(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_throwaway_clusters_give_up_durability() {
        let with = |durability| settings(Path::new("/srv/run"), durability);
        for name in ["fsync", "full_page_writes", "synchronous_commit"] {
            assert!(with(Durability::Durable).contains(&format!("{name}=on").into()));
            assert!(with(Durability::Throwaway).contains(&format!("{name}=off").into()));
        }
    }

    #[test]
    fn a_socket_folder_with_odd_characters_stays_one_folder() {
        assert_eq!(quoted(Path::new("/srv/a, b")), "\"/srv/a, b\"");
        assert_eq!(quoted(Path::new("/srv/a\"b")), "\"/srv/a\"\"b\"");
    }
}
