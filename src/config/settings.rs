//! Raw settings: one map from variable name to text, merged from a TOML file and the environment.
//!
//! Used by [`super::Config`], and directly by commands that need a single address. The environment takes precedence
//! over the file, an empty variable counts as not set, and an unknown name in the file is an error, so that typos are
//! noticed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::cleartext;
use super::error::{ConfigError, Problem};
use super::public_url::PublicUrl;
use super::reader::Reader;
use super::secret::{Secret, SecretKey};
use super::variables::{self, Absent, NatsConfig, Variable, is_known, secret_of};

/// Why a connection is refused.
const EXPOSED: &str =
    "another machine without TLS: use TLS, or set NMC_ALLOW_CLEARTEXT=1 if the network between them is private";

/// The settings as text, not yet validated.
#[derive(Clone, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
}

impl Settings {
    /// Reads the file, if one is given. The environment overrides its values.
    ///
    /// # Errors
    /// If the file cannot be read, is not TOML, or contains an unknown name or an unsupported type of value.
    pub fn read(file: Option<&Path>, env: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut values = match file {
            Some(path) => read_file(path)?,
            None => BTreeMap::new(),
        };
        let set = env.into_iter().filter(|(name, value)| is_setting(name) && !value.trim().is_empty());
        values.extend(set);
        Ok(Self { values })
    }

    /// The text of a variable, as it was set; `None` if absent or blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// Reads only the URL of PostgreSQL.
    ///
    /// # Errors
    /// If it is missing or not a PostgreSQL URL.
    pub fn database_url(&self) -> Result<Secret, ConfigError> {
        self.value(&variables::database_url()).map_err(Into::into)
    }

    /// Reads only what is about NATS.
    ///
    /// # Errors
    /// If the servers are missing, or anything about them is invalid.
    pub fn nats(&self) -> Result<NatsConfig, ConfigError> {
        Reader::new(self).group(variables::checked_nats)
    }

    /// Reads only the key that encrypts tokens, and the other one of a rotation.
    ///
    /// # Errors
    /// If one is set and is not a key.
    pub fn token_keys(&self) -> Result<(Option<SecretKey>, Option<SecretKey>), ConfigError> {
        Ok((self.value(&variables::token_key())?, self.value(&variables::token_key_other())?))
    }

    /// Reads only the number of nodes that each stream is kept on.
    ///
    /// # Errors
    /// If it is set and invalid.
    pub fn nats_replicas(&self) -> Result<u8, ConfigError> {
        self.value(&variables::nats_replicas()).map_err(Into::into)
    }

    /// Reads only the auth token of the main account.
    ///
    /// # Errors
    /// If it is missing.
    pub fn auth_token(&self) -> Result<Secret, ConfigError> {
        self.value(&variables::auth_token()).map_err(Into::into)
    }

    /// Reads only the public URL, if it is set.
    ///
    /// # Errors
    /// If it is not an http or https URL.
    pub fn public_url_if_set(&self) -> Result<Option<PublicUrl>, ConfigError> {
        let public_url = variables::public_url();
        self.get(public_url.name).map(|_| self.value(&public_url)).transpose().map_err(Into::into)
    }

    /// Reads only the URL of Redis.
    ///
    /// # Errors
    /// If it is missing or not a Redis URL.
    pub fn redis_url(&self) -> Result<Secret, ConfigError> {
        self.value(&variables::redis_url()).map_err(Into::into)
    }

    /// Reads only the rate of replays.
    ///
    /// # Errors
    /// If it is set and not a rate.
    pub fn replay_rate(&self) -> Result<super::Rate, ConfigError> {
        self.value(&variables::replay_rate()).map_err(Into::into)
    }

    /// Reads only the address of the HTTP edge.
    ///
    /// # Errors
    /// If it is set and not a socket address.
    pub fn bind(&self) -> Result<std::net::SocketAddr, ConfigError> {
        self.value(&variables::bind()).map_err(Into::into)
    }

    /// Reads one variable.
    pub(super) fn value<T>(&self, variable: &Variable<T>) -> Result<T, Problem> {
        let problem = |reason: String| Problem::new(variable.name, reason, Some(variable.example));
        let text = match (self.text(variable.name)?, &variable.absent) {
            (Some(text), _) => text,
            (None, Absent::Default(text)) => Cow::Borrowed(*text),
            (None, Absent::Off(value)) => return Ok(value()),
            (None, Absent::Missing) => return Err(problem("missing".to_owned())),
        };
        let value = (variable.parse)(text.trim()).map_err(problem)?;
        if cleartext::is_exposed(variable.name, text.trim()) && !self.value(&variables::allow_cleartext())? {
            return Err(problem(EXPOSED.to_owned()));
        }
        Ok(value)
    }

    /// The text of a variable or, if it is a secret, of the file that is named instead.
    fn text(&self, name: &'static str) -> Result<Option<Cow<'_, str>>, Problem> {
        let path = secret_of(&file_of(name)).and_then(|_| self.get(&file_of(name)));
        text_or_file(name, self.get(name), path)
    }
}

/// A secret that is read before the settings, from the environment alone; `NAME_FILE` may name a file with it.
///
/// # Errors
/// If both are set, or the file cannot be read.
pub fn secret_in_env(name: &str, env: impl Fn(&str) -> Option<String>) -> Result<Option<Secret>, ConfigError> {
    let set = |name: &str| env(name).filter(|value| !value.trim().is_empty());
    let (text, path) = (set(name), set(&file_of(name)));
    let text = text_or_file(name, text.as_deref(), path.as_deref())?;
    Ok(text.map(|text| Secret::new(text.trim())))
}

/// The variable that names the file of a secret.
fn file_of(name: &str) -> String {
    format!("{name}_FILE")
}

fn text_or_file<'a>(name: &str, text: Option<&'a str>, path: Option<&str>) -> Result<Option<Cow<'a, str>>, Problem> {
    let file = file_of(name);
    match (text, path) {
        (text, None) => Ok(text.map(Cow::Borrowed)),
        (Some(_), Some(_)) => Err(Problem::new(name, format!("{file} is set, too: set only one of them"), None)),
        (None, Some(path)) => read_secret(path).map(Some).map_err(|why| Problem::new(file, why, SECRET_FILE)),
    }
}

