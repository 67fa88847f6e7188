//! Settings: one table of what there is, filled from defaults, a TOML file, the environment and the program, the later
//! over the earlier.
//!
//! The file is the one that `SELION_CONFIG` names, else `selion/selion.toml` in the user's configuration folder. In the
//! environment a key is written in capitals with `__` for a dot: `SELION_MEMORY_LIMIT=256MiB`, `SELION_OPTIMIZE__FOLD=false`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{LazyLock, RwLock};

/// What kind of value a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number of bytes, as an integer or with a unit: `"512MiB"`.
    Bytes,
    /// A whole number.
    Integer,
    /// True or false.
    Flag,
    /// Text.
    Text,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number, bytes included.
    Integer(u64),
    /// True or false.
    Flag(bool),
    /// Text.
    Text(String),
    /// Not set: selion chooses.
    None,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name, with dots.
    pub key: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its value where nothing sets it, as text; empty for none.
    pub default: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
}

/// All settings.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "memory_limit",
        kind: Kind::Bytes,
        default: "",
        about: "Memory for the values of running computations; 60 % of the machine's or the container's by default.",
    },
    Setting {
        key: "num_workers",
        kind: Kind::Integer,
        default: "",
        about: "Threads that run tasks; one per core by default.",
    },
    Setting {
        key: "temporary_directory",
        kind: Kind::Text,
        default: "",
        about: "Where values go that do not fit in memory; the system's folder for temporary files by default.",
    },
    Setting {
        key: "scheduler",
        kind: Kind::Text,
        default: "threads",
        about: "Who runs tasks: threads, processes for Python functions, or synchronous for debugging.",
    },
    Setting { key: "array.chunk-size", kind: Kind::Bytes, default: "128MiB", about: "What automatic chunks aim at." },
    Setting {
        key: "delayed_pure",
        kind: Kind::Flag,
        default: "false",
        about: "Whether equal calls of delayed functions are made once, where the function does not say.",
    },
    Setting {
        key: "scheduler_address",
        kind: Kind::Text,
        default: "",
        about: "The scheduler that clients and workers connect to if none is named.",
    },
    Setting { key: "token", kind: Kind::Text, default: "", about: "What schedulers want to be told by who connects." },
    Setting {
        key: "tls.ca_file",
        kind: Kind::Text,
        default: "",
        about: "The certificate of the authority whose certificates are trusted: a PEM file.",
    },
    Setting { key: "tls.cert", kind: Kind::Text, default: "", about: "This process's certificate: a PEM file." },
    Setting { key: "tls.key", kind: Kind::Text, default: "", about: "The certificate's private key: a PEM file." },
    Setting {
        key: "optimize.fold",
        kind: Kind::Flag,
        default: "true",
        about: "Whether operations on constants are done while optimising.",
    },
];

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// There is no such setting.
    #[error("there is no setting {key:?}; did you mean {nearest:?}?")]
    Unknown {
        /// As given.
        key: String,
        /// The name most like it.
        nearest: &'static str,
    },
    /// The value is not of its kind.
    #[error("setting {key:?} takes {expected}, not {value:?}")]
    Value {
        /// The setting.
        key: String,
        /// As given.
        value: String,
        /// What it takes.
        expected: &'static str,
    },
    /// The file cannot be read.
    #[error("cannot read settings from {path}: {why}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The settings of this process.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<&'static str, Value>,
}

static CURRENT: LazyLock<RwLock<Result<Settings, SettingError>>> = LazyLock::new(|| RwLock::new(Settings::load()));

/// The settings in force.
///
/// # Errors
/// [`SettingError`] if the file or the environment holds something that is no setting.
pub fn settings() -> Result<Settings, SettingError> {
    CURRENT.read().map_or_else(|_| Ok(Settings::default()), |current| current.clone())
}

impl Settings {
    /// From the file and the environment.
    ///
    /// # Errors
    /// [`SettingError`], naming the key, or the file.
    pub fn load() -> Result<Settings, SettingError> {
        let mut settings = Settings::default();
        for setting in SETTINGS.iter().filter(|setting| !setting.default.is_empty()) {
            settings.set(setting.key, Value::Text(setting.default.to_owned()))?;
        }
        settings.read_file()?;
        for (name, value) in std::env::vars() {
            let Some(key) = name.strip_prefix("SELION_") else { continue };
            if matches!(key, "CONFIG" | "SIMD") {
                continue;
            }
            settings.set(&key.to_lowercase().replace("__", "."), Value::Text(value))?;
        }
        Ok(settings)
    }

