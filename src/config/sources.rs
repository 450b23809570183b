//! Where options come from: the file, the environment, the flags. Each is a layer of values that
//! knows its origin.

use std::{
    ffi::OsString,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    value::{Dict, Map, Value},
};

use super::{
    Args, ConfigError,
    options::{self, Form},
};

/// The files that are tried, in this order, when none is named.
pub(super) const DEFAULT_FILES: [&str; 2] = ["rollcall.toml", "/etc/rollcall/rollcall.toml"];

/// What the names of our environment variables begin with.
const PREFIX: &str = "ROLLCALL_";

/// The variable that names the file, and so is not itself an option.
const FILE_VARIABLE: &str = "ROLLCALL_CONFIG";

/// Options from one source.
#[derive(Debug, Default)]
pub(super) struct Layer {
    origin: Origin,
    values: Dict,
}

#[derive(Clone, Debug, Default)]
enum Origin {
    File(PathBuf),
    #[default]
    Environment,
    Flags,
}

impl Origin {
    /// The place where `option` was given, as an error names it.
    fn of(&self, option: &str) -> String {
        match self {
            Self::File(path) => format!("the file {}", path.display()),
            Self::Environment => format!("{} in the environment", variable(option)),
            Self::Flags => format!("the flag --{}", option.replace('_', "-")),
        }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        let origin = self.origin.clone();
        Metadata::named("option")
            .interpolater(move |_, keys| origin.of(keys.first().unwrap_or(&"")))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The options of the environment, and the file that it names.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub file: Option<PathBuf>,
    pub layer: Layer,
}

/// Reads the options out of the environment. A variable that is set to nothing counts as not set,
/// because that is how container tools pass on what they were not given.
pub(super) fn environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Environment, ConfigError> {
    let mut environment = Environment::default();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        if value.is_empty() {
            continue;
        }
        if name == FILE_VARIABLE {
            environment.file = Some(value.into());
            continue;
        }
        let value = value.to_str().ok_or_else(|| ConfigError::NotText {
            name: name.to_owned(),
        })?;
        let option = options::OPTIONS
            .iter()
            .find(|option| variable(option.name) == name)
            .ok_or_else(|| unknown(name, &format!("the environment variable {name}")))?;
        environment
            .layer
            .values
            .insert(option.name.to_owned(), from_text(&option.form, value));
    }
    Ok(environment)
}

/// The environment variable of an option.
fn variable(option: &str) -> String {
    format!("{PREFIX}{}", option.to_ascii_uppercase())
}

fn unknown(name: &str, origin: &str) -> ConfigError {
    let option = name
        .strip_prefix(PREFIX)
        .unwrap_or(name)
        .to_ascii_lowercase();
    ConfigError::Unknown {
        option,
        origin: origin.to_owned(),
    }
}

/// A variable's text as the value that a file would hold. What cannot be read stays text, and is
/// then refused by the rule of its option.
fn from_text(form: &Form, text: &str) -> Value {
    let text = text.trim();
    match form {
        Form::Number(_) => text
            .parse::<u64>()
            .map_or_else(|_| text.into(), Value::from),
        Form::Switch => text
            .parse::<bool>()
            .map_or_else(|_| text.into(), Value::from),
        Form::List(_) => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect::<Vec<_>>()
            .into(),
        Form::Text(_) => text.into(),
    }
}

/// Reads the file that is named, which must be there, or else the first of the default ones that
/// is.
pub(super) fn file(named: Option<&Path>, defaults: &[&str]) -> Result<Option<Layer>, ConfigError> {
    if let Some(path) = named {
        return read(path)?
            .map(Some)
            .map_err(|reason| unreadable(path, reason));
    }
    for path in defaults.iter().map(Path::new) {
        match read(path)? {
            Ok(layer) => return Ok(Some(layer)),
            Err(reason) if reason.kind() == ErrorKind::NotFound => {}
            Err(reason) => return Err(unreadable(path, reason)),
        }
    }
    Ok(None)
}

fn unreadable(path: &Path, reason: std::io::Error) -> ConfigError {
    ConfigError::Unreadable {
        path: path.to_owned(),
        reason,
    }
}

/// The outer error is one of content, the inner one of access.
fn read(path: &Path) -> Result<std::io::Result<Layer>, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text).map(Ok),
        Err(reason) => Ok(Err(reason)),
    }
}

fn parse(path: &Path, text: &str) -> Result<Layer, ConfigError> {
    let values: Dict = Toml::from_str(text).map_err(|error| ConfigError::NotToml {
        path: path.to_owned(),
        line: text
            .bytes()
            .take(error.span().map_or(0, |span| span.start))
            .filter(|byte| *byte == b'\n')
            .count()
            + 1,
        reason: error.message().trim_end().replace('\n', "; "),
    })?;
    let origin = Origin::File(path.to_owned());
    match values.keys().find(|name| options::find(name).is_none()) {
        Some(name) => Err(unknown(name, &origin.of(name))),
        None => Ok(Layer { origin, values }),
    }
}

/// Lays the sources over each other: flags over environment over file.
pub(super) fn merge(
    file: Option<Layer>,
    environment: Layer,
    flags: &Args,
) -> Result<Figment, ConfigError> {
    let values = Value::serialize(flags).map_err(|error| ConfigError::Flags {
        reason: error.to_string(),
    })?;
    let mut values = values.into_dict().unwrap_or_default();
    values.retain(|_, value| !matches!(value, Value::Empty(..)));
    let flags = Layer {
        origin: Origin::Flags,
        values,
    };
    let file = file.unwrap_or_default();
    Ok(Figment::new().merge(file).merge(environment).merge(flags))
}
