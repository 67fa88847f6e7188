//! What users may choose: declared in the configuration, shown by `/options`, checked at every POST.
//!
//! An option sets one key of `Settings`, by default the one of its own name. If there are profiles, a `select` named
//! `profile` comes first. The JSON of a field is the stock client's: exactly the keys that it knows (reference § 11).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::settings::Settings;

/// One option as declared.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionSpec {
    /// The keyword of `new_cluster`.
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The value when nothing is said.
    pub default: Value,
    /// The smallest value of an `int` or `float`.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// The values of a `select`.
    #[serde(default)]
    pub choices: Vec<String>,
    /// What people read; by default made of the name.
    pub label: Option<String>,
    /// The key of the cluster's settings that it sets; by default its name.
    pub sets: Option<String>,
}

/// What an option's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Whole numbers.
    Int,
    /// Numbers.
    Float,
    /// Texts.
    String,
    /// True or false.
    Bool,
    /// One of several texts.
    Select,
    /// An object of texts.
    Mapping,
}

/// All options, ready to check what users say.
#[derive(Debug)]
pub struct Options {
    specs: Vec<OptionSpec>,
    base: Map<String, Value>,
    profiles: BTreeMap<String, Map<String, Value>>,
}

/// What a POST asked for, once checked.
#[derive(Debug)]
pub struct Chosen {
    /// What the cluster object shows: every option with its value.
    pub options: Map<String, Value>,
    /// What comes of it.
    pub settings: Settings,
}

const PROFILE: &str = "profile";

impl Options {
    /// The options of a configuration.
    ///
    /// # Errors
    /// If a declaration contradicts itself.
    pub fn new(config: &Config) -> Result<Options, String> {
        let mut specs = Vec::new();
        if let Some(first) = config.profile.keys().next() {
            let default = if config.profile.contains_key("default") { "default" } else { first };
            specs.push(OptionSpec {
                name: PROFILE.into(),
                kind: Kind::Select,
                default: default.into(),
                min: None,
                max: None,
                choices: config.profile.keys().cloned().collect(),
                label: Some("Profile".into()),
                sets: None,
            });
        }
        specs.extend(config.option.iter().cloned());
        for (position, spec) in specs.iter().enumerate() {
            spec.check_declaration()?;
            if specs[..position].iter().any(|other| other.name == spec.name) {
                return Err(format!("option {}: declared twice", spec.name));
            }
        }
        Ok(Options { specs, base: config.cluster.clone(), profiles: config.profile.clone() })
    }

    /// What cannot work whatever users choose: a default or a profile that makes no settings.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Err(error) = self.choose(&Map::new(), None) {
            problems.push(format!("options: with all defaults: {error}"));
        }
        for name in self.profiles.keys() {
            let chosen = Map::from_iter([(PROFILE.to_owned(), Value::from(name.as_str()))]);
            if let Err(error) = self.choose(&chosen, None) {
                problems.push(format!("profile {name}: {error}"));
            }
        }
        problems
    }

    /// The fields as the stock client wants them.
    #[must_use]
    pub fn fields(&self) -> Value {
        self.specs.iter().map(OptionSpec::field).collect()
    }

    /// Checks what a user asked for and makes the settings of it; `engine` may be asked for beside the options.
    ///
    /// # Errors
    /// A sentence that names the option.
    pub fn choose(&self, asked: &Map<String, Value>, engine: Option<&str>) -> Result<Chosen, String> {
        let mut unknown: Vec<&str> =
            asked.keys().map(String::as_str).filter(|key| self.specs.iter().all(|spec| spec.name != *key)).collect();
        if !unknown.is_empty() {
            unknown.sort_unstable();
            return Err(format!("Unknown cluster options: {}", unknown.join(", ")));
        }
        let mut options = Map::new();
        let mut layer = Map::new();
        let mut profile = None;
        for spec in &self.specs {
            let given = asked.get(&spec.name);
            let value = spec.accept(given.unwrap_or(&spec.default))?;
            options.insert(spec.name.clone(), value.clone());
            if spec.name == PROFILE {
                profile = value.as_str().and_then(|name| self.profiles.get(name));
            } else if given.is_some() || !profile.is_some_and(|profile| profile.contains_key(spec.target())) {
                // What nobody chose does not overrule the profile that somebody chose.
                layer.insert(spec.target().to_owned(), value);
            }
        }
        if let Some(engine) = engine {
            layer.insert("engine".into(), engine.into());
        }
        let empty = Map::new();
        let settings = Settings::merge(&[&self.base, profile.unwrap_or(&empty), &layer])?;
        if crate::engine::named(&settings.engine).is_none() {
            return Err(format!("engine: there is no {:?}, only {}", settings.engine, crate::engine::NAMES.join(", ")));
        }
        Ok(Chosen { options, settings })
    }
}