    fn read_file(&mut self) -> Result<(), SettingError> {
        let named = std::env::var_os("SELION_CONFIG").map(PathBuf::from);
        let folder = std::env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
        let Some(path) = named.clone().or_else(|| folder.map(|folder| folder.join("selion/selion.toml"))) else {
            return Ok(());
        };
        let failed = |why: String| SettingError::File { path: path.display().to_string(), why };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => return Ok(()),
            Err(error) => return Err(failed(error.to_string())),
        };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| failed(error.to_string()))?;
        self.set_table("", &table)
    }

    fn set_table(&mut self, prefix: &str, table: &toml::Table) -> Result<(), SettingError> {
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                toml::Value::Table(inner) => self.set_table(&key, inner)?,
                toml::Value::Integer(number) if *number >= 0 => self.set(&key, Value::Integer(*number as u64))?,
                toml::Value::Boolean(flag) => self.set(&key, Value::Flag(*flag))?,
                toml::Value::String(text) => self.set(&key, Value::Text(text.clone()))?,
                other => self.set(&key, Value::Text(other.to_string()))?,
            }
        }
        Ok(())
    }

    /// Sets one setting; hyphens and underscores are the same, as Dask has it.
    ///
    /// # Errors
    /// [`SettingError`] for a name that is none, or a value that is not of the setting's kind.
    ///
    /// ```
    /// use selion::{Settings, SettingValue};
    /// let mut settings = Settings::default();
    /// settings.set("memory_limit", SettingValue::Text("512MiB".into()))?;
    /// assert_eq!(settings.integer("memory_limit"), Some(512 << 20));
    /// assert!(settings.set("memory_limt", SettingValue::None).is_err());
    /// # Ok::<(), selion::SettingError>(())
    /// ```
    pub fn set(&mut self, key: &str, value: Value) -> Result<(), SettingError> {
        let setting = find(key)?;
        let refuse = |value: &dyn std::fmt::Debug, expected| SettingError::Value {
            key: setting.key.to_owned(),
            value: format!("{value:?}").trim_matches('"').to_owned(),
            expected,
        };
        let value = match (setting.kind, value) {
            (_, Value::None) => {
                self.values.remove(setting.key);
                return Ok(());
            }
            (Kind::Bytes | Kind::Integer, value @ Value::Integer(_)) => value,
            (Kind::Flag, value @ Value::Flag(_)) => value,
            (Kind::Text, value @ Value::Text(_)) => value,
            (Kind::Bytes, Value::Text(text)) => {
                Value::Integer(parse_bytes(&text).ok_or_else(|| refuse(&text, "a number of bytes such as \"512MiB\""))?)
            }
            (Kind::Integer, Value::Text(text)) => {
                Value::Integer(text.trim().parse().map_err(|_| refuse(&text, "a whole number"))?)
            }
            (Kind::Flag, Value::Text(text)) => match text.trim().to_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Value::Flag(true),
                "false" | "0" | "no" | "off" => Value::Flag(false),
                _ => return Err(refuse(&text, "true or false")),
            },
            (Kind::Bytes, other) => return Err(refuse(&other, "a number of bytes")),
            (Kind::Integer, other) => return Err(refuse(&other, "a whole number")),
            (Kind::Flag, other) => return Err(refuse(&other, "true or false")),
            (Kind::Text, other) => return Err(refuse(&other, "text")),
        };
        self.values.insert(setting.key, value);
        Ok(())
    }

    /// The value of a setting.
    ///
    /// # Errors
    /// [`SettingError::Unknown`] for a name that is none.
    pub fn get(&self, key: &str) -> Result<Value, SettingError> {
        Ok(self.values.get(find(key)?.key).cloned().unwrap_or(Value::None))
    }

    /// The value of a numeric setting, if set.
    pub fn integer(&self, key: &str) -> Option<u64> {
        match self.values.get(key) {
            Some(Value::Integer(value)) => Some(*value),
            _ => None,
        }
    }

    /// The value of a flag, if set.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.values.get(key) {
            Some(Value::Flag(value)) => Some(*value),
            _ => None,
        }
    }

    /// The value of a textual setting, if set.
    pub fn text(&self, key: &str) -> Option<String> {
        match self.values.get(key) {
            Some(Value::Text(value)) => Some(value.clone()),
            _ => None,
        }
    }

    /// Makes these the settings in force.
    pub fn apply(self) {
        if let Ok(mut current) = CURRENT.write() {
            *current = Ok(self);
        }
    }
}

fn normal(key: &str) -> String {
    key.trim().replace('-', "_")
}

fn find(key: &str) -> Result<&'static Setting, SettingError> {
    let wanted = normal(key);
    SETTINGS.iter().find(|setting| normal(setting.key) == wanted).ok_or_else(|| SettingError::Unknown {
        key: key.to_owned(),
        nearest: SETTINGS
            .iter()
            .min_by_key(|setting| distance(&normal(setting.key), &wanted))
            .map_or("", |setting| setting.key),
    })
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != *y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

/// A number of bytes: `"100"`, `"1.5 kB"`, `"512MiB"`. Units are those of Dask, in any case; kB is 1000.
///
/// ```
/// assert_eq!(selion::parse_bytes("1.5 kB"), Some(1500));
/// assert_eq!(selion::parse_bytes("2GiB"), Some(2 << 30));
/// assert_eq!(selion::parse_bytes("much"), None);
/// ```
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_lowercase().replace(' ', "");
    let split = text.find(|c: char| c.is_ascii_alphabetic() && c != 'e').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = if number.is_empty() { 1.0 } else { number.parse().ok()? };
    let factor = match unit {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "p" | "pb" => 1e15,
        "ki" | "kib" => 1024.0,
        "mi" | "mib" => 1_048_576.0,
        "gi" | "gib" => 1_073_741_824.0,
        "ti" | "tib" => 1_099_511_627_776.0,
        "pi" | "pib" => 1_125_899_906_842_624.0,
        _ => return None,
    };
    let bytes = number * factor;
    (bytes >= 0.0 && bytes.is_finite()).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_answered_with_the_nearest_name() {
        let error = Settings::default().set("memory-limits", Value::Integer(1)).unwrap_err();
        assert_eq!(error, SettingError::Unknown { key: "memory-limits".to_owned(), nearest: "memory_limit" });
    }

    #[test]
    fn values_are_checked() {
        let mut settings = Settings::default();
        assert!(settings.set("num_workers", Value::Text("two".to_owned())).is_err());
        assert!(settings.set("optimize.fold", Value::Text("off".to_owned())).is_ok());
        assert_eq!(settings.flag("optimize.fold"), Some(false));
    }

    #[test]
    fn every_default_is_valid() {
        let mut settings = Settings::default();
        for setting in SETTINGS.iter().filter(|setting| !setting.default.is_empty()) {
            settings.set(setting.key, Value::Text(setting.default.to_owned())).unwrap();
        }
    }
}