/// An example of a file with a secret.
const SECRET_FILE: Option<&str> = Some("/run/secrets/nevermisscall");

/// The text of a file, without the newline that editors and `echo` add.
fn read_secret(path: &str) -> Result<Cow<'static, str>, String> {
    let text = std::fs::read_to_string(path.trim()).map_err(|error| format!("cannot be read: {error}"))?;
    match text.trim() {
        "" => Err("the file is empty".to_owned()),
        secret => Ok(Cow::Owned(secret.to_owned())),
    }
}

/// Whether a file of the configuration may have this name.
fn is_setting(name: &str) -> bool {
    is_known(name) || secret_of(name).is_some()
}

/// Shows the names only: values may be secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// The environment of this process; a variable that is not Unicode is left out.
pub fn process_env() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| Problem::new(&name, format!("cannot be read: {error}"), None))?;
    // The parser's own message quotes the invalid line, which may contain a secret, so only the line number is shown.
    let table: toml::Table = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(&text, span.start));
        Problem::new(&name, format!("not valid TOML in line {line}"), Some(r#"NMC_WINDOW_HOLD = "60s""#))
    })?;
    let (values, problems) =
        table.into_iter().fold((BTreeMap::new(), Vec::new()), |(mut values, mut problems), (key, value)| {
            match file_value(&key, value) {
                Ok(text) => drop(values.insert(key, text)),
                Err(reason) => problems.push(Problem::new(key, format!("{reason} in {name}"), None)),
            }
            (values, problems)
        });
    if problems.is_empty() { Ok(values) } else { Err(ConfigError::new(problems)) }
}

fn file_value(key: &str, value: toml::Value) -> Result<String, &'static str> {
    if !is_setting(key) {
        return Err("unknown variable");
    }
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(flag) => Ok(flag.to_string()),
        _ => Err("must be a string, an integer or a boolean"),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::path::PathBuf;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    /// A file that is deleted when the test ends.
    struct TempFile(PathBuf);

    impl TempFile {
        fn with(name: &str, text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("nmc-settings-{}-{name}.toml", std::process::id()));
            std::fs::write(&path, text).unwrap();
            Self(path)
        }
    }

    impl Drop for TempFile {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn the_environment_wins_over_the_file_unless_it_is_blank() {
        let file = TempFile::with("wins", "NMC_BIND = \"1.1.1.1:1\"\nNMC_SEND_RATE = \"2/s\"\nNMC_AI_MAX = 7\n");
        let settings =
            Settings::read(Some(&file.0), env(&[("NMC_BIND", "2.2.2.2:2"), ("NMC_SEND_RATE", " "), ("PATH", "/bin")]))
                .unwrap();
        assert_eq!(settings.get("NMC_BIND"), Some("2.2.2.2:2"));
        assert_eq!(settings.get("NMC_SEND_RATE"), Some("2/s"));
        assert_eq!(settings.get("NMC_AI_MAX"), Some("7"));
        assert_eq!(settings.get("PATH"), None);
    }

    #[test]
    fn every_unknown_name_and_unfit_value_of_the_file_is_reported_by_name() {
        let file = TempFile::with("unknown", "NMC_BNID = 1\nTWILIO_TOKEN = \"hush\"\nNMC_API_KEYS = [\"hush\"]\n");
        let error = Settings::read(Some(&file.0), env(&[("NMC_TYPO", "x")])).unwrap_err();
        let names: Vec<_> = error.problems().iter().map(|problem| problem.name.as_str()).collect();
        assert_eq!(names, ["NMC_API_KEYS", "NMC_BNID", "TWILIO_TOKEN"]);
        assert!(!error.to_string().contains("hush"), "{error}");
    }

    #[rstest]
    #[case::a_line_that_is_not_toml("NMC_BIND = \"0.0.0.0:1\"\nTWILIO_AUTH_TOKEN = hush\n", "line 2")]
    #[case::a_name_given_twice("REDIS_URL = \"hush\"\nREDIS_URL = \"hush\"\n", "line 2")]
    fn a_broken_file_is_located_without_quoting_it(#[case] text: &str, #[case] expected: &str) {
        let file = TempFile::with(&format!("broken-{}", text.len()), text);
        let shown = Settings::read(Some(&file.0), []).unwrap_err().to_string();
        assert!(shown.contains(expected), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let error = Settings::read(Some(Path::new("/nonexistent/nmc.toml")), []).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/nmc.toml: cannot be read"));
    }

    #[test]
    fn one_address_can_be_had_without_the_others() {
        let settings = Settings::read(None, env(&[("DATABASE_URL", "postgres://u:p@localhost/nmc")])).unwrap();
        assert_eq!(settings.database_url().unwrap().expose(), "postgres://u:p@localhost/nmc");
        assert_eq!(
            settings.nats().map(drop).unwrap_err().to_string(),
            "NATS_URL: missing; for example: nats://localhost:4222"
        );
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        let settings = Settings::read(None, env(&[("TWILIO_AUTH_TOKEN", "hush")])).unwrap();
        assert_eq!(format!("{settings:?}"), r#"{"TWILIO_AUTH_TOKEN"}"#);
    }
}
