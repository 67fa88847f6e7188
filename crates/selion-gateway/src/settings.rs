//! What one cluster is made of: sizes, times, environment.
//!
//! Three layers lie over each other: `[cluster]` of the configuration, the chosen `[profile.…]`, and the user's options.
//! Each is a table of the same keys; the last word counts, only `environment` is merged key by key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::units::{Bytes, Span};

/// The settings of one cluster. The default is what an empty `[cluster]` gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What schedules and computes: see `engine`.
    pub engine: String,
    /// Cores of a worker.
    pub worker_cores: u32,
    /// Threads of a worker; by default its cores.
    pub worker_threads: Option<u32>,
    /// Memory of a worker.
    pub worker_memory: Bytes,
    /// Cores of the scheduler.
    pub scheduler_cores: u32,
    /// Memory of the scheduler.
    pub scheduler_memory: Bytes,
    /// Variables of scheduler and workers.
    pub environment: BTreeMap<String, String>,
    /// The Python environment that they run in: a folder with `bin/python`.
    pub environment_path: Option<String>,
    /// Workers of one cluster at most.
    pub max_workers: Option<u32>,
    /// Cores of one cluster at most, the scheduler's included.
    pub max_cores: Option<u32>,
    /// Memory of one cluster at most, the scheduler's included.
    pub max_memory: Option<Bytes>,
    /// Stop when nothing was computed for so long; 0 is never.
    pub idle_timeout: Span,
    /// Stop when no client was connected for so long; 0 is never.
    pub client_timeout: Span,
    /// Stop when the cluster is so old; 0 is never.
    pub max_runtime: Span,
    /// Fail if the scheduler does not report within so long.
    pub start_timeout: Span,
    /// Replace a worker that does not join within so long.
    pub worker_start_timeout: Span,
    /// Fail after so many workers in a row that did not start.
    pub worker_start_failures: u32,
    /// How often the scheduler reports.
    pub heartbeat_period: Span,
    /// Fail if it has not for so long.
    pub heartbeat_timeout: Span,
    /// How often adaptive scaling looks.
    pub adaptive_period: Span,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            engine: "dask".into(),
            worker_cores: 1,
            worker_threads: None,
            worker_memory: Bytes(2 << 30),
            scheduler_cores: 1,
            scheduler_memory: Bytes(2 << 30),
            environment: BTreeMap::new(),
            environment_path: None,
            max_workers: None,
            max_cores: None,
            max_memory: None,
            idle_timeout: Span::secs(0),
            client_timeout: Span::secs(0),
            max_runtime: Span::secs(0),
            start_timeout: Span::secs(60),
            worker_start_timeout: Span::secs(60),
            worker_start_failures: 3,
            heartbeat_period: Span::secs(15),
            heartbeat_timeout: Span::secs(60),
            adaptive_period: Span::secs(3),
        }
    }
}

