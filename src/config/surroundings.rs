//! Environment variables that begin like ours and are not ours.
//!
//! Kubernetes describes every service of a namespace to every container in it, and Docker every linked container, in
//! variables that begin with the name of the service. If that name is `rollcall`, or begins with `rollcall-`, they look
//! like options of ours.

/// What such variables end with, after the name of the service.
const SUFFIXES: [&str; 2] = ["SERVICE_HOST", "SERVICE_PORT"];

/// Whether a variable, of this name without our prefix, describes a service or a link.
pub(super) fn is_of_surroundings(name: &str, value: &str) -> bool {
    SUFFIXES.iter().any(|suffix| ends_with_word(name, suffix))
        || has_words(name, "SERVICE_PORT")
        || has_words(name, "ENV")
        || ends_with_word(name, "PORT") && is_port_url(value)
        || ends_with_word(name, "NAME") && value.starts_with('/')
        || names_a_port(name)
}

/// Whether the name is these words, or ends with them.
fn ends_with_word(name: &str, words: &str) -> bool {
    name.strip_suffix(words)
        .is_some_and(|before| before.is_empty() || before.ends_with('_'))
}

/// Whether more follows these words in the name.
fn has_words(name: &str, words: &str) -> bool {
    let inner = format!("{words}_");
    name.match_indices(&inner).any(|(at, _)| {
        let is_word = at == 0 || name[..at].ends_with('_');
        is_word && at + inner.len() < name.len()
    })
}

/// Such as `tcp://10.96.0.5:80`.
fn is_port_url(value: &str) -> bool {
    ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme))
}

/// Such as `PORT_8080_TCP` or `PORT_8080_TCP_ADDR`.
fn names_a_port(name: &str) -> bool {
    let mut words = name.split('_').skip_while(|word| *word != "PORT").skip(1);
    let is_number = words
        .next()
        .is_some_and(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()));
    is_number && matches!(words.next(), Some("TCP" | "UDP" | "SCTP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_and_docker_say_of_services_is_of_the_surroundings() {
        for (name, value) in [
            ("PORT", "tcp://10.96.0.5:80"),
            ("PORT", "udp://10.96.0.5:53"),
            ("SERVICE_HOST", "10.96.0.5"),
            ("SERVICE_PORT", "80"),
            ("SERVICE_PORT_HTTP", "80"),
            ("SERVICE_PORT_HTTP_ADMIN", "81"),
            ("PORT_8080_TCP", "tcp://10.96.0.5:8080"),
            ("PORT_8080_TCP_ADDR", "10.96.0.5"),
            ("PORT_8080_TCP_PORT", "8080"),
            ("PORT_8080_TCP_PROTO", "tcp"),
            ("PORT_53_UDP_ADDR", "10.96.0.5"),
            ("NAME", "/web/rollcall"),
            ("ENV_PATH", "/usr/bin"),
            ("POSTGRES_SERVICE_HOST", "10.96.0.7"),
            ("POSTGRES_PORT", "tcp://10.96.0.7:5432"),
            ("POSTGRES_PORT_5432_TCP_ADDR", "10.96.0.7"),
            ("DB_1_NAME", "/web/db"),
            ("DB_1_ENV_PGDATA", "/data"),
        ] {
            assert!(is_of_surroundings(name, value), "{name}={value}");
        }
    }

    #[test]
    fn a_mistake_of_the_operator_is_not_of_the_surroundings() {
        for (name, value) in [
            ("PORT", "8080"),
            ("PORT", ""),
            ("HOST", "0.0.0.0"),
            ("SUPPORT", "tcp://10.96.0.5:80"),
            ("LISTN", "127.0.0.1:1"),
            ("DATABASE_NAME", "rollcall"),
            ("PORT_HTTP", "8080"),
            ("PORT_8080", "1"),
            ("ENV", "production"),
            ("MASTERKEY", "tcp://"),
            ("OIDC_CLIENT", "/x"),
        ] {
            assert!(!is_of_surroundings(name, value), "{name}={value}");
        }
    }
}
