//! Where options come from: the file, the environment, the flags. Each is a layer of values that
//! knows its origin.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    value::{Dict, Map, Value},
};

use super::{
    Args, ConfigError, DatabaseUrl,
    options::{self, Form},
    surroundings,
};
use crate::trusted_file::TrustedFile;

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
    /// Variables that are no options, and were not given by an operator.
    pub passed_over: Vec<String>,
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
        let Some(option) = options::OPTIONS
            .iter()
            .find(|option| variable(option.name) == name)
        else {
            if surroundings::is_of_surroundings(&name[PREFIX.len()..], &value.to_string_lossy()) {
                environment.passed_over.push(name.to_owned());
                continue;
            }
            return Err(unknown(name, &format!("the environment variable {name}")));
        };
        let value = value.to_str().ok_or_else(|| ConfigError::NotText {
            name: name.to_owned(),
        })?;
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
        nearest: options::nearest(&option),
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
        Form::Text(_) | Form::Secret(_) => text.into(),
    }
}

/// Reads the file that is named, which must be there, or else the first of the default ones that
/// is.
pub(super) fn file(named: Option<&Path>, defaults: &[&str]) -> Result<Option<Layer>, ConfigError> {
    if let Some(path) = named {
        return read(path).map(Some);
    }
    for path in defaults.iter().map(Path::new) {
        match read(path) {
            Err(ConfigError::File(error)) if error.is_not_found() => {}
            read => return read.map(Some),
        }
    }
    Ok(None)
}

/// A file with a secret in it is for us alone.
fn read(path: &Path) -> Result<Layer, ConfigError> {
    let mut file = TrustedFile::open(path)?;
    let text = file.read()?;
    let layer = parse(path, &text)?;
    if layer
        .values
        .iter()
        .any(|(name, value)| is_secret(name, value))
    {
        file.require_private()?;
    }
    Ok(layer)
}

fn is_secret(name: &str, value: &Value) -> bool {
    match options::find(name).map(|option| &option.form) {
        Some(Form::Secret(_)) => true,
        // What cannot be read as a URL may hold a password all the more.
        _ if name == "database_url" => value
            .as_str()
            .and_then(|url| url.parse().ok())
            .is_none_or(|url: DatabaseUrl| url.holds_secret()),
        _ => false,
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