impl OptionSpec {
    fn target(&self) -> &str {
        self.sets.as_deref().unwrap_or(&self.name)
    }

    fn check_declaration(&self) -> Result<(), String> {
        let name = &self.name;
        let identifier = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !identifier {
            return Err(format!("option {name:?}: the name must be a Python identifier"));
        }
        if (self.kind == Kind::Select) == self.choices.is_empty() {
            return Err(format!("option {name}: a select has choices, and nothing else has"));
        }
        if (self.min.is_some() || self.max.is_some()) && !matches!(self.kind, Kind::Int | Kind::Float) {
            return Err(format!("option {name}: only int and float have min and max"));
        }
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            return Err(format!("option {name}: min {min} is over max {max}"));
        }
        self.accept(&self.default).map(drop).map_err(|error| format!("option {name}: default: {error}"))
    }

    /// The value in its normal form.
    fn accept(&self, value: &Value) -> Result<Value, String> {
        let wrong = |wanted: &str| Err(format!("{} must be {wanted}, got {value}", self.name));
        match self.kind {
            Kind::String if value.is_string() => Ok(value.clone()),
            Kind::String => wrong("a string"),
            Kind::Bool if value.is_boolean() => Ok(value.clone()),
            Kind::Bool => wrong("true or false"),
            Kind::Mapping if value.is_object() => Ok(value.clone()),
            Kind::Mapping => wrong("an object"),
            Kind::Select => match value.as_str() {
                Some(text) if self.choices.iter().any(|choice| choice == text) => Ok(value.clone()),
                _ => wrong(&format!("one of {}", self.choices.join(", "))),
            },
            Kind::Int => match value.as_i64() {
                #[expect(clippy::cast_precision_loss, reason = "bounds are small")]
                Some(number) => self.within(number as f64).map(|()| value.clone()),
                None => wrong("an integer"),
            },
            Kind::Float => match value.as_f64() {
                Some(number) => self.within(number).map(|()| json!(number)),
                None => wrong("a number"),
            },
        }
    }

    fn within(&self, number: f64) -> Result<(), String> {
        if self.min.is_some_and(|min| number < min) {
            return Err(format!("{} must be at least {}, got {number}", self.name, self.min.unwrap_or_default()));
        }
        if self.max.is_some_and(|max| number > max) {
            return Err(format!("{} must be at most {}, got {number}", self.name, self.max.unwrap_or_default()));
        }
        Ok(())
    }

    fn field(&self) -> Value {
        let bound = |bound: Option<f64>| match (bound, self.kind) {
            #[expect(clippy::cast_possible_truncation, reason = "bounds are small")]
            (Some(bound), Kind::Int) => json!(bound as i64),
            (bound, _) => json!(bound),
        };
        let spec = match self.kind {
            Kind::Int => json!({"type": "int", "min": bound(self.min), "max": bound(self.max)}),
            Kind::Float => json!({"type": "float", "min": bound(self.min), "max": bound(self.max)}),
            Kind::String => json!({"type": "string"}),
            Kind::Bool => json!({"type": "bool"}),
            Kind::Select => json!({"type": "select", "options": self.choices}),
            Kind::Mapping => json!({"type": "mapping"}),
        };
        let default = self.accept(&self.default).unwrap_or(Value::Null);
        json!({"field": self.name, "label": self.label(), "default": default, "spec": spec})
    }

    fn label(&self) -> String {
        self.label.clone().unwrap_or_else(|| {
            let words = self.name.replace('_', " ");
            let mut letters = words.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        })
    }
}