impl Settings {
    /// Lays the tables over each other, the last on top.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn merge(layers: &[&Map<String, Value>]) -> Result<Settings, String> {
        let mut merged = Map::new();
        for layer in layers {
            for (key, value) in *layer {
                match (merged.get_mut(key), value) {
                    (Some(Value::Object(below)), Value::Object(above)) => {
                        below.extend(above.iter().map(|(k, v)| (k.clone(), v.clone())));
                    }
                    _ => {
                        merged.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        for (key, value) in &merged {
            let one = Map::from_iter([(key.clone(), value.clone())]);
            serde_json::from_value::<Settings>(Value::Object(one)).map_err(|error| format!("{key}: {error}"))?;
        }
        let settings: Settings = serde_json::from_value(Value::Object(merged)).map_err(|error| error.to_string())?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        for (key, value) in [("worker_cores", self.worker_cores), ("scheduler_cores", self.scheduler_cores)] {
            if value == 0 {
                return Err(format!("{key} must be at least 1"));
            }
        }
        if self.worker_threads == Some(0) {
            return Err("worker_threads must be at least 1".into());
        }
        for (key, value) in [("start_timeout", self.start_timeout), ("heartbeat_period", self.heartbeat_period)] {
            if value.0.is_zero() {
                return Err(format!("{key} must be longer than nothing"));
            }
        }
        if self.heartbeat_timeout <= self.heartbeat_period {
            return Err("heartbeat_timeout must be longer than heartbeat_period".into());
        }
        for (name, value) in &self.environment {
            check_variable(name, value)?;
        }
        if let Some(path) = &self.environment_path
            && (!path.starts_with('/') || path.contains('\0') || path.split('/').any(|part| part == ".."))
        {
            return Err(format!("environment_path: {path:?} is not an absolute path without .."));
        }
        if let Some(max) = self.max_cores
            && self.scheduler_cores > max
        {
            return Err(format!(
                "Scheduler cores request of {} exceeds the cluster's limit of {max}",
                self.scheduler_cores
            ));
        }
        if let Some(max) = self.max_memory
            && self.scheduler_memory > max
        {
            return Err(format!(
                "Scheduler memory request of {} bytes exceeds the cluster's limit of {}",
                self.scheduler_memory.0, max.0
            ));
        }
        Ok(())
    }

    /// How many workers one cluster may have by its own limits.
    #[must_use]
    pub fn worker_limit(&self) -> u32 {
        let by_cores = self.max_cores.map(|max| max.saturating_sub(self.scheduler_cores) / self.worker_cores);
        let by_memory = self.max_memory.map(|max| {
            let left = max.0.saturating_sub(self.scheduler_memory.0);
            u32::try_from(left.checked_div(self.worker_memory.0).unwrap_or(u64::MAX)).unwrap_or(u32::MAX)
        });
        [self.max_workers, by_cores, by_memory].into_iter().flatten().min().unwrap_or(u32::MAX)
    }

    /// Threads of a worker.
    #[must_use]
    pub fn threads(&self) -> u32 {
        self.worker_threads.unwrap_or(self.worker_cores)
    }
}

/// Names that decide what is executed or trusted are not for users to set.
fn check_variable(name: &str, value: &str) -> Result<(), String> {
    let plain = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !plain {
        return Err(format!("environment: {name:?} cannot be the name of a variable"));
    }
    if value.contains('\0') {
        return Err(format!("environment: the value of {name} has a zero byte"));
    }
    if name.starts_with("DASK_GATEWAY_") || name.starts_with("SELION_GATEWAY_") {
        return Err(format!("environment: {name} is set by the gateway"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("no table") };
        map
    }

    #[test]
    fn the_last_layer_counts_and_environments_are_merged() {
        let base = table(serde_json::json!({"worker_cores": 2, "environment": {"A": "1", "B": "1"}}));
        let top = table(serde_json::json!({"worker_cores": 4, "environment": {"B": "2"}}));
        let settings = Settings::merge(&[&base, &top]).unwrap();
        assert_eq!(settings.worker_cores, 4);
        assert_eq!(settings.environment, BTreeMap::from([("A".into(), "1".into()), ("B".into(), "2".into())]));
    }

    #[test]
    fn errors_name_the_key() {
        for (value, name) in [
            (serde_json::json!({"worker_coers": 1}), "worker_coers"),
            (serde_json::json!({"worker_memory": "much"}), "worker_memory"),
            (serde_json::json!({"worker_cores": 0}), "worker_cores"),
            (serde_json::json!({"environment": {"A=B": "x"}}), "environment"),
            (serde_json::json!({"environment": {"DASK_GATEWAY_API_TOKEN": "x"}}), "DASK_GATEWAY_API_TOKEN"),
            (serde_json::json!({"environment_path": "/opt/../root"}), "environment_path"),
        ] {
            let error = Settings::merge(&[&table(value)]).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn the_smallest_of_the_limits_counts() {
        let layer = table(serde_json::json!({"worker_cores": 2, "max_cores": 8, "max_memory": "7 GiB"}));
        assert_eq!(Settings::merge(&[&layer]).unwrap().worker_limit(), 2);
        assert_eq!(Settings::default().worker_limit(), u32::MAX);
    }
}
