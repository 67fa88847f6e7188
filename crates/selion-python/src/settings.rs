//! `selion.config` over the settings of the crate.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt};
use selion::{SETTINGS, SettingValue, settings};

use crate::errors::to_python;

/// The value of a setting, `None` if it is not set.
#[pyfunction]
fn get_setting<'py>(py: Python<'py>, key: &str) -> PyResult<Bound<'py, PyAny>> {
    let settings = settings().map_err(to_python)?;
    Ok(match settings.get(key).map_err(to_python)? {
        SettingValue::Integer(number) => number.into_pyobject(py)?.into_any(),
        SettingValue::Flag(flag) => PyBool::new(py, flag).to_owned().into_any(),
        SettingValue::Text(text) => text.into_pyobject(py)?.into_any(),
        SettingValue::None => py.None().into_bound(py),
    })
}

/// Sets several settings, all or none.
#[pyfunction]
fn set_settings(values: &Bound<'_, PyDict>) -> PyResult<()> {
    let mut settings = settings().map_err(to_python)?;
    for (key, value) in values {
        let key: String = key.extract()?;
        let value = if value.is_none() {
            SettingValue::None
        } else if value.is_instance_of::<PyBool>() {
            SettingValue::Flag(value.extract()?)
        } else if value.is_instance_of::<PyInt>() {
            SettingValue::Integer(value.extract()?)
        } else {
            SettingValue::Text(value.str()?.to_string())
        };
        settings.set(&key, value).map_err(to_python)?;
    }
    settings.apply();
    Ok(())
}

/// All settings: name, default, what it does.
#[pyfunction]
fn list_settings() -> Vec<(&'static str, &'static str, &'static str)> {
    SETTINGS.iter().map(|setting| (setting.key, setting.default, setting.about)).collect()
}

/// A number of bytes from text such as `"512MiB"`.
#[pyfunction]
fn parse_bytes(text: &str) -> PyResult<u64> {
    selion::parse_bytes(text).ok_or_else(|| {
        pyo3::exceptions::PyValueError::new_err(format!("Could not interpret '{text}' as a number of bytes"))
    })
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(get_setting, m)?)?;
    m.add_function(wrap_pyfunction!(set_settings, m)?)?;
    m.add_function(wrap_pyfunction!(list_settings, m)?)?;
    m.add_function(wrap_pyfunction!(parse_bytes, m)?)
}
